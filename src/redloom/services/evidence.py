"""Evidence: what looks personal in it, bringing it in from a table, and which of it a release would have caught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from redloom.datasets.evidence import read_evidence
from redloom.domain.evidence import Evidence
from redloom.domain.personal import find_personal, pieces, without_personal
from redloom.domain.rendering import Frames
from redloom.domain.scenario import Scenario
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.report.words import plural
from redloom.services.finding import get_release
from redloom.services.releases import SNAPSHOTS
from redloom.services.workspace import Workspace

FIELDS = ("title", "source", "text")
"""Where something personal can stand."""
Caught = Literal["caught", "near", "not"]
Personal = Literal["told", "taken_out", "stays"]
"""What becomes of what looks personal: it is told and nothing is stored, it is taken out, or it stays."""


def mark_personal(content: Mapping[str, Any]) -> dict[str, Sequence[tuple[str, str]]]:
    """Field -> its text in pieces, each with what it looks like, for fields in which something looks personal."""
    texts = {name: str(content.get(name, "")) for name in FIELDS}
    return {name: tuple(pieces(text)) for name, text in texts.items() if find_personal(text)}


def take_out_personal(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same with ``[email address]`` and the like in the place of what looks personal."""
    return {
        name: without_personal(value) if name in FIELDS and isinstance(value, str) else value
        for name, value in content.items()
    }


def tell_personal(marked: Mapping[str, Sequence[tuple[str, str]]], line: int | None = None) -> list[Issue]:
    """A sentence for each of these fields; it does not repeat what stands there."""
    issues: list[Issue] = []
    for name, parts in marked.items():
        kinds = ", ".join(dict.fromkeys(what for _, what in parts if what))
        told = f"looks personal: {kinds}; take it out, have it taken out, or say that it may stay"
        issues.append(Issue(told, path=name, line=line))
    return issues


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """What a table brought."""

    study: str
    new: int
    unchanged: int


def import_evidence(
    workspace: Workspace, study: str, text: str, *, origin: str, personal: Personal = "told", why: str = ""
) -> BroughtIn:
    """The evidence of a CSV text; all of it, or nothing with every problem and its line."""
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        known = {kind: frozenset(stored.slugs(kind)) for kind in ("harm", "scenario")}
        rows = read_evidence(text, known)
        existing = stored.digests("evidence")
        issues: list[Issue] = []
        new: list[tuple[str, Evidence]] = []
        for row in rows:
            evidence = row.evidence
            if personal == "told":
                issues += tell_personal(mark_personal(evidence.content()), row.line)
            elif personal == "taken_out":
                evidence = Evidence.model_validate(take_out_personal(evidence.content()))
            if row.slug not in existing:
                new.append((row.slug, evidence))
            elif existing[row.slug] != evidence.content_digest():
                told = f"there is evidence {row.slug!r} already, which says something else; give another title, or a column slug"
                issues.append(Issue(told, line=row.line))
        if issues:
            raise InputError(issues)
        stored.put("evidence", new, author=workspace.who, origin=origin, why=why, at=workspace.now())
        if new:
            what = f"brought in {plural(len(new), 'piece of evidence', 'pieces of evidence')} from a table"
            study_id = unit.study_id(study)
            unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why)
    return BroughtIn(study, len(new), len(rows) - len(new))


def import_evidence_file(
    workspace: Workspace, study: str, path: Path, *, personal: Personal = "told", why: str = ""
) -> BroughtIn:
    """The evidence of a CSV file; see :func:`import_evidence`. Problems name the file."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return import_evidence(workspace, study, text, origin=path.name, personal=personal, why=why)
    except UnknownNameError:
        raise
    except InputError as error:
        raise InputError(replace(issue, file=path.name) for issue in error.issues) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A piece of evidence against a release."""

    slug: str
    title: str
    state: Caught
    by: tuple[tuple[str, str], ...]
    """(kind, slug) of the scenarios or harms by which it is caught or nearly so."""
    cases: int
    """Test conversations of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """All evidence against one release."""

    version: str
    """Empty where there is no release."""
    versions: tuple[str, ...]
    """Newest first."""
    found: tuple[Found, ...]

    def count(self, state: Caught) -> int:
        """How many pieces of evidence are in a state."""
        return sum(one.state == state for one in self.found)


def catch(workspace: Workspace, study: str, version: str = "") -> Catch:
    """Which evidence a release would have caught; the newest release without a version. Raises UnknownNameError.

    Caught: one of its test conversations tests a scenario that names the evidence, or that the evidence names. Near:
    only a harm that the evidence names is tested.
    """
    with workspace.begin() as unit:
        stored = unit.releases(study)
        versions = [one.version for one in stored.all() if not one.version.startswith(SNAPSHOTS)][::-1]
        if not version and not versions:
            return Catch(version="", versions=(), found=())
        release = get_release(unit, study, version or versions[0])
        definitions = stored.definitions(release.id)
        frames = Frames(definitions)
        scenarios: dict[str, int] = {}
        harms: dict[str, int] = {}
        for _, case in stored.cases(release.id):
            if case.scenario is not None:
                scenarios[case.scenario] = scenarios.get(case.scenario, 0) + 1
            about = frames.harm(case)
            if about is not None:
                harms[about[0]] = harms.get(about[0], 0) + 1
        naming = {name: cast(Scenario, definitions[("scenario", name)]).evidence for name in scenarios}
        found = [
            _found(head.slug, cast(Evidence, head.definition), scenarios, harms, naming)
            for head in unit.definitions(study).heads("evidence")
        ]
    return Catch(version=release.version, versions=tuple(versions), found=tuple(found))


def _found(
    slug: str,
    evidence: Evidence,
    scenarios: Mapping[str, int],
    harms: Mapping[str, int],
    naming: Mapping[str, Sequence[str]],
) -> Found:
    by = [name for name in scenarios if name in evidence.scenarios or slug in naming[name]]
    near = [name for name in evidence.harms if name in harms]
    state: Caught = "caught" if by else "near" if near else "not"
    return Found(
        slug=slug,
        title=evidence.title,
        state=state,
        by=tuple(("scenario", name) for name in by) or tuple(("harm", name) for name in near),
        cases=sum(scenarios[name] for name in by) or sum(harms[name] for name in near),
    )
