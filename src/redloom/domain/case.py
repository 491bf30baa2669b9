"""A scenario made runnable: the user's side, where it came from, how it may end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from redloom.domain.value import Definition, Language, Reference, Slug, Text, Value

Origin = Literal["human", "generated", "imported", "mutated", "promoted"]
CaseStatus = Literal["draft", "in_review", "accepted", "rejected", "retired"]
STATUSES: tuple[CaseStatus, ...] = ("draft", "in_review", "accepted", "rejected", "retired")


class CaseProvenance(Value):
    """Who wrote a case, from what."""

    author: str = ""
    origin: Origin = "human"
    source: str = ""
    licence: str = ""
    parent: Slug | None = None
    generator_digest: str | None = None
    selected_on: str | None = None
    """The target it was found on; cases selected on a target are reported apart for it."""


class Case(Definition):
    """The user's side of one test conversation.

    ``script`` is literal text but for the declared ``slots``: ``{name}`` stands for the slot's source.
    """

    kind: ClassVar[str] = "case"

    scenario: Slug | None = None
    cluster: Slug | None = None
    """The unit that counts as independent: the scenario, or what an imported case declares."""
    harm: Slug | None = None
    """For a case that waits for its scenario."""
    opening: Text | None = None
    """What the system says first, where it opens with a fixed text."""
    script: tuple[Text, ...] = ()
    """The user's turns, in order."""
    slots: dict[str, Text] = Field(default_factory=dict[str, str])
    """Slot name -> ``persona.disclosure`` or ``persona.attributes.NAME``."""
    turn_limit: int | None = Field(default=None, ge=1)
    stop: Literal["script_end", "first_refusal"] = "script_end"
    """``first_refusal``: this user leaves when the system refuses."""
    language: Language | None = None
    text_origin: Literal["locally_authored", "translated"] = "locally_authored"
    provenance: CaseProvenance = CaseProvenance()
    tags: dict[str, str] = Field(default_factory=dict[str, str])

    def references(self) -> Iterator[Reference]:
        """The scenario, or the harm of a case that waits for one."""
        if self.scenario is not None:
            yield Reference("scenario", self.scenario, ("scenario",))
        if self.harm is not None:
            yield Reference("harm", self.harm, ("harm",))

    @model_validator(mode="after")
    def _runnable(self) -> Self:
        if not self.script and not self.opening:
            raise ValueError("a case needs a 'script' of at least one user turn (or an 'opening')")
        if self.scenario is None and self.cluster is None:
            raise ValueError("a case without a 'scenario' declares its 'cluster'")
        if self.scenario is not None and self.harm is not None:
            raise ValueError("'harm' is for a case without a scenario; this one has its scenario's harm")
        for name, source in self.slots.items():
            if source != "persona.disclosure" and not source.startswith("persona.attributes."):
                raise ValueError(
                    f"slot {name!r} has the source {source!r}; "
                    "expected 'persona.disclosure' or 'persona.attributes.NAME'"
                )
            if not any("{" + name + "}" in turn for turn in self.script):
                raise ValueError(f"slot {name!r} is declared, but no turn of the script has {{{name}}}")
        if self.slots and self.scenario is None:
            raise ValueError("slots are filled from the scenario's persona, and this case has no scenario")
        return self
