"""What is to be done, derived from the spec; and what the engine asks of a store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from redloom.domain.interaction import Turn
from redloom.domain.rendering import Rendering
from redloom.domain.run import Record, RunSpec, Used, WorkItem, item_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A work item with what is needed to execute it."""

    item: WorkItem
    rendering: Rendering
    case: object
    """What the judges need; the engine passes it on."""
    known: bool = False
    """There is a row for it already: an earlier try failed, or was interrupted."""
    interaction: bytes | None = None
    """The conversation it goes on with, and its turns so far."""
    turns: tuple[Turn, ...] = ()
    used: Used = field(default_factory=Used)


class Jobs:
    """The jobs of a run, read a chunk at a time while earlier ones are executed."""

    def __init__(self, read: Callable[[], Sequence[Job] | None]) -> None:
        """``read`` gives the next chunk, None at the end; it is called in a thread, one call at a time."""
        self._read = read
        self._ready: deque[Job] = deque()
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[Sequence[Job] | None] | None = None
        self._over = False

    async def take(self) -> Job | None:
        """The next job, None when there is none left."""
        while not self._ready:
            async with self._lock:
                if self._over:
                    return None
                if not self._ready:
                    await self._refill()
        return self._ready.popleft()

    async def _refill(self) -> None:
        reading = self._next or asyncio.create_task(asyncio.to_thread(self._read))
        self._next = None
        chunk = await reading
        if chunk is None:
            self._over = True
        else:
            self._ready.extend(chunk)
            self._next = asyncio.create_task(asyncio.to_thread(self._read))


class Ledger(Protocol):
    """Where the engine writes; a record is safe once ``write`` returns."""

    async def write(self, record: Record) -> None:
        """Store a record, together with whatever else waits to be stored."""
        ...


def items(spec: RunSpec, stimulus: str) -> Iterator[WorkItem]:
    """The work items of one stimulus: every arm and attempt."""
    for arm in spec.arms:
        for index in range(spec.attempts[arm]):
            yield WorkItem(stimulus, arm, index, item_seed(spec.seed, stimulus, index))


def size(spec: RunSpec, stimuli: int) -> int:
    """Work items of a run over that many distinct stimuli."""
    return stimuli * spec.items_per_case()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run will take, before it is started."""

    items: int
    requests: int
    tokens_in: int
    """About four characters a token."""
    tokens_out: int
    cost: float | None
    """US dollars; None where the target declares no prices."""


ASSUMED_REPLY_TOKENS = 200


def estimate(
    spec: RunSpec, renderings: Iterator[Mapping[str, Rendering]], *, reply_tokens: int | None = None
) -> Estimate:
    """Requests, tokens and money for the renderings by arm of every stimulus."""
    expected = reply_tokens or spec.target.decoding.max_tokens or ASSUMED_REPLY_TOKENS
    count = requests = tokens_in = tokens_out = 0
    for by_arm in renderings:
        for arm, rendering in by_arm.items():
            n = spec.attempts[arm]
            asked = len(rendering.turns) + (1 if rendering.asks_opening else 0)
            history = (len(rendering.system) + len(rendering.opening or "")) // 4
            count += n
            requests += n * asked
            for turn in _said(rendering):
                history += len(turn) // 4 + 1
                tokens_in += n * history
                history += expected
                tokens_out += n * expected
    prices = spec.target.prices
    cost = None if prices is None else prices.cost(tokens_in, tokens_out)
    return Estimate(items=count, requests=requests, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)


def _said(rendering: Rendering) -> Sequence[str]:
    return ("", *rendering.turns) if rendering.asks_opening else rendering.turns
