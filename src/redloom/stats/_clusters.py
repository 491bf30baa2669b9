"""The variance of a mean when units come in clusters, and the quantile that goes with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from ._checks import FloatArray, IntArray

_SPREAD = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanVariance:
    """The variance used for a mean over ``count`` clusters, and how it compares with independent units."""

    mean: float
    variance: float
    design_effect: float
    raised: bool
    count: int


def mean_variance(values: FloatArray, clusters: IntArray) -> MeanVariance:
    """The linearised cluster variance of a ratio mean; at least two clusters, values not all equal.

    ``G/(G-1) * sum_g (sum_i (y_i - mean))^2 / n^2`` (Cochran 1977, Sampling Techniques, section 3.12; the
    clustered standard error of Miller 2411.00640 with the small-sample factor). The design effect is this
    over the variance of a mean of independent units; below 1 it is mostly noise and is taken as 1, so
    that clustering never narrows an interval.
    """
    n = values.size
    mean = float(values.mean())
    residuals = values - mean
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.bincount(codes, weights=residuals)
    count = sums.size
    clustered = count / (count - 1) * float(sums @ sums) / n**2
    independent = float(residuals @ residuals) / n**2
    effect = clustered / independent
    return MeanVariance(
        mean=mean,
        variance=max(clustered, independent),
        design_effect=max(effect, 1.0),
        raised=effect < 1.0,
        count=count,
    )


def all_equal(values: FloatArray) -> bool:
    """Whether values differ by no more than rounding, so that their spread says nothing."""
    return float(np.ptp(values)) <= _SPREAD


def t_quantile(level: float, *, clusters: int) -> float:
    """The two-sided t quantile with one degree of freedom less than there are clusters."""
    return float(stdtrit(clusters - 1, (1 + level) / 2))
