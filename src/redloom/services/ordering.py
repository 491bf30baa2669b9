"""Work orders of what nothing covers yet: planned, taken, given back, written."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

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
from redloom.storage.mapping import StoredVersion
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.repositories.orders import Taken
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
    drafts: tuple[str, ...] = ()
    """Test conversations that a model wrote for it, which become its scenario's once that is written."""


@dataclass(frozen=True, slots=True)
class Written:
    """The scenario and the case that an order became."""

    scenario: str
    case: str
    """The one that was written; without one the first draft that the scenario was given."""
    attached: tuple[str, ...] = ()
    """Drafts written for the order before, which are the scenario's now."""


def list_orders(
    workspace: Workspace, study: str, strength: int, having: Mapping[str, str] | None = None
) -> list[Order]:
    """The orders of what nothing covers yet, only those with the parts of ``having``; raises InputError."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        taken, drafts = unit.orders(study).all(), drafts_by_order(unit.definitions(study))
    wanted = (having or {}).items()
    rows = (row for row in missing_rows(workspace, now, strength) if wanted <= row.items())
    return [_order(now, work_order(now, row), taken, drafts) for row in rows]


def open_order(workspace: Workspace, study: str, parts: Mapping[str, str]) -> Order:
    """The order for one combination of parts; raises InputError where it cannot be written."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        _check_parts(now, parts)
        written = work_order(now, {name: parts[name] for name in DIMENSIONS})
        return _order(now, written, unit.orders(study).all(), drafts_by_order(unit.definitions(study)))


def drafts_by_order(stored: Definitions) -> dict[str, list[StoredVersion]]:
    """Key of an order -> the cases that a model wrote for it, and that nobody rejected, while its scenario is not there."""
    found: dict[str, list[StoredVersion]] = {}
    for version in stored.without_scenario("generated", ("draft", "in_review", "accepted")):
        found.setdefault(version.definition.content().get("cluster") or "", []).append(version)
    return found


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
    """Store the scenario of an order and a draft of its test conversation, both or neither; tells every problem.

    What a model wrote for the order before becomes the scenario's, as new drafts; with such drafts ``case`` may say
    nothing, and none is stored besides them.
    """
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        _check_parts(now, parts)
        key = scenario_slug(parts)
        waiting = drafts_by_order(unit.definitions(study)).get(key, [])
        wanted = None if waiting and not any(case.values()) else case
        found, issues = _read(key, {**parts, **scenario}, wanted, workspace.who)
        taken = unit.orders(study).all().get(key)
        if taken is not None and taken.who != workspace.who:
            issues.append(Issue(f"{taken.who} took this order; ask them to give it back"))
        if unit.definitions(study).head("scenario", key) is not None:
            issues.append(Issue(f"there is a scenario {key!r} already; write a test conversation for it"))
        if found is None or issues:
            raise InputError(issues)
        own, new = found
        slug = free_case(unit, study, key)
        cases = {slug: new} if new is not None else {}
        cases |= {one.slug: _placed(cast(Case, one.definition), key) for one in waiting}
        check_new(now, scenarios={key: own}, cases=cases)
        _put(workspace, unit, study, "scenario", {key: own})
        _put(workspace, unit, study, "case", cases)
        unit.orders(study).give_back(key)
        return Written(key, next(iter(cases)), tuple(one.slug for one in waiting))


def _placed(case: Case, scenario: str) -> Case:
    """A draft as a test conversation of the scenario it waited for, which says from now on what the draft had to."""
    tags = {name: value for name, value in case.tags.items() if name not in DIMENSIONS}
    nothing = {"cluster": None, "harm": None, "language": None}
    return case.model_copy(update={**nothing, "scenario": scenario, "tags": tags})


def free_case(unit: UnitOfWork, study: str, scenario: str) -> str:
    """A short name for another case of a scenario, such as ``SCENARIO-2``, that none of the study has or had."""
    base = scenario[: MAX_SLUG - 6]
    taken = unit.definitions(study).ever("case", f"{base}-")
    return next(slug for n in range(1, len(taken) + 2) if (slug := f"{base}-{n}") not in taken)


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
    key: str, scenario: Mapping[str, object], case: Mapping[str, object] | None, who: str
) -> tuple[tuple[Scenario, Case | None] | None, list[Issue]]:
    issues: list[Issue] = []
    first: Scenario | None = None
    second: Case | None = None
    try:
        first = read_value(Scenario, scenario)
    except InputError as error:
        issues += error.issues
    try:
        about = {"scenario": key, "provenance": {"author": who}}
        second = None if case is None else read_value(Case, {**case, **about})
    except InputError as error:
        issues += error.issues
    return (None if first is None or issues else (first, second)), issues


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
    workspace: Workspace, unit: UnitOfWork, study: str, kind: str, made: Mapping[str, Definition]
) -> None:
    stored, study_id = unit.definitions(study), unit.study_id(study)
    put = stored.put(kind, made.items(), author=workspace.who, origin="web", why="", at=workspace.now())
    for slug, number in put:
        what = (
            f"added {kind} {slug}" if number == 1 else f"gave {kind} {slug} the scenario it was written for"
        )
        unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why="")


def _order(
    now: Study,
    written: WorkOrder,
    taken: Mapping[str, Taken],
    drafts: Mapping[str, Sequence[StoredVersion]],
) -> Order:
    by = taken.get(written.scenario)
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
        taken_by=by.who if by else "",
        taken_at=by.at if by else None,
        drafts=tuple(one.slug for one in drafts.get(written.scenario, ())),
    )
