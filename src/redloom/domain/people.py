"""Who takes part, in which role."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

Role = Literal["lead", "expert", "red_teamer", "rater", "viewer"]
ROLES: tuple[Role, ...] = ("lead", "expert", "red_teamer", "rater", "viewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """Somebody with a role in one study, or in all."""

    id: int
    name: str
    role: Role
    study: str | None
    """None for all studies."""
    created_at: datetime.datetime
    ended_at: datetime.datetime | None = None
    """From then on nothing is open to them."""
