"""What a target system is to the engine: requests in, replies out, errors by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from redloom.domain.interaction import Message
from redloom.domain.target import Deliveries
from redloom.errors import InputError

CONCURRENCY: Mapping[str, int] = {
    "openai": 16,
    "anthropic": 16,
    "inspect": 16,
    "http": 8,
    "local": 4,
    "python": 8,
    "scripted": 64,
}
"""Kind of target -> requests at once, unless its limits or the run say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a connected target can take."""

    system_prompt: bool = True
    history: bool = True
    """It is given the earlier turns, or keeps them itself."""
    opens: bool = True
    """It can speak first."""
    request_fields: bool = False
    structured: bool = False
    """It can be held to a JSON schema."""
    stateful: bool = False
    """It keeps a conversation in a session, so an interrupted one starts again."""
    concurrency: int = 8
    """Requests at once, unless limits say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: the whole conversation so far, newest user message last."""

    messages: tuple[Message, ...]
    system: str = ""
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    seed: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    """Overrides of the target's own decoding."""
    schema: Mapping[str, Any] | None = None
    """JSON schema the reply must follow, for targets that can be held to one."""
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    text: str
    finish_reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(slots=True)
class Traffic:
    """What one client sent over the network so far."""

    keys: tuple[str, ...] = ()
    """Names of the environment variables whose values go with each request."""
    requests: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the newest answer."""


@runtime_checkable
class Networked(Protocol):
    """A client that can tell its traffic."""

    @property
    def traffic(self) -> Traffic:
        """What it sent so far."""
        ...


class Client(Protocol):
    """A connected target. Every method may raise a TargetError."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can take."""
        ...

    async def check(self) -> str:
        """One sentence on what was found there; raises when it cannot be used at all."""
        ...

    async def start_session(self, request: Request) -> str | None:
        """The id of a new session, for targets that keep one."""
        ...

    async def reply(self, request: Request) -> Reply:
        """The reply to one request."""
        ...

    async def close(self) -> None:
        """Give its connections back."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A client that can tell a reply while it comes."""

    async def stream(self, request: Request, on_part: Callable[[str], None]) -> Reply:
        """The reply to one request; ``on_part`` gets its text piece by piece. Cancelling it ends the request."""
        ...


async def reply_in_parts(client: Client, request: Request, on_part: Callable[[str], None]) -> Reply:
    """The reply, told while it comes where the client can; else all at once."""
    if isinstance(client, Streaming):
        return await client.stream(request, on_part)
    reply = await client.reply(request)
    on_part(reply.text)
    return reply


def unsuitable(name: str, delivery: Deliveries, capabilities: Capabilities) -> list[str]:
    """Why the target of that name cannot deliver context and persona as declared; empty where it can."""
    problems: list[str] = []
    for factor in ("context", "persona"):
        how = getattr(delivery, factor).how
        if how == "system_prompt" and not capabilities.system_prompt:
            problems.append(
                f"the {factor} is to reach {name!r} in its system prompt, but this target takes none; "
                f"declare its 'delivery' (for instance {{{factor}: {{how: said_by_user}}}})"
            )
        if how in ("request_field", "profile") and not capabilities.request_fields:
            problems.append(f"the {factor} is to reach {name!r} in a request field, but this target has none")
    return problems


def split_system(system: str) -> tuple[str, str]:
    """``kind`` and ``rest`` of ``kind:rest``; raises InputError."""
    kind, colon, rest = system.partition(":")
    if not colon or not kind or not rest:
        raise InputError(
            f"{system!r} is not of the form kind:rest, such as 'openai:gpt-4o-mini' or 'local:smollm2'"
        )
    return kind, rest
