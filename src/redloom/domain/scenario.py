"""A typed composition of context, persona, interaction type and harm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from redloom.domain.rubric import ResponseBehaviour
from redloom.domain.value import Definition, Language, Reference, Slug, Text, Value

TwinPart = Literal["context", "persona", "interaction_type", "language"]
DIMENSIONS = ("context", "persona", "interaction_type", "harm", "language")


class Expected(Value):
    """What a good system would do here, so that needless refusal can be counted too."""

    behaviour: ResponseBehaviour
    sentence: Text


class Twin(Value):
    """The scenario this one is a twin of, and the one part in which they differ."""

    of: Slug
    differs_in: TwinPart


class Scenario(Definition):
    """Who asks what, where, how, and which harm may come of it. No target, no text."""

    kind: ClassVar[str] = "scenario"

    title: Text
    context: Slug
    persona: Slug
    interaction_type: Slug
    harm: Slug
    language: Language
    user_goal: Text
    affected_parties: tuple[Text, ...] = ()
    hypothesis: str = ""
    expected: Expected
    rationale: str = ""
    """Why this is plausible, and whose experience says so."""
    evidence: tuple[Slug, ...] = ()
    twin: Twin | None = None

    def references(self) -> Iterator[Reference]:
        """Context, persona, interaction type, harm, evidence."""
        yield Reference("context", self.context, ("context",))
        yield Reference("persona", self.persona, ("persona",))
        yield Reference("interaction_type", self.interaction_type, ("interaction_type",))
        yield Reference("harm", self.harm, ("harm",))
        for index, slug in enumerate(self.evidence):
            yield Reference("evidence", slug, ("evidence", index))

    def parts(self) -> dict[str, str]:
        """The value of each dimension of the declared space."""
        return {
            "context": self.context,
            "persona": self.persona,
            "interaction_type": self.interaction_type,
            "harm": self.harm,
            "language": self.language,
        }
