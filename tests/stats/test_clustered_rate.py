"""The rate of outcomes that come in clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redloom.errors import InputError
from redloom.stats import clustered_rate, wilson


def test_a_clustered_rate_follows_its_formula():
    outcomes, clusters = np.array([1, 1, 0, 0, 0, 0, 1, 0]), np.array([7, 7, 7, 2, 2, 2, 5, 5])
    mean = 3 / 8
    # the t quantile with two degrees of freedom has a closed form
    variance = 3 / 2 * ((2 - 3 * mean) ** 2 + (3 * mean) ** 2 + (1 - 2 * mean) ** 2) / 64
    size, quantile = mean * (1 - mean) / variance, 0.95 / math.sqrt(2 * 0.975 * 0.025)
    centre = mean + quantile**2 / (2 * size)
    half = quantile * math.sqrt(mean * (1 - mean) / size + quantile**2 / (4 * size**2))
    found = clustered_rate(outcomes, clusters)
    assert found.value == mean
    assert found.low == pytest.approx((centre - half) / (1 + quantile**2 / size), abs=1e-12)
    assert found.high == pytest.approx((centre + half) / (1 + quantile**2 / size), abs=1e-12)
    assert found.design_effect == pytest.approx(8 / size, abs=1e-12)
    assert (found.n, found.events, found.clusters) == (8, 3, 3)


def test_the_design_effect_is_that_of_cluster_size_and_correlation():
    generator = np.random.default_rng(11)
    clusters, size, correlation, rate = 20_000, 50, 0.04, 0.2
    scale = (1 - correlation) / correlation
    chances = generator.beta(rate * scale, (1 - rate) * scale, size=clusters)
    outcomes = (generator.random((clusters, size)) < chances[:, None]).ravel()
    found = clustered_rate(outcomes, np.repeat(np.arange(clusters), size))
    assert 1 + (size - 1) * correlation == pytest.approx(2.96)
    assert found.design_effect == pytest.approx(2.96, abs=0.1)
    assert 10_000 / found.design_effect == pytest.approx(3378, rel=0.04)


def test_many_clusters_of_one_come_close_to_wilson():
    outcomes = np.r_[np.ones(300), np.zeros(2700)]
    found, plain = clustered_rate(outcomes, np.arange(3000)), wilson(300, 3000)
    assert found.low == pytest.approx(plain.low, abs=2e-5)
    assert found.high == pytest.approx(plain.high, abs=2e-5)


def test_clustering_never_narrows_an_interval():
    outcomes, clusters = np.tile([0, 1], 50), np.repeat(np.arange(50), 2)
    found = clustered_rate(outcomes, clusters)
    assert found.design_effect == 1.0
    assert "taken as 1" in found.method
    assert found.high - found.low > wilson(50, 100).high - wilson(50, 100).low


@pytest.mark.parametrize(("outcome", "low", "high"), [(0, 0.0, 4.279 / 28.279), (1, 24 / 28.279, 1.0)])
def test_equal_outcomes_take_clusters_as_effective_size(outcome, low, high):
    found = clustered_rate(np.full(240, outcome), np.repeat(np.arange(24), 10))
    assert found.value == outcome
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)
    assert found.design_effect is None
    assert "all outcomes equal" in found.method


def test_equal_shares_have_an_interval_though_rounding_makes_them_vary():
    found = clustered_rate([0.1 + 0.2, 0.3, 0.3, 0.3], [1, 2, 3, 4])
    assert "all outcomes equal" in found.method
    assert 0 < found.low < 0.3 < found.high < 1
    almost = clustered_rate([1.0, 1 - 2**-53], [1, 2])
    assert almost.high == 1.0


def test_one_cluster_gives_a_value_without_interval():
    found = clustered_rate([0, 1, 1, 0], [3, 3, 3, 3])
    assert (found.value, found.low, found.high, found.clusters) == (0.5, None, None, 1)
    assert found.reason is not None


def test_no_outcomes_are_undefined():
    found = clustered_rate([], [])
    assert (found.value, found.low, found.n, found.clusters) == (None, None, 0, 0)
    assert found.reason == "there are no units"


def test_shares_have_no_event_count():
    assert clustered_rate([0.25, 0.5, 1.0], [1, 2, 3]).events is None


UNITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8)), min_size=1, max_size=40)


@given(UNITS, st.randoms(use_true_random=False))
def test_a_clustered_rate_ignores_order_and_cluster_names(units, random):
    shuffled = list(units)
    random.shuffle(shuffled)
    first = clustered_rate([y for y, _ in units], [c for _, c in units])
    second = clustered_rate([y for y, _ in shuffled], [100 - 3 * c for _, c in shuffled])
    assert second.value == pytest.approx(first.value, abs=1e-12)
    if first.low is None:
        assert second.low is None
        assert first.reason is not None
    else:
        assert first.reason is None
        assert 0 <= first.low <= first.value <= first.high <= 1
        assert second.low == pytest.approx(first.low, abs=1e-6)
        assert second.high == pytest.approx(first.high, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: clustered_rate([0, 1], [1]), "outcomes has 2, clusters has 1"),
        (lambda: clustered_rate([0, math.nan], [1, 2]), "nan"),
        (lambda: clustered_rate([0, 1.5], [1, 2]), "1.5"),
        (lambda: clustered_rate([0, -0.5], [1, 2]), "-0.5"),
        (lambda: clustered_rate([0, 1], [0.5, 2]), "clusters must be a list of whole numbers"),
        (lambda: clustered_rate([[0, 1]], [1, 2]), "(1, 2)"),
        (lambda: clustered_rate(["x", "y"], [1, 2]), "outcomes must be numbers"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
