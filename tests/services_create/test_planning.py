"""Coverage of a study's declared space and plans that fill its holes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers_create.databases import prepare
from helpers_create.small import small_document, write_document
from redloom.errors import InputError
from redloom.ids import is_slug
from redloom.services.planning import as_json, cover, plan
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.workspace import Workspace


def _build(workspace: Workspace, folder: Path) -> None:
    apply(workspace, write_document(folder / "study.yaml", small_document()))
    apply(workspace, example("school_health") / "study.yaml")


@pytest.fixture(scope="module")
def prepared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(template, tmp_path_factory.mktemp("prepared"), _build)


@pytest.fixture
def study() -> str:
    """The small study; the school study is beside it."""
    return "small"


def test_coverage_counts_the_scenarios_that_have_a_case(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    first = cover(workspace, study)
    assert [one.strength for one in first.by_strength] == [1, 2, 3]
    one, two, three = first.by_strength
    # 5 dimensions of 2 values; context street with persona child is forbidden
    assert (one.covered, one.valid, one.forbidden) == (10, 10, 0)
    assert (two.valid, two.forbidden) == (40 - 1, 1)
    assert (three.valid, three.forbidden) == (80 - 6, 6)
    # desk and desk-child share 6 of their 10 pairs; street has no part of theirs but the persona of desk
    assert two.covered == 10 + 4 + 10
    document = small_document()
    del document["cases"]["street-1"]
    apply(workspace, write_document(tmp_path / "study.yaml", document), prune=True)
    assert cover(workspace, study).by_strength[1].covered == 14


def test_coverage_of_a_release_is_that_of_its_cases(workspace: Workspace, study: str) -> None:
    cut_release(workspace, study, "1", ReleaseOptions(provisional=True, cases=("desk-1",)))
    frozen = cover(workspace, study, "1")
    assert (len(frozen.rows), frozen.by_strength[1].covered) == (1, 10)
    assert len(cover(workspace, study).rows) == 3


@pytest.mark.parametrize("strength", [1, 2, 3])
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", ["small", "school-health"])
def test_a_plan_covers_every_valid_combination(
    workspace: Workspace, study: str, strength: int, fresh: bool, name: str
) -> None:
    planned = plan(workspace, name, strength=strength, fresh=fresh)
    from redloom.design.covering import coverage

    found = coverage(cover(workspace, name).space, planned.constraints, planned.rows, strength=strength)
    assert found.share == 1.0
    assert not [row for row in planned.rows if any(rule.forbids(row) for rule in planned.constraints)]
    assert len(planned.slugs) == len(planned.new) == len(set(planned.slugs))
    assert all(is_slug(slug) for slug in planned.slugs)
    if not fresh:
        assert len(planned.rows) - len(planned.new) == len(
            {tuple(sorted(row.items())) for row in planned.rows}
            - {tuple(sorted(row.items())) for row in planned.new}
        )


def test_what_is_planned_can_be_declared_and_then_nothing_is_left(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    planned = plan(workspace, study, strength=2)
    assert planned.before.holes
    document = small_document()
    for slug, row in zip(planned.slugs, planned.new, strict=True):
        beside = {"title": slug, "user_goal": "x", "expected": {"behaviour": "help", "sentence": "x"}}
        document["scenarios"][slug] = {**row, **beside}
        document["cases"][f"{slug}-1"[:120]] = {"scenario": slug, "script": ["x"]}
    apply(workspace, write_document(tmp_path / "study.yaml", document))
    assert cover(workspace, study).by_strength[1].share == 1.0
    assert plan(workspace, study, strength=2).new == ()


def test_every_new_scenario_has_an_order_that_mentions_its_five_parts(
    workspace: Workspace, study: str
) -> None:
    planned = plan(workspace, study, strength=2, orders=True)
    document: Any = small_document()
    assert [order.parts for order in planned.orders] == list(planned.new)
    assert planned.orders
    for order in planned.orders:
        parts = order.parts
        assert document["contexts"][parts["context"]]["setting"] in order.instruction
        assert document["personas"][parts["persona"]]["title"] in order.instruction
        assert document["interaction_types"][parts["interaction_type"]]["title"] in order.instruction
        assert document["harms"][parts["harm"]]["title"] in order.instruction
        assert f"in {parts['language']}," in order.instruction


def test_without_being_asked_no_orders_are_written(workspace: Workspace, study: str) -> None:
    assert plan(workspace, study, strength=1).orders == ()


def test_a_study_without_personas_cannot_be_planned(workspace: Workspace, tmp_path: Path) -> None:
    document = {"study": "bare", "title": "T", "languages": ["en"]}
    apply(workspace, write_document(tmp_path / "bare.yaml", document))
    with pytest.raises(
        InputError, match="bare declares no context and no persona and no interaction type and no harm"
    ):
        plan(workspace, "bare", strength=2)
    assert [one.strength for one in cover(workspace, "bare").by_strength] == [1]


def test_plans_and_coverage_are_json(workspace: Workspace, study: str) -> None:
    planned = as_json(plan(workspace, study, strength=2, orders=True))
    assert len(planned["new"]) == len(planned["orders"])
    assert planned["forbidden"][0]["reason"] == "Children do not stand there."
    covered = as_json(cover(workspace, study))
    assert [one["strength"] for one in covered["coverage"]] == [1, 2, 3]
    json.dumps([planned, covered])
