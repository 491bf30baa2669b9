"""What happened between a user's side and a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
AttemptState = Literal["pending", "claimed", "completed", "error", "blocked", "over_budget", "cancelled"]
FINAL_STATES: frozenset[AttemptState] = frozenset({"completed", "error", "blocked"})
"""A run is done when every item is in one of these; the others are taken up again."""
EndedBy = Literal["script_end", "turn_limit", "user_left", "stopped", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation as a target gets it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One exchange: what the user's side said (None where the system opened) and the reply."""

    id: bytes
    interaction: bytes
    parent: bytes | None
    text: str | None
    reply: str
    finish_reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    latency_ms: int | None = None
    """None where the reply was not drawn from the target (a scripted opening)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A conversation: its turns from first to last."""

    id: bytes
    turns: tuple[Turn, ...]
    ended_by: EndedBy | None
    system: str = ""
    """The system prompt in force; shown to readers, not to judges."""
