"""Talking with one or more systems in a scenario's frame: moves, replies, branches, marks. It yields no rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from redloom.domain.interaction import Turn
from redloom.domain.target import Target
from redloom.domain.value import Slug, Text, Value

ExchangeState = Literal["asked", "answered", "stopped", "interrupted", "blocked", "error"]
"""``asked``: the reply is on its way; ``interrupted``: the process that waited for it ended."""
MOST_LANES = 4


class Lane(Value):
    """One system of an exploration, and the conversation with it."""

    name: Text
    """The study's target, or ``kind:rest``."""
    target: Target
    """As it was when the exploration began, without how it is operated."""
    interaction: Text
    """Id of the conversation, in hexadecimal."""


class Exploration(Value):
    """What is explored, in which frame, with whom."""

    scenario: Slug | None = None
    scenario_digest: str | None = None
    arm: str = "full"
    """What the systems get to see."""
    language: str | None = None
    hypothesis: str = ""
    lanes: tuple[Lane, ...]


class Mark(Value):
    """What somebody saw in one reply."""

    harm: Slug | None = None
    severity: int | None = None
    what: str = ""
    """What went wrong in a few words: its class, when findings are counted."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One message to one system, and what came of it."""

    id: bytes
    move: bytes
    lane: int
    parent: bytes | None
    """The exchange before it in the same lane."""
    text: str | None
    """As it was typed; None where the system was asked to open."""
    state: ExchangeState
    partial: str | None
    """What has come of the reply while it is on its way."""
    error: str | None
    author: str
    turn: Turn | None = None
    """Once there is a reply."""

    @property
    def reply(self) -> str:
        """The reply, or as much of it as there is."""
        return self.turn.reply if self.turn is not None else self.partial or ""


@dataclass(frozen=True, slots=True)
class Move:
    """One message to all systems of an exploration."""

    id: bytes
    parent: bytes | None
    """The move before it."""
    text: str | None
    author: str
    exchanges: Mapping[int, Exchange] = field(default_factory=dict[int, Exchange])
    """By lane."""


class Tree:
    """The moves of an exploration; a branch is a second child."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        """``exchanges`` in the order they were made."""
        self._by_id = {one.id: one for one in exchanges}
        grouped: dict[bytes, dict[int, Exchange]] = {}
        for one in exchanges:
            grouped.setdefault(one.move, {})[one.lane] = one
        self.moves: dict[bytes, Move] = {}
        for move, lanes in grouped.items():
            first = next(iter(lanes.values()))
            parent = None if first.parent is None else self._by_id[first.parent].move
            self.moves[move] = Move(move, parent, first.text, first.author, lanes)

    def children(self, move: bytes | None) -> list[Move]:
        """What was said after a move, oldest first; the beginnings for None."""
        return [one for one in self.moves.values() if one.parent == move]

    def path(self, move: bytes | None) -> list[Move]:
        """The moves from the beginning to this one."""
        found: list[Move] = []
        while move is not None:
            found.append(self.moves[move])
            move = found[-1].parent
        return found[::-1]

    def newest(self, move: bytes | None = None) -> bytes | None:
        """The end of the branch below a move (None: of the whole) that was spoken last."""
        while children := self.children(move):
            move = max(children, key=lambda one: self._last(one.id)).id
        return move

    def walk(self) -> Iterator[tuple[int, Move]]:
        """(depth, move) of the whole tree; a branch that goes on without a second child stays at its depth."""
        waiting = [(0, one) for one in reversed(self.children(None))]
        while waiting:
            depth, move = waiting.pop()
            yield depth, move
            children = self.children(move.id)
            below = depth + (len(children) > 1)
            waiting += [(below, one) for one in reversed(children)]

    def before(self, exchange: Exchange) -> list[Exchange]:
        """The exchanges of the same lane that lead to this one, oldest first, without it."""
        found: list[Exchange] = []
        parent = exchange.parent
        while parent is not None:
            found.append(self._by_id[parent])
            parent = found[-1].parent
        return found[::-1]

    def _last(self, move: bytes) -> bytes:
        newest, waiting = move, [move]
        while waiting:
            one = waiting.pop()
            newest = max(newest, one)
            waiting += [child.id for child in self.children(one)]
        return newest
