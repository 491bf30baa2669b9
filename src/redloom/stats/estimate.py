"""The one result that every rate, difference and bootstrap returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Weight = Literal["cluster", "case"]
"""What counts the same in a mean: every cluster, whatever its size, or every unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval, or the reason why it has none.

    ``reason`` is None exactly when ``value``, ``low`` and ``high`` are all there; no part is ever NaN.
    ``n`` is the number of units in the denominator and ``events`` the numerator where it is a count.
    ``level`` is the coverage aimed at, for example 0.95. ``design_effect`` is the one that was used.

    Of units in clusters, None elsewhere: ``weight``; ``kish_clusters``, to how many clusters of equal size the sizes
    amount, ``(sum m)^2 / sum m^2`` (Kish 1965); ``event_clusters``, over how many clusters the events, or the
    non-events if those are fewer, are spread, ``(sum s)^2 / sum s^2`` of what each cluster has of them (0 for none);
    ``largest_share``, the share of all units that the largest cluster has. ``sparse`` where ``event_clusters`` is below
    60, so that a normal or t interval by itself cannot be trusted.

    Of intervals with a variance, None elsewhere: ``standard_error``; ``df``, the degrees of freedom of its t quantile;
    ``effective_n``, how many independent units, each 0 or 1, would have that variance.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n: int
    events: float | None
    clusters: int | None
    reason: str | None = None
    design_effect: float | None = None
    weight: Weight | None = None
    kish_clusters: float | None = None
    event_clusters: float | None = None
    largest_share: float | None = None
    sparse: bool = False
    standard_error: float | None = None
    df: float | None = None
    effective_n: float | None = None


def undefined(reason: str, *, level: float, method: str, n: int, clusters: int | None = None) -> Estimate:
    """An estimate without value and interval, and why."""
    return Estimate(
        value=None,
        low=None,
        high=None,
        level=level,
        method=method,
        n=n,
        events=None,
        clusters=clusters,
        reason=reason,
    )
