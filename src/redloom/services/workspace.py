"""What every service is given: the database, who acts, time and ids."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Generator, Hashable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Lock
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


@dataclass(frozen=True, slots=True)
class Workspace:
    """A database opened for somebody."""

    settings: Settings
    database: Database
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    memory: Memory = field(default_factory=Memory)
    ids: IdSource = field(default_factory=lambda: IdSource(time.time, os.urandom))

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """One transaction."""
        return unit_of_work(self.database)

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
