"""The conversations of a run by case, whether they were held by attempts or came from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redloom.domain.case import Case
from redloom.domain.release import ReleasedCase
from redloom.storage.repositories.runs import StoredAttempt, StoredRun
from redloom.storage.unit_of_work import UnitOfWork


def held(
    unit: UnitOfWork, run: StoredRun, cases: Sequence[tuple[ReleasedCase, Case]]
) -> Mapping[int, Sequence[StoredAttempt]]:
    """Ordinal -> the attempts of each of these cases (at most some hundreds); cases that share a stimulus share them."""
    if not cases:
        return {}
    if run.spec.frame == "imported":
        found = unit.runs.imported(run.id, first=cases[0][0].ordinal, last=cases[-1][0].ordinal)
        return {ordinal: [attempt] for ordinal, attempt in found.items()}
    by_stimulus: dict[str, list[StoredAttempt]] = {}
    for attempt in unit.runs.attempts(run.id, [released.stimulus for released, _ in cases]):
        by_stimulus.setdefault(attempt.stimulus, []).append(attempt)
    return {released.ordinal: by_stimulus.get(released.stimulus, []) for released, _ in cases}
