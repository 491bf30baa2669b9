"""Inviting people by link, letting them in, and knowing who they are.

There are no accounts and no passwords. A link carries a secret, works once and for a week, and opens a session in one
role in one study. Of links and sessions only digests are stored, so that reading the database lets nobody in.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets
from dataclasses import dataclass
from typing import cast

from redloom.domain.people import ROLES, Participant, Role
from redloom.errors import InputError, Issue, UnknownNameError, unknown
from redloom.services.workspace import Workspace

LINK_DAYS = 7
SESSION_DAYS = 30
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link's secret, shown once."""

    secret: str
    name: str
    role: Role
    expires_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's secret, for a cookie."""

    secret: str
    participant: Participant


def invite(workspace: Workspace, study: str | None, name: str, role: str) -> Invitation:
    """A link for somebody, new or known by that name; ``study`` None opens all of them.

    Raises InputError with every problem. Somebody known keeps their role.
    """
    name = " ".join(name.split())
    issues: list[Issue] = []
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        issues.append(Issue(f"a name has 1 to {LONGEST_NAME} characters that can be read", path="name"))
    if role not in ROLES:
        issues.append(Issue(unknown("role", role, ROLES), path="role"))
    if issues:
        raise InputError(issues)
    secret, now = secrets.token_urlsafe(32), workspace.now()
    expires = now + datetime.timedelta(days=LINK_DAYS)
    with workspace.begin() as unit:
        study_id = None if study is None else unit.study_id(study)
        known = unit.people.named(study_id, name)
        if known is not None and known.ended_at is not None:
            raise InputError(
                Issue(f"{name!r} took part until {known.ended_at:%Y-%m-%d}; choose another name", path="name")
            )
        if known is not None and known.role != role:
            raise InputError(
                Issue(f"{name!r} takes part as {known.role.replace('_', ' ')} already", path="role")
            )
        number = known.id if known else unit.people.add(study_id, name, cast(Role, role), now)
        unit.people.invite(_digest(secret), number, at=now, expires=expires)
        if study_id is not None:
            what = f"invited {name} as {role.replace('_', ' ')}"
            unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why="")
    return Invitation(secret, name, cast(Role, role), expires)


def look_at(workspace: Workspace, secret: str) -> Participant:
    """Whom a link is for, without using it; raises InputError where it opens nothing."""
    with workspace.begin() as unit:
        found = unit.people.invitation(_digest(secret))
    if found is None or found.participant.ended_at is not None:
        raise InputError("This link opens nothing. Ask whoever sent it for a new one.")
    if found.used_at is not None:
        raise InputError("This link was used already; each works once. Ask whoever sent it for a new one.")
    if found.expires_at <= workspace.now():
        raise InputError(
            f"This link was good until {found.expires_at:%Y-%m-%d}. Ask whoever sent it for a new one."
        )
    return found.participant


def accept(workspace: Workspace, secret: str) -> SignedIn:
    """Use a link: a session for whom it is for. Raises InputError where it opens nothing."""
    somebody = look_at(workspace, secret)
    made, now = secrets.token_urlsafe(32), workspace.now()
    with workspace.begin() as unit:
        if not unit.people.use(_digest(secret), now):
            raise InputError(
                "This link was used already; each works once. Ask whoever sent it for a new one."
            )
        unit.people.sign_in(_digest(made), somebody.id, now)
    return SignedIn(made, somebody)


def who_is(workspace: Workspace, secret: str) -> Participant | None:
    """Whose session it is; None where it is nobody's any more."""
    with workspace.begin() as unit:
        return unit.people.signed_in(_digest(secret), workspace.now() - datetime.timedelta(days=SESSION_DAYS))


def sign_out(workspace: Workspace, secret: str) -> None:
    """End a session."""
    with workspace.begin() as unit:
        unit.people.sign_out(_digest(secret), workspace.now())


def list_people(workspace: Workspace, study: str) -> list[Participant]:
    """Who takes part in a study, in the order they came."""
    with workspace.begin() as unit:
        return unit.people.all(unit.study_id(study))


def end_participation(workspace: Workspace, study: str, name: str) -> None:
    """Close a study to somebody, at once; what they did stays."""
    with workspace.begin() as unit:
        study_id = unit.study_id(study)
        found = unit.people.named(study_id, name)
        if found is None:
            raise UnknownNameError("participant", name, [one.name for one in unit.people.all(study_id)])
        unit.people.end(found.id, workspace.now())
        what = f"closed the study to {name}"
        unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why="")


def _digest(secret: str) -> str:
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()
