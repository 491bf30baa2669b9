"""``inspect:`` with Inspect itself: its mock provider in process, its OpenAI provider against a loopback server."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import (
    Answer,
    Received,
    asking,
    closing,
    command,
    completion,
    opened,
    rows,
    serving,
    single,
    study_text,
    unused_port,
)
from redloom.domain.target import Decoding, Limits, Target
from redloom.errors import (
    BlockedError,
    InputError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    SetupError,
    TargetError,
    UnavailableError,
)
from redloom.targets.base import Reply, Request
from redloom.targets.inspect import InspectClient

inspect_ai = pytest.importorskip(
    "inspect_ai", reason="inspect-ai is not installed here: pip install 'redloom[inspect]'"
)
pytestmark = pytest.mark.filterwarnings("ignore")
KEY = "sk-very-secret-123"
JSON = {"Content-Type": "application/json"}
with_openai = pytest.mark.skipif(
    importlib.util.find_spec("openai") is None, reason="the package openai is not installed here"
)


def output(text: str = "Hi", *, stop_reason: Any = "stop", usage: Any = None, **more: Any) -> Any:
    from inspect_ai.model import ModelOutput, ModelUsage

    found = ModelOutput.from_content("mockllm/model", text, stop_reason=stop_reason, **more)
    found.usage = ModelUsage(**(usage or {"input_tokens": 11, "output_tokens": 7}))
    return found


def mocked(answer: Callable[..., Any], **more: Any) -> InspectClient:
    """A client of Inspect's mock provider, whose outputs ``answer`` makes."""
    from inspect_ai.model import get_model

    model = get_model("mockllm/model", memoize=False, custom_outputs=answer)
    return InspectClient(Target(system="inspect:mockllm/model", **more), model)


def given(request: Request, **more: Any) -> tuple[list[Any], Any]:
    """Messages and configuration as a provider gets them."""
    seen: list[Any] = []

    def answer(messages: Any, tools: Any, tool_choice: Any, config: Any) -> Any:
        seen.extend([messages, config])
        return output()

    client = mocked(answer, **more)
    closing(client, client.reply(request))
    return seen[0], seen[1]


def reply_to(found: Any) -> Reply:
    client = mocked(lambda *_: found)
    return closing(client, client.reply(asking("Hello")))


def test_messages_and_decoding_reach_the_provider() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    decoding = Decoding(temperature=0.5, top_p=0.9, max_tokens=20, stop=("END",), extra={"top_k": 3})
    request = asking("One", "Two", "Three", system="Be kind.", seed=77, schema=schema)
    messages, config = given(request, decoding=decoding, limits=Limits(timeout=1.5))
    assert [(m.role, m.text) for m in messages] == [
        ("system", "Be kind."),
        ("user", "One"),
        ("assistant", "Two"),
        ("user", "Three"),
    ]
    assert (config.temperature, config.top_p, config.max_tokens, config.top_k) == (0.5, 0.9, 20, 3)
    assert (config.stop_seqs, config.seed, config.max_retries, config.attempt_timeout) == (["END"], 77, 0, 2)
    assert config.response_schema.json_schema.model_dump(exclude_none=True) == schema


def test_a_request_overrides_the_declared_decoding_and_a_seed_can_be_left_out() -> None:
    decoding = Decoding(temperature=1.0, max_tokens=99, seed="none")
    _, config = given(asking("One", temperature=0.0, max_tokens=5, seed=77), decoding=decoding)
    assert (config.temperature, config.max_tokens, config.seed) == (0.0, 5, None)


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [("stop", "stop"), ("max_tokens", "length"), ("model_length", "length"), ("unknown", None)],
)
def test_text_stop_reason_and_usage_are_read(stop_reason: str, expected: str | None) -> None:
    usage = {"input_tokens": 11, "output_tokens": 7, "input_tokens_cache_read": 5}
    assert reply_to(output("Hi", stop_reason=stop_reason, usage=usage)) == Reply(
        text="Hi", finish_reason=expected, tokens_in=16, tokens_out=7
    )


