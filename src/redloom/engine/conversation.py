"""Who speaks next: a pure function of a rendering and the turns so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redloom.domain.interaction import EndedBy, Message, Turn
from redloom.domain.rendering import Rendering

IsRefusal = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Say:
    """The user's side says this; None: the system is asked to open."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Open:
    """The system is taken to have said this first; nothing is asked."""

    reply: str


@dataclass(frozen=True, slots=True)
class End:
    """The conversation is over."""

    by: EndedBy


def next_step(rendering: Rendering, turns: Sequence[Turn], *, is_refusal: IsRefusal) -> Say | Open | End:
    """What happens next."""
    opened = rendering.opening is not None or rendering.asks_opening
    if not turns:
        if rendering.opening is not None:
            return Open(rendering.opening)
        if rendering.asks_opening:
            return Say(None)
    said = len(turns) - (1 if opened else 0)
    if (
        said > 0
        and rendering.stop == "first_refusal"
        and is_refusal(turns[-1].reply)
        and said < len(rendering.turns)
    ):
        return End("user_left")
    if said >= len(rendering.turns):
        return End("turn_limit" if rendering.limited else "script_end")
    return Say(rendering.turns[said])


def messages(turns: Sequence[Turn], say: Say) -> tuple[Message, ...]:
    """The whole conversation as the target gets it, the new user text last."""
    found: list[Message] = []
    for turn in turns:
        if turn.text is not None:
            found.append(Message("user", turn.text))
        found.append(Message("assistant", turn.reply))
    if say.text is not None:
        found.append(Message("user", say.text))
    return tuple(found)
