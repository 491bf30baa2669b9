"""Async services called from code that is not async."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine; in a thread of its own where this one runs an event loop already, as notebooks do.

    What was imported so far is taken out of garbage collection, and collections are made rarer: a run makes many
    short-lived values and few cycles (a tenth of its time otherwise).
    """
    before, on_interrupt = gc.get_threshold(), signal.getsignal(signal.SIGINT)
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    else:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, work).result()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, on_interrupt)
