"""How much has not been seen yet: from how often each class of finding was met.

Classes of finding are treated as species (Good 1953, Chao 1984). The sampling has to be roughly exchangeable, which
exploring by hand is not; the numbers are lower bounds of what is left, not promises.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from ._checks import check_level, whole
from .estimate import Estimate, undefined


def unseen_mass(counts: ArrayLike, *, level: float = 0.95) -> Estimate:
    """The chance that the next observation is of a class not met before, after Good and Turing.

    ``counts``: shape (classes,), how often each class was met, at least once. ``f1 / n`` (Good 1953), with the normal
    interval of Esty 1983, ``sqrt(f1/n + 2 f2/n - (f1/n)^2) / sqrt(n)``, cut to [0, 1]. No observations: undefined.
    """
    met = _met(counts)
    check_level(level)
    n = int(met.sum())
    if n == 0:
        return undefined("nothing was observed", level=level, method="good-turing", n=0)
    once, twice = int((met == 1).sum()), int((met == 2).sum())
    share = once / n
    spread = math.sqrt(max(0.0, share + 2 * twice / n - share * share) / n)
    half = NormalDist().inv_cdf((1 + level) / 2) * spread
    sure = spread > 0
    return Estimate(
        value=share,
        low=max(0.0, share - half) if sure else None,
        high=min(1.0, share + half) if sure else None,
        level=level,
        method="good-turing, interval of esty",
        n=n,
        events=float(once),
        clusters=None,
        reason=None
        if sure
        else "no interval: " + ("every" if once else "no") + " class was met once only, and none twice",
    )


def chao1(counts: ArrayLike, *, level: float = 0.95) -> Estimate:
    """At least how many classes there are, met or not.

    ``counts`` as in :func:`unseen_mass`. ``S + f1^2 / (2 f2)``, or ``S + f1 (f1 - 1) / 2`` where no class was met twice
    (Chao 1984), with the log-normal interval of Chao 1987. Nothing points to more classes: a value without interval.
    """
    met = _met(counts)
    check_level(level)
    n, seen = int(met.sum()), int(met.size)
    if n == 0:
        return undefined("nothing was observed", level=level, method="chao1", n=0)
    once, twice = int((met == 1).sum()), int((met == 2).sum())
    more = once * once / (2 * twice) if twice else once * (once - 1) / 2
    low = high = None
    if more > 0:
        variance = _chao_variance(once, twice, seen + more)
        quantile = NormalDist().inv_cdf((1 + level) / 2)
        factor = math.exp(quantile * math.sqrt(math.log1p(variance / (more * more))))
        low, high = seen + more / factor, seen + more * factor
    return Estimate(
        value=seen + more,
        low=low,
        high=high,
        level=level,
        method="chao1, log-normal interval",
        n=n,
        events=float(seen),
        clusters=None,
        reason=None if more > 0 else "no interval: too few classes were met once only to point to more",
    )


def accumulation(labels: Sequence[Hashable]) -> tuple[int, ...]:
    """After each observation, in order, how many different classes were met."""
    seen: set[Hashable] = set()
    found: list[int] = []
    for label in labels:
        seen.add(label)
        found.append(len(seen))
    return tuple(found)


def _chao_variance(once: int, twice: int, total: float) -> float:
    if twice:
        ratio = once / twice
        return twice * (ratio**4 / 4 + ratio**3 + ratio**2 / 2)
    return once * (once - 1) / 2 + once * (2 * once - 1) ** 2 / 4 - once**4 / (4 * total)


def _met(counts: ArrayLike) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    met = np.asarray(whole("counts", counts), dtype=np.int64)
    return met[met > 0]
