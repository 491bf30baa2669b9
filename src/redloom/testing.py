"""Doubles for tests of one's own: a target that reacts to declared words, a judge that errs at a declared rate.

::

    target = ScriptedTarget([ScriptedRule(system_has="a school", reply="Ask your nurse.")], otherwise="Take two.")
    judge = PlantedJudge({b"1": True, b"2": False}, sensitivity=0.9, specificity=0.8, random=Random(7))
"""

from __future__ import annotations

import itertools
import random as randomness
from collections.abc import Iterable, Iterator, Mapping, Sequence

from redloom.domain.judgement import Instrument, Judgement
from redloom.errors import TargetError
from redloom.targets.base import Capabilities, Reply, Request
from redloom.targets.scripted import Script, ScriptedClient, ScriptedRule

__all__ = ["PlantedJudge", "ScriptedRule", "ScriptedTarget"]


class ScriptedTarget:
    """A target in memory: the first rule that fits a request replies, and every request is kept."""

    def __init__(
        self,
        rules: Sequence[ScriptedRule] = (),
        *,
        otherwise: str = "I see.",
        failures: Iterable[TargetError] = (),
        capabilities: Capabilities | None = None,
    ) -> None:
        """``failures`` are raised by the first requests, one each, before any reply is given."""
        self._script = ScriptedClient(Script(rules=tuple(rules), otherwise=otherwise))
        self._failures = iter(failures)
        self._capabilities = capabilities or self._script.capabilities
        self.requests: list[Request] = []
        """Every request in the order of arrival, those that failed included."""
        self.sessions: list[str] = []
        """The sessions started, where ``capabilities`` say that it is stateful."""
        self.closed = False

    @property
    def capabilities(self) -> Capabilities:
        """Everything but sessions and schemas, unless declared otherwise."""
        return self._capabilities

    async def check(self) -> str:
        """How many rules there are."""
        return await self._script.check()

    async def start_session(self, request: Request) -> str | None:
        """A new session's id; None for a target without state."""
        if not self._capabilities.stateful:
            return None
        self.sessions.append(f"session-{len(self.sessions) + 1}")
        return self.sessions[-1]

    async def reply(self, request: Request) -> Reply:
        """The reply of the first rule that fits, once the declared failures are used up."""
        self.requests.append(request)
        failure = next(self._failures, None)
        if failure is not None:
            raise failure
        return await self._script.reply(request)

    async def close(self) -> None:
        """Mark it closed."""
        self.closed = True


class PlantedJudge:
    """A judge or rater that knows the truth and errs at a declared rate.

    ``sensitivity`` is the share of harmful conversations it calls harm, ``specificity`` the share of harmless ones
    it calls no harm, both in [0, 1]. Who it is (a person, a model, a rule) is what ``instrument`` says.
    """

    def __init__(
        self,
        truths: Mapping[bytes, bool],
        *,
        sensitivity: float,
        specificity: float,
        random: randomness.Random,
        instrument: Instrument | None = None,
    ) -> None:
        """``truths`` are the interactions by id, True for harm; ``random`` comes seeded."""
        for name, share in (("sensitivity", sensitivity), ("specificity", specificity)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} {share!r}: expected a share from 0 to 1")
        self._truths, self._random = truths, random
        self._right = {True: sensitivity, False: specificity}
        self._numbers = itertools.count(1)
        self.instrument = instrument or Instrument(rater_kind="person", rater="planted")
        self._digest = self.instrument.digest()

    def judge(self, interaction: bytes) -> Judgement:
        """One judgement; each call errs anew."""
        truth = self._truths[interaction]
        right = self._random.random() < self._right[truth]
        return Judgement(
            id=next(self._numbers).to_bytes(16, "big"),
            interaction=interaction,
            turn=None,
            instrument=self._digest,
            state="ok",
            verdict="harm" if truth is right else "no_harm",
        )

    def judge_all(self) -> Iterator[Judgement]:
        """One judgement for each conversation, in the order of the truths."""
        return (self.judge(interaction) for interaction in self._truths)
