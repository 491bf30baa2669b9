from __future__ import annotations

from pathlib import Path

import pytest

from redloom.datasets.study_file import read_study
from redloom.errors import InputError
from redloom.services.cases import review
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.starter import TEMPLATES, example, write_starter
from redloom.services.studies import apply
from redloom.services.workspace import Workspace


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_template_is_a_study_that_reads(tmp_path: Path, kind: str) -> None:
    written = write_starter(tmp_path / "new" / "desk", template=kind)
    assert [path.name for path in written] == ["study.yaml", ".gitignore", "redloom.yml"]
    study = read_study(written[0]).study
    assert study == read_study(example(kind) / "study.yaml").study
    assert study.cases
    assert "redloom.db" in written[1].read_text().split()
    assert "redloom apply study.yaml --dry-run" in written[2].read_text()


def test_without_a_template_it_is_the_starter(tmp_path: Path) -> None:
    assert read_study(write_starter(tmp_path)[0]).study.slug == "repair-desk"


def test_an_unknown_template_is_told_with_the_nearest_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no template named 'bnak'; did you mean 'bank'\?$"):
        write_starter(tmp_path / "desk", template="bnak")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", TEMPLATES)
def test_writing_twice_is_refused(tmp_path: Path, kind: str) -> None:
    written = write_starter(tmp_path, template=kind)
    before = [path.read_text(encoding="utf-8") for path in written]
    with pytest.raises(InputError, match="is there already; nothing was written") as raised:
        write_starter(tmp_path, template=TEMPLATES[0])
    assert len(raised.value.issues) == len(written)
    assert [path.read_text(encoding="utf-8") for path in written] == before


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_template_can_be_released_once_its_cases_are_accepted(
    workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    path = write_starter(tmp_path / "desk", template=kind)[0]
    study = read_study(path).study
    apply(workspace, path)
    with pytest.raises(InputError, match="are not accepted"):
        cut_release(workspace, study.slug, "1.0", ReleaseOptions())
    review(workspace, study.slug, "accept", None)
    manifest = cut_release(workspace, study.slug, "1.0", ReleaseOptions()).manifest
    assert not manifest.provisional
    assert manifest.cases == len(study.cases)


@pytest.mark.parametrize("name", ["study.yaml", ".gitignore"])
def test_nothing_is_written_where_one_file_is_there_already(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="is there already; nothing was written"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
