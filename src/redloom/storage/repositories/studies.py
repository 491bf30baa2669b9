"""Studies by slug, and their history."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from redloom.storage.dialects import text_in
from redloom.storage.tables import definition_version, history, study

_STATE = sa.select(
    study.c.id,
    sa.select(history.c.id)
    .where(history.c.study_id == study.c.id)
    .order_by(history.c.id.desc())
    .limit(1)
    .scalar_subquery(),
    sa.select(sa.func.max(definition_version.c.id)).scalar_subquery(),
).where(study.c.slug == sa.bindparam("slug"))


class Studies:
    """All studies of a database."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def id_of(self, slug: str) -> int | None:
        """The id of a study, or None."""
        return self._connection.scalar(sa.select(study.c.id).where(study.c.slug == slug))

    def lock(self, slug: str) -> None:
        """Keep a study for this transaction; comes before anything is read, since SQLite gives the word to one writer."""
        if self._connection.dialect.name == "sqlite":
            self._connection.execute(study.update().where(study.c.slug == slug).values(slug=study.c.slug))
        else:
            self._connection.execute(sa.select(study.c.id).where(study.c.slug == slug).with_for_update())

    def slugs(self) -> list[str]:
        """The slugs of all studies, in the order they came."""
        return list(self._connection.scalars(sa.select(study.c.slug).order_by(study.c.id)))

    def slug_of(self, study_id: int) -> str:
        """The slug of a study."""
        return self._connection.execute(sa.select(study.c.slug).where(study.c.id == study_id)).scalar_one()

    def state(self, slug: str) -> tuple[int, bytes | None, int | None] | None:
        """What changes with every recorded change of a study: its id, newest entry and newest version of anything."""
        row = self._connection.execute(_STATE, {"slug": slug}).one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    def newest_version(self) -> int:
        """The number of the newest version of anything; 0 where there is none."""
        return self._connection.scalar(sa.select(sa.func.max(definition_version.c.id))) or 0

    def add(self, slug: str, at: datetime.datetime) -> int:
        """A new study; gives its id."""
        inserted = self._connection.execute(study.insert().values(slug=slug, created_at=at))
        key = inserted.inserted_primary_key
        assert key is not None
        return key[0]

    def record(
        self,
        study_id: int,
        *,
        id: bytes,
        who: str,
        what: str,
        why: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Append to the history of a study."""
        row = {"study_id": study_id, "id": id, "who": who, "what": what, "why": why, "detail": detail}
        self._connection.execute(history.insert(), [row])

    def told_of(self, study_id: int, id: bytes, name: str) -> list[sa.RowMapping]:
        """The entry with that id, and those after it whose detail has the id under ``name``; oldest first."""
        detail = history.c.detail
        about = text_in(self._connection, detail, name) == id.hex()
        query = sa.select(history).where(
            history.c.study_id == study_id,
            history.c.id >= id,
            sa.or_(history.c.id == id, sa.and_(history.c.detail.is_not(None), about)),
        )
        return list(self._connection.execute(query.order_by(history.c.id)).mappings())

    def history(self, study_id: int, *, most: int = 50) -> list[sa.RowMapping]:
        """The newest entries of a study's history, newest first."""
        query = (
            sa.select(history).where(history.c.study_id == study_id).order_by(history.c.id.desc()).limit(most)
        )
        return list(self._connection.execute(query).mappings())
