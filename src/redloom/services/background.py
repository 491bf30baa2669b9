"""Work that goes on while requests are answered: a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

CLOSING_SECONDS = 10


class Background:
    """A thread with an event loop, begun when something is first to be done."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop; None before anything was to be done, and after the end."""
        return self._loop

    def running(self) -> asyncio.AbstractEventLoop:
        """The loop, running."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True).start()
            return self._loop

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Do one last thing there and end the thread; where nothing was begun there is nothing to do."""
        if self._loop is None:
            last.close()
            return
        loop, self._loop = self._loop, None
        asyncio.run_coroutine_threadsafe(last, loop).result(CLOSING_SECONDS)
        loop.call_soon_threadsafe(loop.stop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
