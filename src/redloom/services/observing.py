"""What a run yielded, a light row an attempt: states and verdicts, no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from redloom.datasets.duplicates import near_duplicates
from redloom.domain.case import Case
from redloom.domain.clusters import Components, marks_of, plain
from redloom.domain.interaction import Turn
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.marks import Mark, fold
from redloom.domain.release import ReleasedCase
from redloom.domain.rendering import Frames, render
from redloom.domain.run import RunSpec, WorkItem
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
    def digest(self) -> str:
        """What tells it from every other judge."""
        return digest(asdict(self))

    @property
    def short(self) -> str:
        """The beginning of its digest, for judges that name and unit do not tell apart."""
        return self.digest[7:15]


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
class CaseFacts:
    """What reports group by."""

    slug: str
    stimulus: str
    """Digest of what the system is asked; of conversations from a file each has its own, whatever was said in it."""
    cluster: int
    """Number of the cluster in this run: what counts as independent, see :mod:`redloom.domain.clusters`."""
    cluster_name: str
    """The first name under which a release knows it."""
    near: int
    """Number of the cluster where cases with nearly the same words count as one, too."""
    harm: str
    context: str
    persona: str
    interaction_type: str
    language: str
    expected: str
    tags: Mapping[str, str]
    selected: bool = False
    """The case was found on the very system that the run asks."""
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
    chances: int | None = None
    """Replies that the conversation asks for, and so chances of an event; None where it came from a file."""
    seed: int = 0


def observe(
    unit: UnitOfWork, run: StoredRun, frames: Frames, instruments: Mapping[str, Instrument]
) -> list[Observation]:
    """Every attempt that the run's spec asks for, those without a row as pending."""
    releases = unit.releases(run.study_id)
    components = Components()
    found: list[tuple[int, Observation]] = []
    names, texts = list[str](), list[str]()
    panels = panels_of(instruments)
    after = -1
    while cases := list(releases.cases(run.release_id, after=after, most=CHUNK)):
        after = cases[-1][0].ordinal
        by_case = held(unit, run, cases)
        ids = list({a.interaction for group in by_case.values() for a in group if a.interaction is not None})
        judged = unit.judgements.of(ids)
        replies = {key: ReplyCounts(*counts) for key, counts in unit.runs.reply_counts(ids, CUT).items()}
        for released, case in cases:
            member = components.add(marks_of(frames, case, released.cluster))
            names.append(released.cluster)
            texts.append("\n".join(map(plain, [case.opening or "", *case.script])))
            facts = _facts(frames, run.spec, released, case)
            there = {(a.arm, a.index): a for a in by_case.get(released.ordinal, ())}
            judges = _concerning(instruments, panels, facts.harm or None)
            chances = _chances(frames, run.spec, case)
            for item in items(run.spec, released.stimulus):
                attempt = there.get((item.arm, item.index))
                marks = _marks(attempt, judged, replies, judges)
                one = _observation(facts, item, attempt, marks, replies, chances[item.arm])
                found.append((member, one))
    return _in_clusters(found, components.numbers(), names, texts)


def _facts(frames: Frames, spec: RunSpec, released: ReleasedCase, case: Case) -> CaseFacts:
    """What is known of a case by itself; its cluster is known once all cases are."""
    frame, harm = frames.frame(case), frames.harm(case)
    scenario = frame.scenario
    found_on = case.provenance.selected_on if case.provenance else None
    systems = {name.strip() for name in (found_on or "").split(",")}
    return CaseFacts(
        slug=released.slug,
        stimulus=released.stimulus if spec.frame != "imported" else f"{released.stimulus}#{released.slug}",
        cluster=-1,
        cluster_name=released.cluster,
        near=-1,
        harm=harm[0] if harm else "",
        context=scenario.context if scenario else "",
        persona=scenario.persona if scenario else "",
        interaction_type=scenario.interaction_type if scenario else "",
        language=frame.language or "",
        expected=scenario.expected.behaviour if scenario else "",
        tags=case.tags,
        selected=bool(systems & {spec.target_name, spec.target.system}),
        leaves=case.stop == "first_refusal",
    )


def _chances(frames: Frames, spec: RunSpec, case: Case) -> dict[str, int | None]:
    """Arm -> replies that a conversation of the case asks for; None where it came from a file."""
    if spec.frame == "imported":
        return dict.fromkeys(spec.arms)
    frame = frames.frame(case)
    found: dict[str, int | None] = {}
    for arm in spec.arms:
        rendering = render(frame, arm=arm, delivery=spec.delivery)
        found[arm] = len(rendering.turns) + rendering.asks_opening
    return found


def _in_clusters(
    found: Sequence[tuple[int, Observation]],
    numbers: Sequence[int],
    names: Sequence[str],
    texts: Sequence[str],
) -> list[Observation]:
    """The observations with the clusters of their cases."""
    joined = Components()
    for number, place in zip(numbers, near_duplicates(texts), strict=True):
        joined.add((("cluster", number), ("near", place)))
    near = joined.numbers()
    first: dict[int, str] = {}
    for number, name in zip(numbers, names, strict=True):
        first.setdefault(number, name)
    cases: dict[int, CaseFacts] = {}
    placed: list[Observation] = []
    for member, one in found:
        if member not in cases:
            number = numbers[member]
            cases[member] = replace(one.case, cluster=number, cluster_name=first[number], near=near[member])
        placed.append(replace(one, case=cases[member]))
    return placed


def is_scripted(turn: Turn) -> bool:
    """Whether the case set this reply, so that nothing was asked of the system."""
    return turn.text is None and turn.latency_ms is None


def _observation(
    facts: CaseFacts,
    item: WorkItem,
    attempt: StoredAttempt | None,
    marks: Mapping[tuple[PanelKey, str], Mark],
    replies: Mapping[bytes, ReplyCounts],
    chances: int | None,
) -> Observation:
    return Observation(
        facts,
        item.arm,
        item.index,
        attempt.state if attempt else "pending",
        attempt.ended_by if attempt else None,
        attempt.used.tries if attempt else 0,
        marks=marks,
        replies=replies.get(attempt.interaction or b"", ReplyCounts()) if attempt else ReplyCounts(),
        interaction=attempt.interaction if attempt else None,
        chances=chances,
        seed=item.seed,
    )


def _marks(
    attempt: StoredAttempt | None,
    judged: Mapping[bytes, Sequence[Judgement]],
    replies: Mapping[bytes, ReplyCounts],
    judges: Mapping[str, tuple[PanelKey, str]],
) -> Mapping[tuple[PanelKey, str], Mark]:
    """By panel and rubric variant."""
    talk = b"" if attempt is None else attempt.interaction or b""
    groups: dict[tuple[PanelKey, str], list[Judgement]] = {}
    for judgement in judged.get(talk, ()):
        if judgement.instrument in judges:
            groups.setdefault(judges[judgement.instrument], []).append(judgement)
    total = replies.get(talk, ReplyCounts()).total
    return {key: fold(group, expected=units_of(key[0].unit, total)) for key, group in groups.items()}


def units_of(unit: str, replies: int) -> int:
    """How many units of a conversation with so many replies should be judged."""
    return 1 if unit == "interaction" else replies


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
