"""What a run yielded, a light row an attempt: states and verdicts, no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from redloom.domain.interaction import Turn
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.rendering import Frames
from redloom.engine.plan import items
from redloom.ids import digest
from redloom.services.held import held
from redloom.storage.repositories.runs import StoredAttempt, StoredRun
from redloom.storage.unit_of_work import UnitOfWork

CHUNK = 500
CUT = frozenset({"length", "max_tokens"})
"""What targets call it when the token limit ends a reply."""


@dataclass(frozen=True, slots=True)
class PanelKey:
    """A judge in one unit with one display, language and code; its briefs differ by harm only."""

    kind: str
    rater: str
    version: str
    target_digest: str | None
    rule_digest: str | None
    unit: str
    shows: tuple[str, ...]
    language: str | None = None
    code_digest: str | None = None
    brief: str = ""
    """Short digest of its brief where the judge had several of one harm in a run; they are never pooled."""

    @property
    def text(self) -> str:
        """For people and JSON."""
        return f"{self.rater} · {self.unit}" + (f" · brief {self.brief}" if self.brief else "")

    @property
    def short(self) -> str:
        """A short digest, for judges that name and unit do not tell apart."""
        parts = (self.version, self.target_digest, self.rule_digest, self.language, self.code_digest)
        return digest([self.kind, self.rater, self.unit, *parts, list(self.shows), self.brief])[7:15]


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
        instrument.language,
        instrument.code_digest,
    )


def panels_of(instruments: Mapping[str, Instrument]) -> dict[str, PanelKey]:
    """Digest of an instrument -> its panel; two briefs of one harm make two panels, each named by its brief."""
    keys = {number: panel_of(one) for number, one in instruments.items()}
    briefs: dict[tuple[PanelKey, str | None, str], set[tuple[str | None, str | None]]] = {}
    for number, one in instruments.items():
        about = (keys[number], one.harm, one.variant)
        briefs.setdefault(about, set()).add((one.brief_digest, one.rubric_digest))
    several = {key for (key, _, _), found in briefs.items() if len(found) > 1}
    return {
        number: replace(key, brief=_short(instruments[number])) if key in several else key
        for number, key in keys.items()
    }


def _short(instrument: Instrument) -> str:
    return (instrument.brief_digest or instrument.rubric_digest or digest(None))[7:15]


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
    selected_on: str = ""
    """The systems it was found on, joined by ``, ``."""
    leaves: bool = False
    """Its user leaves at a refusal."""


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
    panels = panels_of(instruments)
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
                selected_on=case.provenance.selected_on or "",
                leaves=case.stop == "first_refusal",
            )
            there = {(a.arm, a.index): a for a in by_case.get(released.ordinal, ())}
            judges = _concerning(instruments, panels, harm[0] if harm else None)
            for item in items(run.spec, released.stimulus):
                attempt = there.get((item.arm, item.index))
                yield _observation(
                    facts,
                    item.arm,
                    item.index,
                    attempt,
                    judged,
                    replies,
                    judges,
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
    judges: Mapping[str, tuple[PanelKey, str]],
) -> Observation:
    if attempt is None:
        return Observation(facts, arm, index, "pending", None, 0)
    talk = attempt.interaction or b""
    judgements = judged.get(talk, ())
    groups: dict[tuple[PanelKey, str], list[Judgement]] = {}
    for judgement in judgements:
        if judgement.instrument in judges:
            groups.setdefault(judges[judgement.instrument], []).append(judgement)
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


def _concerning(
    instruments: Mapping[str, Instrument], panels: Mapping[str, PanelKey], harm: str | None
) -> dict[str, tuple[PanelKey, str]]:
    """Digest -> panel and variant of the instruments that judge cases of this harm."""
    return {
        number: (panels[number], one.variant) for number, one in instruments.items() if concerns(one, harm)
    }


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
