"""A misspelt slot never reaches a system; other braces are text."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from helpers_create.small import small_document, to_study
from redloom.domain.case import Case
from redloom.domain.study import problems
from redloom.domain.value import issues_of, join_path


def _found(**case: Any) -> list[tuple[str, str]]:
    document = small_document()
    document["cases"]["new"] = {"scenario": "desk", **case}
    return [(join_path(path), message) for path, message in problems(to_study(document))]


ME = {"me": "persona.disclosure"}
AS_IT_STANDS = "is no declared slot and would be sent as it stands"


@pytest.mark.parametrize(
    ("turn", "rest"),
    [
        ("{me} Can {someone} come?", f"{{someone}} {AS_IT_STANDS}; declared: {{me}}"),
        ("{me} I am {mee}.", f"{{mee}} {AS_IT_STANDS}; did you mean {{me}}?"),
        ("{me} I am { me }.", f"{{ me }} {AS_IT_STANDS}; did you mean {{me}}?"),
        ("{me} I am {Me}.", f"{{Me}} {AS_IT_STANDS}; did you mean {{me}}?"),
        (
            "{me} {persona.name}",
            f"{{persona.name}} {AS_IT_STANDS}; did you mean {{name}}, with 'slots: {{name: persona.attributes.name}}'?",
        ),
    ],
)
def test_in_a_case_with_slots_every_name_in_braces_is_a_declared_one(turn: str, rest: str) -> None:
    assert _found(slots=ME, script=[turn]) == [("cases.new.script[0]", rest)]


@pytest.mark.parametrize(
    ("turn", "slot", "source"),
    [
        ("{me} Hello", "me", "persona.disclosure"),
        ("{ME} Hello", "me", "persona.disclosure"),
        ("{mee} Hello", "me", "persona.disclosure"),
        ("{persona} Hello", "me", "persona.disclosure"),
        ("{persona.disclosure} Hello", "disclosure", "persona.disclosure"),
        ("{persona.attributes.age} Hello", "age", "persona.attributes.age"),
        ("{disclosure} Hello", "disclosure", "persona.disclosure"),
    ],
)
def test_in_a_case_without_slots_what_looks_like_one_is_told(turn: str, slot: str, source: str) -> None:
    ((path, message),) = _found(script=["Hello", turn])
    assert path == "cases.new.script[1]"
    assert message.endswith(f"{AS_IT_STANDS}; did you mean {{{slot}}}, with 'slots: {{{slot}: {source}}}'?")


def test_the_names_of_other_cases_slots_are_usual_names_too() -> None:
    document = small_document()
    document["cases"]["desk-1"] = {
        "scenario": "desk",
        "slots": {"trade": "persona.attributes.trade"},
        "script": ["I am a {trade}."],
    }
    document["cases"]["new"] = {"scenario": "desk", "script": ["I am a {trad}."]}
    ((_, message),) = problems(to_study(document))
    assert "did you mean {trade}, with 'slots: {trade: persona.attributes.trade}'?" in message


@pytest.mark.parametrize(
    "turn",
    [
        '{"a": 1}',
        "f'{name} {total:.2f}'",
        "{}",
        "{0}",
        "{{ item }}",
        "${HOME}",
        "{ x }",
        "def f() {return;}",
        "{a b}",
    ],
)
def test_other_braces_are_text(turn: str) -> None:
    assert _found(script=[turn]) == []


@pytest.mark.parametrize("turn", ['{me} {"a": 1}', "{me} {}", "{me} {0}", "{me} { x }"])
def test_braces_without_a_name_are_text_beside_slots(turn: str) -> None:
    assert _found(slots=ME, script=[turn]) == []


def test_an_imported_case_is_literal() -> None:
    provenance = {"origin": "imported"}
    assert _found(script=["{me} {persona.name}"], provenance=provenance) == []
    assert len(_found(script=["{me} {persona.name}"], provenance=provenance, slots=ME)) == 1


def test_a_slot_whose_name_can_never_be_filled_is_told() -> None:
    found = dict(_found(slots={"my-self": "persona.disclosure"}, script=["{my-self} Hello"]))
    assert found == {
        "cases.new.slots.my-self": "slot 'my-self' would never be filled; its name may have letters, digits and _ only"
    }


def test_a_misspelt_slot_says_both_facts_in_one_message() -> None:
    with pytest.raises(ValidationError) as caught:
        Case.model_validate({"scenario": "s", "slots": ME, "script": ["{mee} Hello {you}"]})
    assert issues_of(caught.value, Case) == [
        (
            ("slots", "me"),
            "slot 'me' is declared, but no turn of the script has {me}; "
            f"{{mee}} {AS_IT_STANDS}; did you mean {{me}}?; {{you}} {AS_IT_STANDS}; declared: {{me}}",
        )
    ]


def test_every_problem_of_a_case_is_told_at_once() -> None:
    body = {"scenario": "s", "harm": "h", "slots": {"me": "persona.goals"}, "script": ["{me} Hello"]}
    with pytest.raises(ValidationError) as caught:
        Case.model_validate(body)
    assert [join_path(path) for path, _ in issues_of(caught.value, Case)] == ["harm", "slots.me"]
