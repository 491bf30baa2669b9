"""One transaction over all repositories."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import sqlalchemy as sa

from redloom.errors import UnknownNameError
from redloom.storage.database import Database
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.repositories.explorations import Explorations
from redloom.storage.repositories.judgements import Judgements
from redloom.storage.repositories.orders import Orders
from redloom.storage.repositories.people import People
from redloom.storage.repositories.proposals import Proposals
from redloom.storage.repositories.releases import Releases
from redloom.storage.repositories.runs import Runs, StoredRun
from redloom.storage.repositories.studies import Studies
from redloom.storage.repositories.talks import Talks


class UnitOfWork:
    """The repositories of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.studies = Studies(connection)
        self.runs = Runs(connection)
        self._judged: set[int] = set()
        self.judgements = Judgements(connection, self._judged)
        self.people = People(connection)
        self.explorations = Explorations(connection)

    def note_changes(self) -> None:
        """Count what was judged as a change of its runs: last of all, since others wait for the row from then on."""
        for number in sorted(self._judged):
            self.runs.changed(number)

    def study_id(self, slug: str) -> int:
        """The id of a study; raises UnknownNameError."""
        found = self.studies.id_of(slug)
        if found is None:
            raise UnknownNameError(
                "study", slug, self.studies.slugs(), hint="Declare it with 'redloom apply FILE'."
            )
        return found

    def definitions(self, study: str | int) -> Definitions:
        """The definitions of a study, by slug or id."""
        return Definitions(self.connection, study if isinstance(study, int) else self.study_id(study))

    def releases(self, study: str | int) -> Releases:
        """The releases of a study, by slug or id."""
        return Releases(self.connection, study if isinstance(study, int) else self.study_id(study))

    def talks(self, run: StoredRun) -> Talks:
        """The conversations of a run."""
        return Talks(self.connection, run)

    def proposals(self, study: str) -> Proposals:
        """What was proposed to a study."""
        return Proposals(self.connection, self.study_id(study))

    def orders(self, study: str) -> Orders:
        """The work orders of a study that somebody took."""
        return Orders(self.connection, self.study_id(study))


@contextmanager
def unit_of_work(database: Database, *, changing: str | None = None) -> Generator[UnitOfWork]:
    """One transaction: everything in it is stored, or nothing. With ``changing`` others wait who change that study."""
    with database.begin() as connection:
        unit = UnitOfWork(connection)
        if changing is not None:
            unit.studies.lock(changing)
        yield unit
        unit.note_changes()
