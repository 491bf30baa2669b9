"""Instruments, the judgements made with them, and how they stood the probe."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy import exc

from redloom.domain.judgement import Instrument, Judgement, JudgingPass
from redloom.domain.probe import Probe
from redloom.ids import time_of
from redloom.storage.bulk import BulkInsert
from redloom.storage.dialects import hexadecimal
from redloom.storage.mapping import judgement_row, to_judgement, to_value
from redloom.storage.tables import attempt, imported, instrument, interaction, judgement, judging, probe

_INSERT = BulkInsert(judgement)
CHUNK = 500


class Judgements:
    """All judgements of a database."""

    def __init__(self, connection: sa.Connection, runs: set[int]) -> None:
        """``runs`` takes the runs whose conversations were judged."""
        self._connection = connection
        self._runs = runs

    def register(self, found: Instrument) -> int:
        """The number of an instrument; a new one where it is not known yet."""
        digest = found.digest()
        query = sa.select(instrument.c.id).where(instrument.c.digest == digest)
        known = self._connection.scalar(query)
        if known is not None:
            return known
        body = found.model_dump(mode="json")
        try:
            with self._connection.begin_nested():
                self._connection.execute(instrument.insert().values(digest=digest, body=body))
        except exc.IntegrityError:
            pass  # another process was first
        return self._connection.execute(query).scalar_one()

    def add(self, judgements: Iterable[Judgement], numbers: dict[str, int]) -> None:
        """Store judgements; ``numbers`` are the instruments' by digest."""
        made = list(judgements)
        _INSERT.execute(self._connection, [judgement_row(one, numbers[one.instrument]) for one in made])
        self._note(made)

    def revise(self, one: Judgement, number: int, *, supersedes: bytes) -> None:
        """Store a judgement that takes the place of an earlier one by the same rater; the earlier stays."""
        _INSERT.execute(self._connection, [judgement_row(one, number, supersedes)])
        self._note([one])

    def of(self, interactions: Sequence[bytes]) -> dict[bytes, list[Judgement]]:
        """Interaction -> its judgements in force, oldest first (at most some hundreds of interactions at a time)."""
        query = (
            sa.select(judgement, instrument.c.digest.label("instrument_digest"))
            .join_from(judgement, instrument, judgement.c.instrument_id == instrument.c.id)
            .where(judgement.c.interaction.in_(interactions))
            .order_by(judgement.c.interaction, judgement.c.id)
        )
        rows = list(self._connection.execute(query))
        replaced = {bytes(row.supersedes) for row in rows if row.supersedes is not None}
        found: dict[bytes, list[Judgement]] = {}
        for row in rows:
            if bytes(row.id) not in replaced:
                found.setdefault(bytes(row.interaction), []).append(to_judgement(row, row.instrument_digest))
        return found

    def instruments(self, run_id: int) -> dict[str, Instrument]:
        """Digest -> every instrument that judged a conversation of this run."""
        used = [
            sa.select(judgement.c.instrument_id)
            .join_from(judgement, table, table.c.interaction == judgement.c.interaction)
            .where(table.c.run_id == run_id)
            for table in (attempt, imported)
        ]
        query = sa.select(instrument.c.digest, instrument.c.body).where(instrument.c.id.in_(sa.union(*used)))
        return {row.digest: Instrument.model_validate(row.body) for row in self._connection.execute(query)}

    def spans(self, run_id: int) -> dict[str, tuple[datetime.datetime, datetime.datetime]]:
        """Digest of an instrument -> when it first and last judged a conversation of this run."""
        key = hexadecimal(self._connection, judgement.c.id)
        found: dict[str, tuple[datetime.datetime, datetime.datetime]] = {}
        for table in (attempt, imported):
            ours = sa.select(table.c.interaction).where(table.c.run_id == run_id)
            query = (
                sa.select(instrument.c.digest, sa.func.min(key), sa.func.max(key))
                .join_from(judgement, instrument, instrument.c.id == judgement.c.instrument_id)
                .where(judgement.c.interaction.in_(ours))
                .group_by(instrument.c.digest)
            )
            for digest, first, last in self._connection.execute(query):
                found[digest] = (time_of(bytes.fromhex(first)), time_of(bytes.fromhex(last)))
        return found

    def add_pass(self, run_id: int, *, id: bytes, made: JudgingPass) -> None:
        """Store what a judge is given of a run this time."""
        row = {"run_id": run_id, "id": id, "body": made.model_dump(mode="json")}
        self._connection.execute(judging.insert().values(row))
        self._runs.add(run_id)

    def passes(self, run_id: int) -> list[JudgingPass]:
        """What judges were given of a run, oldest first."""
        query = sa.select(judging.c.body).where(judging.c.run_id == run_id).order_by(judging.c.id)
        return [
            to_value(JudgingPass, body, what="what a judge was given")
            for body in self._connection.scalars(query)
        ]

    def numbers(self, digests: Iterable[str]) -> dict[str, int]:
        """Digest -> number of these instruments, as far as they are known."""
        query = sa.select(instrument.c.digest, instrument.c.id).where(instrument.c.digest.in_(list(digests)))
        return {row.digest: row.id for row in self._connection.execute(query)}

    def named(self, digests: Iterable[str]) -> dict[str, Instrument]:
        """Digest -> each of these instruments (at most some hundreds)."""
        query = sa.select(instrument.c.digest, instrument.c.body).where(instrument.c.digest.in_(set(digests)))
        return {row.digest: Instrument.model_validate(row.body) for row in self._connection.execute(query)}

    def count_probes(self) -> int:
        """How often any judge was probed."""
        return self._connection.scalar(sa.select(sa.func.count()).select_from(probe)) or 0

    def add_probe(self, number: int, *, id: bytes, made: Probe) -> None:
        """Store what a judge answered to planted conversations; earlier probes stay."""
        row = {"instrument_id": number, "id": id, "body": made.model_dump(mode="json")}
        self._connection.execute(probe.insert().values(row))

    def probe_of(self, found: Instrument) -> Probe | None:
        """The newest probe of a judge; None where it was never probed."""
        query = (
            sa.select(probe.c.body)
            .join_from(probe, instrument)
            .where(instrument.c.digest == found.digest())
            .order_by(probe.c.id.desc())
            .limit(1)
        )
        body = self._connection.scalar(query)
        return None if body is None else Probe.model_validate(body)

    def _note(self, made: Sequence[Judgement]) -> None:
        keys = list({one.interaction for one in made})
        for start in range(0, len(keys), CHUNK):
            part = interaction.c.id.in_(keys[start : start + CHUNK])
            found = self._connection.scalars(sa.select(interaction.c.run_id).where(part).distinct())
            self._runs.update(number for number in found if number is not None)
