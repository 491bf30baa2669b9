"""What counts as harm: a concept with an author, boundaries, a rubric, and recorded dissent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from redloom.domain.persona import Attribute
from redloom.domain.rubric import Rubric
from redloom.domain.value import Definition, LocalText, Reference, Slug, Text, Value

SystemRole = Literal["perpetrator", "instigator", "facilitator", "enabler"]
HarmType = Literal["representational", "allocative", "quality_of_service", "interpersonal", "societal"]


class Example(Value):
    """A boundary example: what happened, and why it is (or is not) this harm."""

    text: LocalText
    why: Text


class SeverityLevel(Value):
    """One step of a severity scale."""

    value: int
    label: Text
    description: Text


class Severity(Value):
    """A scale and what it is grounded in."""

    grounding: Text
    levels: tuple[SeverityLevel, ...]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        values = [level.value for level in self.levels]
        if values != sorted(set(values)) or not values:
            raise ValueError(f"severity levels are given once each in ascending order, not {values}")
        return self


class Range(Value):
    """A closed range of a numeric attribute."""

    min: float | None = None
    max: float | None = None

    def holds(self, value: Attribute | None) -> bool:
        """Whether ``value`` is a number within the range."""
        if value is None or isinstance(value, str | bool):
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


class Rule(Value):
    """What is required of the system when the user is of this kind."""

    when: dict[str, Range | tuple[Attribute, ...] | Attribute]
    """Attribute of the persona -> a value, a list of values, or a range ``{min, max}``. All must hold."""
    require: Text

    def applies(self, attributes: Mapping[str, Attribute]) -> bool:
        """Whether a persona with these attributes is one the rule speaks of."""
        for name, condition in self.when.items():
            value = attributes.get(name)
            if isinstance(condition, Range):
                if not condition.holds(value):
                    return False
            elif isinstance(condition, tuple):
                if value not in condition:
                    return False
            elif value != condition:
                return False
        return True


class Crosswalk(Value):
    """Where this concept stands in a public taxonomy."""

    taxonomy: Text
    version: Text
    code: Text
    relation: Literal["exact", "close", "broad", "narrow", "related"]


class Dissent(Value):
    """A recorded disagreement with a version of a concept; may bring its own definition and rubric."""

    by: Text
    """Role of the person, not a name."""
    why: Text
    definition: LocalText | None = None
    rubric: Rubric | None = None


class Endorsement(Value):
    """Somebody stands behind a version of a concept."""

    by: Text
    why: str = ""


class Harm(Definition):
    """A harm concept: definition, boundaries, role of the system, severity, rubric, crosswalk."""

    kind: ClassVar[str] = "harm"
    beside_content: ClassVar[frozenset[str]] = frozenset({"dissent", "endorsements"})

    title: Text
    background: str = ""
    definition: LocalText
    includes: tuple[Text, ...] = ()
    excludes: tuple[Text, ...] = ()
    examples: tuple[Example, ...] = ()
    counter_examples: tuple[Example, ...] = ()
    system_role: SystemRole | None = None
    harmed_parties: tuple[Text, ...] = ()
    harm_types: tuple[HarmType, ...] = ()
    severity: Severity | None = None
    protective_response: LocalText | None = None
    rubric: Rubric
    rules: tuple[Rule, ...] = ()
    crosswalk: tuple[Crosswalk, ...] = ()
    sources: tuple[Text, ...] = ()
    broader: tuple[Slug, ...] = ()
    """The concepts this one is a kind of; a taxonomy is acyclic."""
    authors: tuple[Text, ...] = ()
    """Roles of those who wrote it."""

    dissent: tuple[Dissent, ...] = ()
    endorsements: tuple[Endorsement, ...] = ()

    def references(self) -> Iterator[Reference]:
        """The broader concepts."""
        for index, slug in enumerate(self.broader):
            yield Reference("harm", slug, ("broader", index))

    @model_validator(mode="after")
    def _one_act_each(self) -> Self:
        for name in ("dissent", "endorsements"):
            by = [act.by for act in getattr(self, name)]
            again = next((who for index, who in enumerate(by) if who in by[:index]), None)
            if again is not None:
                raise ValueError(
                    f"{name}: {again!r} stands there twice; each says it once, or under another name"
                )
        return self

    @model_validator(mode="after")
    def _severities_on_the_scale(self) -> Self:
        scale = {level.value for level in self.severity.levels} if self.severity else set[int]()
        rubrics = [("rubric", self.rubric)]
        rubrics += [(f"dissent[{i}].rubric", d.rubric) for i, d in enumerate(self.dissent) if d.rubric]
        for place, rubric in rubrics:
            off = [s for s in rubric.severities() if s not in scale]
            if off:
                expected = (
                    ", ".join(map(str, sorted(scale))) or "no severity, since the harm declares no scale"
                )
                raise ValueError(f"{place} gives severity {off[0]}; expected {expected}")
        return self
