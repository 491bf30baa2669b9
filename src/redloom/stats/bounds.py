"""One-sided bounds for a mean of clusters that hold whatever the clusters look like."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri

from redloom.errors import InputError

from ._checks import FloatArray, check_lengths, check_level, check_whole, whole, within
from ._clusters import check_weight, clustered, weighted
from ._exponentials import log_tail
from ._roots import crossing
from .estimate import Weight

_FAR = 50.0


def upper_bound(
    outcomes: ArrayLike,
    clusters: ArrayLike,
    *,
    weight: Weight = "cluster",
    largest: int | None = None,
    level: float = 0.95,
) -> float:
    """The highest rate that outcomes in clusters leave open, one-sided; 1.0 for no units.

    ``outcomes``: shape (units,), 0 or 1 or a share between; ``clusters``: whole numbers, same shape. Gaffke's bound
    (Gaffke 2005; Learned-Miller and Thomas 1905.06208): with independent standard exponentials E, the u at which
    ``sum_g E_g (s_g - u m_g) + E_0 M (1 - u)`` is positive with chance 1 - level, for sums s and sizes m of clusters
    and M the ``largest`` size that the design allows (at least the largest seen). Weight "cluster": s is the mean of
    the cluster, m = M = 1. It never falls when an outcome rises. For clusters all 0 or 1 it is the bound of Clopper
    and Pearson, without events ``1 - (1 - level)^(1/clusters)``. That it covers is proved for outcomes with two values
    and otherwise a conjecture that no simulation has broken.
    """
    values, groups = within("outcomes", outcomes), whole("clusters", clusters)
    check_lengths(outcomes=values, clusters=groups)
    check_level(level)
    check_weight(weight)
    if values.size == 0:
        return 1.0
    found = clustered(values, groups)
    sums, sizes = weighted(found.sums, found.sizes, weight)
    return gaffke_upper(sums, sizes, largest=_largest(sizes, weight, largest), alpha=1 - level)


def lower_bound(
    outcomes: ArrayLike,
    clusters: ArrayLike,
    *,
    weight: Weight = "cluster",
    largest: int | None = None,
    level: float = 0.95,
) -> float:
    """The lowest rate that outcomes in clusters leave open, one-sided; 0.0 for no units: see ``upper_bound``."""
    missed = 1 - within("outcomes", outcomes)
    return 1 - upper_bound(missed, clusters, weight=weight, largest=largest, level=level)


def bound_without_events(
    sizes: ArrayLike, *, weight: Weight = "cluster", largest: int | None = None, level: float = 0.95
) -> float:
    """What ``upper_bound`` would be for clusters of these sizes without any event; 1.0 for no clusters.

    ``sizes``: shape (clusters,), whole numbers from 1; under weight "cluster" only their number matters.
    """
    units = whole("sizes", sizes)
    check_level(level)
    check_weight(weight)
    if (units < 1).any():
        raise InputError(f"sizes must be at least 1, not {int(units.min())}")
    if units.size == 0:
        return 1.0
    sums, counted = weighted(np.zeros(units.size), np.sort(units).astype(np.float64), weight)
    return gaffke_upper(sums, counted, largest=_largest(counted, weight, largest), alpha=1 - level)


def gaffke_upper(sums: FloatArray, sizes: FloatArray, *, largest: float, alpha: float) -> float:
    """Gaffke's upper bound, wrong with chance ``alpha``: sums from 0 to sizes, shape (clusters,), one cluster at least."""
    if bool(np.all(sizes == largest)) and bool(np.all((sums == 0) | (sums == sizes))):
        return _clopper_pearson_upper(int(np.sum(sums == sizes)), sums.size, alpha=alpha)
    tail, target = GaffkeTail(sums, sizes, largest=largest), math.log(alpha)
    start = _normal_depth(sums, sizes, largest=largest, alpha=alpha)
    return -math.expm1(-crossing(lambda depth: tail.log_chance(depth) - target, start=start, most=_FAR))


class GaffkeTail:
    """How surely Gaffke's bound lies above a rate: the chance that falls from 1 at rate 0 to 0 at rate 1."""

    def __init__(self, sums: FloatArray, sizes: FloatArray, *, largest: float) -> None:
        pairs, counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
        self._sums, self._sizes = pairs
        self._missed = self._sizes - self._sums
        self._counts = np.append(counts.astype(np.float64), 1.0)
        self._largest = largest

    def log_chance(self, depth: float) -> float:
        """The logarithm of the chance at the rate ``1 - exp(-depth)``, which keeps its digits near both ends."""
        rate, rest = -math.expm1(-depth), math.exp(-depth)
        near = self._sums < self._missed
        weights = self._sums - rate * self._sizes
        weights[~near] = (rest * self._sizes - self._missed)[~near]
        return log_tail(np.append(weights, rest * self._largest), self._counts)


def _largest(sizes: FloatArray, weight: Weight, largest: int | None) -> float:
    """The largest size that counts; under weight "cluster" every cluster counts as one unit."""
    seen = float(sizes.max())
    if largest is not None:
        check_whole("largest", largest, least=1)
    return seen if weight == "cluster" or largest is None else max(seen, float(largest))


def _normal_depth(sums: FloatArray, sizes: FloatArray, *, largest: float, alpha: float) -> float:
    """Nearly the depth of the bound, from two moments; never so low that a bound without events would be above it."""
    count, rate = sums.size, float(sums.sum() / sizes.sum())
    spread = math.sqrt(float(np.sum((sums - rate * sizes) ** 2))) / float(sizes.sum())
    high = rate + (1 - rate) * largest / float(sizes.sum()) - float(ndtri(alpha)) * spread
    return max(-math.log(alpha) / count, -math.log1p(-min(high, 1 - 1 / (count + 2))))


def _clopper_pearson_upper(events: int, n: int, *, alpha: float) -> float:
    if events == 0:
        return -math.expm1(math.log(alpha) / n)
    return float(betaincinv(events + 1, n - events, 1 - alpha)) if events < n else 1.0
