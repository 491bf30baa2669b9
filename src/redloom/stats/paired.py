"""Two outcomes on the same cases: how far apart they are, and where they differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy.special import bdtr, stdtr

from ._checks import FloatArray, IntArray, binary, check_lengths, check_level, whole, within
from ._clusters import all_equal, check_weight, clustered
from ._joined import Joined, estimated, joined
from ._roots import crossing
from .bounds import GaffkeTail
from .estimate import Estimate, Weight, undefined

_METHOD = "mean paired difference, CR3 variance, Satterthwaite t"
_TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordance:
    """How often two outcomes on the same cases agree, and the exact McNemar p-value.

    ``p_value`` is None, with a ``reason``, when no pair is discordant.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float | None
    reason: str | None = None


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    weight: Weight = "cluster",
    level: float = 0.95,
) -> Estimate:
    """The mean of ``first - second`` over pairs, in [-1, 1], with a two-sided interval that knows the clusters.

    ``first`` and ``second``: shape (pairs,), values in [0, 1]; ``clusters``: whole numbers, same shape. Under weight
    "cluster" it is the mean of the clusters' mean differences, under "case" that of all pairs.

    The interval is that of ``clustered_rate``, symmetric about the mean in place of the score form; its
    ``event_clusters`` are those over which the sizes of the differences are spread, and Gaffke's bounds are those of
    ``(difference + 1) / 2``, which for pairs of 0/1 outcomes in clusters of one is the exact sign test. All differences
    equal: those bounds alone. One cluster: a value without interval. No pairs: undefined.
    """
    one, other, groups = _pairs(first, second, clusters)
    check_level(level)
    check_weight(weight)
    if one.size == 0:
        return undefined("there are no pairs", level=level, method=_METHOD, n=0, clusters=0)
    found = _difference(one - other, groups, weight)
    return estimated(found, level=level, interval=_METHOD, events=None)


def difference_p_value(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, weight: Weight = "cluster"
) -> float | None:
    """The least error at which the interval of ``paired_difference`` does not hold 0; None where it has none.

    Two-sided, at most 1, the same input. Several of them belong into ``holm``.
    """
    one, other, groups = _pairs(first, second, clusters)
    check_weight(weight)
    if one.size == 0:
        return None
    found = _difference(one - other, groups, weight)
    if found.clusters.count < 2:
        return None
    if found.mean < 0:
        found = _difference(other - one, groups, weight)
    return min(_p_value(found), 1.0) if found.mean > 0 else 1.0


def _p_value(found: Joined) -> float:
    """The error at which the lower end of a positive mean is 0; may exceed 1."""
    shares = found.sizes - found.shares()
    tail = GaffkeTail(shares, found.sizes, largest=float(found.sizes.max()))
    sure = max(2 * math.exp(tail.log_chance(math.log(2))), _TINY)
    if found.spread is None:
        return sure
    rough = max(2 * float(stdtr(found.spread.df, -found.mean / math.sqrt(found.spread.variance))), _TINY)
    if found.part == 0 or sure <= rough:
        return rough
    if found.part == 1:
        return sure

    def lower_end(surprise: float) -> float:
        return found.ends(math.exp(-surprise))[0]

    most, least = -math.log(rough), -math.log(min(sure, 1 - 1e-9))
    return math.exp(-crossing(lower_end, start=least, most=most)) if lower_end(least) > 0 else 1.0


def _pairs(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike
) -> tuple[FloatArray, FloatArray, IntArray]:
    one, other, groups = within("first", first), within("second", second), whole("clusters", clusters)
    check_lengths(first=one, second=other, clusters=groups)
    return one, other, groups


def _difference(differences: FloatArray, groups: IntArray, weight: Weight) -> Joined:
    equal = float(differences.min()) if all_equal(differences) else None
    return joined(clustered(differences, groups), weight=weight, lowest=-1.0, equal=equal)


def discordance(first: ArrayLike, second: ArrayLike) -> Discordance:
    """The four cells of two 0/1 outcomes on the same cases, with the exact two-sided McNemar p-value.

    Shape (pairs,) each. The p-value is twice the smaller binomial tail of the discordant pairs at 1/2, at
    most 1 (the exact binomial form of the test of McNemar 1947). It takes pairs as independent: it ignores
    clustering and is too small where pairs come in clusters; use ``paired_difference`` there.
    """
    values, others = binary("first", first), binary("second", second)
    check_lengths(first=values, second=others)
    one, other = values == 1, others == 1
    only_first, only_second = int((one & ~other).sum()), int((~one & other).sum())
    discordant = only_first + only_second
    p_value = None
    if discordant:
        p_value = min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5)))
    return Discordance(
        both=int((one & other).sum()),
        only_first=only_first,
        only_second=only_second,
        neither=int((~one & ~other).sum()),
        p_value=p_value,
        reason=None if discordant else "no pair is discordant",
    )
