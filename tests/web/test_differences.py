"""What differs, in words that need no knowledge of how it is stored."""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import Markup

from redloom.web.differences import MOST_WORDS, label_of, plain, tell_apart


@pytest.mark.parametrize(
    ("kind", "path", "label"),
    [
        ("harm", "definition.en", "Definition, en"),
        ("harm", "severity.levels[0].value", "Scale of severity, row 1, value"),
        ("harm", "rubric.questions.q.answers.yes.to", "Rubric, questions, q, answers, yes, to"),
        ("context", "norms.must_not", "The system must not"),
        ("study", "charter.owner", "Owner"),
        ("target", "base_url", "base url"),
    ],
)
def test_a_place_is_called_what_its_field_is_called(kind: str, path: str, label: str) -> None:
    assert label_of(kind, path) == label


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "yes"),
        (3, "3"),
        (["a", "b"], "a\nb"),
        ([{"text": "a", "why": "b"}, {"text": "c"}], "text: a; why: b\ntext: c"),
        ({"age": {"min": 3.5}, "new_here": False}, "age: min: 3.5\nnew here: no"),
        ([{"when": {"role": ["a", "b"]}}], "when: role: a, b"),
    ],
)
def test_a_value_is_read_without_brackets(value: Any, text: str) -> None:
    assert plain(value) == text


def test_words_that_only_one_has_are_marked_and_all_is_escaped() -> None:
    before, after = tell_apart("It <b>is</b> small.", "It <b>is</b> very small.\nAnd so on.")
    assert before == Markup("<p>It &lt;b&gt;is&lt;/b&gt; small.</p>")
    assert after == Markup(
        "<p>It &lt;b&gt;is&lt;/b&gt; <mark>very</mark> small.\n<mark>And so on.</mark></p>"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [("one two three four", "quite another text"), (None, "new"), ("a " * (MOST_WORDS + 1), "a")],
)
def test_nothing_is_marked_where_marks_would_tell_nothing(old: Any, new: Any) -> None:
    assert "<mark>" not in "".join(tell_apart(old, new))


def test_texts_made_to_be_slow_are_told_apart_all_the_same() -> None:
    long = "a b " * (MOST_WORDS // 2)
    before, after = tell_apart(long, "b a " * (MOST_WORDS // 2))
    assert before.count("a") and after.count("b")
