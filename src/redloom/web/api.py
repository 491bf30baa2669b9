"""The services as JSON under ``/api/v1``, described at ``/api/v1/openapi.json``.

Who asks is known by the same session as in the pages, what they may by the same table, and what is sent has to come from
this server's own origin, as a form does.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

from fastapi import Body, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from redloom.domain.study import KINDS
from redloom.domain.value import Value
from redloom.errors import InputError, RedloomError, StoreError, UnknownNameError
from redloom.services import defining, exploring, findings, readiness, run_pages, showing, space
from redloom.services.defining import Meanwhile
from redloom.web.asking import Action, Ask

COLLECTIONS: Mapping[str, str] = {
    name.replace("_", "-"): kind for kind, name in KINDS.items() if kind not in ("target", "judge")
}
"""Part of an address -> kind of definition."""


class NotYoursError(Exception):
    """Whoever asks may not do that."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Api(FastAPI):
    """The application; ``who`` tells who asks, in which workspace."""

    def __init__(self, who: Callable[[Request], Ask]) -> None:
        super().__init__(title="Redloom", version="1", docs_url=None, redoc_url=None)
        self._who = who
        for error in (UnknownNameError, InputError, StoreError, RedloomError, NotYoursError):
            self.add_exception_handler(error, _told)
        # fixed words before open parts, so that none is taken for a name
        _explore(self)
        _read(self)
        _define(self)

    def may(self, action: Action) -> Any:
        """The parameter of a function that only those get to who may do that."""

        def asker(request: Request) -> Ask:
            ask = self._who(request)
            study = request.path_params.get("study")
            if ask.person.role == "stranger":
                raise NotYoursError(401, "open the link you were sent, or ask for one")
            if ask.person.study is not None and study not in (None, ask.person.study):
                raise UnknownNameError("study", str(study), [ask.person.study])
            if not ask.person.may(action):
                raise NotYoursError(403, f"as {ask.person.role.replace('_', ' ')} you may not do that")
            return ask

        return Depends(asker)


def _read(api: Api) -> None:
    reader: Any = api.may("read")

    @api.get("/studies")
    def studies(ask: Ask = reader) -> Any:  # pyright: ignore[reportUnusedFunction]
        """Every study that is open to whoever asks."""
        found = showing.name_studies(ask.workspace)
        return plain({slug: one for slug, one in found.items() if ask.person.study in (None, slug)})

    @api.get("/studies/{study}")
    def overview(study: str, ask: Ask = reader) -> Any:  # pyright: ignore[reportUnusedFunction]
        """How far a study is, and what is missing."""
        return plain(readiness.look_over(ask.workspace, study))

    @api.get("/studies/{study}/map")
    def scenario_map(  # pyright: ignore[reportUnusedFunction]
        study: str, rows: str = "persona", columns: str = "harm", ask: Ask = reader
    ) -> Any:
        """Two parts of the declared space against each other."""
        return plain(space.draw(ask.workspace, study, rows=rows, columns=columns))

    @api.get("/studies/{study}/runs")
    def runs(study: str, after: str = "", ask: Ask = reader) -> Any:  # pyright: ignore[reportUnusedFunction]
        """Some runs, newest first; ``after`` is what the page before gave."""
        return plain(run_pages.list_page(ask.workspace, study, after=after))

    @api.get("/studies/{study}/runs/{run}")
    def run(study: str, run: str, ask: Ask = reader) -> Any:  # pyright: ignore[reportUnusedFunction]
        """One run: what was asked, how far it is, who judged it."""
        return plain(run_pages.view_run(ask.workspace, study, run))

    @api.get("/studies/{study}/findings")
    def all_findings(study: str, ask: Ask = reader) -> Any:  # pyright: ignore[reportUnusedFunction]
        """All findings, newest first."""
        return plain(findings.list_findings(ask.workspace, study))

    @api.get("/studies/{study}/findings/{number}")
    def finding(study: str, number: int, ask: Ask = reader) -> Any:  # pyright: ignore[reportUnusedFunction]
        """One finding with its tries."""
        found = findings.open_finding(ask.workspace, study, number)
        return plain(found) | {"reproduced": plain(found.reproduced)}

    @api.get("/studies/{study}/{collection}/{slug}")
    def definition(study: str, collection: str, slug: str, ask: Ask = reader) -> Any:  # pyright: ignore[reportUnusedFunction]
        """One definition with its versions; ``versions[0].digest`` is the base of a change."""
        return plain(defining.open_definition(ask.workspace, study, _kind(collection), slug))


