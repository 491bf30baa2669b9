"""Executing a run: its jobs out of the store, its records into it, its end told."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace

from redloom.domain.interaction import FINAL_STATES, AttemptState, Turn
from redloom.domain.judgement import Judgement
from redloom.domain.refusal import refusal_in
from redloom.domain.rendering import Frame, Frames, Rendering, render
from redloom.domain.run import Budget, Outcome, RunSpec, Used
from redloom.engine.executor import Executor
from redloom.engine.plan import Job, Jobs, items
from redloom.errors import BudgetSpentError, FailingError, RedloomError, StoppedError, StoreError, first_of
from redloom.services.finding import find_run
from redloom.services.rules import InlineRules, judge_by_rules
from redloom.services.workspace import Workspace
from redloom.storage.ledger import SqlLedger
from redloom.storage.locks import hold_run
from redloom.storage.repositories.runs import StoredAttempt, StoredRun
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.base import Client
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience, Stop

CHUNK = 500
WATCH_SECONDS = 2.0


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    run: str
    total: int
    states: dict[str, int]
    requests: int = 0
    tokens: int = 0
    cost: float = 0.0
    stopping: bool = False
    """Somebody asked for a stop; what is in flight is waited for."""
    in_flight: int = 0
    """Requests without an answer when the stop was asked for."""

    @property
    def done(self) -> int:
        """Attempts in a final state."""
        return sum(n for state, n in self.states.items() if state in FINAL_STATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """How a run is executed; no part of what it is."""

    concurrency: int | None = None
    budget: Budget = field(default_factory=Budget)
    retry: frozenset[AttemptState] = frozenset()
    """States that are taken up again besides those that are not final."""
    judges: tuple[str, ...] = ()
    """Rule judges that judge each conversation as it completes."""
    on_progress: Callable[[Progress], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """How an execution ended."""

    run: str
    study: str
    version: str
    state: str
    total: int
    states: Mapping[str, int]
    requests: int
    """Of the whole run so far."""
    tokens: int
    cost: float | None
    message: str | None
    """Why it stopped before the end, and the command that goes on."""
    errors: tuple[tuple[str, int], ...] = ()
    """The commonest messages of attempts that failed or were blocked, and how many attempts each."""
    interrupted: bool = False
    """By a person at the keyboard; a termination by the system is a stop like others."""

    @property
    def done(self) -> int:
        """Attempts in a final state."""
        return sum(n for state, n in self.states.items() if state in FINAL_STATES)


def render_for(frame: Frame, spec: RunSpec, arm: str) -> Rendering:
    """What the target of a run gets of a case in an arm."""
    return render(frame, arm=arm, delivery=spec.delivery, system_prompt=spec.target.system_prompt)


async def execute(
    workspace: Workspace, name: str, client: Client, rules: InlineRules, operation: Operation
) -> Executed:
    with hold_run(workspace.database, name):
        with _naming_resume(name), workspace.begin() as unit:
            run = find_run(unit, name)
            unit.runs.set_state(run.id, "running", None, None)
            frames = Frames(unit.releases(run.study_id).definitions(run.release_id))
            stimuli = unit.releases(run.study_id).stimuli(run.release_id)
            cases = unit.releases(run.study_id).by_id(run.release_id).manifest.cases
            spent = unit.runs.spent(run.id)
            states = _totals(unit.runs.states(run.id))
            numbers = {i.digest(): unit.judgements.register(i) for i in rules.instruments(frames)}
        spec = run.spec
        total = stimuli * spec.items_per_case()
        meter = Meter(operation.budget, time.monotonic)
        meter.requests, meter.tokens = spent.requests, spent.tokens_in + spent.tokens_out
        meter.cost = spent.cost
        patience = Patience(
            limits=spec.target.limits,
            prices=spec.target.prices,
            concurrency=operation.concurrency
            or spec.target.limits.concurrency
            or client.capabilities.concurrency,
            meter=meter,
            jitter=random.Random(spec.seed),
        )
        progress = Progress(run.name, total, states)
        todo = _Todo(workspace, run, frames, operation.retry, progress)

        def on_outcome(outcome: Outcome) -> None:
            progress.states[outcome.state] = progress.states.get(outcome.state, 0) + 1
            progress.requests, progress.tokens, progress.cost = meter.requests, meter.tokens, meter.cost
            if operation.on_progress is not None:
                operation.on_progress(progress)

        def on_complete(job: Job, turns: Sequence[Turn]) -> Sequence[Judgement]:
            return rules.judge(frames, job.case, turns)

        if operation.on_progress is not None:
            operation.on_progress(progress)

        def on_stop() -> None:
            progress.stopping, progress.in_flight = True, patience.gate.running
            if operation.on_progress is not None:
                operation.on_progress(progress)

        failure: BaseException | None = None
        with _Signals(patience.stop, on_stop) as signals:
            with signals.cancelling():
                async with (
                    _watch(workspace, run, patience.stop),
                    SqlLedger(workspace.database, run.id, numbers) as ledger,
                ):
                    executor = Executor(
                        client=client,
                        patience=patience,
                        ledger=ledger,
                        ids=workspace.ids,
                        is_refusal=lambda reply: refusal_in(reply) == "full",
                        on_complete=on_complete,
                        on_outcome=on_outcome,
                    )
                    try:
                        await executor.run(Jobs(todo.read))
                    except* RedloomError as group:
                        failure = first_of(group)
            if cases > stimuli and rules and failure is None:
                try:
                    judge_by_rules(workspace, run.name, operation.judges)
                except StoreError as error:
                    again = " --with ".join(("", *operation.judges))
                    failure = StoreError(f"{error}. Go on with: redloom judge {run.name}{again}")
            return _close(workspace, run, total, failure, interrupted=signals.received)


@contextmanager
def _naming_resume(name: str) -> Generator[None]:
    """A database that fails before anything is sent: the message names the command that goes on."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{error}; what was committed is safe. Go on with: redloom resume {name}") from error


