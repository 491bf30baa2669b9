"""Participants, their invitations and sessions. Of a secret only its digest is stored."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redloom.domain.people import Participant, Role
from redloom.domain.reading import Reading
from redloom.storage.dialects import insert_into
from redloom.storage.mapping import to_value
from redloom.storage.tables import invitation, participant, reading, session, study


@dataclass(frozen=True, slots=True)
class StoredInvitation:
    """An invitation, and whom it is for."""

    participant: Participant
    expires_at: datetime.datetime
    used_at: datetime.datetime | None


class People:
    """All participants of a database."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self, study_id: int | None) -> list[Participant]:
        """The participants of a study (None: of all studies), in the order they came."""
        query = _PARTICIPANT.where(participant.c.study_id == study_id).order_by(participant.c.id)
        return [_participant(row) for row in self._connection.execute(query)]

    def named(self, study_id: int | None, name: str) -> Participant | None:
        """The participant of that name."""
        query = _PARTICIPANT.where(participant.c.study_id == study_id, participant.c.name == name)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _participant(row)

    def add(self, study_id: int | None, name: str, role: Role, at: datetime.datetime) -> int:
        """The id of a new participant."""
        values = {"study_id": study_id, "name": name, "role": role, "created_at": at, "ended_at": None}
        return self._connection.execute(
            participant.insert().values(values).returning(participant.c.id)
        ).scalar_one()

    def end(self, participant_id: int, at: datetime.datetime) -> None:
        """Close everything to a participant."""
        self._connection.execute(
            participant.update().where(participant.c.id == participant_id).values(ended_at=at)
        )

    def invite(
        self, token: str, participant_id: int, *, at: datetime.datetime, expires: datetime.datetime
    ) -> None:
        """Store an invitation under the digest of its secret."""
        values = {"token": token, "participant_id": participant_id, "created_at": at, "expires_at": expires}
        self._connection.execute(invitation.insert().values({**values, "used_at": None}))

    def invitation(self, token: str) -> StoredInvitation | None:
        """The invitation with that digest."""
        query = (
            _PARTICIPANT.add_columns(invitation.c.expires_at, invitation.c.used_at)
            .join(invitation, invitation.c.participant_id == participant.c.id)
            .where(invitation.c.token == token)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else StoredInvitation(_participant(row), row.expires_at, row.used_at)

    def use(self, token: str, at: datetime.datetime) -> bool:
        """Mark an invitation as used; False where it was used before, by whomever."""
        query = invitation.update().where(invitation.c.token == token, invitation.c.used_at.is_(None))
        return self._connection.execute(query.values(used_at=at)).rowcount == 1

    def sign_in(self, token: str, participant_id: int, at: datetime.datetime) -> None:
        """Store a session under the digest of its secret."""
        values = {"token": token, "participant_id": participant_id, "created_at": at, "ended_at": None}
        self._connection.execute(session.insert().values(values))

    def signed_in(self, token: str, since: datetime.datetime) -> Participant | None:
        """Whose session it is, begun after ``since`` and not ended."""
        query = (
            _PARTICIPANT.join(session, session.c.participant_id == participant.c.id)
            .where(session.c.token == token, session.c.ended_at.is_(None), session.c.created_at > since)
            .where(participant.c.ended_at.is_(None))
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _participant(row)

    def sign_out(self, token: str, at: datetime.datetime) -> None:
        """End a session."""
        self._connection.execute(session.update().where(session.c.token == token).values(ended_at=at))

    def reading(self, study_id: int, person: str) -> Reading | None:
        """How somebody wants replies of a study shown; None where they did not say."""
        body = self._connection.scalar(sa.select(reading.c.body).where(_is(study_id, person)))
        return None if body is None else to_value(Reading, body, what="a choice of how replies are shown")

    def choose_reading(self, study_id: int, person: str, chosen: Reading) -> None:
        """Keep how somebody wants replies of a study shown, in the place of what they chose before."""
        body = chosen.model_dump(mode="json", exclude_defaults=True)
        made = insert_into(self._connection, reading).values(study_id=study_id, person=person, body=body)
        self._connection.execute(
            made.on_conflict_do_update(
                index_elements=["study_id", "person"], set_={"body": made.excluded.body}
            )
        )


def _is(study_id: int, person: str) -> sa.ColumnElement[bool]:
    return sa.and_(reading.c.study_id == study_id, reading.c.person == person)


_PARTICIPANT = sa.select(
    participant.c.id,
    participant.c.name,
    participant.c.role,
    study.c.slug,
    participant.c.created_at,
    participant.c.ended_at,
).join_from(participant, study, participant.c.study_id == study.c.id, isouter=True)


def _participant(row: sa.Row[*tuple[Any, ...]]) -> Participant:
    return Participant(
        id=row.id,
        name=row.name,
        role=row.role,
        study=row.slug,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
