"""What a comparison could have found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from redloom.errors import InputError
from redloom.stats import clopper_pearson, paired_difference, smallest_detectable, wilson

RUNS = 1000


def nothing(clusters, size=1):
    groups = np.repeat(np.arange(clusters), size)
    return paired_difference(np.zeros(groups.size), np.zeros(groups.size), groups)


def test_with_many_differences_it_is_the_two_quantiles_of_the_standard_error():
    draws = np.random.default_rng(3)
    first, second = draws.integers(0, 2, 40_000), draws.integers(0, 2, 40_000)
    found = paired_difference(first, second, np.repeat(np.arange(10_000), 4))
    expected = (norm.ppf(0.975) + norm.ppf(0.8)) * found.standard_error
    assert smallest_detectable(found) == pytest.approx(expected, rel=0.01)
    one_sided = (norm.ppf(0.95) + norm.ppf(0.8)) * found.standard_error
    assert smallest_detectable(found, sided=1) == pytest.approx(one_sided, rel=0.01)
    halved = (norm.ppf(0.975) + norm.ppf(0.5)) * found.standard_error
    assert smallest_detectable(found, power=0.5) == pytest.approx(halved, rel=0.01)


@pytest.mark.parametrize("clusters", [30, 60, 150])
def test_without_a_difference_it_is_what_the_sign_test_finds(clusters):
    change = smallest_detectable(nothing(clusters))
    # six differences on one side are the fewest that it tells from chance: 2 / 2^6 < .05
    assert binom.sf(5, clusters, change) == pytest.approx(0.8, abs=0.05)


def test_it_is_more_than_the_printed_interval_needs():
    draws = np.random.default_rng(5)
    for clusters, rate in ((12, 0.3), (30, 0.05), (60, 0.2), (150, 0.02)):
        groups = np.repeat(np.arange(clusters), 4)
        first, second = (draws.random(groups.size) < rate for _ in range(2))
        found = paired_difference(first.astype(float), second.astype(float), groups)
        assert smallest_detectable(found) > max(found.high - found.value, found.value - found.low)


def test_more_clusters_power_and_certainty_have_their_price():
    few, many = smallest_detectable(nothing(30)), smallest_detectable(nothing(300))
    assert 1 > few > many > 0
    assert smallest_detectable(nothing(30), power=0.9) > few > smallest_detectable(nothing(30), sided=1)
    assert smallest_detectable(nothing(30), level=0.99) > few


def test_where_nothing_can_be_found_there_is_no_number():
    assert smallest_detectable(paired_difference([1], [0], [1])) is None
    assert smallest_detectable(paired_difference([], [], [])) is None
    assert smallest_detectable(nothing(3)) is None
    assert smallest_detectable(wilson(3, 9)) is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"level": 1.0}, "level must lie between 0 and 1, not 1.0"),
        ({"power": 0.3}, "power must be at least 0.5 and below 1, not 0.3"),
        ({"power": 1}, "power must be at least 0.5 and below 1, not 1"),
        ({"sided": 3}, "sided must be 1 or 2, not 3"),
    ],
)
def test_wrong_input_is_named(settings, told):
    with pytest.raises(InputError) as caught:
        smallest_detectable(nothing(30), **settings)
    assert told in str(caught.value)


def chances(draws, rate, correlation, clusters):
    if rate == 0 or correlation == 0:
        return np.full(clusters, rate)
    scale = (1 - correlation) / correlation
    return draws.beta(rate * scale, (1 - rate) * scale, size=clusters)


@pytest.mark.slow
@pytest.mark.parametrize("sided", [1, 2])
@pytest.mark.parametrize(
    ("clusters", "size", "rate", "correlation", "of_change"),
    [
        (60, 1, 0, 0, 0),
        (60, 1, 0.02, 0, 0),
        (60, 1, 0.2, 0, 0),
        (24, 4, 0.2, 0.3, 0),
        (60, 4, 0.05, 0.3, 0),
        (60, 4, 0.2, 0.3, 0.3),
        (60, 20, 0.05, 0.1, 0.1),
        (150, 20, 0.05, 0.1, 0.1),
        (300, 1, 0.2, 0, 0),
        (300, 4, 0.1, 0.3, 0.3),
    ],
)
def test_a_change_of_that_size_is_found_in_four_of_five_runs(
    clusters, size, rate, correlation, of_change, sided
):
    draws = np.random.default_rng([clusters, size, int(100 * rate), sided])
    groups, found = np.repeat(np.arange(clusters), size), 0
    for _ in range(RUNS):
        base = chances(draws, rate, correlation, clusters)[groups]
        before, again = (draws.random(groups.size) < base for _ in range(2))
        planned = paired_difference(again.astype(float), before.astype(float), groups)
        change = smallest_detectable(planned, sided=sided)
        base = chances(draws, rate, correlation, clusters)[groups]
        raised = chances(draws, change / (1 - rate), of_change, clusters)[groups]
        before, after = (draws.random(groups.size) < base for _ in range(2))
        after |= draws.random(groups.size) < raised
        level = 0.95 if sided == 2 else 0.9
        found += paired_difference(after.astype(float), before.astype(float), groups, level=level).low > 0
    simulated = clopper_pearson(found, RUNS, level=0.999)
    assert simulated.high >= 0.75 and simulated.low <= 0.9
