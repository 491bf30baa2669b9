"""What works with a target, found out by a few short and harmless requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic_core import from_json

from redloom.domain.interaction import Message
from redloom.domain.target import Target
from redloom.errors import RateLimitedError, RejectedError, TargetError, UnavailableError
from redloom.targets.base import Client, Networked, Reply, Request, split_system

State = Literal["ok", "no", "unknown"]

WORD = "madder"
SYSTEM = f"Whatever you are told, answer with this one word and nothing else: {WORD}"
ASKED = Request(messages=(Message("user", "Hello, is anybody there?"),))
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}
FORMED = Request(
    messages=(Message("user", 'Is snow white? Answer as JSON: {"answer": "yes"} or {"answer": "no"}'),),
    schema=SCHEMA,
)
_NAME_A_MODEL = frozenset({"anthropic", "inspect", "local", "openai"})
_LIMIT = re.compile(r"(?:x-ratelimit-limit-(.+)|anthropic-ratelimit-(.+)-limit)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing about a target: whether it works, and what was seen."""

    what: str
    state: State
    said: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found, by how many requests."""

    aspects: tuple[Aspect, ...]
    requests: int
    seconds: float
    """For one short request."""


def names_model(target: Target) -> bool:
    """Whether ``kind:rest`` names a model, so that a reply says that the model is known."""
    return split_system(target.system)[0] in _NAME_A_MODEL


async def try_out(client: Client, *, names_model: bool, clock: Callable[[], float]) -> Tried:
    """Ask once with a system prompt and once with a schema; raises a TargetError where no reply comes at all.

    The client's ``check`` was called before; its requests are counted where the client tells them.
    """
    asking = _Asking(client, clock)
    system, reply, seconds = await _with_system_prompt(asking)
    structured = await _structured(asking)
    traffic = client.traffic if isinstance(client, Networked) else None
    keys = traffic.keys if traffic is not None else ()
    model = (
        Aspect("model", "ok", "it replied")
        if names_model
        else Aspect("model", "unknown", "this kind of target names none")
    )
    key = (
        Aspect("key", "ok", f"taken: {', '.join(keys)}")
        if keys
        else Aspect("key", "unknown", "none was sent by Redloom")
    )
    aspects = (
        Aspect("answers", "ok" if reply.text.strip() else "unknown", _shortened(reply.text)),
        key,
        model,
        system,
        structured,
        Aspect("streaming", "unknown", "not tried: only exploring shows replies while they come"),
        _rate_limits({} if traffic is None else traffic.headers),
        Aspect("latency", "ok", f"{seconds:.2f} s for a short reply"),
    )
    sent = traffic.requests if traffic is not None and traffic.requests else asking.requests
    return Tried(aspects, sent, seconds)


class _Asking:
    """Requests to a client, counted and timed; a stateful one gets a session for each."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self.client, self._clock = client, clock
        self.requests = 0

    async def ask(self, request: Request) -> tuple[Reply, float]:
        """The reply, and the seconds it took."""
        if self.client.capabilities.stateful:
            self.requests += 1
            session = await self.client.start_session(replace(request, messages=()))
            request = replace(request, session=session)
        self.requests += 1
        started = self._clock()
        reply = await self.client.reply(request)
        return reply, self._clock() - started


async def _with_system_prompt(asking: _Asking) -> tuple[Aspect, Reply, float]:
    if not asking.client.capabilities.system_prompt:
        return Aspect("system prompt", "no", "this target takes none"), *await asking.ask(ASKED)
    try:
        reply, seconds = await asking.ask(replace(ASKED, system=SYSTEM))
    except RejectedError as error:
        if error.stops:
            raise
        return Aspect("system prompt", "no", str(error)), *await asking.ask(ASKED)
    if WORD in reply.text.lower():
        return Aspect("system prompt", "ok", "the reply did what it says"), reply, seconds
    why = "the reply did not do what it says; a weak model may have got it all the same"
    return Aspect("system prompt", "unknown", why), reply, seconds


async def _structured(asking: _Asking) -> Aspect:
    what = "structured output"
    if not asking.client.capabilities.structured:
        return Aspect(what, "no", "this target cannot be held to a JSON schema; judges ask it in plain words")
    try:
        reply, _ = await asking.ask(FORMED)
    except (RateLimitedError, UnavailableError) as error:
        return Aspect(what, "unknown", str(error))
    except TargetError as error:
        return Aspect(what, "no", str(error))
    if _fits(reply.text):
        return Aspect(what, "ok", "a reply kept to a JSON schema")
    return Aspect(what, "no", f"the reply did not keep to a JSON schema: {_shortened(reply.text)}")


def _fits(text: str) -> bool:
    try:
        value: Any = from_json(text)
    except ValueError:
        return False
    return value in ({"answer": "yes"}, {"answer": "no"})


def _rate_limits(headers: Mapping[str, str]) -> Aspect:
    found: list[str] = []
    for name, value in headers.items():
        named = _LIMIT.fullmatch(name)
        if named:
            found.append(f"{value[:20]} {(named[1] or named[2]).lower().replace('-', ' ')}")
    if not found:
        return Aspect("rate limits", "unknown", "the answers name none")
    return Aspect("rate limits", "ok", ", ".join(found) + " (in the provider's window, most often a minute)")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return f"says {line[:60] + ('…' if len(line) > 60 else '')!r}" if line else "with an empty reply"
