"""A model as a judge: one request for each unit, the path of its answers kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from redloom.domain.interaction import Message, Turn
from redloom.domain.judge import Unit
from redloom.domain.judgement import Instrument, Judgement, JudgementState
from redloom.domain.refusal import refusal_in
from redloom.domain.value import in_language
from redloom.errors import BlockedError, RejectedError, TargetError
from redloom.ids import IdSource
from redloom.judging.prompt import SYSTEM, Brief, answer_schema, judge_prompt, read_answer
from redloom.judging.units import Excerpt, excerpts
from redloom.targets.base import Client, Reply, Request
from redloom.targets.patience import Patience, Tries

TOKENS_FOR_EACH_ANSWER = 16
TOKENS_FOR_WHY = 120


@dataclass(slots=True, kw_only=True)
class ModelJudge:
    """A client that answers rubrics; judgements differ by instrument only."""

    client: Client
    patience: Patience
    ids: IdSource
    unit: Unit
    plain: bool = False
    """The endpoint turned a structured request away once; it is asked in plain words from then on."""

    async def judge(
        self,
        turns: Sequence[Turn],
        brief: Brief,
        instrument: Instrument,
        *,
        before: frozenset[bytes | None] = frozenset(),
    ) -> AsyncIterator[Judgement]:
        """One judgement for each unit of a conversation; a judge that fails is a state, not an exception.

        ``before`` are the units judged already, by turn (None for the whole interaction).
        Raises RejectedError where every further request would fail the same way, BudgetSpentError, Stopped.
        """
        for excerpt in excerpts(turns, self.unit):
            if excerpt.turn in before:
                continue
            yield await self._one(turns[0].interaction, excerpt, brief, instrument)

    async def _one(
        self, interaction: bytes, excerpt: Excerpt, brief: Brief, instrument: Instrument
    ) -> Judgement:
        digest = instrument.digest()
        try:
            reply = await self._ask(brief, excerpt)
        except BlockedError as blocked:
            return self._failed(interaction, excerpt, digest, "refused", str(blocked))
        except TargetError as failed:
            if isinstance(failed, RejectedError) and failed.stops:
                raise
            return self._failed(interaction, excerpt, digest, "error", str(failed))
        self.patience.charge(reply)
        return self._read(interaction, excerpt, brief, digest, reply.text)

    async def _ask(self, brief: Brief, excerpt: Excerpt) -> Reply:
        """The judge's reply, held to a schema where the endpoint takes one."""
        prompt = judge_prompt(brief, excerpt.shown, last_only=excerpt.turn is not None)
        plain = Request(messages=(Message("user", prompt),), system=SYSTEM)
        if not self.plain:
            room = (
                TOKENS_FOR_EACH_ANSWER * (len(brief.rubric.questions) + 1) + TOKENS_FOR_WHY * brief.rationale
            )
            structured = self.client.capabilities.structured
            schema = answer_schema(brief.rubric, rationale=brief.rationale) if structured else None
            request = replace(plain, temperature=0.0, max_tokens=room, schema=schema)
            try:
                return await self.patience.ask(self.client.reply, request, Tries())
            except RejectedError as rejected:
                if rejected.stops:
                    raise
            reply = await self.patience.ask(self.client.reply, plain, Tries())
            self.plain = True
            return reply
        return await self.patience.ask(self.client.reply, plain, Tries())

    def _read(self, interaction: bytes, excerpt: Excerpt, brief: Brief, digest: str, text: str) -> Judgement:
        found = read_answer(text, brief.rubric)
        if found is None:
            state = "refused" if refusal_in(text) == "full" else "unparseable"
            return Judgement(
                id=self.ids.new(),
                interaction=interaction,
                turn=excerpt.turn,
                instrument=digest,
                state=state,
                raw=text[:4000],
            )
        path, outcome = brief.rubric.replay(found.answers)
        return Judgement(
            id=self.ids.new(),
            interaction=interaction,
            turn=excerpt.turn,
            instrument=digest,
            state="ok",
            verdict=outcome.verdict,
            severity=outcome.severity,
            answers=path,
            missing_fact=in_language(outcome.missing, brief.language) or None,
            rationale=found.why,
        )

    def _failed(
        self, interaction: bytes, excerpt: Excerpt, digest: str, state: JudgementState, why: str
    ) -> Judgement:
        return Judgement(
            id=self.ids.new(),
            interaction=interaction,
            turn=excerpt.turn,
            instrument=digest,
            state=state,
            rationale=why[:1000],
        )
