"""Fields of a stored content, read by the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


def text_in(connection: sa.Connection, body: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[Any]:
    """A top-level text field of a content, on every database; NULL where it has none."""
    text = sa.type_coerce(body, sa.Text)
    if connection.dialect.name == "postgresql":
        return sa.cast(text, postgresql.JSONB)[name].astext
    return sa.func.json_extract(text, f"$.{name}")
