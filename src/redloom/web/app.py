"""The workbench as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from redloom.errors import RedloomError, StoreError, UnknownNameError
from redloom.services.drafting import Drafting
from redloom.services.people import SESSION_DAYS, who_is
from redloom.services.showing import name_studies
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace
from redloom.web.asking import Action, Answer, Ask, Document, Form, Page, Person, See, Stream, Trouble
from redloom.web.guard import MOST_SENT, Guard, TooMuchError
from redloom.web.pages import SAID, Shell, render
from redloom.web.routes import (
    create,
    define,
    editing,
    evidence,
    explore,
    findings,
    generating,
    orders,
    people,
    proposals,
    questions,
    reading,
    releases,
    runs,
    sorting,
    study,
    voices,
)

Handler = Callable[[Ask], Answer]


@dataclass(frozen=True, slots=True)
class Way:
    """An address, what one has to be allowed there, and what answers."""

    method: str
    path: str
    may: Action
    handler: Handler


WAYS: tuple[Way, ...] = (
    Way("GET", "/", "read", study.start),
    Way("POST", "/", "begin", study.begin),
    Way("GET", "/new", "begin", study.new),
    Way("POST", "/new", "begin", study.add),
    Way("GET", "/join/{secret}", "join", people.invited),
    Way("POST", "/join/{secret}", "join", people.join),
    Way("POST", "/leave", "read", people.leave),
    Way("GET", "/studies/{study}/people", "lead", people.listing),
    Way("POST", "/studies/{study}/people", "lead", people.invite),
    Way("POST", "/studies/{study}/people/end", "lead", people.end),
    Way("GET", "/glossary", "read", study.glossary),
    Way("GET", "/search", "read", study.search),
    Way("GET", "/studies/{study}", "read", study.overview),
    Way("GET", "/studies/{study}/map", "read", define.scenario_map),
    Way("GET", "/studies/{study}/explore", "explore", explore.listing),
    Way("POST", "/studies/{study}/explore", "explore", explore.begin),
    Way("GET", "/studies/{study}/explore/{id}", "explore", explore.talk),
    Way("POST", "/studies/{study}/explore/{id}/say", "explore", explore.say),
    Way("POST", "/studies/{study}/explore/{id}/stop", "explore", explore.stop),
    Way("GET", "/studies/{study}/explore/{id}/stream", "explore", explore.stream),
    Way("GET", "/studies/{study}/explore/{id}/newer", "explore", explore.newer),
    Way("GET", "/studies/{study}/explore/{id}/text/{exchange}", "explore", explore.text),
    Way("POST", "/studies/{study}/explore/{id}/mark", "explore", explore.mark),
    Way("GET", "/studies/{study}/explore/{id}/promote", "write", explore.promotion),
    Way("POST", "/studies/{study}/explore/{id}/promote", "write", explore.promote),
    Way("GET", "/studies/{study}/findings", "read", findings.listing),
    Way("GET", "/studies/{study}/findings/new", "explore", findings.new),
    Way("POST", "/studies/{study}/findings/new", "explore", findings.add),
    Way("GET", "/studies/{study}/findings/{number}", "read", findings.entry),
    Way("POST", "/studies/{study}/findings/{number}/try", "explore", findings.reproduce),
    Way("POST", "/studies/{study}/findings/{number}/go-on", "explore", findings.go_on),
    Way("POST", "/studies/{study}/findings/{number}/stop", "explore", findings.stop),
    Way("POST", "/studies/{study}/findings/{number}/judge", "propose", findings.judge),
    Way("POST", "/studies/{study}/findings/{number}/move", "review", findings.move),
    Way("POST", "/studies/{study}/findings/{number}/dissent", "propose", findings.dissent),
    Way("GET", "/studies/{study}/findings/{number}/text/{turn}", "read", findings.text),
    Way("POST", "/studies/{study}/findings/{number}/look", "explore", findings.look),
    Way("GET", "/studies/{study}/reading", "read", reading.page),
    Way("POST", "/studies/{study}/reading", "read", reading.choose),
    Way("GET", "/studies/{study}/runs", "read", runs.listing),
    Way("GET", "/studies/{study}/runs/{run}", "read", runs.entry),
    Way("POST", "/studies/{study}/runs/{run}/cancel", "lead", runs.cancel),
    Way("GET", "/studies/{study}/runs/{run}/report", "read", runs.report),
    Way("GET", "/studies/{study}/runs/{run}/conversations", "read", runs.conversations),
    Way("GET", "/studies/{study}/runs/{run}/conversations/{interaction}", "read", runs.conversation),
    Way("GET", "/studies/{study}/runs/{run}/conversations/{interaction}/text", "read", runs.text),
    Way("GET", "/studies/{study}/orders", "read", orders.listing),
    Way("POST", "/studies/{study}/orders/take", "write", orders.take),
    Way("POST", "/studies/{study}/orders/give-back", "write", orders.give_back),
    Way("GET", "/studies/{study}/orders/write", "write", orders.write),
    Way("POST", "/studies/{study}/orders/write", "write", orders.store),
    Way("GET", "/studies/{study}/orders/generate", "write", generating.choose),
    Way("POST", "/studies/{study}/orders/generate", "write", generating.generate),
    Way("GET", "/studies/{study}/orders/generate/{id}", "read", generating.batch),
    Way("POST", "/studies/{study}/orders/generate/{id}/stop", "write", generating.stop),
    Way("GET", "/studies/{study}/releases", "read", releases.listing),
    Way("GET", "/studies/{study}/releases/new", "lead", releases.new),
    Way("POST", "/studies/{study}/releases/new", "lead", releases.cut),
    Way("GET", "/studies/{study}/releases/{version}", "read", releases.release),
    Way("POST", "/studies/{study}/releases/{version}/verify", "read", releases.verify),
    Way("GET", "/studies/{study}/charter/edit", "lead", editing.edit),
    Way("POST", "/studies/{study}/charter/edit", "lead", editing.save),
    Way("GET", "/studies/{study}/charter/history", "read", define.history),
    Way("GET", "/studies/{study}/charter/propose", "propose", editing.draft),
    Way("POST", "/studies/{study}/charter/propose", "propose", editing.propose),
    Way("GET", "/studies/{study}/cases", "read", create.listing),
    Way("POST", "/studies/{study}/cases", "review", create.decide_on_several),
    Way("GET", "/studies/{study}/cases/new", "write", create.new),
    Way("POST", "/studies/{study}/cases/new", "write", create.add),
    Way("GET", "/studies/{study}/cases/{slug}", "read", create.entry),
    Way("POST", "/studies/{study}/cases/{slug}/review", "review", create.decide),
    Way("POST", "/studies/{study}/cases/{slug}/label", "propose", create.label),
    Way("GET", "/studies/{study}/cases/{slug}/edit", "write", create.edit),
    Way("POST", "/studies/{study}/cases/{slug}/edit", "write", create.save),
    Way("GET", "/studies/{study}/cases/{slug}/history", "read", create.history),
    Way("GET", "/studies/{study}/review", "read", create.queue),
    Way("GET", "/studies/{study}/{collection}", "read", define.listing),
    Way("GET", "/studies/{study}/{collection}/new", "propose", editing.new),
    Way("POST", "/studies/{study}/{collection}/new", "propose", editing.add),
    Way("GET", "/studies/{study}/{collection}/{slug}", "read", define.entry),
    Way("GET", "/studies/{study}/{collection}/{slug}/edit", "define", editing.edit),
    Way("POST", "/studies/{study}/{collection}/{slug}/edit", "define", editing.save),
    Way("GET", "/studies/{study}/{collection}/{slug}/history", "read", define.history),
    Way("GET", "/studies/{study}/{collection}/{slug}/propose", "propose", editing.draft),
    Way("POST", "/studies/{study}/{collection}/{slug}/propose", "propose", editing.propose),
    Way("GET", "/studies/{study}/evidence/caught", "read", evidence.caught),
    Way("GET", "/studies/{study}/evidence/import", "define", evidence.table),
    Way("POST", "/studies/{study}/evidence/import", "define", evidence.bring_in),
    Way("GET", "/studies/{study}/proposals", "read", proposals.listing),
    Way("GET", "/studies/{study}/proposals/{id}", "read", proposals.proposal),
    Way("POST", "/studies/{study}/proposals/{id}", "define", proposals.decide),
    Way("GET", "/studies/{study}/proposals/{id}/settle", "define", proposals.meeting),
    Way("POST", "/studies/{study}/proposals/{id}/settle", "define", proposals.settle),
    Way("GET", "/studies/{study}/harms/{slug}/try", "read", define.try_rubric),
    Way("POST", "/studies/{study}/harms/{slug}/try", "read", define.try_rubric),
    Way("GET", "/studies/{study}/harms/{slug}/questions", "propose", questions.edit),
    Way("POST", "/studies/{study}/harms/{slug}/questions", "propose", questions.send),
    Way("GET", "/studies/{study}/harms/{slug}/sort", "define", sorting.choose),
    Way("POST", "/studies/{study}/harms/{slug}/sort", "define", sorting.sort),
    Way("GET", "/studies/{study}/harms/{slug}/sort/{id}", "read", sorting.result),
    Way("GET", "/studies/{study}/harms/{slug}/dissent", "define", voices.disagree),
    Way("POST", "/studies/{study}/harms/{slug}/dissent", "define", voices.dissent),
    Way("POST", "/studies/{study}/harms/{slug}/uphold", "define", voices.uphold),
    Way("POST", "/studies/{study}/harms/{slug}/endorse", "define", voices.endorse),
)


COOKIE = "redloom_session"
READERS = 4
"""Pages made at once: more threads only wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Where the workbench is reached, and who is in it without a link."""

    workspace: Workspace
    origins: frozenset[str]
    """Addresses such as ``http://127.0.0.1:8137``; it answers under no other."""
    public: bool = False
    """Others can reach it: without a link nothing is open."""
    talks: Talks = field(default_factory=Talks)
    drafting: Drafting = field(default_factory=Drafting)
    reading: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(READERS))

    def who(self, session: str) -> Person:
        """Who is asking, by the session they have."""
        found = who_is(self.workspace, session) if session else None
        if found is not None:
            key = f"participant {found.id}"
            return Person(name=found.name, role=found.role, study=found.study, invited=True, key=key)
        if self.public:
            return Person(name="", role="stranger")
        return Person(name=self.workspace.who, role="owner", key=f"user {self.workspace.who}")

    def origin(self, request: Request) -> str:
        """Where the asker reached it: behind a proxy the request itself does not know."""
        return next(iter(self.origins)) if self.public else f"http://{request.headers.get('host', '')}"


