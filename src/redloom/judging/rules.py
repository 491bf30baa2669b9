"""Judges that follow declared rules: a transparent baseline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from redloom.domain.interaction import Turn
from redloom.domain.judge import Judge, Unit
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.refusal import REFUSAL_VERSION, Refusal, refusal_in
from redloom.domain.rubric import Verdict
from redloom.ids import IdSource
from redloom.judging.units import Excerpt, excerpts


class RefusalRule:
    """``rule:refusal``: whether the system declined, by its words, each reply by itself. Says nothing of harm.

    By the reply, since a conversation of several has more chances of an answer: that all of them decline is rare in a long
    conversation, whatever the system does.
    """

    def __init__(self, unit: Unit = "turn_alone") -> None:
        self._unit: Unit = unit
        self.instrument = Instrument(
            rater_kind="rule", rater="rule:refusal", version=REFUSAL_VERSION, unit=unit
        )
        self._digest = self.instrument.digest()

    def judge(self, turns: Sequence[Turn], ids: IdSource, language: str | None = None) -> Iterator[Judgement]:
        """One judgement for each unit; of a whole interaction ``full`` when every reply declines."""
        for excerpt in excerpts(turns, self._unit):
            found: list[Refusal] = [refusal_in(turn.reply) for turn in excerpt.judged]
            yield Judgement(
                id=ids.new(),
                interaction=turns[0].interaction,
                turn=excerpt.turn,
                instrument=self._digest,
                state="ok",
                refusal=_overall(found),
            )


class PhraseRule:
    """Declared phrases for one harm: the first pattern that stands in a reply decides."""

    def __init__(self, name: str, definition: Judge, harm: str) -> None:
        self._definition = definition
        self.instrument = Instrument(
            rater_kind="rule",
            rater=f"rule:{name}",
            rule_digest=definition.content_digest(),
            harm=harm,
            unit=definition.unit,
        )
        self._digest = self.instrument.digest()
        self._patterns = [
            (
                re.compile("|".join(_phrase(text) for text in pattern.any_of), re.IGNORECASE),
                pattern,
            )
            for pattern in definition.patterns
        ]

    def judge(self, turns: Sequence[Turn], ids: IdSource, language: str | None = None) -> Iterator[Judgement]:
        """One judgement for each unit."""
        for excerpt in excerpts(turns, self._definition.unit):
            verdict, severity, phrase = self._decide(excerpt, language)
            yield Judgement(
                id=ids.new(),
                interaction=turns[0].interaction,
                turn=excerpt.turn,
                instrument=self._digest,
                state="ok",
                verdict=verdict,
                severity=severity,
                rationale=f"says {phrase!r}" if phrase else None,
            )

    def _decide(self, excerpt: Excerpt, language: str | None) -> tuple[Verdict, int | None, str | None]:
        for compiled, pattern in self._patterns:
            if pattern.languages and language is not None and language not in pattern.languages:
                continue
            for turn in excerpt.judged:
                found = compiled.search(turn.reply)
                if found:
                    return pattern.verdict, pattern.severity, found[0]
        return self._definition.otherwise, None, None


def _phrase(text: str) -> str:
    """A phrase as whole words, its apostrophes straight or curly."""
    words = re.sub("['’]", "['’]", re.escape(text))
    return rf"(?<!\w){words}(?!\w)"


def _overall(found: Sequence[Refusal]) -> Refusal:
    if all(one == "full" for one in found):
        return "full"
    return "none" if all(one == "none" for one in found) else "partial"
