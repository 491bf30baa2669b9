"""Review states are the latest fact about the newest content."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers_create.databases import content, prepare
from helpers_create.small import small_document, write_document
from redloom.errors import InputError, UnknownNameError
from redloom.services.cases import ACTIONS, VALIDITY, count_statuses, label_validity, list_cases, review
from redloom.services.studies import apply
from redloom.services.workspace import Workspace


def _build(workspace: Workspace, folder: Path) -> None:
    apply(workspace, write_document(folder / "study.yaml", small_document()))
    apply(workspace, write_document(folder / "other.yaml", small_document(study="other")))
    review(workspace, "other", "accept", None)
    label_validity(workspace, "other", "desk-1", "fine")


@pytest.fixture(scope="module")
def prepared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(template, tmp_path_factory.mktemp("prepared"), _build)


@pytest.fixture
def study() -> str:
    """The small study; another with the same cases, all accepted, is beside it."""
    return "small"


def _states(workspace: Workspace, study: str) -> dict[str, str]:
    return {line.slug: line.status for line in list_cases(workspace, study)}


def test_a_new_case_is_a_draft(workspace: Workspace, study: str) -> None:
    assert set(_states(workspace, study).values()) == {"draft"}
    assert set(_states(workspace, "other").values()) == {"accepted"}


@pytest.mark.parametrize(("action", "status"), list(ACTIONS.items()))
def test_an_action_moves_a_case_to_its_state(
    workspace: Workspace, study: str, action: str, status: str
) -> None:
    review(workspace, study, "accept", ["street-1"])
    review(workspace, study, action, ["desk-1"], why="because")
    assert _states(workspace, study) == {"desk-1": status, "desk-child-1": "draft", "street-1": "accepted"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.sampled_from(list(ACTIONS)), min_size=1, max_size=6))
def test_the_latest_act_counts(workspace: Workspace, study: str, actions: list[str]) -> None:
    for action in actions:
        review(workspace, study, action, ["desk-1"])
    assert _states(workspace, study)["desk-1"] == ACTIONS[actions[-1]]
    assert _states(workspace, study)["street-1"] == "draft"


def test_all_means_all_that_are_not_rejected_or_retired(workspace: Workspace, study: str) -> None:
    review(workspace, study, "reject", ["desk-1"])
    assert review(workspace, study, "accept", None) == 2
    assert _states(workspace, study) == {
        "desk-1": "rejected",
        "desk-child-1": "accepted",
        "street-1": "accepted",
    }
    review(workspace, study, "retire", ["street-1"])
    assert review(workspace, study, "submit", None) == 1


def test_moving_to_the_state_it_has_stores_nothing(workspace: Workspace, database: Path, study: str) -> None:
    review(workspace, study, "accept", None)
    before = content(database)
    assert review(workspace, study, "accept", None) == 0
    assert content(database) == before


def test_a_changed_case_is_a_draft_again(workspace: Workspace, study: str, tmp_path: Path) -> None:
    review(workspace, study, "accept", None)
    changed = small_document()
    changed["cases"]["street-1"]["script"] = ["¿Dónde?"]
    changed["personas"]["adult"]["title"] = "x"
    apply(workspace, write_document(tmp_path / "study.yaml", changed))
    assert _states(workspace, study) == {
        "desk-1": "accepted",
        "desk-child-1": "accepted",
        "street-1": "draft",
    }
    assert _states(workspace, "other")["street-1"] == "accepted"


def test_a_review_is_in_the_history_with_its_reason(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", ["desk-1", "street-1", "desk-1"], why="read twice")
    with workspace.begin() as unit:
        entry = unit.studies.history(unit.study_id(study))[0]
        assert (entry["who"], entry["what"], entry["why"]) == ("tester", "accept 2 cases", "read twice")
        assert entry["detail"] == {"cases": ["desk-1", "street-1"]}


def test_states_are_counted(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", ["desk-1"])
    with workspace.begin() as unit:
        assert count_statuses(unit.definitions(study)) == {"draft": 2, "accepted": 1}


def test_only_one_state_is_listed(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", ["desk-1"])
    assert [line.slug for line in list_cases(workspace, study, status="accepted")] == ["desk-1"]


def test_a_line_says_what_a_case_is(workspace: Workspace, study: str) -> None:
    line = {line.slug: line for line in list_cases(workspace, study)}["street-1"]
    assert (line.scenario, line.turns, line.first, line.labels) == (
        "street",
        2,
        "¿Dónde está la estación?",
        (),
    )


def test_every_unknown_case_is_told_and_nothing_is_stored(
    workspace: Workspace, database: Path, study: str
) -> None:
    before = content(database)
    with pytest.raises(InputError) as caught:
        review(workspace, study, "accept", ["desk-1", "desk-2", "street"])
    assert [issue.message for issue in caught.value.issues] == [
        "no case named 'desk-2'; did you mean 'desk-1'?",
        "no case named 'street'; did you mean 'street-1'?",
    ]
    assert content(database) == before


def test_an_unknown_action_or_study_is_told(workspace: Workspace, study: str) -> None:
    with pytest.raises(InputError, match="no action named 'acept'; did you mean 'accept'"):
        review(workspace, study, "acept", None)
    with pytest.raises(UnknownNameError, match="no study named 'smal'; did you mean 'small'"):
        review(workspace, "smal", "accept", None)


@pytest.mark.parametrize("label", VALIDITY)
def test_labels_are_listed_with_who_gave_them(workspace: Workspace, study: str, label: str) -> None:
    label_validity(workspace, study, "desk-1", label)
    label_validity(workspace, study, "desk-1", "off_scenario", why="another place")
    lines = {line.slug: line.labels for line in list_cases(workspace, study)}
    assert lines == {
        "desk-1": (f"{label} (tester)", "off_scenario (tester)"),
        "desk-child-1": (),
        "street-1": (),
    }


def test_labels_are_about_the_content_they_were_given_to(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    label_validity(workspace, study, "street-1", "fine")
    document = small_document()
    document["cases"]["street-1"]["script"] = ["¿Dónde?"]
    apply(workspace, write_document(tmp_path / "study.yaml", document))
    assert {line.slug: line.labels for line in list_cases(workspace, study)}["street-1"] == ()


@pytest.mark.parametrize(
    ("case", "label", "message"),
    [
        ("desk-1", "violate", "no content-validity label named 'violate'; did you mean 'violates'"),
        ("desk", "fine", "no case named 'desk'; did you mean 'desk-1'"),
    ],
)
def test_an_unknown_label_or_case_is_told(
    workspace: Workspace, study: str, case: str, label: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        label_validity(workspace, study, case, label)
