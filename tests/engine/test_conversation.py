"""Who speaks next, and what the target is given of what was said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate_support import turns
from redloom.domain.interaction import Message
from redloom.domain.rendering import Rendering
from redloom.domain.run import RunSpec, item_seed
from redloom.domain.target import Decoding, Prices, Target
from redloom.engine.conversation import End, Open, Say, messages, next_step
from redloom.engine.plan import estimate, items, size


def refuses(reply: str) -> bool:
    return reply == "No."


def rendering(
    *said: str, opening: str | None = None, asks: bool = False, stop: str = "script_end"
) -> Rendering:
    return Rendering("", opening, asks, said, {}, stop)


@pytest.mark.parametrize(
    ("given_rendering", "so_far", "expected"),
    [
        (rendering("a", "b"), (), Say("a")),
        (rendering("a", "b"), (("a", "A"),), Say("b")),
        (rendering("a", "b"), (("a", "A"), ("b", "B")), End("script_end")),
        (rendering(), (), End("script_end")),
        (rendering("a", opening="Hi"), (), Open("Hi")),
        (rendering("a", opening="Hi"), ((None, "Hi"),), Say("a")),
        (rendering("a", opening="Hi"), ((None, "Hi"), ("a", "A")), End("script_end")),
        (rendering("a", asks=True), (), Say(None)),
        (rendering("a", asks=True), ((None, "Hello"),), Say("a")),
        (rendering("a", asks=True), ((None, "Hello"), ("a", "A")), End("script_end")),
        (rendering("a", "b"), (("a", "No."),), Say("b")),
        (rendering("a", "b", stop="first_refusal"), (("a", "A"),), Say("b")),
        (rendering("a", "b", stop="first_refusal"), (("a", "No."),), End("user_left")),
        (rendering("a", "b", stop="first_refusal"), (("a", "A"), ("b", "No.")), End("script_end")),
        (rendering("a", "b", "c", stop="first_refusal"), (("a", "A"), ("b", "No.")), End("user_left")),
        (rendering("a", opening="No.", stop="first_refusal"), ((None, "No."),), Say("a")),
        (rendering("a", asks=True, stop="first_refusal"), ((None, "No."),), Say("a")),
    ],
)
def test_who_speaks_next(given_rendering: Rendering, so_far: Any, expected: object) -> None:
    assert next_step(given_rendering, turns(*so_far), is_refusal=refuses) == expected


@given(
    said=st.lists(st.text(min_size=1), min_size=1, max_size=5),
    opening=st.sampled_from(["none", "scripted", "asked"]),
)
def test_a_conversation_alternates_and_ends_after_the_script(said: list[str], opening: str) -> None:
    given_rendering = rendering(
        *said, opening="Hi" if opening == "scripted" else None, asks=opening == "asked"
    )
    pairs: list[tuple[str | None, str]] = []
    asked = 0
    while not isinstance(step := next_step(given_rendering, turns(*pairs), is_refusal=refuses), End):
        if isinstance(step, Open):
            pairs.append((None, step.reply))
            continue
        roles = [message.role for message in messages(turns(*pairs), step)]
        first = "user" if opening == "none" else "assistant"
        other = {"user": "assistant", "assistant": "user"}
        assert roles == [first if n % 2 == 0 else other[first] for n in range(len(roles))]
        asked += 1
        pairs.append((step.text, f"reply {asked}"))
    assert [text for text, _ in pairs if text is not None] == said
    assert asked == len(said) + (opening == "asked")


def test_the_target_is_given_the_whole_conversation_with_the_new_text_last() -> None:
    so_far = turns((None, "Hi"), ("a", "A"))
    assert messages(so_far, Say("b")) == (
        Message("assistant", "Hi"),
        Message("user", "a"),
        Message("assistant", "A"),
        Message("user", "b"),
    )
    assert messages((), Say(None)) == ()


def spec(**attempts: int) -> RunSpec:
    target = Target(
        system="openai:mock", decoding=Decoding(max_tokens=10), prices=Prices(input=1.0, output=2.0)
    )
    return RunSpec(
        study="s",
        version="1",
        release_digest="d",
        frame="release",
        target_name="t",
        target=target,
        target_digest="d",
        arms=tuple(attempts),
        attempts=attempts,
        seed=3,
    )


def test_every_arm_and_attempt_of_a_stimulus_is_an_item_and_arms_share_their_seeds() -> None:
    found = list(items(spec(full=3, no_context=2), "sha256:a"))
    assert [(item.arm, item.index) for item in found] == [
        ("full", 0),
        ("full", 1),
        ("full", 2),
        ("no_context", 0),
        ("no_context", 1),
    ]
    seeds = {arm: [item.seed for item in found if item.arm == arm] for arm in ("full", "no_context")}
    assert seeds["no_context"] == seeds["full"][:2]
    assert len(set(seeds["full"])) == 3
    assert size(spec(full=3, no_context=2), 7) == 35


def test_raising_attempts_or_adding_an_arm_keeps_the_items_there_are() -> None:
    small = set(items(spec(full=2), "sha256:a"))
    assert small < set(items(spec(full=4, no_history=1), "sha256:a"))


@given(st.integers(0, 2**40), st.text(), st.integers(0, 1000))
def test_a_seed_fits_where_targets_take_one(run_seed: int, stimulus: str, index: int) -> None:
    assert 0 <= item_seed(run_seed, stimulus, index) < 2**31
    assert item_seed(run_seed, stimulus, index) == item_seed(run_seed, stimulus, index)


def test_an_estimate_counts_every_request_with_the_history_it_carries() -> None:
    by_arm = {"full": rendering("a" * 40, "b" * 40, asks=True), "no_history": rendering("c" * 80)}
    found = estimate(spec(full=2, no_history=1), iter([by_arm, by_arm]))
    assert (found.items, found.requests) == (6, 14)
    # one conversation of full: opening 1, then 1 + 10 + 11 = 22, then 22 + 10 + 11 = 43 tokens in; no_history: 21
    assert found.tokens_in == 2 * (2 * (1 + 22 + 43) + 21)
    assert found.tokens_out == 2 * (2 * 30 + 10)
    assert found.cost == (found.tokens_in * 1.0 + found.tokens_out * 2.0) / 1e6
