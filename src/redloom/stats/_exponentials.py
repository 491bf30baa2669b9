"""The chance that a weighted sum of exponentials is above nought: what Gaffke's bound is made of."""

from __future__ import annotations

import math

import numpy as np

from ._checks import FloatArray

_STEP = 0.25
_HALVINGS = 6
_BLOCK = 12
_CLOSE = 1e-8
_LEFT = 1e-15
_BEND = 0.5
_CLEAR = 0.95
_MOST = 20.0


def log_tail(weights: FloatArray, counts: FloatArray) -> float:
    """The logarithm of the chance that ``sum_j weights_j * Gamma(counts_j)`` is above 0; -inf for none.

    Both of shape (terms,), counts above 0; the gammas are independent with scale 1, so a count is how many exponentials
    have that weight. The generating function ``prod_j (1 - s weights_j)^(-counts_j)`` over s is inverted along a curve through
    the saddle point of its logarithm (Lugannani and Rice 1980), by the trapezoidal rule after a double-exponential
    change of variable (Trefethen and Weideman 2014), with steps halved until two sums agree: the error of the finer
    one is then about the square of their difference, 1e-12 of the chance. Memory grows with the terms alone.
    """
    if weights.max() <= 0:
        return -math.inf
    if weights.min() >= 0:
        return 0.0
    saddle, width = _saddle(weights, counts)
    height = math.log(width / saddle) - float(np.sum(counts * np.log1p(-saddle * weights)))
    scaled = np.append(width * weights / (1 - saddle * weights), -width / saddle)
    powers = np.append(counts, 1.0)
    bend, total = _curve(scaled, powers)
    total, step = _STEP * total, _STEP
    for _ in range(_HALVINGS):
        between, _ = _terms(scaled, powers, bend=bend, start=step / 2, step=step)
        before, total, step = total, (total + step * between) / 2, step / 2
        if abs(total - before) <= _CLOSE * abs(total):
            break
    return height + math.log(total / math.pi)


def _saddle(weights: FloatArray, counts: FloatArray) -> tuple[float, float]:
    """Where ``-sum counts log(1 - s weights) - log s`` is least for s > 0, nearly, and the width of the valley.

    Newton's steps, damped as for any self-concordant function (Nesterov 2004, section 4.1.5), so that they converge and
    never leave the range where the function is defined; the start solves the same problem for a normal sum.
    """
    size = math.sqrt(float(np.sum(counts * weights**2)))
    drift = float(np.sum(counts * weights)) / size
    at = min((math.sqrt(drift * drift + 4) - drift) / (2 * size), 0.9 / float(weights.max()))
    least = math.sqrt(min(1.0, float(counts.min())))
    while True:
        pulls = weights / (1 - at * weights)
        slope = float(np.sum(counts * pulls)) - 1 / at
        width = 1 / math.sqrt(float(np.sum(counts * pulls**2)) + 1 / at**2)
        decrement = abs(slope) * width
        if decrement < 0.05:
            return at, width
        decrement /= least
        at -= slope * width**2 / (1 + decrement if decrement > 0.25 else 1)


def _curve(scaled: FloatArray, powers: FloatArray) -> tuple[float, float]:
    """How far the curve bends away from the vertical, and the terms along it: not at all unless that cancels less.

    Bending helps where a few weights are large and many small ones only shift the sum; it harms where those differ.
    """
    total, size = _terms(scaled, powers, bend=0.0, start=0.0, step=_STEP)
    if total > _CLEAR * size:
        return 0.0, total
    drift = float(np.sum(powers * scaled / (1 + (4 * scaled) ** 2)))
    bend = -_BEND * math.tanh(4 * drift)
    other, others = _terms(scaled, powers, bend=bend, start=0.0, step=_STEP)
    return (bend, other) if other / others > total / size else (0.0, total)


def _terms(
    scaled: FloatArray, powers: FloatArray, *, bend: float, start: float, step: float
) -> tuple[float, float]:
    """The terms of the rule at start, start + step, ... and their sizes, summed until they no longer count.

    The term at 0 counts by half. Where the curve bends to the wrong side terms grow: their size is then told infinite.
    """
    total = size = 0.0
    while True:
        at = start + step * np.arange(_BLOCK)
        high, across = np.sinh(at), bend * (np.cosh(at) - 1)
        real, imaginary = 1 - np.outer(scaled, across), np.outer(scaled, high)
        moduli = np.exp(np.minimum(-0.5 * (powers @ np.log(real**2 + imaginary**2)), _MOST))
        turns = powers @ np.arctan2(imaginary, real)
        terms = moduli * (np.cosh(at) * np.cos(turns) + bend * high * np.sin(turns))
        if at[0] == 0:
            terms[0] /= 2
        total, size = total + float(np.sum(terms)), size + float(np.sum(np.abs(terms)))
        if moduli.max() > 2:
            return total, math.inf
        if moduli[-1] * math.cosh(at[-1]) <= _LEFT * size:
            return total, size
        start = float(at[-1]) + step