def _define(api: Api) -> None:
    definer: Any = api.may("define")

    @api.put("/studies/{study}/{collection}/{slug}")
    def save(  # pyright: ignore[reportUnusedFunction]
        study: str,
        collection: str,
        slug: str,
        content: Annotated[dict[str, Any], Body()],
        base: Annotated[str | None, Body()] = None,
        why: Annotated[str, Body()] = "",
        ask: Ask = definer,
    ) -> Any:
        """A new version made from the one with the digest ``base``; 409 where another came between."""
        done = defining.save_definition(
            ask.workspace, study, _kind(collection), slug, content, base=base, why=why
        )
        return JSONResponse(plain(done), 409 if isinstance(done, Meanwhile) else 200)


def _explore(api: Api) -> None:
    explorer: Any = api.may("explore")

    @api.get("/studies/{study}/explorations")
    def explorations(study: str, ask: Ask = explorer) -> Any:  # pyright: ignore[reportUnusedFunction]
        """All explorations, newest first."""
        return plain(exploring.list_explorations(ask.workspace, study))

    @api.post("/studies/{study}/explorations", status_code=201)
    def begin(  # pyright: ignore[reportUnusedFunction]
        study: str,
        targets: Annotated[list[str], Body()],
        scenario: Annotated[str | None, Body()] = None,
        arm: Annotated[str, Body()] = "full",
        hypothesis: Annotated[str, Body()] = "",
        ask: Ask = explorer,
    ) -> Any:
        """Begin one; gives its id."""
        made = exploring.begin(
            ask.workspace,
            study,
            scenario=scenario,
            targets=targets,
            arm=arm,
            hypothesis=hypothesis,
            guest=ask.person.invited,
        )
        return {"id": made}

    @api.get("/studies/{study}/explorations/{id}")
    def exploration(study: str, id: str, ask: Ask = explorer) -> Any:  # pyright: ignore[reportUnusedFunction]
        """One exploration: its frame, every move with its replies, every mark."""
        found = exploring.open_exploration(ask.workspace, study, id, live=ask.talks.live)
        return plain(found) | {"moves": [plain(move) for move in found.tree.moves.values()]}

    @api.post("/studies/{study}/explorations/{id}/messages", status_code=202)
    def say(  # pyright: ignore[reportUnusedFunction]
        study: str,
        id: str,
        text: Annotated[str | None, Body()] = None,
        after: Annotated[str | None, Body()] = None,
        ask: Ask = explorer,
    ) -> Any:
        """Send a message (none: the systems open); the replies come into the exploration."""
        sent = exploring.say(ask.workspace, study, id, text, after=after)
        ask.talks.ask(ask.workspace, study, id, sent.exchanges)
        return {"exchanges": [one.hex() for one in sent.exchanges]}


def _kind(collection: str) -> str:
    if collection not in COLLECTIONS:
        raise UnknownNameError("part of a study", collection, COLLECTIONS)
    return COLLECTIONS[collection]


async def _told(_: Request, error: Exception) -> JSONResponse:
    """What went wrong, every problem with its place."""
    if isinstance(error, NotYoursError):
        return JSONResponse({"problems": [{"path": "", "message": str(error)}]}, error.status)
    issues = error.issues if isinstance(error, InputError) else ()
    problems = [{"path": one.path, "message": one.message} for one in issues]
    status = 404 if isinstance(error, UnknownNameError) else 503 if isinstance(error, StoreError) else 422
    return JSONResponse({"problems": problems or [{"path": "", "message": str(error)}]}, status)


def plain(value: Any) -> Any:
    """A result of a service as JSON values: ids in hexadecimal, times in ISO 8601."""
    if isinstance(value, Value):
        return value.model_dump(mode="json", exclude_defaults=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_key(name): plain(one) for name, one in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, tuple | list | frozenset | set):
        return [plain(one) for one in cast(list[Any], value)]
    return value if isinstance(value, str | int | float | bool | None) else None


def _key(name: Any) -> str:
    return name.hex() if isinstance(name, bytes) else str(name)
