"""Reviewing cases and bringing them in from files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redloom.datasets.tabular import TableFormat, find_separator, read_cases
from redloom.domain.case import STATUSES, Case, CaseStatus
from redloom.domain.context import Context
from redloom.domain.harm import Harm
from redloom.domain.interaction_type import InteractionType
from redloom.domain.persona import Persona
from redloom.domain.scenario import Scenario
from redloom.domain.study import Study
from redloom.domain.value import in_language
from redloom.errors import InputError, Issue, unknown
from redloom.report.words import plural
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.storage.case_lines import LineQuery
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.unit_of_work import UnitOfWork

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
    return cast(dict[str, CaseStatus], stored.lines.statuses())


def count_statuses(stored: Definitions) -> dict[str, int]:
    """Review state -> how many cases."""
    counts = stored.lines.count_by("status")
    return {status: counts[status] for status in STATUSES if status in counts}


def list_cases(workspace: Workspace, study: str, *, status: CaseStatus | None = None) -> list[CaseLine]:
    """The cases of a study with their review states."""
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        states = statuses(stored)
        labels = _labels(stored)
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


@dataclass(frozen=True, slots=True)
class Slot:
    """A declared slot of a case."""

    name: str
    source: str
    text: str
    """What stands there when the persona is said by the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A whole case with the definitions under it; those are None where it has none."""

    slug: str
    status: CaseStatus
    labels: tuple[str, ...]
    case: Case
    language: str | None
    turns: tuple[tuple[str, str], ...]
    """(who speaks, text with its slots filled), what the system says first included."""
    slots: tuple[Slot, ...]
    scenario: Scenario | None
    context: Context | None
    persona: Persona | None
    interaction_type: InteractionType | None
    harm: Harm | None
    harm_slug: str | None


def show_cases(workspace: Workspace, study: str, cases: Iterable[str] | None) -> list[CaseView]:
    """Whole cases to read; ``cases=None`` means all that are not rejected or retired."""
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        states = statuses(stored)
        chosen = _chosen(states, cases)
        labels = _labels(stored)
        whole = load_study(unit, study, cases=False)
        views: list[CaseView] = []
        for slug in chosen:
            head = stored.head("case", slug)
            assert head is not None and isinstance(head.definition, Case)
            said = tuple(labels.get(slug, ()))
            views.append(view_case(whole, slug, states[slug], head.definition, labels=said))
        return views


def view_case(whole: Study, slug: str, status: str, case: Case, *, labels: tuple[str, ...] = ()) -> CaseView:
    """A case of the study with the definitions under it."""
    scenario = whole.scenarios.get(case.scenario or "")
    harm = scenario.harm if scenario else case.harm
    persona = whole.personas.get(scenario.persona) if scenario else None
    language = case.language or (scenario.language if scenario else None)
    slots = tuple(_slot(name, source, persona, language) for name, source in case.slots.items())
    kind = whole.interaction_types.get(scenario.interaction_type) if scenario else None
    return CaseView(
        slug=slug,
        status=cast(CaseStatus, status),
        labels=labels,
        case=case,
        language=language,
        turns=tuple(_turns(case, slots, asked=kind is not None and kind.initiative == "model")),
        slots=slots,
        scenario=scenario,
        context=whole.contexts.get(scenario.context) if scenario else None,
        persona=persona,
        interaction_type=kind,
        harm=whole.harms.get(harm or ""),
        harm_slug=harm,
    )


def _slot(name: str, source: str, persona: Persona | None, language: str | None) -> Slot:
    if persona is None:
        return Slot(name, source, "")
    if source == "persona.disclosure":
        return Slot(name, source, in_language(persona.disclosure, language))
    return Slot(name, source, str(persona.attributes.get(source.removeprefix("persona.attributes."), "")))


def _turns(case: Case, slots: Iterable[Slot], *, asked: bool) -> Iterator[tuple[str, str]]:
    if case.opening:
        yield "system", case.opening
    elif asked:
        yield "system", "(opens, in its own words)"
    filled = {slot.name: slot.text for slot in slots}
    for turn in case.script:
        yield "user", re.sub(r"\{(\w+)\}", lambda found: filled.get(found[1], found[0]), turn)


def _labels(stored: Definitions) -> dict[str, list[str]]:
    """Slug -> the content-validity labels given to the newest version, with who gave them."""
    slugs = {number: slug for slug, number in stored.ids("case").items()}
    labels: dict[str, list[str]] = {}
    for fact in stored.facts("validity", subject="case"):
        labels.setdefault(slugs[fact.definition_id], []).append(f"{fact.body['label']} ({fact.author})")
    return labels


def _chosen(states: Mapping[str, CaseStatus], cases: Iterable[str] | None) -> list[str]:
    """The named cases, once each; for None all that are not rejected or retired. Raises InputError."""
    if cases is None:
        return [slug for slug, state in states.items() if state not in ("rejected", "retired")]
    chosen = list(dict.fromkeys(cases))
    missing = [slug for slug in chosen if slug not in states]
    if missing:
        raise InputError(Issue(unknown("case", slug, states)) for slug in missing)
    return chosen


def review(
    workspace: Workspace, study: str, action: str, cases: Iterable[str] | None, *, why: str = ""
) -> int:
    """Move cases to a review state; ``cases=None`` means all that are not rejected or retired. Gives how many moved."""
    if action not in ACTIONS:
        raise InputError(unknown("action", action, ACTIONS))
    with workspace.begin(changing=study) as unit:
        stored = unit.definitions(study)
        if cases is None:
            states = statuses(stored)
        else:
            cases = list(dict.fromkeys(cases))
            states = cast(dict[str, CaseStatus], stored.lines.statuses(cases))
            if len(states) < len(cases):
                states = statuses(stored)
        return _move(workspace, unit, study, action, _chosen(states, cases), states, why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What came of a decision on what somebody had before their eyes."""

    moved: int = 0
    changed: tuple[str, ...] = ()
    """Cases with a newer version than the one that was seen; where there are any, nothing was decided."""
    left: int = 0
    """Cases that match too, but came or changed after what was seen; they were left as they are."""


