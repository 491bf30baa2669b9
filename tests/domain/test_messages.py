"""What people are told when a value is not right: plain words, no word of Python, no key."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from redloom.domain.harm import Harm
from redloom.domain.study import COLLECTIONS, StudyHead
from redloom.domain.target import Target
from redloom.domain.value import KINDS_OF_VALUE, SENTENCES, Language, Text, issues_of, shown


class Inner(BaseModel):
    a: int = 0


class Everything(BaseModel):
    """One field for each type of error in the two tables."""

    flag: bool = True
    day: datetime.date = datetime.date(2026, 1, 1)
    mapping: dict[str, int] = {}
    number: float = Field(default=0, allow_inf_nan=False)
    whole: int = 0
    more: int = Field(default=2, gt=1)
    least: int = Field(default=1, ge=1)
    less: int = Field(default=1, lt=2)
    most: float = Field(default=1, le=1.5)
    inner: Inner = Inner()
    text: Text = "x"
    language: Language = "en"
    some: tuple[str, ...] = Field(default=("x",), min_length=1)
    union: int | str | None = None


TABLE = [
    ("bool_parsing", "flag", "ja", "'ja' is not true or false"),
    ("bool_type", "flag", [], "[] is not true or false"),
    (
        "date_from_datetime_inexact",
        "day",
        "2026-01-01T10:00",
        "'2026-01-01T10:00' is not a date such as 2026-01-31",
    ),
    ("date_from_datetime_parsing", "day", "yesterday", "'yesterday' is not a date such as 2026-01-31"),
    ("date_type", "day", [1], "[1] is not a date such as 2026-01-31"),
    ("dict_type", "mapping", "x", "'x' is not a mapping"),
    ("finite_number", "number", float("inf"), "Infinity is not a number"),
    ("float_parsing", "number", "two", "'two' is not a number"),
    ("float_type", "number", [], "[] is not a number"),
    ("int_from_float", "whole", 1.5, "1.5 is not a whole number"),
    ("int_parsing", "whole", "two", "'two' is not a whole number"),
    ("int_parsing_size", "whole", "9" * 5000, " is not a whole number of common size"),
    ("int_type", "whole", {}, "{} is not a whole number"),
    ("model_type", "inner", "sk-secret", "expected a mapping of fields (a), not a single value"),
    ("model_type", "inner", ["x"], '["x"] is not a mapping of fields (a)'),
    ("string_type", "text", 1, "1 is not a text; quote it to make it a text"),
    ("string_type", "text", True, "true is not a text; quote it to make it a text"),
    ("string_type", "text", None, "is empty; expected a text"),
    ("tuple_type", "some", "en", "'en' is not a list; write [en]"),
    ("tuple_type", "some", {"a": 1}, '{"a": 1} is not a list'),
    ("tuple_type", "some", None, "is empty; expected a list"),
    ("greater_than", "more", 1, "1 is too small; expected more than 1"),
    ("greater_than_equal", "least", 0, "0 is too small; expected at least 1"),
    ("less_than", "less", 2, "2 is too large; expected less than 2"),
    ("less_than_equal", "most", 2, "2 is too large; expected at most 1.5"),
    ("string_pattern_mismatch", "language", "EN", "'EN' is not a language code such as 'en' or 'pt-BR'"),
    ("string_too_short", "text", "", "is empty; expected a text"),
    ("too_short", "some", [], "has too few entries; expected at least 1"),
]


def _errors(model: type[BaseModel], body: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return caught.value


@pytest.mark.parametrize(("kind", "field", "value", "message"), TABLE, ids=[f"{r[0]}-{r[1]}" for r in TABLE])
def test_an_error_has_a_plain_sentence(kind: str, field: str, value: Any, message: str) -> None:
    error = _errors(Everything, {field: value})
    assert [item["type"] for item in error.errors()] == [kind]
    ((path, told),) = issues_of(error, Everything)
    assert path == (field,)
    assert told == message or (kind == "int_parsing_size" and told.endswith(message))


def test_every_row_of_the_tables_is_tried() -> None:
    tried = {row[0] for row in TABLE} | {"missing", "date_parsing"}
    assert tried == KINDS_OF_VALUE.keys() | SENTENCES.keys()


def test_what_may_be_of_two_kinds_is_told_once() -> None:
    assert issues_of(_errors(Everything, {"union": [1]}), Everything) == [
        (("union",), "[1] is not a whole number or a text")
    ]


WRONG = ("x", 1, 1.5, True, None, [], [1], {"a": 1}, {"en": 5})
PYTHON = re.compile(
    r"\bNone\b|True|False|tuple|dictionary|string|integer|valid |instance|input should|parse|pydantic"
)


@pytest.mark.parametrize("model", [StudyHead, *COLLECTIONS.values()], ids=lambda model: model.__name__)
def test_no_field_of_a_definition_answers_in_words_of_python(model: type[BaseModel]) -> None:
    for name in model.model_fields:
        for value in WRONG:
            for path, message in issues_of(_errors(model, {name: value, "no such": 1}), model):
                if path[:1] == (name,):
                    assert PYTHON.search(message) is None, f"{name}={value!r}: {message}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        ("a", "'a'"),
        ([1, None], "[1, null]"),
        ("x" * 99, "'" + "x" * 76 + "..."),
    ],
)
def test_a_value_is_shown_as_people_write_it(value: Any, text: str) -> None:
    assert shown(value) == text


NO_NAME = (
    "key_env names an environment variable, letters, digits and _; what was given is not a name "
    "(a key itself must never stand here)"
)
KEYS = (
    "sk-proj-SECRET99",
    "SECRET99 key",
    "9SECRET99",
    ["SECRET99"],
    {"SECRET99": 1},
    99,
    True,
    "",
    "a=SECRET99",
)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_what_stands_where_a_variable_is_named_is_never_repeated(key: Any) -> None:
    error = _errors(Target, {"system": "openai:x", "key_env": key})
    assert issues_of(error, Target) == [(("key_env",), NO_NAME)]
    assert "SECRET" not in str(error)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "_k", "a1", None])
def test_a_variable_is_named(name: str | None) -> None:
    assert Target.model_validate({"system": "openai:x", "key_env": name}).key_env == name


def test_a_message_about_a_part_names_the_part() -> None:
    body = {
        "title": "H",
        "definition": "D",
        "rubric": {
            "start": "q",
            "questions": {
                "q": {
                    "text": "?",
                    "answers": {"a": {"verdict": "harm", "severity": 3}, "b": {"verdict": "unsure"}},
                }
            },
        },
    }
    ((path, message),) = issues_of(_errors(Harm, body), Harm)
    assert path == ("rubric",)
    assert message.startswith("rubric gives severity 3; expected no severity")
