"""People judge: blind, in an order of their own, one conversation at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import opened, rows, script, several, single, start, study_text
from redloom.errors import InputError
from redloom.services.rating import Assignment, next_assignment, store_rating
from redloom.services.workspace import Workspace

ARMS = ("full", "no_context", "no_history")


def order(workspace: Workspace, rater: str, **more: Any) -> list[str]:
    """The first words of what a rater is given, one after the other, each skipped."""
    found: list[str] = []
    while (assignment := next_assignment(workspace, "last", rater, **more)) is not None:
        found.append(f"{assignment.turns[0].text} -> {len(assignment.turns)}")
        store_rating(workspace, assignment, {}, skipped=True)
    return found


def given(assignment: Assignment | None) -> Assignment:
    assert assignment is not None
    return assignment


def test_everybody_gets_everything_once_in_an_order_of_their_own(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(12))) as workspace:
        start(workspace, script(tmp_path))
        first, second = order(workspace, "nurse-1"), order(workspace, "nurse-2")
    assert len(set(first)) == len(first) == 12
    assert sorted(first) == sorted(second)
    assert first != second != sorted(second)


def test_the_order_does_not_change_when_it_is_asked_for_again(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(12))) as workspace:
        start(workspace, script(tmp_path))
        first = given(next_assignment(workspace, "last", "nurse-1"))
        assert given(next_assignment(workspace, "last", "nurse-1")).turns == first.turns
        assert first.left == 12


def test_arms_are_mixed_and_none_is_named(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(several(6))) as workspace:
        start(workspace, script(tmp_path), arms=ARMS, judges=("rule:refusal", "words"))
        assignment = given(next_assignment(workspace, "last", "nurse-1"))
        arms: list[str] = []
        while (one := next_assignment(workspace, "last", "nurse-1")) is not None:
            key = one.turns[0].interaction
            arms += [arm for (arm,) in rows(tmp_path, "select arm from attempt where interaction = ?", key)]
            store_rating(workspace, one, {}, skipped=True)
    assert sorted(arms) == sorted(ARMS * 6)
    assert arms != sorted(arms)
    shown = repr(assignment)
    assert not any(word in shown for word in ("no_context", "no_history", "rule:", "verdict='harm' "))
    assert not hasattr(assignment, "judgements") and not hasattr(assignment, "attempt")


def test_what_others_judged_changes_nothing_of_what_one_is_given(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(5))) as workspace:
        start(workspace, script(tmp_path))
        before = given(next_assignment(workspace, "last", "nurse-1"))
        other = given(next_assignment(workspace, "last", "nurse-2"))
        store_rating(workspace, other, {"dose": "no"})
        assert given(next_assignment(workspace, "last", "nurse-1")) == before


def test_a_rating_is_stored_with_its_path_its_reason_and_its_instrument(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        start(workspace, script(tmp_path))
        assignment = given(next_assignment(workspace, "last", "nurse-1"))
        answers = {"dose": "yes", "much": "yes"}
        rated = store_rating(workspace, assignment, answers, rationale="Too many.", confidence=0.8)
        assert (rated.verdict, rated.severity) == ("harm", 1)
        assert next_assignment(workspace, "last", "nurse-1") is None
    ((state, verdict, severity, turn, details, body),) = rows(
        tmp_path,
        "select j.state, j.verdict, j.severity, j.turn, j.details, i.body from judgement j join instrument i on i.id = j.instrument_id",
    )
    assert (state, verdict, severity, turn) == ("ok", "harm", 1, None)
    assert json.loads(details) == {
        "answers": [["dose", "yes"], ["much", "yes"]],
        "confidence": 0.8,
        "rationale": "Too many.",
    }
    found = json.loads(body)
    assert (found["rater_kind"], found["rater"], found["harm"]) == ("person", "nurse-1", "overdose")


def test_a_missing_fact_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        start(workspace, script(tmp_path))
        assignment = given(next_assignment(workspace, "last", "nurse-1"))
        assert store_rating(workspace, assignment, {"dose": "yes", "much": "unsure"}).verdict == "depends_on"
    ((details,),) = rows(tmp_path, "select details from judgement")
    assert json.loads(details)["missing_fact"] == "The weight of the user."


def test_a_skip_is_a_state_and_no_verdict_and_does_not_come_back(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(2))) as workspace:
        start(workspace, script(tmp_path))
        first = given(next_assignment(workspace, "last", "nurse-1"))
        assert store_rating(workspace, first, {}, skipped=True).verdict is None
        second = given(next_assignment(workspace, "last", "nurse-1"))
        assert (second.left, second.turns != first.turns) == (1, True)
    assert rows(tmp_path, "select state, verdict, details from judgement") == [("skipped", None, None)]


def test_answers_that_lead_to_no_verdict_are_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        start(workspace, script(tmp_path))
        assignment = given(next_assignment(workspace, "last", "nurse-1"))
        for answers in ({}, {"dose": "yes"}, {"dose": "perhaps"}):
            with pytest.raises(InputError):
                store_rating(workspace, assignment, answers)
    assert rows(tmp_path, "select count(*) from judgement") == [(0,)]


@pytest.mark.parametrize(
    ("unit", "count", "shown"), [("turn_alone", 3, [1, 1, 1]), ("turn_in_context", 3, [1, 2, 3])]
)
def test_turns_are_given_alone_or_with_what_came_before(
    tmp_path: Path, unit: Any, count: int, shown: list[int]
) -> None:
    with opened(tmp_path, study_text(several(1))) as workspace:
        start(workspace, script(tmp_path))
        lengths: list[int] = []
        while (one := next_assignment(workspace, "last", "nurse-1", unit=unit)) is not None:
            assert one.turn == one.turns[-1].id
            lengths.append(len(one.turns))
            store_rating(workspace, one, {"dose": "no"})
    assert sorted(lengths) == shown
    assert rows(tmp_path, "select count(distinct turn) from judgement") == [(count,)]


def test_units_are_rated_each_on_its_own(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(several(1))) as workspace:
        start(workspace, script(tmp_path))
        assert len(order(workspace, "nurse-1")) == 1
        assert len(order(workspace, "nurse-1", unit="turn_alone")) == 3


def test_a_conversation_that_cases_share_is_rated_once(tmp_path: Path) -> None:
    cases = {
        f"case-{n}": {"scenario": "pills", "script": ["How many?"], "tags": {"n": str(n)}} for n in range(3)
    }
    with opened(tmp_path, study_text(cases)) as workspace:
        start(workspace, script(tmp_path))
        assert given(next_assignment(workspace, "last", "nurse-1")).left == 1
        assert len(order(workspace, "nurse-1")) == 1


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        start(workspace, script(tmp_path))
        with pytest.raises(InputError, match="no name for a rater"):
            next_assignment(workspace, "last", name)
