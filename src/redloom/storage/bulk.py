"""Many rows into one table, past SQLAlchemy's work on every value."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

_SIZES = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement: few sizes, so that the driver's statement cache holds them all."""


class BulkInsert:
    """Inserts rows that are ready for the driver: tuples in the order of the table's columns.

    On SQLite many rows go in one statement: its driver gives up the interpreter lock for each statement it steps,
    and a busy event loop takes long to give it back.
    """

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._names = tuple(table.columns.keys())
        self._texts: dict[tuple[str, int], str] = {}

    def execute(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert all rows; none is fine."""
        if not rows:
            return
        dialect = connection.dialect
        if dialect.name != "sqlite":
            named = [dict(zip(self._names, row, strict=True)) for row in rows]
            connection.exec_driver_sql(self._text(dialect, 1), named)
            return
        cursor = connection.connection.cursor()
        start = 0
        for size in _SIZES:
            while len(rows) - start >= size:
                values = tuple(chain.from_iterable(rows[start : start + size]))
                text = self._text(dialect, size)
                try:
                    cursor.execute(text, values)
                except dialect.loaded_dbapi.Error as error:
                    raise exc.DBAPIError(text, None, error) from error
                start += size

    def _text(self, dialect: sa.Dialect, size: int) -> str:
        key = (dialect.name, size)
        if key not in self._texts:
            one = str(self._table.insert().compile(dialect=dialect))
            head, _, values = one.partition(" VALUES ")
            self._texts[key] = f"{head} VALUES {', '.join([values] * size)}"
        return self._texts[key]
