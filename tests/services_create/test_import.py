"""Cases from tables into a study: all or nothing, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers_create.databases import content, prepare
from helpers_create.small import small_document, write_document
from redloom.domain.case import Case
from redloom.errors import InputError, UnknownNameError
from redloom.services.cases import Imported, import_cases, review
from redloom.services.loading import load_study
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.studies import apply
from redloom.services.workspace import Workspace

MAPPING = {"slug": "id", "text": "prompt"}


def _build(workspace: Workspace, folder: Path) -> None:
    apply(workspace, write_document(folder / "study.yaml", small_document()))
    other = small_document(study="other")
    other["cases"]["p1"] = {"cluster": "c", "script": ["Of the other study"]}
    apply(workspace, write_document(folder / "other.yaml", other))


@pytest.fixture(scope="module")
def prepared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(template, tmp_path_factory.mktemp("prepared"), _build)


@pytest.fixture
def study(tmp_path: Path) -> str:
    """The small study, its file in ``tmp_path``; another has a case of the same name as one to come."""
    write_document(tmp_path / "study.yaml", small_document())
    return "small"


def _import(workspace: Workspace, folder: Path, text: str, **mapping: str) -> Imported:
    path = folder / "prompts.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return import_cases(workspace, path, study="small", table="csv", mapping={**MAPPING, **mapping})


def _cases(workspace: Workspace, study: str = "small") -> dict[str, Case]:
    with workspace.begin() as unit:
        return load_study(unit, study).cases


def test_rows_become_draft_cases_of_this_study_only(workspace: Workspace, study: str, tmp_path: Path) -> None:
    text = "id,prompt,where\np1,One,desk\np2,Two,\n"
    done = _import(workspace, tmp_path, text, scenario="where")
    assert done == Imported("small", 2, 0, 0)
    cases = _cases(workspace, study)
    assert set(cases) == {"desk-1", "desk-child-1", "street-1", "p1", "p2"}
    assert (cases["p1"].script, cases["p1"].scenario, cases["p1"].cluster) == (("One",), "desk", None)
    assert (cases["p2"].scenario, cases["p2"].cluster) == (None, "p2")
    assert cases["p1"].provenance.origin == "imported"
    assert _cases(workspace, "other")["p1"].script == ("Of the other study",)
    with workspace.begin() as unit:
        assert unit.studies.history(unit.study_id(study))[0]["what"] == "imported 2 cases from prompts.csv"


def test_a_second_import_changes_nothing(
    workspace: Workspace, study: str, database: Path, tmp_path: Path
) -> None:
    text = "id,prompt\np1,One\np2,Two\n"
    _import(workspace, tmp_path, text)
    before = content(database)
    assert _import(workspace, tmp_path, text) == Imported("small", 0, 2, 0)
    assert content(database) == before


def test_a_changed_row_makes_a_new_version(workspace: Workspace, study: str, tmp_path: Path) -> None:
    _import(workspace, tmp_path, "id,prompt\np1,One\np2,Two\n")
    review(workspace, study, "accept", ["p1", "p2"])
    assert _import(workspace, tmp_path, "id,prompt\np1,One\np2,Zwei\n") == Imported("small", 0, 1, 1)
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        assert [v.number for v in stored.versions("case", "p2")] == [1, 2]
        assert [v.number for v in stored.versions("case", "p1")] == [1]


def test_a_retired_row_comes_back(workspace: Workspace, study: str, tmp_path: Path) -> None:
    _import(workspace, tmp_path, "id,prompt\np1,One\n")
    with workspace.begin() as unit:
        unit.definitions(study).retire("case", ["p1"])
    assert "p1" not in _cases(workspace)
    assert _import(workspace, tmp_path, "id,prompt\np1,One\n") == Imported("small", 1, 0, 0)
    assert "p1" in _cases(workspace)


def test_a_file_with_problems_stores_nothing(
    workspace: Workspace, study: str, database: Path, tmp_path: Path
) -> None:
    before = content(database)
    good = "".join(f"p{n},Text {n}\n" for n in range(1200))
    with pytest.raises(InputError) as caught:
        _import(workspace, tmp_path, f"id,prompt\n{good}p0,again\nx,\n")
    assert [issue.line for issue in caught.value.issues] == [1202, 1203]
    assert content(database) == before


def test_scenarios_of_another_study_are_unknown(workspace: Workspace, study: str, tmp_path: Path) -> None:
    other = small_document(study="other")
    other["scenarios"]["elsewhere"] = other["scenarios"]["street"]
    apply(workspace, write_document(tmp_path / "other.yaml", other))
    with pytest.raises(InputError, match="no scenario named 'elsewhere'"):
        _import(workspace, tmp_path, "id,prompt,where\np1,One,elsewhere\n", scenario="where")


def test_an_unknown_study_is_told_before_the_file_is_read(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    with pytest.raises(
        UnknownNameError, match=r"no study named 'smal'; did you mean 'small'\? Declare it with"
    ):
        import_cases(workspace, tmp_path / "none.csv", study="smal", table="csv", mapping=MAPPING)


def test_imported_cases_stay_when_the_file_is_applied_again(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    _import(workspace, tmp_path, "id,prompt\np1,One\n")
    done = apply(workspace, tmp_path / "study.yaml")
    assert (done.changes, done.kept) == ((), (("case", "p1"),))
    done = apply(workspace, tmp_path / "study.yaml", prune=True)
    assert (done.changes, done.kept) == ((), (("case", "p1"),))
    assert "p1" in _cases(workspace)


def test_imported_cases_without_a_scenario_are_frozen_with_their_harm(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    _import(
        workspace,
        tmp_path,
        "id,prompt,kind,group\np1,One,refusal,g\np2,Two,,g\n",
        harm="kind",
        cluster="group",
    )
    options = ReleaseOptions(provisional=True, cases=("p1", "p2"))
    manifest = cut_release(workspace, study, "1", options).manifest
    assert (manifest.cases, manifest.clusters) == (2, 1)
    assert set(manifest.definitions) == {"harm/refusal", "harm/harm"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_and_told(
    workspace: Workspace, study: str, tmp_path: Path, separator: str
) -> None:
    text = "id,prompt,kind\np1,One,a\n".replace(",", separator)
    assert _import(workspace, tmp_path, text) == Imported("small", 1, 0, 0, separator)
    assert _cases(workspace)["p1"].script == ("One",)
