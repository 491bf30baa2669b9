"""How much at once, how fast, how much in all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from redloom.domain.run import Budget
from redloom.errors import BudgetSpentError


class AdaptiveLimit:
    """Requests at once: halved when the target says to slow down, raised again by one a round of successes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._since_cut = 0

    @property
    def limit(self) -> int:
        """How many may run at once now."""
        return max(1, int(self._limit))

    @property
    def running(self) -> int:
        """How many run now."""
        return self._running

    async def enter(self) -> None:
        """Wait for a place."""
        while self._running >= self.limit:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        self._running += 1

    def leave(self, *, slowed: bool) -> None:
        """Give the place back; ``slowed`` when the target said to wait."""
        self._running -= 1
        if slowed:
            if self._since_cut >= self.limit or self._limit == self._most:
                self._limit = max(1.0, self._limit / 2)
                self._since_cut = 0
        else:
            self._since_cut += 1
            if self._limit < self._most:
                self._limit = min(float(self._most), self._limit + 1 / self._limit)
        free = self.limit - self._running
        while self._waiting and free > 0:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1


class Pace:
    """Starts at most so many requests a minute, evenly."""

    def __init__(self, per_minute: float | None, clock: Callable[[], float]) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._clock = clock
        self._next = 0.0

    def take(self) -> float:
        """Take the next moment for a request; gives the seconds until it comes."""
        if not self._gap:
            return 0.0
        now = self._clock()
        moment = max(now, self._next)
        self._next = moment + self._gap
        return moment - now


@dataclass(slots=True)
class Meter:
    """What was used, against a budget."""

    budget: Budget
    clock: Callable[[], float]
    requests: int = 0
    tokens: int = 0
    cost: float = 0.0
    started: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def check(self) -> None:
        """Raise BudgetSpentError when nothing more may be sent."""
        budget = self.budget
        spent = (
            ("requests", self.requests, budget.requests),
            ("tokens", self.tokens, budget.tokens),
            ("US dollars", self.cost, budget.cost),
            ("seconds", self.clock() - self.started if budget.seconds is not None else 0, budget.seconds),
        )
        for unit, used, most in spent:
            if most is not None and used >= most:
                raise BudgetSpentError(f"the budget of {most:g} {unit} is spent")
