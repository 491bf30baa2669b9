"""Test conversations in lists, in the queue of those that wait, and one with all that is known of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from redloom.datasets.duplicates import grams, similarity
from redloom.domain.case import Case
from redloom.domain.study import Study
from redloom.domain.value import in_language
from redloom.errors import UnknownNameError
from redloom.ids import time_of
from redloom.services.cases import CaseView, view_case
from redloom.services.defining import Version, versions_of
from redloom.services.ordering import free_case
from redloom.services.remembering import remembered, study_of
from redloom.services.workspace import Workspace
from redloom.storage.case_lines import PARTS, Line, LineQuery, Sort
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.unit_of_work import UnitOfWork

PAGE = 50
ALIKE = 0.5
"""From here on two test conversations are near duplicates."""
CHOICES = ("context", "persona", "interaction_type", "harm", "language", "origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """A page of the list."""

    lines: tuple[Line, ...]
    counts: Mapping[str, int]
    """Review state -> how many match the rest of the query."""
    choices: Mapping[str, tuple[tuple[str, str], ...]]
    """Filter -> its values, each with what people call it."""
    matching: int
    newest: int
    """The number of the newest version there was, to which a decision on all that match is bound."""
    before: str
    """The case that the page before this one ends before; empty on the first."""
    after: str
    """The case that the next page comes after; empty on the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did with one version."""

    who: str
    what: str
    why: str
    at: datetime.datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A test conversation that says nearly the same."""

    slug: str
    said: str
    alike: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCase:
    """One test conversation with all that is known of it."""

    view: CaseView
    line: Line
    versions: tuple[Version, ...]
    """Newest first."""
    reviews: tuple[Act, ...]
    """Of every version, newest first."""
    labels: tuple[Act, ...]
    """Content-validity labels of the newest version, each person's newest."""
    near: tuple[Near, ...]
    previous: str
    """In the queue; empty where nothing waits there."""
    next: str
    waiting: int

    @property
    def labelled_by(self) -> int:
        """How many people labelled it."""
        return len({act.who for act in self.labels})


def list_page(
    workspace: Workspace, study: str, query: LineQuery, *, sort: Sort, after: str = "", before: str = ""
) -> CaseTable:
    """One page of the test conversations that match, with how many there are in each review state."""
    with workspace.begin() as unit:
        lines = unit.definitions(study).lines
        open_query = replace(query, status="")
        counts = remembered(
            workspace, unit, study, ("counts", open_query), lambda: lines.count_by("status", open_query)
        )
        choices = remembered(workspace, unit, study, "choices", lambda: _choices(workspace, unit, study))
        newest = unit.studies.newest_version()
        found = lines.page(query, sort=sort, after=after, before=before, most=PAGE + 1)
        if not found and (after or before):  # all that stood there have moved
            after = before = ""
            found = lines.page(query, sort=sort, most=PAGE + 1)
    more = len(found) > PAGE
    shown = found[-PAGE:] if before else found[:PAGE]
    return CaseTable(
        lines=tuple(shown),
        counts=counts,
        choices=choices,
        matching=counts.get(query.status, 0) if query.status else sum(counts.values()),
        newest=newest,
        before=shown[0].slug if shown and (more if before else after) else "",
        after=shown[-1].slug if shown and (before or more) else "",
    )


def cases_of(workspace: Workspace, study: str, scenario: str, *, most: int = 20) -> tuple[list[Line], int]:
    """The first test conversations of a scenario, and how many it has."""
    with workspace.begin() as unit:
        lines = unit.definitions(study).lines
        query = LineQuery(scenario=scenario)
        return lines.page(query, sort="name", most=most), sum(lines.count_by("status", query).values())


def open_case(workspace: Workspace, study: str, slug: str) -> WholeCase:
    """One test conversation; raises UnknownNameError."""
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        line = stored.lines.place(slug)
        if line is None:
            raise UnknownNameError("test conversation", slug, None)
        return _whole(workspace, unit, study, line)


def next_waiting(workspace: Workspace, study: str, *, after: str = "") -> WholeCase | None:
    """The next test conversation that nobody has decided on, oldest first; None where none waits."""
    with workspace.begin() as unit:
        lines = unit.definitions(study).lines
        line = lines.waiting(after) or lines.waiting("")
        return None if line is None else _whole(workspace, unit, study, line)


def free_slug(workspace: Workspace, study: str, scenario: str) -> str:
    """A short name that no test conversation of the study has or had."""
    with workspace.begin() as unit:
        return free_case(unit, study, scenario or "case")


def _whole(workspace: Workspace, unit: UnitOfWork, study: str, line: Line) -> WholeCase:
    stored = unit.definitions(study)
    versions = versions_of(stored, "case", line.slug)
    case = versions[0].definition
    assert isinstance(case, Case)
    numbers = {version.digest: version.number for version in versions}
    acts = {
        kind: [
            Act(
                who=fact.author,
                what=fact.body.get("status") or fact.body.get("label") or "",
                why=fact.why,
                at=time_of(fact.id),
                version=numbers.get(fact.about, 0),
            )
            for fact in stored.facts_of(line.definition_id, kind)
        ]
        for kind in ("review", "validity")
    }
    newest = {act.who: act for act in acts["validity"] if act.version == versions[0].number}
    counts = remembered(
        workspace, unit, study, ("counts", LineQuery()), lambda: stored.lines.count_by("status")
    )
    before, after = stored.lines.waiting(line.slug, back=True), stored.lines.waiting(line.slug)
    return WholeCase(
        view=view_case(study_of(workspace, unit, study), line.slug, line.status, case),
        line=line,
        versions=tuple(versions),
        reviews=tuple(reversed(acts["review"])),
        labels=tuple(newest.values()),
        near=tuple(_near(stored, line.slug, case)),
        previous=before.slug if before else "",
        next=after.slug if after else "",
        waiting=counts.get("draft", 0) + counts.get("in_review", 0),
    )


def _near(stored: Definitions, slug: str, case: Case) -> list[Near]:
    """Those that say nearly the same, likest first, among those that share its longest words."""
    own = grams(_said(case.content()))
    found = [
        Near(slug=other, said=" ".join(said.split())[:160], alike=alike)
        for other, body in stored.sharing(_said(case.content()))
        if other != slug and (alike := similarity(own, grams(said := _said(body)))) >= ALIKE
    ]
    return sorted(found, key=lambda one: (-one.alike, one.slug))[:10]


def _said(body: Mapping[str, Any]) -> str:
    return "\n".join(chain(filter(None, [body.get("opening")]), body.get("script") or ()))


def _choices(workspace: Workspace, unit: UnitOfWork, study: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Of contexts, users and ways of talking those that some scenario has."""
    now, lines = study_of(workspace, unit, study), unit.definitions(study).lines
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for name in CHOICES:
        of_scenario = name in PARTS
        values = (
            {one.parts()[name] for one in now.scenarios.values()} if of_scenario else lines.count_by(name)
        )
        titles: Mapping[str, Any] = now.collection(name) if of_scenario or name == "harm" else {}
        found[name] = tuple(sorted((value, _title(now, titles.get(value), value)) for value in values))
    return found


def _title(now: Study, definition: Any, slug: str) -> str:
    return in_language(getattr(definition, "title", None), now.head.languages[0]) or slug
