"""What was worked out of a study, kept in memory until the study changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from redloom.domain.study import Study
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.storage.database import Database
from redloom.storage.unit_of_work import UnitOfWork

T = TypeVar("T")
MOST = 400
"""Values kept of one database; beyond them the oldest goes."""
_kept: WeakKeyDictionary[Database, dict[Hashable, tuple[Any, Any]]] = WeakKeyDictionary()
_lock = Lock()


def remembered(
    workspace: Workspace, unit: UnitOfWork, study: str, what: Hashable, make: Callable[[], T]
) -> T:
    """What ``make`` gives, made anew only where the study has a newer version or a newer entry in its history."""
    state = unit.studies.state(study)
    key = (study, what)
    with _lock:
        values = _kept.setdefault(workspace.database, {})
        known = values.get(key)
    if known is not None and known[0] == state:
        return cast(T, known[1])
    made = make()
    with _lock:
        values.pop(key, None)
        values[key] = (state, made)
        while len(values) > MOST:
            del values[next(iter(values))]
    return made


def study_of(workspace: Workspace, unit: UnitOfWork, slug: str) -> Study:
    """The study as it is now, without its cases."""
    return remembered(workspace, unit, slug, "study", lambda: load_study(unit, slug, cases=False))
