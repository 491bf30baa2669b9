"""A whole database into an empty one, row by row, whatever the two kinds are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from redloom.errors import InputError
from redloom.storage.case_lines import rebuild_words
from redloom.storage.database import Database
from redloom.storage.tables import metadata
from redloom.storage.unit_of_work import UnitOfWork

CHUNK = 1000


def copy(
    source: Database,
    target: Database,
    *,
    on_progress: Callable[[str, int], None],
    before_commit: Callable[[UnitOfWork], None],
) -> dict[str, int]:
    """Every row of ``source`` into ``target``, in one transaction; gives table -> rows.

    ``on_progress`` gets a table and how many of its rows are copied; ``before_commit`` may look at the copy and raise,
    and then nothing is stored. Raises InputError where the target holds rows.
    """
    counts: dict[str, int] = {}
    with source.begin() as reading, target.begin() as writing:
        full = [t.name for t in metadata.sorted_tables if writing.execute(sa.select(t).limit(1)).first()]
        if full:
            raise InputError(
                f"{target.name} is not empty: it has rows in {', '.join(full)}; copy into a new one"
            )
        for table in metadata.sorted_tables:
            raw = _raw(table)
            counts[table.name] = 0
            for rows in _batches(reading, raw, table):
                writing.execute(raw.insert(), rows)
                counts[table.name] += len(rows)
                on_progress(table.name, counts[table.name])
            if writing.dialect.name == "postgresql":
                _go_on_numbering(writing, table)
        rebuild_words(writing)
        before_commit(UnitOfWork(writing))
    return counts


def _raw(table: sa.Table) -> sa.TableClause:
    """The table with its columns as the database holds them: nothing is parsed or checked on the way."""
    return sa.table(table.name, *(sa.column(c.name, _held_as(c.type)) for c in table.columns))


def _held_as(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _batches(
    connection: sa.Connection, raw: sa.TableClause, table: sa.Table
) -> Iterator[list[dict[str, Any]]]:
    order = [raw.c[column.name] for column in table.primary_key]
    found = connection.execution_options(yield_per=CHUNK).execute(sa.select(raw).order_by(*order))
    for part in found.mappings().partitions():
        yield [dict(row) for row in part]


def _go_on_numbering(connection: sa.Connection, table: sa.Table) -> None:
    """The numbers that PostgreSQL gives begin after those that were copied."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    if connection.scalar(sa.select(sequence)) is None:
        return
    newest = sa.select(sa.func.max(column)).scalar_subquery()
    value = sa.func.coalesce(newest, 1)
    connection.execute(sa.select(sa.func.setval(sequence, value, newest.is_not(None))))
