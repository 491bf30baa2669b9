"""Cases from CSV and JSONL: right line numbers, every problem at once."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers_create.generated import texts
from redloom.datasets.tabular import MAX_PROBLEMS, TableFormat, detect, find_separator, read_cases
from redloom.domain.case import Case
from redloom.errors import InputError, Issue

KNOWN = {"scenario": frozenset({"desk", "street"}), "harm": frozenset({"refusal"})}
MAPPING = {"slug": "id", "text": "prompt"}


def _read(path: Path, mapping: dict[str, str], table: TableFormat = "csv", **beside: str) -> dict[str, Case]:
    return dict(read_cases(path, table=table, mapping=mapping, known=KNOWN, **beside))


def _issues(path: Path, mapping: dict[str, str], table: TableFormat = "csv") -> list[Issue]:
    with pytest.raises(InputError) as caught:
        _read(path, mapping, table)
    return list(caught.value.issues)


def _write(folder: Path, text: str | bytes, name: str = "f.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _csv(rows: list[list[str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.lists(texts.filter(lambda text: "\x00" not in text), min_size=1, max_size=6), st.booleans())
def test_any_text_comes_in_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, prompts: list[str], packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    lines = "".join(json.dumps({"id": f"p{n}", "prompt": text}) + "\n" for n, text in enumerate(prompts))
    table = _csv([["id", "prompt"], *([f"p{n}", text] for n, text in enumerate(prompts))])
    for text, name, form in ((lines, "f.jsonl", "jsonl"), (table, "f.csv", "csv")):
        data = text.encode()
        path = _write(folder, gzip.compress(data) if packed else data, name + (".gz" if packed else ""))
        assert detect(path) == form
        found = _read(path, MAPPING, detect(path))
        assert {slug: case.script for slug, case in found.items()} == {
            f"p{n}": (prompt,) for n, prompt in enumerate(prompts)
        }


def test_every_field_can_be_mapped(tmp_path: Path) -> None:
    row = {
        "id": "A 1!",
        "prompt": "Go on.",
        "where": "Given: x",
        "s": "desk",
        "group": "G 1",
        "lang": "es",
        "hello": "Hola",
        "kind": "k",
    }
    mapping = {
        "slug": "id",
        "text": "prompt",
        "before": "where",
        "scenario": "s",
        "cluster": "group",
        "language": "lang",
        "opening": "hello",
        "tag:kind": "kind",
    }
    path = _write(tmp_path, json.dumps(row) + "\n")
    (slug, case), *rest = _read(path, mapping, "jsonl", licence="CC0-1.0", source="somewhere").items()
    assert rest == []
    assert slug == "a-1"
    assert case == Case.model_validate(
        {
            "script": ["Given: x\n\nGo on."],
            "scenario": "desk",
            "cluster": "g-1",
            "language": "es",
            "opening": "Hola",
            "tags": {"kind": "k"},
            "provenance": {"origin": "imported", "source": "somewhere", "licence": "CC0-1.0"},
        }
    )


def test_a_row_without_slug_or_scenario_is_named_by_its_line_and_stands_for_itself(tmp_path: Path) -> None:
    path = _write(tmp_path, "prompt\none\n\ntwo\n", "My Prompts.csv")
    found = _read(path, {"text": "prompt"})
    assert {slug: case.cluster for slug, case in found.items()} == {
        "my-prompts-2": "my-prompts-2",
        "my-prompts-4": "my-prompts-4",
    }
    assert {case.provenance.source for case in found.values()} == {"My Prompts.csv"}


@pytest.mark.parametrize("turns", [["a", "b"], '["a", "b"]'])
def test_turns_may_be_a_list_or_the_text_of_one(tmp_path: Path, turns: Any) -> None:
    path = _write(tmp_path, json.dumps({"id": "x", "t": turns}) + "\n")
    assert _read(path, {"slug": "id", "turns": "t"}, "jsonl")["x"].script == ("a", "b")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = _write(tmp_path, "\ufeffid,prompt\n1,x\n")
    assert list(_read(path, MAPPING)) == ["1"]


PROBLEMS_CSV = '''\
id,prompt,scenario,harm,lang
a,"first
second, ""quoted""",,,
b,too,few
a,again,,,
c,,,,
d,x,dsk,,
e,x,,refusl,
f,x,,,english
g,x,desk,refusal,
"h
",x,,,
???,x,,,
'''


def test_every_problem_of_a_table_is_listed_with_the_line_its_row_begins_in(tmp_path: Path) -> None:
    mapping = {**MAPPING, "scenario": "scenario", "harm": "harm", "language": "lang"}
    found = _issues(_write(tmp_path, PROBLEMS_CSV), mapping)
    assert [(i.line, i.path, i.message) for i in found] == [
        (4, "", "has 3 fields; expected 5 (id, prompt, scenario, harm, lang)"),
        (5, "id", "'a' stands here a second time; the first is in line 2"),
        (6, "prompt", "the prompt is empty"),
        (7, "scenario", "no scenario named 'dsk'; did you mean 'desk'?"),
        (8, "harm", "no harm named 'refusl'; did you mean 'refusal'?"),
        (9, "language", "'english' is not a language code such as 'en' or 'pt-BR'"),
        (10, "harm", "'harm' is for a case without a scenario; this one has its scenario's harm"),
        (13, "id", "'???' cannot be made a slug"),
    ]
    assert {i.file for i in found} == {"f.csv"}


def test_a_line_is_where_a_row_begins_even_below_a_header_of_two_lines(tmp_path: Path) -> None:
    text = 'id,"prompt\nas asked"\na,"x\ny\nz",c\nb,"too\nmany\n",c\nd,"last\none",e\n'
    found = _issues(_write(tmp_path, text), {"slug": "id", "text": "prompt\nas asked"})
    assert [(i.line, i.message[:12]) for i in found] == [
        (3, "has 3 fields"),
        (6, "has 3 fields"),
        (9, "has 3 fields"),
    ]


PROBLEMS_JSONL = """\
{"id": "a", "prompt": "x"}
{"id": "b", "prompt": "x"
["no", "object"]

{"id": "a", "prompt": "y"}
{"id": "c", "prompt": ""}
{"id": "d", "prompt": 5}
{"id": "e"}
{"id": "f", "prompt": "\\ud83d"}
{"id": "g", "prompt": "\\ud83d\\ude00"}
"""


def test_every_problem_of_a_jsonl_file_is_listed_with_its_line(tmp_path: Path) -> None:
    path = _write(tmp_path, PROBLEMS_JSONL, "f.jsonl")
    found = _issues(path, MAPPING, "jsonl")
    assert [(i.line, i.message[:40]) for i in found] == [
        (2, "not readable as JSON: Expecting ',' deli"),
        (3, "expected a JSON object"),
        (5, "'a' stands here a second time; the first"),
        (6, "the prompt is empty"),
        (7, "expected a text, not int"),
        (8, "the prompt is empty"),
        (9, "holds half of a surrogate pair, which is"),
    ]


@pytest.mark.parametrize(
    ("turns", "path", "message"),
    [
        ("[1", "t", "expected a JSON list of user turns"),
        ([1], "t", "expected a list of texts, the user's turns"),
        ({"a": 1}, "t", "expected a list of texts, the user's turns"),
        (["a", ""], "script[1]", "is empty; expected a text"),
        ([], "", "a case needs a 'script' of at least one user turn (or an 'opening')"),
    ],
)
def test_turns_that_are_none(tmp_path: Path, turns: Any, path: str, message: str) -> None:
    file = _write(tmp_path, json.dumps({"id": "x", "t": turns}) + "\n", "f.jsonl")
    assert [(i.path, i.message) for i in _issues(file, {"slug": "id", "turns": "t"}, "jsonl")] == [
        (path, message)
    ]


@pytest.mark.parametrize(
    ("mapping", "messages"),
    [
        (
            {"slug": "id"},
            ["no column is mapped to the prompt; say --map text=COLUMN (columns: 'id', 'prompt', 'label')"],
        ),
        ({"text": "promt"}, ["--map text=promt: no column named 'promt'; did you mean 'prompt'?"]),
        (
            {"txt": "prompt", "slug": "idd"},
            [
                "--map txt=prompt: unknown field 'txt'; did you mean 'text'?",
                "--map slug=idd: no column named 'idd'; did you mean 'id'?",
                "no column is mapped to the prompt; say --map text=COLUMN (columns: 'id', 'prompt', 'label')",
            ],
        ),
    ],
)
@pytest.mark.parametrize("table", ["csv", "jsonl"])
def test_a_mapping_that_is_off_is_told_before_any_row(
    tmp_path: Path, mapping: dict[str, str], messages: list[str], table: TableFormat
) -> None:
    text = "id,prompt,label\n1,x,y\n" if table == "csv" else '{"id": 1, "prompt": "x", "label": "y"}\n'
    assert [i.message for i in _issues(_write(tmp_path, text), mapping, table)] == messages


@pytest.mark.parametrize(
    ("data", "table", "issue"),
    [
        (b"", "csv", Issue("is empty; expected a line of column names", file="f")),
        (b"", "jsonl", Issue("has no rows", file="f")),
        (b"id,prompt\n", "csv", Issue("has no rows", file="f")),
        (
            b"id,prompt,prompt\n1,x,y\n",
            "csv",
            Issue("more than one column is named 'prompt'", file="f", line=1),
        ),
        (
            b"id,prompt\n1,caf\xe9\n",
            "csv",
            Issue("byte 0xe9 is not UTF-8; save the file as UTF-8", file="f", line=2),
        ),
        (
            b'id,prompt\n1,"open\n',
            "csv",
            Issue("not readable as CSV: unexpected end of data", file="f", line=2),
        ),
        (
            b'{"prompt": "\xff"}\n',
            "jsonl",
            Issue("byte 0xff is not UTF-8; save the file as UTF-8", file="f", line=1),
        ),
        (b"[" * 200_000, "jsonl", Issue("is nested too deeply", file="f", line=1)),
    ],
    ids=lambda value: ascii(value[:16]) if isinstance(value, bytes) else None,
)
def test_a_file_that_cannot_be_read_is_one_problem(
    tmp_path: Path, data: bytes, table: TableFormat, issue: Issue
) -> None:
    assert _issues(_write(tmp_path, data, "f"), {"text": "prompt"}, table) == [issue]


def test_what_was_found_before_a_file_broke_off_is_listed_too(tmp_path: Path) -> None:
    path = _write(tmp_path, 'id,prompt\n1\n2,x\n3,"open\n')
    assert [i.line for i in _issues(path, MAPPING)] == [2, 4]


@pytest.mark.parametrize("keep", [-20, 12, 3])
def test_a_packed_file_that_was_cut_off_is_one_problem(tmp_path: Path, keep: int) -> None:
    whole = gzip.compress(b"id,prompt\n" + b"".join(b"%d,text %d\n" % (n, n) for n in range(3000)))
    (issue,) = _issues(_write(tmp_path, whole[:keep], "f.csv.gz"), MAPPING)
    assert "cannot be read" in issue.message


def test_a_file_that_is_not_packed_as_its_name_says(tmp_path: Path) -> None:
    (issue,) = _issues(_write(tmp_path, "id,prompt\n", "f.csv.gz"), MAPPING)
    assert issue.message.startswith("cannot be read: Not a gzipped file")


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    (issue,) = _issues(tmp_path / "none.csv", MAPPING)
    assert issue.message == "cannot be read: No such file or directory"


def test_the_list_of_problems_has_an_end(tmp_path: Path) -> None:
    path = _write(tmp_path, "id,prompt\n" + "x\n" * 1000)
    found = _issues(path, MAPPING)
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].message == f"stopped after {MAX_PROBLEMS} problems"


def test_rows_are_streamed(tmp_path: Path) -> None:
    path = _write(tmp_path, "id,prompt\n" + "".join(f"{n},x\n" for n in range(1000)) + "bad\n")
    rows = read_cases(path, table="csv", mapping=MAPPING, known=KNOWN)
    assert next(rows)[0] == "0"
    with pytest.raises(InputError, match="has 1 field; expected 2"):
        list(rows)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("a.csv", "csv"),
        ("a.b.csv.gz", "csv"),
        ("a.tsv", "csv"),
        ("a.tsv.gz", "csv"),
        ("a.jsonl", "jsonl"),
        ("a.jsonl.gz", "jsonl"),
        ("a.ndjson", "jsonl"),
    ],
)
def test_the_format_is_told_by_the_name(name: str, table: str) -> None:
    assert detect(Path(name)) == table


@pytest.mark.parametrize("name", ["a.xlsx", "csv", "a.gz", "a.json"])
def test_a_name_that_tells_no_format(name: str) -> None:
    with pytest.raises(InputError, match="cannot tell the format by its name; say 'csv' or 'jsonl'"):
        detect(Path(name))


@pytest.mark.parametrize(
    ("header", "name", "wanted", "separator"),
    [
        ("ID;Prompt;Category", "f.csv", ["Prompt"], ";"),
        ("ID;Prompt, as asked;Category", "f.csv", ["Prompt, as asked"], ";"),
        ("ID;Prompt;Category", "f.csv", ["Promt"], ";"),
        ("id\tprompt", "f.csv", ["prompt"], "\t"),
        ("id\tprompt, as asked", "f.tsv", [], "\t"),
        ("id,prompt", "f.tsv", ["prompt"], ","),
        ("id,a;b", "f.csv", ["a;b"], ","),
        ("prompt", "f.csv", ["prompt"], ","),
        ('"id;x",prompt', "f.csv", ["prompt"], ","),
        ("", "f.csv", ["prompt"], ","),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_separator_is_told_by_the_header(
    tmp_path: Path, header: str, name: str, wanted: list[str], separator: str, packed: bool
) -> None:
    data = (header + "\n1;2,3\t4\n").encode() if header else b""
    path = _write(tmp_path, gzip.compress(data) if packed else data, name + (".gz" if packed else ""))
    assert find_separator(path, wanted) == separator


@pytest.mark.parametrize("data", [None, b"\xff\xfe\x00", b'"open'])
def test_a_file_that_tells_no_separator_is_left_to_the_reader(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "f.csv" if data is None else _write(tmp_path, data)
    assert find_separator(path, ["prompt"]) == ","


def test_a_byte_that_is_not_utf_8_is_told_with_its_line_far_into_a_packed_file(tmp_path: Path) -> None:
    data = (
        b"id,prompt\n"
        + b"".join(b"%d,some text that is long enough\n" % n for n in range(5000))
        + b"x,caf\xe9\n"
    )
    for path in (_write(tmp_path, data, "f.csv"), _write(tmp_path, gzip.compress(data), "f.csv.gz")):
        (issue,) = _issues(path, MAPPING)
        assert (issue.line, issue.message) == (5002, "byte 0xe9 is not UTF-8; save the file as UTF-8")


def test_columns_named_as_tags_are_tags_without_being_mapped(tmp_path: Path) -> None:
    path = _write(tmp_path, "id,prompt,tag:kind,tag:n,tag:other\n1,x,a,'-1,\n2,y,'b,3,z\n")
    assert {slug: case.tags for slug, case in _read(path, {**MAPPING, "tag:mine": "tag:other"}).items()} == {
        "1": {"kind": "a", "n": "-1"},
        "2": {"kind": "'b", "n": "3", "mine": "z"},
    }


def test_an_apostrophe_of_somebody_elses_column_stays(tmp_path: Path) -> None:
    path = _write(tmp_path, "id,prompt,kind\n1,x,'-1\n")
    assert _read(path, {**MAPPING, "tag:kind": "kind"})["1"].tags == {"kind": "'-1"}
