"""Twins that a study lacks: the same scenario with exactly one part changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from redloom.domain.scenario import TwinPart
from redloom.domain.study import Study, space


@dataclass(frozen=True, slots=True)
class ProposedTwin:
    """A scenario to be written, and the one it would be a twin of."""

    of: str
    differs_in: TwinPart
    value: str
    """The other value of that part."""


def missing_twins(study: Study) -> Iterator[ProposedTwin]:
    """For each scenario and part without a twin, the first value that is allowed and not taken.

    A twin shows what its one part changes, everything else being equal.
    """
    taken = {tuple(scenario.parts().values()) for scenario in study.scenarios.values()}
    there = {(s.twin.of, s.twin.differs_in) for s in study.scenarios.values() if s.twin is not None}
    there |= {(slug, s.twin.differs_in) for slug, s in study.scenarios.items() if s.twin is not None}
    declared = space(study)
    for slug, scenario in study.scenarios.items():
        for part in get_args(TwinPart):
            if (slug, part) in there:
                continue
            for value in declared[part]:
                parts = {**scenario.parts(), part: value}
                free = tuple(parts.values()) not in taken
                if free and not any(rule.forbids(parts) for rule in study.head.constraints):
                    yield ProposedTwin(slug, part, value)
                    break
