"""Holding conversations: what is asked, what is stored when, what a failure becomes."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from redloom.domain.interaction import Turn
from redloom.domain.judgement import Judgement
from redloom.domain.rendering import Rendering
from redloom.domain.run import Budget, Outcome, Record, WorkItem
from redloom.domain.target import Limits
from redloom.engine.executor import Executor
from redloom.engine.plan import Job, Jobs
from redloom.errors import (
    BlockedError,
    BudgetSpentError,
    FailingError,
    MalformedError,
    RedloomError,
    RejectedError,
    StoreError,
    UnavailableError,
    first_of,
)
from redloom.ids import IdSource
from redloom.targets.base import Capabilities, Reply, Request
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience
from redloom.testing import ScriptedRule, ScriptedTarget

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Memory:
    """A ledger in memory that can be told to fail."""

    def __init__(self, *, fails_after: int | None = None) -> None:
        self.records: list[Record] = []
        self._fails_after = fails_after

    async def write(self, record: Record) -> None:
        await asyncio.sleep(0)
        if self._fails_after is not None and len(self.records) >= self._fails_after:
            raise StoreError("the disk is full")
        self.records.append(record)

    @property
    def ends(self) -> list[tuple[str, str | None]]:
        """State and end of every attempt that has one."""
        return [(r.outcome.state, r.outcome.ended_by) for r in self.records if r.outcome is not None]

    @property
    def texts(self) -> list[str | None]:
        return [turn.text for record in self.records for turn in record.turns]


def job(*said: str, number: int = 0, **more: Any) -> Job:
    rendering = Rendering(
        "SYSTEM", more.pop("opening", None), more.pop("asks", False), said, {"f": "F"}, "script_end"
    )
    return Job(item=WorkItem(f"sha256:{number:064x}", "full", 0, 77), rendering=rendering, case=None, **more)


async def run(
    target: Any,
    jobs: Iterable[Job],
    ledger: Memory,
    *,
    concurrency: int = 1,
    budget: Budget | None = None,
    tries: int = 1,
    on_complete: Callable[[Job, Sequence[Turn]], Sequence[Judgement]] = lambda job, turns: (),
) -> list[Outcome]:
    """The outcomes told; raises what stopped the run."""
    outcomes: list[Outcome] = []
    chunks = [list(jobs), None]
    patience = Patience(
        limits=Limits(tries=tries),
        prices=None,
        concurrency=concurrency,
        meter=Meter(budget or Budget(), time.monotonic),
        jitter=random.Random(1),
    )
    executor = Executor(
        client=target,
        patience=patience,
        ledger=ledger,
        ids=IdSource(time.time, os.urandom),
        is_refusal=lambda reply: False,
        on_complete=on_complete,
        on_outcome=outcomes.append,
    )
    failure: BaseException | None = None
    try:
        await executor.run(Jobs(lambda: chunks.pop(0)))
    except* RedloomError as group:
        failure = first_of(group)
    if failure is not None:
        raise failure
    return outcomes


async def test_every_turn_is_stored_before_the_next_is_asked() -> None:
    ledger = Memory()
    stored: list[int] = []

    class Watching(ScriptedTarget):
        async def reply(self, request: Request) -> Reply:
            stored.append(len(ledger.texts))
            return await super().reply(request)

    await run(Watching(), [job("a", "b", "c")], ledger)
    assert stored == [0, 1, 2]
    assert ledger.texts == ["a", "b", "c"]
    assert [(r.starts, r.known, r.outcome is None) for r in ledger.records] == [
        (True, False, True),
        (False, True, True),
        (False, True, False),
    ]


async def test_a_conversation_of_one_turn_is_stored_at_once_with_its_end_and_its_judgements() -> None:
    ledger = Memory()
    judgement = Judgement(id=b"j", interaction=b"i", turn=None, instrument="d", state="ok")
    await run(ScriptedTarget(), [job("a")], ledger, on_complete=lambda job, turns: [judgement])
    (record,) = ledger.records
    assert record.outcome is not None
    assert (record.outcome.state, record.judgements, len(record.turns)) == ("completed", (judgement,), 1)


async def test_the_request_carries_system_prompt_fields_seed_and_the_history() -> None:
    target = ScriptedTarget([ScriptedRule(at_turn=1, reply="A")], otherwise="B")
    await run(target, [job("a", "b")], Memory())
    request = target.requests[1]
    assert (request.system, request.fields, request.seed) == ("SYSTEM", {"f": "F"}, 77)
    assert [(m.role, m.content) for m in request.messages] == [
        ("user", "a"),
        ("assistant", "A"),
        ("user", "b"),
    ]


async def test_a_scripted_opening_is_stored_and_not_asked_for() -> None:
    ledger, target = Memory(), ScriptedTarget(otherwise="A")
    await run(target, [job("a", opening="Welcome")], ledger)
    assert [(m.role, m.content) for m in target.requests[0].messages] == [
        ("assistant", "Welcome"),
        ("user", "a"),
    ]
    found = [(t.text, t.reply, t.latency_ms is None) for r in ledger.records for t in r.turns]
    assert found == [(None, "Welcome", True), ("a", "A", False)]


async def test_a_system_asked_to_open_is_given_no_user_message() -> None:
    ledger, target = Memory(), ScriptedTarget(otherwise="Hello")
    await run(target, [job("a", asks=True)], ledger)
    assert target.requests[0].messages == ()
    assert [(m.role, m.content) for m in target.requests[1].messages] == [
        ("assistant", "Hello"),
        ("user", "a"),
    ]
    assert ledger.texts == [None, "a"]


async def test_turns_form_a_chain_in_one_interaction_with_rising_ids() -> None:
    ledger = Memory()
    await run(ScriptedTarget(), [job("a", "b", "c")], ledger)
    found = [turn for record in ledger.records for turn in record.turns]
    assert [turn.parent for turn in found] == [None, found[0].id, found[1].id]
    assert {turn.interaction for turn in found} == {ledger.records[0].interaction}
    assert sorted(turn.id for turn in found) == [turn.id for turn in found]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (MalformedError("not JSON"), "error"),
        (UnavailableError("gone"), "error"),
        (BlockedError("filter"), "blocked"),
    ],
)
async def test_a_failure_ends_its_attempt_and_the_run_goes_on(failure: Any, state: str) -> None:
    ledger = Memory()
    outcomes = await run(ScriptedTarget(failures=[failure]), [job("a"), job("b", number=1)], ledger)
    assert [(o.state, o.error) for o in outcomes] == [(state, str(failure)), ("completed", None)]
    assert (ledger.records[0].interaction, ledger.records[0].turns) == (None, ())


async def test_a_failure_in_a_later_turn_keeps_the_turns_before_it() -> None:
    class Failing(ScriptedTarget):
        async def reply(self, request: Request) -> Reply:
            if len(request.messages) > 1:
                raise MalformedError("not JSON")
            return await super().reply(request)

    ledger = Memory()
    await run(Failing(), [job("a", "b")], ledger)
    assert ledger.texts == ["a"]
    assert ledger.ends == [("error", "error")]
    assert ledger.records[-1].interaction == ledger.records[0].interaction


async def test_what_every_request_would_meet_stops_the_run_and_leaves_the_attempt_open() -> None:
    ledger, target = Memory(), ScriptedTarget(failures=[RejectedError("wrong key", stops=True)])
    with pytest.raises(RejectedError, match="wrong key"):
        await run(target, [job(str(n), number=n) for n in range(9)], ledger)
    assert len(target.requests) == 1
    assert [(r.outcome, r.turns, r.used.requests) for r in ledger.records] == [(None, (), 1)]


async def test_what_was_asked_in_vain_is_counted_when_a_budget_ends_the_asking() -> None:
    ledger = Memory()
    target = ScriptedTarget(failures=[UnavailableError("a"), UnavailableError("b")])
    with pytest.raises(BudgetSpentError):
        await run(target, [job("a")], ledger, tries=5, budget=Budget(requests=2))
    assert [(r.outcome, r.used.requests, r.used.tries) for r in ledger.records] == [(None, 2, 2)]


async def test_a_spent_budget_stops_the_run_and_marks_what_was_begun() -> None:
    ledger, target = Memory(), ScriptedTarget()
    with pytest.raises(BudgetSpentError, match="3 requests"):
        await run(target, [job("a", "b", number=n) for n in range(5)], ledger, budget=Budget(requests=3))
    assert len(target.requests) == 3
    assert ledger.ends == [("completed", "script_end"), ("over_budget", "stopped")]
    assert ledger.texts == ["a", "b", "a"]


async def test_a_store_that_fails_stops_the_run() -> None:
    ledger, target = Memory(fails_after=4), ScriptedTarget()
    with pytest.raises(StoreError, match="disk is full"):
        await run(target, [job(str(n), number=n) for n in range(50)], ledger, concurrency=3)
    assert len(ledger.records) == 4
    assert len(target.requests) <= 4 + 3


async def test_a_conversation_goes_on_from_its_last_stored_turn() -> None:
    first = Memory()
    await run(ScriptedTarget(otherwise="A"), [job("a", "b", "c")], first)
    before = [turn for record in first.records for turn in record.turns][:2]
    ledger, target = Memory(), ScriptedTarget(otherwise="C")
    again = job("a", "b", "c", known=True, interaction=before[0].interaction, turns=tuple(before))
    await run(target, [again], ledger)
    assert [m.content for m in target.requests[0].messages] == ["a", "A", "b", "A", "c"]
    assert ledger.texts == ["c"]
    (record,) = ledger.records
    assert (record.starts, record.known, record.interaction) == (False, True, before[0].interaction)
    assert record.turns[0].parent == before[1].id


STATEFUL = Capabilities(stateful=True)


async def test_a_stateful_target_begins_again_in_a_session_of_its_own_under_a_new_id() -> None:
    first = Memory()
    await run(ScriptedTarget(otherwise="A", capabilities=STATEFUL), [job("a", "b")], first)
    before = first.records[0]
    ledger, target = Memory(), ScriptedTarget(otherwise="B", capabilities=STATEFUL)
    again = job("a", "b", known=True, interaction=before.interaction, turns=before.turns)
    await run(target, [again], ledger)
    assert [[m.content for m in request.messages] for request in target.requests] == [["a"], ["a", "B", "b"]]
    assert [request.session for request in target.requests] == ["session-1", "session-1"]
    assert ledger.records[0].starts and ledger.records[0].known
    assert ledger.records[0].interaction not in (None, before.interaction)


async def test_every_conversation_of_a_stateful_target_has_its_session() -> None:
    target = ScriptedTarget(capabilities=STATEFUL)
    await run(target, [job("a", number=n) for n in range(3)], Memory())
    assert [request.session for request in target.requests] == ["session-1", "session-2", "session-3"]


async def test_a_session_that_cannot_be_started_is_a_failure_of_that_attempt() -> None:
    class NoSession(ScriptedTarget):
        async def start_session(self, request: Request) -> str | None:
            raise UnavailableError("no session")

    ledger = Memory()
    outcomes = await run(NoSession(capabilities=STATEFUL), [job("a")], ledger)
    assert [(o.state, o.error) for o in outcomes] == [("error", "no session")]


async def test_requests_tries_and_tokens_are_counted_over_all_executions_of_an_attempt() -> None:
    ledger = Memory()
    target = ScriptedTarget(failures=[UnavailableError("a")])
    await run(target, [job("a", "b")], ledger, tries=3)
    used = ledger.records[-1].used
    assert (used.requests, used.tries) == (3, 2)
    again, later = Memory(), ledger.records[0]
    known = job("a", "b", known=True, interaction=later.interaction, turns=later.turns, used=later.used)
    await run(ScriptedTarget(), [known], again)
    assert (again.records[-1].used.requests, again.records[-1].used.tries) == (3, 2)


async def test_as_many_conversations_are_held_at_once_as_allowed() -> None:
    running = most = 0

    class Slow(ScriptedTarget):
        async def reply(self, request: Request) -> Reply:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.002)
            running -= 1
            return await super().reply(request)

    ledger = Memory()
    await run(Slow(), [job("a", "b", number=n) for n in range(12)], ledger, concurrency=4)
    assert most == 4
    assert ledger.ends == [("completed", "script_end")] * 12


async def test_a_defect_is_raised_and_not_taken_for_a_result() -> None:
    class Broken(ScriptedTarget):
        async def reply(self, request: Request) -> Reply:
            raise ZeroDivisionError

    ledger = Memory()
    with pytest.raises(ExceptionGroup) as caught:
        await run(Broken(), [job("a")], ledger)
    assert isinstance(first_of(caught.value), ZeroDivisionError)
    assert ledger.records == []


async def test_jobs_are_read_a_chunk_at_a_time_and_each_is_taken_once() -> None:
    chunks: list[list[Job] | None] = [
        [job("a", number=n) for n in range(start, start + 5)] for start in (0, 5, 10)
    ]
    reading = 0

    def read() -> list[Job] | None:
        nonlocal reading
        reading += 1
        assert reading == 1
        time.sleep(0.002)
        reading -= 1
        return chunks.pop(0) if chunks else None

    jobs = Jobs(read)
    taken: list[str] = []

    async def take() -> None:
        while (one := await jobs.take()) is not None:
            taken.append(one.item.stimulus)
            await asyncio.sleep(0)

    await asyncio.gather(*(take() for _ in range(4)))
    assert len(taken) == len(set(taken)) == 15


@pytest.mark.parametrize(("concurrency", "asked"), [(1, 50), (16, 50), (40, 80)])
async def test_a_target_that_only_fails_stops_the_run(concurrency: int, asked: int) -> None:
    ledger = Memory()
    target = ScriptedTarget(failures=[UnavailableError("gone")] * 300)
    with pytest.raises(FailingError, match=f"^{asked} conversations in a row failed, this one with: gone$"):
        await run(target, [job("a", number=n) for n in range(300)], ledger, concurrency=concurrency)
    assert asked <= len(target.requests) < asked + concurrency
    assert ledger.ends == [("error", "error")] * len(target.requests)


@pytest.mark.parametrize("between", [None, BlockedError("filtered")])
async def test_failures_that_are_not_in_a_row_stop_nothing(between: BlockedError | None) -> None:
    class Uneven(ScriptedTarget):
        async def reply(self, request: Request) -> Reply:
            self.requests.append(request)
            if len(self.requests) % 50:
                raise UnavailableError("gone")
            if between is not None:
                raise between
            return Reply(text="Here again.")

    ledger = Memory()
    await run(Uneven(), [job("a", number=n) for n in range(200)], ledger)
    assert [state for state, _ in ledger.ends].count("error") == 196
    assert len(ledger.ends) == 200
