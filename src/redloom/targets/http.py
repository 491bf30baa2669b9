"""Any application endpoint, by a declared request and response template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import quote

from redloom.domain.target import Delivery, HttpStream, HttpTemplate, Target
from redloom.errors import InputError, MalformedError, SetupError, TargetError, UnavailableError
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request, Traffic
from redloom.targets.events import DONE
from redloom.targets.transport import Transport, fill_environment, secrets_in

_PLACE = re.compile(r"\{(message|messages|system|session|seed|field:[\w.\-]+)\}")


class HttpClient:
    """``http:NAME``: the template stands in the target's ``http``."""

    def __init__(self, target: Target, environment: Mapping[str, str]) -> None:
        if target.http is None:
            raise InputError(f"target {target.system!r} has no 'http' template with url, body and reply")
        self._template: HttpTemplate = target.http
        self._headers = {
            name: fill_environment(text, environment) for name, text in self._template.headers.items()
        }
        secrets = secrets_in(self._template.headers.values(), environment)
        self._transport = Transport(timeout=target.limits.timeout, secrets=secrets)
        places = set(_places(self._template.body)) | set(_PLACE.findall(self._template.url))
        session = self._template.session
        if session is not None:
            places |= set(_places(session.body)) | set(_PLACE.findall(session.url))
            if "session" not in places:
                raise InputError(
                    f"target {target.system!r} declares a session, but its request has no {{session}}"
                )
        if not places & {"message", "messages"}:
            raise InputError(
                f"target {target.system!r}: the request body has neither {{message}} nor {{messages}}"
            )
        _check_fields(target, places)
        self._capabilities = Capabilities(
            system_prompt="system" in places,
            history="messages" in places or session is not None,
            opens="message" not in places,
            request_fields=any(place.startswith("field:") for place in places),
            stateful=session is not None,
            concurrency=CONCURRENCY["http"],
        )

    @property
    def capabilities(self) -> Capabilities:
        """What the template has a place for."""
        return self._capabilities

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return self._transport.traffic

    async def check(self) -> str:
        """Whether anything answers at the address; no message is sent."""
        url = self._template.url.split("{")[0]
        try:
            await self._transport.send("GET", url, headers=self._headers)
        except UnavailableError as error:
            if "cannot be reached" in str(error) or "did not answer" in str(error):
                raise SetupError(str(error)) from error
        except TargetError:
            pass
        return f"{url} answers"

    async def start_session(self, request: Request) -> str | None:
        """The id of a session the application keeps, where the template declares one."""
        session = self._template.session
        if session is None:
            return None
        values = _values(request)
        body = None if session.body is None else _fill(session.body, values)
        answer = await self._transport.send(
            session.method, _fill_url(session.url, values), headers=self._headers, body=body
        )
        return str(_at(answer, session.id))

    async def reply(self, request: Request) -> Reply:
        """What stands at the template's reply path; all parts of it where the application streams."""
        if self._template.stream is not None:
            return await self._streamed(self._template.stream, request, lambda _: None)
        values = _values(request)
        url = _fill_url(self._template.url, values)
        body = _fill(self._template.body, values)
        answer = await self._transport.send(self._template.method, url, headers=self._headers, body=body)
        return Reply(text=_text_at(answer, self._template.reply, url))

    async def stream(self, request: Request, on_part: Callable[[str], None]) -> Reply:
        """The same, told while it comes where the template says how."""
        if self._template.stream is not None:
            return await self._streamed(self._template.stream, request, on_part)
        reply = await self.reply(request)
        on_part(reply.text)
        return reply

    async def _streamed(self, form: HttpStream, request: Request, on_part: Callable[[str], None]) -> Reply:
        values = _values(request)
        url = _fill_url(self._template.url, values)
        body = _fill(self._template.body, values)
        parts: list[str] = []
        many, newest = 0, None
        events = self._transport.events(self._template.method, url, headers=self._headers, body=body)
        async with aclosing(events):
            async for event in events:
                if event == DONE:
                    continue
                many, newest = many + 1, event
                if form.error is not None and _found(event, form.error):
                    raise self._transport.failed(url, 500, {"error": _found(event, form.error)})
                text = _found(event, form.part)
                if isinstance(text, str):
                    parts.append(text)
                    on_part(text)
                elif text is not None:
                    raise MalformedError(f"{url}: {form.part!r} is not text")
        if not parts and many == 1:
            whole = _text_at(newest, self._template.reply, url)
            on_part(whole)
            return Reply(text=whole)
        if not parts:
            raise MalformedError(f"{url} streamed nothing that has text at {form.part!r}")
        return Reply(text="".join(parts))

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()


def _check_fields(target: Target, places: set[str]) -> None:
    """Refuse a delivery by a request field that no request has, where there are others."""
    there = sorted(place.removeprefix("field:") for place in places if place.startswith("field:"))
    for factor in ("context", "persona"):
        delivery: Delivery = getattr(target.delivery, factor)
        name = delivery.field or factor
        if there and delivery.how in ("request_field", "profile") and name not in there:
            raise InputError(
                f"target {target.system!r}: the {factor} is delivered in the field {name!r}, but the request has only "
                + ", ".join(f"{{field:{field}}}" for field in there)
            )


def _values(request: Request) -> dict[str, Any]:
    newest = request.messages[-1].content if request.messages else ""
    return {
        "message": newest,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "system": request.system,
        "session": request.session or "",
        "seed": request.seed,
        **{f"field:{name}": text for name, text in request.fields.items()},
    }


def _fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its places filled; a string that is one place alone takes the value's own type."""
    if isinstance(template, str):
        whole = _PLACE.fullmatch(template)
        if whole:
            return values.get(whole[1], "")
        return _PLACE.sub(lambda found: str(values.get(found[1], "")), template)
    if isinstance(template, list):
        return [_fill(entry, values) for entry in template]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(template, dict):
        return {name: _fill(entry, values) for name, entry in template.items()}  # pyright: ignore[reportUnknownVariableType]
    return template


def _fill_url(template: str, values: Mapping[str, Any]) -> str:
    """An address with its places filled, so that no value can change its other parts."""
    return _PLACE.sub(lambda found: quote(str(values.get(found[1], "")), safe=""), template)


def _places(template: Any) -> list[str]:
    if isinstance(template, str):
        return _PLACE.findall(template)
    if isinstance(template, list):
        return [place for entry in template for place in _places(entry)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(template, dict):
        return [place for entry in template.values() for place in _places(entry)]  # pyright: ignore[reportUnknownVariableType]
    return []


def _text_at(answer: Any, path: str, url: str) -> str:
    text = _at(answer, path)
    if not isinstance(text, str):
        raise MalformedError(f"{url}: {path!r} is not text")
    return text


def _found(event: Any, path: str) -> Any:
    """The value at a path of one event; None where it has nothing there."""
    try:
        return _at(event, path)
    except MalformedError:
        return None


def _at(answer: Any, path: str) -> Any:
    """The value at ``a.b[0].c``."""
    value: Any = answer
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = cast(list[Any], value)[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise MalformedError(f"the answer has nothing at {path!r} (looked for {part!r})") from error
    return value
