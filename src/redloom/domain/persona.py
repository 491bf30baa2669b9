"""A declarative model of a user; not a person."""

from __future__ import annotations

from typing import ClassVar, Literal

from redloom.domain.value import Definition, LocalText, Text, Value

Attribute = bool | int | float | str
Provenance = Literal["lived_experience", "expert_authored", "synthetic"]


class Behaviour(Value):
    """How this user acts when a driver plays them."""

    disclosure_style: str = ""
    reaction_to_refusal: str = ""
    patience: str = ""


class Persona(Definition):
    """Who uses the system: attributes, goals, and what they say of themself."""

    kind: ClassVar[str] = "persona"

    title: Text
    attributes: dict[str, Attribute] = {}
    goals: tuple[Text, ...] = ()
    disclosure: LocalText | None = None
    """What this user says of themself, in their own words."""
    behaviour: Behaviour = Behaviour()
    provenance: Provenance
