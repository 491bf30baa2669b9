"""``python:module:function``: a function of messages that gives the reply's text."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redloom.errors import InputError, MalformedError, RejectedError, TargetError, UnavailableError
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request
from redloom.targets.source import module_digest


class CallableClient:
    """Calls ``function(messages, system=..., fields=..., seed=...)`` with the keywords it takes.

    ``messages`` is a list of ``{"role", "content"}``. A plain function runs in a thread. A connection or time-out
    error of the function is tried again, and any TargetError that says so; other exceptions are not.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function, self._name = function, name
        parameters = inspect.signature(function).parameters
        self._all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self._keywords = set(parameters)

    @classmethod
    def load(cls, rest: str, folder: Path) -> CallableClient:
        """The function named ``module:function``; the module may lie in ``folder``."""
        module_name, _, name = rest.partition(":")
        if not name:
            raise InputError(f"'python:{rest}' is not of the form python:module:function")
        place = str(folder.resolve())
        added = place not in sys.path
        if added:
            sys.path.insert(0, place)
        try:
            module = importlib.import_module(module_name)
        except Exception as error:
            what = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
            raise InputError(f"'python:{rest}': cannot import {module_name!r}: {what}{error}") from error
        finally:
            if added:
                sys.path.remove(place)
        module_digest(module)  # of the file that was loaded, before anybody edits it
        function = getattr(module, name, None)
        if not callable(function):
            raise InputError(f"'python:{rest}': module {module_name!r} has no function {name!r}")
        return cls(function, rest)

    @property
    def capabilities(self) -> Capabilities:
        """What the function's keywords say."""
        return Capabilities(
            system_prompt=self._all or "system" in self._keywords,
            request_fields=self._all or "fields" in self._keywords,
            concurrency=CONCURRENCY["python"],
        )

    async def check(self) -> str:
        """That the function is there."""
        return f"function {self._name} found"

    async def start_session(self, request: Request) -> str | None:
        """None."""
        return None

    async def reply(self, request: Request) -> Reply:
        """What the function returns: a text."""
        given = {"system": request.system, "fields": dict(request.fields), "seed": request.seed}
        keywords = {name: value for name, value in given.items() if self._all or name in self._keywords}
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        try:
            if inspect.iscoroutinefunction(self._function):
                text = await self._function(messages, **keywords)
            else:
                text = await asyncio.to_thread(self._function, messages, **keywords)
                if inspect.isawaitable(text):
                    text = await text
        except TargetError:
            raise
        except (OSError, TimeoutError) as error:
            raise UnavailableError(f"{self._name} raised {type(error).__name__}: {error}") from error
        except Exception as error:
            raise RejectedError(f"{self._name} raised {type(error).__name__}: {error}") from error
        if not isinstance(text, str):
            raise MalformedError(f"{self._name} returned {type(text).__name__}; expected a text")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedError(
                f"{self._name} returned a text that is not Unicode: {error.reason}"
            ) from error
        return Reply(text=text)

    async def close(self) -> None:
        """Nothing to give back."""
