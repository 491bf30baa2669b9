from __future__ import annotations

from pathlib import Path

import pytest

from redloom.datasets.study_file import read_study
from redloom.errors import InputError
from redloom.services.starter import example, write_starter


def test_the_starter_is_a_study_that_reads(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new" / "desk")
    assert [path.name for path in written] == ["study.yaml", ".gitignore", "redloom.yml"]
    study = read_study(written[0]).study
    assert study == read_study(example("starter") / "study.yaml").study
    assert study.cases
    assert "redloom.db" in written[1].read_text().split()
    assert "redloom apply study.yaml --dry-run" in written[2].read_text()


@pytest.mark.parametrize("name", ["study.yaml", ".gitignore"])
def test_nothing_is_written_where_one_file_is_there_already(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="is there already; nothing was written"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
