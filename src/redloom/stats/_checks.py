"""What is asked of every input: one clear sentence that names the value, before anything is computed."""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from redloom.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def check_level(level: float) -> None:
    """Passes a level strictly between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, not {level!r}")


def check_whole(name: str, value: int, *, least: int) -> None:
    """Passes a whole number that is not below ``least``."""
    try:
        whole = operator.index(value)
    except TypeError as error:
        raise InputError(f"{name} must be a whole number, not {value!r}") from error
    if whole < least:
        raise InputError(f"{name} must be at least {least}, not {value!r}")


def check_counts(events: int, n: int) -> None:
    """Passes ``0 <= events <= n``."""
    check_whole("n", n, least=0)
    check_whole("events", events, least=0)
    if events > n:
        raise InputError(f"events ({events!r}) cannot exceed n ({n!r})")


def check_lengths(**arrays: NDArray[np.float64] | NDArray[np.int64]) -> None:
    """Passes arrays that are equally long in their first dimension."""
    lengths = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"lengths differ: {told}")


def finite(name: str, values: ArrayLike, *, dimensions: int = 1) -> FloatArray:
    """The values as floats, of the given number of dimensions, none NaN or infinite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers: {error}") from error
    if array.ndim != dimensions:
        raise InputError(f"{name} must have {dimensions} dimension(s), not shape {array.shape!r}")
    wrong = ~np.isfinite(array)
    if wrong.any():
        raise InputError(f"{name} must be finite, not {float(array[wrong][0])!r}")
    return array


def within(name: str, values: ArrayLike, *, low: float = 0.0, high: float = 1.0) -> FloatArray:
    """The values as a one-dimensional float array, all of them from ``low`` to ``high``."""
    array = finite(name, values)
    wrong = (array < low) | (array > high)
    if wrong.any():
        top = "" if math.isinf(high) else f" and at most {high:g}"
        raise InputError(f"{name} must be at least {low:g}{top}, not {float(array[wrong][0])!r}")
    return array


def binary(name: str, values: ArrayLike) -> FloatArray:
    """The values as a one-dimensional float array of zeros and ones."""
    array = within(name, values)
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        raise InputError(f"{name} must be 0 or 1, not {float(array[wrong][0])!r}")
    return array


def whole(name: str, values: ArrayLike) -> IntArray:
    """The values as a one-dimensional array of whole numbers, none of them made by rounding."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(
            f"{name} must be a list of whole numbers, not {array.dtype} of shape {array.shape!r}"
        )
    return array.astype(np.int64)
