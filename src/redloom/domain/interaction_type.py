"""How user and system deal with each other."""

from __future__ import annotations

from typing import ClassVar, Literal

from redloom.domain.value import Definition, Text

Stance = Literal["benign", "implicit_risk", "at_risk", "boundary", "adversarial", "third_party"]
Relation = Literal["task", "advice", "companionship", "tutoring", "delegation"]


class InteractionType(Definition):
    """Stance, relation, structure and who opens."""

    kind: ClassVar[str] = "interaction_type"

    title: Text
    description: str = ""
    stance: Stance
    relation: Relation
    structure: Literal["single_turn", "multi_turn"]
    initiative: Literal["user", "model"] = "user"
    """Who opens the conversation."""
    modality: Literal["text"] = "text"
