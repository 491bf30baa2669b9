"""Changes that somebody proposes to a definition, and what those who may define make of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redloom.domain.harm import Dissent
from redloom.domain.study import StudyHead, describe_change
from redloom.domain.value import Definition, read_value
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import time_of
from redloom.services.defining import (
    Changed,
    Meanwhile,
    check_in_study,
    model_of,
    record,
    store_act,
    store_definition,
    title_of,
)
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredVersion
from redloom.storage.repositories.proposals import StoredProposal
from redloom.storage.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed change in a list."""

    id: str
    kind: str
    slug: str
    title: str
    author: str
    why: str
    at: datetime.datetime
    state: str
    """open, accepted, declined or dissent."""
    decision: Mapping[str, Any]
    """Empty while open; else by whom, why, and the version that came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposed change beside what it was made from and what is stored now."""

    proposal: Proposal
    made_from: int
    """Number of the version it was made from."""
    newest: int
    """Number of the version in force; 0 where the definition was taken out of the study."""
    changes: tuple[Changed, ...]
    """Against the version it was made from."""
    since: tuple[Changed, ...]
    """Against the newest one, where that is another."""
    clashes: tuple[str, ...]
    """Fields that were changed in both."""


def propose(
    workspace: Workspace,
    study: str,
    kind: str,
    slug: str,
    content: Mapping[str, Any],
    *,
    base: str,
    why: str,
) -> str:
    """Store a proposed change of a version; gives its id. Raises InputError with every problem it has."""
    definition = read_value(model_of(kind), content)
    if not why:
        raise InputError(Issue("say why; whoever decides reads it first", path="why"))
    with workspace.begin() as unit:
        version = _made_from(unit, study, kind, slug, base)
        if version.digest == definition.content_digest():
            raise InputError("nothing was changed, so there is nothing to propose")
        check_in_study(load_study(unit, study, cases=False), kind, slug, definition)
        identity = workspace.ids.new()
        row = {"id": identity, "kind": kind, "slug": slug, "base": version.digest}
        unit.proposals(study).add({**row, "body": definition.content(), "author": workspace.who, "why": why})
        record(workspace, unit, study, f"proposed a change of {_name(kind, slug)}", why)
    return identity.hex()


def list_proposals(workspace: Workspace, study: str) -> list[Proposal]:
    """All proposals of a study, open ones first, newest first."""
    with workspace.begin() as unit:
        language = _language(unit, study)
        found = [_proposal(stored, language) for stored in unit.proposals(study).all()]
    return sorted(found, key=lambda one: one.state != "open")


def count_open(workspace: Workspace, study: str, kind: str, slug: str) -> int:
    """How many proposals wait on one definition."""
    with workspace.begin() as unit:
        return unit.proposals(study).count_open(kind, slug)


def open_proposal(workspace: Workspace, study: str, id: str) -> Proposed:
    """One proposal with its differences; raises UnknownNameError."""
    with workspace.begin() as unit:
        stored = _find(unit, study, id)
        head = unit.definitions(study).head(stored.kind, stored.slug)
        before = _made_from(unit, study, stored.kind, stored.slug, stored.base or "") if head else None
        old, now = (one.definition.content() if one else {} for one in (before, head))
        moved = head is not None and before is not None and head.digest != before.digest
        _, clashes = merge(old, stored.body, now)
        return Proposed(
            proposal=_proposal(stored, _language(unit, study)),
            made_from=before.number if before else 0,
            newest=head.number if head else 0,
            changes=tuple(Changed(*found) for found in describe_change(old, stored.body)),
            since=tuple(Changed(*found) for found in describe_change(now, stored.body)) if moved else (),
            clashes=tuple(clashes) if moved else (),
        )


