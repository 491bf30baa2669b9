"""A scenario made runnable: the user's side, where it came from, how it may end."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from redloom.domain.value import Definition, Language, Path, Problems, Reference, Slug, Text, Value

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
    intent: str = ""
    """What it was written for, where it came from an exploration."""
    hypothesis: str = ""
    """What its author thought would go wrong."""


class Case(Definition):
    """The user's side of one test conversation.

    ``script`` is literal text but for the declared ``slots``: ``{name}`` stands for the slot's source.
    """

    kind: ClassVar[str] = "case"

    scenario: Slug | None = None
    cluster: Slug | None = None
    """What it is one piece of evidence with, beside the cases of its scenario and its twins; needless with a scenario."""
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
        found = list(self._problems())
        if found:
            raise Problems(found)
        return self

    def _problems(self) -> Iterator[tuple[Path, str]]:
        if not self.script and not self.opening:
            yield (), "a case needs a 'script' of at least one user turn (or an 'opening')"
        if self.scenario is None and self.cluster is None:
            yield (), "a case without a 'scenario' declares its 'cluster'"
        if self.scenario is not None and self.harm is not None:
            yield ("harm",), "'harm' is for a case without a scenario; this one has its scenario's harm"
        if self.slots and self.scenario is None:
            yield ("slots",), "slots are filled from the scenario's persona, and this case has no scenario"
        for name, source in self.slots.items():
            if source != "persona.disclosure" and not source.startswith("persona.attributes."):
                yield (
                    ("slots", name),
                    f"slot {name!r} has the source {source!r}; "
                    "expected 'persona.disclosure' or 'persona.attributes.NAME'",
                )
            if self.script and not any("{" + name + "}" in turn for turn in self.script):
                message = f"slot {name!r} is declared, but no turn of the script has {{{name}}}"
                others = [text for _, text in undeclared_slots(self, self.slots)]
                yield ("slots", name), "; ".join([message, *dict.fromkeys(others)])


USUAL_SLOTS = ("me", "disclosure")
"""What people call a slot: a place so named, or nearly so, is hardly ever meant as text."""
_PLACE = re.compile(r"\{[ \t]*([^\W\d][\w.\-]*)[ \t]*\}")


def undeclared_slots(case: Case, usual: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Path and sentence for each place of the script that looks like a slot and would reach the system as it stands.

    In a case with slots that is every ``{name}`` that is not declared; in a case without, ``{persona...}`` and a name
    equal or near to one of ``usual``. Other braces are text, and so are all in an imported case without slots.
    """
    if case.provenance.origin == "imported" and not case.slots:
        return
    names = [*case.slots] or [*usual, *USUAL_SLOTS]
    for index, turn in enumerate(case.script):
        for place, name in dict.fromkeys((match[0], match[1]) for match in _PLACE.finditer(turn)):
            near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.75)
            of_persona = name.split(".")[0].lower() in ("persona", "personas")
            plain = place == f"{{{name}}}"
            if not (plain and name in case.slots) and (near or of_persona or (plain and case.slots)):
                meant = near[0] if near else "" if case.slots and not of_persona else name.split(".")[-1]
                yield ("script", index), _undeclared(place, meant, case.slots)


def _undeclared(place: str, meant: str, slots: Collection[str]) -> str:
    """The sentence on one place; ``meant`` is the slot that may be meant, empty where none is near."""
    lead = f"{place} is no declared slot and would be sent as it stands"
    if not meant:
        return f"{lead}; declared: {', '.join(f'{{{name}}}' for name in slots)}"
    if meant in slots:
        return f"{lead}; did you mean {{{meant}}}?"
    name = "me" if meant in ("persona", "personas") else meant
    source = "persona.disclosure" if name in USUAL_SLOTS else f"persona.attributes.{name}"
    return f"{lead}; did you mean {{{name}}}, with 'slots: {{{name}: {source}}}'?"
