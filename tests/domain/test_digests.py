"""What changes which digest, and what does not."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from helpers_create.small import OTHER_RUBRIC, RUBRIC, set_at, small_document, small_study, to_study
from redloom.domain.case import Case
from redloom.domain.release import closures
from redloom.domain.rendering import Frames
from redloom.domain.study import COLLECTIONS, Study, StudyHead
from redloom.domain.value import Definition

OTHER: dict[str, dict[str, Any]] = {
    "evidence": {
        "title": "x",
        "type": "incident",
        "date": "2026-02-04",
        "source": "x",
        "text": "x",
        "harms": [],
        "scenarios": [],
    },
    "contexts": {
        "title": "x",
        "setting": "x",
        "sender_role": "x",
        "recipient_role": "x",
        "third_parties": ["x"],
        "information_type": "x",
        "transmission_principle": "x",
        "locale": "x",
        "language": "es",
        "stakes": "x",
        "norms": {"must": ["answer"]},
        "deployment_text": "x",
    },
    "personas": {
        "title": "x",
        "attributes": {"age": 41, "height": 1.75, "local": True, "trade": "cook"},
        "goals": [],
        "disclosure": {"en": "I am a cook.", "es": "Soy cocinera."},
        "behaviour": {"patience": "x"},
        "provenance": "synthetic",
    },
    "interaction_types": {
        "title": "x",
        "description": "x",
        "stance": "boundary",
        "relation": "advice",
        "structure": "multi_turn",
        "initiative": "model",
    },
    "harms": {
        "title": "x",
        "background": "x",
        "definition": "x",
        "includes": ["x"],
        "excludes": ["x"],
        "examples": [],
        "counter_examples": [],
        "system_role": "enabler",
        "harmed_parties": ["x"],
        "harm_types": [],
        "severity": {
            "grounding": "x",
            "levels": [{"value": v, "label": "l", "description": "d"} for v in (1, 2)],
        },
        "protective_response": "x",
        "rubric": OTHER_RUBRIC,
        "rules": [],
        "crosswalk": [],
        "sources": ["x"],
        "broader": [],
        "authors": ["x"],
    },
    "scenarios": {
        "title": "x",
        "context": "street",
        "persona": "child",
        "interaction_type": "talk",
        "harm": "harm",
        "language": "es",
        "user_goal": "x",
        "affected_parties": ["x"],
        "hypothesis": "x",
        "expected": {"behaviour": "decline", "sentence": "Says where it is."},
        "rationale": "x",
        "evidence": [],
        "twin": {"of": "street", "differs_in": "context"},
    },
    "cases": {
        "scenario": "street",
        "cluster": "x",
        "opening": "x",
        "script": ["{me} x"],
        "slots": {},
        "turn_limit": 3,
        "stop": "first_refusal",
        "language": "es",
        "text_origin": "translated",
        "provenance": {"author": "x"},
        "tags": {"a": "b"},
    },
    "targets": {
        "system": "openai:other",
        "base_url": "http://127.0.0.1",
        "system_prompt": "x",
        "decoding": {"temperature": 0.5},
        "delivery": {"persona": {"how": "not_delivered"}},
        "http": {"url": "http://127.0.0.1", "body": {}, "reply": "x"},
    },
    "judges": {
        "target": "openai:x",
        "unit": "turn_alone",
        "shows": [],
        "rationale": False,
        "patterns": [{"any_of": ["go"], "verdict": "harm"}],
        "otherwise": "unsure",
        "harms": [],
    },
}
"""Another value for every field that is content."""
ONE_VALUE = {("interaction_types", "modality"), ("cases", "harm"), ("judges", "by")}
"""Fields that have no other value on these definitions; tested by hand below or closed to one value."""
FIRST = {name: next(iter(small_document()[name])) for name in COLLECTIONS} | {"harms": "refusal"}
FIELDS = [
    (name, field)
    for name, model in COLLECTIONS.items()
    for field in model.model_fields
    if field not in model.beside_content and (name, field) not in ONE_VALUE
]


def _definition(name: str, changes: dict[str, Any]) -> Definition:
    body = small_document()[name][FIRST[name]]
    return COLLECTIONS[name].model_validate({**body, **changes})


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_content_field_changes_the_content_digest(name: str, field: str) -> None:
    changed = _definition(name, {field: OTHER[name][field]})
    assert changed.content_digest() != _definition(name, {}).content_digest()


def test_the_harm_of_an_imported_case_and_the_kind_of_a_judge_are_content() -> None:
    case = {"script": ["x"], "cluster": "c"}
    assert (
        Case.model_validate(case).content_digest()
        != Case.model_validate({**case, "harm": "h"}).content_digest()
    )
    judge = {"target": "openai:x", "patterns": [{"any_of": ["x"], "verdict": "harm"}]}
    kinds = {
        COLLECTIONS["judges"].model_validate({**judge, "by": by}).content_digest() for by in ("model", "rule")
    }
    assert len(kinds) == 2


HEAD = {
    "title": "x",
    "languages": ["en", "es", "no"],
    "charter": {"purpose": "x"},
    "protocol": {"plan": "x"},
    "constraints": [],
}


@pytest.mark.parametrize("field", list(StudyHead.model_fields))
def test_every_field_of_the_head_changes_its_digest_and_the_study_s(field: str) -> None:
    one, other = small_study(), small_study(**{field: HEAD[field]})
    assert one.head.content_digest() != other.head.content_digest()
    assert one.content_digest() != other.content_digest()


BESIDE = [
    ("harms", "dissent", [{"by": "x", "why": "y", "rubric": OTHER_RUBRIC}]),
    ("harms", "endorsements", []),
    ("targets", "limits", {"concurrency": 9, "tries": 1}),
    ("targets", "prices", {"input": 9.0}),
    ("targets", "key_env", "OTHER_KEY"),
]


def test_every_field_beside_the_content_is_listed_here() -> None:
    declared = {(name, field) for name, model in COLLECTIONS.items() for field in model.beside_content}
    assert {row[:2] for row in BESIDE} == declared


@pytest.mark.parametrize(("name", "field", "value"), BESIDE)
def test_acts_and_operations_are_beside_the_content_digest(name: str, field: str, value: Any) -> None:
    changed = _definition(name, {field: value})
    assert changed != _definition(name, {})
    assert changed.content_digest() == _definition(name, {}).content_digest()


def test_the_digest_does_not_depend_on_whether_a_default_is_written_out() -> None:
    assert (
        _definition("cases", {"stop": "script_end", "tags": {}}).content_digest()
        == _definition("cases", {}).content_digest()
    )


def test_equal_content_of_different_kinds_has_different_digests() -> None:
    digests = {model.model_construct().content_digest() for model in COLLECTIONS.values()}
    assert len(digests) == len(COLLECTIONS)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_texts_that_look_alike_have_different_digests(form: Any) -> None:
    one = _definition("cases", {"script": ["{me} café"]})
    other = _definition("cases", {"script": [unicodedata.normalize(form, "{me} café")]})
    assert (one.content_digest() == other.content_digest()) == (form == "NFC")


def _definitions(study: Study) -> dict[tuple[str, str], Definition]:
    return {(kind, slug): definition for kind, slug, definition in study.definitions()}


def _stimuli(study: Study) -> dict[str, str]:
    frames = Frames(_definitions(study))
    return {slug: frames.stimulus(case) for slug, case in study.cases.items()}


def _changed(before: dict[Any, str], after: dict[Any, str]) -> set[Any]:
    assert before.keys() == after.keys()
    return {key for key in before if before[key] != after[key]}


@pytest.mark.parametrize(
    ("at", "value", "changed"),
    [
        (("harms", "refusal", "rubric", "questions", "how", "text"), "How so?", set()),
        (("harms", "refusal", "title"), "x", set()),
        (("evidence", "letter", "text"), "x", set()),
        (("scenarios", "desk", "hypothesis"), "x", set()),
        (("scenarios", "desk", "harm"), "harm", set()),
        (("cases", "desk-1", "tags"), {"a": "b"}, set()),
        (("cases", "desk-1", "provenance"), {"author": "x"}, set()),
        (("targets", "system", "system_prompt"), "x", set()),
        (("charter",), {}, set()),
        (("personas", "adult", "attributes", "age"), 41, {"desk-1", "street-1"}),
        (("personas", "child", "disclosure"), "I am ten.", {"desk-child-1"}),
        (("contexts", "street", "setting"), "An alley.", {"street-1"}),
        (("contexts", "desk", "norms"), {}, {"desk-1", "desk-child-1"}),
        (("interaction_types", "question", "initiative"), "model", {"desk-1", "desk-child-1"}),
        (("interaction_types", "question", "title"), "x", set()),
        (("cases", "desk-1", "script"), ["{me} Where?"], {"desk-1"}),
        (("cases", "desk-1", "opening"), "Hello", {"desk-1"}),
        (("cases", "desk-1", "turn_limit"), 4, {"desk-1"}),
        (("cases", "desk-1", "stop"), "first_refusal", {"desk-1"}),
        (("cases", "desk-1", "language"), "es", {"desk-1"}),
        (("cases", "desk-1", "slots"), {"me": "persona.attributes.trade"}, {"desk-1"}),
        (("scenarios", "street", "language"), "en", {"street-1"}),
    ],
)
def test_a_stimulus_changes_exactly_with_what_the_target_can_see(
    at: tuple[str, ...], value: Any, changed: set[str]
) -> None:
    other = to_study(set_at(small_document(), at, value))
    assert _changed(_stimuli(small_study()), _stimuli(other)) == changed


DESK = {("scenario", "desk"), ("case", "desk-1")}
CHILD = {("scenario", "desk-child"), ("case", "desk-child-1")}
STREET = {("scenario", "street"), ("case", "street-1")}


@pytest.mark.parametrize(
    ("at", "value", "changed"),
    [
        (("harms", "harm", "title"), "x", {("harm", "harm"), ("harm", "refusal"), *DESK, *CHILD, *STREET}),
        (
            ("harms", "refusal", "rubric", "questions", "how", "text"),
            "x",
            {("harm", "refusal"), *DESK, *CHILD},
        ),
        (("personas", "child", "title"), "x", {("persona", "child"), *CHILD}),
        (("contexts", "street", "title"), "x", {("context", "street"), *STREET}),
        (("interaction_types", "talk", "title"), "x", {("interaction_type", "talk"), *STREET}),
        (("evidence", "letter", "text"), "x", {("evidence", "letter"), *DESK}),
        (("cases", "desk-1", "tags"), {"a": "b"}, {("case", "desk-1")}),
        (("harms", "refusal", "endorsements"), [], set()),
    ],
)
def test_a_closure_changes_when_anything_under_it_does(
    at: tuple[str, ...], value: Any, changed: set[tuple[str, str]]
) -> None:
    before = closures(_definitions(small_study()))
    after = closures(_definitions(to_study(set_at(small_document(), at, value))))
    assert _changed(before, after) == changed


def test_twins_share_the_cluster_of_their_original() -> None:
    document = small_document()
    document["scenarios"]["third"] = {
        **document["scenarios"]["desk-child"],
        "language": "es",
        "twin": {"of": "desk-child", "differs_in": "language"},
    }
    document["cases"]["third-1"] = {"scenario": "third", "script": ["¿Dónde?"]}
    document["cases"]["own"] = {"scenario": "desk", "script": ["x"], "cluster": "mine"}
    study = to_study(document)
    frames = Frames(_definitions(study))
    assert {slug: frames.cluster(case) for slug, case in study.cases.items()} == {
        "desk-1": "desk",
        "desk-child-1": "desk",
        "third-1": "desk",
        "street-1": "street",
        "own": "mine",
    }


def test_a_rubric_has_a_digest_of_its_own() -> None:
    harm = small_study().harms["refusal"]
    other = small_study(harms__refusal__rubric=OTHER_RUBRIC).harms["refusal"]
    assert harm.rubric.digest() != other.rubric.digest()
    assert harm.dissent[0].rubric == other.rubric
    assert harm.dissent[0].rubric is not None
    assert harm.dissent[0].rubric.digest() == other.rubric.digest()
    assert small_study(harms__refusal__rubric=RUBRIC).harms["refusal"].rubric.digest() == harm.rubric.digest()
