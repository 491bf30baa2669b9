"""Inviting people, coming by a link, and leaving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from redloom.domain.people import Participant
from redloom.errors import InputError, Issue
from redloom.services import people
from redloom.services.people import Invitation
from redloom.services.showing import name_study
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.crumbs import crumbs_of

ROLES: tuple[tuple[str, str, str], ...] = (
    (
        "expert",
        "expert",
        "defines: writes harms, scenarios and the rest, disagrees, endorses, explores, reviews",
    ),
    (
        "red_teamer",
        "red teamer",
        "looks at everything, explores systems, writes test conversations, proposes definitions and changes of them",
    ),
    (
        "rater",
        "rater",
        "looks at everything, proposes definitions and changes of them; says of test conversations what they test; judging runs is done with redloom rate for now",
    ),
    ("viewer", "viewer", "looks at everything"),
    ("lead", "lead", "does everything in this study, and invites"),
)
"""(role, words, what it opens)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage(Page):
    """Who takes part, and the form to invite somebody."""

    template: ClassVar[str] = "people.html.j2"
    moment: ClassVar[str] = "people"
    study: str
    found: tuple[Participant, ...]
    roles: tuple[tuple[str, str, str], ...] = ROLES
    made: Invitation | None = None
    link: str = ""
    """The new link; shown this once."""
    local: bool = False
    """This server is reached from this machine only."""
    name: str = ""
    role: str = "expert"
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedPage(Page):
    """What a link opens, before it is used."""

    template: ClassVar[str] = "invited.html.j2"
    somebody: Participant
    title: str
    words: str
    opens: str


def listing(ask: Ask) -> Answer:
    """Who takes part."""
    return _page(ask)


def invite(ask: Ask) -> Answer:
    """A link for somebody, shown once."""
    try:
        made = people.invite(ask.workspace, ask.study, ask.form.text("name"), ask.form.text("role"))
    except InputError as error:
        return _page(ask, issues=error.issues)
    return _page(ask, made=made)


def end(ask: Ask) -> Answer:
    """Close the study to somebody."""
    people.end_participation(ask.workspace, ask.study, ask.form.text("name"))
    return See(f"/studies/{ask.study}/people", "closed")


def invited(ask: Ask) -> Answer:
    """Whom the link is for; looking at it does not use it, since programs look at links too."""
    somebody = people.look_at(ask.workspace, ask.parts["secret"])
    words, opens = next((words, opens) for role, words, opens in ROLES if role == somebody.role)
    named = name_study(ask.workspace, somebody.study) if somebody.study else None
    return InvitedPage(
        heading="You are invited",
        somebody=somebody,
        title=named.title if named else "every study here",
        words=words,
        opens=opens,
    )


def join(ask: Ask) -> Answer:
    """Use the link."""
    found = people.accept(ask.workspace, ask.parts["secret"])
    where = f"/studies/{found.participant.study}" if found.participant.study else "/"
    return See(where, "joined", session=found.secret)


def leave(ask: Ask) -> Answer:
    """End the session."""
    people.sign_out(ask.workspace, ask.session)
    return See("/", "left", session="")


def _page(ask: Ask, *, made: Invitation | None = None, issues: Sequence[Issue] = ()) -> PeoplePage:
    return PeoplePage(
        heading="People",
        crumbs=crumbs_of(ask),
        status=422 if issues else 200,
        study=ask.study,
        found=tuple(people.list_people(ask.workspace, ask.study)),
        made=made,
        link=f"{ask.origin}/join/{made.secret}" if made else "",
        local=ask.origin.startswith("http://"),
        name="" if made else ask.form.text("name"),
        role=ask.form.text("role", "expert"),
        issues=tuple(issues),
    )
