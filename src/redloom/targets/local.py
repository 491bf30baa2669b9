"""``local:smollm2`` or ``local:PATH.gguf``: a real model in this process, through llama.cpp."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from redloom.domain.target import Target
from redloom.errors import InputError, MalformedError, RejectedError, SetupError
from redloom.targets import models
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request

CONTEXT_TOKENS = 4096
"""For each slot."""
DEFAULT_MAX_TOKENS = 128


class LocalClient:
    """One loaded model; several conversations share each step of it."""

    def __init__(self, server: Any, target: Target, path: Path) -> None:
        self._server: Any = server
        self._target, self._path = target, path
        self._slots = target.limits.concurrency or CONCURRENCY["local"]
        self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="redloom-model")

    @classmethod
    async def load(cls, target: Target, name: str, folder: Path) -> LocalClient:
        """The model of that name or file, loaded; raises SetupError or InputError."""
        path = _find(name, folder)
        server = await asyncio.to_thread(_start, path, target.limits.concurrency or CONCURRENCY["local"])
        return cls(server, target, path)

    @property
    def capabilities(self) -> Capabilities:
        """Everything but request fields and sessions."""
        return Capabilities(structured=True, concurrency=self._slots)

    async def check(self) -> str:
        """Which file was loaded."""
        return f"{self._path.name} is loaded, {self._slots} slots"

    async def start_session(self, request: Request) -> str | None:
        """None."""
        return None

    async def reply(self, request: Request) -> Reply:
        """One completion from the model."""
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(
            self._threads, self._server.handle_chat_completions, self._body(request)
        )
        return _read(answer)

    async def stream(self, request: Request, on_part: Callable[[str], None]) -> Reply:
        """One completion from the model, told while it comes."""
        loop, stopped = asyncio.get_running_loop(), threading.Event()
        taken = _Taken()

        def take(event: Any) -> bool:
            text = taken.add(event)
            if text:
                loop.call_soon_threadsafe(on_part, text)
            return stopped.is_set()

        body = {**self._body(request), "stream": True, "stream_options": {"include_usage": True}}
        try:
            await loop.run_in_executor(self._threads, self._server.handle_chat_completions, body, take)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return _read(taken.whole())

    async def close(self) -> None:
        """Unload the model."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._server = None

    def _body(self, request: Request) -> dict[str, Any]:
        decoding = self._target.decoding
        messages = [{"role": "system", "content": request.system}] if request.system else []
        messages += [{"role": m.role, "content": m.content} for m in request.messages]
        temperature = decoding.temperature if request.temperature is None else request.temperature
        body: dict[str, Any] = {
            "messages": messages,
            "max_tokens": request.max_tokens or decoding.max_tokens or DEFAULT_MAX_TOKENS,
            "temperature": 0.7 if temperature is None else temperature,
            "cache_prompt": True,
        }
        if decoding.top_p is not None:
            body["top_p"] = decoding.top_p
        if decoding.stop:
            body["stop"] = list(decoding.stop)
        if request.seed is not None and decoding.seed == "per_attempt":
            body["seed"] = request.seed
        if request.schema is not None:
            schema = {"name": "answer", "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body | decoding.extra


class _Taken:
    """The parts of a completion that came so far."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._reason: Any = None
        self._more: dict[str, Any] = {}

    def add(self, event: Any) -> str:
        """Take one part; gives its text."""
        self._more |= {name: event[name] for name in ("usage", "error") if event.get(name)}
        choices: Any = event.get("choices")
        choice: Any = choices[0] if choices else {}
        self._reason = choice.get("finish_reason") or self._reason
        delta: Any = choice.get("delta") or {}
        text = str(delta.get("content") or "")
        self._parts.append(text)
        return text

    def whole(self) -> dict[str, Any]:
        """The answer as it would have come at once."""
        message = {"content": "".join(self._parts)}
        return {"choices": [{"message": message, "finish_reason": self._reason}], **self._more}


def _find(name: str, folder: Path) -> Path:
    if not name.endswith(".gguf"):
        return models.find(name)
    path = folder / name
    if not path.is_file():
        raise InputError(f"'local:{name}': there is no file {str(path)!r}")
    return path


def _start(path: Path, slots: int) -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise SetupError("a model in this process needs the extra: pip install 'redloom[local]'") from error
    library: Any = xllamacpp
    settings = library.CommonParams()
    settings.model.path = str(path)
    settings.n_parallel = slots
    settings.n_ctx = CONTEXT_TOKENS * slots
    settings.warmup = False
    settings.verbosity = -1
    settings.api_keys = [secrets.token_hex(16)]
    threads = os.cpu_count() or 1
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    # spinning for the next step slows everything down beside a busy process
    settings.cpuparams.poll = settings.cpuparams_batch.poll = 0
    try:
        return library.Server(settings)
    except RuntimeError as error:
        raise SetupError(f"{path} cannot be loaded as a model: {error}") from error


def _read(answer: Any) -> Reply:
    if "error" in answer:
        raise RejectedError(f"the model in this process: {answer['error'].get('message', answer['error'])}")
    try:
        choice = answer["choices"][0]
        usage = answer.get("usage", {})
        return Reply(
            text=(choice["message"].get("content") or "").strip(),
            finish_reason=choice.get("finish_reason"),
            tokens_in=usage.get("prompt_tokens"),
            tokens_out=usage.get("completion_tokens"),
        )
    except (KeyError, IndexError, TypeError) as error:
        raise MalformedError("the model in this process answered without a message") from error
