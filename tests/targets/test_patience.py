"""Tries, pauses, places and budgets of the requests to one target."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from evaluate_support import asking
from redloom.domain.run import Budget
from redloom.domain.target import Limits, Prices
from redloom.errors import (
    BudgetSpentError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    TargetError,
    UnavailableError,
)
from redloom.targets import patience as module
from redloom.targets.base import Reply, Request
from redloom.targets.limits import AdaptiveLimit, Meter, Pace
from redloom.targets.patience import Patience, Stopped, Tries
from redloom.testing import ScriptedTarget

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
        await REAL_SLEEP(0)


REAL_SLEEP = asyncio.sleep


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module.asyncio, "sleep", found.sleep)
    return found


def patience(
    clock: Callable[[], float], *, budget: Budget | None = None, concurrency: int = 4, **more: Any
) -> Patience:
    prices = more.pop("prices", None)
    return Patience(
        limits=Limits(**more),
        prices=prices,
        concurrency=concurrency,
        meter=Meter(budget or Budget(), clock),
        jitter=random.Random(1),
    )


def client(*failures: TargetError) -> ScriptedTarget:
    return ScriptedTarget(otherwise="Hi", failures=failures)


async def test_a_request_is_tried_again_until_it_is_answered_and_tries_are_counted(clock: Clock) -> None:
    target, tries = (
        client(UnavailableError("a"), MalformedError("b"), RateLimitedError("c")),
        Tries(requests=10),
    )
    asked = patience(clock)
    reply = await asked.ask(target.reply, asking("Hello"), tries)
    assert reply.text == "Hi"
    assert (len(target.requests), tries.most, tries.requests, asked.meter.requests) == (4, 4, 14, 4)


async def test_the_most_tries_of_one_request_stay(clock: Clock) -> None:
    tries = Tries()
    await patience(clock).ask(client(UnavailableError("a")).reply, asking("Hello"), tries)
    await patience(clock).ask(client().reply, asking("Hello"), tries)
    assert (tries.most, tries.requests) == (2, 3)


async def test_no_request_is_tried_more_often_than_declared(clock: Clock) -> None:
    target, tries = client(*[UnavailableError(f"no {n}") for n in range(9)]), Tries()
    with pytest.raises(UnavailableError, match="no 2"):
        await patience(clock, tries=3).ask(target.reply, asking("Hello"), tries)
    assert (len(target.requests), tries.most) == (3, 3)


async def test_what_another_try_cannot_mend_is_not_tried_again(clock: Clock) -> None:
    target = client(RejectedError("wrong key", stops=True))
    with pytest.raises(RejectedError):
        await patience(clock).ask(target.reply, asking("Hello"), Tries())
    assert (len(target.requests), clock.pauses) == (1, [])


@pytest.mark.parametrize(
    ("told", "least", "most"), [(7.0, 7.0, 7.7), (0.0, 0.0, 0.0), (90_000.0, 600.0, 660.0)]
)
async def test_a_told_pause_is_kept_but_not_for_ever(
    clock: Clock, told: float, least: float, most: float
) -> None:
    target = client(RateLimitedError("slow down", retry_after=told))
    await patience(clock).ask(target.reply, asking("Hello"), Tries())
    assert least <= clock.now - 1000 <= most + 0.5


async def test_untold_pauses_grow_and_stay_bounded(clock: Clock) -> None:
    asked = patience(clock, tries=20)
    pauses = [asked._pause(tried, UnavailableError("no")) for tried in range(1, 15)]
    for tried, pause in enumerate(pauses, start=1):
        whole = min(60.0, 0.5 * 2**tried)
        assert whole / 2 <= pause <= whole
    assert len(set(pauses)) == len(pauses)


async def test_a_stop_ends_the_waiting_and_sends_nothing_more(clock: Clock) -> None:
    asked = patience(clock)
    target = client(RateLimitedError("slow down", retry_after=300), UnavailableError("never reached"))

    async def stopping(request: Request) -> Reply:
        asked.stop.ask()
        return await target.reply(request)

    with pytest.raises(Stopped):
        await asked.ask(stopping, asking("Hello"), Tries())
    assert (len(target.requests), clock.now) == (1, 1000.0)


async def test_the_first_reason_for_a_stop_stays(clock: Clock) -> None:
    stop = patience(clock).stop
    first = BudgetSpentError("first")
    stop.ask(first)
    stop.ask(BudgetSpentError("second"))
    assert stop.reason is first


async def together(asked: Patience, call: Callable[[Request], Awaitable[Reply]], count: int) -> list[Any]:
    work = [asked.ask(call, asking(str(n)), Tries()) for n in range(count)]
    return await asyncio.gather(*work, return_exceptions=True)


async def test_requests_that_wait_for_a_place_are_not_sent_after_a_stop() -> None:
    asked, target = patience(asyncio.get_running_loop().time, concurrency=2), client()

    async def slow(request: Request) -> Reply:
        await asyncio.sleep(0)
        asked.stop.ask()
        return await target.reply(request)

    found = await together(asked, slow, 10)
    assert len(target.requests) == 2
    assert sum(isinstance(one, Stopped) for one in found) == 8


async def test_requests_that_wait_for_their_moment_are_not_sent_after_a_stop(clock: Clock) -> None:
    asked, target = patience(clock, concurrency=10, requests_per_minute=1), client()

    async def first(request: Request) -> Reply:
        asked.stop.ask()
        return await target.reply(request)

    found = await together(asked, first, 10)
    assert len(target.requests) == 1
    assert sum(isinstance(one, Stopped) for one in found) == 9
    assert clock.now < 1060


async def test_a_budget_of_requests_holds_to_the_last_one_whoever_waits(clock: Clock) -> None:
    asked, target = (
        patience(clock, budget=Budget(requests=5), concurrency=3, requests_per_minute=60),
        client(),
    )
    found = await together(asked, target.reply, 20)
    assert len(target.requests) == 5
    assert sum(isinstance(one, BudgetSpentError) for one in found) == 15


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (Budget(requests=2), "the budget of 2 requests is spent"),
        (Budget(tokens=30), "the budget of 30 tokens is spent"),
        (Budget(cost=0.00005), "the budget of 5e-05 US dollars is spent"),
        (Budget(seconds=3), "the budget of 3 seconds is spent"),
    ],
)
async def test_every_budget_ends_the_asking(clock: Clock, budget: Budget, told: str) -> None:
    asked = patience(clock, budget=budget, prices=Prices(input=1.0, output=2.0))

    async def costly(request: Request) -> Reply:
        clock.now += 1.5
        return Reply(text="x", tokens_in=10, tokens_out=10)

    for _ in range(2):
        asked.charge(await asked.ask(costly, asking("Hello"), Tries()))
    with pytest.raises(BudgetSpentError, match=told):
        await asked.ask(costly, asking("Hello"), Tries())


async def test_tokens_and_money_are_booked_and_uncounted_replies_estimated(clock: Clock) -> None:
    asked = patience(clock, prices=Prices(input=1.0, output=2.0))
    assert asked.charge(Reply(text="x", tokens_in=1_000_000, tokens_out=500_000)) == pytest.approx(2.0)
    assert asked.charge(Reply(text="x" * 400)) == pytest.approx(0.0002)
    assert (asked.meter.tokens, asked.meter.cost) == (1_500_100, pytest.approx(2.0002))


async def test_without_prices_nothing_is_charged(clock: Clock) -> None:
    assert patience(clock).charge(Reply(text="x", tokens_in=5, tokens_out=5)) is None


async def test_places_are_halved_when_told_to_slow_down_and_come_back_one_a_round() -> None:
    gate = AdaptiveLimit(16)
    await gate.enter()
    gate.leave(slowed=True)
    assert gate.limit == 8
    for _ in range(9):
        await gate.enter()
        gate.leave(slowed=False)
    assert gate.limit == 9
    for _ in range(200):
        await gate.enter()
        gate.leave(slowed=False)
    assert gate.limit == 16


async def test_several_complaints_of_one_round_halve_only_once() -> None:
    gate = AdaptiveLimit(16)
    for _ in range(16):
        await gate.enter()
    for _ in range(16):
        gate.leave(slowed=True)
    assert gate.limit == 8


async def test_there_is_always_one_place_left() -> None:
    gate = AdaptiveLimit(2)
    for _ in range(5):
        for _ in range(3):
            await gate.enter()
            gate.leave(slowed=False)
        await gate.enter()
        gate.leave(slowed=True)
    assert gate.limit == 1
    await asyncio.wait_for(gate.enter(), 1)


async def test_no_more_run_at_once_than_there_are_places() -> None:
    asked = patience(asyncio.get_running_loop().time, concurrency=3)
    running = most = 0

    async def call(request: Request) -> Reply:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return Reply(text="Hi")

    await together(asked, call, 30)
    assert (most, running) == (3, 0)


async def test_one_who_gives_up_waiting_takes_no_place() -> None:
    gate = AdaptiveLimit(1)
    await gate.enter()
    waiting = [asyncio.create_task(gate.enter()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.leave(slowed=False)
    await asyncio.wait_for(waiting[1], 1)


def test_a_pace_spreads_requests_evenly() -> None:
    clock = Clock()
    pace = Pace(120, clock)
    assert [pace.take() for _ in range(3)] == [0.0, 0.5, 1.0]
    clock.now += 10
    assert pace.take() == 0.0


def test_without_a_pace_nobody_waits() -> None:
    assert [Pace(None, Clock()).take() for _ in range(3)] == [0.0, 0.0, 0.0]