def create_app(house: House) -> Guard:
    """The application over one database."""
    routes: list[Route | Mount] = [
        Route(way.path, _endpoint(way, house), methods=[way.method]) for way in _most_exact(WAYS)
    ]
    from redloom.web.api.app import create_api  # FastAPI takes its time

    api = create_api(lambda request: _known(_ask(house, request, Form()), house))
    static = StaticFiles(directory=str(files("redloom.web").joinpath("static")))
    app = Starlette(
        routes=[Mount("/static", static), Mount("/api/v1", api), *routes],
        exception_handlers={404: _lost(house), TooMuchError: _too_much},
    )
    return Guard(app, origins=house.origins)


def _most_exact(ways: Sequence[Way]) -> list[Way]:
    """Addresses with fewer open parts first, so that a fixed word is never taken for a name."""
    return sorted(ways, key=lambda way: (way.path.count("{"), -len(way.path)))


def _endpoint(way: Way, house: House) -> Any:
    async def endpoint(request: Request) -> Response:
        form = Form()
        if way.method == "POST":
            async with request.form(max_part_size=MOST_SENT) as sent:
                form = Form(tuple([(name, await _text(value)) for name, value in sent.multi_items()]))
        limiter = house.reading if way.method == "GET" else None
        return await run_sync(_respond, _ask(house, request, form), way, house, limiter=limiter)

    return endpoint


