"""How bad the cases are: shares by level, and the mean of the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from redloom.errors import InputError

from ._checks import check_level, finite
from .estimate import Estimate
from .rates import wilson


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
    severities: ArrayLike, *, levels: Sequence[float], level: float = 0.95
) -> SeverityDistribution:
    """How many cases have each severity level, with Wilson intervals for the shares.

    ``severities``: shape (cases,), each one of ``levels``, which rise strictly. The intervals take cases
    as independent and each level by itself; for clustered cases use ``clustered_rate`` per level.
    """
    values, scale = finite("severities", severities), finite("levels", levels)
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
        shares=tuple(wilson(count, values.size, level=level) for count in counts),
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