def test_a_reply_taken_by_the_content_filter_is_blocked() -> None:
    with pytest.raises(BlockedError, match=r"content filter took the reply: No\."):
        reply_to(output("No.", stop_reason="content_filter"))


def test_what_a_provider_says_in_an_error_is_no_reply() -> None:
    with pytest.raises(RejectedError, match=r"^mockllm/model: too long$"):
        reply_to(output("too long", stop_reason="model_length", error="too long"))


def test_an_answer_without_a_choice_or_a_part_is_told_from_a_reply() -> None:
    with pytest.raises(MalformedError, match="without a reply"):
        reply_to(output().model_copy(update={"choices": []}))
    assert reply_to(output("(no content)")).text == ""


def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    from inspect_ai.log import transcript

    client = mocked(lambda *_: output("x" * 1000))
    kept: list[int] = []

    async def many() -> None:
        for _ in range(20):
            await client.reply(asking("Hello"))
        kept.append(len(transcript().events))

    closing(client, many())
    assert kept == [0]


@pytest.mark.parametrize("name", ["nowhere/model", "model"])
def test_a_provider_that_inspect_does_not_have_is_told(name: str) -> None:
    with pytest.raises(InputError, match=f"'inspect:{name}'"):
        InspectClient.load(Target(system=f"inspect:{name}"), name, {})


def test_a_field_of_decoding_that_inspect_does_not_have_is_told_at_once() -> None:
    with pytest.raises(InputError, match="nonsense"):
        mocked(lambda *_: output(), decoding=Decoding(extra={"nonsense": 1}))


@with_openai
def test_a_key_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SetupError, match=r"No OPENAI_API_KEY, [^\[\]]*defined in the environment"):
        InspectClient.load(Target(system="inspect:openai/mock"), "openai/mock", {})


def over_http(url: str, **more: Any) -> InspectClient:
    target = Target(system="inspect:openai/gpt-4o", base_url=f"{url}/v1", key_env="WARD_KEY", **more)
    return InspectClient.load(target, "openai/gpt-4o", {"WARD_KEY": KEY})


def reply_over_http(answer: Callable[[Received], Answer], **more: Any) -> tuple[Reply, list[Received]]:
    with serving(answer) as server:
        client = over_http(server.url, **more)
        return closing(client, client.reply(asking("Hello", system="Be kind."))), server.received


@with_openai
def test_a_provider_with_a_package_of_its_own_is_asked_at_the_declared_address() -> None:
    body = completion("Hi there", id="1", object="chat.completion", created=1, model="gpt-4o")
    body["choices"][0]["index"] = 0
    body["usage"]["total_tokens"] = 18
    reply, received = reply_over_http(lambda _: Answer(body=body, headers=JSON))
    assert (reply.text, reply.finish_reason, reply.tokens_in, reply.tokens_out) == ("Hi there", "stop", 11, 7)
    assert received[0].headers["Authorization"] == f"Bearer {KEY}"
    assert received[0].body["messages"][0]["content"] == "Be kind."


def failure_over_http(answer: Callable[[Received], Answer], **more: Any) -> TargetError:
    """How one request fails; it was sent once, since tries are counted by Redloom."""
    with serving(answer) as server, pytest.raises(TargetError) as caught:
        client = over_http(server.url, **more)
        closing(client, client.reply(asking("Hello", system="Be kind.")))
    assert len(server.received) == 1
    assert KEY not in str(caught.value)
    return caught.value


