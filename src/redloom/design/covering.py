"""Combinatorial coverage of a declared space, and arrays that cover it.

t-way coverage is the share of valid combinations of t values from different dimensions that some scenario has
(total variable-value configuration coverage in NIST's terms; after NIST IR 7878). A combination is valid when
some whole row has it that no constraint forbids.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redloom.domain.study import Constraint
from redloom.errors import InputError

Space = Mapping[str, Sequence[str]]
Combination = tuple[tuple[str, str], ...]
"""(dimension, value) pairs in the order of the space."""

ENUMERABLE = 500_000
"""Whole rows up to which validity is told by enumerating them; beyond, only by what a constraint names itself."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the declared space is covered at one strength."""

    strength: int
    covered: int
    valid: int
    holes: tuple[Combination, ...]
    """The valid combinations that nothing covers, the first ``most`` of them."""
    forbidden: int

    @property
    def share(self) -> float | None:
        """Covered over valid; None where there is no valid combination."""
        return self.covered / self.valid if self.valid else None


def coverage(
    space: Space,
    constraints: Sequence[Constraint],
    rows: Iterable[Mapping[str, str]],
    *,
    strength: int,
    most: int = 10_000,
) -> Coverage:
    """The coverage of ``rows`` at a strength; values outside the space do not count."""
    dimensions = _dimensions(space, strength)
    present: set[Combination] = set()
    known = {dimension: set(space[dimension]) for dimension in dimensions}
    for row in rows:
        inside = [(d, row[d]) for d in dimensions if row.get(d) in known[d]]
        present.update(itertools.combinations(inside, strength))
    valid = valid_combinations(space, constraints, strength)
    whole = sum(
        math.prod(len(space[d]) for d in chosen) for chosen in itertools.combinations(dimensions, strength)
    )
    holes = [combination for combination in valid if combination not in present]
    return Coverage(strength, len(valid) - len(holes), len(valid), tuple(holes[:most]), whole - len(valid))


def valid_combinations(space: Space, constraints: Sequence[Constraint], strength: int) -> list[Combination]:
    """Every combination of ``strength`` values that can occur, in the order of the space."""
    dimensions = _dimensions(space, strength)
    combinations = (
        tuple(zip(chosen, values, strict=True))
        for chosen in itertools.combinations(dimensions, strength)
        for values in itertools.product(*(space[d] for d in chosen))
    )
    if math.prod(len(space[d]) for d in dimensions) > ENUMERABLE or not constraints:
        return [c for c in combinations if not any(rule.forbids(dict(c)) for rule in constraints)]
    possible: set[Combination] = set()
    for row in _whole_rows(space, dimensions, constraints):
        possible.update(itertools.combinations(row, strength))
    return [c for c in combinations if c in possible]


def covering_array(
    space: Space, constraints: Sequence[Constraint], *, strength: int, start: Sequence[Mapping[str, str]] = ()
) -> list[dict[str, str]]:
    """Rows that cover every valid combination of ``strength`` values, going on from ``start``.

    Few rows, not fewest. Raises InputError where the constraints leave nothing.
    """
    import covertable

    dimensions = _dimensions(space, strength)
    library: Any = covertable
    rules = [_forbidding(rule) for rule in constraints]
    presets = [{d: row[d] for d in dimensions if row.get(d) in space[d]} for row in start]
    rows = cast(
        list[dict[str, str]],
        library.make(
            {d: list(space[d]) for d in dimensions},
            strength=strength,
            constraints=rules or None,
            presets=presets or None,
        ),
    )
    ordered = [{d: row[d] for d in dimensions} for row in rows]
    kept = [row for row in ordered if not any(rule.forbids(row) for rule in constraints)]
    left = coverage(space, constraints, kept, strength=strength)
    if not left.valid:
        raise InputError("the constraints forbid every combination of the declared space")
    while left.holes:
        kept.append(_row_with(left.holes[0], space, dimensions, constraints))
        left = coverage(space, constraints, kept, strength=strength)
    return kept


def _dimensions(space: Space, strength: int) -> list[str]:
    dimensions = [dimension for dimension in space if space[dimension]]
    if not 1 <= strength <= len(dimensions):
        raise InputError(
            f"strength {strength}: expected 1 to {len(dimensions)}, the number of dimensions that have values"
        )
    return dimensions


def _whole_rows(
    space: Space, dimensions: Sequence[str], constraints: Sequence[Constraint]
) -> Iterator[Combination]:
    for values in itertools.product(*(space[d] for d in dimensions)):
        row = tuple(zip(dimensions, values, strict=True))
        if not any(rule.forbids(dict(row)) for rule in constraints):
            yield row


def _row_with(
    combination: Combination, space: Space, dimensions: Sequence[str], constraints: Sequence[Constraint]
) -> dict[str, str]:
    """Any allowed row that has the combination."""
    fixed = dict(combination)
    narrowed = {d: [fixed[d]] if d in fixed else space[d] for d in dimensions}
    for row in _whole_rows(narrowed, dimensions, constraints):
        return dict(row)
    raise InputError(
        f"the constraints leave no scenario with {', '.join(f'{d} {v}' for d, v in combination)}"
    )


def _forbidding(rule: Constraint) -> dict[str, Any]:
    conditions = [
        {"operator": "in", "left": dimension, "values": [values] if isinstance(values, str) else list(values)}
        for dimension, values in rule.forbid.items()
    ]
    return {"operator": "not", "condition": {"operator": "and", "conditions": conditions}}
