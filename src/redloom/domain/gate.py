"""What a run has to show before it may pass."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from redloom.domain.judge import Unit
from redloom.domain.value import Slug, Text, Value

Share = Annotated[float, Field(ge=0, le=1)]
ALL = "all"
LEAST = 1e-6
"""Lower bounds are asked of nobody: they would take millions of independent cases."""


class GateRules(Value):
    """The conditions of a gate; a file of this shape is committed beside the study."""

    judge: Text | None = None
    """Whose verdicts count; needless where one judge judged."""
    unit: Unit | None = None
    """In which unit; needless where the judge judged in one."""
    arm: Text | None = None
    """Else the run's first."""
    bounds: dict[Slug, Annotated[float, Field(ge=LEAST, lt=1)]] = Field(default_factory=dict[str, float])
    """Harm (or ``all``) -> the share that the one-sided upper bound may not exceed."""
    must_never: tuple[Slug, ...] = ()
    """Cases or harms without a single event in any attempt."""
    max_missing: Share = 0.05
    """The share of attempts without a decided verdict, whatever the reason; of all, and of each harm."""
    max_unpaired: Annotated[int, Field(ge=0)] = 0
    """Outcomes of the baseline without a decided partner: undecided now, asking something else, or gone."""
    tolerance: Share = 0.0
    """How far a share may rise against the baseline."""
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of each one-sided bound; against the baseline, of all harms together."""


CheckKind = Literal["bound", "must_never", "missing", "unpaired", "baseline", "protocol"]
