"""Finding stored things by the names people give."""

from __future__ import annotations

from redloom.errors import InputError, UnknownNameError
from redloom.storage.repositories.releases import StoredRelease
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork


def find_run(unit: UnitOfWork, name: str) -> StoredRun:
    """The run whose name starts with ``name``, or the newest for ``last``; raises UnknownNameError."""
    found = unit.runs.find(name)
    if len(found) == 1:
        return found[0]
    if not found:
        known = [run.name for run in unit.runs.all()][:20]
        raise UnknownNameError("run", name, [*known, "last"] if known else [])
    raise InputError(f"{len(found)} runs start with {name!r}: {', '.join(run.name for run in found[:8])}")


def get_release(unit: UnitOfWork, study: str, version: str) -> StoredRelease:
    """The release of that version; raises UnknownNameError."""
    releases = unit.releases(study)
    found = releases.get(version)
    if found is None:
        raise UnknownNameError(
            f"release of {study}", version, [release.version for release in releases.all()]
        )
    return found
