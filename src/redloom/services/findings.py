"""Findings: writing one from a branch, trying it again, saying whether it happened, moving it on its way."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redloom.domain.exploration import Exchange, Tree
from redloom.domain.finding import (
    MOST_TRIES,
    Again,
    Claim,
    FindingStatus,
    happened_again,
    next_statuses,
)
from redloom.domain.interaction import Turn
from redloom.domain.value import in_language, read_value
from redloom.errors import InputError, Issue, UnknownNameError, unknown
from redloom.ids import time_of
from redloom.services.exploring import find_exploration, key_of, off_scale
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.stats import Estimate, accumulation, chao1, unseen_mass, wilson
from redloom.storage.mapping import to_value
from redloom.storage.repositories.explorations import FindingFact, StoredFinding, StoredMark
from redloom.storage.unit_of_work import UnitOfWork

AGAIN: tuple[Again, ...] = ("yes", "no", "unsure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try to have it happen again."""

    interaction: str
    state: str
    error: str | None
    turns: tuple[Turn, ...]
    said: tuple[tuple[str, Again], ...]
    """(who, what they say)."""

    @property
    def again(self) -> bool | None:
        """Whether it happened, by majority."""
        return happened_again([one for _, one in self.said])


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One entry of what was done about a finding."""

    at: datetime.datetime
    who: str
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding with all that is known of it."""

    id: str
    number: int
    claim: Claim
    author: str
    at: datetime.datetime
    status: FindingStatus
    tries: tuple[Try, ...]
    owed: tuple[str, ...]
    """Tries that were asked for and neither held nor called off, by the ids their conversations will have."""
    dissent: tuple[Told, ...]
    log: tuple[Told, ...]
    may_become: tuple[FindingStatus, ...]

    @property
    def held(self) -> int:
        """Tries that were held to their end."""
        return sum(one.state == "completed" for one in self.tries)

    @property
    def undecided(self) -> int:
        """Tries that were held and that people have not decided."""
        return sum(one.state == "completed" and one.again is None for one in self.tries)

    @property
    def reproduced(self) -> Estimate:
        """The share of tries in which it happened again, of those that people decided; tries are taken as independent."""
        decided = [one.again for one in self.tries if one.again is not None]
        return wilson(sum(decided), len(decided))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What shows a finding: the branch, and what to prefill."""

    exchange: Exchange
    path: tuple[Exchange, ...]
    """The exchanges of its lane, the last included."""
    marks: tuple[StoredMark, ...]
    system: str
    scenario: str | None
    scenario_title: str
    hypothesis: str
    about: str | None
    """The harm of its scenario."""
    harms: Mapping[str, str]
    """Slug -> title."""
    whats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """How the classes of what was marked add up, and what that says of the rest."""

    observations: int
    """Class by exploration: the same class twice in one exploration counts once."""
    classes: tuple[tuple[str, int], ...]
    """(class, in how many explorations), commonest first."""
    curve: tuple[int, ...]
    """Different classes after each observation, in the order of time."""
    mass: Estimate
    total: Estimate


def show_branch(workspace: Workspace, study: str, exploration: str, move: str, lane: int = 0) -> Shown:
    """What a new finding is written from; raises UnknownNameError."""
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, exploration)
        tree = Tree(unit.explorations.exchanges(stored))
        end = tree.moves.get(key_of("message", move))
        exchange = None if end is None else end.exchanges.get(lane)
        if exchange is None or exchange.turn is None:
            raise UnknownNameError("reply", move[:40], None)
        now = load_study(unit, study, cases=False)
        everywhere = unit.explorations.marks(stored.study_id)
    path = (*tree.before(exchange), exchange)
    framed = now.scenarios.get(stored.body.scenario or "")
    keys = {one.id for one in path}
    return Shown(
        exchange=exchange,
        path=path,
        marks=tuple(one for one in everywhere if one.exchange in keys),
        system=stored.body.lanes[lane].name,
        scenario=stored.body.scenario,
        hypothesis=stored.body.hypothesis,
        scenario_title="" if framed is None else in_language(framed.title, now.head.languages[0]),
        about=None if framed is None else framed.harm,
        harms={slug: one.title for slug, one in now.harms.items()},
        whats=tuple(sorted({one.body.what for one in everywhere if one.body.what})),
    )


def branch_of(workspace: Workspace, study: str, found: Found) -> Shown:
    """What shows a finding."""
    claim = found.claim
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, claim.exploration)
        exchange = next(one for one in unit.explorations.exchanges(stored) if one.id.hex() == claim.exchange)
    return show_branch(workspace, study, claim.exploration, exchange.move.hex(), exchange.lane)


def write_finding(
    workspace: Workspace, study: str, exploration: str, exchange: str, given: Mapping[str, Any]
) -> int:
    """Store a finding about the branch that ends with an exchange; gives its number. Raises InputError."""
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, exploration)
        found = {one.id: one for one in unit.explorations.exchanges(stored)}.get(key_of("reply", exchange))
        if found is None or found.turn is None:
            raise UnknownNameError("reply", exchange[:40], None)
        lane = stored.body.lanes[found.lane]
        claim = read_value(
            Claim,
            {
                **given,
                "scenario": stored.body.scenario,
                "system": lane.name,
                "target_digest": lane.target.system_digest(),
                "exploration": exploration,
                "exchange": exchange,
            },
        )
        issues = off_scale(claim.harm, claim.severity, load_study(unit, study, cases=False))
        if issues:
            raise InputError(issues)
        key = workspace.ids.new()
        number = unit.explorations.add_finding(key, stored.study_id, workspace.who)
        body = claim.model_dump(mode="json", exclude_defaults=True)
        _add(workspace, unit, key, "claim", body)
        _record(workspace, unit, study, f"wrote finding {number}: {claim.title}", "")
        return number


def list_findings(workspace: Workspace, study: str) -> list[Found]:
    """All findings of a study, newest first, without the turns of their tries."""
    with workspace.begin() as unit:
        stored = unit.explorations.findings(unit.study_id(study))
        facts = unit.explorations.facts([one.id for one in stored])
        return [_found(unit, one, facts[one.id], turns=False) for one in reversed(stored)]


def open_finding(workspace: Workspace, study: str, number: int) -> Found:
    """One finding; raises UnknownNameError."""
    with workspace.begin() as unit:
        return _open(unit, study, number, turns=True)


def judge_try(workspace: Workspace, study: str, number: int, interaction: str, again: str) -> None:
    """Say whether it happened again in one try; a later word of the same person counts instead."""
    if again not in AGAIN:
        raise InputError(Issue(unknown("answer", again, AGAIN), path="again"))
    with workspace.begin() as unit:
        found = _open(unit, study, number, turns=False)
        if interaction not in {one.interaction for one in found.tries}:
            raise UnknownNameError("try", interaction[:40], None)
        body = {"interaction": interaction, "again": again}
        _add(workspace, unit, bytes.fromhex(found.id), "verdict", body)


def move_finding(workspace: Workspace, study: str, number: int, status: str, *, why: str) -> None:
    """Move a finding on its way, or back; raises InputError with every reason against it."""
    with workspace.begin() as unit:
        found = _open(unit, study, number, turns=False)
        issues: list[Issue] = []
        if status not in found.may_become:
            issues.append(
                Issue(
                    f"a finding that is {found.status} cannot become {status!r}; "
                    f"expected one of {', '.join(found.may_become)}",
                    path="status",
                )
            )
        if status == "reproduced" and not found.reproduced.events:
            issues.append(
                Issue("no try is judged to show it again; try it, and say what happened", path="status")
            )
        if not why.strip():
            issues.append(Issue("a reason is needed: what was done, or seen", path="why"))
        if issues:
            raise InputError(issues)
        _add(workspace, unit, bytes.fromhex(found.id), "status", {"status": status, "why": why})
        _record(workspace, unit, study, f"moved finding {number} to {status}", why)


def dissent_from(workspace: Workspace, study: str, number: int, why: str) -> None:
    """Record that somebody disagrees with a finding."""
    if not why.strip():
        raise InputError(Issue("says nothing; write why you disagree", path="why"))
    with workspace.begin() as unit:
        found = _open(unit, study, number, turns=False)
        _add(workspace, unit, bytes.fromhex(found.id), "dissent", {"why": why})
        _record(workspace, unit, study, f"disagreed with finding {number}", why)


def ask_for_tries(workspace: Workspace, study: str, number: int, times: int) -> None:
    """Store that a finding is to be tried so many times more; raises InputError.

    Each try has its id from now on, so that one that is held twice, or by two servers, counts once.
    """
    if not 1 <= times <= MOST_TRIES:
        told = f"{times} tries are too few or too many; expected 1 to {MOST_TRIES}"
        raise InputError(Issue(told, path="times"))
    with workspace.begin() as unit:
        found = _open(unit, study, number, turns=False)
        asked = [workspace.ids.new().hex() for _ in range(times)]
        _add(workspace, unit, bytes.fromhex(found.id), "asked", {"tries": asked})


def call_off_tries(workspace: Workspace, study: str, number: int) -> None:
    """Give up the tries of a finding that were asked for and not held yet."""
    with workspace.begin() as unit:
        found = _open(unit, study, number, turns=False)
        if found.owed:
            _add(workspace, unit, bytes.fromhex(found.id), "called_off", {"tries": list(found.owed)})


def add_try(
    unit: UnitOfWork,
    workspace: Workspace,
    finding: bytes,
    interaction: bytes,
    turns: Sequence[Turn],
    error: str | None,
) -> None:
    """Store one try with its conversation; one that is there already stays as it is."""
    held = (
        fact.body["interaction"] for fact in unit.explorations.facts([finding])[finding] if fact.kind == "try"
    )
    if interaction.hex() in held:
        return
    unit.explorations.add_interactions([interaction])
    unit.explorations.add_turns(turns)
    body = {"interaction": interaction.hex(), "state": "error" if error else "completed", "error": error}
    _add(workspace, unit, finding, "try", body)


def unseen(workspace: Workspace, study: str) -> Unseen:
    """What the marks of a study say of classes that nobody has met yet."""
    with workspace.begin() as unit:
        marks = unit.explorations.marks(unit.study_id(study))
    once = dict.fromkeys((one.exploration, label) for one in marks if (label := _label(one)))
    labels = [label for _, label in once]
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return Unseen(
        observations=len(labels),
        classes=tuple(sorted(counts.items(), key=lambda pair: -pair[1])),
        curve=accumulation(labels),
        mass=unseen_mass(list(counts.values())),
        total=chao1(list(counts.values())),
    )


def _label(mark: StoredMark) -> str:
    """The class of what was marked: its words, else its harm; empty for a mere note."""
    what = " ".join(mark.body.what.lower().split())
    return ": ".join(part for part in (mark.body.harm or "", what) if part)


def _open(unit: UnitOfWork, study: str, number: int, *, turns: bool) -> Found:
    stored = {one.number: one for one in unit.explorations.findings(unit.study_id(study))}
    if number not in stored:
        raise UnknownNameError("finding", str(number), [str(one) for one in stored])
    one = stored[number]
    return _found(unit, one, unit.explorations.facts([one.id])[one.id], turns=turns)


def _found(unit: UnitOfWork, stored: StoredFinding, facts: Sequence[FindingFact], *, turns: bool) -> Found:
    of: dict[str, list[FindingFact]] = {}
    for fact in facts:
        of.setdefault(fact.kind, []).append(fact)
    settled = {fact.body["interaction"] for fact in of.get("try", ())}
    settled.update(one for fact in of.get("called_off", ()) for one in fact.body["tries"])
    asked = [one for fact in of.get("asked", ()) for one in fact.body["tries"]]
    status = cast(FindingStatus, of["status"][-1].body["status"] if "status" in of else "draft")
    newest = {(fact.body["interaction"], fact.author): fact.body["again"] for fact in of.get("verdict", ())}
    return Found(
        id=stored.id.hex(),
        number=stored.number,
        claim=to_value(Claim, of["claim"][-1].body, what=f"finding {stored.number}"),
        author=stored.author,
        at=time_of(stored.id),
        status=status,
        tries=tuple(_try(unit, fact, newest, turns=turns) for fact in of.get("try", ())),
        owed=tuple(one for one in asked if one not in settled),
        dissent=tuple(_told(fact, "disagrees") for fact in of.get("dissent", ())),
        log=tuple(_told(fact, f"moved it to {fact.body['status']}") for fact in of.get("status", ())),
        may_become=next_statuses(status),
    )


def _try(unit: UnitOfWork, fact: FindingFact, newest: Mapping[tuple[str, str], Again], *, turns: bool) -> Try:
    key: str = fact.body["interaction"]
    return Try(
        interaction=key,
        state=fact.body["state"],
        error=fact.body["error"],
        turns=tuple(unit.explorations.turns(bytes.fromhex(key))) if turns else (),
        said=tuple((who, again) for (of, who), again in newest.items() if of == key),
    )


def _told(fact: FindingFact, what: str) -> Told:
    return Told(at=time_of(fact.id), who=fact.author, what=what, why=fact.body.get("why", ""))


def _add(workspace: Workspace, unit: UnitOfWork, finding: bytes, kind: str, body: Any) -> None:
    unit.explorations.add_fact(FindingFact(workspace.ids.new(), finding, kind, body, workspace.who))


def _record(workspace: Workspace, unit: UnitOfWork, study: str, what: str, why: str) -> None:
    unit.studies.record(unit.study_id(study), id=workspace.ids.new(), who=workspace.who, what=what, why=why)
