"""``openai:`` against real servers on the loopback."""

from __future__ import annotations

import email.utils
import logging
import time
from typing import Any

import pytest

from evaluate_support import (
    Answer,
    Answering,
    Received,
    asking,
    chatting,
    closing,
    completion,
    serving,
    unused_port,
)
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
from redloom.targets.base import Reply
from redloom.targets.openai import OpenAIClient
from redloom.targets.transport import MAX_ANSWER

KEY = "sk-very-secret-123"


def connect(url: str, *, model: str = "mock", environment: Any = None, **more: Any) -> OpenAIClient:
    target = Target(system=f"openai:{model}", base_url=f"{url}/v1", **more)
    return OpenAIClient(target, model, environment or {})


def reply_of(answer: Answer, request: Any = None, **more: Any) -> Reply:
    with serving(lambda _: answer) as server:
        client = connect(server.url, **more)
        return closing(client, client.reply(request or asking("Hello")))


def failure_of(answer: Answer, **more: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        reply_of(answer, **more)
    return caught.value


def sent(request: Any, **more: Any) -> Received:
    with serving(lambda _: Answer(body=completion("Hi"))) as server:
        client = connect(server.url, **more)
        closing(client, client.reply(request))
        return server.received[0]


def test_the_conversation_is_sent_with_the_system_prompt_first() -> None:
    received = sent(asking("One", "Two", "Three", system="Be kind."))
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.body == {
        "model": "mock",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three"},
        ],
    }


def test_no_system_message_is_sent_where_there_is_no_system_prompt() -> None:
    assert sent(asking("One")).body["messages"] == [{"role": "user", "content": "One"}]


def test_decoding_request_fields_and_extra_fields_are_sent() -> None:
    decoding = Decoding(temperature=0.5, top_p=0.9, max_tokens=20, stop=("END",), extra={"reasoning": "low"})
    body = sent(asking("One", fields={"audience": "a ward"}), decoding=decoding).body
    del body["messages"]
    assert body == {
        "model": "mock",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 20,
        "stop": ["END"],
        "reasoning": "low",
        "audience": "a ward",
    }


def test_a_request_overrides_the_declared_decoding() -> None:
    body = sent(
        asking("One", temperature=0.0, max_tokens=5), decoding=Decoding(temperature=1.0, max_tokens=99)
    ).body
    assert (body["temperature"], body["max_tokens"]) == (0.0, 5)


@pytest.mark.parametrize(("how", "expected"), [("per_attempt", 77), ("none", None)])
def test_the_seed_of_an_attempt_is_sent_unless_declared_otherwise(how: Any, expected: int | None) -> None:
    assert sent(asking("One", seed=77), decoding=Decoding(seed=how)).body.get("seed") == expected


def test_a_schema_becomes_a_strict_response_format() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert sent(asking("One", schema=schema)).body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }


def test_text_finish_reason_and_usage_are_read() -> None:
    assert reply_of(Answer(body=completion("Hi there"))) == Reply(
        text="Hi there", finish_reason="stop", tokens_in=11, tokens_out=7
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [({"content": None, "refusal": "I won't."}, "I won't."), ({"content": ""}, ""), ({"content": None}, "")],
)
def test_a_declared_refusal_or_nothing_at_all_is_a_reply(message: Any, text: str) -> None:
    assert reply_of(Answer(body={"choices": [{"message": message}]})).text == text


@pytest.mark.parametrize(
    "usage", [None, "many", [], {"prompt_tokens": "11"}, {"prompt_tokens": 2**70}, {"prompt_tokens": -1}, 7]
)
def test_usage_that_is_no_number_of_tokens_is_left_open(usage: Any) -> None:
    reply = reply_of(Answer(body=completion("Hi", usage=usage)))
    assert (reply.text, reply.tokens_in, reply.tokens_out) == ("Hi", None, None)


def test_a_finish_reason_that_is_no_text_is_left_open() -> None:
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": {"type": "stop"}}]}
    assert reply_of(Answer(body=body)).finish_reason is None


def error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "code": code}}


