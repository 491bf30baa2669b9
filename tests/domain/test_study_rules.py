"""The rules that hold across the definitions of a study, and those of single definitions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from helpers_create.generated import studies
from helpers_create.small import OTHER_RUBRIC, set_at, small_document, small_study, to_study
from redloom.domain.harm import Range, Rule
from redloom.domain.study import Study, problems, space
from redloom.domain.value import in_language, issues_of, join_path


def _found(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(join_path(path), message) for path, message in problems(to_study(document))]


def test_the_small_study_has_no_problem() -> None:
    assert _found(small_document()) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(studies())
def test_generated_studies_have_no_problem(study: Study) -> None:
    assert list(problems(study)) == []


REFERENCES = [
    (
        ("scenarios", "street", "context"),
        "stret",
        "scenarios.street.context",
        "no context named 'stret'; did you mean 'street'?",
    ),
    (
        ("scenarios", "desk", "persona"),
        "adlt",
        "scenarios.desk.persona",
        "no persona named 'adlt'; did you mean 'adult'?",
    ),
    (
        ("scenarios", "street", "interaction_type"),
        "tlk",
        "scenarios.street.interaction_type",
        "no interaction type named 'tlk'; did you mean 'talk'?",
    ),
    (
        ("scenarios", "street", "harm"),
        "harms",
        "scenarios.street.harm",
        "no harm named 'harms'; did you mean 'harm'?",
    ),
    (
        ("scenarios", "desk", "evidence"),
        ["letter", "leter"],
        "scenarios.desk.evidence[1]",
        "no evidence named 'leter'; did you mean 'letter'?",
    ),
    (
        ("harms", "refusal", "broader"),
        ["harn"],
        "harms.refusal.broader[0]",
        "no harm named 'harn'; did you mean 'harm'?",
    ),
    (
        ("cases", "desk-1", "scenario"),
        "dsk",
        "cases.desk-1.scenario",
        "no scenario named 'dsk'; did you mean 'desk'?",
    ),
    (
        ("evidence", "letter", "harms"),
        ["refusals"],
        "evidence.letter.harms[0]",
        "no harm named 'refusals'; did you mean 'refusal'?",
    ),
    (
        ("evidence", "letter", "scenarios"),
        ["desk", "q"],
        "evidence.letter.scenarios[1]",
        "no scenario named 'q'; expected one of 'desk', 'desk-child', 'street'",
    ),
    (
        ("judges", "phrases", "harms"),
        ["refusl"],
        "judges.phrases.harms[0]",
        "no harm named 'refusl'; did you mean 'refusal'?",
    ),
    (
        ("judges", "phrases", "target"),
        "systm",
        "judges.phrases.target",
        "no target named 'systm'; did you mean 'system'?",
    ),
    (
        ("scenarios", "desk-child", "twin", "of"),
        "dessk",
        "scenarios.desk-child.twin.of",
        "no scenario named 'dessk'; did you mean 'desk'?",
    ),
    (
        ("scenarios", "street", "language"),
        "fr",
        "scenarios.street.language",
        "no language named 'fr'; expected one of 'en', 'es'",
    ),
    (
        ("harms", "refusal", "rules"),
        [{"when": {"agee": 3}, "require": "x"}],
        "harms.refusal.rules[0].when.agee",
        "no persona attribute named 'agee'; did you mean 'age'?",
    ),
    (
        ("cases", "desk-1", "slots"),
        {"me": "persona.attributes.trad"},
        "cases.desk-1.slots.me",
        "no attribute of the persona named 'trad'; did you mean 'trade'?",
    ),
    (
        ("constraints", 0, "forbid"),
        {"contxt": "desk"},
        "constraints[0].forbid.contxt",
        "no dimension named 'contxt'; did you mean 'context'?",
    ),
    (
        ("constraints", 0, "forbid"),
        {"persona": ["child", "chld"], "context": "street"},
        "constraints[0].forbid.persona",
        "no persona named 'chld'; did you mean 'child'?",
    ),
    (
        ("constraints", 0, "forbid"),
        {"language": "fr"},
        "constraints[0].forbid.language",
        "no language named 'fr'; expected one of 'en', 'es'",
    ),
]


@pytest.mark.parametrize(("at", "value", "path", "message"), REFERENCES, ids=[row[2] for row in REFERENCES])
def test_a_name_that_is_not_there_is_told_with_its_place_and_the_nearest_one(
    at: tuple[str, ...], value: Any, path: str, message: str
) -> None:
    assert _found(set_at(small_document(), at, value)) == [(path, message)]


def test_a_judge_may_name_a_target_of_no_study() -> None:
    assert _found(set_at(small_document(), ("judges", "phrases", "target"), "openai:other")) == []


@pytest.mark.parametrize(
    ("broader", "message"),
    [
        ({"harm": ["refusal"]}, "the taxonomy runs in a circle: harm -> refusal -> harm"),
        ({"harm": ["harm"]}, "the taxonomy runs in a circle: harm -> harm"),
    ],
)
def test_a_taxonomy_runs_in_no_circle(broader: dict[str, list[str]], message: str) -> None:
    document = small_document()
    for slug, above in broader.items():
        document["harms"][slug]["broader"] = above
    assert [text for _, text in _found(document)] == [message]


def test_a_diamond_in_the_taxonomy_is_fine() -> None:
    document = small_document()
    for slug, above in (("left", ["harm"]), ("right", ["harm"]), ("below", ["left", "right", "harm"])):
        document["harms"][slug] = {**document["harms"]["harm"], "broader": above}
    assert _found(document) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"interaction_type": "talk"},
            "says it differs from 'desk' in persona, but it differs in persona, interaction_type",
        ),
        ({"persona": "adult"}, "says it differs from 'desk' in persona, but it differs in nothing"),
        (
            {"persona": "adult", "language": "es"},
            "says it differs from 'desk' in persona, but it differs in language",
        ),
        ({"harm": "harm"}, "says it differs from 'desk' in persona, but it differs in persona, harm"),
        (
            {"twin": {"of": "desk-child", "differs_in": "persona"}},
            "the twins run in a circle: desk-child -> desk-child",
        ),
    ],
)
def test_a_twin_differs_in_exactly_the_part_it_says(changes: dict[str, Any], message: str) -> None:
    document = small_document()
    document["scenarios"]["desk-child"].update(changes)
    assert _found(document) == [
        ("scenarios.desk-child.twin" + (".of" if "circle" in message else ""), message)
    ]


def test_two_scenarios_are_not_each_the_twin_of_the_other() -> None:
    document = set_at(
        small_document(), ("scenarios", "desk", "twin"), {"of": "desk-child", "differs_in": "persona"}
    )
    assert _found(document) == [
        ("scenarios.desk.twin.of", "the twins run in a circle: desk -> desk-child -> desk"),
        ("scenarios.desk-child.twin.of", "the twins run in a circle: desk-child -> desk -> desk-child"),
    ]


def test_a_twin_of_a_twin_is_fine() -> None:
    document = small_document()
    document["scenarios"]["desk-child-es"] = {
        **document["scenarios"]["desk-child"],
        "language": "es",
        "twin": {"of": "desk-child", "differs_in": "language"},
    }
    assert _found(document) == []


def test_a_forbidden_combination_is_told_with_its_reason() -> None:
    document = set_at(small_document(), ("scenarios", "street", "persona"), "child")
    assert _found(document) == [
        ("scenarios.street", "this combination is forbidden: Children do not stand there.")
    ]


def test_what_is_broken_in_itself_is_not_also_called_unknown() -> None:
    document = small_document()
    del document["personas"]["child"]
    del document["scenarios"]["desk"]
    broken = {"personas": {"child"}, "scenarios": {"desk"}}
    assert list(problems(to_study(document), broken=broken)) == []
    assert list(problems(to_study(document), broken={})) != []


DEFINITIONS = [
    (
        "harms",
        "refusal",
        ("dissent", 1, "by"),
        "a visitor",
        "dissent: 'a visitor' stands there twice; each says it once, or under another name",
    ),
    (
        "harms",
        "refusal",
        ("endorsements",),
        [{"by": "x"}, {"by": "y"}, {"by": "x", "why": "z"}],
        "endorsements: 'x' stands there twice",
    ),
    (
        "harms",
        "refusal",
        ("rubric",),
        {
            **OTHER_RUBRIC,
            "questions": {
                "only": {
                    "text": "x",
                    "answers": {"a": {"verdict": "harm", "severity": 3}, "b": {"verdict": "no_harm"}},
                }
            },
        },
        "rubric gives severity 3; expected 1, 2",
    ),
    ("harms", "refusal", ("severity", "levels", 0, "value"), 0, "rubric gives severity 1; expected 0, 2"),
    (
        "harms",
        "refusal",
        ("severity", "levels", 0, "value"),
        2,
        "severity levels are given once each in ascending order, not [2, 2]",
    ),
    (
        "harms",
        "refusal",
        ("severity", "levels"),
        [],
        "severity levels are given once each in ascending order, not []",
    ),
    ("harms", "refusal", ("severity",), None, "expected no severity, since the harm declares no scale"),
    (
        "harms",
        "refusal",
        ("dissent", 0, "rubric", "questions", "only", "answers", "yes", "severity"),
        7,
        "dissent[0].rubric gives severity 7; expected 1, 2",
    ),
    (
        "harms",
        "refusal",
        ("severity", "levels", 0, "lable"),
        "x",
        "unknown field 'lable'; did you mean 'label'?",
    ),
    ("harms", "refusal", ("definition",), {"EN": "x"}, "'EN' is not a language code such as 'en' or 'pt-BR'"),
    ("harms", "refusal", ("rules", 0, "when", "age"), {"mx": 3}, "unknown field 'mx'"),
    (
        "harms",
        "refusal",
        ("system_role",),
        "perpetator",
        "'perpetator' is not one of 'perpetrator', 'instigator', 'facilitator' or 'enabler'; did you mean 'perpetrator'?",
    ),
    ("personas", "adult", ("provenance",), "synthetical", "did you mean 'synthetic'?"),
    (
        "personas",
        "adult",
        ("attributes", "age"),
        [4],
        "[4] is not true or false, a number or a text",
    ),
    ("personas", "adult", ("titel",), "x", "unknown field 'titel'; did you mean 'title'?"),
    ("contexts", "desk", ("norms", "mustnt"), [], "unknown field 'mustnt'; did you mean 'must_not'?"),
    (
        "cases",
        "desk-1",
        ("script",),
        [],
        "a case needs a 'script' of at least one user turn (or an 'opening')",
    ),
    (
        "cases",
        "desk-1",
        ("script",),
        ["no slot"],
        "slot 'me' is declared, but no turn of the script has {me}",
    ),
    ("cases", "desk-1", ("slots", "me"), "persona.goals", "slot 'me' has the source 'persona.goals'"),
    ("cases", "street-1", ("scenario",), None, "a case without a 'scenario' declares its 'cluster'"),
    ("cases", "street-1", ("harm",), "harm", "'harm' is for a case without a scenario"),
    ("cases", "street-1", ("turn_limit",), 0, "0 is too small; expected at least 1"),
    ("targets", "system", ("decoding", "temperature"), -1, "-1 is too small; expected at least 0"),
    (
        "targets",
        "system",
        ("limits", "concurency"),
        3,
        "unknown field 'concurency'; did you mean 'concurrency'?",
    ),
    ("judges", "phrases", ("patterns",), [], "a rule judge has at least one of 'patterns'"),
    ("judges", "phrases", ("by",), "model", "a model judge names its 'target'"),
    ("evidence", "letter", ("date",), "2026-13-01", "'2026-13-01' is not a date such as 2026-01-31"),
]


@pytest.mark.parametrize(
    ("name", "slug", "at", "value", "message"), DEFINITIONS, ids=[row[4][:50] for row in DEFINITIONS]
)
def test_a_definition_that_is_wrong_in_itself_is_refused(
    name: str, slug: str, at: tuple[str | int, ...], value: Any, message: str
) -> None:
    from redloom.domain.study import COLLECTIONS

    body = set_at(small_document()[name][slug], at, value)
    with pytest.raises(ValidationError) as caught:
        COLLECTIONS[name].model_validate(body)
    found = issues_of(caught.value, COLLECTIONS[name])
    assert len(found) == 1
    assert message in found[0][1]


def test_a_constraint_forbids_something() -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        small_study(constraints=[{"forbid": {}, "reason": "x"}])


@pytest.mark.parametrize(
    ("when", "attributes", "applies"),
    [
        ({"age": {"max": 12}}, {"age": 12}, True),
        ({"age": {"max": 12}}, {"age": 12.5}, False),
        ({"age": {"min": 1, "max": 12}}, {"age": 0}, False),
        ({"age": {"max": 12}}, {"age": "9"}, False),
        ({"age": {"max": 12}}, {"age": True}, False),
        ({"age": {"max": 12}}, {}, False),
        ({"local": True}, {"local": True}, True),
        ({"local": True}, {"local": "true"}, False),
        ({"trade": ["cook", "smith"]}, {"trade": "smith"}, True),
        ({"trade": ["cook", "smith"]}, {"trade": "coo"}, False),
        ({"trade": "cook", "age": {"min": 3}}, {"trade": "cook", "age": 2}, False),
        ({}, {}, True),
    ],
)
def test_a_rule_applies_to_the_personas_it_speaks_of(
    when: dict[str, Any], attributes: dict[str, Any], applies: bool
) -> None:
    assert Rule.model_validate({"when": when, "require": "x"}).applies(attributes) is applies


def test_a_range_holds_for_numbers_only() -> None:
    assert Range(min=1).holds(1)
    assert not Range().holds("1")


@pytest.mark.parametrize(
    ("language", "text"), [("en", "a"), ("es", "b"), ("es-MX", "b"), ("fr", "a"), (None, "a")]
)
def test_a_text_falls_back_to_the_base_language_then_to_the_first(language: str | None, text: str) -> None:
    assert in_language({"en": "a", "es": "b"}, language) == text


def test_the_space_is_what_is_declared() -> None:
    assert space(small_study()) == {
        "context": ("desk", "street"),
        "persona": ("adult", "child"),
        "interaction_type": ("question", "talk"),
        "harm": ("harm", "refusal"),
        "language": ("en", "es"),
    }
