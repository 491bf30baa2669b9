"""Small drawings as SVG, themed by CSS variables; a table always says the same in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from redloom.report.data import AtK

_BAR_WIDTH, _BAR_HEIGHT = 160, 18


def interval_bar(value: float | None, low: float | None, high: float | None) -> Markup:
    """A dot with its interval on a line from 0 to 100 %."""
    middle = _BAR_HEIGHT / 2
    parts = [_line("axis", 0, middle, _BAR_WIDTH, middle)]
    parts += [
        _line("tick", x * _BAR_WIDTH, middle - 3, x * _BAR_WIDTH, middle + 3) for x in (0, 0.25, 0.5, 0.75, 1)
    ]
    if low is not None and high is not None:
        parts.append(_line("interval", low * _BAR_WIDTH, middle, high * _BAR_WIDTH, middle))
    if value is not None:
        parts.append(_dot(value * _BAR_WIDTH, middle))
    return _svg("".join(parts), _BAR_WIDTH, _BAR_HEIGHT)


def difference_bar(value: float | None, low: float | None, high: float | None) -> Markup:
    """A dot with its interval on a line from -100 to +100 points, the middle marked."""
    middle = _BAR_HEIGHT / 2

    def x(number: float) -> float:
        return (number + 1) / 2 * _BAR_WIDTH

    parts = [_line("axis", 0, middle, _BAR_WIDTH, middle), _line("zero", x(0), 0, x(0), _BAR_HEIGHT)]
    if low is not None and high is not None:
        parts.append(_line("interval", x(low), middle, x(high), middle))
    if value is not None:
        parts.append(_dot(x(value), middle))
    return _svg("".join(parts), _BAR_WIDTH, _BAR_HEIGHT)


def k_curve(points: Sequence[AtK]) -> Markup:
    """The share of cases with the event in k attempts, k on a log axis, with its band.

    Empty for fewer than three points, and where they are of different cases, which no line may join.
    """
    width, height, left, bottom = 420.0, 180.0, 40.0, 28.0
    drawn = [p for p in points if p.value is not None]
    if len(drawn) < 3 or len({p.cases for p in drawn}) > 1:
        return Markup("")
    most = math.log(drawn[-1].k)

    def x(k: int) -> float:
        return left + math.log(k) / most * (width - left - 10)

    def y(share: float) -> float:
        return (1 - share) * (height - bottom - 10) + 10

    parts: list[str] = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_line("grid", left, y(share), width - 10, y(share)))
        parts.append(
            f'<text class="label" x="{left - 6:.1f}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        )
    whole = [p for p in drawn if p.low is not None and p.high is not None]
    if len(whole) > 1:
        upper = " ".join(f"{x(p.k):.1f},{y(p.high or 0):.1f}" for p in whole)
        lower = " ".join(f"{x(p.k):.1f},{y(p.low or 0):.1f}" for p in reversed(whole))
        parts.append(f'<polygon class="band" points="{upper} {lower}"/>')
    path = " ".join(f"{x(p.k):.1f},{y(p.value or 0):.1f}" for p in drawn)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    for p in drawn:
        parts.append(_dot(x(p.k), y(p.value or 0)))
        parts.append(
            f'<text class="label" x="{x(p.k):.1f}" y="{height - 8:.1f}" text-anchor="middle">{p.k}</text>'
        )
    return _svg("".join(parts), width, height, label="share of cases by number of attempts")


def shade(count: int, most: int) -> str:
    """How dark a cell of a map is, from 0 to 1."""
    return f"{0.15 + 0.75 * count / most:.2f}" if count and most else "0"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _dot(x: float, y: float) -> str:
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _svg(inside: str, width: float, height: float, *, label: str = "") -> Markup:
    """Numbers and fixed words only stand in ``inside``; nothing that anybody wrote."""
    named = f'role="img" aria-label="{label}"' if label else 'aria-hidden="true" focusable="false"'
    frame = f'viewBox="-4 0 {width + 8:.0f} {height:.0f}" width="{width + 8:.0f}" height="{height:.0f}"'
    return Markup(f"<svg {frame} {named}>{inside}</svg>")
