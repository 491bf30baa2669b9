"""Work orders of what nothing covers yet: planned, taken, given back, written."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from redloom.design.covering import covering_array
from redloom.design.orders import WorkOrder, scenario_slug, work_order
from redloom.domain.case import Case
from redloom.domain.scenario import DIMENSIONS, Scenario
from redloom.domain.study import Study, problems, space
from redloom.domain.value import Definition, in_language, issue_at, read_value
from redloom.errors import InputError, Issue, unknown
from redloom.ids import MAX_SLUG, digest
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.storage.unit_of_work import UnitOfWork

STRENGTHS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A work order, and who has taken it."""

    key: str
    parts: Mapping[str, str]
    titles: Mapping[str, str]
    """Part -> what people call it."""
    instruction: str
    taken_by: str
    """Empty where it is free."""
    taken_at: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Written:
    """The scenario and the case that an order became."""

    scenario: str
    case: str


def list_orders(
    workspace: Workspace, study: str, strength: int, having: Mapping[str, str] | None = None
) -> list[Order]:
    """The orders of what nothing covers yet, only those with the parts of ``having``; raises InputError."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        taken = unit.orders(study).all()
    wanted = (having or {}).items()
    found: list[Order] = []
    for row in missing_rows(workspace, now, strength):
        if wanted <= row.items():
            written = work_order(now, row)
            by = taken.get(written.scenario)
            found.append(_order(now, written, by.who if by else "", by.at if by else None))
    return found


def open_order(workspace: Workspace, study: str, parts: Mapping[str, str]) -> Order:
    """The order for one combination of parts; raises InputError where it cannot be written."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        _check_parts(now, parts)
        written = work_order(now, {name: parts[name] for name in DIMENSIONS})
        by = unit.orders(study).all().get(written.scenario)
        return _order(now, written, by.who if by else "", by.at if by else None)


def count_planned(
    workspace: Workspace, study: str, strength: int, *, rows: str, columns: str
) -> Mapping[tuple[str, str], int]:
    """(value of ``rows``, value of ``columns``) -> planned scenarios; nothing for the strength 0."""
    if not strength:
        return {}
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
    return Counter((row[rows], row[columns]) for row in missing_rows(workspace, now, strength))


def missing_rows(workspace: Workspace, now: Study, strength: int) -> list[Mapping[str, str]]:
    """Planned combinations that hold something no scenario has; raises InputError where nothing can be planned.

    The plan is kept, so that orders stay the same while others are written.
    """
    if strength not in STRENGTHS:
        raise InputError(f"a plan covers 1, 2 or 3 parts together, not {strength}")
    declared = space(now)
    missing = [name.replace("_", " ") for name, values in declared.items() if not values]
    if missing:
        raise InputError(f"the study declares no {' and no '.join(missing)}; nothing can be planned")
    have = [scenario.parts() for scenario in now.scenarios.values()]
    covered = {group for row in have for group in _groups(row, strength)}
    found: list[Mapping[str, str]] = []
    for row in _array(workspace, now, declared, have, strength):
        groups = set(_groups(row, strength))
        if not groups <= covered:
            covered |= groups
            found.append(row)
    return found


def _array(
    workspace: Workspace,
    now: Study,
    declared: Mapping[str, tuple[str, ...]],
    have: Sequence[Mapping[str, str]],
    strength: int,
) -> tuple[Mapping[str, str], ...]:
    """The rows, kept by what they were made from: making them takes seconds in a large space."""
    rules = [rule.model_dump(mode="json") for rule in now.head.constraints]
    values = {name: list(of) for name, of in declared.items()}
    key = digest({"study": now.slug, "space": values, "constraints": rules, "strength": strength})
    known = workspace.memory.get(("array", key))
    if known is not None:
        return known[1]
    made = tuple(covering_array(declared, now.head.constraints, strength=strength, start=have))
    workspace.memory.keep(("array", key), (None, made))
    return made


def _groups(row: Mapping[str, str], strength: int) -> Iterator[tuple[tuple[str, str], ...]]:
    return combinations(sorted(row.items()), strength)


def take_order(workspace: Workspace, study: str, parts: Mapping[str, str]) -> None:
    """Keep an order for whoever acts; raises InputError where somebody else has it."""
    key = open_order(workspace, study, parts).key
    with workspace.begin() as unit:
        first = unit.orders(study).take(key, workspace.who, workspace.now())
    if first != workspace.who:
        raise InputError(f"{first} took this order already; choose another one, or ask them to give it back")


