"""A target that a plug-in connects to, held to what :class:`redloom.targets.base.Client` says."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redloom.domain.target import Target
from redloom.errors import MalformedError, RedloomError, RejectedError, SetupError, UnavailableError
from redloom.targets.base import Capabilities, Client, Reply, Request, Traffic

_MEMBERS = ("capabilities", "check", "start_session", "reply", "close")


class PluggedInClient:
    """The client of a plug-in: what it raises is told with its kind, and fails one attempt only."""

    def __init__(self, kind: str, client: Client) -> None:
        self._kind, self._client = kind, client

    @classmethod
    async def connect(
        cls,
        function: Callable[..., Any],
        target: Target,
        kind: str,
        rest: str,
        *,
        environment: Mapping[str, str],
        home: Path,
    ) -> PluggedInClient:
        """What ``function(target, rest, environment=..., home=...)`` gives, plain or awaited."""
        try:
            client = function(target, rest, environment=environment, home=home)
            if inspect.isawaitable(client):
                client = await client
            problem = _problem(client)
        except RedloomError:
            raise
        except Exception as error:
            raise SetupError(f"target {target.system!r}: {_raised(kind, error)}") from error
        if problem is not None:
            raise SetupError(
                f"target {target.system!r}: the plug-in {kind!r} connects to something {problem}"
            )
        return cls(kind, client)

    @property
    def capabilities(self) -> Capabilities:
        """What the plug-in says."""
        return self._client.capabilities

    @property
    def traffic(self) -> Traffic:
        """What the plug-in says; nothing where it does not."""
        return getattr(self._client, "traffic", Traffic())

    async def check(self) -> str:
        """What the plug-in found."""
        try:
            return str(await self._client.check())
        except RedloomError:
            raise
        except Exception as error:
            raise SetupError(_raised(self._kind, error)) from error

    async def start_session(self, request: Request) -> str | None:
        """The id of a session, for plug-ins that keep one."""
        async with self._guarded():
            return await self._client.start_session(request)

    async def reply(self, request: Request) -> Reply:
        """The plug-in's reply."""
        async with self._guarded():
            reply: Any = await self._client.reply(request)
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise MalformedError(
                f"the plug-in {self._kind!r} gave {type(reply).__name__}; expected a Reply with a text"
            )
        return reply

    async def close(self) -> None:
        """Close the plug-in's client."""
        await self._client.close()

    @asynccontextmanager
    async def _guarded(self) -> AsyncGenerator[None]:
        try:
            yield
        except RedloomError:
            raise
        except OSError as error:
            raise UnavailableError(_raised(self._kind, error)) from error
        except Exception as error:
            raise RejectedError(_raised(self._kind, error)) from error


def _problem(client: Any) -> str | None:
    """What keeps an object from being a client; None where nothing does."""
    lacking = [name for name in _MEMBERS if not hasattr(client, name)]
    if lacking:
        return f"without {', '.join(lacking)}"
    if not isinstance(client.capabilities, Capabilities):
        return f"whose capabilities are {type(client.capabilities).__name__}; expected Capabilities"
    return None


def _raised(kind: str, error: Exception) -> str:
    return f"the plug-in {kind!r} raised {type(error).__name__}: {error}"
