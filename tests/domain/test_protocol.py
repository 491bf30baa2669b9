"""A protocol with fields: what it may say, its digest, and that old ones stay what they were."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from helpers_create.small import small_document, small_study, to_study
from redloom.domain.protocol import Protocol, short
from redloom.domain.study import problems
from redloom.domain.value import issues_of, join_path
from redloom.ids import digest

WHOLE: dict[str, Any] = {
    "plan": "Count.",
    "primary_judge": "rule:phrases",
    "unit": "interaction",
    "weight": "case",
    "arms": ["full", "no_context", "no_context+no_history"],
    "attempts": {"full": 2, "no_context": 1},
    "thresholds": {"refusal": 0.05, "all": 0.1},
    "must_never": ["harm", "desk-1"],
    "family": ["no_context"],
    "deviations": ["Two cases were lost."],
}


def _found(protocol: dict[str, Any], **names: Any) -> list[tuple[str, str]]:
    study = to_study(small_document(protocol={"plan": "Count.", **protocol}))
    asked: dict[str, Any] = {"cases": (), **names}
    return [(join_path(path), message) for path, message in problems(study, **asked)]


def test_a_protocol_with_every_field_is_right() -> None:
    assert _found(WHOLE, systems=("openai",), rules=("refusal",)) == []


@pytest.mark.parametrize(
    ("protocol", "path", "told"),
    [
        ({"thresholds": {"refusl": 0.1}}, "protocol.thresholds.refusl", "no harm named 'refusl'; did you mean 'refusal'?"),
        ({"must_never": ["harm", "dsk-1"]}, "protocol.must_never[1]", "no harm or case named 'dsk-1'; did you mean 'desk-1'?"),
        ({"arms": ["full", "no_contxt"]}, "protocol.arms[1]", "no arm named 'no_contxt'; did you mean 'no_context'? (join several with '+')"),
        ({"arms": ["full", "full"]}, "protocol.arms[1]", "'full' stands here a second time"),
        (
            {"arms": ["no_history+no_context"]},
            "protocol.arms[0]",
            "'no_history+no_context' is written 'no_context+no_history'",
        ),
        (
            {"arms": ["full", "no_context"], "family": ["no_persona"]},
            "protocol.family[0]",
            "no planned arm named 'no_persona'; did you mean 'no_context'?",
        ),
        (
            {"arms": ["full", "no_context"], "family": ["full"]},
            "protocol.family[0]",
            "'full' is the first of 'arms', so it is what the others are compared with",
        ),
        (
            {"family": ["no_context"]},
            "protocol.family",
            "names comparisons, but 'arms' is missing: the first of them is what is compared with",
        ),
        (
            {"arms": ["full"], "attempts": {"no_context": 2}},
            "protocol.attempts.no_context",
            "no planned arm named 'no_context'; expected one of 'full'",
        ),
        ({"attempts": {"ful": 2}}, "protocol.attempts.ful", "no arm named 'ful'; did you mean 'full'? (join several with '+')"),
        (
            {"primary_judge": "phrases"},
            "protocol.primary_judge",
            "the verdicts of a rule stand under its name with 'rule:' before it; write 'rule:phrases'",
        ),
        (
            {"primary_judge": "rule:phrase"},
            "protocol.primary_judge",
            "no rule judge named 'rule:phrase'; did you mean 'rule:phrases'?",
        ),
        (
            {"primary_judge": "opnai:x"},
            "protocol.primary_judge",
            "'opnai:x': no kind of target named 'opnai'; did you mean 'openai'?",
        ),
    ],
)  # fmt: skip
def test_what_a_protocol_names_has_to_be_there(protocol: dict[str, Any], path: str, told: str) -> None:
    assert _found(protocol, systems=("openai",), rules=("refusal",)) == [(path, told)]


def test_everything_wrong_is_told_at_once() -> None:
    wrong = {"thresholds": {"x": 0.1}, "must_never": ["y"], "arms": ["z"], "primary_judge": "rule:none"}
    told = [path for path, _ in _found(wrong, rules=())]
    assert told == [
        "protocol.arms[0]",
        "protocol.thresholds.x",
        "protocol.must_never[0]",
        "protocol.primary_judge",
    ]


@pytest.mark.parametrize("judge", ["rule:phrases", "system", "openai:anything", "rule:other", "the nurse"])
def test_whoever_can_judge_can_be_the_primary_judge(judge: str) -> None:
    assert _found({"primary_judge": judge}, systems=("openai",), rules=("refusal", "other")) == []


def test_a_case_that_only_the_store_has_may_be_named() -> None:
    assert _found({"must_never": ["imported-7"]}, cases=("imported-7",)) == []
    assert _found({"must_never": ["imported-7"]}, cases=None) == []


@pytest.mark.parametrize(
    ("change", "path", "told"),
    [
        ({"thresholds": {"refusal": 0}}, "thresholds.refusal", "0 is too small; expected at least 1e-06"),
        ({"thresholds": {"refusal": 5}}, "thresholds.refusal", "5 is too large; expected less than 1"),
        ({"attempts": 0}, "attempts", "0 is too small; expected at least 1"),
        ({"attempts": {"full": 0}}, "attempts.full", "0 is too small; expected at least 1"),
        ({"attempts": "many"}, "attempts", "'many' is not a whole number or a mapping"),
        ({"weight": "casse"}, "weight", "'casse' is not one of 'cluster' or 'case'; did you mean 'case'?"),
        ({"primary_juge": "x"}, "primary_juge", "unknown field 'primary_juge'; did you mean 'primary_judge'?"),
    ],
)  # fmt: skip
def test_what_is_no_value_of_a_field_is_told_with_it(change: dict[str, Any], path: str, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Protocol.model_validate({"plan": "x", **change})
    assert [(join_path(at), said) for at, said in issues_of(caught.value, Protocol)] == [(path, told)]


def test_a_protocol_without_fields_keeps_the_digest_its_study_had() -> None:
    """The content is what it was before there were fields, so every digest that names it still does."""
    head = small_study().head
    assert head.content()["protocol"] == {"plan": "Count."}
    assert head.content_digest() == digest({"kind": "study", **head.content()})
    written_out: dict[str, Any] = {
        "plan": "Count.",
        "weight": "cluster",
        "arms": [],
        "thresholds": {},
        "family": [],
    }
    assert small_study(protocol=written_out).head.content_digest() == head.content_digest()


def test_the_digest_names_what_was_planned_and_no_deviation() -> None:
    whole = Protocol.model_validate(WHOLE)
    assert whole.digest() == Protocol.model_validate({**WHOLE, "deviations": ["Other ones."]}).digest()
    assert short(whole.digest()) == whole.digest()[:15] and len(short(whole.digest())) == len("sha256:") + 8
    changes: dict[str, Any] = {
        "plan": "Otherwise.",
        "primary_judge": "system",
        "unit": "turn_alone",
        "weight": "cluster",
        "arms": ["full"],
        "attempts": 2,
        "thresholds": {"refusal": 0.06, "all": 0.1},
        "must_never": ["harm"],
        "family": ["no_context+no_history"],
    }
    assert {*changes, "deviations"} == set(Protocol.model_fields)
    digests = {Protocol.model_validate({**WHOLE, field: value}).digest() for field, value in changes.items()}
    assert len(digests | {whole.digest()}) == len(changes) + 1


def test_what_follows_from_the_arms() -> None:
    whole = Protocol.model_validate(WHOLE)
    assert (whole.base, whole.comparisons) == ("full", ("no_context",))
    assert [whole.attempts_in(arm) for arm in whole.arms] == [2, 1, None]
    plain = Protocol.model_validate(
        {"plan": "x", "arms": ["full", "no_context", "no_persona"], "attempts": 3}
    )
    assert (plain.comparisons, plain.attempts_in("no_persona")) == (("no_context", "no_persona"), 3)
    assert (Protocol(plan="x").base, Protocol(plan="x").comparisons) == (None, ())