def give_back(workspace: Workspace, study: str, key: str, *, any_of: bool = False) -> None:
    """Free an order that whoever acts has taken; with ``any_of`` also one of somebody else."""
    with workspace.begin() as unit:
        taken = unit.orders(study).all().get(key)
        if taken is None:
            raise InputError(f"nobody has taken the order {key!r}")
        if taken.who != workspace.who and not any_of:
            raise InputError(f"{taken.who} took this order, and only they or a lead can give it back")
        unit.orders(study).give_back(key)


def write_order(
    workspace: Workspace,
    study: str,
    parts: Mapping[str, str],
    scenario: Mapping[str, object],
    case: Mapping[str, object],
) -> Written:
    """Store the scenario of an order and a draft of its test conversation, both or neither; tells every problem."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        _check_parts(now, parts)
        key = scenario_slug(parts)
        found, issues = _read(key, {**parts, **scenario}, case, workspace.who)
        taken = unit.orders(study).all().get(key)
        if taken is not None and taken.who != workspace.who:
            issues.append(Issue(f"{taken.who} took this order; ask them to give it back"))
        if unit.definitions(study).head("scenario", key) is not None:
            issues.append(Issue(f"there is a scenario {key!r} already; write a test conversation for it"))
        if found is None or issues:
            raise InputError(issues)
        slug = free_case(unit, study, key)
        check_new(now, scenarios={key: found[0]}, cases={slug: found[1]})
        _put(workspace, unit, study, {("scenario", key): found[0], ("case", slug): found[1]})
        unit.orders(study).give_back(key)
        return Written(key, slug)


def free_case(unit: UnitOfWork, study: str, scenario: str) -> str:
    """A short name for another case of a scenario, such as ``SCENARIO-2``."""
    known = {slug for slug, _ in unit.definitions(study).ids("case").items()}
    number = 1
    while (slug := f"{scenario[: MAX_SLUG - 6]}-{number}") in known:
        number += 1
    return slug


def _check_parts(now: Study, parts: Mapping[str, str]) -> None:
    declared = space(now)
    issues = [
        Issue(unknown(name.replace("_", " "), parts.get(name, ""), declared[name]), path=name)
        for name in DIMENSIONS
        if parts.get(name) not in declared[name]
    ]
    issues += [Issue(f"this cannot occur: {c.reason}") for c in now.head.constraints if c.forbids(parts)]
    if issues:
        raise InputError(issues)


def _read(
    key: str, scenario: Mapping[str, object], case: Mapping[str, object], who: str
) -> tuple[tuple[Scenario, Case] | None, list[Issue]]:
    issues: list[Issue] = []
    read: list[Definition] = []
    about = {"scenario": key, "provenance": {"author": who}}
    for model, content in ((Scenario, scenario), (Case, {**case, **about})):
        try:
            read.append(read_value(model, content))
        except InputError as error:
            issues += error.issues
    if issues:
        return None, issues
    first, second = read
    assert isinstance(first, Scenario) and isinstance(second, Case)
    return (first, second), issues


def check_new(
    now: Study, *, cases: Mapping[str, Case], scenarios: Mapping[str, Scenario] | None = None
) -> None:
    """Raise InputError with the problems that the study has with these and had not before."""
    known = set(problems(now))
    whole = {**now.scenarios, **(scenarios or {})}
    changed = now.model_copy(update={"scenarios": whole, "cases": dict(cases)})
    new = [one for one in problems(changed) if one not in known]
    if new:
        own = {("scenarios", key) for key in scenarios or ()} | {("cases", slug) for slug in cases}
        raise InputError(issue_at(path[2:] if path[:2] in own else path, told) for path, told in new)


def _put(
    workspace: Workspace, unit: UnitOfWork, study: str, made: Mapping[tuple[str, str], Definition]
) -> None:
    for (kind, slug), definition in made.items():
        unit.definitions(study).put(
            kind, [(slug, definition)], author=workspace.who, origin="web", why="", at=workspace.now()
        )
        what = f"added {kind} {slug}"
        unit.studies.record(
            unit.study_id(study), id=workspace.ids.new(), who=workspace.who, what=what, why=""
        )


def _order(now: Study, written: WorkOrder, who: str, at: datetime.datetime | None) -> Order:
    language = now.head.languages[0]
    titles = {
        name: value
        if name == "language"
        else in_language(getattr(now.collection(name)[value], "title", None), language) or value
        for name, value in written.parts.items()
    }
    return Order(
        key=written.scenario,
        parts=written.parts,
        titles=titles,
        instruction=written.instruction,
        taken_by=who,
        taken_at=at,
    )
