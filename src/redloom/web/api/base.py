"""Who may ask for what, what went wrong, and results of services as JSON values.

Who asks is known by the same session as in the pages, what they may by the same table, and what is sent has to come from
this server's own origin, as a form does.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from redloom.domain.value import Value
from redloom.errors import InputError, RedloomError, StoreError, UnknownNameError
from redloom.web.asking import Action, Ask


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    path: str
    """Field of what was sent, such as ``content.title``; empty where it is about the whole."""
    message: str


@dataclass(frozen=True, slots=True)
class Problems:
    """Why nothing was done: every problem at once."""

    problems: list[Problem]


FAILURES: dict[int | str, dict[str, Any]] = {
    400: {"model": Problems, "description": "What was sent cannot be read"},
    401: {"model": Problems, "description": "Not without an invitation"},
    403: {"model": Problems, "description": "Not in this role"},
    404: {"model": Problems, "description": "There is nothing of that name"},
    422: {"model": Problems, "description": "Something given is wrong; nothing was done"},
    503: {"model": Problems, "description": "The database does not answer"},
}
"""What any address may answer besides what it is for."""


class NotYoursError(Exception):
    """Whoever asks may not do that."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Api(FastAPI):
    """The application; ``who`` tells who asks, in which workspace."""

    def __init__(self, who: Callable[[Request], Ask]) -> None:
        super().__init__(title="Redloom", version="1", docs_url=None, redoc_url=None, responses=FAILURES)
        self.who = who
        for error in (RedloomError, NotYoursError, RequestValidationError, HTTPException):
            self.add_exception_handler(error, _told)


def may(action: Action) -> Any:
    """The parameter of a function that only those get to who may do that."""

    def asker(request: Request) -> Ask:
        ask = cast(Api, request.app).who(request)
        study = request.path_params.get("study")
        if ask.person.role == "stranger":
            raise NotYoursError(401, "open the link you were sent, or ask for one")
        if ask.person.study is not None and study not in (None, ask.person.study):
            raise UnknownNameError("study", str(study), [ask.person.study])
        if not ask.person.may(action):
            raise NotYoursError(403, f"as {ask.person.role.replace('_', ' ')} you may not do that")
        return ask

    return Depends(asker)


Reader = Annotated[Ask, may("read")]
Explorer = Annotated[Ask, may("explore")]
Writer = Annotated[Ask, may("write")]
Definer = Annotated[Ask, may("define")]
Reviewer = Annotated[Ask, may("review")]
Leader = Annotated[Ask, may("lead")]


async def _told(_: Request, error: Exception) -> JSONResponse:
    """What went wrong, every problem with its place."""
    headers = error.headers if isinstance(error, HTTPException) else None
    match error:
        case NotYoursError():
            status, found = error.status, [Problem("", str(error))]
        case HTTPException():
            status, found = error.status_code, [Problem("", str(error.detail))]
        case RequestValidationError():
            status, found = 422, [_problem(one) for one in error.errors()]
        case InputError():
            status = 404 if isinstance(error, UnknownNameError) else 422
            found = [Problem(one.path, one.message) for one in error.issues]
        case _:
            status, found = 503 if isinstance(error, StoreError) else 422, [Problem("", str(error))]
    return JSONResponse(plain(Problems(found)), status, headers)


def _problem(error: Mapping[str, Any]) -> Problem:
    """Where in the request something is wrong, without the part of it that it stands in."""
    place = error["loc"][1:] if error["loc"][:1] in (("body",), ("query",), ("path",)) else error["loc"]
    return Problem(".".join(str(part) for part in place), str(error["msg"]))


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
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # half a character, which no answer can carry
    return value if isinstance(value, int | float | bool | None) else None


def _key(name: Any) -> str:
    return name.hex() if isinstance(name, bytes) else str(name)
