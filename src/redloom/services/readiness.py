"""How far a study is in each of its three moments, and what is missing."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from redloom.domain.study import Charter, Study
from redloom.domain.value import in_language
from redloom.ids import time_of
from redloom.report.words import plural
from redloom.services.cases import count_statuses
from redloom.services.defining import count_earlier_dissent
from redloom.services.planning import measure_coverage
from redloom.services.protocols import StudyProtocol, study_protocol
from redloom.services.releases import SNAPSHOTS
from redloom.services.remembering import remembered, study_of
from redloom.services.workspace import Workspace

Moment = Literal["define", "create", "evaluate"]
PARTS = (
    ("contexts", "context", "contexts"),
    ("personas", "kind of user", "kinds of user"),
    ("interaction_types", "way of talking", "ways of talking"),
    ("harms", "harm", "harms"),
)
"""What a scenario is composed of: collection, and its words on the screen."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a moment needs."""

    moment: Moment
    done: bool
    told: str
    to: str
    """Where it is mended: a part of the study, such as ``harms`` or ``harms/shaming``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the history."""

    at: datetime.datetime
    who: str
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """A study at a glance."""

    study: str
    title: str
    languages: tuple[str, ...]
    charter: Charter
    unanswered: tuple[str, ...]
    protocol: StudyProtocol
    counts: Mapping[str, int]
    """Collection -> how many definitions."""
    checks: tuple[Check, ...]
    covered: tuple[tuple[int, int, int], ...]
    """(parts together, combinations covered, combinations that can occur)."""
    releases: tuple[str, ...]
    runs: tuple[Mapping[str, Any], ...]
    history: tuple[Entry, ...]

    def of(self, moment: Moment) -> list[Check]:
        """The checks of one moment."""
        return [check for check in self.checks if check.moment == moment]


def look_over(workspace: Workspace, slug: str) -> Readiness:
    """What is there and what is missing; raises UnknownNameError for a study there is not."""
    with workspace.begin() as unit:
        study_id = unit.study_id(slug)
        study = study_of(workspace, unit, slug)
        stored = unit.definitions(slug)
        statuses = remembered(workspace, unit, slug, "statuses", lambda: count_statuses(stored))
        coverage = remembered(
            workspace, unit, slug, "coverage", lambda: measure_coverage(unit, slug, None, strengths=(1, 2))
        )
        releases = [r for r in unit.releases(slug).all() if not r.version.startswith(SNAPSHOTS)]
        runs = unit.runs.all(study_id)
        counts = {
            name: len(getattr(study, name))
            for name in ("evidence", "contexts", "personas", "interaction_types", "harms", "scenarios")
        }
        counts["cases"] = sum(statuses.values())
        earlier = remembered(workspace, unit, slug, "earlier", lambda: count_earlier_dissent(unit, slug))
        history = unit.studies.history(study_id, most=12)
        protocol = study_protocol(unit, slug, {key: harm.title for key, harm in study.harms.items()})
    checks = [
        *_defined(study, protocol, earlier),
        *_created(study, statuses, [r.version for r in releases]),
        *_evaluated(len(runs)),
    ]
    return Readiness(
        study=slug,
        title=in_language(study.head.title, study.head.languages[0]),
        languages=study.head.languages,
        charter=study.head.charter,
        unanswered=tuple(study.head.charter.unanswered()),
        protocol=protocol,
        counts=counts,
        checks=tuple(checks),
        covered=tuple((one.strength, one.covered, one.valid) for one in coverage.by_strength),
        releases=tuple(r.version for r in releases),
        runs=tuple(
            {"run": r.name, "state": r.state, "target": r.spec.target_name, "version": r.spec.version}
            for r in runs[:5]
        ),
        history=tuple(Entry(time_of(one["id"]), one["who"], one["what"], one["why"]) for one in history),
    )


def _defined(study: Study, protocol: StudyProtocol, earlier: Mapping[str, int]) -> Iterator[Check]:
    missing = study.head.charter.unanswered()
    told = (
        f"The charter leaves {plural(len(missing), 'question')} open"
        if missing
        else "The charter is complete"
    )
    yield Check("define", not missing, told, "charter")
    yield Check("define", protocol.complete, protocol.brief, "protocol")
    for name, one, many in PARTS:
        count = len(getattr(study, name))
        told = f"{plural(count, one, many)} described" if count else f"No {one} is described yet"
        yield Check("define", count > 0, told, name.replace("_", "-"))
    alone = [slug for slug, harm in study.harms.items() if not (harm.examples and harm.counter_examples)]
    if study.harms:
        told = (
            f"{plural(len(alone), 'harm')} without examples on both sides"
            if alone
            else "Every harm has examples on both sides"
        )
        yield Check("define", not alone, told, f"harms/{alone[0]}" if alone else "harms")
        unsigned = [slug for slug, harm in study.harms.items() if not harm.endorsements]
        told = (
            f"{plural(len(unsigned), 'harm')} that nobody has endorsed"
            if unsigned
            else "Somebody stands behind every harm"
        )
        yield Check("define", not unsigned, told, f"harms/{unsigned[0]}" if unsigned else "harms")
    if earlier:
        told = (
            f"{plural(sum(earlier.values()), 'disagreement')} with an earlier version of a harm: still true?"
        )
        yield Check("define", False, told, f"harms/{next(iter(earlier))}#voices")
    count = len(study.scenarios)
    yield Check(
        "define",
        count > 0,
        f"{plural(count, 'scenario')} composed" if count else "No scenario is composed yet",
        "scenarios" if count else "map",
    )


def _created(study: Study, statuses: Mapping[str, int], releases: list[str]) -> Iterator[Check]:
    total, accepted = sum(statuses.values()), statuses.get("accepted", 0)
    yield Check(
        "create",
        total > 0,
        f"{plural(total, 'test conversation')}" if total else "No test conversation is written yet",
        "cases",
    )
    if total:
        left = statuses.get("draft", 0) + statuses.get("in_review", 0)
        yield Check(
            "create",
            left == 0,
            f"{left} of them not reviewed" if left else f"All reviewed, {accepted} accepted",
            "review" if left else "cases",
        )
    yield Check(
        "create",
        bool(releases),
        f"Newest release: {releases[-1]}" if releases else "No release is cut yet",
        "releases",
    )


def _evaluated(runs: int) -> Iterator[Check]:
    yield Check("evaluate", runs > 0, plural(runs, "run") if runs else "Nothing was run yet", "runs")
