"""Holds the conversations of a run: so many at once, each turn stored before the next is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from redloom.domain.interaction import AttemptState, EndedBy, Turn
from redloom.domain.judgement import Judgement
from redloom.domain.run import Outcome, Record, Used
from redloom.engine.conversation import End, IsRefusal, Open, Say, messages, next_step
from redloom.engine.plan import Job, Jobs, Ledger
from redloom.errors import BlockedError, BudgetSpentError, RejectedError, TargetError
from redloom.ids import IdSource
from redloom.targets.base import Client, Reply, Request
from redloom.targets.patience import Patience, Stopped, Tries


class OnComplete(Protocol):
    """Judges that need no target: called when a conversation is complete, before it is stored."""

    def __call__(self, job: Job, turns: Sequence[Turn]) -> Sequence[Judgement]:
        """The judgements to store with it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Everything a run needs to hold its conversations."""

    client: Client
    patience: Patience
    ledger: Ledger
    ids: IdSource
    is_refusal: IsRefusal
    on_complete: OnComplete
    on_outcome: Callable[[Outcome], None]

    async def run(self, jobs: Jobs) -> None:
        """Hold all conversations; raises what stopped it, after everything finished is stored."""
        stop = self.patience.stop

        async def worker() -> None:
            while not stop.asked:
                job = await jobs.take()
                if job is None:
                    return
                outcome = await _Attempt(self, job).hold()
                if outcome is not None:
                    self.patience.note(outcome.error if outcome.state == "error" else None)

        async with asyncio.TaskGroup() as workers:
            for _ in range(self.patience.concurrency):
                workers.create_task(worker())
        if stop.reason is not None:
            raise stop.reason


class _Attempt:
    """One work item being executed."""

    def __init__(self, executor: Executor, job: Job) -> None:
        self._run, self._job = executor, job
        self._turns = list(job.turns)
        self._stored = len(job.turns)
        self._interaction = job.interaction
        self._starts = job.interaction is None
        self._known = job.known
        self._tries = Tries(job.used.tries, job.used.requests)
        self._counted = job.used.requests
        self._session: str | None = None
        if job.turns:
            executor.ids.rise_above(job.turns[-1].id)  # turns are read in the order of their ids
        self._tokens_in, self._tokens_out = job.used.tokens_in, job.used.tokens_out
        self._cost = job.used.cost

    async def hold(self) -> Outcome | None:
        """The conversation from its last stored turn to its end; None where it is left open.

        The one place where failures become data: a TargetError ends this attempt, what stops the run ends
        all of them, and everything else is a defect that is raised.
        """
        stop = self._run.patience.stop
        try:
            if self._run.client.capabilities.stateful:
                await self._begin_session()
            ended = await self._talk()
        except Stopped:
            return await self._leave()
        except BudgetSpentError as spent:
            stop.ask(spent)
            if self._turns:
                return await self._finish("over_budget", "stopped", str(spent))
            return await self._leave()
        except BlockedError as blocked:
            return await self._finish("blocked", "error", str(blocked))
        except TargetError as failed:
            if isinstance(failed, RejectedError) and failed.stops:
                stop.ask(failed)
                return await self._leave()
            return await self._finish("error", "error", str(failed))
        else:
            return await self._finish("completed", ended, None)

    async def _begin_session(self) -> None:
        """A stateful target starts again: the abandoned conversation stays stored, under its own id."""
        self._turns, self._stored = [], 0
        self._interaction, self._starts = None, True
        rendering = self._job.rendering
        request = Request(
            messages=(), system=rendering.system, fields=rendering.fields, seed=self._job.item.seed
        )
        self._session = await self._run.patience.ask(self._run.client.start_session, request, self._tries)

    async def _talk(self) -> EndedBy:
        rendering, run = self._job.rendering, self._run
        clock = run.patience.meter.clock
        while True:
            step = next_step(rendering, self._turns, is_refusal=run.is_refusal)
            match step:
                case End(by):
                    return by
                case Open(reply):
                    self._append(None, Reply(text=reply), latency_ms=None)
                case Say(text):
                    if self._turns[self._stored :]:
                        await self._write(None)
                    request = Request(
                        messages=messages(self._turns, step),
                        system=rendering.system,
                        fields=rendering.fields,
                        seed=self._job.item.seed,
                        session=self._session,
                    )
                    started = clock()
                    reply = await run.patience.ask(run.client.reply, request, self._tries)
                    cost = run.patience.charge(reply)
                    self._tokens_in += reply.tokens_in or 0
                    self._tokens_out += reply.tokens_out or 0
                    if cost is not None:
                        self._cost = (self._cost or 0.0) + cost
                    self._append(text, reply, latency_ms=round((clock() - started) * 1000))

    def _append(self, text: str | None, reply: Reply, *, latency_ms: int | None) -> None:
        if self._interaction is None:
            self._interaction = self._run.ids.new()
        turn = Turn(
            id=self._run.ids.new(),
            interaction=self._interaction,
            parent=self._turns[-1].id if self._turns else None,
            text=text,
            reply=reply.text,
            finish_reason=reply.finish_reason,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            latency_ms=latency_ms,
        )
        self._turns.append(turn)

    async def _leave(self) -> None:
        """Left open for a resume: what was answered is stored, and what was asked in vain is counted."""
        if self._turns[self._stored :] or self._tries.requests > self._counted:
            await self._write(None)

    async def _finish(self, state: AttemptState, ended_by: EndedBy, error: str | None) -> Outcome:
        outcome = Outcome(state=state, ended_by=ended_by, error=error)
        await self._write(outcome)
        self._run.on_outcome(outcome)
        return outcome

    async def _write(self, outcome: Outcome | None) -> None:
        judgements: Sequence[Judgement] = ()
        if outcome is not None and outcome.state == "completed":
            judgements = self._run.on_complete(self._job, self._turns)
        record = Record(
            item=self._job.item,
            interaction=self._interaction,
            starts=self._starts and self._interaction is not None,
            known=self._known,
            used=Used(
                tries=self._tries.most,
                requests=self._tries.requests,
                tokens_in=self._tokens_in,
                tokens_out=self._tokens_out,
                cost=self._cost,
            ),
            turns=tuple(self._turns[self._stored :]),
            outcome=outcome,
            judgements=tuple(judgements),
        )
        await self._run.ledger.write(record)
        self._known, self._stored, self._counted = True, len(self._turns), record.used.requests
        self._starts = self._starts and self._interaction is None
