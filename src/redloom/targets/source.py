"""The file behind a system or a rule, where there is one that can be read: its digest."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from redloom.targets import plug_ins
from redloom.targets.base import CONCURRENCY, split_system

_KEPT = "__redloom_source__"


def source_digest(system: str, home: Path) -> str:
    """Digest of the file behind a connected system; empty for a hosted one, and where no file can be read.

    Of a Python function it is the file of its module: what that imports is not in it.
    """
    kind, rest = split_system(system)
    if kind == "scripted":
        return digest_of(home / rest)
    if kind == "python":
        module = sys.modules.get(rest.partition(":")[0])
        return "" if module is None else module_digest(module)
    if kind in CONCURRENCY:
        return ""
    return code_digest(plug_ins.load(plug_ins.TARGETS, kind))


def code_digest(function: Any) -> str:
    """Digest of the file that holds a function or class; empty where there is none."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    return "" if module is None else module_digest(module)


def module_digest(module: ModuleType) -> str:
    """Digest of a module's file as it was when this was first asked: a module stays as it was loaded."""
    known = vars(module)
    if _KEPT not in known:
        file: str | None = getattr(module, "__file__", None)
        known[_KEPT] = digest_of(Path(file)) if file else ""
    return known[_KEPT]


def digest_of(path: Path) -> str:
    """Digest of a file's bytes; empty where it cannot be read."""
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
