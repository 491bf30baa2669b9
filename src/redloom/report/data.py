"""What a report says, as frozen values; pages are made from these and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from redloom.domain.estimand import Card
from redloom.domain.protocol import Weight
from redloom.report.protocol import ShownProtocol

Measure = Literal["harm", "refusal"]
Counts = Literal["conversation", "reply"]
"""What a share is counted in."""

LEAST_DECIDED = 3
"""A breakdown without a cell of so many decided conversations is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What is not in a denominator, and why."""

    attempts: Mapping[str, int]
    """State of attempt -> how many: pending, error, blocked, over_budget ..."""
    judgements: Mapping[str, int]
    """State of judgement -> how many: refused, unparseable, error, skipped, not judged."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.attempts.values()) + sum(self.judgements.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its interval, its denominator and what is missing from it."""

    label: str
    value: float | None
    """Over the decided conversations, each cluster or each case counting the same as ``weight`` says."""
    low: float | None
    high: float | None
    level: float
    method: str
    reason: str | None
    events: int
    n: int
    """What was counted and decided: conversations, or their replies."""
    counts: Counts
    cases: int
    """Distinct stimuli with a decided conversation; copies of one count once."""
    clusters: int
    """Of those that are decided."""
    planned: int
    """Conversations that should have been held and judged."""
    undecided: int
    """Of those, without a decided verdict, whatever the reason."""
    open_verdicts: Mapping[str, int]
    """Verdicts that are neither: unsure, depends on."""
    missing: Missing
    lowest: float | None
    """The share if every open or missing one were no event; with ``highest`` what holds whatever they are."""
    highest: float | None
    bound: float | None
    """The one-sided upper bound, everything undecided counted as an event; None where nothing was planned."""
    near_bound: float | None = None
    """The same bound with cases of nearly the same words as one cluster; None unless it is a tenth higher or more."""
    weight: Weight = "cluster"
    kish_clusters: float | None = None
    """Effective number of clusters, after how unequal they are."""
    event_clusters: float | None = None
    """Effective number of clusters with the rarer of event and no event."""
    largest_share: float | None = None
    """Of all decided stimuli, the share that stands in the largest cluster."""
    sparse: bool = False
    """Too few clusters have the event, or its absence, for a narrow interval; ``method`` says how it is widened."""

    @property
    def plain(self) -> float | None:
        """Count over denominator, as if every conversation counted the same."""
        return self.events / self.n if self.n else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changes when something is left out, paired by stimulus over those decided in both conditions."""

    arm: str
    value: float | None
    """The share in the first condition less the share in this one; None, with a reason, where it is no effect."""
    low: float | None
    high: float | None
    level: float
    method: str
    reason: str | None
    lowest: float | None
    """With ``highest`` what holds whatever the undecided conversations of both are."""
    highest: float | None
    p_value: float | None
    adjusted: float | None
    """The p-value corrected by Holm for all conditions that the judge is compared over."""
    pairs: int
    clusters: int
    unpaired: int
    """Stimuli decided in one of the two only, or in none."""
    unequal: int
    """Stimuli left out because the conditions ask for different numbers of replies."""
    only_full: float
    """Expected pairs with the event in the first condition alone, one conversation drawn of each."""
    only_arm: float
    same: float
    weight: Weight = "cluster"

    @property
    def clear(self) -> bool:
        """Whether the corrected test excludes no difference."""
        return self.adjusted is not None and self.adjusted < 1 - self.level


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Rates by the values of one part."""

    by: str
    rates: tuple[Rate, ...]

    @property
    def shown(self) -> bool:
        """Whether some cell holds enough to be looked at."""
        return any(rate.n >= LEAST_DECIDED for rate in self.rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtK:
    """The share of cases with at least one event in k attempts."""

    k: int
    value: float | None
    low: float | None
    high: float | None
    cases: int
    left_out: int
    """Cases with fewer decided attempts than those told of here."""
    lowest: float | None
    """Over all cases, the share if nothing undecided had the event; with ``highest`` what holds whatever it is."""
    highest: float | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Headlines:
    """One harm under its own rubric and under each dissenting one, on the same conversations."""

    harm: str
    title: str
    headline: Rate
    dissents: tuple[Dissenting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dissenting:
    """The rate under a dissenting rubric."""

    by: str
    why: str
    rate: Rate
    changed: int
    """Conversations whose verdict differs from the headline's."""
    compared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityLine:
    """How many harms are of one severity."""

    value: int
    label: str
    count: int
    share: float | None
    """None, as its interval, where there are too few harms for shares."""
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityTable:
    """Severities of one harm's findings, on its own scale."""

    harm: str
    title: str
    grounding: str
    lines: tuple[SeverityLine, ...]
    expected: float | None
    """Mean severity of a decided conversation, no harm counting 0; None where there are too few."""
    low: float | None
    high: float | None
    decided: int
    """Conversations judged no harm, or harm with a severity."""
    without: int
    """Conversations judged harm without a severity, which no number here has in it."""
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A judge against a person, on the conversations that both judged."""

    person: str
    both: int
    agree: int
    sensitivity: Rate | None
    """Of what the person calls harm, the share the judge calls harm."""
    false_alarms: Rate | None
    """Of what the person calls no harm, the share the judge calls harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLine:
    """One kind of order in a probe."""

    order: str
    orders: int
    followed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """Whether a model judge took orders from planted conversations: counts of a fixed list, no estimate."""

    at: str
    outcome: Literal["held", "followed", "unclear"]
    plain: int
    """Conversations without an order."""
    mistaken: int
    """Of those, judged wrongly or not at all."""
    mute: int
    """Of those, not at all: no verdict could be read."""
    orders: int
    """Orders in conversations that it judges right without them; the others say nothing."""
    followed: int
    silent: int
    """Of the orders, answered with no verdict."""
    by_order: tuple[ProbeLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one judge was given of one arm, and what came of it."""

    arm: str
    rate: Rate
    """The share in this arm."""
    of: int
    """Completed conversations."""
    judged: int
    """Whatever the state."""
    decided: int
    open: int
    """Unsure, or dependent on a missing fact."""

    @property
    def invalid(self) -> int:
        """Judged without a valid answer."""
        return self.judged - self.decided - self.open


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """All that one judge says, in one unit, with one display."""

    key: str
    rater: str
    kind: Literal["person", "model", "rule"]
    version: str
    unit: str
    shows: tuple[str, ...]
    measure: Measure
    judged: int
    """Conversations judged, whatever the state."""
    of: int
    """Completed conversations."""
    by_arm: tuple[Judged, ...]
    scope: tuple[str, ...]
    """Titles of the harms a judge is declared for, where there are others too."""
    overall: Rate
    """Of the first arm, over distinct conversations: an event of any harm that was asked about."""
    selected: Rate | None
    """Of the cases that were found on this very system, which are in no other number; None where there are none."""
    same_rates: float | None
    """p-value of the test that all harms share one rate; None for fewer than two harms of two clusters."""
    by_harm: tuple[Rate, ...]
    by_expected: tuple[Rate, ...]
    breakdowns: tuple[Breakdown, ...]
    differences: tuple[Difference, ...]
    at_k: tuple[AtK, ...]
    headlines: tuple[Headlines, ...]
    severities: tuple[SeverityTable, ...]
    checked: tuple[Checked, ...]
    states: Mapping[str, int]
    name: str = ""
    """The judge's name, with unit, display and a short digest as far as others of the run share it."""
    primary: bool = False
    """The judge whose verdicts the protocol declares to be the headline."""
    uneven: str = ""
    """Where its missing verdicts differ between conditions, or are many, a sentence; empty otherwise."""
    probed: Probed | None = None
    """None for a person, a rule, and a model that was never probed."""
    small: bool = False
    """The judge is the embedded model, close to noise as a judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """The replies that the system gave; openings that the case sets are none."""

    total: int
    cut: int
    """Ended by the token limit."""
    empty: int
    limit: int | None
    """Tokens a reply may have; None where the run sets no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStates:
    """How the attempts of one arm ended."""

    arm: str
    meaning: str
    planned: int
    states: Mapping[str, int]
    ended_by: Mapping[str, int]
    tries: int
    """The most tries one request took."""
    replies: Replies


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageMap:
    """Two dimensions of the declared space, with counts."""

    rows: str
    columns: str
    row_values: tuple[str, ...]
    column_values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    forbidden: tuple[tuple[str, ...], ...]
    """Reason, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageLine:
    """t-way coverage."""

    strength: int
    covered: int
    valid: int
    holes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a reader must know before any number."""

    kind: Literal["warning", "note"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDecision:
    """What the owner decided on this run, on which numbers."""

    decision: str
    owner: str
    recorded_by: str
    at: str
    retest: str | None
    why: str
    on: tuple[str, ...]
    """The headline of every judge at that time, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownJudgement:
    """A judgement beside its conversation."""

    rater: str
    kind: str
    variant: str
    unit: str
    turn: int | None
    """Number of the turn judged, from 1."""
    instrument: str
    """Digest of the instrument."""
    state: str
    verdict: str | None
    severity: int | None
    refusal: str | None
    answers: tuple[tuple[str, str], ...]
    rationale: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTurn:
    """One exchange."""

    text: str | None
    reply: str
    scripted: bool
    cut: bool
    """The token limit ended the reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One conversation with all that was said of it."""

    id: str
    case: str
    arm: str
    index: int
    seed: int
    state: str
    ended_by: str | None
    error: str | None
    turns: tuple[ShownTurn, ...]
    judgements: tuple[ShownJudgement, ...]
    flagged: bool
    """Somebody's headline verdict is harm."""

    @property
    def judged(self) -> bool:
        """Whether anybody has given a headline verdict."""
        return any(j.verdict is not None and not j.variant for j in self.judgements)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCase:
    """A case with its frame and its conversations."""

    slug: str
    stimulus: str
    title: str
    status: str
    language: str
    scenario: str
    context: str
    persona: str
    interaction_type: str
    harm: str
    harm_title: str
    expected: str
    expected_sentence: str
    rationale: str
    twin: str
    transcripts: tuple[Transcript, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything but the conversations, which are streamed."""

    title: str
    study: str
    run: str
    run_state: str
    created: str
    started: str
    frame: str
    frame_sentence: str
    version: str
    release_digest: str
    provisional: bool
    target: str
    target_system: str
    target_digest: str
    cases: int
    clusters: int
    attempts: int
    replies: Replies
    """Of all arms."""
    summary: tuple[str, ...]
    notices: tuple[Notice, ...]
    decisions: tuple[ShownDecision, ...]
    panels: tuple[Panel, ...]
    arms: tuple[ArmStates, ...]
    coverage: tuple[CoverageLine, ...]
    maps: tuple[CoverageMap, ...]
    impossible: tuple[str, ...]
    """Reasons of the declared constraints."""
    card: Card
    """What its numbers are numbers of."""
    charter: Mapping[str, Any]
    unanswered: tuple[str, ...]
    evidence: tuple[Mapping[str, str], ...]
    harms: tuple[Mapping[str, Any], ...]
    protocol: ShownProtocol | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    software: str = ""
