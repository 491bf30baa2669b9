"""Where a function crosses nought."""

from __future__ import annotations

from collections.abc import Callable

_STRETCH = 1.15
_TOLERANCE = 1e-11
_STEPS = 100


def crossing(function: Callable[[float], float], *, start: float, most: float) -> float:
    """Where a falling function of a positive number is 0, found from ``start`` on; ``most`` if not before that.

    Steps outwards by 15 % until the sign changes, then the method of Chandrupatla 1997, to 11 digits.
    """
    near, at_near = start, function(start)
    rising = at_near > 0
    while True:
        if rising and near >= most:
            return most
        far = min(near * _STRETCH, most) if rising else near / _STRETCH
        at_far = function(far)
        if (at_far > 0) != rising:
            return _between(function, (far, at_far), (near, at_near))
        near, at_near = far, at_far


def _between(
    function: Callable[[float], float], newest: tuple[float, float], other: tuple[float, float]
) -> float:
    (x1, f1), (x2, f2) = newest, other
    best, part = x1, f1 / (f1 - f2)
    for _ in range(_STEPS):
        x = x1 + part * (x2 - x1)
        f = function(x)
        if (f > 0) == (f1 > 0):
            x3, f3 = x1, f1
        else:
            x3, f3, x2, f2 = x2, f2, x1, f1
        x1, f1 = x, f
        best = x1 if abs(f1) < abs(f2) else x2
        margin = _TOLERANCE * abs(best) / abs(x2 - x1)
        if f1 == 0 or margin > 0.5:
            break
        xi, phi = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
        part = 0.5
        if phi * phi < xi and (1 - phi) ** 2 < 1 - xi:
            part = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
        part = min(max(part, margin), 1 - margin)
    return best
