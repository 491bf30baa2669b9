"""The short rows of cases say what definitions and acts say, whatever was done in which order."""

from __future__ import annotations

import random
from typing import Any

import sqlalchemy as sa

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.domain.case import Case
from redloom.domain.scenario import Scenario
from redloom.services.cases import review
from redloom.services.studies import apply_study
from redloom.services.workspace import Workspace
from redloom.storage.case_lines import LineQuery, rebuild
from redloom.storage.tables import case_line
from redloom.storage.unit_of_work import UnitOfWork

HOW: dict[str, Any] = {"author": "a", "origin": "test", "why": ""}


def _rows(unit: UnitOfWork) -> list[Any]:
    return [
        tuple(row)
        for row in unit.connection.execute(sa.select(case_line).order_by(case_line.c.definition_id))
    ]


def _step(workspace: Workspace, dice: random.Random) -> None:
    """Something that people do to a study."""
    with workspace.begin() as unit:
        stored = unit.definitions("small")
        cases, scenarios = stored.slugs("case"), stored.slugs("scenario")
        act = dice.choice(["review", "case", "scenario", "retire", "scenario retired", "label"])
        if act == "case":
            given: dict[str, Any] = {"script": [f"Hello {dice.random()}"], "scenario": dice.choice(scenarios)}
            slug = dice.choice([*cases, f"new-{dice.randrange(4)}"])
            stored.put("case", [(slug, Case.model_validate(given))], at=workspace.now(), **HOW)
        elif act == "scenario":
            slug = dice.choice(scenarios)
            head = stored.head("scenario", slug)
            assert head is not None and isinstance(head.definition, Scenario)
            changed = {**head.definition.content(), "language": dice.choice(["en", "es", "de"])}
            stored.put("scenario", [(slug, Scenario.model_validate(changed))], at=workspace.now(), **HOW)
        elif act == "retire" and len(cases) > 2:
            stored.retire("case", [dice.choice(cases)])
        elif act == "scenario retired" and len(scenarios) > 1:
            stored.retire("scenario", [dice.choice(scenarios)])
    if act == "review":
        review(workspace, "small", dice.choice(["accept", "reject", "submit"]), [dice.choice(cases)])


def test_rows_kept_step_by_step_are_those_derived_at_once(workspace: Workspace) -> None:
    apply_study(workspace, StudyFile(to_study(small_document(study="small")), "small.yaml"))
    apply_study(workspace, StudyFile(to_study(small_document(study="other")), "other.yaml"))
    dice = random.Random(7)
    seen: set[str] = set()
    for _ in range(60):
        _step(workspace, dice)
        with workspace.begin() as unit:
            kept = _rows(unit)
            rebuild(unit.connection)
            assert _rows(unit) == kept
            seen |= {row.status for row in unit.connection.execute(sa.select(case_line.c.status))}
    assert {"draft", "accepted", "rejected"} <= seen


def test_pages_follow_each_other_without_a_gap_in_every_order(workspace: Workspace) -> None:
    apply_study(workspace, StudyFile(to_study(small_document(study="small")), "small.yaml"))
    with workspace.begin() as unit:
        stored = unit.definitions("small")
        scenario = stored.slugs("scenario")[0]
        made = [(f"c-{n}", Case.model_validate({"script": ["Hi"], "scenario": scenario})) for n in range(12)]
        stored.put("case", made, at=workspace.now(), **HOW)
        for sort in ("newest", "oldest", "name"):
            whole = [line.slug for line in stored.lines.page(LineQuery(), sort=sort, most=100)]
            assert len(whole) == stored.count("case")
            found: list[str] = []
            while part := stored.lines.page(LineQuery(), sort=sort, after=found[-1] if found else "", most=5):
                found += [line.slug for line in part]
            assert found == whole
            back = stored.lines.page(LineQuery(), sort=sort, before=whole[7], most=5)
            assert [line.slug for line in back] == whole[2:7]


def test_rows_are_asked_for_by_the_parts_of_their_scenario_in_one_study(workspace: Workspace) -> None:
    apply_study(workspace, StudyFile(to_study(small_document(study="small")), "small.yaml"))
    apply_study(workspace, StudyFile(to_study(small_document(study="other")), "other.yaml"))
    with workspace.begin() as unit:
        lines = unit.definitions("small").lines
        for query, wanted in (
            (LineQuery(context="desk"), ["desk-1", "desk-child-1"]),
            (LineQuery(persona="adult", interaction_type="talk"), ["street-1"]),
            (LineQuery(context="desk", persona="child", harm="refusal"), ["desk-child-1"]),
            (LineQuery(context="nowhere"), []),
        ):
            assert [line.slug for line in lines.page(query, sort="name")] == wanted == lines.slugs(query)
            assert sum(lines.count_by("status", query).values()) == len(wanted)
        unit.definitions("small").retire("scenario", ["desk"])
        assert lines.slugs(LineQuery(context="desk")) == ["desk-child-1"]


def test_all_that_match_may_be_bound_to_the_newest_version_there_was(workspace: Workspace) -> None:
    apply_study(workspace, StudyFile(to_study(small_document(study="small")), "small.yaml"))
    with workspace.begin() as unit:
        stored, before = unit.definitions("small"), unit.studies.newest_version()
        changed = Case.model_validate({"script": ["Changed."], "scenario": "desk"})
        stored.put("case", [("desk-1", changed), ("fresh", changed)], at=workspace.now(), **HOW)
        assert stored.lines.slugs(LineQuery(), newest=before) == ["desk-child-1", "street-1"]
        assert len(stored.lines.slugs(LineQuery(), newest=unit.studies.newest_version())) == 4
        row = stored.lines.place("desk-1")
        assert row is not None and row.digest == changed.content_digest()