async def _text(value: str | UploadFile) -> str:
    """A field, or the text of a file; what is not UTF-8 in it becomes the sign for that."""
    return value if isinstance(value, str) else (await value.read()).decode("utf-8-sig", errors="replace")


def _ask(house: House, request: Request, form: Form) -> Ask:
    return Ask(
        workspace=house.workspace,
        person=Person(name="", role="stranger"),
        url=request.url.path,
        parts={name: str(value) for name, value in request.path_params.items()},
        query=Form(tuple(request.query_params.multi_items())),
        form=form,
        origin=house.origin(request),
        session=request.cookies.get(COOKIE, ""),
        talks=house.talks,
        drafting=house.drafting,
    )


def _known(ask: Ask, house: House) -> Ask:
    """The same request in the name of whoever asks."""
    person = house.who(ask.session)
    settings = replace(ask.workspace.settings, who=person.name or "a stranger")
    return replace(ask, person=person, workspace=replace(ask.workspace, settings=settings))


def _respond(ask: Ask, way: Way, house: House) -> Response:
    try:
        ask = _known(ask, house)
        return _response(ask, _refused(ask, way) or way.handler(ask))
    except UnknownNameError as error:
        answer = Trouble(heading="There is nothing here", told=str(error), status=404)
    except StoreError as error:
        answer = Trouble(heading="The database does not answer", told=str(error), status=503)
    except RedloomError as error:
        answer = Trouble(heading="That did not work", told=str(error), status=422)
    return _response(ask, answer)


