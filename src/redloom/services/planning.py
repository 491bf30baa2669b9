"""The declared space: how much of it is covered, and what would cover the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redloom.design.covering import Coverage, coverage, covering_array
from redloom.design.orders import WorkOrder, scenario_slug, work_order
from redloom.design.twins import ProposedTwin, missing_twins
from redloom.domain.scenario import Scenario
from redloom.domain.study import Constraint, Study, space
from redloom.errors import InputError
from redloom.services.finding import get_release
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.storage.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class SpaceCoverage:
    """The declared space and how much of it is covered."""

    study: str
    version: str | None
    space: Mapping[str, tuple[str, ...]]
    constraints: tuple[Constraint, ...]
    rows: tuple[Mapping[str, str], ...]
    """The parts of every scenario counted."""
    by_strength: tuple[Coverage, ...]


def cover(
    workspace: Workspace, study: str, version: str | None = None, *, strengths: Sequence[int] = (1, 2, 3)
) -> SpaceCoverage:
    """Coverage of the scenarios that have a case: of the study now, or of a release."""
    with workspace.begin() as unit:
        return measure_coverage(unit, study, version, strengths=strengths)


def measure_coverage(
    unit: UnitOfWork, study: str, version: str | None, *, strengths: Sequence[int] = (1, 2, 3)
) -> SpaceCoverage:
    """:func:`cover` inside a transaction."""
    now = load_study(unit, study, cases=False)
    if version is None:
        used = set(unit.definitions(study).lines.count_by("scenario"))
        scenarios = {slug: now.scenarios[slug] for slug in used if slug in now.scenarios}
    else:
        release = get_release(unit, study, version)
        frozen = unit.releases(study).definitions(release.id)
        counted = unit.releases(study).count_by(release.id, "scenario")
        used = {scenario for (scenario,) in counted if scenario is not None}
        scenarios = {slug: cast(Scenario, frozen[("scenario", slug)]) for slug in used}
    return coverage_of(now, scenarios, version=version, strengths=strengths)


def coverage_of(
    now: Study, scenarios: Mapping[str, Scenario], *, version: str | None, strengths: Sequence[int]
) -> SpaceCoverage:
    """How much of the space declared now these scenarios cover."""
    rows = tuple(scenarios[slug].parts() for slug in sorted(scenarios))
    declared = space(now)
    possible = [t for t in strengths if t <= sum(1 for values in declared.values() if values)]
    measured = tuple(coverage(declared, now.head.constraints, rows, strength=t) for t in possible)
    return SpaceCoverage(now.slug, version, declared, now.head.constraints, rows, measured)


@dataclass(frozen=True, slots=True)
class Planned:
    """Scenarios that cover the declared space."""

    study: str
    strength: int
    rows: tuple[Mapping[str, str], ...]
    new: tuple[Mapping[str, str], ...]
    """The rows that no scenario of the study has."""
    slugs: tuple[str, ...]
    """A slug for each of ``new``."""
    before: Coverage
    constraints: tuple[Constraint, ...]
    orders: tuple[WorkOrder, ...]


def plan(
    workspace: Workspace, study: str, *, strength: int, fresh: bool = False, orders: bool = False
) -> Planned:
    """Scenarios that cover every valid combination of ``strength`` parts; goes on from those there are unless ``fresh``."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
    declared = space(now)
    missing = [name for name, values in declared.items() if not values]
    if missing:
        raise InputError(
            f"{study} declares no {' and no '.join(n.replace('_', ' ') for n in missing)}; nothing can be planned"
        )
    have = [scenario.parts() for scenario in now.scenarios.values()]
    rows = covering_array(declared, now.head.constraints, strength=strength, start=() if fresh else have)
    new = [row for row in rows if row not in have]
    before = coverage(declared, now.head.constraints, have, strength=strength)
    written = tuple(work_order(now, row) for row in new) if orders else ()
    slugs = tuple(scenario_slug(row) for row in new)
    return Planned(study, strength, tuple(rows), tuple(new), slugs, before, now.head.constraints, written)


def propose_twins(workspace: Workspace, study: str) -> list[ProposedTwin]:
    """Twins that the study's scenarios lack."""
    with workspace.begin() as unit:
        return list(missing_twins(load_study(unit, study, cases=False)))


def as_json(found: Any) -> Any:
    """Coverage or plan as JSON values."""
    if isinstance(found, SpaceCoverage):
        return {
            "study": found.study,
            "version": found.version,
            "space": found.space,
            "scenarios": len(found.rows),
            "coverage": [_coverage_json(one) for one in found.by_strength],
        }
    assert isinstance(found, Planned)
    return {
        "study": found.study,
        "strength": found.strength,
        "rows": found.rows,
        "new": [{"slug": slug, **row} for slug, row in zip(found.slugs, found.new, strict=True)],
        "before": _coverage_json(found.before),
        "forbidden": [c.model_dump(mode="json") for c in found.constraints],
        "orders": [{"scenario": o.scenario, "instruction": o.instruction} for o in found.orders],
    }


def _coverage_json(one: Coverage) -> dict[str, Any]:
    return {
        "strength": one.strength,
        "covered": one.covered,
        "valid": one.valid,
        "share": one.share,
        "forbidden": one.forbidden,
        "holes": [dict(hole) for hole in one.holes],
    }