def _close(
    workspace: Workspace,
    run: StoredRun,
    total: int,
    failure: BaseException | None,
    *,
    interrupted: int | None,
) -> Executed:
    """Move the run to its state and tell how it ended; raises what is no fault of the run's limits."""
    try:
        done = _ended(workspace, run, total, failure, interrupted=interrupted is not None)
    except StoreError as error:
        why = failure or error
        raise StoreError(f"{why}; what was committed is safe. Go on with: redloom resume {run.name}") from why
    if failure is not None and not isinstance(failure, BudgetSpentError):
        raise _stopped(failure, done.message or str(failure)) from failure
    by_person = interrupted == signal.SIGINT and done.message is not None
    return replace(done, interrupted=True) if by_person else done


def _ended(
    workspace: Workspace,
    run: StoredRun,
    total: int,
    failure: BaseException | None,
    *,
    interrupted: bool,
) -> Executed:
    resume = f"redloom resume {run.name}"
    with workspace.begin() as unit:
        now = find_run(unit, run.name)
        counts = _totals(unit.runs.states(run.id))
        done = sum(n for state, n in counts.items() if state in FINAL_STATES)
        cancelled = now.state == "cancelled"
        if done >= total and not cancelled:
            unit.runs.set_state(run.id, "completed", None, workspace.now())
        elif not cancelled:
            why = "interrupted" if interrupted else str(failure or "not everything was executed")
            if isinstance(failure, BudgetSpentError):
                resume += " --max-... with a larger limit"
            elif isinstance(failure, FailingError):
                resume += " --retry error"
            message = f"{why}; {done} of {total} attempts are done. Go on with: {resume}"
            unit.runs.set_state(run.id, "stopped", message, workspace.now())
        failed = tuple(unit.runs.errors(run.id, most=3)) if counts.keys() & {"error", "blocked"} else ()
        return replace(told(unit, find_run(unit, run.name), total=total), errors=failed)


def _stopped(failure: BaseException, message: str) -> RedloomError:
    """The same class of error with the message that names the resume command."""
    return StoreError(message) if isinstance(failure, StoreError) else StoppedError(message)


