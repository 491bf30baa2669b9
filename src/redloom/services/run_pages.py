"""Runs in a list, and one of them: what was asked, how far it is, who judged it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from redloom.domain.arm import left_out
from redloom.domain.judgement import Instrument
from redloom.errors import UnknownNameError
from redloom.ids import time_of
from redloom.report.words import arm_meaning
from redloom.services.execution import Executed, told
from redloom.services.observing import PanelKey, panels_of
from redloom.services.panels import in_order
from redloom.services.remembering import remembered_of_run
from redloom.services.workspace import Workspace
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork

PAGE = 30
PACE_SECONDS = 60
FROM_FILE = "as it stands in the file"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run as a list shows it."""

    told: Executed
    system: str
    begun: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage:
    """Some runs, newest first."""

    runs: tuple[RunLine, ...]
    before: str
    """The run that the page before this one ends before; empty on the first."""
    after: str
    """The run that the next page comes after; empty on the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLine:
    """How far one condition of a run is."""

    arm: str
    meaning: str
    planned: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How quickly a run goes at the moment."""

    a_minute: float
    """Conversations begun."""
    minutes_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run: what was asked, and how far it is."""

    run: StoredRun
    told: Executed
    provisional: bool
    arms: tuple[ArmLine, ...]
    judges: tuple[PanelKey, ...]
    pace: Pace | None
    """None where nothing began in the last minute, and for a run that does not go."""


def open_run(unit: UnitOfWork, study: str, name: str) -> StoredRun:
    """The run of a study with that very name; raises UnknownNameError."""
    study_id = unit.study_id(study)
    found = unit.runs.named(study_id, name)
    if found is None:
        raise UnknownNameError("run", name, [run.name for run in unit.runs.page(study_id, most=20)])
    return found


def list_page(workspace: Workspace, study: str, *, after: str = "", before: str = "") -> RunsPage:
    """One page of the runs of a study."""
    with workspace.begin() as unit:
        found = unit.runs.page(unit.study_id(study), after=after, before=before, most=PAGE + 1)
        shown, more = split(found, PAGE, back=bool(before))
        lines = [
            RunLine(told=_far(workspace, unit, run)[0], system=run.spec.target_name, begun=run.created_at)
            for run in shown
        ]
    return RunsPage(
        runs=tuple(lines),
        before=shown[0].name if shown and (more if before else after) else "",
        after=shown[-1].name if shown and (before or more) else "",
    )


def view_run(workspace: Workspace, study: str, name: str) -> RunView:
    """One run; raises UnknownNameError."""
    with workspace.begin() as unit:
        run = open_run(unit, study, name)
        line, arms = _far(workspace, unit, run)
        return RunView(
            run=run,
            told=line,
            provisional=unit.releases(run.study_id).by_id(run.release_id).manifest.provisional,
            arms=arms,
            judges=panels(instruments_of(workspace, unit, run)),
            pace=_pace(workspace, unit, run, line) if run.state == "running" else None,
        )


def instruments_of(workspace: Workspace, unit: UnitOfWork, run: StoredRun) -> Mapping[str, Instrument]:
    """Digest -> every instrument that judged the run."""
    return remembered_of_run(workspace, unit, run, "judges", lambda: unit.judgements.instruments(run.id))


def panels(instruments: Mapping[str, Instrument]) -> tuple[PanelKey, ...]:
    """Their judges: people first, then models, then rules."""
    return tuple(in_order(panels_of(instruments).values()))


def split(found: Sequence[T], most: int, *, back: bool) -> tuple[Sequence[T], bool]:
    """Those of a page, and whether there are more in the direction that was read."""
    return (found[-most:] if back else found[:most]), len(found) > most


def _far(workspace: Workspace, unit: UnitOfWork, run: StoredRun) -> tuple[Executed, tuple[ArmLine, ...]]:
    """How far a run is, as a whole and by condition."""

    def made() -> tuple[Executed, tuple[ArmLine, ...]]:
        line = told(unit, run)
        failed = unit.runs.errors(run.id, most=5) if line.states.keys() & {"error", "blocked"} else ()
        return replace(line, errors=tuple(failed)), _arms(unit, run)

    return remembered_of_run(workspace, unit, run, "far", made)


def _arms(unit: UnitOfWork, run: StoredRun) -> tuple[ArmLine, ...]:
    if run.spec.frame == "imported":
        total = unit.runs.count_imported(run.id)
        return (ArmLine(arm="full", meaning=FROM_FILE, planned=total, states={"completed": total}),)
    stimuli, states = unit.releases(run.study_id).stimuli(run.release_id), unit.runs.states(run.id)
    return tuple(
        ArmLine(
            arm=arm,
            meaning=arm_meaning(left_out(arm)),
            planned=stimuli * run.spec.attempts[arm],
            states=states.get(arm, {}),
        )
        for arm in run.spec.arms
    )


def _pace(workspace: Workspace, unit: UnitOfWork, run: StoredRun, line: Executed) -> Pace | None:
    now = workspace.now()
    since = int((now - datetime.timedelta(seconds=PACE_SECONDS)).timestamp() * 1000)
    many, first = unit.runs.begun(run.id, since.to_bytes(6, "big"))
    if first is None:
        return None
    rate = many / max((now - time_of(first)).total_seconds() / 60, 1 / 60)
    return Pace(a_minute=rate, minutes_left=max(line.total - line.done, 0) / rate)
