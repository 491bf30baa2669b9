"""Who judged what, by which instrument, on what was visible; immutable."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal

from redloom.domain.judge import Shown, Unit
from redloom.domain.refusal import Refusal
from redloom.domain.rubric import Verdict
from redloom.domain.value import Text, Value
from redloom.ids import digest

RaterKind = Literal["person", "model", "rule"]
JudgementState = Literal["ok", "skipped", "refused", "unparseable", "error"]
Perspective = Literal["own", "vicarious", "policy"]


class Instrument(Value):
    """How a judgement is made. Judgements by different instruments are never pooled."""

    rater_kind: RaterKind
    rater: Text
    """Name of the person, of the judge, or of the rule."""
    version: Text = "1"
    """Prompt version of a model judge, version of a rule, guideline version of a person."""
    target_digest: str | None = None
    """System behind a model judge."""
    rule_digest: str | None = None
    harm: str | None = None
    """Slug of the harm judged; None where the instrument looks at the reply alone."""
    rubric_digest: str | None = None
    variant: str = ""
    """Empty for the headline rubric, else the role whose dissenting rubric it is."""
    unit: Unit = "interaction"
    shows: tuple[Shown, ...] = ()
    brief_digest: str | None = None
    """All that the rater reads of the harm; None where nothing is read, and where an older version recorded nothing."""
    language: str | None = None
    """In which a model is asked; None for a rater who is asked in the language of the conversation."""
    code_digest: str | None = None
    """Source of a plug-in's rule, or of the program behind a model judge, where it can be read."""

    def digest(self) -> str:
        """The digest that judgements name."""
        return digest({"kind": "instrument", **self.model_dump(mode="json", exclude_defaults=True)})


class JudgingPass(Value):
    """What one judge was given of a run at one time."""

    judge: Text
    unit: Unit
    target_digest: str | None = None
    system: str = ""
    """The system behind a model judge, as it was declared; empty for a rule."""
    decoding: dict[str, Any] = {}
    sample: int | None = None
    """Conversations to be drawn; None for all."""
    seed: int = 0
    """Of the draw."""
    program: Text
    """Version of Redloom."""
    at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One verdict of one rater on one unit."""

    id: bytes
    interaction: bytes
    turn: bytes | None
    """The turn judged; None for the whole interaction."""
    instrument: str
    """Digest of the instrument."""
    state: JudgementState
    verdict: Verdict | None = None
    severity: int | None = None
    refusal: Refusal | None = None
    answers: tuple[tuple[str, str], ...] = ()
    """The path taken through the rubric."""
    missing_fact: str | None = None
    """For ``depends_on``: what one would have to know."""
    confidence: float | None = None
    rationale: str | None = None
    raw: str | None = None
    """What a model judge answered, where it could not be read."""

    def details(self) -> dict[str, Any]:
        """What is stored beside state, verdict, severity and refusal; empty for most rule judgements."""
        found: dict[str, Any] = {}
        if self.answers:
            found["answers"] = [list(step) for step in self.answers]
        if self.missing_fact is not None:
            found["missing_fact"] = self.missing_fact
        if self.confidence is not None:
            found["confidence"] = self.confidence
        if self.rationale is not None:
            found["rationale"] = self.rationale
        if self.raw is not None:
            found["raw"] = self.raw
        return found
