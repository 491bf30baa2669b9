"""Explorations with their exchanges and marks, and the findings that came of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redloom.domain.exploration import Exchange, ExchangeState, Exploration, Mark
from redloom.domain.interaction import Turn
from redloom.storage.bulk import BulkInsert
from redloom.storage.mapping import storable, to_turn, to_value, turn_row
from redloom.storage.tables import exchange, exploration, finding, finding_fact, interaction, mark, turn

SNIPPET = 200
"""Characters of a first message in a list."""
_INTERACTIONS, _TURNS = BulkInsert(interaction), BulkInsert(turn)


@dataclass(frozen=True, slots=True)
class StoredExploration:
    """An exploration as it is stored."""

    id: bytes
    study_id: int
    body: Exploration
    author: str


@dataclass(frozen=True, slots=True)
class StoredMark:
    """What somebody saw in a reply."""

    id: bytes
    exploration: bytes
    exchange: bytes
    body: Mark
    author: str


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding by its number in the study."""

    id: bytes
    study_id: int
    number: int
    author: str


@dataclass(frozen=True, slots=True)
class FindingFact:
    """One thing that was said or done about a finding."""

    id: bytes
    finding: bytes
    kind: str
    body: Any
    author: str


class Explorations:
    """All explorations of a database."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, id: bytes, study_id: int, body: Exploration, author: str) -> None:
        """A new exploration with a conversation for each of its lanes."""
        values = {"id": id, "study_id": study_id, "body": body.model_dump(mode="json"), "author": author}
        self._connection.execute(exploration.insert().values(values))
        self.add_interactions(bytes.fromhex(lane.interaction) for lane in body.lanes)

    def add_interactions(self, ids: Iterable[bytes]) -> None:
        """Conversations that belong to no run."""
        _INTERACTIONS.execute(self._connection, [(one, None, None) for one in ids])

    def get(self, id: bytes) -> StoredExploration | None:
        """The exploration with that id."""
        query = sa.select(exploration).where(exploration.c.id == id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _stored(row)

    def page(
        self, study_id: int, *, before: bytes | None = None, most: int | None = None
    ) -> list[StoredExploration]:
        """The explorations of a study that were begun before another, newest first; so many at most."""
        query = sa.select(exploration).where(exploration.c.study_id == study_id)
        if before is not None:
            query = query.where(exploration.c.id < before)
        query = query.order_by(exploration.c.id.desc()).limit(most)
        return [_stored(row) for row in self._connection.execute(query)]

    def count_moves(self, study_id: int, *, since: bytes) -> dict[bytes, int]:
        """Exploration -> how many messages were sent in it, for this one and those begun after it."""
        query = (
            sa.select(exchange.c.exploration, sa.func.count(sa.distinct(exchange.c.move)))
            .join_from(exchange, exploration)
            .where(exploration.c.study_id == study_id, exploration.c.id >= since)
            .group_by(exchange.c.exploration)
        )
        return {bytes(key): many for key, many in self._connection.execute(query)}

    def first_words(self, study_id: int, *, since: bytes) -> dict[bytes, str]:
        """Exploration -> the message that it began with, where a person began; for this one and later ones."""
        place = sa.func.row_number().over(partition_by=exchange.c.exploration, order_by=exchange.c.id)
        said = (
            sa.select(exchange.c.exploration, exchange.c.text, place.label("place"))
            .join_from(exchange, exploration)
            .where(
                exploration.c.study_id == study_id, exploration.c.id >= since, exchange.c.text.is_not(None)
            )
            .subquery()
        )
        query = sa.select(said.c.exploration, sa.func.substr(said.c.text, 1, SNIPPET)).where(
            said.c.place == 1
        )
        return {bytes(key): text for key, text in self._connection.execute(query)}

    def ask(self, exploration: bytes, exchanges: Iterable[Exchange], at: datetime.datetime) -> None:
        """Store messages whose replies are on their way."""
        rows = [
            {
                "exploration": exploration,
                "id": one.id,
                "move": one.move,
                "lane": one.lane,
                "parent": one.parent,
                "text": None if one.text is None else storable(one.text),
                "state": one.state,
                "partial": one.partial,
                "error": one.error,
                "author": one.author,
                "seen_at": at,
            }
            for one in exchanges
        ]
        self._connection.execute(exchange.insert(), rows)

    def wait(self, exploration: bytes, id: bytes, partial: str, at: datetime.datetime) -> None:
        """Keep what has come of a reply so far."""
        query = exchange.update().where(exchange.c.exploration == exploration, exchange.c.id == id)
        query = query.where(exchange.c.state == "asked")
        self._connection.execute(query.values(partial=storable(partial), seen_at=at))

    def settle(
        self, exploration: bytes, id: bytes, state: ExchangeState, made: Turn | None, error: str | None
    ) -> bool:
        """Move an exchange to its final state, with the turn that it made; False where it is in one already."""
        query = exchange.update().where(exchange.c.exploration == exploration, exchange.c.id == id)
        query = query.where(exchange.c.state == "asked").values(state=state, partial=None, error=error)
        if self._connection.execute(query).rowcount != 1:
            return False
        if made is not None:
            self.add_turns([made])
        return True

    def add_turns(self, turns: Iterable[Turn]) -> None:
        """Store turns of conversations that belong to no run."""
        _TURNS.execute(self._connection, [turn_row(one) for one in turns])

    def turns(self, interaction: bytes) -> list[Turn]:
        """The turns of one conversation, first to last."""
        query = sa.select(turn).where(turn.c.interaction == interaction).order_by(turn.c.id)
        return [to_turn(row) for row in self._connection.execute(query)]

    def exchanges(self, found: StoredExploration) -> list[Exchange]:
        """All exchanges of an exploration with their turns, oldest first."""
        query = sa.select(exchange).where(exchange.c.exploration == found.id).order_by(exchange.c.id)
        rows = self._connection.execute(query).all()  # before the turns: a reply that came has one by then
        keys = [bytes.fromhex(lane.interaction) for lane in found.body.lanes]
        made = self._connection.execute(sa.select(turn).where(turn.c.interaction.in_(keys)))
        turns = {bytes(row.id): to_turn(row) for row in made}
        return [_exchange(row, turns.get(bytes(row.id))) for row in rows]

    def newer(self, exploration: bytes, seen: bytes) -> dict[bytes, str]:
        """Move -> its author, for exchanges after this one, oldest first."""
        query = sa.select(exchange.c.move, exchange.c.author).order_by(exchange.c.id)
        query = query.where(exchange.c.exploration == exploration, exchange.c.id > seen)
        return {bytes(move): who for move, who in self._connection.execute(query)}

    def abandoned(self, before: datetime.datetime) -> list[tuple[bytes, bytes]]:
        """(exploration, exchange) of replies that nobody has waited for since ``before``."""
        query = sa.select(exchange.c.exploration, exchange.c.id)
        query = query.where(exchange.c.state == "asked", exchange.c.seen_at < before)
        return [(bytes(one), bytes(two)) for one, two in self._connection.execute(query)]

    def add_mark(self, made: StoredMark, *, supersedes: bytes | None = None) -> None:
        """Store what somebody saw."""
        values = {
            "exploration": made.exploration,
            "id": made.id,
            "exchange": made.exchange,
            "body": made.body.model_dump(mode="json", exclude_defaults=True),
            "author": made.author,
            "supersedes": supersedes,
        }
        self._connection.execute(mark.insert().values(values))

    def marks(self, study_id: int, *, since: bytes = b"") -> list[StoredMark]:
        """The marks in force in the explorations of a study (this one and those begun after it), oldest first."""
        query = sa.select(mark).join_from(mark, exploration).order_by(mark.c.id)
        query = query.where(exploration.c.study_id == study_id, exploration.c.id >= since)
        rows = list(self._connection.execute(query))
        replaced = {bytes(row.supersedes) for row in rows if row.supersedes is not None}
        return [
            StoredMark(
                bytes(row.id),
                bytes(row.exploration),
                bytes(row.exchange),
                to_value(Mark, row.body, what="a mark"),
                row.author,
            )
            for row in rows
            if bytes(row.id) not in replaced
        ]

    def add_finding(self, id: bytes, study_id: int, author: str) -> int:
        """A new finding; gives its number in the study."""
        newest = sa.select(sa.func.coalesce(sa.func.max(finding.c.number), 0))
        number = (self._connection.scalar(newest.where(finding.c.study_id == study_id)) or 0) + 1
        values = {"id": id, "study_id": study_id, "number": number, "author": author}
        self._connection.execute(finding.insert().values(values))
        return number

    def findings(self, study_id: int) -> list[StoredFinding]:
        """The findings of a study, oldest first."""
        query = sa.select(finding).where(finding.c.study_id == study_id).order_by(finding.c.number)
        return [
            StoredFinding(bytes(row.id), row.study_id, row.number, row.author)
            for row in self._connection.execute(query)
        ]

    def add_fact(self, made: FindingFact) -> None:
        """Store what was said or done about a finding."""
        values = {
            "finding": made.finding,
            "id": made.id,
            "kind": made.kind,
            "body": made.body,
            "author": made.author,
        }
        self._connection.execute(finding_fact.insert().values(values))

    def facts(self, findings: Sequence[bytes]) -> dict[bytes, list[FindingFact]]:
        """Finding -> what was said and done about it, oldest first."""
        query = sa.select(finding_fact).where(finding_fact.c.finding.in_(findings))
        found: dict[bytes, list[FindingFact]] = {one: [] for one in findings}
        for row in self._connection.execute(query.order_by(finding_fact.c.id)):
            fact = FindingFact(bytes(row.id), bytes(row.finding), row.kind, row.body, row.author)
            found[fact.finding].append(fact)
        return found


def _stored(row: sa.Row[*tuple[Any, ...]]) -> StoredExploration:
    body = to_value(Exploration, row.body, what="an exploration")
    return StoredExploration(bytes(row.id), row.study_id, body, row.author)


def _exchange(row: sa.Row[*tuple[Any, ...]], made: Turn | None) -> Exchange:
    return Exchange(
        id=bytes(row.id),
        move=bytes(row.move),
        lane=row.lane,
        parent=None if row.parent is None else bytes(row.parent),
        text=row.text,
        state=row.state,
        partial=row.partial,
        error=row.error,
        author=row.author,
        turn=made,
    )
