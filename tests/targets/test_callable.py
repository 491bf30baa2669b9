"""``python:module:function``: functions of one's own as targets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import asking
from redloom.errors import (
    BlockedError,
    InputError,
    MalformedError,
    RejectedError,
    TargetError,
    UnavailableError,
)
from redloom.targets.callable import CallableClient


def reply_of(function: Callable[..., Any], **more: Any) -> str:
    client = CallableClient(function, "ours:answer")
    return asyncio.run(client.reply(asking("One", "Two", "Three", **more))).text


async def slowly(messages: list[dict[str, str]]) -> str:
    await asyncio.sleep(0)
    return "async " + messages[-1]["content"]


class Model:
    async def __call__(self, messages: list[dict[str, str]], system: str) -> str:
        return f"{system} {len(messages)}"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda messages: str(messages[0]), "{'role': 'user', 'content': 'One'}"),
        (lambda messages, system: system, "Be kind."),
        (lambda messages, seed, fields: f"{seed} {fields}", "5 {'a': 'b'}"),
        (lambda messages, **given: ",".join(sorted(given)), "fields,seed,system"),
        (slowly, "async Three"),
        (Model(), "Be kind. 3"),
    ],
)
def test_a_function_is_given_the_messages_and_the_keywords_it_takes(
    function: Callable[..., Any], expected: str
) -> None:
    assert reply_of(function, system="Be kind.", seed=5, fields={"a": "b"}) == expected


@pytest.mark.parametrize(
    ("function", "system_prompt", "fields"),
    [
        (lambda messages: "", False, False),
        (lambda messages, system: "", True, False),
        (lambda messages, fields: "", False, True),
        (lambda messages, **given: "", True, True),
    ],
)
def test_its_keywords_say_what_it_can_take(function: Any, system_prompt: bool, fields: bool) -> None:
    able = CallableClient(function, "ours:answer").capabilities
    assert (able.system_prompt, able.request_fields) == (system_prompt, fields)


def failing(messages: object) -> str:
    raise ValueError("no model loaded")


async def failing_later(messages: object) -> str:
    raise ValueError("no model loaded")


@pytest.mark.parametrize("function", [failing, failing_later])
def test_a_function_that_raises_is_a_failure_of_that_attempt(function: Any) -> None:
    with pytest.raises(RejectedError, match="ours:answer raised ValueError: no model loaded") as raised:
        reply_of(function)
    assert not raised.value.retryable
    assert not raised.value.stops


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError("late")])
def test_a_connection_of_the_function_s_own_that_fails_is_tried_again(error: Exception) -> None:
    def cut_off(messages: object) -> str:
        raise error

    with pytest.raises(UnavailableError, match=f"raised {type(error).__name__}: {error}") as raised:
        reply_of(cut_off)
    assert raised.value.retryable


def test_a_function_may_raise_a_target_error_of_its_own() -> None:
    def filtered(messages: object) -> str:
        raise BlockedError("the filter took it")

    with pytest.raises(BlockedError, match="the filter took it"):
        reply_of(filtered)


@pytest.mark.parametrize(
    ("value", "told"), [(None, "NoneType"), (b"Hi", "bytes"), ({"a": 1}, "dict"), (7, "int")]
)
def test_anything_but_a_text_is_malformed(value: object, told: str) -> None:
    with pytest.raises(MalformedError, match=f"returned {told}; expected a text"):
        reply_of(lambda messages: value)


def test_a_text_that_no_database_can_hold_is_malformed() -> None:
    with pytest.raises(TargetError, match="not Unicode") as caught:
        reply_of(lambda messages: "half a \ud83d")
    assert type(caught.value) is MalformedError


def test_a_module_in_the_folder_is_found_and_the_path_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    (tmp_path / "our_bot_found.py").write_text("def answer(messages):\n    return 'from the folder'\n")
    before = list(sys.path)
    client = CallableClient.load("our_bot_found:answer", tmp_path)
    assert asyncio.run(client.reply(asking("Hello"))).text == "from the folder"
    assert sys.path == before


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ("our_bot_broken", "not of the form python:module:function"),
        ("our_bot_missing:answer", "cannot import 'our_bot_missing'"),
        ("our_bot_broken:answer", "cannot import 'our_bot_broken': SyntaxError"),
        ("our_bot_raising:answer", "cannot import 'our_bot_raising': RuntimeError: no licence"),
        ("our_bot_empty:answer", "module 'our_bot_empty' has no function 'answer'"),
        ("our_bot_empty:number", "module 'our_bot_empty' has no function 'number'"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_told_in_one_sentence(
    tmp_path: Path, rest: str, told: str
) -> None:
    (tmp_path / "our_bot_broken.py").write_text("def answer(:\n")
    (tmp_path / "our_bot_raising.py").write_text("raise RuntimeError('no licence')\n")
    (tmp_path / "our_bot_empty.py").write_text("number = 5\n")
    with pytest.raises(InputError) as caught:
        CallableClient.load(rest, tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
