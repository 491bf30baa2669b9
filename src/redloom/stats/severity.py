"""How bad the cases are: shares by level, and the mean of the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from redloom.errors import InputError

from ._checks import check_lengths, check_level, finite, whole
from .estimate import Estimate, Weight
from .rates import clustered_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityDistribution:
    """Count and share of each severity level, in rising order; ``n`` is the number of cases."""

    levels: tuple[float, ...]
    counts: tuple[int, ...]
    shares: tuple[Estimate, ...]
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedShortfall:
    """The mean severity of the worst ``1 - level`` of the cases.

    ``tail`` is how many cases that is, a fraction included. ``value`` is None, with a ``reason``, when there
    are no cases.
    """

    value: float | None
    level: float
    n: int
    tail: float
    reason: str | None = None


def severity_distribution(
    severities: ArrayLike,
    clusters: ArrayLike,
    *,
    levels: Sequence[float],
    weight: Weight = "cluster",
    level: float = 0.95,
) -> SeverityDistribution:
    """How many cases have each severity level, with the share of each by ``clustered_rate``.

    ``severities``: shape (cases,), each one of ``levels``, which rise strictly; ``clusters``: whole numbers, same
    shape. Each interval is about its level alone.
    """
    values, scale = finite("severities", severities), finite("levels", levels)
    groups = whole("clusters", clusters)
    check_lengths(severities=values, clusters=groups)
    if scale.size == 0 or (np.diff(scale) <= 0).any():
        raise InputError(f"levels must be one or more numbers in rising order, not {tuple(levels)!r}")
    check_level(level)
    at = np.minimum(np.searchsorted(scale, values), scale.size - 1)
    unknown = scale[at] != values
    if unknown.any():
        raise InputError(f"severity {float(values[unknown][0])!r} is none of the levels {tuple(levels)!r}")
    counts = tuple(int(count) for count in np.bincount(at, minlength=scale.size))
    return SeverityDistribution(
        levels=tuple(levels),
        counts=counts,
        shares=tuple(
            clustered_rate(values == one, groups, weight=weight, level=level) for one in scale.tolist()
        ),
        n=values.size,
    )


def expected_shortfall(severities: ArrayLike, *, level: float = 0.95) -> ExpectedShortfall:
    """The mean severity of the worst ``1 - level`` of the cases (conditional value at risk).

    ``severities``: shape (cases,), any finite numbers, larger is worse. The case at the edge of the tail counts
    by the fraction that belongs to it, which keeps the measure coherent with ties and small n
    (Rockafellar and Uryasev 2002). With fewer than ``1 / (1 - level)`` cases it is the maximum.
    """
    values = finite("severities", severities)
    check_level(level)
    tail = (1 - level) * values.size
    if values.size == 0:
        return ExpectedShortfall(value=None, level=level, n=0, tail=0.0, reason="there are no cases")
    worst = np.sort(values)[::-1][: int(np.ceil(tail))]
    weights = np.minimum(tail - np.arange(worst.size), 1.0)
    value = float(worst @ weights / weights.sum())
    return ExpectedShortfall(value=value, level=level, n=values.size, tail=tail)
