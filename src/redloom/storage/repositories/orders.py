"""Who has taken which work order of one study."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import sqlalchemy as sa

from redloom.storage.dialects import insert_into
from redloom.storage.tables import order_taken


@dataclass(frozen=True, slots=True)
class Taken:
    """Who took an order, and when."""

    who: str
    at: datetime.datetime


class Orders:
    """The orders of one study that somebody took, by their key."""

    def __init__(self, connection: sa.Connection, study_id: int) -> None:
        self._connection = connection
        self._study = study_id

    def all(self) -> dict[str, Taken]:
        """Key -> who took it."""
        query = sa.select(order_taken).where(order_taken.c.study_id == self._study)
        return {row.key: Taken(row.who, row.at) for row in self._connection.execute(query)}

    def take(self, key: str, who: str, at: datetime.datetime) -> str:
        """Who has the order now: ``who``, or whoever was first."""
        row = {"study_id": self._study, "key": key, "who": who, "at": at}
        self._connection.execute(
            insert_into(self._connection, order_taken).values(row).on_conflict_do_nothing()
        )
        query = sa.select(order_taken.c.who).where(self._is(key))
        return self._connection.execute(query).scalar_one()

    def give_back(self, key: str) -> None:
        """Nobody has the order any more."""
        self._connection.execute(order_taken.delete().where(self._is(key)))

    def _is(self, key: str) -> sa.ColumnElement[bool]:
        return sa.and_(order_taken.c.study_id == self._study, order_taken.c.key == key)
