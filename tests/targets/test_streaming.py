"""Replies told while they come, against real servers on the loopback that stream, break off and talk nonsense."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from evaluate_support import Answer, Received, asking, closing, completion, serving
from redloom.domain.target import HttpStream, HttpTemplate, Target
from redloom.errors import (
    BlockedError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    TargetError,
    UnavailableError,
)
from redloom.targets.anthropic import AnthropicClient
from redloom.targets.base import Reply, Request
from redloom.targets.http import HttpClient
from redloom.targets.openai import OpenAIClient
from redloom.targets.transport import MAX_ANSWER

EVENTS = {"Content-Type": "text/event-stream"}
KEY = "sk-ant-very-secret-123"
HUGE = "é🙂" * 200_000
"""One event of it is longer than any buffer on the way."""


def openai(url: str) -> OpenAIClient:
    target = Target(system="openai:mock", base_url=f"{url}/v1", key_env="WARD_KEY")
    return OpenAIClient(target, "mock", {"WARD_KEY": KEY})


def anthropic(url: str) -> AnthropicClient:
    target = Target(system="anthropic:mock", base_url=url, key_env="WARD_KEY")
    return AnthropicClient(target, "mock", {"WARD_KEY": KEY})


def http(url: str) -> HttpClient:
    template = HttpTemplate(
        url=f"{url}/ask",
        body={"q": "{message}", "stream": True},
        headers={"X-Key": "${WARD_KEY}"},
        reply="answer",
        stream=HttpStream(part="choices[0].text", error="failure"),
    )
    return HttpClient(Target(system="http:desk", http=template), {"WARD_KEY": KEY})


Connect = Callable[[str], Any]
CLIENTS: dict[Connect, Callable[[str], Any]] = {
    openai: lambda text: {"choices": [{"delta": {"content": text}}]},
    anthropic: lambda text: {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    },
    http: lambda text: {"choices": [{"text": text}]},
}
"""How to connect -> an event with a piece of the reply."""
ENDS: dict[Connect, list[Any]] = {
    openai: [{"choices": [{"delta": {}, "finish_reason": "stop"}]}],
    anthropic: [{"type": "message_stop"}],
    http: [],
}


def event(value: Any, name: str = "") -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def streamed(connect: Connect, answer: Answer, request: Request | None = None) -> tuple[Reply, list[str]]:
    """The reply, and the parts it was told in."""
    told: list[str] = []
    with serving(lambda _: answer) as server:
        client = connect(server.url)
        reply = closing(client, client.stream(request or asking("Hello"), told.append))
    return reply, told


def events(*values: Any, **more: Any) -> Answer:
    return Answer(parts=[event(one) for one in values], headers=EVENTS, **more)


@pytest.mark.parametrize("connect", CLIENTS)
def test_each_part_is_told_before_the_next_is_there(connect: Connect) -> None:
    first, told = threading.Event(), list[str]()

    def take(text: str) -> None:
        told.append(text)
        first.set()

    part = CLIENTS[connect]
    last = b"".join(event(one) for one in (part("there"), *ENDS[connect]))
    answer = Answer(parts=[event(part("Hi ")), last], headers=EVENTS, hold=first)
    with serving(lambda _: answer) as server:
        client = connect(server.url)
        reply = closing(client, client.stream(asking("Hello"), take))
        assert server.received[0].body["stream"] is True
    assert first.is_set() and told == ["Hi ", "there"] and reply.text == "Hi there"


@pytest.mark.parametrize("connect", CLIENTS)
@pytest.mark.parametrize("size", [1, 7, 65_537])
def test_an_event_of_any_length_may_come_in_any_pieces(connect: Connect, size: int) -> None:
    text = HUGE if size > 7 else "é🙂 says\r\n\r\ndata: no"
    whole = b"".join(event(one) for one in (CLIENTS[connect](text), *ENDS[connect]))
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]
    reply, _ = streamed(connect, Answer(parts=parts, headers=EVENTS))
    assert reply.text == text


@pytest.mark.parametrize("connect", CLIENTS)
def test_comments_names_and_line_ends_of_both_kinds_are_taken(connect: Connect) -> None:
    values = (CLIENTS[connect]("Hi"), *ENDS[connect])
    lines = [f": a comment\r\nid: 1\r\ndata:{json.dumps(one)}\r\n\r\n" for one in values]
    assert streamed(connect, Answer(parts=["".join(lines).encode()], headers=EVENTS))[0].text == "Hi"


@pytest.mark.parametrize("connect", CLIENTS)
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (b"data: {not json}\n\n", MalformedError),
        (b"data: " + b"x" * (MAX_ANSWER + 1), MalformedError),
        (b'data: {"choices": [{"text": 7, "delta": 7}], "type": "message_start"}\n\n', MalformedError),
    ],
)
def test_what_is_no_event_is_a_failure_after_what_came(
    connect: Connect, bad: bytes, kind: type[TargetError]
) -> None:
    told: list[str] = []
    answer = Answer(parts=[event(CLIENTS[connect]("Hi")), bad], headers=EVENTS)
    with serving(lambda _: answer) as server:
        client = connect(server.url)
        with pytest.raises(kind):
            closing(client, client.stream(asking("Hello"), told.append))
    assert told == ["Hi"]


@pytest.mark.parametrize("connect", CLIENTS)
def test_a_connection_that_is_cut_is_a_failure_and_no_short_reply(connect: Connect) -> None:
    with pytest.raises(UnavailableError):
        streamed(connect, events(CLIENTS[connect]("Hi"), cut_off=True))


@pytest.mark.parametrize("connect", [openai, anthropic])
def test_a_stream_that_ends_before_its_reply_is_a_failure(connect: Connect) -> None:
    with pytest.raises(UnavailableError, match="broke off before the reply had ended"):
        streamed(connect, events(CLIENTS[connect]("Hi")))


def test_a_last_event_by_its_sign_ends_a_completion_without_a_reason() -> None:
    assert streamed(openai, events(CLIENTS[openai]("Hi"), "[DONE]"))[0].finish_reason is None


@pytest.mark.parametrize(
    ("connect", "error", "kind"),
    [
        (openai, {"error": {"message": "slow down", "code": 429}}, RateLimitedError),
        (openai, {"error": {"message": f"with {KEY}"}}, UnavailableError),
        (openai, {"error": {"message": "x", "code": "content_filter"}}, BlockedError),
        (openai, {"error": "broken"}, UnavailableError),
        (http, {"failure": f"with {KEY}"}, UnavailableError),
        (http, {"failure": {"message": "no"}}, UnavailableError),
        *(
            (anthropic, {"type": "error", "error": {"type": name, "message": f"with {KEY}"}}, kind)
            for name, kind in {
                "overloaded_error": UnavailableError,
                "api_error": UnavailableError,
                "rate_limit_error": RateLimitedError,
                "invalid_request_error": RejectedError,
                "something_new": UnavailableError,
            }.items()
        ),
        (anthropic, {"type": "error", "error": None}, UnavailableError),
    ],
)
def test_an_error_within_the_stream_has_the_class_it_would_have_before_it(
    connect: Connect, error: Any, kind: type[TargetError]
) -> None:
    with pytest.raises(TargetError) as caught:
        streamed(connect, events(CLIENTS[connect]("Hi"), error))
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("connect", "whole"),
    [
        (openai, completion("At once")),
        (anthropic, {"type": "message", "content": [{"type": "text", "text": "At once"}]}),
        (http, {"answer": "At once"}),
    ],
)
def test_an_endpoint_that_answers_at_once_all_the_same_is_understood(connect: Connect, whole: Any) -> None:
    reply, told = streamed(connect, Answer(body=whole, headers={"Content-Type": "application/json"}))
    assert (reply.text, told) == ("At once", ["At once"])


@pytest.mark.parametrize("connect", CLIENTS)
def test_what_is_turned_away_at_once_is_told_as_ever(connect: Connect) -> None:
    with pytest.raises(RateLimitedError) as caught:
        streamed(
            connect, Answer(status=429, body={"error": {"message": "slow"}}, headers={"retry-after": "7"})
        )
    assert caught.value.retry_after == 7


def test_a_message_is_read_from_its_events_with_usage_and_reason() -> None:
    usage = {"input_tokens": 11, "cache_read_input_tokens": 100, "output_tokens": 1}
    thinking = {"type": "thinking_delta", "thinking": "Hm."}
    reply, told = streamed(
        anthropic,
        events(
            {"type": "message_start", "message": {"content": [], "usage": usage}},
            {"type": "ping"},
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "thinking", "thinking": ""},
            },
            {"type": "content_block_delta", "index": 0, "delta": thinking},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "Well, "}},
            CLIENTS[anthropic]("no."),
            {"type": "something_new", "text": "not a reply"},
            {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9}},
            {"type": "message_stop"},
        ),
    )
    assert told == ["Well, ", "no."]
    assert reply == Reply(text="Well, no.", finish_reason="length", tokens_in=111, tokens_out=9)


def test_a_refusal_that_streams_no_word_is_an_answer() -> None:
    ended = {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": None}
    reply, told = streamed(anthropic, events(ended, {"type": "message_stop"}))
    assert (reply.text, reply.finish_reason, told) == ("", "refusal", [])


def test_a_compatible_server_that_ends_as_openai_does_is_read() -> None:
    reply, told = streamed(anthropic, events(CLIENTS[anthropic]("Well."), {"type": "message_stop"}, "[DONE]"))
    assert (reply.text, told) == ("Well.", ["Well."])


def test_what_answers_to_a_schema_comes_at_once() -> None:
    block = {"type": "tool_use", "name": "answer", "input": {"a": 1}}
    answer = Answer(body={"type": "message", "content": [block]})
    reply, told = streamed(anthropic, answer, asking("One", schema={"type": "object"}))
    assert (reply.text, told) == ('{"a":1}', ['{"a":1}'])


@pytest.mark.parametrize("media", ["application/x-ndjson", "application/jsonl; charset=utf-8"])
def test_an_application_may_tell_its_reply_by_lines_and_runs_read_the_same(media: str) -> None:
    values = (CLIENTS[http]("Hi "), {"state": "thinking"}, CLIENTS[http](""), CLIENTS[http]("there"))
    content = "\n\n".join(json.dumps(one) for one in values).encode()
    answer = Answer(parts=[content[:9], content[9:]], headers={"Content-Type": media})
    assert streamed(http, answer) == (Reply(text="Hi there"), ["Hi ", "", "there"])
    with serving(lambda _: answer) as server:
        client = http(server.url)
        assert closing(client, client.reply(asking("Hello"))).text == "Hi there"


@pytest.mark.parametrize("values", [[], [{"state": "a"}, {"state": "b"}]])
def test_a_stream_without_any_text_says_where_it_was_looked_for(values: list[Any]) -> None:
    answer = Answer(parts=[event(one) for one in values] or [b": nothing\n\n"], headers=EVENTS)
    with pytest.raises(MalformedError, match=r"nothing that has text at 'choices\[0\]\.text'"):
        streamed(http, answer)


def test_an_application_that_declares_no_stream_tells_its_reply_at_once() -> None:
    def answer(received: Received) -> Answer:
        return Answer(body={"answer": received.body["q"]})

    told: list[str] = []
    with serving(answer) as server:
        template = HttpTemplate(url=server.url, body={"q": "{message}"}, reply="answer")
        client = HttpClient(Target(system="http:desk", http=template), {})
        assert closing(client, client.stream(asking("Echo"), told.append)).text == "Echo"
    assert told == ["Echo"]
