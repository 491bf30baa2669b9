"""``inspect:MODEL``: any model that Inspect has a provider for, through its own model interface."""

from __future__ import annotations

import asyncio
import contextvars
import json
import math
import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from redloom.domain.target import Target
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
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request
from redloom.targets.transport import key_from

MOST_CONNECTIONS = 1024
"""Inspect's own limit is out of the way: how much goes out at once is decided here."""
_FILTERS = ("content_filter", "content filtering policy")
_UNPAID = ("insufficient_quota", "credit balance is too low")
_REFUSED_KEY = "API_KEY_INVALID"
"""What Google says in a 400; others answer 401."""
_UNREADABLE = (AssertionError, AttributeError, LookupError, TypeError, ValidationError, json.JSONDecodeError)
"""What reading an answer that is not of the usual form ends in, inside Inspect."""
_NOTHING = "(no content)"
"""Inspect's own words where a provider's answer has no part."""
_MARKUP = re.compile(r"\[/?[a-z ]+\]")
_REASONS = {"tool_calls": "stop", "max_tokens": "length", "model_length": "length", "unknown": None}


class InspectClient:
    """One of Inspect's models; tries and pauses are Redloom's."""

    def __init__(self, target: Target, model: Any, *, key: str | None = None) -> None:
        """``model`` is an ``inspect_ai.model.Model``."""
        self._target, self._model = target, model
        self._key = key or getattr(model.api, "api_key", None)
        _ask_once(model)
        self._library = _library(target.system)
        _config(self._library, target, Request(messages=()))

    @classmethod
    def load(cls, target: Target, name: str, environment: Mapping[str, str]) -> InspectClient:
        """The model of that name, such as ``google/gemini-2.5-flash``; raises SetupError or InputError."""
        library = _library(target.system)
        key = None if target.key_env is None else key_from(environment, target.key_env)
        try:
            model = library.get_model(name, base_url=target.base_url, api_key=key, memoize=False)
        except ValueError as error:
            raise InputError(f"target {target.system!r}: {_said(error, key)}") from error
        except Exception as error:
            said = _MARKUP.sub("", _said(error, key))
            raise SetupError(f"target {target.system!r}: {said}") from error
        return cls(target, model, key=key)

    @property
    def capabilities(self) -> Capabilities:
        """Everything but request fields and sessions."""
        return Capabilities(structured=True, concurrency=CONCURRENCY["inspect"])

    async def check(self) -> str:
        """That Inspect has the provider; no message is sent."""
        return f"Inspect has {self._model}"

    async def start_session(self, request: Request) -> str | None:
        """None."""
        return None

    async def reply(self, request: Request) -> Reply:
        """One generation; raises a TargetError."""
        work = self._model.generate(
            _messages(self._library, request), config=_config(self._library, self._target, request)
        )
        try:
            # Inspect keeps every event of a context: one for each request, so that memory does not grow with a run
            output = await asyncio.create_task(work, context=contextvars.Context())
        except Exception as error:
            raise self._failure(error) from error
        return self._read(output)

    async def close(self) -> None:
        """Close the provider's client."""
        await self._model.api.aclose()

    def _read(self, output: Any) -> Reply:
        if output.empty:
            raise MalformedError(f"{self._model} answered without a reply")
        usage = output.usage
        said = _said(output.error or output.completion, self._key)
        if output.stop_reason == "content_filter":
            why = said or "no reason was given"
            raise BlockedError(f"{self._model}: the provider's content filter took the reply: {why}")
        # that a conversation is too long, which a provider says in an error, Inspect gives as what the model says
        if output.error or (output.stop_reason == "model_length" and usage is None):
            raise RejectedError(f"{self._model}: {said}")
        return Reply(
            text="" if output.completion == _NOTHING else output.completion,
            finish_reason=_REASONS.get(output.stop_reason, output.stop_reason),
            tokens_in=None if usage is None else _tokens_in(usage),
            tokens_out=None if usage is None else usage.output_tokens,
        )

    def _failure(self, error: Exception) -> TargetError:
        """The class that Inspect's own judgement of an error stands for: worth another try, or not."""
        last = getattr(error, "last_attempt", None)
        cause = error if last is None else last.exception() or error
        if hasattr(cause, "provider_message") and isinstance(cause.__cause__, Exception):
            cause = cause.__cause__  # Inspect's own text begins with the whole request
        what = f"{self._model}: {type(cause).__name__}: {_said(cause, self._key)}"
        whole = f"{cause} {getattr(cause, 'body', '')}"
        status = _status(cause)
        if any(word in whole for word in _FILTERS):
            return BlockedError(what)
        if status == 402 or any(word in whole for word in _UNPAID):
            return RejectedError(what, stops=True)
        decision = self._model.api.should_retry(cause)
        pause = getattr(decision, "retry_after", None)
        if status == 429 or getattr(decision, "kind", None) == "rate_limit":
            return RateLimitedError(what, retry_after=pause)
        if last is not None or isinstance(cause, TimeoutError) or status in (408, 409, 425) or status >= 500:
            return UnavailableError(what, retry_after=pause)
        if isinstance(cause, _UNREADABLE):
            return MalformedError(f"the answer cannot be read: {what}")
        refused = status in (401, 403, 404) or _REFUSED_KEY in whole
        return RejectedError(what, stops=refused or self._model.api.is_auth_failure(cause))


