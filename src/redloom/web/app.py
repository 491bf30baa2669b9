"""The workbench as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from redloom.errors import InputError, RedloomError, StoreError, UnknownNameError
from redloom.services.showing import name_studies
from redloom.services.workspace import Workspace
from redloom.web.asking import Action, Answer, Ask, Document, Form, Page, Person, See
from redloom.web.guard import Guard, TooMuchError
from redloom.web.pages import SAID, Shell, render
from redloom.web.routes import define, study
from redloom.web.routes.study import Trouble

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
    Way("POST", "/", "lead", study.begin),
    Way("GET", "/glossary", "read", study.glossary),
    Way("GET", "/search", "read", study.search),
    Way("GET", "/studies/{study}", "read", study.overview),
    Way("GET", "/studies/{study}/map", "read", define.scenario_map),
    Way("GET", "/studies/{study}/charter/edit", "lead", define.edit_charter),
    Way("POST", "/studies/{study}/charter/edit", "lead", define.save_charter),
    Way("GET", "/studies/{study}/{collection}", "read", define.listing),
    Way("GET", "/studies/{study}/{collection}/new", "define", define.new),
    Way("POST", "/studies/{study}/{collection}/new", "define", define.add),
    Way("GET", "/studies/{study}/{collection}/{slug}", "read", define.entry),
    Way("GET", "/studies/{study}/{collection}/{slug}/edit", "define", define.edit),
    Way("POST", "/studies/{study}/{collection}/{slug}/edit", "define", define.save),
    Way("GET", "/studies/{study}/{collection}/{slug}/history", "read", define.history),
    Way("GET", "/studies/{study}/harms/{slug}/dissent", "define", define.disagree),
    Way("POST", "/studies/{study}/harms/{slug}/dissent", "define", define.dissent),
    Way("POST", "/studies/{study}/harms/{slug}/endorse", "define", define.endorse),
)


def create_app(workspace: Workspace, *, origins: frozenset[str]) -> Guard:
    """The application over one database, reached at ``origins`` and nowhere else; loopback, one person."""
    owner = Person(name=workspace.who, role="lead")
    routes: list[Route | Mount] = [
        Route(way.path, _endpoint(way, workspace, owner), methods=[way.method]) for way in _most_exact(WAYS)
    ]
    static = StaticFiles(directory=str(files("redloom.web").joinpath("static")))
    app = Starlette(
        routes=[Mount("/static", static), *routes],
        exception_handlers={404: _lost(workspace, owner), TooMuchError: _too_much},
    )
    return Guard(app, origins=origins)


def _most_exact(ways: Sequence[Way]) -> list[Way]:
    """Addresses with fewer open parts first, so that a fixed word is never taken for a name."""
    return sorted(ways, key=lambda way: (way.path.count("{"), -len(way.path)))


def _endpoint(way: Way, workspace: Workspace, owner: Person) -> Any:
    async def endpoint(request: Request) -> Response:
        form = Form()
        if way.method == "POST":
            sent = await request.form()
            form = Form(tuple((name, value) for name, value in sent.multi_items() if isinstance(value, str)))
        ask = Ask(
            workspace=workspace,
            person=owner,
            url=request.url.path,
            parts={name: str(value) for name, value in request.path_params.items()},
            query=Form(tuple(request.query_params.multi_items())),
            form=form,
        )
        return await run_in_threadpool(_respond, ask, way)

    return endpoint


def _respond(ask: Ask, way: Way) -> Response:
    try:
        if not ask.person.may(way.may):
            answer: Answer = Trouble(
                heading="That is not yours to do",
                told=f"As {ask.person.role.replace('_', ' ')} you can look here, and not change anything.",
                status=403,
            )
        else:
            answer = way.handler(ask)
    except UnknownNameError as error:
        answer = Trouble(heading="There is nothing here", told=str(error), status=404)
    except InputError as error:
        answer = Trouble(heading="That did not work", told=str(error), status=422)
    except StoreError as error:
        answer = Trouble(heading="The database does not answer", told=str(error), status=503)
    except RedloomError as error:
        answer = Trouble(heading="That did not work", told=str(error), status=422)
    return _response(ask, answer)


def _response(ask: Ask, answer: Answer) -> Response:
    match answer:
        case Page():
            return HTMLResponse(render(answer, _shell(ask)), answer.status)
        case See(url, said):
            return RedirectResponse(f"{url}?said={said}" if said else url, 303)
        case Document(content=content, media=media, headers=headers):
            return Response(content, media_type=media, headers=dict(headers))


def _shell(ask: Ask) -> Shell:
    try:
        studies: Mapping[str, Any] = name_studies(ask.workspace)
    except StoreError:
        studies = {}
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


def _lost(workspace: Workspace, owner: Person) -> Any:
    async def lost(request: Request, _: Exception) -> Response:
        ask = Ask(workspace=workspace, person=owner, url=request.url.path, parts={})
        trouble = Trouble(
            heading="There is nothing here", told=f"No page has the address {request.url.path}.", status=404
        )
        return await run_in_threadpool(_response, ask, trouble)

    return lost


async def _too_much(_: Request, __: Exception) -> Response:
    return Response("That is more than 4 MiB at once.\n", 413)


def with_person(ask: Ask, person: Person) -> Ask:
    """The same request in somebody's name."""
    workspace = replace(ask.workspace, settings=replace(ask.workspace.settings, who=person.name))
    return replace(ask, workspace=workspace, person=person)
