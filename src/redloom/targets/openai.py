"""Any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, cast

from redloom.domain.interaction import Message
from redloom.domain.target import Target
from redloom.errors import BlockedError, MalformedError
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request, Traffic
from redloom.targets.endpoint import Endpoint, Provider, count
from redloom.targets.events import DONE


def _headers(key: str | None) -> Mapping[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


OPENAI = Provider(
    url="https://api.openai.com/v1",
    url_variable="OPENAI_BASE_URL",
    key_variable="OPENAI_API_KEY",
    headers=_headers,
)
COMPLETIONS = "/chat/completions"
PROBE = Request(messages=(Message("user", "Hello"),), max_tokens=1)


class OpenAIClient:
    """``openai:MODEL``, at ``base_url``, else ``OPENAI_BASE_URL``, else OpenAI itself."""

    def __init__(self, target: Target, model: str, environment: Mapping[str, str]) -> None:
        self._target = target
        self._endpoint = Endpoint(OPENAI, target, model, environment)
        self._fixed = _fixed(target, model)

    @property
    def capabilities(self) -> Capabilities:
        """Everything but a session."""
        return Capabilities(request_fields=True, structured=True, concurrency=CONCURRENCY["openai"])

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return self._endpoint.transport.traffic

    async def check(self) -> str:
        """Whether the endpoint answers, takes the key and knows the model."""
        return await self._endpoint.check(
            "/models", lambda: self._endpoint.send("POST", COMPLETIONS, self._body(PROBE))
        )

    async def start_session(self, request: Request) -> str | None:
        """None: the endpoint keeps no session."""
        return None

    async def reply(self, request: Request) -> Reply:
        """The first choice of a chat completion."""
        answer = await self._endpoint.send("POST", COMPLETIONS, self._body(request))
        return _read(answer, self._endpoint.base + COMPLETIONS)

    async def stream(self, request: Request, on_part: Callable[[str], None]) -> Reply:
        """The first choice of a chat completion, told while it comes."""
        url = self._endpoint.base + COMPLETIONS
        body = {**self._body(request), "stream": True, "stream_options": {"include_usage": True}}
        parts: list[str] = []
        reason: Any = None
        usage: Any = None
        done = False
        async with aclosing(self._endpoint.events(COMPLETIONS, body)) as events:
            async for event in events:
                if event == DONE:
                    done = True
                    continue
                if _is_whole(event):
                    reply = _read(event, url)
                    on_part(reply.text)
                    return reply
                if failure := _failure(event):
                    raise self._endpoint.failed(COMPLETIONS, failure, event)
                text, ended, counted = _part(event, url)
                reason, usage = ended or reason, counted or usage
                if text:
                    parts.append(text)
                    on_part(text)
        if not (done or reason):
            raise self._endpoint.broke_off(COMPLETIONS)
        message = {
            "choices": [{"message": {"content": "".join(parts)}, "finish_reason": reason}],
            "usage": usage,
        }
        return _read(message, url)

    async def close(self) -> None:
        """Close all connections."""
        await self._endpoint.transport.close()

    def _body(self, request: Request) -> dict[str, Any]:
        messages = [{"role": "system", "content": request.system}] if request.system else []
        messages += [{"role": message.role, "content": message.content} for message in request.messages]
        body = {**self._fixed, "messages": messages, **request.fields}
        if request.seed is not None and self._target.decoding.seed == "per_attempt":
            body["seed"] = request.seed
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body


def _fixed(target: Target, model: str) -> dict[str, Any]:
    decoding = target.decoding
    body: dict[str, Any] = {"model": model}
    for name in ("temperature", "top_p", "max_tokens"):
        value = getattr(decoding, name)
        if value is not None:
            body[name] = value
    if decoding.stop:
        body["stop"] = list(decoding.stop)
    return body | decoding.extra


def _is_whole(event: Any) -> bool:
    """Whether an endpoint that was asked for a stream gave the whole answer at once."""
    try:
        return "message" in event["choices"][0]
    except (KeyError, IndexError, TypeError):
        return False


def _failure(event: Any) -> int | None:
    """The status that an event stands for which tells an error; None for others."""
    error: Any = cast(dict[str, Any], event).get("error") if isinstance(event, dict) else None
    if not error:
        return None
    code: Any = cast(dict[str, Any], error).get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def _part(event: Any, url: str) -> tuple[str, Any, Any]:
    """Text, finish reason and usage of one event of a stream; each may be missing."""
    try:
        choices: Any = event.get("choices")
        choice: Any = choices[0] if choices else {}
        delta: Any = choice.get("delta") or {}
        text: Any = delta.get("content") or delta.get("refusal")
        return text if isinstance(text, str) else "", choice.get("finish_reason"), event.get("usage")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise MalformedError(f"{url} sent a part that is none of a chat completion") from error


def _read(answer: Any, url: str) -> Reply:
    try:
        choice = answer["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text = message.get("content") or message.get("refusal") or ""
        usage = answer.get("usage")
        counts = cast(dict[str, Any], usage) if isinstance(usage, dict) else {}
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise MalformedError(f"{url} answered without choices[0].message") from error
    if reason == "content_filter":
        raise BlockedError(f"{url}: the provider's content filter took the reply")
    if not isinstance(text, str):
        raise MalformedError(f"{url} answered content that is not text")
    return Reply(
        text=text,
        finish_reason=reason if isinstance(reason, str) else None,
        tokens_in=count(counts.get("prompt_tokens")),
        tokens_out=count(counts.get("completion_tokens")),
    )
