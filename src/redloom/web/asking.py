"""What a handler is given, and what it may answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from redloom.domain.people import Role
from redloom.domain.reading import Reading
from redloom.services.drafting import Drafting
from redloom.services.reading import reading_of
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace

Action = Literal["join", "read", "propose", "explore", "write", "define", "review", "lead", "begin"]
Standing = Role | Literal["owner", "stranger"]
"""A role; or whoever runs the server; or nobody known."""

_RATER = frozenset[Action]({"join", "read", "propose"})
_RED_TEAMER = _RATER.union(frozenset[Action]({"explore", "write"}))
_EXPERT = _RED_TEAMER.union(frozenset[Action]({"define", "review"}))
_LEAD = _EXPERT.union(frozenset[Action]({"lead"}))
MAY: Mapping[Standing, frozenset[Action]] = {
    "owner": _LEAD.union(frozenset[Action]({"begin"})),
    "lead": _LEAD,
    "expert": _EXPERT,
    "red_teamer": _RED_TEAMER,
    "rater": _RATER,
    "viewer": frozenset({"join", "read"}),
    "stranger": frozenset({"join"}),
}
"""What each may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is asking."""

    name: str
    role: Standing
    study: str | None = None
    """The one study that is open to them; None for all."""
    invited: bool = False
    """They came by a link and can leave."""
    key: str = ""
    """What is kept for this person alone is kept under it."""

    def may(self, action: Action) -> bool:
        """Whether this person may do that."""
        return action in MAY[self.role]


T = TypeVar("T")


def number_in(text: str, otherwise: T) -> int | T:
    """The whole number that somebody wrote; ``otherwise`` for another text, or for more than eight digits."""
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) < 9 else otherwise


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form or of a query, in the order they came; a field may stand there several times."""

    items: Sequence[tuple[str, str]] = ()

    def __contains__(self, name: str) -> bool:
        return any(found == name for found, _ in self.items)

    def text(self, name: str, otherwise: str = "") -> str:
        """The first value of a field, with the line ends that texts have elsewhere and no space around it."""
        return next(iter(self.all(name)), otherwise)

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [
            value.replace("\r\n", "\n").replace("\r", "\n").strip()
            for found, value in self.items
            if found == name
        ]

    def json(self, name: str) -> Any:
        """The JSON value of a field; None where there is none."""
        try:
            return json.loads(self.text(name))
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of somebody who may make it."""

    workspace: Workspace
    """Acts in the name of the person."""
    person: Person
    url: str
    parts: Mapping[str, str]
    """Of the path, by name."""
    query: Form = Form()
    form: Form = Form()
    """Empty where nothing was sent."""
    origin: str = ""
    """Where this server is reached."""
    session: str = ""
    """The secret of the session; empty without one."""
    talks: Talks = field(default_factory=Talks)
    """The replies that this server waits for."""
    drafting: Drafting = field(default_factory=Drafting)
    """The drafts that this server has written."""

    @property
    def study(self) -> str:
        """The study that the path names."""
        return self.parts["study"]

    @property
    def reading(self) -> Reading:
        """How this person wants replies of the study shown; ``reading.closed(harm)`` says it of one."""
        return reading_of(self.workspace, self.study, self.person.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page; its fields are all that its template sees, besides the shell around it."""

    template: ClassVar[str]
    moment: ClassVar[str] = ""
    """The part of the rail it belongs to."""

    heading: str
    crumbs: tuple[tuple[str, str], ...] = ()
    """(words, address) of the pages above this one."""
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble(Page):
    """Why there is nothing else to see."""

    template: ClassVar[str] = "trouble.html.j2"
    told: str


@dataclass(frozen=True, slots=True)
class See:
    """Go and see another page, which says what was done."""

    url: str
    said: str = ""
    """A key of :data:`redloom.web.pages.SAID`."""
    session: str | None = None
    """The secret of a session that begins here; empty for one that ends."""


PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole document of its own, not in the shell."""

    content: str
    media: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Server-sent events."""

    events: AsyncIterator[str]
    """The data of each; it may have several lines."""


Answer = Page | See | Document | Stream
