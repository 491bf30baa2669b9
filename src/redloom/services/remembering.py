"""What was worked out of a study, kept in memory until the study changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from redloom.domain.study import Study
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.storage.unit_of_work import UnitOfWork

T = TypeVar("T")


def remembered(
    workspace: Workspace, unit: UnitOfWork, study: str, what: Hashable, make: Callable[[], T]
) -> T:
    """What ``make`` gives, made anew only where the study has a newer version or a newer entry in its history."""
    state = unit.studies.state(study)
    key = (study, what)
    known = workspace.memory.get(key)
    if known is not None and known[0] == state:
        return cast(T, known[1])
    made = make()
    workspace.memory.keep(key, (state, made))
    return made


def kept(workspace: Workspace, what: Hashable, make: Callable[[], T]) -> T:
    """What ``make`` gives of something that never changes, such as a release."""
    known = workspace.memory.get(("kept", what))
    if known is not None:
        return cast(T, known[1])
    made = make()
    workspace.memory.keep(("kept", what), (None, made))
    return made


def study_of(workspace: Workspace, unit: UnitOfWork, slug: str) -> Study:
    """The study as it is now, without its cases."""
    return remembered(workspace, unit, slug, "study", lambda: load_study(unit, slug, cases=False))
