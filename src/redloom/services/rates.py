"""Shares and differences as one judge sees them, each with what is missing from it and what that could change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from redloom.domain.arm import left_out
from redloom.report.data import Difference, Measure, Missing, Rate, Weight
from redloom.report.words import condition
from redloom.services.observing import Observation, PanelKey
from redloom.services.outcomes import Basis, Cell, Key, Outcome, tally
from redloom.stats import (
    Estimate,
    clustered_rate,
    difference_p_value,
    holm,
    paired_difference,
    upper_bound,
    weighted_mean,
)

NOTABLE = 1.1
"""How much higher a bound has to be to stand beside the first."""


def measure_of(key: PanelKey, observations: Iterable[Observation]) -> Measure:
    """What a judge is measured by: harm, but refusals for a rule that says nothing of harm."""
    if key.kind != "rule":
        return "harm"
    marks = [mark for one in observations if (mark := one.marks.get((key, ""))) is not None]
    says_harm = any(mark.verdict is not None for mark in marks)
    return "harm" if says_harm or not any(mark.refusal is not None for mark in marks) else "refusal"


def measure_rate(label: str, cells: Iterable[Cell], basis: Basis, *, variant: str = "") -> Rate:
    """The share with the event among the decided, every distinct conversation once.

    ``bound`` counts all that is undecided as an event, so that nothing missing can lower it.
    """
    found = tally(cells, basis, variant=variant)
    every, decided = list(found.outcomes.values()), list(found.decided.values())
    estimate = rate_of(decided, weight=basis.weight, level=basis.level)
    clusters = [one.cluster for one in every]
    weight = basis.weight

    def mean(values: Sequence[float]) -> float | None:
        return weighted_mean(values, clusters, weight=weight) if every else None

    highest = [one.highest for one in every]
    bound, near = bounds_of(every, weight=weight, level=basis.level)
    return Rate(
        label=label,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        level=basis.level,
        method=estimate.method,
        reason=estimate.reason if decided else "nothing was judged",
        events=sum(one.counted for one in decided),
        n=sum(one.of for one in decided),
        counts=found.counts,
        cases=len(decided),
        clusters=len({one.cluster for one in decided}),
        planned=sum(one.planned for one in every),
        undecided=found.undecided,
        open_verdicts=dict(found.open_verdicts),
        missing=Missing(attempts=dict(found.attempts), judgements=dict(found.judgements)),
        lowest=mean([one.lowest for one in every]),
        highest=mean(highest),
        bound=bound,
        near_bound=near,
        weight=weight,
        kish_clusters=estimate.kish_clusters,
        event_clusters=estimate.event_clusters,
        largest_share=estimate.largest_share,
        sparse=estimate.sparse,
    )


def bounds_of(
    outcomes: Sequence[Outcome], *, weight: Weight, level: float
) -> tuple[float | None, float | None]:
    """The one-sided upper bound with everything undecided as an event; and with near duplicates as one cluster, where that
    is a tenth higher or more."""
    if not outcomes:
        return None, None
    highest = [one.highest for one in outcomes]
    bound = upper_bound(highest, [one.cluster for one in outcomes], weight=weight, level=level)
    if len({one.near for one in outcomes}) == len({one.cluster for one in outcomes}):
        return bound, None
    near = upper_bound(highest, [one.near for one in outcomes], weight=weight, level=level)
    return bound, near if near > NOTABLE * bound else None


def share_of(label: str, rows: Sequence[tuple[bool, Observation]], basis: Basis) -> Rate | None:
    """The share of conversations for which something holds, with nothing missing; None for none."""
    if not rows:
        return None
    held, clusters = [float(holds) for holds, _ in rows], [one.case.cluster for _, one in rows]
    e = clustered_rate(held, clusters, weight=basis.weight, level=basis.level)
    return Rate(
        label=label,
        value=e.value,
        low=e.low,
        high=e.high,
        level=basis.level,
        method=e.method,
        reason=e.reason,
        events=sum(holds for holds, _ in rows),
        n=len(rows),
        counts="conversation",
        cases=len({one.case.stimulus for _, one in rows}),
        clusters=e.clusters or 0,
        planned=len(rows),
        undecided=0,
        open_verdicts={},
        missing=Missing(attempts={}, judgements={}),
        lowest=e.value,
        highest=e.value,
        bound=None,
        weight=basis.weight,
        kish_clusters=e.kish_clusters,
        event_clusters=e.event_clusters,
        largest_share=e.largest_share,
        sparse=e.sparse,
    )


def rate_of(outcomes: Sequence[Outcome], *, weight: Weight, level: float) -> Estimate:
    """The share over stimuli, each with its share over its decided conversations, in clusters."""
    shares, clusters = [one.share for one in outcomes], [one.cluster for one in outcomes]
    return clustered_rate(shares, clusters, weight=weight, level=level)


def measure_differences(
    cells: Sequence[Cell], basis: Basis, arms: Sequence[str], family: Collection[str] = ()
) -> tuple[Difference, ...]:
    """What each further arm changes against the first; the p-values of a family are corrected by Holm together.

    Without a family all are one; those outside a family that was named are corrected with all.
    """
    measured = [measure_difference(cells, basis, arms[0], arm) for arm in arms[1:]]
    every = {one.arm: one.p_value for one in measured if one.p_value is not None}
    named = {arm: p for arm, p in every.items() if arm in family}
    adjusted = _corrected(every) | _corrected(named)
    return tuple(replace(one, adjusted=adjusted.get(one.arm)) for one in measured)


def _corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    return dict(zip(p_values, map(float, holm(list(p_values.values()))), strict=True))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The stimuli of two arms that can be held against each other."""

    keys: list[Key]
    """Decided in both."""
    planned: list[Key]
    """All with equal chances in both."""
    unequal: list[Key]


