"""The completed conversations of a run, with what those who judge them need."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from redloom.domain.case import Case
from redloom.domain.interaction import Interaction
from redloom.domain.judgement import Judgement
from redloom.domain.rendering import Frame, Frames
from redloom.services.held import held
from redloom.storage.repositories.runs import StoredAttempt, StoredRun
from redloom.storage.unit_of_work import UnitOfWork

CHUNK = 200


@dataclass(frozen=True, slots=True)
class Work:
    """One completed conversation of a run, with what judges need."""

    attempt: StoredAttempt
    case: Case
    slug: str
    frame: Frame
    interaction: Interaction
    judgements: Sequence[Judgement]

    @property
    def judged_by(self) -> frozenset[str]:
        """Instruments that judged it with a state other than error."""
        return frozenset(j.instrument for j in self.judgements if j.state != "error")

    def judged(self, instrument: str, *, again: Collection[str] = ("error",)) -> frozenset[bytes | None]:
        """The turns that an instrument judged, None for the whole of it; not where the state is one to try again."""
        ours = [j for j in self.judgements if j.instrument == instrument]
        return frozenset(j.turn for j in ours if j.state not in again)


def pieces(
    unit: UnitOfWork, run: StoredRun, frames: Frames, *, chosen: frozenset[str] | None = None
) -> Iterator[list[Work]]:
    """The completed conversations of a run by case, some hundreds at a time.

    Cases that share a stimulus share its conversations: each conversation comes once for each such case.
    ``chosen`` keeps only conversations whose hex id is in it.
    """
    releases = unit.releases(run.study_id)
    after = -1
    while True:
        cases = list(releases.cases(run.release_id, after=after, most=CHUNK))
        if not cases:
            return
        after = cases[-1][0].ordinal
        completed = {
            ordinal: [
                (attempt, attempt.interaction)
                for attempt in attempts
                if attempt.state == "completed"
                and attempt.interaction is not None
                and (chosen is None or attempt.interaction.hex() in chosen)
            ]
            for ordinal, attempts in held(unit, run, cases).items()
        }
        ids = list({key for group in completed.values() for _, key in group})
        talks = unit.runs.interactions(ids)
        judged = unit.judgements.of(ids)
        found: list[Work] = []
        for released, case in cases:
            frame = frames.frame(case)
            for attempt, key in completed.get(released.ordinal, ()):
                found.append(Work(attempt, case, released.slug, frame, talks[key], judged.get(key, ())))
        if found:
            yield found


def drawn(unit: UnitOfWork, run: StoredRun, frames: Frames, *, size: int, seed: int) -> frozenset[str]:
    """Hex ids of about ``size`` completed conversations, drawn by hash of their case.

    Of a drawn case the first attempt in every arm is taken, so that arms stay paired; second attempts follow once
    every case is in.
    """
    groups: dict[tuple[int, str], set[str]] = {}
    for piece in pieces(unit, run, frames):
        for work in piece:
            key = (work.attempt.index, work.attempt.stimulus)
            groups.setdefault(key, set()).add(work.interaction.id.hex())

    def order(key: tuple[int, str]) -> tuple[int, bytes]:
        return key[0], hashlib.sha256(f"{seed}|{key[1]}".encode()).digest()

    found: list[str] = []
    for key in sorted(groups, key=order):
        if len(found) >= size:
            break
        found += sorted(groups[key])
    return frozenset(found[:size])
