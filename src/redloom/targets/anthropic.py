"""Any endpoint that speaks Anthropic's messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from pydantic_core import to_json

from redloom.domain.interaction import Message
from redloom.domain.target import Target
from redloom.errors import MalformedError
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request, Traffic
from redloom.targets.endpoint import Endpoint, Provider, count
from redloom.targets.events import DONE

VERSION = "2023-06-01"


def _headers(key: str | None) -> Mapping[str, str]:
    return {"anthropic-version": VERSION} | ({} if key is None else {"x-api-key": key})


ANTHROPIC = Provider(
    url="https://api.anthropic.com/v1",
    url_variable="ANTHROPIC_BASE_URL",
    key_variable="ANTHROPIC_API_KEY",
    ending="/v1",
    headers=_headers,
)
MESSAGES = "/messages"
DEFAULT_MAX_TOKENS = 1024
"""Every request has to name a number."""
SILENCE = "(The user has not written anything yet.)"
"""The first message, which has to be a user's, of a conversation that the system opens."""
PROBE = Request(messages=(Message("user", "Hello"),), max_tokens=1)
_TOOL = "answer"
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Kind of error -> the status it has where it is told at once."""


class AnthropicClient:
    """``anthropic:MODEL``, at ``base_url``, else ``ANTHROPIC_BASE_URL``, else Anthropic itself."""

    def __init__(self, target: Target, model: str, environment: Mapping[str, str]) -> None:
        self._endpoint = Endpoint(ANTHROPIC, target, model, environment)
        self._fixed = _fixed(target, model)

    @property
    def capabilities(self) -> Capabilities:
        """Everything but request fields and sessions."""
        return Capabilities(structured=True, concurrency=CONCURRENCY["anthropic"])

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return self._endpoint.transport.traffic

    async def check(self) -> str:
        """Whether the endpoint answers, takes the key and knows the model."""
        return await self._endpoint.check(
            "/models?limit=1000", lambda: self._endpoint.send("POST", MESSAGES, self._body(PROBE))
        )

    async def start_session(self, request: Request) -> str | None:
        """None: the endpoint keeps no session."""
        return None

    async def reply(self, request: Request) -> Reply:
        """The text of one message; with a schema, the arguments of the one tool the model has to use."""
        answer = await self._endpoint.send("POST", MESSAGES, self._body(request))
        return _read(answer, self._endpoint.base + MESSAGES)

    async def stream(self, request: Request, on_part: Callable[[str], None]) -> Reply:
        """The text of one message, told while it comes; what answers to a schema comes at once."""
        if request.schema is not None:
            reply = await self.reply(request)
            on_part(reply.text)
            return reply
        url = self._endpoint.base + MESSAGES
        parts: list[str] = []
        reason: Any = None
        usage: dict[str, Any] = {}
        ended = False
        body = {**self._body(request), "stream": True}
        async with aclosing(self._endpoint.events(MESSAGES, body)) as events:
            async for event in events:
                if event == DONE:
                    continue
                kind = _kind(event, url)
                if kind == "message":
                    reply = _read(event, url)
                    on_part(reply.text)
                    return reply
                if kind == "error":
                    raise self._endpoint.failed(MESSAGES, _status(event), event)
                text, stopped, counted = _part(kind, event, url)
                reason, ended = stopped or reason, ended or kind == "message_stop"
                usage.update(counted)
                if text:
                    parts.append(text)
                    on_part(text)
        if not ended:
            raise self._endpoint.broke_off(MESSAGES)
        content = [{"type": "text", "text": "".join(parts)}]
        return _read({"content": content, "stop_reason": reason, "usage": usage}, url)

    async def close(self) -> None:
        """Close all connections."""
        await self._endpoint.transport.close()

    def _body(self, request: Request) -> dict[str, Any]:
        body = {**self._fixed, "messages": alternating(request.messages)}
        if request.system:
            body["system"] = request.system
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            body["tools"] = [
                {"name": _TOOL, "description": "Gives the answer.", "input_schema": request.schema}
            ]
            body["tool_choice"] = {"type": "tool", "name": _TOOL, "disable_parallel_tool_use": True}
        return body


def alternating(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages in the form the interface wants: a user's first, roles in turn, no reply without text.

    Messages of one role in a row become one; an empty reply is left out.
    """
    found: list[dict[str, str]] = []
    for message in messages:
        if message.role == "assistant" and not message.content.strip():
            continue
        if found and found[-1]["role"] == message.role:
            found[-1]["content"] += "\n\n" + message.content
        else:
            found.append({"role": message.role, "content": message.content})
    if not found or found[0]["role"] != "user":
        found.insert(0, {"role": "user", "content": SILENCE})
    return found