def measure_difference(cells: Sequence[Cell], basis: Basis, base: str, arm: str) -> Difference:
    """The share in ``base`` less the share in ``arm``, stimulus by stimulus over those decided in both.

    Stimuli whose conversations ask for different numbers of replies in the two arms are left out where an event in any
    reply counts: more replies are more chances, and the difference would say so instead of what was left out.
    """
    one = tally(cells, basis, arm=base).outcomes
    other = tally(cells, basis, arm=arm).outcomes
    pairs = _pairs(one, other, basis, base, arm)
    clusters = [one[key].cluster for key in pairs.keys]
    first, second = [one[key].share for key in pairs.keys], [other[key].share for key in pairs.keys]
    weight, level = basis.weight, basis.level
    estimate = paired_difference(first, second, clusters, weight=weight, level=level)
    p_value = difference_p_value(first, second, clusters, weight=weight) if pairs.keys else None
    lowest, highest = _bounds(one, other, pairs.planned, weight)
    wins = sum(a * (1 - b) for a, b in zip(first, second, strict=True))
    losses = sum(b * (1 - a) for a, b in zip(first, second, strict=True))
    return Difference(
        arm=arm,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        level=level,
        method=estimate.method,
        reason=estimate.reason if pairs.keys else _why_none(pairs, one, other, base, arm),
        lowest=lowest,
        highest=highest,
        p_value=p_value,
        adjusted=p_value,
        pairs=len(pairs.keys),
        clusters=len(set(clusters)),
        unpaired=len(pairs.planned) - len(pairs.keys),
        unequal=len(pairs.unequal),
        only_full=wins,
        only_arm=losses,
        same=len(pairs.keys) - wins - losses,
        weight=weight,
    )


def _pairs(
    one: Mapping[Key, Outcome], other: Mapping[Key, Outcome], basis: Basis, base: str, arm: str
) -> _Pairs:
    """Where history is left out, cases of one turn are no evidence of what it does: none is kept."""
    both = [key for key in one if key in other]
    by_reply = basis.counts == "reply"
    unequal = [] if by_reply else [key for key in both if one[key].chances != other[key].chances]
    by_history = "history" in left_out(base) ^ left_out(arm)
    out = set(both if unequal and by_history else unequal)
    planned = [key for key in both if key not in out]
    keys = [key for key in planned if one[key].decided and other[key].decided]
    return _Pairs(keys, planned, [key for key in both if key in out])


def _bounds(
    one: Mapping[Key, Outcome], other: Mapping[Key, Outcome], keys: Sequence[Key], weight: Weight
) -> tuple[float | None, float | None]:
    """The smallest and the largest difference that the undecided conversations leave possible."""
    if not keys:
        return None, None
    clusters = [one[key].cluster for key in keys]
    least = [one[key].lowest - other[key].highest for key in keys]
    most = [one[key].highest - other[key].lowest for key in keys]
    return weighted_mean(least, clusters, weight=weight), weighted_mean(most, clusters, weight=weight)


def _why_none(
    pairs: _Pairs, one: Mapping[Key, Outcome], other: Mapping[Key, Outcome], base: str, arm: str
) -> str:
    if pairs.unequal:
        asked = sum(one[key].chances or 0 for key in pairs.unequal) / len(pairs.unequal)
        there = sum(other[key].chances or 0 for key in pairs.unequal) / len(pairs.unequal)
        return (
            f"a conversation asks for {asked:.1f} replies on average in {condition(base)!r} and for {there:.1f} in "
            f"{condition(arm)!r}: more replies are more chances, so a difference would be no effect"
        )
    return f"no case is decided in both {condition(base)!r} and {condition(arm)!r}"
