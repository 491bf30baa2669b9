from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers_create.generated import loose_texts
from redloom.datasets.writing import CSV_COLUMNS, neutral, plain, tag_names, write_csv, write_jsonl

ROW: dict[str, Any] = {
    "slug": "a",
    "status": "draft",
    "script": ["=cmd()", "two\nlines"],
    "cluster": "-1+1",
    "provenance": {"origin": "imported", "source": "@here", "licence": "CC0"},
}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=x", "'=1"])
def test_a_cell_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert neutral(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=1", "1", "'a", "'", " =1", "é"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert neutral(text) == text


def test_a_table_has_one_line_a_case_with_its_turns_as_json() -> None:
    file = io.StringIO()
    write_csv([ROW], file)
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert tuple(row) == CSV_COLUMNS
    assert json.loads(row["turns"]) == ROW["script"]
    assert (row["cluster"], row["source"], row["licence"]) == ("'-1+1", "'@here", "CC0")
    assert row["harm"] == ""


@given(st.lists(st.dictionaries(loose_texts, loose_texts, max_size=3), max_size=4))
def test_jsonl_has_one_object_a_line(rows: list[dict[str, str]]) -> None:
    file = io.StringIO()
    write_jsonl(rows, file)
    lines = file.getvalue().splitlines()
    assert [json.loads(line) for line in lines] == rows


@given(st.one_of(loose_texts, st.from_regex(r"'{0,3}[=+@a-]?", fullmatch=True)))
def test_a_cell_gives_its_text_back(text: str) -> None:
    assert plain(neutral(text)) == text


def test_tags_have_columns_of_their_own() -> None:
    rows = [{**ROW, "tags": {"b": "-1", "a": "x"}}, {**ROW, "tags": {"c": "'=1"}}, ROW]
    file = io.StringIO()
    assert tag_names(rows) == ["a", "b", "c"]
    write_csv(rows, file, tags=tag_names(rows))
    found = [[row[f"tag:{name}"] for name in "abc"] for row in csv.DictReader(io.StringIO(file.getvalue()))]
    assert found == [["x", "'-1", ""], ["", "", "''=1"], ["", "", ""]]
