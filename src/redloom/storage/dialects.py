"""What SQLite and PostgreSQL say in different words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

# The dialect of PostgreSQL takes 45 ms to import, so it is imported where it is spoken.


def text_in(connection: sa.Connection, body: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[Any]:
    """A top-level text field of a content, on every database; NULL where it has none."""
    text = sa.type_coerce(body, sa.Text)
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import JSONB

        return sa.cast(text, JSONB)[name].astext
    return sa.func.json_extract(text, f"$.{name}")


def by_code_point(connection: sa.Connection, column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """A text column to order by, the same way on every database."""
    return sa.collate(column, "C" if connection.dialect.name == "postgresql" else "BINARY")


def hexadecimal(connection: sa.Connection, column: sa.ColumnElement[bytes]) -> sa.ColumnElement[str]:
    """Bytes as hexadecimal text, of which every database knows the least and the largest."""
    if connection.dialect.name == "postgresql":
        return sa.func.encode(column, "hex")
    return sa.func.hex(column)


def insert_into(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert that can say what happens where the row is there already."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    return insert(table)
