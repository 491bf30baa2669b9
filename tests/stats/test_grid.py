"""The grid of acceptance: settings that nobody chose, seeds that nobody changes."""

from __future__ import annotations

import numpy as np
import pytest

from redloom.stats import clustered_rate, paired_difference, upper_bound

from .grid import grid

SETTINGS = list(grid.settings())
PANELS = sorted({(weight, kind) for weight, kind, *_ in SETTINGS})
SAMPLE = [
    ("cluster", "20 equal", 60, 0.1, 0.05),
    ("cluster", "20 geometric", 200, 0.1, 0.05),
    ("case", "20 geometric", 200, 0.1, 0.05),
    ("case", "20 log-normal", 200, 0.0, 0.2),
    ("case", "20 log-normal", 10, 0.5, 0.5),
    ("cluster", "5 equal", 24, 0.5, 0.95),
]


def units(found):
    """Clusters of the grid, unit by unit: first, second and cluster."""
    firsts, seconds, names = [], [], []
    clusters = zip(
        found.clusters.sizes.astype(int), found.clusters.sums, found.clusters.absolutes, strict=True
    )
    for name, (size, total, absolute) in enumerate(clusters):
        more, fewer = int(absolute + total) // 2, int(absolute - total) // 2
        firsts += [1] * more + [0] * (size - more)
        seconds += [0] * more + [1] * fewer + [0] * (size - more - fewer)
        names += [name] * size
    return firsts, seconds, names


@pytest.mark.parametrize(("weight", "kind", "count", "correlation", "rate"), SAMPLE)
def test_the_grid_asks_the_interval_and_the_bound_themselves(weight, kind, count, correlation, rate):
    setting, sides = (weight, kind, count, correlation), set()
    for found in grid.rates(setting, rate, runs=12):
        outcomes, _, names = units(found)
        estimate = clustered_rate(outcomes, names, weight=weight)
        for truth in (rate, *np.linspace(estimate.low, estimate.high, 5)[1:-1]):
            assert grid.holds(found, truth) == (estimate.low <= truth <= estimate.high)
        for end, outwards in ((estimate.low, -1), (estimate.high, 1)):
            if 0 < end < 1:
                assert grid.holds(found, end * (1 - outwards * 1e-7))
                assert not grid.holds(found, end * (1 + outwards * 1e-7))
        bound = upper_bound(outcomes, names, weight=weight)
        assert grid.below_upper(found, bound * (1 - 1e-7), 0.05)
        assert bound > 1 - 1e-6 or not grid.below_upper(found, bound * (1 + 1e-7), 0.05)
        sides.add(found.part)
    assert sides


@pytest.mark.parametrize(("count", "rates"), [(10, (0.5, 0.3)), (60, (0.05, 0.01)), (200, (0.2, 0.2))])
def test_the_grid_asks_the_difference_itself(count, rates):
    for found in grid.differences(("cluster", "20 equal", count, 0.1), *rates, runs=12):
        estimate = paired_difference(*units(found))
        assert found.mean == pytest.approx(estimate.value, abs=1e-12)
        for end, outwards in ((estimate.low, -1e-7), (estimate.high, 1e-7)):
            if abs(end) < 1:
                assert grid.holds(found, end - outwards)
                assert not grid.holds(found, end + outwards)


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "kind"), PANELS)
def test_every_cell_of_the_grid_covers(weight, kind):
    ours = [one for one in SETTINGS if one[:2] == (weight, kind)]
    cells = [grid.of_rate(one, rate) for one in ours for rate in grid.RATES]
    assert [cell for cell in cells if cell.failed()] == []


@pytest.mark.slow
def test_every_bound_covers():
    cells = [grid.of_bound(one, rate) for one in grid.bound_settings() for rate in grid.BOUND_RATES]
    assert [cell for cell in cells if cell.failed((0.95, 1.0))] == []


@pytest.mark.slow
def test_every_difference_covers():
    cells = [grid.of_difference(one, *both) for one in grid.paired_settings() for both in grid.PAIRED_RATES]
    assert [cell for cell in cells if cell.failed()] == []
