"""Freezing cases into a release, checking one, and what the declared space still lacks."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from redloom.datasets.selection import sample
from redloom.design.covering import Coverage, coverage, covering_array
from redloom.design.orders import WorkOrder, scenario_slug, work_order
from redloom.design.twins import ProposedTwin, missing_twins
from redloom.domain.case import Case, CaseStatus
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
from redloom.domain.study import Constraint, StudyHead, space
from redloom.domain.value import Definition
from redloom.errors import InputError, Issue, StoreError, unknown
from redloom.ids import digest, is_slug
from redloom.services.cases import statuses
from redloom.services.finding import get_release
from redloom.services.studies import load_study
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredVersion, in_force
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.repositories.releases import Releases, StoredRelease
from redloom.storage.unit_of_work import UnitOfWork

REVIEWED: frozenset[CaseStatus] = frozenset({"accepted"})
OPEN: frozenset[CaseStatus] = frozenset({"draft", "in_review", "accepted"})
DEFINED = ("evidence", "context", "persona", "interaction_type", "harm", "scenario")
WORKING = "working-"
"""Prefix of the provisional releases that a run without a version freezes."""


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
    if not is_slug(version) or version.startswith(WORKING):
        raise InputError(
            f"{version!r} is no version: letters, digits, '.', '-' and '_', and not {WORKING + '...'!r}"
        )
    with workspace.begin() as unit:
        if unit.releases(study).get(version) is not None:
            raise InputError(
                f"{study}@{version} is there already, and a release never changes; choose another version"
            )
        return _cut(workspace, unit, study, version, options)


def working_release(workspace: Workspace, study: str, options: ReleaseOptions) -> StoredRelease:
    """The study as it is now as a provisional release, made once for the same content."""
    with workspace.begin() as unit:
        selected, issues = _select(unit, study, options)
        if issues:
            raise InputError(issues)
        under = _under(unit.definitions(study))
        named = {version.slug: version.digest for version in selected}
        known = {f"{kind}/{slug}": stored.digest for (kind, slug), stored in under.items()}
        version = WORKING + digest({"cases": named, "under": known})[7:15]
        found = unit.releases(study).get(version)
        return found or _cut(workspace, unit, study, version, options)


def _select(unit: UnitOfWork, study: str, options: ReleaseOptions) -> tuple[list[StoredVersion], list[Issue]]:
    """The case versions to freeze, by slug, and every reason against freezing them."""
    stored = unit.definitions(study)
    states = statuses(stored)
    issues = [Issue(unknown("case", slug, states)) for slug in options.cases if slug not in states]
    pool = [slug for slug in (options.cases or states) if slug in states]
    allowed = OPEN if options.provisional else REVIEWED
    usable = {slug for slug in pool if states[slug] in allowed}
    if not options.provisional and not options.only_accepted:
        waiting = sorted(slug for slug in pool if states[slug] in OPEN - REVIEWED)
        if waiting:
            named = ", ".join(waiting[:5]) + (f" and {len(waiting) - 5} more" if len(waiting) > 5 else "")
            usable.update(waiting)
            issues.append(
                Issue(
                    f"{len(waiting)} case{'s are' if len(waiting) > 1 else ' is'} not accepted ({named}); accept them "
                    f"with 'redloom review {study} accept --all', leave them out with --only-accepted, or freeze "
                    "them unreviewed with --provisional"
                )
            )
    issues += [
        Issue(f"case {slug!r} is {states[slug]} and cannot be frozen")
        for slug in options.cases
        if states.get(slug) in ("rejected", "retired")
    ]
    if options.sample is not None:
        usable = sample(usable, size=options.sample, seed=options.seed)
    if not usable and not issues:
        why = (
            f"none of its {len(states)} cases is in a state that can be frozen; see 'redloom review {study}'"
            if states
            else "import some or declare them in the study file"
        )
        issues.append(Issue(f"{study} has no case to freeze: {why}"))
    selected = sorted((v for v in stored.heads("case") if v.slug in usable), key=lambda version: version.slug)
    return selected, issues


def _under(stored: Definitions) -> dict[tuple[str, str], StoredVersion]:
    return {(kind, version.slug): version for kind in DEFINED for version in stored.heads(kind)}


def _cut(
    workspace: Workspace, unit: UnitOfWork, study: str, version: str, options: ReleaseOptions
) -> StoredRelease:
    stored = unit.definitions(study)
    selected, issues = _select(unit, study, options)
    under = _under(stored)
    used = _used(
        [cast(Case, v.definition) for v in selected], {key: v.definition for key, v in under.items()}
    )
    if not options.provisional:
        issues += _not_ready(under, used)
    if issues:
        raise InputError(issues)
    definitions = {key: under[key].definition for key in under if key in used}
    states = statuses(stored)
    cases = list(_freeze(selected, definitions, states, version, options.held_out))
    head = stored.head("study", study)
    assert head is not None
    facts = [f for kind in ("dissent", "endorsements") for f in in_force(stored.facts(kind, subject="harm"))]
    facts = [f for f in facts if any(under[key].definition_id == f.definition_id for key in used)]
    frozen = {v.definition_id for v in selected}
    facts += [f for f in stored.facts("validity", subject="case") if f.definition_id in frozen]
    salt = os.urandom(32)
    manifest = Manifest(
        study=study,
        version=version,
        provisional=options.provisional,
        cases=len(cases),
        clusters=len({case.cluster for case, _ in cases}),
        unreviewed=sum(case.status != "accepted" for case, _ in cases),
        canary=f"redloom-canary-{uuid.UUID(bytes=os.urandom(16), version=4)}",
        licence=options.licence,
        access=options.access,
        expires=options.expires,
        study_head=head.digest,
        definitions={f"{kind}/{slug}": under[(kind, slug)].digest for kind, slug in sorted(used)},
        facts=tuple(sorted(digest([fact.kind, fact.about, fact.body, fact.author]) for fact in facts)),
        merkle_root=merkle_root(leaf(case, salt) for case, _ in cases),
    )
    unit.releases(study).add(
        manifest,
        salt=salt,
        cases=cases,
        versions=[head.version_id, *(under[key].version_id for key in sorted(used))],
        facts=facts,
        author=workspace.who,
        why=options.why,
        at=workspace.now(),
    )
    study_id = unit.study_id(study)
    what = f"released {study}@{version}" + (" (provisional)" if options.provisional else "")
    unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=options.why)
    return get_release(unit, study, version)


def _used(
    cases: Iterable[Definition], definitions: Mapping[tuple[str, str], Definition]
) -> frozenset[tuple[str, str]]:
    """All that the cases rest on."""
    used: set[tuple[str, str]] = set()
    waiting = list(cases)
    while waiting:
        definition = waiting.pop()
        keys = [(reference.kind, reference.slug) for reference in definition.references()]
        if isinstance(definition, Scenario) and definition.twin is not None:
            keys.append(("scenario", definition.twin.of))
        for key in keys:
            if key not in definitions:
                raise InputError(
                    f"{key[0]} {key[1]!r} was retired, but something that is to be released rests on it"
                )
            if key not in used:
                used.add(key)
                waiting.append(definitions[key])
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
    selected: Sequence[StoredVersion],
    definitions: Mapping[tuple[str, str], Definition],
    states: Mapping[str, CaseStatus],
    version: str,
    held_out: float,
) -> Iterator[tuple[ReleasedCase, int]]:
    frames, closed = Frames(definitions), closures(definitions)
    for ordinal, stored in enumerate(selected):
        case = cast(Case, stored.definition)
        cluster = frames.cluster(case)
        under = [closed[(reference.kind, reference.slug)] for reference in case.references()]
        released = ReleasedCase(
            ordinal=ordinal,
            slug=stored.slug,
            content=stored.digest,
            closure=closure_digest(stored.digest, under),
            stimulus=frames.stimulus(case),
            cluster=cluster,
            split=split_of(cluster, version, held_out),
            status=states[stored.slug],
        )
        yield released, stored.version_id


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
            problems.extend(_differences(unit.releases(study), release))
        except StoreError as error:  # a row that cannot be read any more
            problems.append(str(error))
    return Verified(study, version, release.digest, release.manifest.cases, tuple(problems))


def _differences(releases: Releases, release: StoredRelease) -> Iterator[str]:
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
    for released, case in releases.cases(release.id):
        leaves.append(leaf(released, release.salt))
        if case.content_digest() != released.content or (released.closure, released.stimulus) != (
            closure_digest(released.content, [closed[(r.kind, r.slug)] for r in case.references()]),
            frames.stimulus(case),
        ):
            yield f"case {released.slug} is not what was frozen"
    if merkle_root(leaves) != manifest.merkle_root:
        yield "the root over the cases is not what was frozen"


@dataclass(frozen=True, slots=True)
class SpaceCoverage:
    """The declared space and how much of it is covered."""

    study: str
    version: str | None
    space: Mapping[str, tuple[str, ...]]
    constraints: tuple[Constraint, ...]
    rows: tuple[Mapping[str, str], ...]
    """The parts of every scenario counted."""
    by_strength: tuple[Coverage, ...]


def cover(
    workspace: Workspace, study: str, version: str | None = None, *, strengths: Sequence[int] = (1, 2, 3)
) -> SpaceCoverage:
    """Coverage of the scenarios that have a case: of the study now, or of a release."""
    with workspace.begin() as unit:
        return measure_coverage(unit, study, version, strengths=strengths)


def measure_coverage(
    unit: UnitOfWork, study: str, version: str | None, *, strengths: Sequence[int] = (1, 2, 3)
) -> SpaceCoverage:
    """:func:`cover` inside a transaction."""
    now = load_study(unit, study, cases=False)
    if version is None:
        cases = (cast(Case, stored.definition) for stored in unit.definitions(study).heads("case"))
        used = {case.scenario for case in cases if case.scenario is not None}
        scenarios = {slug: now.scenarios[slug] for slug in used if slug in now.scenarios}
    else:
        release = get_release(unit, study, version)
        frozen = unit.releases(study).definitions(release.id)
        used = {
            case.scenario for _, case in unit.releases(study).cases(release.id) if case.scenario is not None
        }
        scenarios = {slug: cast(Scenario, frozen[("scenario", slug)]) for slug in used}
    rows = tuple(scenarios[slug].parts() for slug in sorted(scenarios))
    declared = space(now)
    possible = [t for t in strengths if t <= sum(1 for values in declared.values() if values)]
    measured = tuple(coverage(declared, now.head.constraints, rows, strength=t) for t in possible)
    return SpaceCoverage(study, version, declared, now.head.constraints, rows, measured)


@dataclass(frozen=True, slots=True)
class Planned:
    """Scenarios that cover the declared space."""

    study: str
    strength: int
    rows: tuple[Mapping[str, str], ...]
    new: tuple[Mapping[str, str], ...]
    """The rows that no scenario of the study has."""
    slugs: tuple[str, ...]
    """A slug for each of ``new``."""
    before: Coverage
    constraints: tuple[Constraint, ...]
    orders: tuple[WorkOrder, ...]


def plan(
    workspace: Workspace, study: str, *, strength: int, fresh: bool = False, orders: bool = False
) -> Planned:
    """Scenarios that cover every valid combination of ``strength`` parts; goes on from those there are unless ``fresh``."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
    declared = space(now)
    missing = [name for name, values in declared.items() if not values]
    if missing:
        raise InputError(
            f"{study} declares no {' and no '.join(n.replace('_', ' ') for n in missing)}; nothing can be planned"
        )
    have = [scenario.parts() for scenario in now.scenarios.values()]
    rows = covering_array(declared, now.head.constraints, strength=strength, start=() if fresh else have)
    new = [row for row in rows if row not in have]
    before = coverage(declared, now.head.constraints, have, strength=strength)
    written = tuple(work_order(now, row) for row in new) if orders else ()
    slugs = tuple(scenario_slug(row) for row in new)
    return Planned(study, strength, tuple(rows), tuple(new), slugs, before, now.head.constraints, written)


