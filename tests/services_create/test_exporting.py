from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from helpers_create.databases import prepare
from helpers_create.small import small_document, write_document
from redloom.errors import InputError, UnknownNameError
from redloom.services.cases import import_cases, review
from redloom.services.exporting import export_file, export_to
from redloom.services.loading import load_study
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.studies import apply
from redloom.services.workspace import Workspace


def _build(workspace: Workspace, folder: Path) -> None:
    document = small_document()
    document["cases"]["free"] = {"cluster": "c", "script": ["=cmd()", "two\nlines\u2028"]}
    apply(workspace, write_document(folder / "study.yaml", document))
    apply(workspace, write_document(folder / "other.yaml", small_document(study="other")))


@pytest.fixture(scope="module")
def prepared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(template, tmp_path_factory.mktemp("prepared"), _build)


@pytest.fixture
def study(tmp_path: Path) -> str:
    """The small study with a case of hostile text; another is beside it."""
    (tmp_path / "study.yaml").touch()
    return "small"


def _text(workspace: Workspace, study: str, version: str | None, format: str) -> str:
    file = io.StringIO()
    export_to(workspace, study, version, format, file)
    return file.getvalue()


def test_jsonl_of_a_study_has_its_cases_with_their_states(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", ["free"])
    found = {row["slug"]: row for row in map(json.loads, _text(workspace, study, None, "jsonl").splitlines())}
    assert {slug: row["status"] for slug, row in found.items()} == {
        "desk-1": "draft",
        "desk-child-1": "draft",
        "street-1": "draft",
        "free": "accepted",
    }
    with workspace.begin() as unit:
        cases = load_study(unit, study).cases
    assert found["free"]["script"] == list(cases["free"].script)
    assert {slug: row["digest"] for slug, row in found.items()} == {
        slug: case.content_digest() for slug, case in cases.items()
    }


def test_jsonl_of_a_release_carries_digests_split_canary_and_stamp(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", ["free"])
    provisional = cut_release(workspace, study, "1", ReleaseOptions(provisional=True)).manifest
    found = [json.loads(line) for line in _text(workspace, study, "1", "jsonl").splitlines()]
    assert len(found) == 4
    assert {row["canary"] for row in found} == {provisional.canary}
    assert all(row["provisional"] is True and row["split"] == "public" for row in found)
    assert {row["cluster"] for row in found} == {"desk", "street", "c"}
    cut_release(workspace, study, "2", ReleaseOptions(only_accepted=True, cases=("free",)))
    (row,) = [json.loads(line) for line in _text(workspace, study, "2", "jsonl").splitlines()]
    assert "provisional" not in row


def test_jsonl_comes_in_again(workspace: Workspace, study: str, tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    export_file(workspace, study, None, "jsonl", path)
    document = small_document(study="third")
    del document["cases"]
    apply(workspace, write_document(tmp_path / "third.yaml", document))
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if '"free"' in line]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    mapping = {"slug": "slug", "turns": "script", "cluster": "cluster"}
    import_cases(workspace, path, study="third", table="jsonl", mapping=mapping)
    with workspace.begin() as unit:
        back, first = load_study(unit, "third").cases["free"], load_study(unit, study).cases["free"]
    assert (back.script, back.cluster) == (first.script, first.cluster)


def test_csv_neutralises_what_a_spreadsheet_would_run(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    document = small_document()
    document["cases"]["free"] = {"cluster": "c", "script": ["x"], "provenance": {"source": "=cmd()"}}
    apply(workspace, write_document(tmp_path / "study.yaml", document))
    found = {row["slug"]: row for row in csv.DictReader(io.StringIO(_text(workspace, study, None, "csv")))}
    assert len(found) == 4
    assert found["free"]["source"] == "'=cmd()"
    assert json.loads(found["street-1"]["turns"]) == ["¿Dónde está la estación?", "¿Y a pie?"]


def test_a_file_is_written_whole_or_not_at_all(workspace: Workspace, study: str, tmp_path: Path) -> None:
    path = tmp_path / "out.yaml"
    path.write_text("before")
    with pytest.raises(UnknownNameError):
        export_file(workspace, "smal", None, "yaml", path)
    assert path.read_text() == "before"
    export_file(workspace, study, None, "yaml", path)
    assert path.read_text(encoding="utf-8").startswith("study: small\n")
    assert sorted(p.name for p in tmp_path.glob("out*")) == ["out.yaml"]


@pytest.mark.parametrize("name", ["no-folder/out.yaml", "study.yaml/out.yaml"])
def test_a_place_that_cannot_be_written_is_told(
    workspace: Workspace, study: str, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        export_file(workspace, study, None, "yaml", tmp_path / name)


@pytest.mark.parametrize(
    ("version", "format", "message"),
    [
        (None, "jsn", "no format named 'jsn'; did you mean 'jsonl'"),
        ("1", "yaml", "yaml writes the study as it is now"),
        ("1", "csv", "no release of small named '1'"),
    ],
)
def test_what_cannot_be_exported_is_told(
    workspace: Workspace, study: str, version: str | None, format: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _text(workspace, study, version, format)


def test_csv_comes_in_again_with_its_tags(workspace: Workspace, study: str, tmp_path: Path) -> None:
    tags = {"a": {"label": "safe", "n": "-1"}, "b": {"label": 'two, "words"\nlong', "é": "'=x"}, "c": {}}
    document = small_document(study="third")
    document["cases"] = {
        slug: {"cluster": "c", "script": ["x", slug], "tags": given} for slug, given in tags.items()
    }
    apply(workspace, write_document(tmp_path / "third.yaml", document))
    cut_release(workspace, "third", "1", ReleaseOptions(provisional=True))
    mapping = {"slug": "slug", "turns": "turns", "cluster": "cluster"}
    for number, version in enumerate((None, "1")):
        path = tmp_path / "cases.csv"
        export_file(workspace, "third", version, "csv", path)
        other = small_document(study=f"back-{number}")
        del other["cases"]
        apply(workspace, write_document(tmp_path / "back.yaml", other))
        import_cases(workspace, path, study=f"back-{number}", table="csv", mapping=mapping)
        with workspace.begin() as unit:
            back = load_study(unit, f"back-{number}").cases
        assert {slug: case.tags for slug, case in back.items()} == tags
        assert back["b"].script == ("x", "b")
