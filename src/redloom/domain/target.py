"""A versioned system configuration, and how context and persona reach it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from redloom.domain.value import Definition, Text, Value
from redloom.errors import unknown
from redloom.ids import digest

How = Literal["system_prompt", "request_field", "profile", "said_by_user", "test_account", "not_delivered"]


class Delivery(Value):
    """One way in which a context or persona reaches a system."""

    how: How
    template: str = ""
    """Text with ``{field}`` for the fields of the context or persona; empty for the usual one."""
    field: str = ""
    """The request field, for ``request_field`` and ``profile``."""


class Deliveries(Value):
    """How context and persona reach the system."""

    context: Delivery = Delivery(how="system_prompt")
    persona: Delivery = Delivery(how="said_by_user")


class Decoding(Value):
    """How the system draws its replies."""

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    stop: tuple[str, ...] = ()
    seed: Literal["per_attempt", "none"] = "per_attempt"
    """Whether each attempt's own seed is sent."""
    extra: dict[str, Any] = {}
    """Further request fields, sent as they are."""


class Limits(Value):
    """What may be asked of a system at once."""

    concurrency: int | None = Field(default=None, ge=1, le=1024)
    requests_per_minute: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=120.0, gt=0)
    """Seconds for one request."""
    tries: int = Field(default=5, ge=1, le=20)


class Prices(Value):
    """Money for a million tokens, in US dollars."""

    input: float = Field(default=0.0, ge=0)
    output: float = Field(default=0.0, ge=0)

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """US dollars."""
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


class HttpSession(Value):
    """A session the application keeps over the turns of one conversation."""

    url: Text
    method: Literal["POST", "PUT", "GET"] = "POST"
    body: Any = None
    id: Text
    """Path to the session's id in the answer, e.g. ``data.session_id``."""


class HttpStream(Value):
    """An answer that comes piece by piece: server-sent events, or JSON values by line."""

    part: Text
    """Path to the next piece of the reply in an event, e.g. ``delta.text``; events without it are passed over."""
    error: Text | None = None
    """Path to what an event says where the application fails in the middle."""


class HttpTemplate(Value):
    """Requests to and answers of any application endpoint.

    In ``body``, ``url`` and ``session`` these stand for values: ``{message}`` the newest user turn,
    ``{messages}`` the whole history as role/content objects, ``{system}`` the system prompt, ``{session}`` the
    session's id, ``{seed}``, and ``{field:NAME}`` what ``request_field`` delivers. In ``headers``,
    ``${NAME}`` stands for the environment variable NAME.
    """

    url: Text
    method: Literal["POST", "PUT"] = "POST"
    headers: dict[str, str] = {}
    body: Any
    reply: Text
    """Path to the reply's text in the answer, e.g. ``choices[0].message.content``."""
    session: HttpSession | None = None
    stream: HttpStream | None = None
    """Set where the application answers piece by piece."""


class Target(Definition):
    """A system under test: kind, model, own system prompt, decoding, delivery."""

    kind: ClassVar[str] = "target"
    beside_content: ClassVar[frozenset[str]] = frozenset({"limits", "prices", "key_env"})

    system: Text
    """``kind:rest``: ``openai:MODEL``, ``http:NAME``, ``local:smollm2``, ``python:module:function``, ``scripted:FILE``."""
    base_url: str | None = None
    system_prompt: str = ""
    """The system's own prompt; a deployed system keeps it in every arm."""
    decoding: Decoding = Decoding()
    delivery: Deliveries = Deliveries()
    http: HttpTemplate | None = None

    key_env: str | None = None
    limits: Limits = Limits()
    prices: Prices | None = None

    @field_validator("key_env", mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """``given`` where it is a name; the message never repeats it, since it may be a key."""
        if given is None or (isinstance(given, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", given)):
            return given
        raise ValueError(
            "key_env names an environment variable, letters, digits and _; what was given is not a name "
            "(a key itself must never stand here)"
        )

    def system_digest(self) -> str:
        """The digest of system and delivery; limits, prices and key variable are outside it."""
        return digest({"kind": self.kind, **self.content()})


def system_problem(system: str, kinds: Collection[str]) -> str | None:
    """What is wrong with ``kind:rest`` where only ``kinds`` can be connected to; None where nothing is."""
    kind, colon, rest = system.partition(":")
    if not colon or not kind or not rest:
        return f"{system!r} is not of the form kind:rest, such as 'openai:gpt-4o-mini' or 'local:smollm2'"
    return None if kind in kinds else f"{system!r}: {unknown('kind of target', kind, kinds)}"
