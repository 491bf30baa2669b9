"""What stands before every page: whose address was asked for, from which page, and how much was sent.

A page of another site cannot reach this server by a name that it makes resolve here (the Host header has to be ours),
nor send a form to it (the Origin header, or else Sec-Fetch-Site, has to be ours). Nothing of another host is loaded and
no script stands in a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_SENT = 4 * 1024 * 1024
"""Bytes of one request."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses what did not come from this server's own pages."""

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        """``origins`` are the addresses it is reached at, such as ``http://127.0.0.1:8000``."""
        self._app = app
        self._origins = origins
        self._hosts = frozenset(origin.partition("://")[2].lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope, Headers(scope=scope))
        if refused is not None:
            await refused(scope, receive, _with_headers(send))
            return
        await self._app(scope, _limited(receive), _with_headers(send))

    def _refused(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        method = scope["method"]
        if headers.get("host", "").lower() not in self._hosts:
            known = ", ".join(sorted(self._origins))
            return PlainTextResponse(f"This server is reached at {known} and under no other name.\n", 421)
        if "\0" in unquote(f"{scope['path']}?{scope['query_string'].decode('latin-1')}"):
            return PlainTextResponse("An address cannot hold the character NUL.\n", 400)
        if method not in SAFE and not self._is_own(headers):
            return PlainTextResponse("What is sent here has to come from a page of this server.\n", 403)
        told = headers.get("content-length", "0")
        if not told.isdecimal() or int(told) > MOST_SENT:
            return PlainTextResponse("That is more than 4 MiB at once.\n", 413)
        return None

    def _is_own(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return origin.lower() in self._origins
        return headers.get("sec-fetch-site") == "same-origin"


class TooMuchError(Exception):
    """A request is longer than it says, or than it may be."""


def _limited(receive: Receive) -> Receive:
    """Stop reading where more comes than may be sent."""
    taken = 0

    async def read() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_SENT:
            raise TooMuchError
        return message

    return read


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
