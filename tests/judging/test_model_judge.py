"""A model as a judge: what becomes of its answers, its refusals and its failures."""

from __future__ import annotations

import os
import random
import time
from typing import Any

import pytest

from evaluate_support import turns
from judging.test_prompt import RUBRIC
from redloom.domain.judge import Unit
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.run import Budget
from redloom.domain.target import Limits, Prices
from redloom.errors import (
    BlockedError,
    BudgetSpentError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    TargetError,
    UnavailableError,
)
from redloom.ids import IdSource
from redloom.judging.model import ModelJudge
from redloom.judging.prompt import SYSTEM, Brief
from redloom.targets.base import Capabilities
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience, Stopped
from redloom.testing import ScriptedRule, ScriptedTarget

pytestmark = pytest.mark.anyio
TALK = turns((None, "Welcome"), ("How many?", "Two."), ("And now?", "Twenty."))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def judge_of(
    target: ScriptedTarget, *, unit: Unit = "interaction", tries: int = 1, **more: Any
) -> ModelJudge:
    patience = Patience(
        limits=Limits(tries=tries),
        prices=more.get("prices"),
        concurrency=2,
        meter=Meter(more.get("budget") or Budget(), time.monotonic),
        jitter=random.Random(1),
    )
    return ModelJudge(client=target, patience=patience, ids=IdSource(time.time, os.urandom), unit=unit)


async def judged(target: ScriptedTarget, *, rationale: bool = True, **more: Any) -> list[Judgement]:
    judge = judge_of(target, **more)
    brief = Brief(rubric=RUBRIC, language="en", rationale=rationale)
    return [one async for one in judge.judge(TALK, brief, Instrument(rater_kind="model", rater="m"))]


async def test_an_answer_becomes_a_verdict_with_the_path_that_led_to_it() -> None:
    target = ScriptedTarget(otherwise='{"dose": "yes", "much": "yes", "why": "Twenty is too many."}')
    (found,) = await judged(target)
    assert (found.state, found.verdict, found.turn) == ("ok", "harm", None)
    assert found.answers == (("dose", "yes"), ("much", "yes"))
    assert found.rationale == "Twenty is too many."
    assert found.interaction == TALK[0].interaction
    assert found.instrument == Instrument(rater_kind="model", rater="m").digest()
    assert found.raw is None


async def test_answers_off_the_path_are_not_kept() -> None:
    (found,) = await judged(ScriptedTarget(otherwise='{"dose": "no", "much": "yes"}'))
    assert (found.verdict, found.answers) == ("no_harm", (("dose", "no"),))


async def test_a_verdict_that_depends_on_something_names_what_is_missing() -> None:
    (found,) = await judged(ScriptedTarget(otherwise='{"dose": "yes", "much": "not sure"}'))
    assert (found.verdict, found.missing_fact) == ("depends_on", "The weight.")


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("I'm sorry, but I can't help with that.", "refused"),
        ("Lo siento, no puedo ayudarte con eso.", "refused"),
        ("Hard to say.", "unparseable"),
        ("", "unparseable"),
        ('{"dose": "perhaps"}', "unparseable"),
    ],
)
async def test_what_cannot_be_read_is_a_state_and_kept_as_it_was(reply: str, state: str) -> None:
    (found,) = await judged(ScriptedTarget(otherwise=reply))
    assert (found.state, found.verdict, found.raw, found.answers) == (state, None, reply, ())


async def test_what_cannot_be_read_is_kept_in_bounds() -> None:
    (found,) = await judged(ScriptedTarget(otherwise="x" * 100_000))
    assert found.raw == "x" * 4000


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (BlockedError("the filter took it"), "refused"),
        (UnavailableError("gone"), "error"),
        (MalformedError("not JSON"), "error"),
        (RateLimitedError("slow down"), "error"),
        (RejectedError("too long"), "error"),
    ],
)
async def test_a_judge_that_fails_is_a_state_and_no_exception(failure: TargetError, state: str) -> None:
    (found,) = await judged(ScriptedTarget(failures=[failure] * 2))
    assert (found.state, found.rationale, found.verdict) == (state, str(failure), None)


async def test_a_judge_whose_endpoint_takes_no_schema_is_asked_in_plain_words_from_then_on() -> None:
    target = ScriptedTarget(
        failures=[RejectedError("unknown field response_format")], otherwise='{"dose": "no"}'
    )
    found = await judged(target, unit="turn_alone")
    assert {one.state for one in found} == {"ok"}
    plain = [request.schema is None and request.max_tokens is None for request in target.requests]
    assert plain == [False] + [True] * (len(plain) - 1)


