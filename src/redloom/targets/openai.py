"""Any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from redloom.domain.target import Target
from redloom.errors import (
    BlockedError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    SetupError,
    UnavailableError,
    unknown,
)
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request
from redloom.targets.transport import Transport, key_from

DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_KEY = "OPENAI_API_KEY"


class OpenAIClient:
    """``openai:MODEL``, at ``base_url``, else ``OPENAI_BASE_URL``, else OpenAI itself."""

    def __init__(self, target: Target, model: str, environment: Mapping[str, str]) -> None:
        self._target, self._model = target, model
        self._base = (target.base_url or environment.get("OPENAI_BASE_URL") or DEFAULT_URL).rstrip("/")
        if urlsplit(self._base).scheme not in ("http", "https"):
            raise SetupError(f"base URL {self._base!r}: expected one that starts with http:// or https://")
        self._url = self._base + "/chat/completions"
        key = _key(target, self._base, environment)
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._transport = Transport(timeout=target.limits.timeout, secrets=[key] if key else ())
        self._fixed = _fixed(target, model)

    @property
    def capabilities(self) -> Capabilities:
        """Everything but a session."""
        return Capabilities(request_fields=True, structured=True, concurrency=CONCURRENCY["openai"])

    async def check(self) -> str:
        """Whether the endpoint answers, takes the key and knows the model."""
        models = f"{self._base}/models"
        try:
            answer = await self._transport.send("GET", models, headers=self._headers)
        except UnavailableError as error:
            raise SetupError(str(error)) from error
        except RejectedError as error:
            if " 401" in str(error) or " 403" in str(error):
                where = (
                    f"the key in {self._target.key_env or DEFAULT_KEY}"
                    if self._headers
                    else "a request without a key"
                )
                raise SetupError(f"{self._base} refuses {where}: {error}") from error
            return f"{self._base} answers; it lists no models"
        except (MalformedError, RateLimitedError):
            return f"{self._base} answers; it lists no models"
        names = _model_names(answer)
        if not names or self._model in names:
            return (
                f"{self._base} answers and has {self._model!r}"
                if names
                else f"{self._base} answers; it lists no models"
            )
        try:
            await self._transport.send("POST", self._url, headers=self._headers, body=self._body(PROBE))
        except RejectedError as error:
            raise SetupError(f"{self._base}: {unknown('model', self._model, names)} ({error})") from error
        return f"{self._base} answers {self._model!r}, though it does not list it"

    async def start_session(self, request: Request) -> str | None:
        """None: the endpoint keeps no session."""
        return None

    async def reply(self, request: Request) -> Reply:
        """The first choice of a chat completion."""
        answer = await self._transport.send(
            "POST", self._url, headers=self._headers, body=self._body(request)
        )
        return _read(answer, self._url)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

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


def _probe() -> Request:
    from redloom.domain.interaction import Message

    return Request(messages=(Message("user", "Hello"),), max_tokens=1)


PROBE = _probe()


def _key(target: Target, base: str, environment: Mapping[str, str]) -> str | None:
    """The key, where one is named; OpenAI itself always wants one."""
    if target.key_env is not None:
        return key_from(environment, target.key_env)
    return key_from(environment, DEFAULT_KEY) if base == DEFAULT_URL else None


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


def _model_names(answer: Any) -> list[str]:
    try:
        return [str(entry["id"]) for entry in answer["data"]]
    except (KeyError, TypeError):
        return []


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
        tokens_in=_count(counts.get("prompt_tokens")),
        tokens_out=_count(counts.get("completion_tokens")),
    )


def _count(value: Any) -> int | None:
    """A number of tokens, where it is one that can be stored."""
    return value if type(value) is int and 0 <= value < 2**53 else None
