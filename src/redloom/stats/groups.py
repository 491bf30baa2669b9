"""Whether groups differ: several rates over clusters, or two shares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from ._checks import FloatArray, check_counts, check_lengths, whole, within
from ._clusters import all_equal, check_weight, clustered, mean_over, weighted
from .estimate import Weight

_DRAWS = 1999
_CELLS = 1 << 18
_ROUNDING = 1e-9


def weighted_mean(values: ArrayLike, clusters: ArrayLike, *, weight: Weight = "cluster") -> float | None:
    """The mean that an estimate under this weight has; None for no units.

    ``values``: shape (units,), from -1 to 1; ``clusters``: whole numbers, same shape.
    """
    units, groups = within("values", values, low=-1.0), whole("clusters", clusters)
    check_lengths(values=units, clusters=groups)
    check_weight(weight)
    if units.size == 0:
        return None
    found = clustered(units, groups)
    return mean_over(*weighted(found.sums, found.sizes, weight))


def homogeneity_p(
    outcomes: ArrayLike, groups: ArrayLike, clusters: ArrayLike, *, generator: np.random.Generator
) -> float | None:
    """How easily one rate for all groups gives means as far apart; None with fewer than two groups of two clusters.

    ``outcomes``: shape (units,), in [0, 1]; ``groups`` and ``clusters``: whole numbers, same shape. What a cluster has in
    a group counts as one mean. The means are dealt to the groups anew, 1,999 times, and the sum of squares between
    groups compared (a permutation test: Phipson and Smyth 2010 for the p-value, 1/2000 at least). A cluster that has
    units in several groups makes it cautious, since its means are alike.
    """
    values, kinds, names = within("outcomes", outcomes), whole("groups", groups), whole("clusters", clusters)
    check_lengths(outcomes=values, groups=kinds, clusters=names)
    if values.size == 0:
        return None
    cells, codes = np.unique(np.stack([kinds, names]), axis=1, return_inverse=True)
    codes = codes.reshape(-1)
    order = np.lexsort((values, codes))
    means = np.bincount(codes[order], weights=values[order]) / np.bincount(codes)
    means = means[np.lexsort((means, cells[0]))]
    _, sizes = np.unique(cells[0], return_counts=True)
    if int((sizes >= 2).sum()) < 2:
        return None
    if all_equal(means):
        return 1.0
    observed = float(_between(means[None], sizes)[0])
    least = observed - _ROUNDING * abs(observed)
    reached = sum(int((_between(dealt, sizes) >= least).sum()) for dealt in _dealt(means, generator))
    return (1 + reached) / (1 + _DRAWS)


def fisher_p(a: int, n_a: int, b: int, n_b: int) -> float:
    """How easily one share for both gives counts as unlikely as ``a`` of ``n_a`` and ``b`` of ``n_b``, which are independent.

    The exact two-sided test of Fisher 1922: the chance, at these totals, of all tables that are no likelier.
    """
    check_counts(a, n_a)
    check_counts(b, n_b)
    counts = np.arange(max(0, a + b - n_b), min(n_a, a + b) + 1)
    chances = _log_choose(n_a, counts) + _log_choose(n_b, a + b - counts)
    chances = np.exp(chances - chances.max())
    own = chances[a - counts[0]]
    return float(min(1.0, chances[chances <= own * (1 + 1e-7)].sum() / chances.sum()))


def _dealt(means: FloatArray, generator: np.random.Generator) -> Iterator[FloatArray]:
    """The means in random orders, shape (some, cells), of a bounded size each."""
    size = max(1, _CELLS // means.size)
    for start in range(0, _DRAWS, size):
        rows = min(size, _DRAWS - start)
        yield generator.permuted(np.tile(means, (rows, 1)), axis=1)


def _between(dealt: FloatArray, sizes: np.ndarray[tuple[int], np.dtype[np.intp]]) -> FloatArray:
    """The squared sums of groups over their sizes, summed: the part of the sum of squares that an order changes."""
    sums = np.add.reduceat(dealt, np.cumsum(sizes) - sizes, axis=1)
    return np.sum(sums**2 / sizes, axis=1)


def _log_choose(n: int, k: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)