async def test_what_every_request_would_meet_is_raised() -> None:
    with pytest.raises(RejectedError, match="wrong key"):
        await judged(ScriptedTarget(failures=[RejectedError("wrong key", stops=True)]))


async def test_a_spent_budget_and_a_stop_are_raised() -> None:
    with pytest.raises(BudgetSpentError):
        await judged(ScriptedTarget(otherwise='{"dose": "no"}'), unit="turn_alone", budget=Budget(requests=1))
    judge = judge_of(ScriptedTarget())
    judge.patience.stop.ask()
    with pytest.raises(Stopped):
        async for _ in judge.judge(TALK, Brief(rubric=RUBRIC), Instrument(rater_kind="model", rater="m")):
            pass


async def test_a_judge_is_tried_again_like_any_target() -> None:
    target = ScriptedTarget(
        failures=[RateLimitedError("slow down", retry_after=0)], otherwise='{"dose": "no"}'
    )
    (found,) = await judged(target, tries=2)
    assert (found.state, len(target.requests)) == ("ok", 2)


async def test_the_judges_request_is_cold_short_and_under_its_own_system_prompt() -> None:
    target = ScriptedTarget(otherwise='{"dose": "no"}')
    await judged(target)
    (request,) = target.requests
    assert (request.system, request.temperature, request.schema) == (SYSTEM, 0.0, None)
    assert [message.role for message in request.messages] == ["user"]
    assert request.max_tokens is not None and 100 < request.max_tokens < 400


async def test_less_room_is_given_where_no_reason_is_asked_for() -> None:
    targets = [ScriptedTarget(otherwise='{"dose": "no"}') for _ in range(2)]
    await judged(targets[0])
    await judged(targets[1], rationale=False)
    with_reason, without = (target.requests[0].max_tokens or 0 for target in targets)
    assert with_reason > without > 0


async def test_a_judge_that_can_be_held_to_a_schema_is() -> None:
    target = ScriptedTarget(otherwise='{"dose": "no"}', capabilities=Capabilities(structured=True))
    await judged(target)
    schema = target.requests[0].schema
    assert schema is not None and set(schema["properties"]) == {"dose", "much", "why"}


SHOWN: dict[Unit, list[tuple[bytes | None, list[str], bool]]] = {
    "interaction": [(None, ["Welcome", "How many?", "Two.", "And now?", "Twenty."], False)],
    "turn_alone": [(TALK[1].id, ["How many?", "Two."], False), (TALK[2].id, ["And now?", "Twenty."], False)],
    "turn_in_context": [
        (TALK[1].id, ["Welcome", "How many?", "Two."], True),
        (TALK[2].id, ["Welcome", "How many?", "Two.", "And now?", "Twenty."], True),
    ],
}


@pytest.mark.parametrize("unit", list(SHOWN))
async def test_a_judge_is_shown_what_its_unit_says(unit: Unit) -> None:
    target = ScriptedTarget(otherwise='{"dose": "no"}')
    found = await judged(target, unit=unit)
    assert [one.turn for one in found] == [turn for turn, _, _ in SHOWN[unit]]
    texts = ["Welcome", "How many?", "Two.", "And now?", "Twenty."]
    for request, (_, shown, only_last) in zip(target.requests, SHOWN[unit], strict=True):
        prompt = request.messages[0].content
        assert [text for text in texts if text in prompt] == shown
        assert ("Judge only the last reply" in prompt) is only_last


async def test_a_failure_on_one_turn_leaves_the_others_judged() -> None:
    rules = [ScriptedRule(message_has="Twenty.", reply='{"dose": "yes", "much": "yes"}')]
    target = ScriptedTarget(rules, failures=[UnavailableError("gone")])
    found = await judged(target, unit="turn_alone")
    assert [(one.state, one.verdict) for one in found] == [("error", None), ("ok", "harm")]


async def test_the_judges_tokens_are_charged() -> None:
    judge = judge_of(ScriptedTarget(otherwise='{"dose": "no"}' + " " * 400), prices=Prices(output=1.0))
    async for _ in judge.judge(TALK, Brief(rubric=RUBRIC), Instrument(rater_kind="model", rater="m")):
        pass
    assert judge.patience.meter.tokens > 100
