"""From a target's definition to a connected client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from redloom.domain.target import Target
from redloom.errors import InputError, unknown
from redloom.targets.base import CONCURRENCY, Client, split_system

KINDS = tuple(CONCURRENCY)


async def connect(
    target: Target, *, environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> Client:
    """A connected client for ``target``; ``home`` is where files it names are looked for.

    Raises InputError for an unknown kind, SetupError for what the machine lacks (a key, an extra, a model).
    """
    kind, rest = split_system(target.system)
    folder = home or Path()
    match kind:
        case "openai":
            from redloom.targets.openai import OpenAIClient

            return OpenAIClient(target, rest, environment)
        case "http":
            from redloom.targets.http import HttpClient

            return HttpClient(target, environment)
        case "local":
            from redloom.targets.local import LocalClient

            return await LocalClient.load(target, rest, folder)
        case "python":
            from redloom.targets.callable import CallableClient

            return CallableClient.load(rest, folder)
        case "scripted":
            from redloom.targets.scripted import ScriptedClient

            return ScriptedClient.load(folder / rest)
        case _:
            raise InputError(f"target {target.system!r}: {unknown('kind of target', kind, KINDS)}")
