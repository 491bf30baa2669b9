"""Changes that were proposed to the definitions of one study, and what was decided on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redloom.storage.tables import proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProposal:
    """A proposed change as it is stored."""

    id: bytes
    kind: str
    slug: str
    base: str | None
    """The digest of the version it was made from; None for a definition there is not yet."""
    body: Mapping[str, Any]
    author: str
    why: str
    state: str
    decision: Mapping[str, Any] | None


class Proposals:
    """The proposals of one study."""

    def __init__(self, connection: sa.Connection, study_id: int) -> None:
        self._connection = connection
        self._study = study_id

    def add(self, row: Mapping[str, Any]) -> None:
        """Store a new one: id, kind, slug, base, body, author, why."""
        values = {**row, "study_id": self._study, "state": "open", "decision": None}
        self._connection.execute(proposal.insert().values(values))

    def all(self) -> list[StoredProposal]:
        """All of them, newest first."""
        query = sa.select(proposal).where(proposal.c.study_id == self._study).order_by(proposal.c.id.desc())
        return [_stored(row) for row in self._connection.execute(query)]

    def find(self, id: bytes) -> StoredProposal | None:
        """One of them."""
        query = sa.select(proposal).where(proposal.c.study_id == self._study, proposal.c.id == id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _stored(row)

    def count_open(self, kind: str, slug: str) -> int:
        """How many changes of one definition wait for a decision."""
        query = sa.select(sa.func.count()).where(
            proposal.c.study_id == self._study,
            proposal.c.kind == kind,
            proposal.c.slug == slug,
            proposal.c.base.is_not(None),
            proposal.c.state == "open",
        )
        return self._connection.scalar(query) or 0

    def decide(self, id: bytes, state: str, decision: Mapping[str, Any]) -> bool:
        """Store what was decided; False where it was decided before, by whomever."""
        query = proposal.update().where(
            proposal.c.study_id == self._study, proposal.c.id == id, proposal.c.state == "open"
        )
        return self._connection.execute(query.values(state=state, decision=decision)).rowcount == 1


def _stored(row: sa.Row[*tuple[Any, ...]]) -> StoredProposal:
    return StoredProposal(
        id=bytes(row.id),
        kind=row.kind,
        slug=row.slug,
        base=row.base,
        body=row.body,
        author=row.author,
        why=row.why,
        state=row.state,
        decision=row.decision,
    )
