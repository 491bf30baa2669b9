"""``anthropic:`` against real servers on the loopback."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from evaluate_support import Answer, Answering, Received, asking, closing, serving, unused_port
from redloom.domain.interaction import Message
from redloom.domain.run import Budget
from redloom.domain.target import Decoding, Limits, Target
from redloom.errors import (
    BlockedError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    SetupError,
    TargetError,
    UnavailableError,
)
from redloom.targets.anthropic import SILENCE, AnthropicClient
from redloom.targets.base import Reply, Request
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience, Tries

KEY = "sk-ant-very-secret-123"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def message(*blocks: Any, stop_reason: Any = "end_turn", **more: Any) -> dict[str, Any]:
    """A message as the interface gives it; a plain text becomes a block."""
    content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
    usage = {"input_tokens": 11, "output_tokens": 7}
    return {"type": "message", "content": content, "stop_reason": stop_reason, "usage": usage, **more}


def error(kind: str, said: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_1"}


def connect(url: str, *, model: str = "mock", environment: Any = None, **more: Any) -> AnthropicClient:
    target = Target(system=f"anthropic:{model}", base_url=url, **more)
    return AnthropicClient(target, model, environment or {})


def reply_of(answer: Answer, request: Any = None, **more: Any) -> Reply:
    with serving(lambda _: answer) as server:
        client = connect(server.url, **more)
        return closing(client, client.reply(request or asking("Hello")))


def failure_of(answer: Answer, **more: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        reply_of(answer, **more)
    return caught.value


def sent(request: Any, **more: Any) -> Received:
    with serving(lambda _: Answer(body=message("Hi"))) as server:
        client = connect(server.url, **more)
        closing(client, client.reply(request))
        return server.received[0]


def test_the_conversation_is_sent_with_the_system_prompt_apart() -> None:
    received = sent(asking("One", "Two", "Three", system="Be kind."))
    assert (received.method, received.path) == ("POST", "/v1/messages")
    assert received.headers["anthropic-version"] == "2023-06-01"
    assert received.body == {
        "model": "mock",
        "max_tokens": 1024,
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three"},
        ],
    }


def test_decoding_is_sent_by_the_provider_s_names_and_a_seed_is_not() -> None:
    decoding = Decoding(temperature=0.5, top_p=0.9, max_tokens=20, stop=("END",), extra={"top_k": 3})
    body = sent(asking("One", seed=77), decoding=decoding).body
    del body["messages"]
    assert body == {
        "model": "mock",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 20,
        "stop_sequences": ["END"],
        "top_k": 3,
    }


def test_a_request_overrides_the_declared_decoding() -> None:
    body = sent(
        asking("One", temperature=0.0, max_tokens=5), decoding=Decoding(temperature=1.0, max_tokens=99)
    ).body
    assert (body["temperature"], body["max_tokens"]) == (0.0, 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), [("user", SILENCE)]),
        (
            (("assistant", "Welcome!"), ("user", "Hi")),
            [("user", SILENCE), ("assistant", "Welcome!"), ("user", "Hi")],
        ),
        ((("user", "One"), ("user", "Two")), [("user", "One\n\nTwo")]),
        (
            (("user", "One"), ("assistant", "A"), ("assistant", "B"), ("user", "Two")),
            [("user", "One"), ("assistant", "A\n\nB"), ("user", "Two")],
        ),
        ((("user", "One"), ("assistant", " \n"), ("user", "Two")), [("user", "One\n\nTwo")]),
    ],
)
def test_messages_begin_with_a_user_and_take_turns(given: Any, expected: Any) -> None:
    request = Request(messages=tuple(Message(role, text) for role, text in given))
    assert [(m["role"], m["content"]) for m in sent(request).body["messages"]] == expected


def test_a_schema_becomes_a_tool_that_has_to_be_used_and_its_arguments_the_text() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "answer", "input": {"a": "é", "b": [1, None]}}
    with serving(lambda _: Answer(body=message("Well.", block, stop_reason="tool_use"))) as server:
        client = connect(server.url)
        reply = closing(client, client.reply(asking("One", schema=SCHEMA)))
    body = server.received[0].body
    assert [(tool["name"], tool["input_schema"]) for tool in body["tools"]] == [("answer", SCHEMA)]
    assert (body["tool_choice"]["type"], body["tool_choice"]["name"]) == ("tool", "answer")
    assert (reply.text, reply.finish_reason) == ('{"a":"é","b":[1,null]}', "stop")


def test_a_refusal_instead_of_the_tool_is_its_text() -> None:
    reply = reply_of(Answer(body=message("I won't.", stop_reason="refusal")), asking("One", schema=SCHEMA))
    assert (reply.text, reply.finish_reason) == ("I won't.", "refusal")


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "pause_turn"),
        (None, None),
        (7, None),
    ],
)
def test_text_stop_reason_and_usage_are_read(stop_reason: Any, expected: str | None) -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "x"}
    body = message(thinking, "Hi ", "there", stop_reason=stop_reason)
    assert reply_of(Answer(body=body)) == Reply(
        text="Hi there", finish_reason=expected, tokens_in=11, tokens_out=7
    )


def test_a_refusal_without_a_word_is_an_answer() -> None:
    reply = reply_of(Answer(body=message(stop_reason="refusal")))
    assert (reply.text, reply.finish_reason) == ("", "refusal")


def test_tokens_that_a_cache_took_or_gave_are_tokens_in() -> None:
    usage = {
        "input_tokens": 11,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": None,
        "output_tokens": 7,
    }
    assert reply_of(Answer(body=message("Hi", usage=usage))).tokens_in == 111


@pytest.mark.parametrize(
    "block",
    [
        {"type": "redacted_thinking", "data": "x"},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
        {"type": "something_new", "text": "not a reply"},
    ],
)
def test_blocks_that_are_not_the_reply_are_left_out(block: dict[str, Any]) -> None:
    assert (
        reply_of(Answer(body=message(block, {"type": "text", "text": "Hi", "citations": None}))).text == "Hi"
    )


@pytest.mark.parametrize("usage", [None, "many", [], {"input_tokens": "11"}, {"input_tokens": 2**70}, 7])
def test_usage_that_is_no_number_of_tokens_is_left_open(usage: Any) -> None:
    reply = reply_of(Answer(body=message("Hi", usage=usage)))
    assert (reply.text, reply.tokens_in, reply.tokens_out) == ("Hi", None, None)


@pytest.mark.parametrize(
    ("answer", "kind", "retryable", "stops"),
    [
        (Answer(status=400, body=error("invalid_request_error", "bad")), RejectedError, False, False),
        (
            Answer(
                status=400, body=error("invalid_request_error", "Your credit balance is too low to go on")
            ),
            RejectedError,
            False,
            True,
        ),
        (
            Answer(
                status=400, body=error("invalid_request_error", "Output blocked by content filtering policy")
            ),
            BlockedError,
            False,
            None,
        ),
        (Answer(status=401, body=error("authentication_error", "no such key")), RejectedError, False, True),
        (Answer(status=402, body=error("billing_error", "pay")), RejectedError, False, True),
        (Answer(status=429, body=error("enforced_spend_limit_reached", "wait")), RejectedError, False, True),
        (
            Answer(
                status=400,
                body=error("invalid_request_error", "You have reached your specified API usage limits."),
            ),
            RejectedError,
            False,
            True,
        ),
        (Answer(status=403, body=error("permission_error", "not yours")), RejectedError, False, True),
        (Answer(status=404, body=error("not_found_error", "model: mook")), RejectedError, False, True),
        (Answer(status=409, body=error("conflict_error", "try again")), UnavailableError, True, None),
        (Answer(status=413, body=error("request_too_large", "too long")), RejectedError, False, False),
        (Answer(status=429, body=error("rate_limit_error", "slow")), RateLimitedError, True, None),
        (Answer(status=500, body=error("api_error", "oops")), UnavailableError, True, None),
        (Answer(status=529, body=error("overloaded_error", "Overloaded")), UnavailableError, True, None),
        (Answer(status=504, body=error("timeout_error", "late")), UnavailableError, True, None),
        (Answer(body=error("overloaded_error", "Overloaded")), MalformedError, True, None),
        (Answer(body={"type": "message"}), MalformedError, True, None),
        (Answer(body={"content": "Hi"}), MalformedError, True, None),
        (Answer(body={"content": [{"text": "Hi"}]}), MalformedError, True, None),
        (Answer(body={"content": [{"type": "text", "text": 7}]}), MalformedError, True, None),
        (Answer(body={"content": [{"type": "tool_use"}]}), MalformedError, True, None),
        (Answer(body=[1, 2]), MalformedError, True, None),
        (Answer(body=None), MalformedError, True, None),
        (Answer(body=b"<html>"), MalformedError, True, None),
        (Answer(body=message("Hi"), cut_off=True), UnavailableError, True, None),
    ],
)
def test_failures_have_a_class_that_says_whether_another_try_helps(
    answer: Answer, kind: type[TargetError], retryable: bool, stops: bool | None
) -> None:
    failed = failure_of(answer)
    assert type(failed) is kind
    assert failed.retryable is retryable
    assert getattr(failed, "stops", None) is stops


@pytest.mark.parametrize("status", [429, 529])
def test_the_seconds_to_wait_are_kept(status: int) -> None:
    answer = Answer(status=status, body=error("overloaded_error", "Overloaded"), headers={"retry-after": "7"})
    assert failure_of(answer).retry_after == 7


def test_an_overloaded_endpoint_is_asked_again() -> None:
    answers = [Answer(status=529, body=error("overloaded_error", "Overloaded"), headers={"retry-after": "0"})]

    def answer(_: Received) -> Answer:
        return answers.pop() if answers else Answer(body=message("Hi"))

    async def patiently(client: AnthropicClient) -> Reply:
        meter = Meter(Budget(), time.monotonic)
        patience = Patience(limits=Limits(), prices=None, concurrency=1, meter=meter, jitter=random.Random(1))
        return await patience.ask(client.reply, asking("Hello"), Tries())

    with serving(answer) as server:
        client = connect(server.url)
        assert closing(client, patiently(client)).text == "Hi"
        assert len(server.received) == 2


def test_the_key_goes_into_its_own_header() -> None:
    received = sent(asking("One"), key_env="WARD_KEY", environment={"WARD_KEY": f" {KEY}\n"})
    assert received.headers["x-api-key"] == KEY
    assert "Authorization" not in received.headers


def test_no_key_is_sent_elsewhere_where_none_is_named() -> None:
    assert "x-api-key" not in sent(asking("One"), environment={"ANTHROPIC_API_KEY": KEY}).headers


@pytest.mark.parametrize("base_url", [None, "https://api.anthropic.com", "https://api.anthropic.com/v1/"])
def test_anthropic_itself_wants_its_key(base_url: str | None) -> None:
    with pytest.raises(SetupError, match="ANTHROPIC_API_KEY"):
        AnthropicClient(Target(system="anthropic:m", base_url=base_url), "m", {})


def test_an_address_may_end_with_its_version_and_come_from_the_environment() -> None:
    with serving(lambda _: Answer(body=message("Hi"))) as server:
        for base_url, named in ((f"{server.url}/v1", ""), (None, f"{server.url}/")):
            target = Target(system="anthropic:m", base_url=base_url)
            client = AnthropicClient(target, "m", {"ANTHROPIC_BASE_URL": named})
            closing(client, client.reply(asking("One")))
        assert [one.path for one in server.received] == ["/v1/messages"] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 529])
def test_a_key_that_the_endpoint_repeats_stands_in_no_error(status: int) -> None:
    def echo(received: Received) -> Answer:
        return Answer(status=status, body=error("x", f"refused: {received.headers['x-api-key']}"))

    with serving(echo) as server:
        client = connect(server.url, key_env="WARD_KEY", environment={"WARD_KEY": KEY})
        with pytest.raises(TargetError) as caught:
            closing(client, client.reply(asking("Hello")))
    assert "refused: ***" in str(caught.value)
    assert KEY not in str(caught.value) + repr(caught.value.__cause__)


def listing(*models: str, reply: Callable[[], Answer] = lambda: Answer(body=message("Hi"))) -> Answering:
    def answer(received: Received) -> Answer:
        if received.path.startswith("/v1/models?"):
            return Answer(
                body={"data": [{"type": "model", "id": name} for name in models], "has_more": False}
            )
        return reply()

    return answer


def checked(answer: Answering, model: str = "mock") -> str:
    with serving(answer) as server:
        client = connect(server.url, model=model)
        return closing(client, client.check())


def test_a_check_finds_the_model_among_those_listed() -> None:
    assert checked(listing("other", "mock")).endswith("answers and has 'mock'")


def test_a_check_tries_a_model_that_is_not_listed() -> None:
    assert "though it does not list it" in checked(listing("other"), "alias")
    missing = Answer(status=404, body=error("not_found_error", "model: mook"))
    with pytest.raises(SetupError, match="did you mean 'mock'"):
        checked(listing("mock", reply=lambda: missing), "mook")


def test_a_check_names_the_variable_of_a_key_that_is_refused() -> None:
    with serving(lambda _: Answer(status=401, body=error("authentication_error", "invalid"))) as server:
        client = connect(server.url, key_env="WARD_KEY", environment={"WARD_KEY": KEY})
        with pytest.raises(SetupError, match="refuses the key in WARD_KEY"):
            closing(client, client.check())


def test_an_endpoint_that_is_not_there_fails_the_check() -> None:
    client = connect(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(SetupError, match="cannot be reached"):
        closing(client, client.check())


def test_many_requests_go_out_at_once() -> None:
    async def many(client: AnthropicClient) -> list[Reply]:
        return await asyncio.gather(*(client.reply(asking("Hello")) for _ in range(8)))

    with serving(lambda _: Answer(body=message("Hi"), delay=0.2)) as server:
        client = connect(server.url)
        started = time.monotonic()
        assert len(closing(client, many(client))) == 8
    assert time.monotonic() - started < 1.2
