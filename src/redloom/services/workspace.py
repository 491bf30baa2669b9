"""What every service is given: the database, who acts, time and ids."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Generator, Hashable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any

from redloom.ids import IdSource
from redloom.settings import Settings
from redloom.storage.database import Database
from redloom.storage.unit_of_work import UnitOfWork, unit_of_work


class Memory:
    """What was worked out and may be forgotten at any time; beyond so many values the oldest goes."""

    MOST = 400

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[Any, Any]] = {}
        self._makings: dict[Hashable, tuple[int, Future[Any] | None]] = {}
        self._lock = Lock()

    def get(self, key: Hashable) -> tuple[Any, Any] | None:
        """(state it was worked out from, value); None where nothing is kept."""
        return self._values.get(key)

    def keep(self, key: Hashable, value: tuple[Any, Any]) -> None:
        """Keep a value, as the newest."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            while len(self._values) > self.MOST:
                del self._values[next(iter(self._values))]

    def begin(self, key: Hashable, work: Callable[[], Any]) -> int:
        """Have something made in a thread of its own, unless it is being made; gives the number of the making."""
        with self._lock:
            number, making = self._makings.get(key, (0, None))
            if making is None or making.done():
                number, making = number + 1, Future[Any]()
                self._makings[key] = (number, making)
                Thread(target=_make, args=(making, work), daemon=True).start()
            return number

    def made(self, key: Hashable, number: int | None = None) -> Any:
        """What the making with that number gave, or any; once, and None before it has ended. Raises what it raised."""
        with self._lock:
            newest, making = self._makings.get(key, (0, None))
            if making is None or not making.done() or number not in (None, newest):
                return None
            self._makings[key] = (newest, None)
        return making.result()


def _make(making: Future[Any], work: Callable[[], Any]) -> None:
    try:
        made = work()
    except Exception as error:  # noqa: BLE001  # it comes out where the result is asked for
        making.set_exception(error)
    else:
        making.set_result(made)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A database opened for somebody."""

    settings: Settings
    database: Database
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    memory: Memory = field(default_factory=Memory)
    ids: IdSource = field(default_factory=lambda: IdSource(time.time, os.urandom))

    def begin(self, *, changing: str | None = None) -> AbstractContextManager[UnitOfWork]:
        """One transaction; with ``changing`` nobody else changes that study until it ends.

        What is decided by what was read needs it: on neither kind of database are the reads of a transaction one moment.
        """
        return unit_of_work(self.database, changing=changing)

    def now(self) -> datetime.datetime:
        """The time, in UTC."""
        return datetime.datetime.now(datetime.UTC)

    @property
    def who(self) -> str:
        """Who acts."""
        return self.settings.who


@contextmanager
def open_workspace(settings: Settings, *, make: bool = True) -> Generator[Workspace]:
    """The database of the settings, opened; made where there is none, or refused with ``make=False``."""
    database = Database(settings.database, make=make)
    try:
        yield Workspace(settings, database)
    finally:
        database.close()
