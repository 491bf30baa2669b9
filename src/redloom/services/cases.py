"""Reviewing cases and bringing them in from files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redloom.datasets.tabular import TableFormat, read_cases
from redloom.domain.case import STATUSES, Case, CaseStatus
from redloom.errors import InputError, Issue, unknown
from redloom.services.workspace import Workspace
from redloom.storage.repositories.definitions import Definitions

ACTIONS: Mapping[str, CaseStatus] = {
    "submit": "in_review",
    "accept": "accepted",
    "reject": "rejected",
    "retire": "retired",
    "reopen": "draft",
}


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case as a list shows it."""

    slug: str
    status: CaseStatus
    scenario: str | None
    language: str | None
    turns: int
    first: str
    labels: tuple[str, ...]
    """Content-validity labels given so far."""


def statuses(stored: Definitions) -> dict[str, CaseStatus]:
    """Slug -> review state of the newest version; a changed case is a draft again."""
    slugs = {number: slug for slug, number in stored.ids("case").items()}
    found: dict[str, CaseStatus] = dict.fromkeys(slugs.values(), "draft")
    for fact in stored.facts("review", subject="case"):
        found[slugs[fact.definition_id]] = fact.body["status"]
    return found


def count_statuses(stored: Definitions) -> dict[str, int]:
    """Review state -> how many cases."""
    counts = dict.fromkeys(STATUSES, 0)
    for status in statuses(stored).values():
        counts[status] += 1
    return {status: n for status, n in counts.items() if n}


def list_cases(workspace: Workspace, study: str, *, status: CaseStatus | None = None) -> list[CaseLine]:
    """The cases of a study with their review states."""
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        states = statuses(stored)
        slugs = {number: slug for slug, number in stored.ids("case").items()}
        labels: dict[str, list[str]] = {}
        for fact in stored.facts("validity", subject="case"):
            labels.setdefault(slugs[fact.definition_id], []).append(f"{fact.body['label']} ({fact.author})")
        lines: list[CaseLine] = []
        for version in stored.heads("case"):
            if status is not None and states[version.slug] != status:
                continue
            case = cast(Case, version.definition)
            first = (case.script or (case.opening or "",))[0]
            lines.append(
                CaseLine(
                    version.slug,
                    states[version.slug],
                    case.scenario,
                    case.language,
                    len(case.script),
                    first,
                    tuple(labels.get(version.slug, ())),
                )
            )
        return lines


def review(
    workspace: Workspace, study: str, action: str, cases: Iterable[str] | None, *, why: str = ""
) -> int:
    """Move cases to a review state; ``cases=None`` means all that are not rejected or retired. Gives how many moved."""
    if action not in ACTIONS:
        raise InputError(unknown("action", action, ACTIONS))
    status = ACTIONS[action]
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        states = statuses(stored)
        if cases is None:
            chosen = [slug for slug, state in states.items() if state not in ("rejected", "retired")]
        else:
            chosen = list(dict.fromkeys(cases))
            missing = [slug for slug in chosen if slug not in states]
            if missing:
                raise InputError(Issue(unknown("case", slug, states)) for slug in missing)
        moved = [slug for slug in chosen if states[slug] != status]
        _add_facts(workspace, stored, moved, kind="review", body={"status": status}, why=why)
        if moved:
            what = f"{action} {len(moved)} case{'s' if len(moved) != 1 else ''}"
            detail = {"cases": moved[:1000]}
            study_id = unit.study_id(study)
            unit.studies.record(
                study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why, detail=detail
            )
        return len(moved)


VALIDITY = ("violates", "borderline", "fine", "off_scenario")
"""Does this case test what it says? The first three labels after Chouldechova et al. 2601.18076."""


def label_validity(workspace: Workspace, study: str, case: str, label: str, *, why: str = "") -> None:
    """Record what somebody thinks the case tests: a content-validity label."""
    if label not in VALIDITY:
        raise InputError(unknown("content-validity label", label, VALIDITY))
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        known = stored.slugs("case")
        if case not in known:
            raise InputError(unknown("case", case, known))
        _add_facts(workspace, stored, [case], kind="validity", body={"label": label}, why=why)


def _add_facts(
    workspace: Workspace,
    stored: Definitions,
    slugs: list[str],
    *,
    kind: str,
    body: Mapping[str, Any],
    why: str,
) -> None:
    ids = stored.ids("case")
    digests = stored.digests("case")
    stored.add_facts(
        {
            "id": workspace.ids.new(),
            "definition_id": ids[slug],
            "kind": kind,
            "about": digests[slug],
            "body": body,
            "author": workspace.who,
            "why": why,
        }
        for slug in slugs
    )


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought in."""

    study: str
    cases: int
    unchanged: int
    changed: int


def import_cases(
    workspace: Workspace,
    path: Path,
    *,
    study: str,
    table: TableFormat,
    mapping: Mapping[str, str],
    licence: str = "",
    source: str = "",
    why: str = "",
) -> Imported:
    """Cases from a CSV or JSONL file; every problem is listed with its line, and nothing is half-imported."""
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        known = {kind: frozenset(stored.slugs(kind)) for kind in ("scenario", "harm")}
        existing = stored.digests("case")
        fresh = changed = unchanged = 0

        def wanted() -> Iterable[tuple[str, Case]]:
            nonlocal fresh, changed, unchanged
            rows = read_cases(path, table=table, mapping=mapping, known=known, licence=licence, source=source)
            for slug, case in rows:
                if slug not in existing:
                    fresh += 1
                elif existing[slug] == case.content_digest():
                    unchanged += 1
                    continue
                else:
                    changed += 1
                yield slug, case

        stored.put("case", wanted(), author=workspace.who, origin=path.name, why=why, at=workspace.now())
        if fresh or changed:
            study_id = unit.study_id(study)
            what = f"imported {fresh + changed} cases from {path.name}"
            unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why)
        return Imported(study, fresh, unchanged, changed)