def _fixed(target: Target, model: str) -> dict[str, Any]:
    decoding = target.decoding
    body: dict[str, Any] = {"model": model, "max_tokens": decoding.max_tokens or DEFAULT_MAX_TOKENS}
    for name in ("temperature", "top_p"):
        value = getattr(decoding, name)
        if value is not None:
            body[name] = value
    if decoding.stop:
        body["stop_sequences"] = list(decoding.stop)
    return body | decoding.extra


def _kind(event: Any, url: str) -> str:
    try:
        return str(event["type"])
    except (KeyError, TypeError) as error:
        raise MalformedError(f"{url} sent a part that is none of a message") from error


def _status(event: Any) -> int:
    """The status that an error in the middle of a stream would have had at its beginning."""
    try:
        return _STATUSES.get(event["error"]["type"], 500)
    except (KeyError, TypeError):
        return 500


def _part(kind: str, event: Any, url: str) -> tuple[str, Any, dict[str, Any]]:
    """Text, reason to stop and usage of one event of a stream; kinds that are not known have none of them."""
    text, reason, usage = "", None, None
    try:
        match kind:
            case "message_start":
                usage = event["message"].get("usage")
            case "content_block_start" if event["content_block"]["type"] == "text":
                text = event["content_block"]["text"]
            case "content_block_delta" if event["delta"]["type"] == "text_delta":
                text = event["delta"]["text"]
            case "message_delta":
                reason, usage = event["delta"].get("stop_reason"), event.get("usage")
            case _:
                pass
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"{url} sent a {kind} that is none of a message") from error
    if not isinstance(text, str):
        raise MalformedError(f"{url} sent a {kind} whose text is none")
    return text, reason, cast(dict[str, Any], usage) if isinstance(usage, dict) else {}


def _read(answer: Any, url: str) -> Reply:
    try:
        text = _text(answer["content"])
        reason, usage = answer.get("stop_reason"), answer.get("usage")
        counts = cast(dict[str, Any], usage) if isinstance(usage, dict) else {}
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"{url} answered without content blocks") from error
    return Reply(
        text=text,
        finish_reason=_REASONS.get(reason, reason) if isinstance(reason, str) else None,
        tokens_in=_tokens_in(counts),
        tokens_out=count(counts.get("output_tokens")),
    )


def _tokens_in(counts: Mapping[str, Any]) -> int | None:
    """All tokens in; those of a cache are counted apart."""
    plain = count(counts.get("input_tokens"))
    cached = (count(counts.get(f"cache_{name}_input_tokens")) or 0 for name in ("creation", "read"))
    return None if plain is None else plain + sum(cached)


def _text(blocks: Any) -> str:
    """What the blocks say; the arguments of the answer tool as JSON where it was used."""
    if not isinstance(blocks, list):
        raise TypeError
    parts: list[str] = []
    for block in cast(list[Any], blocks):
        if block["type"] == "tool_use" and block["name"] == _TOOL:
            return to_json(block["input"]).decode()
        if block["type"] == "text":
            parts.append(block["text"])
    return "".join(parts)