def _ask_once(model: Any) -> None:
    """Switch off the tries of a provider's own package, where it has the usual switch: they would not be counted."""
    client: Any = getattr(model.api, "client", None)
    if client is not None and isinstance(getattr(client, "max_retries", None), int):
        client.max_retries = 0


def _library(system: str) -> Any:
    try:
        import inspect_ai.model  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SetupError(
            f"target {system!r} needs the extra: pip install 'redloom[inspect]' (and the package of the provider)"
        ) from error
    return cast(Any, inspect_ai.model)  # pyright: ignore[reportUnknownMemberType]


def _messages(library: Any, request: Request) -> list[Any]:
    found: list[Any] = [library.ChatMessageSystem(content=request.system)] if request.system else []
    makers = {"user": library.ChatMessageUser, "assistant": library.ChatMessageAssistant}
    return [*found, *(makers[message.role](content=message.content) for message in request.messages)]


def _config(library: Any, target: Target, request: Request) -> Any:
    """Inspect's configuration of one request; raises InputError for a field in ``extra`` that it does not have."""
    decoding = target.decoding
    fields: dict[str, Any] = {
        "max_retries": 0,
        "max_connections": MOST_CONNECTIONS,
        "attempt_timeout": math.ceil(target.limits.timeout),
        "max_tokens": request.max_tokens or decoding.max_tokens,
        "temperature": decoding.temperature if request.temperature is None else request.temperature,
        "top_p": decoding.top_p,
        "stop_seqs": list(decoding.stop) or None,
        "seed": request.seed if decoding.seed == "per_attempt" else None,
        **decoding.extra,
    }
    if request.schema is not None:
        fields["response_schema"] = library.ResponseSchema(name="answer", json_schema=request.schema)
    try:
        return library.GenerateConfig(**fields)
    except ValueError as error:
        raise InputError(f"target {target.system!r}: decoding: {_said(error, None)}") from error


def _tokens_in(usage: Any) -> int:
    """All tokens in; Inspect counts those of a cache apart."""
    cached = (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0)
    return usage.input_tokens + cached


def _status(error: BaseException) -> int:
    """The HTTP status that an error of a provider's package stands for; 0 where it says none."""
    found = (getattr(error, name, None) for name in ("status_code", "code"))
    return next((value for value in found if isinstance(value, int) and 100 <= value < 600), 0)


def _said(what: object, key: str | None) -> str:
    """What an error or a provider says, in one line and without the key."""
    text = " ".join(str(getattr(what, "message", None) or what).split())
    return (text.replace(key, "***") if key else text)[:300]