@pytest.mark.parametrize(
    ("answer", "kind", "retryable", "stops"),
    [
        (Answer(status=400, body=error("bad request")), RejectedError, False, False),
        (Answer(status=401, body=error("no such key")), RejectedError, False, True),
        (Answer(status=403, body=error("not yours")), RejectedError, False, True),
        (Answer(status=404, body=error("no such model")), RejectedError, False, True),
        (Answer(status=422, body={"detail": "too long"}), RejectedError, False, False),
        (Answer(status=408, body=error("slow")), UnavailableError, True, None),
        (Answer(status=429, body=error("slow down")), RateLimitedError, True, None),
        (Answer(status=429, body=error("pay", "insufficient_quota")), RejectedError, False, True),
        (Answer(status=500, body=error("oops")), UnavailableError, True, None),
        (Answer(status=503, body=b"<html>busy</html>"), UnavailableError, True, None),
        (Answer(status=400, body=error("filtered", "content_filter")), BlockedError, False, None),
        (Answer(status=400, body=error("no", "content_policy_violation")), BlockedError, False, None),
        (Answer(body=b'{"choices": [{"message"'), MalformedError, True, None),
        (Answer(body=b""), MalformedError, True, None),
        (Answer(body=b'{"choices": [{"message": {"content": "\\ud800"}}]}'), MalformedError, True, None),
        (Answer(body={"choices": []}), MalformedError, True, None),
        (Answer(body={"choices": [{"message": "Hi"}]}), MalformedError, True, None),
        (Answer(body=[1, 2]), MalformedError, True, None),
        (Answer(body=None), MalformedError, True, None),
        (Answer(body={"choices": [{"message": {"content": [{"text": "Hi"}]}}]}), MalformedError, True, None),
        (Answer(body=completion("Hi"), cut_off=True), UnavailableError, True, None),
    ],
)
def test_failures_have_a_class_that_says_whether_another_try_helps(
    answer: Answer, kind: type[TargetError], retryable: bool, stops: bool | None
) -> None:
    failed = failure_of(answer)
    assert type(failed) is kind
    assert failed.retryable is retryable
    assert getattr(failed, "stops", None) is stops


def test_a_reply_taken_by_the_content_filter_is_blocked() -> None:
    body = completion("")
    body["choices"][0]["finish_reason"] = "content_filter"
    assert type(failure_of(Answer(body=body))) is BlockedError


def test_what_the_endpoint_said_stands_in_the_error() -> None:
    failed = failure_of(Answer(status=400, body=error("the  context is\n1000 tokens too long")))
    assert str(failed).endswith("answered 400: the context is 1000 tokens too long")


def test_retry_after_is_read_as_seconds() -> None:
    failed = failure_of(Answer(status=429, body=error("slow down"), headers={"Retry-After": "7.5"}))
    assert failed.retry_after == 7.5


def test_retry_after_is_read_as_an_http_date() -> None:
    at = email.utils.formatdate(time.time() + 30, usegmt=True)
    failed = failure_of(Answer(status=503, body=error("soon"), headers={"Retry-After": at}))
    assert failed.retry_after == pytest.approx(30, abs=3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("soon", None),
        ("-5", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("nan", None),
        ("1e999", None),
        ("inf", None),
    ],
)
def test_a_retry_after_of_no_use_makes_nobody_wait(value: str, expected: float | None) -> None:
    failed = failure_of(Answer(status=429, body=error("slow down"), headers={"Retry-After": value}))
    assert failed.retry_after == expected


def test_an_endpoint_that_never_answers_is_unavailable_after_the_declared_time() -> None:
    started = time.monotonic()
    failed = failure_of(Answer(body=completion("late"), delay=5), limits=Limits(timeout=0.2))
    assert type(failed) is UnavailableError
    assert "did not answer within 0.2 s" in str(failed)
    assert time.monotonic() - started < 3


def test_an_answer_larger_than_the_limit_is_refused() -> None:
    failed = failure_of(Answer(body=b'{"a": "' + b"x" * MAX_ANSWER + b'"}'))
    assert type(failed) is MalformedError
    assert "more than 16 MiB" in str(failed)


