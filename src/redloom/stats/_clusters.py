"""Units in clusters: what is known of each cluster, and the variance of their mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from redloom.errors import InputError

from ._checks import FloatArray, IntArray
from .estimate import Weight

_SPREAD = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """Of every cluster its size, and of its values the sum, the sum of absolutes and the squares about their mean.

    All of shape (clusters,). Neither the order of the units nor the names of the clusters change a digit of them.
    """

    sizes: FloatArray
    sums: FloatArray
    absolutes: FloatArray
    within: FloatArray

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return self.sizes.size

    @property
    def kish(self) -> float:
        """How many clusters of equal size the sizes amount to (Kish 1965)."""
        return spread_over(self.sizes)

    @property
    def largest_share(self) -> float:
        """The share of all units that the largest cluster has."""
        return float(self.sizes.max() / self.sizes.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A mean over clusters, the variance that its interval uses, and the degrees of freedom that go with it."""

    mean: float
    variance: float
    df: float
    design_effect: float
    raised: bool


def clustered(values: FloatArray, clusters: IntArray) -> Clusters:
    """What is known of each cluster, sorted by size and content; at least one unit."""
    _, codes = np.unique(clusters, return_inverse=True)
    order = np.lexsort((values, codes))
    ordered, edges = values[order], np.bincount(codes)
    starts = np.cumsum(edges) - edges
    sums, sizes = np.add.reduceat(ordered, starts), edges.astype(np.float64)
    residuals = ordered - np.repeat(sums / sizes, edges)
    absolutes = np.add.reduceat(np.abs(ordered), starts)
    within = np.add.reduceat(residuals * residuals, starts)
    at = np.lexsort((within, absolutes, sums, sizes))
    return Clusters(sizes=sizes[at], sums=sums[at], absolutes=absolutes[at], within=within[at])


def check_weight(weight: Weight) -> None:
    """Passes one of the two weights."""
    if weight not in ("cluster", "case"):
        raise InputError(f"weight must be 'cluster' or 'case', not {weight!r}")


def weighted(sums: FloatArray, sizes: FloatArray, weight: Weight) -> tuple[FloatArray, FloatArray]:
    """Sums and sizes of clusters as a weight counts them: under ``cluster`` each is one unit with the cluster's mean."""
    return (sums, sizes) if weight == "case" else (sums / sizes, np.ones(sizes.size))


def spread_over(amounts: FloatArray) -> float:
    """Over how many clusters amounts are spread, ``(sum s)^2 / sum s^2``; 0.0 where there is nothing."""
    most = float(amounts.max())
    if most == 0:
        return 0.0
    scaled = amounts / most
    return float(np.sum(scaled)) ** 2 / float(np.sum(scaled**2))


def mean_over(sums: FloatArray, sizes: FloatArray) -> float:
    """The sum of sums over the sum of sizes, with one rounding each."""
    return math.fsum(sums.tolist()) / math.fsum(sizes.tolist())


def all_equal(values: FloatArray) -> bool:
    """Whether values differ by no more than rounding, so that their spread says nothing."""
    return float(np.ptp(values)) <= _SPREAD


def spread(clusters: Clusters, weight: Weight) -> Spread:
    """The mean, with the CR3 variance and Satterthwaite's degrees of freedom; two clusters at least, not all equal.

    CR3 is the jackknife variance ``sum_g s_g^2 / (1 - m_g/n)^2 / n^2`` over sums of residuals (Bell and McCaffrey
    2002). The design effect is this over the variance of a mean of independent units under the same weight; below 1
    it is mostly noise and is taken as 1, so that clustering never narrows an interval.
    """
    sums, sizes = weighted(clusters.sums, clusters.sizes, weight)
    total, mean = float(sizes.sum()), mean_over(sums, sizes)
    residuals = sums - sizes * mean
    variance = float(np.sum((residuals / (1 - sizes / total)) ** 2)) / total**2
    between = clusters.sizes * (clusters.sums / clusters.sizes - mean) ** 2
    independent = float(np.sum((clusters.within + between) * (sizes / clusters.sizes) ** 2)) / total**2
    return Spread(
        mean=mean,
        variance=max(variance, independent),
        df=_satterthwaite(sizes, _correlation(clusters)),
        design_effect=max(variance / independent, 1.0),
        raised=variance < independent,
    )


def _correlation(clusters: Clusters) -> float:
    """The intra-cluster correlation by analysis of variance (Donner 1986), from 0 to 1; 0 where every cluster is one unit."""
    sizes, count = clusters.sizes, clusters.count
    n = float(sizes.sum())
    if n == count:
        return 0.0
    means = clusters.sums / sizes
    between = float(np.sum(sizes * (means - float(clusters.sums.sum()) / n) ** 2)) / (count - 1)
    within = float(clusters.within.sum()) / (n - count)
    typical = (n - float(np.sum(sizes**2)) / n) / (count - 1)
    total = between + (typical - 1) * within
    return min(max((between - within) / total, 0.0), 1.0) if total > 0 else 0.0


def _satterthwaite(sizes: FloatArray, correlation: float) -> float:
    """``tr(B)^2 / tr(B B)`` for a mean over clusters of these sizes with this correlation of their units.

    B is the covariance of the terms of the variance under equal correlation (Bell and McCaffrey 2002; Imbens and
    Kolesar 2016; Pustejovsky and Tipton 2018), here with the weights of CR2. It is a diagonal and a part of rank two,
    so that both traces take O(clusters).
    """
    r, n, squares = correlation, float(sizes.sum()), float(np.sum(sizes**2))
    adjusted = sizes / np.sqrt(1 - sizes / n)
    diagonal = (1 - r) * (sizes / n**2 + adjusted**2 / n**3) + r * adjusted**2 / n**2
    directions = np.stack([adjusted, adjusted * sizes])
    corner = -r / n**3
    core = np.array([[r * squares / n**4 - (1 - r) / n**3, corner], [corner, 0.0]])
    gram = core @ np.sum(directions[:, None] * directions[None], axis=2)
    crossed = core @ np.sum(directions[:, None] * directions[None] * diagonal, axis=2)
    trace = float(diagonal.sum() + np.trace(gram))
    squared = float(np.sum(diagonal**2) + 2 * np.trace(crossed) + np.trace(gram @ gram))
    return trace**2 / squared if squared > 0 and math.isfinite(squared) else 1.0