def _refused(ask: Ask, way: Way) -> Page | None:
    """Why this is not open to whoever asks; None where it is."""
    person = ask.person
    if person.role == "stranger" and way.may != "join":
        told = (
            "This workbench is open to those who were invited. Open the link you were sent, or ask for one."
        )
        return Trouble(heading="Not without an invitation", told=told, status=401)
    if person.study is not None and ask.parts.get("study", person.study) != person.study:
        raise UnknownNameError("study", ask.parts["study"], [person.study])
    if not person.may(way.may):
        told = (
            f"As {person.role.replace('_', ' ')} you can look at this study, and not do that. Ask its lead."
        )
        return Trouble(heading="That is not yours to do", told=told, status=403)
    return None


def _response(ask: Ask, answer: Answer) -> Response:
    match answer:
        case Page():
            return HTMLResponse(render(answer, _shell(ask)), answer.status)
        case See(url, said, session):
            seen = RedirectResponse(_saying(url, said), 303)
            secure = ask.origin.startswith("https:")
            if session is not None:
                _keep(seen, COOKIE, session, days=SESSION_DAYS, secure=secure)
            return seen
        case Stream(events=events):
            return StreamingResponse(
                _told(events), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
            )
        case Document(content=content, media=media, headers=headers):
            return Response(content, media_type=media, headers=dict(headers))


def _saying(url: str, said: str) -> str:
    """The address of a page that says what was done, its part to look at last."""
    page, hash, part = url.partition("#")
    return f"{page}{'&' if '?' in page else '?'}said={said}{hash}{part}" if said else url


def _shell(ask: Ask) -> Shell:
    try:
        studies: Mapping[str, Any] = name_studies(ask.workspace)
    except StoreError:
        studies = {}
    person = ask.person
    studies = {
        slug: one for slug, one in studies.items() if person.study in (None, slug) and person.may("read")
    }
    slug = ask.parts.get("study", "")
    known = studies.get(slug)
    return Shell(
        person=ask.person,
        study=slug if known else None,
        title=known.title if known else "",
        languages=known.languages if known else (),
        studies=tuple((name, one.title) for name, one in studies.items()),
        path=ask.url,
        said=SAID.get(ask.query.text("said"), ""),
    )


def _keep(response: Response, name: str, value: str, *, days: int, secure: bool) -> None:
    """Have this browser keep something, or forget it."""
    age = days * 86_400 if value else 0
    response.set_cookie(name, value, max_age=age, httponly=True, samesite="lax", secure=secure)


async def _told(events: AsyncIterator[str]) -> AsyncIterator[str]:
    async for data in events:
        yield "".join(f"data: {line}\n" for line in data.split("\n")) + "\n"


def _lost(house: House) -> Any:
    async def lost(request: Request, _: Exception) -> Response:
        told = f"No page has the address {request.url.path}."
        if request.url.path.startswith("/api/"):  # an address so odd that it did not come to the API
            return JSONResponse({"problems": [{"path": "", "message": told}]}, 404)
        trouble = Trouble(heading="There is nothing here", told=told, status=404)
        return await run_in_threadpool(
            lambda: _response(_known(_ask(house, request, Form()), house), trouble)
        )

    return lost


async def _too_much(_: Request, __: Exception) -> Response:
    return Response("That is more than 4 MiB at once.\n", 413)
