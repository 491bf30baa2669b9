from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from helpers_create.generated import rubrics
from helpers_create.small import RUBRIC
from redloom.domain.rubric import Rubric
from redloom.domain.value import issues_of, join_path
from redloom.errors import InputError


def _flow(**questions: dict[str, str | None]) -> dict[str, Any]:
    """Questions by name; each answer leads to a question, or to a verdict where it says None."""
    return {
        "start": next(iter(questions)),
        "questions": {
            name: {
                "text": name,
                "answers": {
                    a: {"verdict": "no_harm"} if to is None else {"to": to} for a, to in answers.items()
                },
            }
            for name, answers in questions.items()
        },
    }


def _changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    body = copy.deepcopy(RUBRIC)
    inner = body
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return body


ANSWER = ("questions", "how", "answers", "kindly")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            _flow(a={"yes": "b", "no": None}, b={"yes": "a", "no": None}),
            "the questions run in a circle: a -> b -> a",
        ),
        (_flow(a={"yes": "a", "no": None}), "the questions run in a circle: a -> a"),
        (_flow(a={"yes": None, "no": None}, b={"yes": None, "no": None}), "no answer leads to 'b'"),
        (
            _flow(a={"yes": "bb", "no": "ab"}, bbb={"yes": None, "no": None}),
            "no question named 'bb'; did you mean 'bbb'?",
        ),
        (_flow(a={"yes": None}), "a question needs at least two answers"),
        (_flow(a={}), "a question needs at least two answers"),
        (_changed(("start",), "askd"), "no question named 'askd'; did you mean 'asked'?"),
        (_changed(ANSWER, {}), "leads either 'to' a question or to a 'verdict'"),
        (
            _changed(ANSWER, {"to": "asked", "verdict": "harm"}),
            "leads either 'to' a question or to a 'verdict'",
        ),
        (
            _changed(ANSWER, {"verdict": "no_harm", "severity": 1}),
            "a severity goes with the verdict 'harm', not with 'no_harm'",
        ),
        (
            _changed(ANSWER, {"verdict": "harmful"}),
            "'harmful' is not one of 'harm', 'no_harm', 'unsure' or 'depends_on'",
        ),
        (_changed(ANSWER, {"verdit": "harm"}), "unknown field 'verdit'; did you mean 'verdict'?"),
    ],
)
def test_a_rubric_that_is_not_acyclic_and_total_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Rubric.model_validate(body)
    assert message in "\n".join(text for _, text in issues_of(caught.value, Rubric))


def test_every_dangling_answer_is_named() -> None:
    body = _flow(a={"yes": "x", "no": "y", "maybe": "a2"}, a2={"yes": None, "no": None})
    with pytest.raises(ValidationError) as caught:
        Rubric.model_validate(body)
    assert "'x'" in str(caught.value)
    assert "'y'" in str(caught.value)


def _paths(body: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Rubric.model_validate(body)
    return [join_path(path) for path, _ in issues_of(caught.value, Rubric)]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (_flow(a={"yes": "bb", "no": None}), ["questions.a.answers.yes.to"]),
        (
            _flow(a={"y": None, "n": None}, b={"y": None, "n": None}, c={"y": None, "n": None}),
            ["questions.b", "questions.c"],
        ),
        (_flow(a={"yes": "b", "no": None}, b={"yes": "a", "no": None}), ["questions.a"]),
        (_flow(a={"yes": None}), ["questions.a.answers"]),
        (_changed(("start",), "askd"), ["start"]),
    ],
)
def test_a_problem_of_a_rubric_names_the_place_it_is_in(body: dict[str, Any], paths: list[str]) -> None:
    assert _paths(body) == paths


def test_answers_lead_to_a_verdict_by_a_path() -> None:
    rubric = Rubric.model_validate(RUBRIC)
    path, outcome = rubric.replay({"asked": "yes", "how": "coldly", "never asked": "x"})
    assert path == (("asked", "yes"), ("how", "coldly"))
    assert (outcome.verdict, outcome.severity) == ("harm", 2)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({}, "question 'asked' has no answer"),
        ({"asked": "yes"}, "question 'how' has no answer"),
        ({"asked": "yess"}, "question 'asked': no answer named 'yess'; did you mean 'yes'?"),
    ],
)
def test_a_path_stops_at_the_first_question_without_a_valid_answer(
    answers: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match="question") as caught:
        Rubric.model_validate(RUBRIC).replay(answers)
    assert str(caught.value) == message


@given(rubrics([1, 2]))
def test_every_path_replays_to_its_own_outcome(body: dict[str, Any]) -> None:
    rubric = Rubric.model_validate(body)
    paths = list(rubric.paths())
    assert paths
    for path, outcome in paths:
        assert rubric.replay(dict(path)) == (path, outcome)
    assert {name for path, _ in paths for name, _ in path} == set(rubric.questions)


@given(rubrics([1, 2]))
def test_questions_come_after_all_that_lead_to_them(body: dict[str, Any]) -> None:
    rubric = Rubric.model_validate(body)
    order = rubric.in_order()
    assert sorted(order) == sorted(rubric.questions)
    assert order[0] == rubric.start
    for name, question in rubric.questions.items():
        for outcome in question.answers.values():
            assert outcome.to is None or order.index(name) < order.index(outcome.to)