def review_seen(
    workspace: Workspace, study: str, action: str, seen: Mapping[str, str], *, why: str = ""
) -> Decided:
    """Move cases to a review state, given with the digests that were seen: all of them, or none where one has changed."""
    if action not in ACTIONS:
        raise InputError(unknown("action", action, ACTIONS))
    with workspace.begin(changing=study) as unit:
        stored = unit.definitions(study)
        states = cast(dict[str, CaseStatus], stored.lines.statuses(list(seen)))
        if len(states) < len(seen):
            states = statuses(stored)
        chosen = _chosen(states, seen)
        changed = _changed(stored, seen)
        if changed:
            return Decided(changed=changed)
        return Decided(moved=_move(workspace, unit, study, action, chosen, states, why))


def review_matching(
    workspace: Workspace,
    study: str,
    action: str,
    query: LineQuery,
    *,
    newest: int | None = None,
    why: str = "",
) -> Decided:
    """Move every case that matches to a review state.

    With ``newest``, the number of the newest version there was when somebody looked, only those that have no version
    after it.
    """
    if action not in ACTIONS:
        raise InputError(unknown("action", action, ACTIONS))
    with workspace.begin(changing=study) as unit:
        stored = unit.definitions(study)
        every = stored.lines.slugs(query)
        chosen = every if newest is None else stored.lines.slugs(query, newest=newest)
        moved = _move(workspace, unit, study, action, chosen, statuses(stored), why)
        return Decided(moved=moved, left=len(every) - len(chosen))


def _changed(stored: Definitions, seen: Mapping[str, str]) -> tuple[str, ...]:
    """Those whose newest version is not the one that was seen."""
    newest = stored.newest("case", seen)
    return tuple(slug for slug, digest in seen.items() if newest[slug][1] != digest)


def _move(
    workspace: Workspace,
    unit: UnitOfWork,
    study: str,
    action: str,
    chosen: list[str],
    states: Mapping[str, CaseStatus],
    why: str,
) -> int:
    status = ACTIONS[action]
    moved = [slug for slug in chosen if states[slug] != status]
    _add_facts(workspace, unit.definitions(study), moved, kind="review", body={"status": status}, why=why)
    if moved:
        what = f"{action} {plural(len(moved), 'case')}"
        detail = {"cases": moved[:1000]}
        study_id = unit.study_id(study)
        unit.studies.record(
            study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why, detail=detail
        )
    return len(moved)


VALIDITY = ("violates", "borderline", "fine", "off_scenario")
"""Does this case test what it says? The first three labels after Chouldechova et al. 2601.18076."""


def label_validity(
    workspace: Workspace, study: str, case: str, label: str, *, seen: str | None = None, why: str = ""
) -> Decided:
    """Record what somebody thinks the case tests: a content-validity label; with ``seen`` only of that version."""
    if label not in VALIDITY:
        raise InputError(unknown("content-validity label", label, VALIDITY))
    with workspace.begin(changing=study) as unit:
        stored = unit.definitions(study)
        if stored.lines.place(case) is None:
            raise InputError(unknown("case", case, stored.slugs("case")))
        changed = () if seen is None else _changed(stored, {case: seen})
        if not changed:
            _add_facts(workspace, stored, [case], kind="validity", body={"label": label}, why=why)
        return Decided(changed=changed)


def _add_facts(
    workspace: Workspace,
    stored: Definitions,
    slugs: list[str],
    *,
    kind: str,
    body: Mapping[str, Any],
    why: str,
) -> None:
    newest = stored.newest("case", slugs)
    stored.add_facts(
        {
            "id": workspace.ids.new(),
            "definition_id": newest[slug][0],
            "kind": kind,
            "about": newest[slug][1],
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
    separator: str = ","
    """What stands between the columns of a csv, as found in its header."""


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
    separator = find_separator(path, mapping.values()) if table == "csv" else ","
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        known = {kind: frozenset(stored.slugs(kind)) for kind in ("scenario", "harm")}
        existing = stored.digests("case")
        fresh = changed = unchanged = 0

        def wanted() -> Iterable[tuple[str, Case]]:
            nonlocal fresh, changed, unchanged
            rows = read_cases(
                path,
                table=table,
                mapping=mapping,
                known=known,
                licence=licence,
                source=source,
                separator=separator,
            )
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
            what = f"imported {plural(fresh + changed, 'case')} from {path.name}"
            unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why)
        return Imported(study, fresh, unchanged, changed, separator)
