"""What addresses answer, where that is not a result of a service as it is: contents as they stand in a study file."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from redloom.domain.exploration import ExchangeState
from redloom.domain.finding import FindingStatus
from redloom.services.case_pages import Act, Near
from redloom.services.defining import Changed
from redloom.services.execution import Executed
from redloom.services.observing import PanelKey
from redloom.services.releasing import Difference, Frozen, ReleaseLine
from redloom.services.run_pages import ArmLine, Pace

Content = dict[str, Any]
"""A definition's own fields, those at their default left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTold:
    """One version of a definition."""

    number: int
    digest: str
    author: str
    origin: str
    why: str
    at: datetime.datetime
    definition: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBy:
    """A definition that names this one."""

    kind: str
    slug: str
    title: str
    number: int
    author: str
    at: datetime.datetime
    definition: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionTold:
    """A definition with all that is known of it."""

    study: str
    kind: str
    slug: str
    title: str
    definition: Content
    """The newest version, people's acts about it included."""
    versions: list[VersionTold]
    """Newest first; the digest of the first is the base of a change."""
    used_by: list[NamedBy]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanwhileTold:
    """Nothing was stored: somebody else stored a version after the one that was edited."""

    slug: str
    stored: VersionTold
    changes: list[Changed]


CLASH: dict[int | str, dict[str, Any]] = {
    409: {"model": MeanwhileTold, "description": "Another version came between; nothing was stored"}
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTold:
    """One test conversation with all that is known of it."""

    slug: str
    status: str
    digest: str
    """Of the newest version; a decision names it."""
    scenario: str | None
    harm: str | None
    language: str | None
    origin: str
    turns: list[tuple[str, str]]
    """(user or system, what is said with its slots filled)."""
    definition: Content
    versions: list[VersionTold]
    reviews: list[Act]
    labels: list[Act]
    near: list[Near]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTold:
    """How many cases of a release are in a split with a review state."""

    split: str
    status: str
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageTold:
    """Combinations of so many parts that can occur, and those that some scenario has."""

    strength: int
    covered: int
    valid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTold:
    """A release with all that is known of it, its cases by their names only."""

    line: ReleaseLine
    why: str
    manifest: Content
    splits: list[SplitTold]
    harms: dict[str, int]
    languages: dict[str, int]
    definitions: list[Frozen]
    slugs: list[str]
    """Of the first cases."""
    covered: list[CoverageTold]
    others: list[str]
    difference: Difference | None
    """From the release before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTold:
    """One message and its reply."""

    id: str
    interaction: str
    parent: str | None
    text: str | None
    reply: str
    finish_reason: str | None
    tokens_in: int | None
    tokens_out: int | None
    latency_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryTold:
    """A finding's branch, held again."""

    interaction: str
    state: str
    error: str | None
    turns: list[TurnTold]
    said: list[tuple[str, str]]
    """(who, whether it happened again)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTold:
    """One entry of what was done."""

    at: datetime.datetime
    who: str
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingTold:
    """A finding."""

    id: str
    number: int
    claim: Content
    author: str
    at: datetime.datetime
    status: FindingStatus
    tries: list[TryTold]
    owed: list[str]
    """Ids of tries that were asked for and not held yet."""
    dissent: list[EntryTold]
    log: list[EntryTold]
    may_become: list[FindingStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingWithShare(FindingTold):
    """A finding with the share of its tries in which it happened again."""

    reproduced: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTold:
    """One message to one system, and what came of it."""

    id: str
    move: str
    lane: int
    parent: str | None
    text: str | None
    state: ExchangeState
    partial: str | None
    error: str | None
    author: str
    turn: TurnTold | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTold:
    """One message to all systems of an exploration."""

    id: str
    parent: str | None
    text: str | None
    author: str
    exchanges: dict[str, ExchangeTold]
    """By lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkTold:
    """What somebody saw in a reply."""

    id: str
    exchange: str
    mark: Content
    author: str
    at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplorationTold:
    """An exploration with all that was said in it."""

    id: str
    study: str
    body: Content
    author: str
    at: datetime.datetime
    frame: Content
    harm: Content | None
    moves: list[MoveTold]
    marks: list[MarkTold]
    harms: dict[str, str]
    """Slug -> title."""
    whats: list[str]


@dataclass(frozen=True, slots=True)
class Made:
    """The id of what was made."""

    id: str


@dataclass(frozen=True, slots=True)
class SentTold:
    """The exchanges that wait for a reply."""

    exchanges: list[str]


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for is done."""

    done: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTold:
    """One run: what was asked, how far it is, who judged it."""

    run: Executed
    asked: Content
    """What the run was told to do, as it is kept; what stands at its default is left out."""
    provisional: bool
    arms: list[ArmLine]
    judges: list[PanelKey]
    pace: Pace | None
