"""Percentile intervals by drawing whole clusters again, for statistics without a formula; too narrow below 50."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from redloom.errors import InputError

from ._checks import FloatArray, check_lengths, check_level, check_whole, finite
from .estimate import Estimate, undefined

_CELLS = 1 << 18


def seeded(seed: int) -> np.random.Generator:
    """A generator of random numbers that is the same for the same seed."""
    return np.random.default_rng(seed)


def cluster_bootstrap_ratio(
    numerators: ArrayLike,
    denominators: ArrayLike,
    *,
    resamples: int,
    generator: np.random.Generator,
    level: float = 0.95,
) -> Estimate:
    """The ratio of two sums over clusters, with a percentile cluster bootstrap interval: too narrow below 50 clusters.

    ``numerators`` and ``denominators``: per-cluster sums, shape (clusters,), denominators not negative. See
    ``cluster_bootstrap_ratios``.
    """
    columns = finite("numerators", numerators)[:, None]
    return cluster_bootstrap_ratios(
        columns, denominators, resamples=resamples, generator=generator, level=level
    )[0]


def cluster_bootstrap_ratios(
    numerators: ArrayLike,
    denominators: ArrayLike,
    *,
    resamples: int,
    generator: np.random.Generator,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """Many ratios of sums over clusters, one interval each, all from the same resamples.

    ``numerators``: per-cluster sums, shape (clusters, statistics); ``denominators``: shape (clusters,), shared,
    or (clusters, statistics); not negative. Each resample draws as many clusters as there are, with
    replacement, and takes ``sum(numerators * w) / sum(denominators * w)`` (Davison and Hinkley 1997). ``n`` is
    the rounded sum of denominators, ``events`` the sum of numerators.

    The interval is missing, with a reason, for fewer than two clusters, when all resamples agree, and when more
    than half of 1 - level of them have a zero denominator (fewer are left out, and ``method`` says so).
    Below 50 clusters it is too narrow (simulated coverage at 95%: .84 to .92); for a rate use ``clustered_rate``.
    """
    over = finite("numerators", numerators, dimensions=2)
    under = finite("denominators", denominators, dimensions=2 if np.ndim(denominators) == 2 else 1)
    check_lengths(numerators=over, denominators=under)
    if (under < 0).any():
        raise InputError(f"denominators must not be negative, not {float(under.min())!r}")
    if under.ndim == 2 and under.shape != over.shape:
        raise InputError(f"shapes differ: numerators {over.shape!r}, denominators {under.shape!r}")
    statistics = over.shape[1]
    sums = np.column_stack([over, under])

    def ratios(totals: FloatArray) -> FloatArray:
        top, bottom = totals[:, :statistics], totals[:, statistics:]
        defined = np.broadcast_to(bottom > 0, top.shape)
        return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=defined)

    _check_plan(resamples, level)
    values, replicates = _resample(ratios, sums, resamples=resamples, generator=generator)
    sizes = np.broadcast_to(under.sum(axis=0), (statistics,))
    return tuple(
        _estimate(
            float(values[i]),
            replicates[:, i],
            clusters=over.shape[0],
            level=level,
            n=round(float(sizes[i])),
            events=float(over[:, i].sum()),
        )
        for i in range(statistics)
    )


def cluster_bootstrap(
    statistic: Callable[[FloatArray], FloatArray],
    sums: ArrayLike,
    *,
    resamples: int,
    generator: np.random.Generator,
    level: float = 0.95,
) -> Estimate:
    """Any function of sums over clusters, with a percentile cluster bootstrap interval: too narrow below 50 clusters.

    ``sums``: per-cluster sums, shape (clusters, columns). ``statistic`` takes totals of shape
    (resamples, columns) and gives shape (resamples,), NaN where it is undefined; it is called with blocks of
    resamples and once with the one row of observed totals. ``n`` is the number of clusters. For when the
    interval is missing see ``cluster_bootstrap_ratios``.
    """
    table = finite("sums", sums, dimensions=2)
    _check_plan(resamples, level)

    def column(totals: FloatArray) -> FloatArray:
        return np.asarray(statistic(totals), dtype=np.float64).reshape(totals.shape[0], 1)

    clusters = table.shape[0]
    values, replicates = _resample(column, table, resamples=resamples, generator=generator)
    return _estimate(
        float(values[0]), replicates[:, 0], clusters=clusters, level=level, n=clusters, events=None
    )


def _check_plan(resamples: int, level: float) -> None:
    check_level(level)
    check_whole("resamples", resamples, least=1)
    if resamples * (1 - level) / 2 < 1 - 1e-9:
        raise InputError(f"{resamples!r} resamples are too few for an interval at level {level!r}")


def _resample(
    statistic: Callable[[FloatArray], FloatArray],
    sums: FloatArray,
    *,
    resamples: int,
    generator: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    observed = statistic(sums.sum(axis=0, keepdims=True))[0]
    if sums.shape[0] < 2:
        return observed, np.empty((0, observed.size))
    blocks = [statistic(totals) for totals in _totals(sums, resamples=resamples, generator=generator)]
    return observed, np.concatenate(blocks)


def _totals(sums: FloatArray, *, resamples: int, generator: np.random.Generator) -> Iterator[FloatArray]:
    """Totals of resampled clusters, in blocks of a bounded number of weights."""
    clusters = sums.shape[0]
    size = max(1, _CELLS // clusters)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = generator.integers(0, clusters, size=(rows, clusters))
        drawn += np.arange(rows)[:, None] * clusters
        weights = np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)
        yield weights.astype(np.float64) @ sums


def _estimate(
    value: float, replicates: FloatArray, *, clusters: int, level: float, n: int, events: float | None
) -> Estimate:
    method = "percentile cluster bootstrap"
    if not np.isfinite(value):
        reason = "the statistic is undefined on the observed sums"
        return undefined(reason, level=level, method=method, n=n, clusters=clusters)
    kept = replicates[np.isfinite(replicates)]
    lost = replicates.size - kept.size
    tail = (1 - level) / 2
    low = high = reason = None
    if clusters < 2:
        reason = "one cluster gives no interval; at least two are needed"
    elif lost > tail * replicates.size:
        reason = f"the statistic is undefined on {lost} of {replicates.size} resamples"
    elif float(np.ptp(kept)) <= 1e-12 * max(1.0, abs(value)):
        reason = "all resamples give the same value, so they tell nothing about its uncertainty"
    else:
        low, high = (float(bound) for bound in np.quantile(kept, [tail, 1 - tail]))
        method += f", {replicates.size} resamples" + (f", {lost} undefined left out" if lost else "")
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=level,
        method=method,
        n=n,
        events=events,
        clusters=clusters,
        reason=reason,
    )
