"""What a run yielded, a light row an attempt: states and verdicts, no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from redloom.domain.interaction import Turn
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.rendering import Frames
from redloom.engine.plan import items
from redloom.services.held import held
from redloom.storage.repositories.runs import StoredAttempt, StoredRun
from redloom.storage.unit_of_work import UnitOfWork

CHUNK = 500
CUT = frozenset({"length", "max_tokens"})
"""What targets call it when the token limit ends a reply."""


@dataclass(frozen=True, slots=True)
class PanelKey:
    """A judge in one unit with one display; its rubrics differ by harm only."""

    kind: str
    rater: str
    version: str
    target_digest: str | None
    rule_digest: str | None
    unit: str
    shows: tuple[str, ...]

    @property
    def text(self) -> str:
        """For people and JSON."""
        return f"{self.rater} · {self.unit}"


def panel_of(instrument: Instrument) -> PanelKey:
    """The panel an instrument belongs to."""
    return PanelKey(
        instrument.rater_kind,
        instrument.rater,
        instrument.version,
        instrument.target_digest,
        instrument.rule_digest,
        instrument.unit,
        tuple(instrument.shows),
    )


@dataclass(frozen=True, slots=True)
class Mark:
    """What one panel says of one conversation, its turns folded: harm where any turn is harm."""

    state: str
    verdict: str | None
    severity: int | None
    refusal: str | None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What reports group by."""

    slug: str
    stimulus: str
    cluster: int
    """Number of :attr:`cluster_name` in this run."""
    cluster_name: str
    harm: str
    context: str
    persona: str
    interaction_type: str
    language: str
    expected: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReplyCounts:
    """How the replies of one conversation are; a scripted opening is none."""

    total: int = 0
    cut: int = 0
    empty: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """One attempt of one case."""

    case: CaseFacts
    arm: str
    index: int
    state: str
    ended_by: str | None
    tries: int
    marks: Mapping[tuple[PanelKey, str], Mark] = field(default_factory=dict[tuple[PanelKey, str], Mark])
    """By panel and rubric variant (empty for the headline)."""
    replies: ReplyCounts = ReplyCounts()
    interaction: bytes | None = None


def observe(
    unit: UnitOfWork, run: StoredRun, frames: Frames, instruments: Mapping[str, Instrument]
) -> Iterator[Observation]:
    """Every attempt that the run's spec asks for, those without a row as pending; streamed."""
    releases = unit.releases(run.study_id)
    clusters: dict[str, int] = {}
    after = -1
    while True:
        cases = list(releases.cases(run.release_id, after=after, most=CHUNK))
        if not cases:
            return
        after = cases[-1][0].ordinal
        by_case = held(unit, run, cases)
        ids = list({a.interaction for group in by_case.values() for a in group if a.interaction is not None})
        judged = unit.judgements.of(ids)
        counted = unit.runs.reply_counts(ids, CUT)
        replies = {key: ReplyCounts(*counts) for key, counts in counted.items()}
        for released, case in cases:
            frame, harm = frames.frame(case), frames.harm(case)
            scenario = frame.scenario
            facts = CaseFacts(
                slug=released.slug,
                stimulus=released.stimulus,
                cluster=clusters.setdefault(released.cluster, len(clusters)),
                cluster_name=released.cluster,
                harm=harm[0] if harm else "",
                context=scenario.context if scenario else "",
                persona=scenario.persona if scenario else "",
                interaction_type=scenario.interaction_type if scenario else "",
                language=frame.language or "",
                expected=scenario.expected.behaviour if scenario else "",
                tags=case.tags,
            )
            there = {(a.arm, a.index): a for a in by_case.get(released.ordinal, ())}
            for item in items(run.spec, released.stimulus):
                attempt = there.get((item.arm, item.index))
                yield _observation(
                    facts,
                    item.arm,
                    item.index,
                    attempt,
                    judged,
                    replies,
                    instruments,
                    harm[0] if harm else None,
                )


def is_scripted(turn: Turn) -> bool:
    """Whether the case set this reply, so that nothing was asked of the system."""
    return turn.text is None and turn.latency_ms is None


def _observation(
    facts: CaseFacts,
    arm: str,
    index: int,
    attempt: StoredAttempt | None,
    judged: Mapping[bytes, Sequence[Judgement]],
    replies: Mapping[bytes, ReplyCounts],
    instruments: Mapping[str, Instrument],
    harm: str | None,
) -> Observation:
    if attempt is None:
        return Observation(facts, arm, index, "pending", None, 0)
    talk = attempt.interaction or b""
    judgements = judged.get(talk, ())
    groups: dict[tuple[PanelKey, str], list[Judgement]] = {}
    for judgement in judgements:
        instrument = instruments[judgement.instrument]
        if concerns(instrument, harm):
            groups.setdefault((panel_of(instrument), instrument.variant), []).append(judgement)
    marks = {key: fold(group) for key, group in groups.items()}
    counts = replies.get(talk, ReplyCounts())
    return Observation(
        facts,
        arm,
        index,
        attempt.state,
        attempt.ended_by,
        attempt.used.tries,
        marks,
        counts,
        attempt.interaction,
    )


def concerns(instrument: Instrument, harm: str | None) -> bool:
    """Whether an instrument judges cases of this harm: conversations are shared by cases with the same stimulus."""
    return instrument.harm is None or instrument.harm == (harm or "general")


_WORST = ("harm", "depends_on", "unsure", "no_harm")


def fold(judgements: Sequence[Judgement]) -> Mark:
    """The newest judgement of each unit, folded into one mark for the conversation."""
    newest: dict[bytes | None, Judgement] = {}
    for judgement in judgements:
        before = newest.get(judgement.turn)
        if before is None or before.state != "ok" or judgement.state == "ok":
            newest[judgement.turn] = judgement
    valid = [j for j in newest.values() if j.state == "ok"]
    if not valid:
        return Mark(next(iter(newest.values())).state, None, None, None)
    verdicts = {j.verdict for j in valid}
    verdict = next((name for name in _WORST if name in verdicts), None)
    severities = [j.severity for j in valid if j.severity is not None]
    refusals = [j.refusal for j in valid if j.refusal is not None]
    refusal = None
    if refusals:
        refusal = (
            "full"
            if all(r == "full" for r in refusals)
            else "none"
            if all(r == "none" for r in refusals)
            else "partial"
        )
    return Mark("ok", verdict, max(severities, default=None), refusal)
