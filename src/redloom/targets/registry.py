"""From a target's definition to a connected client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from redloom.domain.target import Target
from redloom.errors import InputError, unknown
from redloom.targets import plug_ins
from redloom.targets.base import CONCURRENCY, Client, split_system

KINDS = plug_ins.Offered(CONCURRENCY, plug_ins.TARGETS)
"""The kinds of target there are."""


async def connect(
    target: Target, *, environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> Client:
    """A connected client for ``target``; ``home`` is where files it names are looked for.

    A built-in kind comes before a plug-in of the same name. Raises InputError for an unknown kind, SetupError for what
    the machine lacks (a key, an extra, a model).
    """
    kind, rest = split_system(target.system)
    folder = home or Path()
    match kind:
        case "openai":
            from redloom.targets.openai import OpenAIClient

            return OpenAIClient(target, rest, environment)
        case "anthropic":
            from redloom.targets.anthropic import AnthropicClient

            return AnthropicClient(target, rest, environment)
        case "inspect":
            from redloom.targets.inspect import InspectClient

            return InspectClient.load(target, rest, environment)
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
            function = plug_ins.load(plug_ins.TARGETS, kind)
            if function is None:
                raise InputError(f"target {target.system!r}: {unknown('kind of target', kind, KINDS)}")
            from redloom.targets.plugged_in import PluggedInClient

            return await PluggedInClient.connect(
                function, target, kind, rest, environment=environment, home=folder
            )
