"""Releases to look at: what each holds, what changed between two, what stands against the next one."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from redloom.design.covering import Coverage
from redloom.domain.release import Manifest
from redloom.domain.scenario import Scenario
from redloom.domain.study import describe_change
from redloom.domain.value import Definition
from redloom.errors import InputError, Issue
from redloom.services.cases import count_statuses
from redloom.services.defining import Changed, title_of
from redloom.services.finding import get_release
from redloom.services.planning import coverage_of
from redloom.services.releases import (
    DEFINED,
    OPEN,
    SNAPSHOTS,
    ReleaseOptions,
    cut_release,
    reasons_against,
    version_problem,
)
from redloom.services.remembering import kept, remembered, study_of
from redloom.services.workspace import Workspace
from redloom.storage.repositories.releases import CaseChanges, Releases, StoredRelease
from redloom.storage.unit_of_work import UnitOfWork

FIRST = 200
"""How many cases a page names one by one."""
Access = Literal["open", "gated", "internal"]
ACCESS: tuple[Access, ...] = ("open", "gated", "internal")
WAYS = ("all", "only_accepted", "provisional")
"""Which cases are frozen: all, which must be accepted; the accepted ones; all as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLine:
    """A release as a list shows it."""

    version: str
    digest: str
    cases: int
    provisional: bool
    unreviewed: int
    author: str
    at: datetime.datetime
    snapshot: bool
    """A run or an import froze it; nobody cut it by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionChange:
    """A definition under the cases that came, went or changed."""

    kind: str
    slug: str
    became: Literal["added", "removed", "changed"]
    fields: tuple[Changed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """A case that changed, field by field."""

    slug: str
    fields: tuple[Changed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed from one release to another, or to the study as it is now."""

    before: str
    added: int
    removed: int
    changed: int
    rests_on_other: int
    """Cases with the same text over definitions that changed."""
    first_added: tuple[str, ...]
    first_removed: tuple[str, ...]
    first_changed: tuple[CaseChange, ...]
    definitions: tuple[DefinitionChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A definition in a release."""

    kind: str
    slug: str
    title: str
    digest: str
    number: int
    """Of its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView:
    """A release with all that a page says of it."""

    line: ReleaseLine
    why: str
    manifest: Manifest
    splits: Mapping[tuple[str, str], int]
    """(split, review state) -> cases."""
    harms: Mapping[str, int]
    languages: Mapping[str, int]
    definitions: tuple[Frozen, ...]
    slugs: tuple[str, ...]
    """Of the first cases."""
    covered: tuple[Coverage, ...]
    others: tuple[str, ...]
    """Versions it can be compared with, newest first."""
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Reason:
    """What stands against a release, and the part of the study where it is mended."""

    told: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeCutting:
    """How ready a study is for its next release."""

    counts: Mapping[str, int]
    """Review state -> cases."""
    reasons: tuple[Reason, ...]
    since: Difference | None
    """Against the newest release that somebody cut."""


def list_releases(workspace: Workspace, study: str) -> list[ReleaseLine]:
    """All releases, newest first, snapshots included."""
    with workspace.begin() as unit:
        return [_line(release) for release in reversed(unit.releases(study).all())]


def open_release(workspace: Workspace, study: str, version: str, *, against: str = "") -> ReleaseView:
    """What a release holds and how it differs from ``against``, or from the one before; raises UnknownNameError."""
    with workspace.begin() as unit:
        release = get_release(unit, study, version)
        releases = unit.releases(study)
        known = releases.all()
        before = get_release(unit, study, against) if against else _one_before(known, release)
        held = kept(workspace, ("release", release.id), lambda: _held(releases, release))
        covered = remembered(
            workspace,
            unit,
            study,
            ("coverage of release", release.id),
            lambda: (
                coverage_of(
                    study_of(workspace, unit, study), held.scenarios, version=version, strengths=(1, 2)
                ).by_strength
            ),
        )
        return ReleaseView(
            line=_line(release),
            why=release.why,
            manifest=release.manifest,
            splits=held.splits,
            harms=held.harms,
            languages=held.languages,
            definitions=held.definitions,
            slugs=held.slugs,
            covered=covered,
            others=tuple(one.version for one in reversed(known) if one.version != version),
            difference=compare_releases(workspace, releases, before, release) if before else None,
        )


def compare_two(workspace: Workspace, study: str, before: str, after: str) -> Difference:
    """What changed from one release to another; raises UnknownNameError."""
    with workspace.begin() as unit:
        first, second = get_release(unit, study, before), get_release(unit, study, after)
        return compare_releases(workspace, unit.releases(study), first, second)


def compare_releases(
    workspace: Workspace, releases: Releases, before: StoredRelease, after: StoredRelease
) -> Difference:
    """What changed from one release to another, worked out once."""
    return kept(workspace, ("releases", before.id, after.id), lambda: _between(releases, before, after))


def look_before(workspace: Workspace, study: str) -> BeforeCutting:
    """Every reason against a release of all cases now, and what changed since the newest one."""
    with workspace.begin() as unit:
        return remembered(workspace, unit, study, "before cutting", lambda: _look_before(unit, study))


def _look_before(unit: UnitOfWork, study: str) -> BeforeCutting:
    cut = [one for one in unit.releases(study).all() if not one.version.startswith(SNAPSHOTS)]
    return BeforeCutting(
        counts=count_statuses(unit.definitions(study)),
        reasons=tuple(_reason(issue) for issue in reasons_against(unit, study, ReleaseOptions())),
        since=_since(unit, study, cut[-1]) if cut else None,
    )


def cut_from_form(workspace: Workspace, study: str, given: Mapping[str, str]) -> StoredRelease:
    """Freeze what a form asks for; raises InputError with every problem at its field."""
    version, which = given.get("version", ""), given.get("which", "all")
    issues: list[Issue] = []
    held_out = _share(given.get("held_out", ""), issues)
    expires = _day(given.get("expires", ""), issues)
    access = given.get("access", "internal")
    if access not in ACCESS:
        issues.append(Issue(f"{access!r} is none of {', '.join(ACCESS)}", path="access"))
    if which not in WAYS:
        issues.append(Issue(f"{which!r} is none of {', '.join(WAYS)}", path="which"))
    options = ReleaseOptions(
        provisional=which == "provisional",
        only_accepted=which == "only_accepted",
        licence=given.get("licence", ""),
        access=cast(Access, access),
        held_out=held_out,
        expires=expires,
        why=given.get("why", ""),
    )
    with workspace.begin() as unit:
        problem = version_problem(unit, study, version)
        if version == "new":
            problem = "'new' is the address of this form; choose another version"
        issues = [*([Issue(problem, path="version")] if problem else []), *issues]
        issues += [Issue(_reason(one).told, path="which") for one in reasons_against(unit, study, options)]
    if issues:
        raise InputError(issues)
    return cut_release(workspace, study, version, options)


def _share(text: str, issues: list[Issue]) -> float:
    """A percentage as a share; what is wrong with it goes to ``issues``."""
    try:
        percent = float(text.rstrip("% ") or 0)
    except ValueError:
        percent = -1
    if not 0 <= percent <= 100:
        issues.append(Issue(f"{text!r} is no percentage; expected a number from 0 to 100", path="held_out"))
        return 0
    return percent / 100


def _day(text: str, issues: list[Issue]) -> datetime.date | None:
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        issues.append(Issue(f"{text!r} is no day; expected one such as 2030-01-31", path="expires"))
        return None


def _reason(issue: Issue) -> Reason:
    """In the words of the screen, without what the command line would do about it."""
    told = re.sub(r"^(\d+) case(s?) ", r"\1 test conversation\2 ", issue.message.partition("; ")[0])
    if issue.path.startswith("harms."):
        slug = issue.path.removeprefix("harms.")
        return Reason(f"The harm {slug} {told}", f"harms/{slug}")
    return Reason(told[:1].upper() + told[1:], "cases")


def _line(release: StoredRelease) -> ReleaseLine:
    return ReleaseLine(
        version=release.version,
        digest=release.digest,
        cases=release.manifest.cases,
        provisional=release.manifest.provisional,
        unreviewed=release.manifest.unreviewed,
        author=release.author,
        at=release.created_at,
        snapshot=release.version.startswith(SNAPSHOTS),
    )


def _one_before(known: list[StoredRelease], release: StoredRelease) -> StoredRelease | None:
    """The newest release that somebody cut before this one."""
    earlier = [one for one in known if one.id < release.id and not one.version.startswith(SNAPSHOTS)]
    return earlier[-1] if earlier else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What a release holds, which never changes."""

    splits: Mapping[tuple[str, str], int]
    harms: Mapping[str, int]
    languages: Mapping[str, int]
    definitions: tuple[Frozen, ...]
    slugs: tuple[str, ...]
    scenarios: Mapping[str, Scenario]
    """Those that some case has."""


def _held(releases: Releases, release: StoredRelease) -> _Held:
    under, numbers = releases.definitions(release.id), releases.numbers(release.id)
    harms: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    scenarios: dict[str, Scenario] = {}
    counted = releases.count_by(release.id, "scenario", "harm", "language")
    for (slug, harm, language), many in counted.items():
        scenario = cast(Scenario | None, under.get(("scenario", slug or "")))
        if scenario is not None:
            scenarios[slug or ""] = scenario
        harms[harm or (scenario.harm if scenario else "")] += many
        languages[language or (scenario.language if scenario else "")] += many
    return _Held(
        splits=releases.tally(release.id),
        harms=dict(sorted(harms.items())),
        languages=dict(sorted(languages.items())),
        definitions=tuple(_frozen(under, numbers)),
        slugs=tuple(releases.slugs(release.id, most=FIRST)),
        scenarios=scenarios,
    )


def _frozen(
    under: Mapping[tuple[str, str], Definition], numbers: Mapping[tuple[str, str], int]
) -> Iterator[Frozen]:
    for (kind, slug), definition in sorted(under.items()):
        if kind != "study":
            yield Frozen(
                kind=kind,
                slug=slug,
                title=title_of(slug, definition, None),
                digest=definition.content_digest(),
                number=numbers[kind, slug],
            )


def _between(releases: Releases, before: StoredRelease, after: StoredRelease) -> Difference:
    found = releases.compare(before.id, after.id, most=FIRST)
    changed = _changed(releases.definitions(before.id), releases.definitions(after.id))
    return _difference(before, found, changed)


def _difference(
    before: StoredRelease, found: CaseChanges, definitions: Iterable[DefinitionChange]
) -> Difference:
    return Difference(
        before=before.version,
        added=found.added,
        removed=found.removed,
        changed=found.changed,
        rests_on_other=found.rests_on_other,
        first_added=found.first_added,
        first_removed=found.first_removed,
        first_changed=tuple(
            CaseChange(slug=slug, fields=_fields(old, new) if old and new else ())
            for slug, old, new in found.first_changed
        ),
        definitions=tuple(definitions),
    )


def _since(unit: UnitOfWork, study: str, before: StoredRelease) -> Difference:
    """Against the study as it is now, without what was rejected or retired; by digests alone."""
    stored, releases = unit.definitions(study), unit.releases(study)
    now = {
        (version.kind, version.slug): version.definition
        for kind in (*DEFINED, "study")
        for version in stored.heads(kind)
    }
    found, frozen = releases.since(before.id, OPEN, most=FIRST), releases.definitions(before.id)
    return _difference(before, found, [one for one in _changed(frozen, now) if one.became != "added"])


def _changed(
    before: Mapping[tuple[str, str], Definition], after: Mapping[tuple[str, str], Definition]
) -> Iterator[DefinitionChange]:
    for kind, slug in sorted({*before, *after}):
        old, new = before.get((kind, slug)), after.get((kind, slug))
        if old is None or new is None:
            yield DefinitionChange(kind=kind, slug=slug, became="added" if old is None else "removed")
        elif old.content_digest() != new.content_digest():
            yield DefinitionChange(kind=kind, slug=slug, became="changed", fields=_fields(old, new))


def _fields(old: Definition, new: Definition) -> tuple[Changed, ...]:
    contents: tuple[dict[str, Any], dict[str, Any]] = (old.content(), new.content())
    return tuple(Changed(*found) for found in describe_change(*contents))
