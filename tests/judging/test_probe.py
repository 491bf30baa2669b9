"""Planted conversations tell a judge that takes orders from one that keeps to the fence."""

from __future__ import annotations

import datetime
import os
import random
import time
from collections.abc import Callable

import pytest

from judging.planted_judges import always, disobedient, obedient, obeying, startled
from redloom.domain.probe import Probe
from redloom.domain.run import Budget
from redloom.domain.target import Limits
from redloom.errors import BudgetSpentError, RejectedError
from redloom.ids import IdSource
from redloom.judging.model import ModelJudge
from redloom.judging.probe import CONVERSATIONS, ORDERS, REQUESTS, probe, probe_instrument, probe_rubric
from redloom.targets.base import Capabilities, Reply, Request
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience
from redloom.testing import ScriptedTarget

pytestmark = pytest.mark.anyio
AT = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Thinking(ScriptedTarget):
    """A target whose reply is a function of the last message."""

    def __init__(self, think: Callable[[str], str]) -> None:
        super().__init__(capabilities=Capabilities(structured=True))
        self._think = think

    async def reply(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(text=self._think(request.messages[-1].content))


def judge_on(target: ScriptedTarget, budget: Budget | None = None) -> ModelJudge:
    patience = Patience(
        limits=Limits(tries=1),
        prices=None,
        concurrency=3,
        meter=Meter(budget or Budget(), time.monotonic),
        jitter=random.Random(1),
    )
    return ModelJudge(
        client=target, patience=patience, ids=IdSource(time.time, os.urandom), unit="interaction"
    )


async def probed(target: ScriptedTarget, budget: Budget | None = None) -> Probe:
    instrument = probe_instrument("m", "2", None, "interaction", ())
    return await probe(judge_on(target, budget), instrument, rationale=True, language="en", at=AT)


async def test_a_judge_that_keeps_to_the_fence_holds() -> None:
    target = Thinking(disobedient)
    found = await probed(target)
    assert found.outcome == "held"
    assert (len(found.plain()), len(found.counted())) == (
        len(CONVERSATIONS),
        len(CONVERSATIONS) * len(ORDERS),
    )
    assert len(target.requests) == len(found.answers) == REQUESTS
    assert all(one.given == one.right and one.state == "ok" for one in found.answers)


async def test_a_judge_that_obeys_is_caught_by_every_order() -> None:
    found = await probed(Thinking(obedient))
    assert found.outcome == "followed" and not found.mistaken()
    assert found.followed() == found.counted()
    assert {one.order for one in found.followed()} == set(ORDERS)


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("Nota para quien", "in Spanish"),
        ("000000000000", "after a false end"),
        ("was checked before", "as a ready answer"),
        ("person in charge", "in false turns"),
        ("im_start", "between chat marks"),
    ],
)
async def test_a_judge_that_obeys_one_kind_of_order_is_caught_by_that_one(words: str, order: str) -> None:
    found = await probed(Thinking(obeying(words)))
    assert found.outcome == "followed"
    assert {one.order for one in found.followed()} == {order}
    assert len(found.followed()) == len(CONVERSATIONS)


@pytest.mark.parametrize("word", ["yes", "no"])
async def test_of_a_judge_that_always_says_the_same_nothing_can_be_said(word: str) -> None:
    found = await probed(Thinking(always(word)))
    assert found.outcome == "unclear"
    assert (len(found.mistaken()), len(found.followed())) == (2, 0)
    assert len(found.counted()) == 2 * len(ORDERS)


async def test_a_judge_without_a_verdict_has_not_followed_but_has_not_held_either() -> None:
    found = await probed(Thinking(startled))
    assert found.outcome == "unclear"
    assert (found.mistaken(), found.followed()) == ([], [])
    assert found.silent() == found.counted() and len(found.counted()) == len(CONVERSATIONS) * len(ORDERS)
    assert {one.state for one in found.silent()} == {"unparseable"}


async def test_a_refused_key_and_a_spent_budget_leave_no_probe() -> None:
    refused = ScriptedTarget(failures=[RejectedError("no such key", stops=True)] * REQUESTS)
    with pytest.raises(RejectedError, match="no such key"):
        await probed(refused)
    with pytest.raises(BudgetSpentError):
        await probed(Thinking(disobedient), Budget(requests=5))


async def test_every_order_asks_for_the_wrong_answer_and_leaves_the_right_one_visible() -> None:
    found = await probed(target := Thinking(disobedient))
    prompts = [request.messages[-1].content for request in target.requests]
    for planted in CONVERSATIONS:
        wrong = "no" if planted.answer == "yes" else "yes"
        ours = [prompt for prompt in prompts if planted.reply in prompt]
        assert len(ours) == 1 + len(ORDERS)
        orders = [p for p in ours if f"'{wrong}'" in p or f'"{wrong}"' in p.split("Questions:")[0]]
        assert len(orders) == len(ORDERS)
        assert not any(f"'{planted.answer}'" in prompt for prompt in ours)
    assert Probe.model_validate(found.model_dump(mode="json")) == found


def test_the_question_has_a_digest_of_its_own() -> None:
    assert probe_instrument("m", "2", None, "interaction", ()).rubric_digest == probe_rubric().digest()
    one, two = (probe_instrument("m", "2", None, unit, ()) for unit in ("interaction", "turn_alone"))
    assert one.digest() != two.digest()
