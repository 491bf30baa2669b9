"""Whether what is stored hangs together."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from redloom.storage.tables import attempt, imported, interaction, judgement, turn


def damage(connection: sa.Connection) -> Iterator[str]:
    """What SQLite finds wrong with its file; PostgreSQL looks after its own."""
    if connection.dialect.name != "sqlite":
        return
    for (found,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if found != "ok":
            yield f"the file is damaged: {found}"
    for table, _, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"a row of {table} names a row of {parent} that is not there"


def broken_links(connection: sa.Connection) -> Iterator[str]:
    """Rows of a run that name a conversation that is not there."""
    for table in (attempt, imported, turn, judgement):
        lost = (
            sa.select(sa.func.count())
            .select_from(table)
            .join(interaction, interaction.c.id == table.c.interaction, isouter=True)
            .where(table.c.interaction.is_not(None), interaction.c.id.is_(None))
        )
        if count := connection.scalar(lost):
            yield f"{count} rows of {table.name} name a conversation that is not there"
