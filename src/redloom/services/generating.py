"""What a model is asked to write drafts of test conversations for; never accepted by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from redloom.design.generation import (
    PROMPT_VERSION,
    SYSTEM,
    generator_digest,
    prompt,
)
from redloom.design.orders import scenario_slug, work_order
from redloom.domain.case import Case, CaseProvenance
from redloom.domain.study import Study
from redloom.domain.target import Target
from redloom.domain.value import in_language
from redloom.errors import InputError, Issue, unknown
from redloom.ids import digest
from redloom.services.loading import load_study
from redloom.services.ordering import drafts_by_order, missing_rows
from redloom.services.targets import resolve_target
from redloom.services.workspace import Workspace

MOST_DRAFTS = 200
"""At once; all of them are shown before they are sent."""
MOST_TOKENS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Something a draft can be written for."""

    key: str
    """The scenario's slug, or the one it would have."""
    title: str
    scenario: str | None
    """None for a work order, whose scenario is not there yet."""
    parts: Mapping[str, str]
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Exactly what would be sent to whom."""

    target: str
    system: str
    """``kind:rest`` of the target."""
    prompt_version: str
    instruction: str
    """The system prompt."""
    wanted: tuple[Wanted, ...]
    max_tokens: int
    digest: str
    """Of all of it, so that nothing else is sent than what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What became of one request."""

    key: str
    case: str
    """The draft that was stored; empty where none was."""
    turns: tuple[str, ...]
    problem: str


def list_wanted(workspace: Workspace, study: str, *, strength: int = 2) -> list[Wanted]:
    """Scenarios without a test conversation, then the work orders of what nothing covers yet."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        counts = unit.definitions(study).lines.count_by("scenario")
        waiting = drafts_by_order(unit.definitions(study))
    bare = [_of_scenario(now, slug) for slug in now.scenarios if slug not in counts]
    try:
        rows: Sequence[Mapping[str, str]] = missing_rows(workspace, now, strength)
    except InputError:  # nothing can be planned yet, and scenarios may still want drafts
        rows = ()
    orders = [_of_order(now, row) for row in rows]
    return [*bare, *(one for one in orders if one.key not in waiting)]


def show_requests(
    workspace: Workspace,
    study: str,
    target: str,
    keys: Iterable[str],
    *,
    max_tokens: int = 600,
    strength: int = 2,
    base_url: str | None = None,
) -> Shown:
    """What would be sent; nothing is. Raises InputError with every problem."""
    chosen, issues = list(dict.fromkeys(keys)), list[Issue]()
    known = {one.key: one for one in list_wanted(workspace, study, strength=strength)}
    kind = "scenario without a test conversation, or work order,"
    issues += [Issue(unknown(kind, key, known), path="for") for key in chosen if key not in known]
    if not 1 <= len(chosen) <= MOST_DRAFTS:
        issues.append(
            Issue(f"{len(chosen)} drafts are asked for; expected 1 to {MOST_DRAFTS} at once", path="for")
        )
    if not 1 <= max_tokens <= MOST_TOKENS:
        issues.append(Issue(f"{max_tokens} tokens; expected 1 to {MOST_TOKENS}", path="max_tokens"))
    found: Target | None = None
    try:
        found = target_of(workspace, study, target, base_url)
    except InputError as error:
        issues += [Issue(one.message, path="with") for one in error.issues]
    if issues or found is None:
        raise InputError(issues)
    wanted = tuple(known[key] for key in chosen)
    sent = [found.system_digest(), SYSTEM, max_tokens, *([one.key, one.prompt] for one in wanted)]
    return Shown(
        target=target,
        system=found.system,
        prompt_version=PROMPT_VERSION,
        instruction=SYSTEM,
        wanted=wanted,
        max_tokens=max_tokens,
        digest=digest(sent),
    )


def draft_case(one: Wanted, target: Target, who: str, turns: tuple[str, ...], length: int) -> Case:
    """The draft that these turns are: for a scenario; for a work order a case that waits for its scenario and keeps the order's parts."""
    provenance = CaseProvenance(
        author=who,
        origin="generated",
        source=target.system,
        generator_digest=generator_digest(target.system_digest(), one.prompt),
    )
    tags = {"answer_characters": str(length), "prompt_version": PROMPT_VERSION}
    if one.scenario is not None:
        return Case(scenario=one.scenario, script=turns, provenance=provenance, tags=tags)
    parts = {name: one.parts[name] for name in ("context", "persona", "interaction_type")}
    return Case(
        cluster=one.key,
        harm=one.parts["harm"],
        language=one.parts["language"],
        script=turns,
        provenance=provenance,
        tags={**tags, **parts},
    )


def target_of(workspace: Workspace, study: str, name: str, base_url: str | None) -> Target:
    """The target as it is asked now; raises InputError where there is none of that name."""
    with workspace.begin() as unit:
        return resolve_target(unit, study, name, base_url=base_url)


def _of_scenario(now: Study, slug: str) -> Wanted:
    scenario = now.scenarios[slug]
    parts = scenario.parts()
    return Wanted(
        key=slug,
        title=in_language(scenario.title, now.head.languages[0]),
        scenario=slug,
        parts=parts,
        prompt=prompt(work_order(now, parts).instruction, scenario.user_goal),
    )


def _of_order(now: Study, row: Mapping[str, str]) -> Wanted:
    key = scenario_slug(row)
    return Wanted(
        key=key,
        title=f"{now.harms[row['harm']].title}: {now.personas[row['persona']].title}",
        scenario=None,
        parts=row,
        prompt=prompt(work_order(now, row).instruction),
    )
