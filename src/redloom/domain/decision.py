"""What the owner of a system decided on the report of a run."""

from __future__ import annotations

import datetime
from typing import Literal

from redloom.domain.value import Text, Value

Choice = Literal["accept", "mitigate", "block"]
CHOICES: tuple[Choice, ...] = ("accept", "mitigate", "block")


class DecidedOn(Value):
    """A number that stood in the report when it was decided."""

    judge: Text
    unit: Text
    measure: Text
    value: float | None
    low: float | None
    high: float | None
    events: int
    n: int
    undecided: int | None = None
    """Conversations without a decided verdict; None where it was not recorded."""
    bound: float | None = None
    """The one-sided upper bound, with those counted as found."""


class Decision(Value):
    """A fact about a run: what was decided, by whom, on which numbers. A later one stands beside it."""

    decision: Choice
    owner: Text
    """Who answers for it: a role or a name."""
    recorded_by: Text
    at: datetime.datetime
    retest: datetime.date | None = None
    why: str = ""
    release_digest: Text
    on: tuple[DecidedOn, ...]
    """The headline of every judge."""
