"""HTTP to targets: one session, answers read with a limit, failures by class."""

from __future__ import annotations

import asyncio
import email.utils
import math
import os
import re
import ssl
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
from pydantic_core import from_json, to_json

from redloom.errors import (
    BlockedError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    SetupError,
    TargetError,
    UnavailableError,
)
from redloom.targets.base import Traffic
from redloom.targets.events import BY_LINE, DONE, EVENTS, data, lines

MAX_ANSWER = 16 * 1024 * 1024
MAX_CONNECTIONS = 1024
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_FILTERS = (
    "content_filter",
    "content_policy_violation",
    "content_management_policy",
    "content filtering policy",
)
_UNPAID = (
    b"insufficient_quota",
    b"credit balance is too low",
    b"_spend_limit_reached",
    b"have reached your specified",
)
"""What endpoints say where nothing more is answered until somebody pays or raises a limit."""


class Transport:
    """JSON requests over one pool of connections; made inside a running event loop."""

    def __init__(self, *, timeout: float, secrets: Mapping[str, str]) -> None:
        """``timeout`` is in seconds for one whole request.

        ``secrets`` are keys by the names of their variables; they are taken out of what errors quote.
        """
        self.traffic = Traffic(keys=tuple(secrets))
        self._secrets = tuple(secret.encode() for secret in secrets.values())
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 15))
        self._session: aiohttp.ClientSession | None = None

    async def send(self, method: str, url: str, *, headers: Mapping[str, str], body: Any = None) -> Any:
        """The parsed JSON answer; raises a TargetError."""
        async with self._answered(method, url, headers, body) as answer:
            content = await _content(answer)
        return _parsed(url, content)

    async def events(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Any
    ) -> AsyncGenerator[Any]:
        """The JSON values of server-sent events, or of lines, as they come; raises a TargetError.

        ``DONE`` is given as it is. An answer that is no such stream is given as one value.
        """
        async with self._answered(method, url, headers, body) as answer:
            if answer.content_type == EVENTS:
                told = data(_parts(answer))
            elif answer.content_type in BY_LINE:
                told = lines(_parts(answer))
            else:
                yield _parsed(url, await _content(answer))
                return
            async for one in told:
                if value := one.strip():
                    yield DONE if value == DONE.encode() else _parsed(url, value)

    def failed(self, url: str, status: int, event: Any) -> TargetError:
        """The error that an event of a stream tells, ``status`` being the one it stands for."""
        return failure(url, status, self._without_secrets(to_json(event)), {})

    @asynccontextmanager
    async def _answered(
        self, method: str, url: str, headers: Mapping[str, str], body: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """An answer that is no failure; what goes wrong until it is read is a TargetError."""
        content = None if body is None else to_json(body)
        self.traffic.requests += 1
        try:
            async with self._open().request(method, url, data=content, headers=headers) as answer:
                self.traffic.headers = answer.headers
                if answer.status >= 400:
                    said = self._without_secrets(await _content(answer))
                    raise failure(url, answer.status, said, answer.headers)
                yield answer
        except TimeoutError as error:
            raise UnavailableError(f"{url} did not answer within {self._timeout.total:g} s") from error
        except (aiohttp.InvalidUrlRedirectClientError, aiohttp.NonHttpUrlRedirectClientError) as error:
            raise UnavailableError(f"{url} leads to an address that cannot be used") from error
        except aiohttp.InvalidURL as error:
            raise SetupError(f"{url!r} is not a usable address") from error
        except aiohttp.ClientConnectorError as error:
            raise UnavailableError(f"{url} cannot be reached: {_reason(error.os_error)}") from error
        except aiohttp.ClientError as error:
            raise UnavailableError(f"{url} cannot be reached: {self._told(error)}") from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)

    def _told(self, error: aiohttp.ClientError) -> str:
        """What the library says; it may quote lines of the answer."""
        return _one_line(self._without_secrets(str(error).encode(errors="replace")).decode())[:300]

    def _without_secrets(self, content: bytes) -> bytes:
        for secret in self._secrets:
            content = content.replace(secret, b"***")
        return content

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers={"Content-Type": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _parsed(url: str, content: bytes) -> Any:
    try:
        return from_json(content)
    except ValueError as error:
        raise MalformedError(f"{url} answered something that is not JSON: {error}") from error


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    """The body, refused once it is larger than ``MAX_ANSWER``; a packed one is measured unpacked."""
    told = None if "Content-Encoding" in answer.headers else answer.content_length
    if told is not None and told <= MAX_ANSWER:
        return await answer.read()
    return b"".join([part async for part in _parts(answer)])


async def _parts(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """The body in the pieces it comes in, refused once it is larger than ``MAX_ANSWER``."""
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > MAX_ANSWER:
            raise MalformedError(f"{answer.url} answered more than {MAX_ANSWER >> 20} MiB")
        yield part


def failure(url: str, status: int, content: bytes, headers: Mapping[str, str]) -> TargetError:
    """The error that an HTTP status and its body stand for."""
    said = _message(content)
    what = f"{url} answered {status}" + (f": {said}" if said else "")
    if any(word in said or word.encode() in content[:4000] for word in _FILTERS):
        return BlockedError(what)
    if status == 402 or any(word in content for word in _UNPAID):
        return RejectedError(what, stops=True)
    if status == 429:
        return RateLimitedError(what, retry_after=told_pause(headers))
    if status in (408, 409, 425) or status >= 500:
        return UnavailableError(what, retry_after=told_pause(headers))
    return RejectedError(what, stops=status in (401, 403, 404))


def told_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds of an answer's Retry-After, never below 0; None where it says nothing of use.

    A date is measured from the answer's own Date, so that a clock here that is wrong or jumps changes nothing.
    """
    return retry_after(headers.get("Retry-After"), now=_moment(headers.get("Date")))


def retry_after(value: str | None, *, now: float | None = None) -> float | None:
    """Seconds of a Retry-After header: a number, or an HTTP date measured from ``now``, else from the clock here."""
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    moment = _moment(value)
    return None if moment is None else max(0.0, moment - (time.time() if now is None else now))


def _moment(date: str | None) -> float | None:
    """Seconds since 1970 of an HTTP date; None where it is none."""
    if date is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def key_from(environment: Mapping[str, str], name: str) -> str:
    """The key in an environment variable; raises SetupError. The value is never shown."""
    key = environment.get(name, "").strip()
    if not key:
        raise SetupError(f"the environment variable {name} with the key is not set; set it and try again")
    if not key.isprintable():
        raise SetupError(
            f"the environment variable {name} holds more than one line, so it is no key; set it again"
        )
    return key


def fill_environment(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """``${NAME}`` replaced by the environment variable; raises SetupError for one that is not set."""
    return _VARIABLE.sub(lambda found: key_from(environment, found[1]), text)


def secrets_in(texts: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What :func:`fill_environment` puts into these texts, by variable."""
    return {name: key_from(environment, name) for text in texts for name in _VARIABLE.findall(text)}


def _message(content: bytes) -> str:
    try:
        body = from_json(content)
    except ValueError:
        return _one_line(content[:200].decode(errors="replace"))
    if not isinstance(body, dict):
        return ""
    fields = cast(dict[str, Any], body)
    inner = fields.get("error") or fields.get("detail") or fields.get("message") or ""
    if isinstance(inner, dict):
        inner = cast(dict[str, Any], inner).get("message", "")
    return _one_line(str(inner))[:300]


def _one_line(text: str) -> str:
    """What an endpoint said, without anything that could steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _reason(error: OSError) -> str:
    """Why a connection failed, in the system's words; an error of TLS has a number of its own kind."""
    if isinstance(error, ssl.SSLError):
        return getattr(error, "verify_message", "") or error.reason or str(error)
    number = error.errno
    told = os.strerror(number).lower() if number is not None and number > 0 else error.strerror
    return told or str(error)
