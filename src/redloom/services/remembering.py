"""What was worked out of a study or a run, kept in memory until it changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from redloom.domain.rendering import Frames
from redloom.domain.study import Study
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork

T = TypeVar("T")
SETTLED = frozenset({"completed", "stopped"})
"""States that a run is in only once nobody executes it any more."""


def remembered(
    workspace: Workspace, unit: UnitOfWork, study: str, what: Hashable, make: Callable[[], T]
) -> T:
    """What ``make`` gives, made anew only where the study has a newer version or a newer entry in its history."""
    return _kept(workspace, (study, what), unit.studies.state(study), make)


def remembered_of_run(
    workspace: Workspace, unit: UnitOfWork, run: StoredRun, what: Hashable, make: Callable[[], T]
) -> T:
    """What ``make`` gives, made anew only where the run was changed, a judge was probed, or the protocol changed."""
    return _kept(workspace, ("run", run.id, what), _state(unit, run), make)


def is_remembered_of_run(workspace: Workspace, unit: UnitOfWork, run: StoredRun, what: Hashable) -> bool:
    """Whether it need not be made."""
    known = workspace.memory.get(("run", run.id, what))
    return known is not None and known[0] == _state(unit, run)


def frames_of(workspace: Workspace, unit: UnitOfWork, run: StoredRun) -> Frames:
    """The definitions under the cases of a run; a release never changes."""
    definitions = unit.releases(run.study_id).definitions
    return kept(workspace, ("frames", run.release_id), lambda: Frames(definitions(run.release_id)))


def _state(unit: UnitOfWork, run: StoredRun) -> Hashable:
    """What changes with a run and what is said of it; its attempts are looked at only while somebody may execute it."""
    heads = unit.definitions(run.study_id).digests("study")
    found = run.changes, unit.judgements.count_probes(), *heads.values()
    if run.state in SETTLED:
        return found
    states = unit.runs.states(run.id)
    return found, unit.runs.spent(run.id), tuple((arm, *sorted(one.items())) for arm, one in states.items())


def _kept(workspace: Workspace, key: Hashable, state: object, make: Callable[[], T]) -> T:
    known = workspace.memory.get(key)
    if known is not None and known[0] == state:
        return cast(T, known[1])
    made = make()
    workspace.memory.keep(key, (state, made))
    return made


def kept(workspace: Workspace, what: Hashable, make: Callable[[], T]) -> T:
    """What ``make`` gives of something that never changes, such as a release."""
    return _kept(workspace, ("kept", what), None, make)


def study_of(workspace: Workspace, unit: UnitOfWork, slug: str) -> Study:
    """The study as it is now, without its cases."""
    return remembered(workspace, unit, slug, "study", lambda: load_study(unit, slug, cases=False))
