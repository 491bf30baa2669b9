"""What every service is given: the database, who acts, time and ids."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from redloom.ids import IdSource
from redloom.settings import Settings
from redloom.storage.database import Database
from redloom.storage.unit_of_work import UnitOfWork, unit_of_work


@dataclass(frozen=True, slots=True)
class Workspace:
    """A database opened for somebody."""

    settings: Settings
    database: Database
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
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