def test_an_endpoint_that_is_not_there_is_unavailable_and_fails_the_check() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    client = connect(url)
    with pytest.raises(UnavailableError, match="cannot be reached") as caught:
        closing(client, client.reply(asking("Hello")))
    assert caught.value.retryable
    client = connect(url)
    with pytest.raises(SetupError, match=f"{url}/v1/models cannot be reached"):
        closing(client, client.check())


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", ""])
def test_a_base_url_that_is_no_web_address_is_told_at_once(url: str) -> None:
    with pytest.raises(SetupError, match="http"):
        OpenAIClient(Target(system="openai:mock", base_url=url or "x"), "mock", {})


def test_the_key_comes_from_the_named_variable() -> None:
    received = sent(asking("One"), key_env="WARD_KEY", environment={"WARD_KEY": f" {KEY}\n"})
    assert received.headers["Authorization"] == f"Bearer {KEY}"


def test_no_key_is_sent_where_none_is_named() -> None:
    received = sent(asking("One"), environment={"OPENAI_API_KEY": KEY})
    assert "Authorization" not in received.headers


@pytest.mark.parametrize("environment", [{}, {"WARD_KEY": "  "}])
def test_a_variable_that_is_not_set_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(SetupError, match="environment variable WARD_KEY"):
        connect("http://127.0.0.1:9", key_env="WARD_KEY", environment=environment)


def test_openai_itself_wants_its_key() -> None:
    with pytest.raises(SetupError, match="OPENAI_API_KEY"):
        OpenAIClient(Target(system="openai:gpt-4o-mini"), "gpt-4o-mini", {})


def test_a_key_of_several_lines_is_refused_without_being_shown() -> None:
    with pytest.raises(SetupError, match="WARD_KEY") as caught:
        connect("http://127.0.0.1:9", key_env="WARD_KEY", environment={"WARD_KEY": f"{KEY}\nsecond"})
    assert KEY not in str(caught.value)


def echo(status: int) -> Answering:
    def answer(received: Received) -> Answer:
        said = received.headers["Authorization"]
        return Answer(status=status, body={"error": {"message": f"refused: {said}"}})

    return answer


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_a_key_that_the_endpoint_repeats_stands_in_no_error_and_no_log(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(echo(status)) as server:
        client = connect(server.url, key_env="WARD_KEY", environment={"WARD_KEY": KEY})
        with pytest.raises(TargetError) as caught:
            closing(client, client.reply(asking("Hello")))
    assert "refused: Bearer ***" in str(caught.value)
    assert KEY not in str(caught.value) + repr(caught.value.__cause__) + caplog.text


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_check_that_fails_names_the_variable_or_the_address_but_never_the_key(status: int) -> None:
    with serving(echo(status)) as server:
        client = connect(server.url, key_env="WARD_KEY", environment={"WARD_KEY": KEY})
        with pytest.raises(SetupError) as caught:
            closing(client, client.check())
    assert ("WARD_KEY" if status != 500 else server.url) in str(caught.value)
    assert KEY not in str(caught.value) + repr(caught.value.__cause__)


def checked(model: str, answer: Answering) -> str:
    with serving(answer) as server:
        client = connect(server.url, model=model)
        return closing(client, client.check())


def test_a_check_finds_the_model_among_those_listed_and_sends_no_message() -> None:
    with serving(chatting(lambda _: "Hi", models=("mock", "other"))) as server:
        client = connect(server.url)
        assert closing(client, client.check()).endswith("answers and has 'mock'")
        assert server.chats == []


def test_a_model_that_is_not_there_is_told_with_the_nearest_name() -> None:
    missing = Answer(status=404, body=error("no such model"))
    with pytest.raises(SetupError, match="no model named 'mook'; did you mean 'mock'"):
        checked("mook", chatting(lambda _: missing, models=("mock", "other")))


def test_a_model_that_answers_without_being_listed_passes() -> None:
    assert "though it does not list it" in checked("tuned", chatting(lambda _: "Hi"))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404, body=error("no such path")),
        Answer(status=429, body=error("slow down")),
        Answer(body=b"hello"),
        Answer(body=[1]),
        Answer(body={"data": [{"name": "mock"}]}),
    ],
)
def test_an_endpoint_that_lists_no_models_passes_the_check(answer: Answer) -> None:
    assert checked("mock", lambda _: answer).endswith("answers; it lists no models")
