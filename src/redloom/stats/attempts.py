"""Success within k attempts, estimated from cases that were tried more often than that."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from redloom.errors import InputError

from ._checks import FloatArray, IntArray, check_lengths, check_level, check_whole, whole
from ._clusters import check_weight
from .estimate import Estimate, Weight, undefined
from .rates import clustered_rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SuccessAtK:
    """Per case, the chance of at least one success in ``k`` attempts.

    ``values`` has one entry in [0, 1] for each kept case, in the order given; ``kept`` has shape (cases,) and
    is False where there were fewer than ``k`` attempts; ``left_out`` counts those. Both are read-only.
    """

    k: int
    values: FloatArray
    kept: NDArray[np.bool_]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateAtK:
    """The mean chance of a success in ``k`` attempts, and how many cases had too few attempts for it."""

    estimate: Estimate
    k: int
    left_out: int


def success_at_k(successes: ArrayLike, attempts: ArrayLike, k: int) -> SuccessAtK:
    """Per case, the unbiased chance that at least one of ``k`` attempts succeeds.

    ``1 - C(n - c, k) / C(n, k)`` for c successes in n attempts (Chen et al. 2107.03374), in logarithms, so
    that neither a large n nor a tiny chance loses digits. ``successes`` and ``attempts`` have shape
    (cases,). Cases with fewer than ``k`` attempts are left out and counted.
    """
    won, tried = whole("successes", successes), whole("attempts", attempts)
    check_lengths(successes=won, attempts=tried)
    check_whole("k", k, least=1)
    if (won < 0).any():
        raise InputError(f"successes must be at least 0, not {int(won.min())}")
    if (won > tried).any():
        at = int(np.argmax(won > tried))
        raise InputError(f"successes ({int(won[at])}) cannot exceed attempts ({int(tried[at])})")
    kept = tried >= k
    pairs, codes = np.unique(np.stack([won[kept], tried[kept]]), axis=1, return_inverse=True)
    values = -np.expm1(_log_all_fail(pairs[0], pairs[1], k))[codes.reshape(-1)]
    values.setflags(write=False)
    kept.setflags(write=False)
    return SuccessAtK(k=k, values=values, kept=kept, left_out=int(kept.size - kept.sum()))


def rate_at_k(
    successes: ArrayLike,
    attempts: ArrayLike,
    clusters: ArrayLike,
    *,
    k: int,
    weight: Weight = "cluster",
    level: float = 0.95,
) -> RateAtK:
    """The mean over cases of the chance of a success in ``k`` attempts, with a cluster interval.

    All arrays have shape (cases,). How often a case was tried does not change what it counts; mean and interval are
    those of ``clustered_rate`` under the weight. No case with ``k`` attempts: undefined.
    """
    groups = whole("clusters", clusters)
    check_lengths(successes=whole("successes", successes), clusters=groups)
    check_level(level)
    check_weight(weight)
    cases = success_at_k(successes, attempts, k)
    label = f"mean of unbiased success at {k}; "
    if cases.values.size == 0:
        reason = f"no case has at least {k} attempts" if cases.left_out else "there are no cases"
        method = label + "no interval"
        return RateAtK(
            estimate=undefined(reason, level=level, method=method, n=0, clusters=0),
            k=k,
            left_out=cases.left_out,
        )
    estimate = clustered_rate(cases.values, groups[cases.kept], weight=weight, level=level)
    return RateAtK(estimate=replace(estimate, method=label + estimate.method), k=k, left_out=cases.left_out)


def _log_all_fail(won: IntArray, tried: IntArray, k: int) -> FloatArray:
    """log of C(n - c, k) / C(n, k): a product over k or, the same, over c factors, whichever are fewer."""
    total = np.zeros(won.size)
    certain = won > tried - k
    successes, attempts = won[~certain].astype(np.float64), tried[~certain].astype(np.float64)
    part = np.zeros(successes.size)
    most = int(successes.max(initial=0))
    if k <= most:
        for step in range(k):
            part += np.log1p(-successes / (attempts - step))
    else:
        for step in range(most):
            share = np.where(step < successes, k / (attempts - step), 0.0)
            part += np.log1p(-share)
    total[certain] = -np.inf
    total[~certain] = part
    return total
