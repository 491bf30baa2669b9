"""The interval of a mean over clusters: one that needs many events, joined with one that needs none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from ._checks import FloatArray
from ._clusters import Clusters, Spread, mean_over, spread, spread_over, weighted
from .bounds import gaffke_upper
from .estimate import Estimate, Weight

ALONE = 20.0
"""Up to so many clusters with an event, in effect, Gaffke's interval counts in full."""
SPARSE = 60.0
"""From so many on it does not count; in between its part falls linearly, so that no event moves an end by a jump."""
STEADY = 2.5
"""The logarithm of how many times the width may fall over the 40 clusters in between before it falls by equal shares."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """A mean over clusters and its intervals at any error.

    ``lowest`` is 0 for a rate, whose values lie in [0, 1], and -1 for a difference of two. ``spread`` is None where all
    values are equal, or there is one cluster: then no variance can be estimated. ``sums`` and ``sizes`` have shape
    (clusters,) and are as the weight counts them.
    """

    clusters: Clusters
    weight: Weight
    lowest: float
    mean: float
    spread: Spread | None
    event_clusters: float
    sums: FloatArray
    sizes: FloatArray

    @property
    def part(self) -> float:
        """How much of the way towards Gaffke's ends those of the variance are moved, where Gaffke's are wider."""
        return part_of(self.event_clusters)

    def ends(self, error: float) -> tuple[float, float]:
        """The two-sided interval, each side wrong with chance ``error / 2``."""
        alpha = error / 2
        if self.spread is None:
            low, high = self._gaffke(alpha)
        else:
            low, high = self._of_variance(self.spread, alpha)
            if self.part > 0:
                (lower, higher), width = self._gaffke(alpha), high - low
                low -= self.moved(low - lower, width)
                high += self.moved(higher - high, width)
        return min(max(low, self.lowest), self.mean), max(min(high, 1.0), self.mean)

    def moved(self, gap: float, width: float) -> float:
        """How far an end is moved to where Gaffke's lies ``gap`` outside of an interval of this width.

        The part of the gap that counts. Where that would be many widths, as with clusters of very uneven size, the width
        falls by equal shares from Gaffke's, so that an event more never narrows an interval by a tenth.
        """
        if gap <= 0 or width <= 0:
            return max(self.part * gap, 0.0)
        return min(self.part * gap, width * math.expm1(self.part * max(STEADY, math.log1p(gap / width))))

    def shares(self) -> FloatArray:
        """The sums with each value as a share of the way from ``lowest`` to 1: what Gaffke's bound takes."""
        return (self.sums - self.lowest * self.sizes) / (1 - self.lowest)

    def _of_variance(self, known: Spread, alpha: float) -> tuple[float, float]:
        quantile = -float(stdtrit(known.df, alpha))
        if self.lowest == 0:
            size = self.mean * (1 - self.mean) / known.variance
            return score_interval(self.mean, size=size, quantile=quantile)
        half = quantile * math.sqrt(known.variance)
        return self.mean - half, self.mean + half

    def _gaffke(self, alpha: float) -> tuple[float, float]:
        shares, largest = self.shares(), float(self.sizes.max())
        high = gaffke_upper(shares, self.sizes, largest=largest, alpha=alpha)
        low = 1 - gaffke_upper(self.sizes - shares, self.sizes, largest=largest, alpha=alpha)
        return self.lowest + (1 - self.lowest) * low, self.lowest + (1 - self.lowest) * high


def part_of(event_clusters: float) -> float:
    """How much Gaffke's interval counts: 1 up to 20 clusters with events, in effect, and 0 from 60 on."""
    return min(max((SPARSE - event_clusters) / (SPARSE - ALONE), 0.0), 1.0)


def joined(clusters: Clusters, *, weight: Weight, lowest: float, equal: float | None) -> Joined:
    """A mean with its intervals; ``equal`` is the value that all units have, if they have one."""
    sums, sizes = weighted(clusters.sums, clusters.sizes, weight)
    known = None if equal is not None or clusters.count < 2 else spread(clusters, weight)
    return Joined(
        clusters=clusters,
        weight=weight,
        lowest=lowest,
        mean=mean_over(sums, sizes) if equal is None else equal,
        spread=known,
        event_clusters=_event_clusters(clusters, weight, rate=lowest == 0),
        sums=sums,
        sizes=sizes,
    )


def estimated(found: Joined, *, level: float, interval: str, events: float | None) -> Estimate:
    """The estimate at a level; ``interval`` names the one that rests on the variance."""
    clusters, known = found.clusters, found.spread
    alone = clusters.count < 2
    low, high = (None, None) if alone else found.ends(1 - level)
    sparse = found.event_clusters < SPARSE
    if alone:
        method = "no interval"
    elif known is None:
        method = "all equal: Gaffke bounds" + "; sparse events" * sparse
    else:
        method = interval + " (design effect estimated below 1, taken as 1)" * known.raised
        method += "; sparse events: widened towards Gaffke bounds" * sparse
    return Estimate(
        value=found.mean,
        low=low,
        high=high,
        level=level,
        method=f"{method}; each {found.weight} counts the same",
        n=int(clusters.sizes.sum()),
        events=events,
        clusters=clusters.count,
        reason="one cluster gives no interval; at least two are needed" if alone else None,
        design_effect=known.design_effect if known else None,
        weight=found.weight,
        kish_clusters=clusters.kish,
        event_clusters=found.event_clusters,
        largest_share=clusters.largest_share,
        sparse=sparse,
        standard_error=math.sqrt(known.variance) if known else None,
        df=known.df if known else None,
        effective_n=_effective_n(found),
    )


def score_interval(rate: float, *, size: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a rate of ``size`` independent units; ``size`` need not be whole."""
    square = quantile * quantile
    centre = (rate + square / (2 * size)) / (1 + square / size)
    half = quantile / (1 + square / size) * math.sqrt(rate * (1 - rate) / size + square / (4 * size * size))
    low = 0.0 if rate == 0 else min(rate, max(0.0, centre - half))
    high = 1.0 if rate == 1 else max(rate, min(1.0, centre + half))
    return low, high


def _event_clusters(clusters: Clusters, weight: Weight, *, rate: bool) -> float:
    """Over how many clusters events are spread: of a rate those, or the non-events, that are fewer; else differences."""
    amounts, sizes = weighted(clusters.absolutes, clusters.sizes, weight)
    if rate and 2 * float(amounts.sum()) > float(sizes.sum()):
        amounts = sizes - amounts
    return spread_over(amounts)


def _effective_n(found: Joined) -> float | None:
    """Independent 0/1 units, or pairs with as many differences, of the same variance; all equal: one for each cluster."""
    if found.clusters.count < 2:
        return None
    if found.spread is None:
        return spread_over(found.sizes)
    differing = mean_over(*weighted(found.clusters.absolutes, found.clusters.sizes, found.weight))
    return (differing - found.mean**2) / found.spread.variance
