"""Freezing cases into a release, and checking one."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from redloom.datasets.selection import sample
from redloom.domain.case import Case, CaseStatus
from redloom.domain.clusters import cluster_names
from redloom.domain.harm import Harm
from redloom.domain.release import (
    Manifest,
    ReleasedCase,
    closure_digest,
    closures,
    leaf,
    merkle_root,
    split_of,
)
from redloom.domain.rendering import Frames
from redloom.domain.scenario import Scenario
from redloom.domain.study import StudyHead
from redloom.domain.value import Definition
from redloom.errors import InputError, Issue, StoreError, unknown
from redloom.ids import digest, is_slug
from redloom.services.cases import statuses
from redloom.services.finding import get_release
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredFact, StoredVersion, in_force
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.repositories.releases import Releases, StoredRelease
from redloom.storage.unit_of_work import UnitOfWork

REVIEWED: frozenset[CaseStatus] = frozenset({"accepted"})
OPEN: frozenset[CaseStatus] = frozenset({"draft", "in_review", "accepted"})
DEFINED = ("evidence", "context", "persona", "interaction_type", "harm", "scenario")
NAMED = 5
"""How many cases a sentence names."""
WORKING = "working-"
"""Prefix of the provisional releases that a run without a version freezes."""
IMPORTED = "imported-"
"""Prefix of the releases that hold the user's side of conversations from outside."""
SNAPSHOTS = (WORKING, IMPORTED)
"""Prefixes of releases that nobody cut by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """How a release is cut."""

    provisional: bool = False
    only_accepted: bool = False
    """Leave unreviewed cases out instead of refusing."""
    cases: tuple[str, ...] = ()
    """Only these; empty for all."""
    sample: int | None = None
    """Only so many, drawn by hash."""
    seed: int = 0
    licence: str = ""
    access: Literal["open", "gated", "internal"] = "internal"
    held_out: float = 0.0
    """Share of clusters that go to the held-out split."""
    expires: datetime.date | None = None
    why: str = ""


def cut_release(workspace: Workspace, study: str, version: str, options: ReleaseOptions) -> StoredRelease:
    """Freeze cases and all under them; refuses with every reason at once."""
    with workspace.begin() as unit:
        problem = version_problem(unit, study, version)
        if problem:
            raise InputError(problem)
        return _cut(workspace, unit, study, version, options)


def version_problem(unit: UnitOfWork, study: str, version: str) -> str:
    """Why a release cannot have that version; empty where it can."""
    if not is_slug(version) or version.startswith(SNAPSHOTS):
        return (
            f"{version!r} is no version: letters, digits, '.', '-' and '_', and not "
            f"{WORKING + '...'!r} or {IMPORTED + '...'!r}"
        )
    if unit.releases(study).get(version) is not None:
        return f"{study}@{version} is there already, and a release never changes; choose another version"
    return ""


def reasons_against(unit: UnitOfWork, study: str, options: ReleaseOptions) -> list[Issue]:
    """Every reason why :func:`cut_release` would refuse all cases, whatever the version is called.

    No case is read: their review states and what they rest on stand in their lines.
    """
    assert not options.cases and options.sample is None, "told of all cases"
    stored, issues = unit.definitions(study), list[Issue]()
    lines, under = stored.lines, _under(stored)
    counts = lines.count_by("status")
    allowed = REVIEWED if options.only_accepted and not options.provisional else OPEN
    waiting = sum(counts.get(status, 0) for status in OPEN - REVIEWED)
    if waiting and not options.provisional and not options.only_accepted:
        issues.append(_unreviewed(study, waiting, lines.first(OPEN - REVIEWED, NAMED)))
    if not any(counts.get(status) for status in allowed):
        issues.append(_nothing(study, sum(counts.values())))
    try:
        used = _used(lines.rest_on(allowed), {key: v.definition for key, v in under.items()})
    except InputError as error:
        return [*issues, *error.issues]
    return issues if options.provisional else [*issues, *_not_ready(under, used)]


def working_release(workspace: Workspace, study: str, options: ReleaseOptions) -> StoredRelease:
    """The study as it is now as a provisional release, made once for the same content and protocol."""
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        chosen, issues = _choose(stored, study, options)
        if issues:
            raise InputError(issues)
        named = {slug: found for slug, found in stored.digests("case").items() if slug in chosen}
        known = {f"{kind}/{slug}": version.digest for (kind, slug), version in _under(stored).items()}
        head = stored.head("study", study)
        assert head is not None and isinstance(head.definition, StudyHead)
        protocol = head.definition.protocol
        planned = {} if protocol is None else {"protocol": protocol.digest()}
        version = WORKING + digest({"cases": named, "under": known, **planned})[7:15]
        found = unit.releases(study).get(version)
        return found or _cut(workspace, unit, study, version, options)


def _choose(
    stored: Definitions, study: str, options: ReleaseOptions
) -> tuple[Mapping[str, CaseStatus], list[Issue]]:
    """The cases to freeze with their review states, and every reason against freezing them."""
    states = statuses(stored)
    issues = [Issue(unknown("case", slug, states)) for slug in options.cases if slug not in states]
    pool = [slug for slug in (options.cases or states) if slug in states]
    allowed = OPEN if options.provisional else REVIEWED
    usable = {slug for slug in pool if states[slug] in allowed}
    if not options.provisional and not options.only_accepted:
        waiting = sorted(slug for slug in pool if states[slug] in OPEN - REVIEWED)
        if waiting:
            usable.update(waiting)
            issues.append(_unreviewed(study, len(waiting), waiting[:NAMED]))
    issues += [
        Issue(f"case {slug!r} is {states[slug]} and cannot be frozen")
        for slug in options.cases
        if states.get(slug) in ("rejected", "retired")
    ]
    chosen = usable
    if options.sample is not None:
        chosen = sample(usable, size=options.sample, seed=options.seed)
    if not chosen and not issues:
        issues.append(_nothing(study, len(states)))
    return {slug: states[slug] for slug in chosen}, issues


def _unreviewed(study: str, many: int, first: Sequence[str]) -> Issue:
    named = ", ".join(first) + (f" and {many - NAMED} more" if many > NAMED else "")
    return Issue(
        f"{many} case{'s are' if many > 1 else ' is'} not accepted ({named}); accept them with 'redloom review {study} "
        "accept --all', leave them out with --only-accepted, or freeze them unreviewed with --provisional"
    )


def _nothing(study: str, many: int) -> Issue:
    why = (
        f"none of its {many} cases is in a state that can be frozen; see 'redloom review {study}'"
        if many
        else "import some or declare them in the study file"
    )
    return Issue(f"{study} has no case to freeze: {why}")


def _under(stored: Definitions) -> dict[tuple[str, str], StoredVersion]:
    return {(kind, version.slug): version for kind in DEFINED for version in stored.heads(kind)}


def _cut(
    workspace: Workspace, unit: UnitOfWork, study: str, version: str, options: ReleaseOptions
) -> StoredRelease:
    chosen, issues = _choose(unit.definitions(study), study, options)
    return freeze(workspace, unit, study, version, chosen, options, issues)


def freeze(
    workspace: Workspace,
    unit: UnitOfWork,
    study: str,
    version: str,
    chosen: Mapping[str, CaseStatus],
    options: ReleaseOptions,
    issues: Iterable[Issue] = (),
) -> StoredRelease:
    """Freeze the chosen cases, given with their review states; raises InputError with ``issues`` and its own.

    The cases go by three times, for what is under them and for what joins them first, and are never held whole.
    """
    stored = unit.definitions(study)
    issues = list(issues)
    under = _under(stored)

    def cases() -> Iterator[StoredVersion]:
        return (found for found in stored.heads("case", by_slug=True) if found.slug in chosen)

    roots = ((to.kind, to.slug) for v in cases() for to in v.definition.references())
    used = _used(roots, {key: v.definition for key, v in under.items()})
    if not options.provisional:
        issues += _not_ready(under, used)
    if issues:
        raise InputError(issues)
    head = stored.head("study", study)
    assert head is not None
    facts = list(_pinned(stored, {under[key].definition_id for key in used}, chosen))
    salt = os.urandom(32)
    releases = unit.releases(study)
    number = releases.add(
        version,
        salt=salt,
        versions=[head.version_id, *(under[key].version_id for key in sorted(used))],
        facts=facts,
        author=workspace.who,
        why=options.why,
        at=workspace.now(),
    )
    tally = _Tally(salt)
    definitions = {key: under[key].definition for key in under if key in used}
    frames = Frames(definitions)
    clusters = cluster_names(frames, (cast(Case, one.definition) for one in cases()))
    frozen = _freeze(zip(cases(), clusters, strict=True), frames, chosen, version, options.held_out)
    releases.add_cases(number, tally.count(frozen))
    manifest = Manifest(
        study=study,
        version=version,
        provisional=options.provisional,
        cases=len(tally.leaves),
        clusters=len(tally.clusters),
        unreviewed=tally.unreviewed,
        canary=f"redloom-canary-{uuid.UUID(bytes=os.urandom(16), version=4)}",
        licence=options.licence,
        access=options.access,
        expires=options.expires,
        study_head=head.digest,
        definitions={f"{kind}/{slug}": under[(kind, slug)].digest for kind, slug in sorted(used)},
        facts=tuple(sorted(digest([fact.kind, fact.about, fact.body, fact.author]) for fact in facts)),
        merkle_root=merkle_root(tally.leaves),
    )
    releases.seal(number, manifest)
    study_id = unit.study_id(study)
    what = f"released {study}@{version}" + (" (provisional)" if options.provisional else "")
    unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=options.why)
    return releases.by_id(number)


@dataclass(slots=True)
class _Tally:
    """What the manifest says of the cases, kept while they go by."""

    salt: bytes
    leaves: list[bytes] = field(default_factory=list[bytes])
    clusters: set[str] = field(default_factory=set[str])
    unreviewed: int = 0

    def count(self, cases: Iterable[tuple[ReleasedCase, int]]) -> Iterator[tuple[ReleasedCase, int]]:
        """The same cases."""
        for case, version_id in cases:
            self.leaves.append(leaf(case, self.salt))
            self.clusters.add(case.cluster)
            self.unreviewed += case.status != "accepted"
            yield case, version_id


def _pinned(stored: Definitions, under: Container[int], chosen: Container[str]) -> Iterator[StoredFact]:
    """The acts about what is frozen: dissent and endorsements in force, every content-validity label."""
    for kind in ("dissent", "endorsements"):
        for fact in in_force(stored.facts(kind, subject="harm")):
            if fact.definition_id in under:
                yield fact
    frozen = {number for slug, number in stored.ids("case").items() if slug in chosen}
    for fact in stored.facts("validity", subject="case"):
        if fact.definition_id in frozen:
            yield fact


def _used(
    roots: Iterable[tuple[str, str]], definitions: Mapping[tuple[str, str], Definition]
) -> frozenset[tuple[str, str]]:
    """The (kind, slug) that the cases name, and all that those rest on."""
    used: set[tuple[str, str]] = set()
    for root in roots:
        waiting = [root]
        while waiting:
            key = waiting.pop()
            if key in used:
                continue
            if key not in definitions:
                raise InputError(
                    f"{key[0]} {key[1]!r} was retired, but something that is to be released rests on it"
                )
            used.add(key)
            definition = definitions[key]
            waiting += [(reference.kind, reference.slug) for reference in definition.references()]
            if isinstance(definition, Scenario) and definition.twin is not None:
                waiting.append(("scenario", definition.twin.of))
    return frozenset(used)


def _not_ready(
    under: Mapping[tuple[str, str], StoredVersion], used: frozenset[tuple[str, str]]
) -> Iterator[Issue]:
    """What a harm concept lacks before rates may be measured with it."""
    for key in sorted(used):
        definition = under[key].definition
        if isinstance(definition, Harm):
            for field in ("examples", "counter_examples"):
                if not getattr(definition, field):
                    message = f"needs at least one of {field.replace('_', '-')} before a release can be measured with it"
                    yield Issue(message, path=f"harms.{key[1]}")


def _freeze(
    cases: Iterable[tuple[StoredVersion, str]],
    frames: Frames,
    states: Mapping[str, CaseStatus],
    version: str,
    held_out: float,
) -> Iterator[tuple[ReleasedCase, int]]:
    closed = closures(frames.definitions)
    seen: set[bytes] = set()
    for ordinal, (stored, cluster) in enumerate(cases):
        case = cast(Case, stored.definition)
        stimulus = frames.stimulus(case)
        under = [closed[(reference.kind, reference.slug)] for reference in case.references()]
        released = ReleasedCase(
            ordinal=ordinal,
            slug=stored.slug,
            content=stored.digest,
            closure=closure_digest(stored.digest, under),
            stimulus=stimulus,
            cluster=cluster,
            split=split_of(cluster, version, held_out),
            status=states[stored.slug],
            first=_add(seen, stimulus),
        )
        yield released, stored.version_id


def _add(seen: set[bytes], stimulus: str) -> bool:
    """Whether a stimulus is new; adds it, at half the size of its text."""
    before = len(seen)
    seen.add(bytes.fromhex(stimulus[7:]))
    return len(seen) > before


@dataclass(frozen=True, slots=True)
class Verified:
    """What a recomputation of a release found."""

    study: str
    version: str
    digest: str
    cases: int
    problems: tuple[str, ...]


def verify_release(workspace: Workspace, study: str, version: str) -> Verified:
    """Every digest of a release recomputed from the stored content."""
    problems: list[str] = []
    with workspace.begin() as unit:
        release = get_release(unit, study, version)
        try:
            problems.extend(differences(unit.releases(study), release))
        except StoreError as error:  # a row that cannot be read any more
            problems.append(str(error))
    return Verified(study, version, release.digest, release.manifest.cases, tuple(problems))


def differences(releases: Releases, release: StoredRelease) -> Iterator[str]:
    """What is not as it was frozen; the cases are looked at where all under them is right."""
    manifest = release.manifest
    if manifest.digest() != release.digest:
        yield "the manifest is not what was frozen"
    everything = releases.definitions(release.id)
    head = everything.pop(("study", manifest.study), None)
    right = isinstance(head, StudyHead) and head.content_digest() == manifest.study_head
    if not right:
        yield "the charter, protocol or constraints are not what was frozen"
    found = {f"{kind}/{slug}": definition.content_digest() for (kind, slug), definition in everything.items()}
    for key in sorted(found.keys() | manifest.definitions.keys()):
        if found.get(key) != manifest.definitions.get(key):
            right = False
            yield f"{key} is not what was frozen"
    facts = sorted(digest([f.kind, f.about, f.body, f.author]) for f in releases.facts(release.id))
    if tuple(facts) != manifest.facts:
        right = False
        yield "the pinned acts are not what was frozen"
    if not right:
        return
    frames, closed = Frames(everything), closures(everything)
    leaves: list[bytes] = []
    seen: set[bytes] = set()
    for released, case in releases.cases(release.id):
        leaves.append(leaf(released, release.salt))
        if _add(seen, released.stimulus) != released.first:
            yield f"case {released.slug} is not marked as it should be among those with the same stimulus"
        if case.content_digest() != released.content or (released.closure, released.stimulus) != (
            closure_digest(released.content, [closed[(r.kind, r.slug)] for r in case.references()]),
            frames.stimulus(case),
        ):
            yield f"case {released.slug} is not what was frozen"
    if merkle_root(leaves) != manifest.merkle_root:
        yield "the root over the cases is not what was frozen"