def merge(
    before: Mapping[str, Any], theirs: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """What is stored now with the fields that they changed; and the fields that were changed in both, unalike."""
    merged = dict(now)
    clashes: list[str] = []
    for field in sorted({*before, *theirs, *now}):
        old, new, current = before.get(field), theirs.get(field), now.get(field)
        if new in (old, current):
            continue
        if current != old:
            clashes.append(field)
        elif new is None:
            merged.pop(field, None)
        else:
            merged[field] = new
    return merged, clashes


def accept(workspace: Workspace, study: str, id: str, *, why: str = "") -> int:
    """Make a version of it, in the name of who proposed it; gives the version's number.

    Fields that changed meanwhile stay as they are now; where both changed the same field nothing is stored and
    InputError names them.
    """
    with workspace.begin() as unit:
        stored = _find(unit, study, id, open=True)
        head = unit.definitions(study).head(stored.kind, stored.slug)
        if head is None:
            raise InputError(f"{_name(stored.kind, stored.slug)} was taken out of the study meanwhile")
        before = _made_from(unit, study, stored.kind, stored.slug, stored.base or "")
        merged, clashes = merge(before.definition.content(), stored.body, head.definition.content())
        if clashes:
            words = ", ".join(field.replace("_", " ") for field in clashes)
            raise InputError(
                f"version {head.number} changed the same fields since: {words}; "
                "edit the definition by hand, then decline this with a word on what you took"
            )
        told = f"{stored.why} (accepted by {workspace.who}{': ' + why if why else ''})"
        done = store_definition(
            workspace,
            unit,
            study,
            stored.kind,
            stored.slug,
            read_value(model_of(stored.kind), merged),
            base=head.digest,
            author=stored.author,
            why=told,
        )
        assert not isinstance(done, Meanwhile)
        _decide(workspace, unit, study, stored, "accepted", why, version=done.number)
        return done.number


def decline(workspace: Workspace, study: str, id: str, *, why: str) -> None:
    """Say no, and why. Raises InputError without a reason."""
    if not why:
        raise InputError(Issue("say why you decline it; whoever proposed it reads it", path="why"))
    with workspace.begin() as unit:
        _decide(workspace, unit, study, _find(unit, study, id, open=True), "declined", why)


def keep_as_dissent(workspace: Workspace, study: str, id: str, *, by: str, why: str = "") -> None:
    """Record a proposal on a harm as a disagreement with its newest version, in the name of who proposed it."""
    if not by:
        raise InputError(Issue("say as whom they disagree: a role, not a name", path="by"))
    with workspace.begin() as unit:
        stored = _find(unit, study, id, open=True)
        if stored.kind != "harm":
            raise InputError(f"only a harm can be disagreed with, not a {stored.kind.replace('_', ' ')}")
        harm = load_study(unit, study, cases=False).harms.get(stored.slug)
        if harm is None:
            raise InputError(f"{_name(stored.kind, stored.slug)} was taken out of the study meanwhile")
        if by in [dissent.by for dissent in harm.dissent]:
            told = f"somebody disagrees as {by!r} already, and would be replaced; say the role another way"
            raise InputError(Issue(told, path="by"))
        now = harm.content()
        body = {"by": by, "why": stored.why}
        body |= {
            name: stored.body[name]
            for name in ("definition", "rubric")
            if stored.body.get(name) != now.get(name)
        }
        store_act(workspace, unit, study, stored.slug, "dissent", Dissent, body, author=stored.author)
        _decide(workspace, unit, study, stored, "dissent", why)


DONE: Mapping[str, str] = {"accepted": "accepted", "declined": "declined", "dissent": "kept as dissent"}


def _decide(
    workspace: Workspace,
    unit: UnitOfWork,
    study: str,
    stored: StoredProposal,
    state: str,
    why: str,
    version: int = 0,
) -> None:
    decision: dict[str, Any] = {"by": workspace.who, "why": why, "at": workspace.now().isoformat()}
    if version:
        decision["version"] = version
    if not unit.proposals(study).decide(stored.id, state, decision):
        raise InputError("somebody decided on this meanwhile")
    what = f"{DONE[state]} the change of {_name(stored.kind, stored.slug)} that {stored.author} proposed"
    record(workspace, unit, study, what, why)


def _find(unit: UnitOfWork, study: str, id: str, *, open: bool = False) -> StoredProposal:
    known = {stored.id.hex(): stored for stored in unit.proposals(study).all()}
    if id not in known:
        raise UnknownNameError("proposal", id, known)
    stored = known[id]
    if open and stored.state != "open":
        raise InputError(f"this proposal was {DONE[stored.state]} already")
    return stored


def _made_from(unit: UnitOfWork, study: str, kind: str, slug: str, base: str) -> StoredVersion:
    stored = unit.definitions(study)
    versions = stored.versions(kind, slug)
    if not versions:
        raise UnknownNameError(kind.replace("_", " "), slug, stored.slugs(kind))
    return next((version for version in versions if version.digest == base), versions[-1])


def _proposal(stored: StoredProposal, language: str) -> Proposal:
    definition: Definition = read_value(model_of(stored.kind), stored.body)
    return Proposal(
        id=stored.id.hex(),
        kind=stored.kind,
        slug=stored.slug,
        title=title_of(stored.slug, definition, language),
        author=stored.author,
        why=stored.why,
        at=time_of(stored.id),
        state=stored.state,
        decision=stored.decision or {},
    )


def _language(unit: UnitOfWork, study: str) -> str:
    head = unit.definitions(study).head("study", study)
    assert head is not None and isinstance(head.definition, StudyHead)
    return head.definition.languages[0]


def _name(kind: str, slug: str) -> str:
    return f"{kind.replace('_', ' ')} {slug}"
