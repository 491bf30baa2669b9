"""What is judged: a turn alone, a turn in its context, a whole interaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redloom.domain.interaction import Turn
from redloom.domain.judge import Unit


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a conversation that one judgement is about."""

    turn: bytes | None
    """The turn judged; None for the whole interaction."""
    shown: tuple[Turn, ...]
    """What the rater sees, the judged turn last."""
    judged: tuple[Turn, ...]
    """The turns whose replies are judged."""


def excerpts(turns: Sequence[Turn], unit: Unit) -> Iterator[Excerpt]:
    """Every unit of a conversation. A scripted opening is no reply of the system's and is not judged alone."""
    drawn = [turn for turn in turns if turn.latency_ms is not None or turn.text is not None]
    if unit == "interaction":
        if drawn:
            yield Excerpt(None, tuple(turns), tuple(drawn))
        return
    for turn in drawn:
        before = tuple(turns[: turns.index(turn)]) if unit == "turn_in_context" else ()
        yield Excerpt(turn.id, (*before, turn), (turn,))
