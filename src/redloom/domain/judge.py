"""What a study declares of the judges it uses."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from redloom.domain.rubric import Verdict
from redloom.domain.value import Definition, Language, Slug, Text, Value

Unit = Literal["turn_alone", "turn_in_context", "interaction"]
UNITS: tuple[Unit, ...] = ("turn_alone", "turn_in_context", "interaction")
Shown = Literal["context", "persona"]


class Pattern(Value):
    """Phrases that decide a verdict where one of them stands in a reply; case does not matter."""

    any_of: tuple[Text, ...] = Field(min_length=1)
    verdict: Verdict
    severity: int | None = None
    languages: tuple[Language, ...] = ()


class Judge(Definition):
    """A model judge, or a rule of declared phrases."""

    kind: ClassVar[str] = "judge"

    by: Literal["model", "rule"]
    target: Text | None = None
    """For a model judge: a target of the study, or ``kind:rest``."""
    unit: Unit = "interaction"
    shows: tuple[Shown, ...] = ("context", "persona")
    rationale: bool = True
    """Whether a model judge is asked for a sentence why; a very small model does better without."""
    patterns: tuple[Pattern, ...] = ()
    otherwise: Verdict = "no_harm"
    harms: tuple[Slug, ...] = ()
    """The harms it judges; empty for all."""

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.by == "model" and self.target is None:
            raise ValueError("a model judge names its 'target'")
        if self.by == "rule" and not self.patterns:
            raise ValueError("a rule judge has at least one of 'patterns'")
        return self