@with_openai
@pytest.mark.parametrize(
    ("status", "code", "kind", "stops"),
    [
        (400, "bad", RejectedError, False),
        (400, "context_length_exceeded", RejectedError, False),
        (400, "content_filter", BlockedError, None),
        (401, "invalid_api_key", RejectedError, True),
        (402, "pay", RejectedError, True),
        (403, "no", RejectedError, True),
        (404, "model_not_found", RejectedError, True),
        (408, "late", UnavailableError, None),
        (409, "conflict", UnavailableError, None),
        (413, "too_large", RejectedError, False),
        (429, "rate_limit_exceeded", RateLimitedError, None),
        (429, "insufficient_quota", RejectedError, True),
        (500, "oops", UnavailableError, None),
        (503, "busy", UnavailableError, None),
    ],
)
def test_failures_have_a_class_that_says_whether_another_try_helps(
    status: int, code: str, kind: type[TargetError], stops: bool | None
) -> None:
    def fail(received: Received) -> Answer:
        said = f"refused: {received.headers['Authorization']}"
        return Answer(status=status, body={"error": {"message": said, "code": code}}, headers=JSON)

    failed = failure_over_http(fail)
    assert type(failed) is kind
    assert getattr(failed, "stops", None) is stops
    assert "refused: Bearer ***" in str(failed)
    assert "Be kind." not in str(failed)


@with_openai
@pytest.mark.parametrize(
    "body", [b"<html>", b'{"a": ', b"{}", b'{"choices": [], "usage": null}', b'"Hi"'], ids=repr
)
def test_an_answer_that_cannot_be_read_is_worth_another_try(body: bytes) -> None:
    kinds = ("application/json", "text/html")
    content_type = {"Content-Type": kinds[body.startswith(b"<")]}
    assert type(failure_over_http(lambda _: Answer(body=body, headers=content_type))) is MalformedError


@with_openai
@pytest.mark.parametrize("status", [429, 503])
def test_the_seconds_to_wait_are_kept(status: int) -> None:
    answer = Answer(status=status, body={"error": {"message": "later"}}, headers={**JSON, "Retry-After": "7"})
    assert failure_over_http(lambda _: answer).retry_after == 7


@with_openai
def test_a_key_from_inspects_own_variable_stands_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def fail(received: Received) -> Answer:
        said = f"refused: {received.headers['Authorization']}"
        return Answer(status=400, body={"error": {"message": said}}, headers=JSON)

    with serving(fail) as server:
        target = Target(system="inspect:openai/gpt-4o", base_url=f"{server.url}/v1")
        client = InspectClient.load(target, "openai/gpt-4o", {})
        with pytest.raises(RejectedError, match=r"refused: Bearer \*\*\*"):
            closing(client, client.reply(asking("Hello")))


@with_openai
def test_an_endpoint_that_is_not_there_or_too_slow_is_unavailable() -> None:
    client = over_http(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(UnavailableError):
        closing(client, client.reply(asking("Hello")))
    with pytest.raises(UnavailableError):
        reply_over_http(lambda _: Answer(body=completion("late"), delay=3), limits=Limits(timeout=1))


FREE = """
import inspect_ai.model._providers.mockllm as mock
from inspect_ai.model import ModelUsage
async def counted(self, output, input, tools):
    output.usage = ModelUsage(input_tokens=3, output_tokens=2, total_tokens=5)
mock.MockLLM._ensure_default_usage = counted
"""
"""Inspect's mock provider counts tokens with a table that it would fetch from the network."""


def test_a_run_and_a_check_from_the_command_line(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(3))):
        pass

    def call(*arguments: str) -> tuple[int, str, str]:
        process = command(tmp_path, *arguments, before=FREE)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    status, out, err = call("target", "check", "inspect:mockllm/model", "--json")
    assert status == 0, err
    found = {one["what"]: one["state"] for one in json.loads(out)["aspects"]}
    assert (found["answers"], found["system prompt"], found["structured output"]) == ("ok", "unknown", "no")
    status, out, err = call("run", "clinic", "--target", "inspect:mockllm/model", "--judge", "rule:refusal")
    assert status == 0, err
    assert "3 completed" in out
    stored = rows(tmp_path, "SELECT DISTINCT reply, tokens_in, tokens_out FROM turn")
    assert stored == [("Default output from mockllm/model", 3, 2)]
