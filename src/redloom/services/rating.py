"""A person judges: one conversation at a time, blind to other votes and to the arm."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from redloom.domain.brief import brief_digest
from redloom.domain.harm import Harm
from redloom.domain.interaction import Turn
from redloom.domain.judge import Shown, Unit
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.rendering import Frame, Frames
from redloom.domain.rubric import Rubric, Verdict
from redloom.domain.value import in_language
from redloom.errors import InputError
from redloom.ids import is_slug
from redloom.judging.general import GENERAL_NAME, general_rubric
from redloom.judging.units import Excerpt, excerpts
from redloom.services.conversations import Work, pieces
from redloom.services.finding import find_run
from redloom.services.workspace import Workspace

GUIDELINE_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One unit to be judged by a person."""

    turns: tuple[Turn, ...]
    turn: bytes | None
    rubric: Rubric
    harm: Harm | None
    frame: Frame
    language: str
    instrument: Instrument
    left: int
    """Units this person has not judged yet, this one included."""


def next_assignment(
    workspace: Workspace, run_name: str, rater: str, *, unit: Unit = "interaction"
) -> Assignment | None:
    """A unit this person has not judged, in an order of their own; None when all are done.

    Everybody gets the same instrument; the order differs by person, and arms are mixed.
    """
    if not is_slug(rater):
        raise InputError(f"{rater!r} is no name for a rater: letters, digits, '-', '_' and '.'")
    best: tuple[bytes, Work, Excerpt, Instrument] | None = None
    seen: set[tuple[bytes, bytes | None, str]] = set()
    with workspace.begin() as transaction:
        run = find_run(transaction, run_name)
        frames = Frames(transaction.releases(run.study_id).definitions(run.release_id))
        known = transaction.judgements.instruments(run.id)
        for piece in pieces(transaction, run, frames):
            for work in piece:
                instrument = _instrument(frames, work, rater, unit, known)
                digest = instrument.digest()
                done = {j.turn for j in work.judgements if j.instrument == digest}
                for excerpt in excerpts(work.interaction.turns, unit):
                    unit_key = (work.interaction.id, excerpt.turn, digest)
                    if excerpt.turn in done or unit_key in seen:
                        continue
                    seen.add(unit_key)
                    key = hashlib.sha256(
                        rater.encode() + work.interaction.id + (excerpt.turn or b"")
                    ).digest()
                    if best is None or key < best[0]:
                        best = (key, work, excerpt, instrument)
        if best is None:
            return None
        _, work, excerpt, instrument = best
        harm = frames.harm(work.case)
        rubric = general_rubric() if harm is None else harm[1].rubric
        language = work.frame.language or "en"
        return Assignment(
            excerpt.shown,
            excerpt.turn,
            rubric,
            harm[1] if harm else None,
            work.frame,
            language,
            instrument,
            len(seen),
        )


@dataclass(frozen=True, slots=True)
class Rated:
    """A stored judgement of a person."""

    id: bytes
    verdict: Verdict | None
    severity: int | None


def store_rating(
    workspace: Workspace,
    assignment: Assignment,
    answers: Mapping[str, str],
    *,
    rationale: str = "",
    confidence: float | None = None,
    skipped: bool = False,
    supersedes: bytes | None = None,
) -> Rated:
    """Store one judgement. A skip is a state of its own and costs nothing.

    ``supersedes`` is an earlier judgement of the same person that this one takes the place of; both stay.
    """
    path, outcome = ((), None) if skipped else assignment.rubric.replay(answers)
    judgement = Judgement(
        id=workspace.ids.new(),
        interaction=assignment.turns[0].interaction,
        turn=assignment.turn,
        instrument=assignment.instrument.digest(),
        state="skipped" if skipped else "ok",
        verdict=outcome.verdict if outcome else None,
        severity=outcome.severity if outcome else None,
        answers=path,
        missing_fact=in_language(outcome.missing, assignment.language) or None if outcome else None,
        confidence=confidence,
        rationale=rationale or None,
    )
    with workspace.begin() as unit:
        number = unit.judgements.register(assignment.instrument)
        if supersedes is None:
            unit.judgements.add([judgement], {judgement.instrument: number})
        else:
            unit.judgements.revise(judgement, number, supersedes=supersedes)
    return Rated(judgement.id, judgement.verdict, judgement.severity)


def _instrument(frames: Frames, work: Work, rater: str, unit: Unit, known: Collection[str]) -> Instrument:
    """How this person judges: as an older version recorded it where it began so in this run, whose brief is the same."""
    harm = frames.harm(work.case)
    rubric = general_rubric() if harm is None else harm[1].rubric
    shows: tuple[Shown, ...] = ("context", "persona")
    found = Instrument(
        rater_kind="person",
        rater=rater,
        version=GUIDELINE_VERSION,
        harm=harm[0] if harm else GENERAL_NAME,
        rubric_digest=rubric.digest(),
        unit=unit,
        shows=shows,
    )
    if found.digest() in known:
        return found
    brief = brief_digest(
        rubric, harm[1] if harm else None, kind="person", version=GUIDELINE_VERSION, shows=shows
    )
    return found.model_copy(update={"brief_digest": brief})
