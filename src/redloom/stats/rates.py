"""Intervals for a rate: independent units, none at all, and units in clusters."""

from __future__ import annotations

import math
from statistics import NormalDist

from numpy.typing import ArrayLike
from scipy.special import betaincinv

from redloom.errors import InputError

from ._checks import check_counts, check_lengths, check_level, check_whole, whole, within
from ._clusters import all_equal, check_weight, clustered
from ._joined import estimated, joined, score_interval
from .estimate import Estimate, Weight, undefined

_SCORE = "score interval, CR3 variance, Satterthwaite t"


def wilson(events: int, n: int, *, level: float = 0.95) -> Estimate:
    """The rate of events among ``n`` independent units, with the score interval.

    Wilson 1927, without continuity correction. No units: undefined.
    """
    check_counts(events, n)
    check_level(level)
    if n == 0:
        return undefined("there are no units", level=level, method="wilson", n=0)
    low, high = score_interval(events / n, size=n, quantile=NormalDist().inv_cdf((1 + level) / 2))
    return _rate(events, n, low=low, high=high, level=level, method="wilson")


def clopper_pearson(events: int, n: int, *, level: float = 0.95) -> Estimate:
    """The rate of events among ``n`` independent units, with an interval that never covers too little.

    Clopper and Pearson 1934, by quantiles of the beta distribution; it over-covers. No units: undefined.
    """
    check_counts(events, n)
    check_level(level)
    if n == 0:
        return undefined("there are no units", level=level, method="clopper-pearson", n=0)
    tail = (1 - level) / 2
    low = float(betaincinv(events, n - events + 1, tail)) if events > 0 else 0.0
    high = float(betaincinv(events + 1, n - events, 1 - tail)) if events < n else 1.0
    return _rate(events, n, low=low, high=high, level=level, method="clopper-pearson")


def zero_event_bound(n: int, *, level: float = 0.95) -> float:
    """The highest rate that ``n`` independent units without any event leave open; 1.0 for no units.

    One-sided: ``1 - (1 - level)^(1/n)``.
    """
    check_whole("n", n, least=0)
    check_level(level)
    return 1.0 if n == 0 else -math.expm1(math.log(1 - level) / n)


def clean_cases_needed(bound: float, *, level: float = 0.95) -> int:
    """The fewest independent units which, all without an event, keep the rate at or below ``bound``.

    The inverse of ``zero_event_bound``: 149 for 2% at 95%.
    """
    check_level(level)
    if not 0 < bound < 1:
        raise InputError(f"bound must lie between 0 and 1, not {bound!r}")
    n = max(1, math.ceil(math.log1p(-level) / math.log1p(-bound)))
    while n > 1 and zero_event_bound(n - 1, level=level) <= bound:
        n -= 1
    while zero_event_bound(n, level=level) > bound:
        n += 1
    return n


def clustered_rate(
    outcomes: ArrayLike, clusters: ArrayLike, *, weight: Weight = "cluster", level: float = 0.95
) -> Estimate:
    """The mean of outcomes that come in clusters, with a two-sided interval that knows it.

    ``outcomes``: shape (units,), 0 or 1 or a share between; ``clusters``: whole numbers, same shape. Under weight
    "cluster" it is the mean of the clusters' means, under "case" that of all units.

    The score interval of an effective n (Korn and Graubard 1998; Dean and Pagano 2015) that gives a Bernoulli mean the
    CR3 variance of the clusters, with a t quantile on Satterthwaite's degrees of freedom (Bell and McCaffrey 2002). With
    few clusters that have events this covers too little: from 60 ``event_clusters`` down to 20 its ends move linearly to
    those of ``upper_bound`` and ``lower_bound`` at half the error each, where these are wider, and stay there below.
    Outcomes all equal: those bounds alone. One cluster: a value without interval. No units: undefined.
    """
    values, groups = within("outcomes", outcomes), whole("clusters", clusters)
    check_lengths(outcomes=values, clusters=groups)
    check_level(level)
    check_weight(weight)
    if values.size == 0:
        return undefined("there are no units", level=level, method=_SCORE, n=0, clusters=0)
    equal = float(values.min()) if all_equal(values) else None
    counted = bool(((values == 0) | (values == 1)).all())
    found = joined(clustered(values, groups), weight=weight, lowest=0.0, equal=equal)
    return estimated(found, level=level, interval=_SCORE, events=float(values.sum()) if counted else None)


def _rate(events: int, n: int, *, low: float, high: float, level: float, method: str) -> Estimate:
    return Estimate(
        value=events / n,
        low=low,
        high=high,
        level=level,
        method=method,
        n=int(n),
        events=float(events),
        clusters=None,
    )
