"""Requests with retries, within limits and a budget: shared by runs and judges."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from redloom.domain.target import Limits, Prices
from redloom.errors import FailingError, RateLimitedError, TargetError
from redloom.targets.base import Reply, Request
from redloom.targets.limits import AdaptiveLimit, Meter, Pace

T = TypeVar("T")

LONGEST_PAUSE = 60.0
LONGEST_TOLD_PAUSE = 600.0
FAILED_IN_A_ROW = 50
"""So many conversations, or two for each held at once, may fail one after the other."""


class Stopped(Exception):
    """Nothing more is sent; what was not answered is left for a resume."""


@dataclass(slots=True)
class Stop:
    """Asked for by a signal, a budget or a failure; no new request is sent after it."""

    asked: bool = False
    reason: BaseException | None = None

    def ask(self, reason: BaseException | None = None) -> None:
        """Ask to stop; the first reason stays."""
        if not self.asked:
            self.asked, self.reason = True, reason


@dataclass(slots=True)
class Tries:
    """How often one attempt asked."""

    most: int = 0
    """The most tries that one request took."""
    requests: int = 0


@dataclass(slots=True, kw_only=True)
class Patience:
    """The limits of one target, shared by all who ask it."""

    limits: Limits
    prices: Prices | None
    concurrency: int
    meter: Meter
    jitter: random.Random
    stop: Stop = field(default_factory=Stop)
    gate: AdaptiveLimit = field(init=False)
    pace: Pace = field(init=False)
    in_a_row: int = field(init=False, default=0)
    """Conversations that failed since one did not."""

    def __post_init__(self) -> None:
        self.gate = AdaptiveLimit(self.concurrency)
        self.pace = Pace(self.limits.requests_per_minute, self.meter.clock)

    async def ask(self, call: Callable[[Request], Awaitable[T]], request: Request, tries: Tries) -> T:
        """The answer of ``call``, after as many tries as the limits allow.

        Raises the last TargetError, BudgetSpentError before a request that the budget does not cover, or Stopped.
        """
        tried = 0
        while True:
            await self.gate.enter()
            slowed = False
            try:
                if wait := self.pace.take():
                    await self._sleep(wait)
                if self.stop.asked:
                    raise Stopped
                self.meter.check()
                tried += 1
                tries.requests += 1
                self.meter.requests += 1
                return await call(request)
            except TargetError as error:
                slowed = isinstance(error, RateLimitedError)
                if not error.retryable or tried >= self.limits.tries:
                    raise
                pause = self._pause(tried, error)
            finally:
                tries.most = max(tries.most, tried)
                self.gate.leave(slowed=slowed)
            await self._sleep(pause)

    def note(self, failure: str | None) -> None:
        """Tell how a conversation ended, None where it did not fail; too many failures in a row ask for a stop."""
        self.in_a_row = 0 if failure is None else self.in_a_row + 1
        if self.in_a_row >= max(FAILED_IN_A_ROW, 2 * self.concurrency):
            self.stop.ask(
                FailingError(f"{self.in_a_row} conversations in a row failed, this one with: {failure}")
            )

    def charge(self, reply: Reply) -> float | None:
        """Book the tokens of a reply; gives US dollars, None without prices."""
        tokens_in = reply.tokens_in or 0
        tokens_out = reply.tokens_out if reply.tokens_out is not None else len(reply.text) // 4
        self.meter.tokens += tokens_in + tokens_out
        if self.prices is None:
            return None
        cost = self.prices.cost(tokens_in, tokens_out)
        self.meter.cost += cost
        return cost

    def _pause(self, tried: int, error: TargetError) -> float:
        if error.retry_after is not None:
            return min(error.retry_after, LONGEST_TOLD_PAUSE) * (1 + 0.1 * self.jitter.random())
        return min(LONGEST_PAUSE, 0.5 * 2**tried) * (0.5 + self.jitter.random() / 2)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not beyond a stop; raises BudgetSpentError as soon as no request could follow."""
        while seconds > 0 and not self.stop.asked:
            self.meter.check()
            await asyncio.sleep(min(seconds, 0.5))
            seconds -= 0.5
