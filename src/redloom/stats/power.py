"""What a comparison could have found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from redloom.errors import InputError

from ._checks import check_level
from ._exponentials import log_tail
from ._joined import part_of
from ._roots import crossing
from .estimate import Estimate

_MOST = 4.0


def smallest_detectable(
    estimate: Estimate, *, level: float = 0.95, power: float = 0.8, sided: Literal[1, 2] = 2
) -> float | None:
    """The smallest true change that a comparison like this one finds with chance ``power``.

    ``estimate`` is one of ``paired_difference``; found means that its interval, two-sided at ``level`` or one-sided,
    excludes no change. It is the smallest change that would be seen as one, plus the t quantile of ``power`` times the
    standard error: where events are many, ``(t_level + t_power)`` standard errors. What would be seen as a change accounts
    for Gaffke's bounds where the interval is joined with them; for single pairs of 0/1 outcomes that is the sign test.

    A change brings new differences, and with them variance: as many as between independent 0/1 outcomes that differ as
    often as those seen, so fewer the more often they do; in lumps as large as those seen and one whole cluster. A change
    that keeps to few clusters of many units is found less often: see limits-of-the-statistics.md. None where the estimate
    has no interval over clusters, and where even a change of 1 would be found too rarely.
    """
    check_level(level)
    if not 0.5 <= power < 1:
        raise InputError(f"power must be at least 0.5 and below 1, not {power!r}")
    if sided not in (1, 2):
        raise InputError(f"sided must be 1 or 2, not {sided!r}")
    if estimate.low is None or estimate.effective_n is None or not estimate.clusters:
        return None
    alpha = (1 - level) / sided
    df = estimate.df if estimate.df is not None else estimate.clusters - 1
    comparison = _Comparison.like(estimate)
    seen = comparison.least_seen(alpha, -float(stdtrit(df, alpha)))
    found = comparison.above(seen, float(stdtrit(df, power)))
    return found if found < 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """A comparison, and what would become of it under a change.

    ``differing`` is the mean size of its differences, which come in lumps of weight ``lump``; those of a change weigh
    ``new``. ``pad`` is the weight of one more cluster, which Gaffke's bounds add; ``growth`` how many differences a
    change of 1 adds.
    """

    variance: float
    differing: float
    growth: float
    lump: float
    new: float
    pad: float
    clusters: int
    event_clusters: float

    @classmethod
    def like(cls, estimate: Estimate) -> _Comparison:
        clusters, n, value = estimate.clusters or 1, estimate.effective_n or 1.0, estimate.value or 0.0
        variance = (estimate.standard_error or 0.0) ** 2
        events = (estimate.event_clusters or 0.0) if variance > 0 else 0.0
        differing = min(variance * n + value * value, 1.0) if variance > 0 else 0.0
        return cls(
            variance=variance,
            differing=differing,
            growth=math.sqrt(max(1 - 2 * differing, 0.0)),
            lump=1 / n,
            new=(events / n + 1 / clusters) / (events + 1),
            pad=1 / clusters if estimate.weight == "cluster" else (estimate.largest_share or 1.0),
            clusters=clusters,
            event_clusters=events,
        )

    def above(self, start: float, quantile: float) -> float:
        """The change that lies so many of its own standard errors above ``start``."""
        square = quantile * quantile
        first, half = 1 + square * self.new, start + square * self.new * self.growth / 2
        rest = start * start - square * self.variance
        return (half + math.sqrt(max(half * half - first * rest, 0.0))) / first

    def least_seen(self, alpha: float, quantile: float) -> float:
        """The least change seen at which the joined interval would exclude none."""
        plain = self.above(0.0, quantile)
        if self.part(plain) == 0:
            return plain
        sure = crossing(lambda change: self.log_error(change) - math.log(alpha), start=plain, most=_MOST)
        if sure <= plain:
            return plain
        return crossing(
            lambda change: plain + self.part(change) * (sure - plain) - change, start=plain, most=sure
        )

    def log_error(self, change: float) -> float:
        """The logarithm of the error at which Gaffke's lower end would be 0 if this change were seen."""
        against = max(self.differing - (1 - self.growth) * change, 0.0)
        counts = np.array([self.differing / 2, against / 2, (1 + self.growth) * change / 2, self.pad])
        weights = np.array([-self.lump, self.lump, -self.new, self.pad])
        there = counts > 0
        return log_tail(weights[there], (counts / np.abs(weights))[there])

    def part(self, change: float) -> float:
        """How much Gaffke's bounds count in the interval if this change were seen."""
        more = self.growth * change / self.new
        if self.differing > 0:
            more = min(more, self.growth * change * self.event_clusters / self.differing)
        left = (self.clusters - self.event_clusters) * math.exp(-more / self.clusters)
        return part_of(self.clusters - left)
