"""Definitions and changes that somebody proposes, and what those who may define make of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redloom.domain.harm import Dissent
from redloom.domain.merging import meet, put_together
from redloom.domain.study import StudyHead, describe_change
from redloom.domain.value import Definition, read_value
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import time_of
from redloom.services.defining import (
    Changed,
    Meanwhile,
    Saved,
    check_in_study,
    check_slug,
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
    """A proposed definition, or a proposed change of one, in a list."""

    id: str
    kind: str
    slug: str
    """What it is called; for a new one that was accepted, what it was called then."""
    new: bool
    """There was no such definition when it was proposed."""
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
    """What is proposed beside what it was made from and what is stored now."""

    proposal: Proposal
    title: str
    """Of what is to be changed, as it is called now; of a new definition its own."""
    body: Mapping[str, Any]
    base: str
    """Digest of the version it was made from; empty for a new definition."""
    made_from: int
    """Number of that version; 0 for a new definition."""
    newest: int
    """Number of the version in force; 0 where there is none."""
    seen: str
    """Digest of the version in force; empty where there is none."""
    changes: tuple[Changed, ...]
    """Against the version it was made from."""
    since: tuple[Changed, ...]
    """Against the newest one, where that is another."""
    clashes: tuple[str, ...]
    """Places that were changed in both."""


def propose(
    workspace: Workspace,
    study: str,
    kind: str,
    slug: str,
    content: Mapping[str, Any],
    *,
    base: str | None,
    why: str,
) -> str:
    """Store a proposed change of a version, or with the base None a proposed definition; gives its id.

    Raises InputError with every problem it has.
    """
    definition = read_value(model_of(kind), content)
    if not why:
        raise InputError(Issue("say why; whoever decides reads it first", path="why"))
    with workspace.begin(changing=study) as unit:
        if base is None:
            _check_free(unit, study, kind, slug)
        else:
            base = _made_from(unit, study, kind, slug, base).digest
        if base == definition.content_digest():
            raise InputError("nothing was changed, so there is nothing to propose")
        check_in_study(unit, study, kind, slug, definition)
        identity = workspace.ids.new()
        row = {"id": identity, "kind": kind, "slug": slug, "base": base}
        unit.proposals(study).add({**row, "body": definition.content(), "author": workspace.who, "why": why})
        what = f"a new {_name(kind, slug)}" if base is None else f"a change of {_name(kind, slug)}"
        record(workspace, unit, study, f"proposed {what}", why)
    return identity.hex()


def list_proposals(workspace: Workspace, study: str) -> list[Proposal]:
    """All proposals of a study, open ones first, newest first."""
    with workspace.begin() as unit:
        language = _language(unit, study)
        found = [_proposal(stored, language) for stored in unit.proposals(study).all()]
    return sorted(found, key=lambda one: one.state != "open")


def count_open(workspace: Workspace, study: str, kind: str, slug: str) -> int:
    """How many proposed changes wait on one definition."""
    with workspace.begin() as unit:
        return unit.proposals(study).count_open(kind, slug)


def open_proposal(workspace: Workspace, study: str, id: str) -> Proposed:
    """One proposal with its differences; raises UnknownNameError."""
    with workspace.begin() as unit:
        stored = _find(unit, study, id)
        head = None if stored.base is None else unit.definitions(study).head(stored.kind, stored.slug)
        before = _made_from(unit, study, stored.kind, stored.slug, stored.base or "") if head else None
        old, now = (one.definition.content() if one else {} for one in (before, head))
        moved = head is not None and before is not None and head.digest != before.digest
        met = meet(model_of(stored.kind), before=old, now=now, given=stored.body) if moved else ()
        language = _language(unit, study)
        proposal = _proposal(stored, language)
        return Proposed(
            proposal=proposal,
            title=title_of(stored.slug, head.definition, language) if head else proposal.title,
            body=stored.body,
            base=stored.base or "",
            made_from=before.number if before else 0,
            newest=head.number if head else 0,
            seen=head.digest if head else "",
            changes=tuple(Changed(*found) for found in describe_change(old, stored.body)),
            since=tuple(Changed(*found) for found in describe_change(now, stored.body)) if moved else (),
            clashes=tuple(one.path for one in met if one.clash),
        )


def accept(
    workspace: Workspace,
    study: str,
    id: str,
    *,
    seen: str,
    content: Mapping[str, Any] | None = None,
    slug: str = "",
    why: str = "",
) -> Saved | Meanwhile:
    """Make a version of a proposal, in the name of who proposed it, with whoever accepts it in its reason.

    ``seen`` is the digest of the version in force when this was decided; where another came since, nothing is stored and
    that is told. ``content`` is what was made of the proposal, None for the proposal as it is: what changed meanwhile
    stays, and where both changed the same place InputError names it. A new definition is created under ``slug``, or under
    the name that was proposed; InputError says where that is taken.
    """
    with workspace.begin(changing=study) as unit:
        stored = _find(unit, study, id, open=True)
        name = slug or stored.slug
        if stored.base is None:
            _check_free(unit, study, stored.kind, name)
            plain = dict(stored.body)
        else:
            name = stored.slug
            if unit.definitions(study).head(stored.kind, name) is None:
                raise InputError(f"{_name(stored.kind, name)} was taken out of the study meanwhile")
            plain = _put_together(unit, study, stored, seen, settled=content is not None)
        definition = read_value(model_of(stored.kind), plain if content is None else content)
        changed = definition.content() != plain
        words = f"accepted{' with changes' if changed else ''} by {workspace.who}{': ' + why if why else ''}"
        base = None if stored.base is None else seen
        done = store_definition(
            workspace,
            unit,
            study,
            stored.kind,
            name,
            definition,
            base=base,
            author=stored.author,
            why=f"{stored.why} ({words})",
        )
        if isinstance(done, Meanwhile):
            return done
        if not done.changed:
            raise InputError(
                f"version {done.number} says the same already, so there is nothing to accept; decline it with a word on that"
            )
        more = {"slug": name} if name != stored.slug else {}
        _decide(workspace, unit, study, stored, "accepted", why, version=done.number, changed=changed, **more)
        return done


def _put_together(
    unit: UnitOfWork, study: str, stored: StoredProposal, seen: str, *, settled: bool
) -> dict[str, Any]:
    """The proposal with what changed since; raises InputError with the places that clash and are not settled."""
    before = _made_from(unit, study, stored.kind, stored.slug, stored.base or "")
    now = _made_from(unit, study, stored.kind, stored.slug, seen)
    met = meet(
        model_of(stored.kind),
        before=before.definition.content(),
        now=now.definition.content(),
        given=stored.body,
    )
    clashes = [one.path.replace("_", " ") for one in met if one.clash]
    if clashes and not settled:
        raise InputError(
            f"version {now.number} changed the same since: {', '.join(clashes)}; choose what stands there"
        )
    return put_together(now.definition.content(), met)


def decline(workspace: Workspace, study: str, id: str, *, why: str) -> None:
    """Say no, and why. Raises InputError without a reason."""
    if not why:
        raise InputError(Issue("say why you decline it; whoever proposed it reads it", path="why"))
    with workspace.begin(changing=study) as unit:
        _decide(workspace, unit, study, _find(unit, study, id, open=True), "declined", why)


def keep_as_dissent(workspace: Workspace, study: str, id: str, *, by: str, why: str = "") -> None:
    """Record a proposal on a harm as a disagreement with its newest version, in the name of who proposed it."""
    if not by:
        raise InputError(Issue("say as whom they disagree: a role, not a name", path="by"))
    with workspace.begin(changing=study) as unit:
        stored = _find(unit, study, id, open=True)
        if stored.kind != "harm" or stored.base is None:
            what = "new definition" if stored.base is None else stored.kind.replace("_", " ")
            raise InputError(f"only a change of a harm can be kept as dissent, not that of a {what}")
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
    **more: Any,
) -> None:
    decision = {"by": workspace.who, "why": why, "at": workspace.now().isoformat(), **more}
    if not unit.proposals(study).decide(stored.id, state, decision):
        raise InputError("somebody decided on this meanwhile")
    what = "new" if stored.base is None else "change of"
    told = f"{DONE[state]} the {what} {_name(stored.kind, stored.slug)} that {stored.author} proposed"
    record(workspace, unit, study, told + (", with changes" if more.get("changed") else ""), why)


def _find(unit: UnitOfWork, study: str, id: str, *, open: bool = False) -> StoredProposal:
    known = {stored.id.hex(): stored for stored in unit.proposals(study).all()}
    if id not in known:
        raise UnknownNameError("proposal", id, known)
    stored = known[id]
    if open and stored.state != "open":
        raise InputError(f"this proposal was {DONE[stored.state]} already")
    return stored


def _check_free(unit: UnitOfWork, study: str, kind: str, slug: str) -> None:
    """Raise InputError where a new definition cannot have this short name."""
    check_slug(slug)
    if unit.definitions(study).head(kind, slug) is not None:
        raise InputError(
            Issue(f"there is one with the short name {slug!r} already; choose another", path="slug")
        )


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
        slug=(stored.decision or {}).get("slug", stored.slug),
        new=stored.base is None,
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
    return "the charter" if kind == "study" else f"{kind.replace('_', ' ')} {slug}"
