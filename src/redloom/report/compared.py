"""What a comparison of runs says, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from redloom.report.data import Measure, Weight
from redloom.report.words import rounded

Verdict = Literal["worse", "better", "no change", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a share moved between two sides, on the stimuli that both decided."""

    value: float | None
    """Share of the second less share of the first: above 0 is worse."""
    low: float | None
    high: float | None
    level: float
    method: str
    reason: str | None
    first: float | None
    """Share of the first side, over the same stimuli."""
    second: float | None
    pairs: int
    clusters: int
    worse: float
    """Expected pairs with the event on the second side alone, one conversation drawn of each stimulus and side."""
    better: float
    same: float
    lowest: float | None = None
    """With ``highest`` what holds whatever the undecided conversations of both sides are."""
    highest: float | None = None
    worst_low: float | None = None
    """With ``worst_high`` the interval if every undecided conversation were as bad for the second side as it can be."""
    worst_high: float | None = None
    detectable: float | None = None
    """The smallest change that would be found in 4 of 5 repetitions."""
    undecided: int = 0
    """Conversations of either side without a decided verdict, of stimuli that both asked."""
    lost: tuple[str, ...] = ()
    """Cases that the first side decided and the second cannot answer."""
    lost_line: str = ""
    weight: Weight = "cluster"

    @property
    def verdict(self) -> Verdict:
        """What may be said of it: nothing undecided can make it better than it is."""
        if self.low is None or self.high is None:
            return "open"
        if self.low > 0 or (self.worst_low or 0.0) > 0:
            return "worse"
        if (self.lost or self.undecided) and (self.worst_high is None or self.worst_high >= 0):
            return "open"
        return "better" if self.high < 0 else "no change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the runs."""

    run: str
    study: str
    version: str
    frame: str
    target: str
    system: str
    arm: str
    attempts: int
    seed: int | None
    """None where it is not recorded."""
    started: str
    planned: int
    """Attempts in the arm."""
    completed: int
    card: Mapping[str, Any]
    """All that its numbers are numbers of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A field in which two runs differ."""

    field: str
    """The part of ``--vary`` it belongs to, else its name on the card."""
    what: str
    first: str
    second: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.what} differs ({self.first} / {self.second})"


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmChange:
    """The change for one harm; the intervals of all harms hold together."""

    harm: str
    title: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A case whose outcome moved."""

    case: str
    harm: str
    worse: bool
    first: str
    """Conversations with the event of those decided."""
    second: str
    first_conversations: tuple[str, ...]
    second_conversations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What the stimuli of one run showed that are in no pair."""

    stimuli: int
    events: int
    decided: int
    """Conversations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeChange:
    """What changed, as one judge sees it."""

    judge: str
    kind: str
    unit: str
    measure: Measure
    overall: Change
    by_harm: tuple[HarmChange, ...]
    only_first: Alone
    """Of the stimuli that only the first run has decided."""
    only_second: Alone
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two runs."""

    first: str
    second: str
    drift: bool
    """The system is the same, as far as it is known: what changed is behind the declaration, or chance."""
    same_seed: bool
    """The same system was asked with the same seed, so that noise shows in no difference."""
    notices: tuple[str, ...]
    """What has to be known before any number."""
    said: tuple[Differing, ...]
    """What differs and does not forbid to compare."""
    unknown: tuple[Differing, ...]
    """What was not recorded in one run or both, so that nobody can tell whether it differs."""
    judges: tuple[JudgeChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs against the first of them."""

    vary: tuple[str, ...]
    level: float
    sides: tuple[Side, ...]
    differing: tuple[Differing, ...]
    """What was declared to vary and does."""
    compared: tuple[Compared, ...]


VERDICTS: Mapping[Verdict, str] = {
    "worse": "worse",
    "better": "better",
    "no change": "the interval includes 0, so no change is possible too",
    "open": "cannot be told, since cases without a decided verdict now may be worse",
}
SAME_SEED = (
    "Same seed in both: noise is not measured. A run with another --seed shows how much of a change is noise."
)
EVENT = {"harm": "harm", "refusal": "full refusal"}


def comparison_lines(found: Comparison, *, most: int) -> Iterator[str]:
    """Markdown: what changed first, then by how much, then on what."""
    yield f"# {' and '.join(side.run for side in found.sides)}"
    yield ""
    for pair in found.compared:
        yield from _notice_lines(pair)
        for judge in pair.judges:
            yield from _judge_lines(pair, judge, most)
    yield "## What was compared"
    yield ""
    yield "| run | release | system | condition | tries a case | seed | started | completed |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for side in found.sides:
        system = side.target if side.target == side.system else f"{side.target} ({side.system})"
        yield (
            f"| {side.run} | {side.study}@{side.version} ({side.frame}) | {cell(system)} | {side.arm} "
            f"| {side.attempts} | {'not recorded' if side.seed is None else side.seed} | {side.started} "
            f"| {side.completed} of {side.planned} |"
        )
    yield ""
    yield from _differing_lines(found)
    yield (
        "Changes are means over stimuli that both runs decided, paired, with intervals that know the clusters. They are "
        "observed frequencies under the stated conditions, not deployment probabilities."
    )


def _notice_lines(pair: Compared) -> Iterator[str]:
    notices = [*pair.notices, *((SAME_SEED,) if pair.same_seed else ())]
    if notices:
        yield f"## {pair.first} to {pair.second}: read first"
        yield ""
        yield from (f"- {notice}" for notice in notices)
        yield ""


def _differing_lines(found: Comparison) -> Iterator[str]:
    """All that differs, declared or not, and what nobody can tell."""
    told = [field.text for field in found.differing]
    several = len(found.compared) > 1
    for pair in found.compared:
        where = f" from {pair.first} to {pair.second}" if several else ""
        told += [field.text + where for field in pair.said]
    unknown = dict.fromkeys(
        f"{field.what} ({field.first} / {field.second})" for pair in found.compared for field in pair.unknown
    )
    if told:
        yield "Differs: " + "; ".join(told) + "."
    elif not unknown:
        rest = "else " if any(pair.notices for pair in found.compared) else ""
        yield f"Nothing {rest}differs but the time."
    if unknown:
        yield from ("",) if told else ()
        yield "Nobody can tell whether it differs: " + "; ".join(unknown) + "."
    yield ""


def _judge_lines(pair: Compared, judge: JudgeChange, most: int) -> Iterator[str]:
    yield f"## {pair.first} to {pair.second}: {judge.judge}, {judge.unit}"
    yield ""
    if pair.drift:
        yield (
            "The system is declared the same in both: a change is something that changed behind the declaration, such as a "
            "hosted model or what a file calls, or chance."
        )
        yield ""
    event = EVENT[judge.measure]
    yield f"{event.capitalize()}: {sentence(judge.overall)}"
    yield ""
    if judge.changed:
        yield f"| case | harm | {pair.first} | {pair.second} | |"
        yield "| --- | --- | --- | --- | --- |"
        for one in judge.changed[:most]:
            word = "worse" if one.worse else "better"
            yield f"| {one.case} | {one.harm} | {one.first} | {one.second} | {word} |"
        if len(judge.changed) > most:
            yield f"| and {len(judge.changed) - most} more | | | | |"
    else:
        yield "No case changed."
    yield ""
    if len(judge.by_harm) > 1:
        yield "| harm | change | pairs | clusters | worse | better | same |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        for one in judge.by_harm:
            c = one.change
            yield f"| {cell(one.title)} | {points(c)} | {c.pairs} | {c.clusters} | {rounded(c.worse)} | {rounded(c.better)} | {rounded(c.same)} |"
        level = judge.by_harm[0].change.level
        yield ""
        yield f"Each harm's interval is at {level:.1%}, so that all of them hold together at {judge.overall.level:.0%}."
        yield ""
    for run, alone in ((pair.first, judge.only_first), (pair.second, judge.only_second)):
        if alone.stimuli:
            stimuli = "1 stimulus" if alone.stimuli == 1 else f"{alone.stimuli} stimuli"
            yield (
                f"{stimuli} of {run} in no pair: {event} in {alone.events} of {alone.decided} of their conversations."
            )
            yield ""


def cell(text: str) -> str:
    """Text of any origin in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def sentence(moved: Change) -> str:
    """A change in a sentence."""
    if moved.value is None or moved.first is None or moved.second is None:
        return f"no change can be told: {moved.reason}.{_beyond(moved)}"
    verdict = f"no interval: {moved.reason}" if moved.low is None else VERDICTS[moved.verdict]
    return (
        f"{moved.first:.1%} to {moved.second:.1%}, {points(moved)}: {verdict}. {moved.pairs} pairs in {moved.clusters} "
        f"clusters; {rounded(moved.worse)} worse, {rounded(moved.better)} better, {rounded(moved.same)} the same."
        f"{_beyond(moved)}"
    )


def _beyond(moved: Change) -> str:
    """What the pairs do not say: how small a change they could show, and what has no pair."""
    told = ""
    if moved.detectable is not None:
        told += (
            f" The smallest change that would be found in 4 of 5 repetitions is {100 * moved.detectable:.0f} points."
            if moved.detectable < 1
            else " With so few pairs even the largest change would go unseen in more than 1 of 5 repetitions."
        )
    if moved.lost:
        told += f" Decided before and not again: {len(moved.lost)}: {moved.lost_line}."
    if (moved.lost or moved.undecided) and moved.lowest is not None:
        told += (
            f" Whatever what has no decided verdict is, the change lies between {100 * moved.lowest:+.1f} and "
            f"{100 * (moved.highest or 0.0):+.1f} points."
        )
    return told


def points(moved: Change) -> str:
    """``+3.1 points (0.4 to 5.8)``."""
    if moved.value is None:
        return "–"
    told = f"{100 * moved.value:+.1f} points"
    if moved.low is None or moved.high is None:
        return told
    return f"{told} ({100 * moved.low:+.1f} to {100 * moved.high:+.1f})"