def propose_twins(workspace: Workspace, study: str) -> list[ProposedTwin]:
    """Twins that the study's scenarios lack."""
    with workspace.begin() as unit:
        return list(missing_twins(load_study(unit, study, cases=False)))


def as_json(found: Any) -> Any:
    """Coverage or plan as JSON values."""
    if isinstance(found, SpaceCoverage):
        return {
            "study": found.study,
            "version": found.version,
            "space": found.space,
            "scenarios": len(found.rows),
            "coverage": [_coverage_json(one) for one in found.by_strength],
        }
    assert isinstance(found, Planned)
    return {
        "study": found.study,
        "strength": found.strength,
        "rows": found.rows,
        "new": [{"slug": slug, **row} for slug, row in zip(found.slugs, found.new, strict=True)],
        "before": _coverage_json(found.before),
        "forbidden": [c.model_dump(mode="json") for c in found.constraints],
        "orders": [{"scenario": o.scenario, "instruction": o.instruction} for o in found.orders],
    }


def _coverage_json(one: Coverage) -> dict[str, Any]:
    return {
        "strength": one.strength,
        "covered": one.covered,
        "valid": one.valid,
        "share": one.share,
        "forbidden": one.forbidden,
        "holes": [dict(hole) for hole in one.holes],
    }
