"""p-values corrected for how many were looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ._checks import FloatArray, within


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values, in the order given, that control the chance of any false finding.

    Shape (tests,), values in [0, 1]; valid under any dependence (Holm 1979).
    """
    raw = within("p_values", p_values)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * np.arange(raw.size, 0, -1)
    return _restored(np.minimum(np.maximum.accumulate(steps), 1.0), order)


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values, in the order given, that control the expected share of false findings.

    Shape (tests,), values in [0, 1]; valid for independent tests (Benjamini and Hochberg 1995) and for
    positively dependent ones (Benjamini and Yekutieli 2001).
    """
    raw = within("p_values", p_values)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * (raw.size / np.arange(1, raw.size + 1))
    falling = np.minimum.accumulate(steps[::-1])[::-1]
    return _restored(np.minimum(falling, 1.0), order)


def _restored(ordered: FloatArray, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> FloatArray:
    adjusted = np.empty_like(ordered)
    adjusted[order] = ordered
    return adjusted
