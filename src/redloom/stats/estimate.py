"""The one result that every rate, difference and bootstrap returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval, or the reason why it has none.

    ``reason`` is None exactly when ``value``, ``low`` and ``high`` are all there; no part is ever NaN.
    ``n`` is the number of units in the denominator and ``events`` the numerator where it is a count.
    ``level`` is the coverage aimed at, for example 0.95. ``design_effect`` is the one that was used.
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
