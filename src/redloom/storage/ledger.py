"""The one writer of a run: commits whatever is queued, at once and without a timer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from redloom.domain.run import Record
from redloom.errors import StoreError
from redloom.storage.bulk import BulkInsert
from redloom.storage.database import Database, shown, store_errors
from redloom.storage.mapping import judgement_row, storable, turn_row
from redloom.storage.tables import attempt, interaction, judgement, turn
from redloom.storage.types import digest_bytes

MOST_AT_ONCE = 512


class Place:
    """The file of a database, watched: what is committed to a file that was deleted would be lost."""

    def __init__(self, database: Database) -> None:
        """Where there is no file, as on a server, nothing is watched."""
        self._database = database
        url = database.engine.url
        named = url.database if url.get_backend_name() == "sqlite" else None
        self._path = Path(named).absolute() if named and named != ":memory:" else None
        self._file = self._found()

    def check(self, connection: sa.Connection | None = None) -> None:
        """Raise StoreError where the file is not the one it was; all that was committed is copied beside it first.

        ``connection`` is one to the old file, in no transaction; without one, the next of the pool.
        """
        if self._path is None or self._found() == self._file:
            return
        if connection is not None:
            copy = self._copy(connection, self._path)
        else:
            with self._database.connect() as another:
                copy = self._copy(another, self._path)
        raise StoreError(
            f"the database {shown(self._database.url)} failed: its file was deleted, moved or replaced while it was in "
            f"use. Everything that was committed is in {copy.name!r} beside it; put that in its place"
        )

    def _found(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _copy(self, connection: sa.Connection, path: Path) -> Path:
        names = (path.with_name(f"{path.name}.rescued{n or ''}") for n in itertools.count())
        copy = next(name for name in names if not name.exists())
        connection.exec_driver_sql("VACUUM INTO ?", (str(copy),))
        return copy


class SqlLedger:
    """Stores records of one run; used as an async context manager."""

    def __init__(self, database: Database, run_id: int, instruments: Mapping[str, int]) -> None:
        """``instruments`` are the numbers of instruments by digest."""
        self._database, self._run, self._instruments = database, run_id, instruments
        self._queue: list[tuple[Record, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="redloom-ledger")
        self._writer: asyncio.Task[None] | None = None
        self._broken: Exception | None = None
        self._closing = False
        self._connection: sa.Connection | None = None
        self._place = Place(database)

    async def __aenter__(self) -> SqlLedger:
        self._writer = asyncio.create_task(self._write_queue())
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._closing = True
        self._wake.set()
        if self._writer is not None:
            await self._writer
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=True)

    async def write(self, record: Record) -> None:
        """Store a record; returns when it is committed. Raises what the writer failed with, from then on always."""
        if self._broken is not None:
            raise self._broken
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((record, done))
        self._wake.set()
        await done

    async def _write_queue(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch, self._queue = self._queue[:MOST_AT_ONCE], self._queue[MOST_AT_ONCE:]
                try:
                    await loop.run_in_executor(self._thread, self._commit, [record for record, _ in batch])
                except Exception as error:
                    self._break(error, batch)
                    if isinstance(error, StoreError):
                        return
                    raise
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
            if self._closing:
                return

    def _break(self, error: Exception, batch: list[tuple[Record, asyncio.Future[None]]]) -> None:
        self._broken = error
        for _, done in (*batch, *self._queue):
            if not done.done():
                done.set_exception(error)
        self._queue = []

    def _connect(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._database.engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, records: list[Record]) -> None:
        with store_errors(self._database.url):
            connection = self._connect()
            with connection.begin():
                for insert, rows in self._rows(records):
                    insert.execute(connection, rows)
                if known := [record for record in records if record.known]:
                    connection.execute(_ATTEMPT, [_update(record, self._run) for record in known])
                if ends := [record for record in records if _ends(record)]:
                    rows = [
                        {"key": r.interaction, "ended_by": r.outcome.ended_by if r.outcome else None}
                        for r in ends
                    ]
                    connection.execute(_END, rows)
            self._place.check(connection)

    def _rows(self, records: list[Record]) -> list[tuple[BulkInsert, list[tuple[Any, ...]]]]:
        conversations: list[tuple[Any, ...]] = []
        turns: list[tuple[Any, ...]] = []
        attempts: list[tuple[Any, ...]] = []
        judgements: list[tuple[Any, ...]] = []
        for record in records:
            if record.starts:
                ended_by = record.outcome.ended_by if record.outcome else None
                conversations.append((record.interaction, self._run, ended_by))
            turns += [turn_row(one) for one in record.turns]
            judgements += [judgement_row(one, self._instruments[one.instrument]) for one in record.judgements]
            if not record.known:
                attempts.append(_attempt_row(record, self._run))
        return [
            (_CONVERSATIONS, conversations),
            (_TURNS, turns),
            (_ATTEMPTS, attempts),
            (_JUDGEMENTS, judgements),
        ]


_CONVERSATIONS = BulkInsert(interaction)
_TURNS = BulkInsert(turn)
_ATTEMPTS = BulkInsert(attempt)
_JUDGEMENTS = BulkInsert(judgement)

_KEY = ("run_id", "stimulus", "arm", "index")
_END = interaction.update().where(interaction.c.id == sa.bindparam("key"))
_ATTEMPT = attempt.update().where(*(attempt.c[name] == sa.bindparam(f"key_{name}") for name in _KEY))


def _ends(record: Record) -> bool:
    """Whether the record ends a conversation that was stored before."""
    return record.outcome is not None and record.interaction is not None and not record.starts


def _attempt_row(record: Record, run_id: int) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    item, outcome, used = record.item, record.outcome, record.used
    return (
        run_id,
        digest_bytes(item.stimulus),
        item.arm,
        item.index,
        outcome.state if outcome else "claimed",
        used.tries,
        used.requests,
        used.tokens_in,
        used.tokens_out,
        record.interaction,
        used.cost,
        storable(outcome.error) if outcome and outcome.error else None,
    )


def _update(record: Record, run_id: int) -> dict[str, Any]:
    row = dict(zip(attempt.columns.keys(), _attempt_row(record, run_id), strict=True))
    row["stimulus"] = record.item.stimulus
    return {f"key_{name}" if name in _KEY else name: value for name, value in row.items()}
