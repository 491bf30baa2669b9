from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers_create.generated import FRAGMENTS, values
from redloom.datasets.yaml_text import MAX_DEPTH, MAX_INTEGER, dump, parse
from redloom.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            ("1", 1),
            ("-7", -7),
            ("+3", 3),
            ("007", 7),
            ("0o17", 15),
            ("0xff", 255),
            ("1.5", 1.5),
            (".5", 0.5),
        ),
        *(("1e3", 1000.0), ("-1.e2", -100.0), ("true", True), ("False", False), ("TRUE", True)),
        *(("null", None), ("~", None), ("", None), ("Null", None)),
        *((name, name) for name in ("yes", "no", "on", "off", "y", "N", "tRUE", "nULL", "none")),
        *(
            (name, name)
            for name in ("1:30", "190:20:30", "1_000", "2026-01-02", "0b1", ".inf", ".nan", "1.2.3", "<<")
        ),
        *(("'1'", "1"), ('"true"', "true"), ("''", ""), ("'~'", "~")),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, value: Any) -> None:
    found = parse(f"a: {text}\n").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_always_text() -> None:
    assert parse("1: a\nyes: b\nnull: c\n1.5: d\n").value == {"1": "a", "yes": "b", "null": "c", "1.5": "d"}


def test_an_empty_document_has_no_value() -> None:
    assert parse("").value is None
    assert parse("# only a comment\n").value is None


@pytest.mark.parametrize("text", FRAGMENTS, ids=lambda text: ascii(text[:20]))
def test_hostile_text_comes_back_as_value_key_and_item(text: str) -> None:
    value = {"a": text, text + "k": [text, {text: text}], "long": text * 3 + " " + text}
    assert parse(dump(value)).value == value


@settings(max_examples=150, deadline=None)
@given(values, st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=3))
def test_any_value_comes_back(value: Any, members: dict[str, Any]) -> None:
    document = {"value": value, "members": members}
    assert parse(dump(document)).value == document


@settings(max_examples=100, deadline=None)
@given(values)
def test_what_is_dumped_reads_the_same_in_another_yaml_1_1_reader_but_for_numbers(value: Any) -> None:
    def plain(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {key: plain(one) for key, one in inner.items()}
        if isinstance(inner, list):
            return [plain(one) for one in inner]
        return inner if isinstance(inner, str) else None

    document = plain({"value": value})
    assert yaml.safe_load(dump(document)) == document


def test_every_path_has_its_line() -> None:
    text = "a: 1\nb:\n  - x\n  - y:\n      z: 1\n# comment\nc: {d: 1,\n  e: 2}\n"
    lines = parse(text).lines
    found = {
        path: lines[path] for path in (("a",), ("b", 0), ("b", 1), ("b", 1, "y", "z"), ("c", "d"), ("c", "e"))
    }
    assert found == {("a",): 1, ("b", 0): 3, ("b", 1): 4, ("b", 1, "y", "z"): 5, ("c", "d"): 7, ("c", "e"): 8}


ALIAS_BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [1\nb: 2\n", 2, "not readable as YAML"),
        ("a: 'open\n", 2, "not readable as YAML"),
        ("a: b: c\n", 1, "not readable as YAML"),
        ("\ta: 1\n", 1, "not readable as YAML"),
        ("a: *nowhere\n", 1, "not readable as YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not readable as YAML"),
        ("a: \x07\n", None, "not readable as YAML"),
        (ALIAS_BOMB, 1, "is an alias repeating itself?"),
        ("a: &a [*a]\n", 1, f"deeper than {MAX_DEPTH} levels"),
        ("a: &a {b: *a}\n", 1, f"deeper than {MAX_DEPTH} levels"),
        ("x: 1\na: " + "[" * 200 + "]" * 200, 2, f"deeper than {MAX_DEPTH} levels"),
        ("a: " + "[" * 100_000, 1, f"deeper than {MAX_DEPTH} levels"),
        ("- " * 100_000, 1, f"deeper than {MAX_DEPTH} levels"),
    ],
    ids=lambda value: ascii(value[:16]) if isinstance(value, str) else str(value),
)
def test_what_is_no_document_is_refused(text: str, line: int | None, message: str) -> None:
    with pytest.raises(InputError, match=r"f\.yaml") as caught:
        parse(text, file="f.yaml")
    (issue,) = caught.value.issues
    assert message in issue.message
    assert issue.file == "f.yaml"
    if line is not None:
        assert issue.line == line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' stands here a second time; the first is in line 1"),
        ("a: {b: 1,\n b: 2}\n", 2, "'b' stands here a second time; the first is in line 1"),
        ("'1': a\n1: b\n", 2, "'1' stands here a second time; the first is in line 1"),
        (
            "a: !!python/object/apply:os.system ['true']\n",
            1,
            "tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed",
        ),
        ("a:\n  b: !secret x\n", 2, "tag '!secret' is not allowed"),
        ("a: !!binary aGk=\n", 1, "tag 'tag:yaml.org,2002:binary' is not allowed"),
        ("a: !!set {b, c}\n", 1, "tag 'tag:yaml.org,2002:set' is not allowed"),
        ("!t a: 1\n", 1, "tag '!t' is not allowed"),
        ("? [a, b]\n: 1\n", 1, "a key must be plain text"),
        ("a: 1e999\n", 1, "1e999 is a number that JSON cannot carry; quote it to keep it as text"),
        (
            f"a: {MAX_INTEGER + 1}\n",
            1,
            f"{MAX_INTEGER + 1} is a number that JSON cannot carry; quote it to keep it as text",
        ),
        (
            "a: -" + "9" * 5000 + "\n",
            1,
            "-" + "9" * 36 + "... is a number that JSON cannot carry; quote it to keep it as text",
        ),
    ],
    ids=lambda value: ascii(value[:16]) if isinstance(value, str) else str(value),
)
def test_what_is_wrong_with_a_single_value_is_listed(text: str, line: int, message: str) -> None:
    (issue,) = parse(text, file="f.yaml").issues
    assert (issue.message, issue.line, issue.file) == (message, line, "f.yaml")


def test_numbers_up_to_the_edge_of_json_are_fine() -> None:
    assert parse(f"a: [{MAX_INTEGER}, -{MAX_INTEGER}, 1e308]\n").issues == ()


def test_a_modest_alias_is_fine() -> None:
    assert parse("a: &a [x, y]\nb: [*a, *a]\n").value["b"] == [["x", "y"], ["x", "y"]]
