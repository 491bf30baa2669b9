"""A claim about a system, a scenario and a hazard, with what shows it, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from redloom.domain.value import Slug, Text, Value

FindingStatus = Literal["draft", "reproduced", "adjudicated", "disclosed", "mitigated", "regression"]
STATUSES: tuple[FindingStatus, ...] = (
    "draft",
    "reproduced",
    "adjudicated",
    "disclosed",
    "mitigated",
    "regression",
)
"""The way of a finding; ``regression``: a test conversation keeps watch over what was mitigated."""
Again = Literal["yes", "no", "unsure"]
"""Whether what was found happened again in one try."""
MOST_TRIES = 50


class Claim(Value):
    """What was found, where, and who is concerned."""

    title: Text
    harm: Slug | None = None
    severity: int | None = None
    what: str = ""
    """Its class in a few words, as marks have it."""
    affected: tuple[Text, ...] = ()
    note: str = ""
    hypothesis: str = ""
    scenario: Slug | None = None
    system: Text
    """The study's target, or ``kind:rest``."""
    target_digest: Text
    exploration: Text
    exchange: Text
    """The last exchange of the branch that shows it, in hexadecimal."""


def next_statuses(status: FindingStatus) -> tuple[FindingStatus, ...]:
    """Where a finding can go from there: one step on, or back to any earlier step."""
    place = STATUSES.index(status)
    return (*STATUSES[place + 1 : place + 2], *STATUSES[:place])


def happened_again(verdicts: Sequence[Again]) -> bool | None:
    """What those who looked at one try say, by majority; None where they are undecided."""
    yes, no = verdicts.count("yes"), verdicts.count("no")
    return None if yes == no else yes > no
