"""A table of evidence from the command line: all of it, or nothing with every problem and its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers_create.small import small_document, write_document
from redloom.cli import main
from redloom.services import studies
from redloom.services.workspace import Workspace

HEADER = "title,type,date,source,text,harms,scenarios"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code if isinstance(caught.value.code, int) else 0


@pytest.fixture
def table(workspace: Workspace, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a table for the small study is written."""
    studies.apply(workspace, write_document(tmp_path / "study.yaml", small_document()))
    monkeypatch.setenv("REDLOOM_DB", f"sqlite:///{database}")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "incidents.csv"


def slugs(workspace: Workspace) -> list[str]:
    with workspace.begin() as unit:
        return unit.definitions("small").slugs("evidence")


def test_a_table_comes_in_and_the_same_again_changes_nothing(
    table: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text(f"{HEADER}\nOne,incident,2026-01-02,press,a,refusal,desk\nTwo,interview,,talk,b,,\n")
    assert run("import", "evidence", table, "--study", "small") == 0
    assert "small: 2 new pieces of evidence, 0 unchanged" in capsys.readouterr().out
    assert slugs(workspace) == ["letter", "one", "two"]
    assert run("import", "evidence", table, "--study", "small") == 0
    assert "0 new pieces of evidence, 2 unchanged" in capsys.readouterr().out


def test_every_problem_is_told_with_its_line_and_nothing_is_stored(
    table: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text(
        f'{HEADER}\nOne,incident,,press,"a\nb",,\nTwo,rumour,,talk,b,refusol,\nThree,incident,yesterday,,c,,\n'
        "One,incident,,press,again,,\n"
    )
    assert run("import", "evidence", table, "--study", "small") == 2
    told = capsys.readouterr().err
    assert "incidents.csv:4: type" in told and "did you mean 'refusal'?" in told
    assert "incidents.csv:5: date" in told and "incidents.csv:5: source" in told
    assert "incidents.csv:6: 'one' stands on line 2 already" in told
    assert slugs(workspace) == ["letter"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no column 'title'"),
        ("title,type,source,txt\n", "no column is called 'txt'; did you mean 'text'?"),
        (HEADER, "the table has no rows"),
        (f"{HEADER}\na,incident,,s,t,,,,\n", "has 9 cells for 7 columns"),
        (f'{HEADER}\na,incident,,s,"t', "cannot be read as CSV"),
    ],
)
def test_what_is_no_table_is_told(
    table: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    table.write_text(text)
    assert run("import", "evidence", table, "--study", "small") == 2
    assert told in capsys.readouterr().err


def test_what_looks_personal_comes_in_only_where_it_may_stay(
    table: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text(f"{HEADER}\nOne,incident,,press,from ana@example.org,,\n")
    assert run("import", "evidence", table, "--study", "small") == 2
    told = capsys.readouterr().err
    assert "incidents.csv:2: text: looks personal: email address" in told and "ana@" not in told
    assert slugs(workspace) == ["letter"]
    assert run("import", "evidence", table, "--study", "small", "--personal", "--redact") == 2
    assert run("import", "evidence", table, "--study", "small", "--personal") == 0
    assert slugs(workspace) == ["letter", "one"]


def test_a_file_or_study_that_is_not_there_is_told(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "evidence", table, "--study", "small") == 2
    assert "cannot be read" in capsys.readouterr().err
    table.write_text(HEADER)
    assert run("import", "evidence", table, "--study", "smal") == 2
    assert "did you mean 'small'?" in capsys.readouterr().err
