"""Async services called from code that is not async."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine.

    What was imported so far is taken out of garbage collection, and collections are made rarer: a run makes many
    short-lived values and few cycles (a tenth of its time otherwise).
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        return asyncio.run(work)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