def _totals(states: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for counts in states.values():
        for state, count in counts.items():
            totals[state] = totals.get(state, 0) + count
    return totals


def told(unit: UnitOfWork, run: StoredRun, *, total: int | None = None) -> Executed:
    spent = unit.runs.spent(run.id)
    states = _totals(unit.runs.states(run.id))
    if run.spec.frame == "imported":
        total = unit.runs.count_imported(run.id)
        states = {"completed": total}
    if total is None:
        total = unit.releases(run.study_id).stimuli(run.release_id) * run.spec.items_per_case()
    return Executed(
        run=run.name,
        study=unit.studies.slug_of(run.study_id),
        version=run.spec.version,
        state=run.state,
        total=total,
        states=states,
        requests=spent.requests,
        tokens=spent.tokens_in + spent.tokens_out,
        cost=spent.cost if run.spec.target.prices is not None else None,
        message=run.message,
    )


class _Todo:
    """The jobs of a run that are left, read some hundreds of cases at a time."""

    def __init__(
        self,
        workspace: Workspace,
        run: StoredRun,
        frames: Frames,
        retry: frozenset[AttemptState],
        progress: Progress,
    ) -> None:
        self._workspace, self._run, self._frames, self._retry = workspace, run, frames, retry
        self._progress = progress
        self._begun = any(progress.states.values())
        """A new run has no attempts to look for."""
        self._after: int | None = -1

    def read(self) -> list[Job] | None:
        """The jobs of the next cases that have any left; None at the end."""
        while self._after is not None:
            found = self._chunk(self._after)
            if found:
                return found
        return None

    def _chunk(self, after: int) -> list[Job]:
        """The jobs left of the cases from ``after`` on."""
        spec = self._run.spec
        with self._workspace.begin() as unit:
            releases = unit.releases(self._run.study_id)
            cases = list(releases.distinct(self._run.release_id, after=after, most=CHUNK))
            stimuli = [stimulus for _, stimulus, _ in cases] if self._begun else []
            stored = unit.runs.attempts(self._run.id, stimuli) if stimuli else []
            there = {(a.stimulus, a.arm, a.index): a for a in stored}
            open_ones = [a.interaction for a in there.values() if a.interaction and self._left(a)]
            started = unit.runs.interactions(open_ones) if open_ones else {}
        jobs: list[Job] = []
        for _, stimulus, case in cases:
            frame = self._frames.frame(case)
            rendered = {arm: render_for(frame, spec, arm) for arm in spec.arms}
            for item in items(spec, stimulus):
                attempt = there.get((item.stimulus, item.arm, item.index))
                if attempt is not None and not self._left(attempt):
                    continue
                if attempt is not None:
                    states = self._progress.states
                    states[attempt.state] = states.get(attempt.state, 1) - 1
                before = started.get(attempt.interaction) if attempt and attempt.interaction else None
                jobs.append(
                    Job(
                        item=item,
                        rendering=rendered[item.arm],
                        case=case,
                        known=attempt is not None,
                        interaction=before.id if before else None,
                        turns=before.turns if before else (),
                        used=attempt.used if attempt else Used(),
                    )
                )
        self._after = cases[-1][0] if len(cases) == CHUNK else None
        return jobs

    def _left(self, attempt: StoredAttempt) -> bool:
        return attempt.state not in FINAL_STATES or attempt.state in self._retry


class _Signals:
    """SIGINT and SIGTERM ask for a stop; the second one cancels what is in flight.

    After a SIGINT no further one is heard until :func:`redloom.services.blocking.wait_for` ends, so that closing down
    is not torn apart.
    """

    def __init__(self, stop: Stop, on_stop: Callable[[], None]) -> None:
        self._stop, self._on_stop = stop, on_stop
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._handled: list[int] = []
        self._cancels = False
        self.received: int | None = None
        """The last one."""

    def __enter__(self) -> _Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.add_signal_handler(number, self._receive, number)
                self._handled.append(number)
        return self

    def __exit__(self, *exception: object) -> None:
        for number in self._handled:
            self._loop.remove_signal_handler(number)
        if signal.SIGINT in self._handled and self.received == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    @contextmanager
    def cancelling(self) -> Generator[None]:
        """Within it a second signal cancels; the cancellation goes no further."""
        try:
            yield
        except asyncio.CancelledError:
            if not self._cancels or self._task is None:
                raise
            self._task.uncancel()

    def _receive(self, number: int) -> None:
        first, self.received = self.received is None, number
        self._stop.ask()
        if first:
            self._on_stop()
        elif self._task is not None and not self._cancels:
            self._cancels = True
            self._task.cancel()


@asynccontextmanager
async def _watch(workspace: Workspace, run: StoredRun, stop: Stop) -> AsyncGenerator[None]:
    """Ask for a stop when somebody cancels the run."""

    def cancelled() -> bool:
        with workspace.begin() as unit:
            return find_run(unit, run.name).state == "cancelled"

    async def look() -> None:
        while not stop.asked:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                if await asyncio.to_thread(cancelled):
                    stop.ask()
            except StoreError as error:
                stop.ask(error)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
