"""Percentile intervals by drawing clusters again."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy.stats import norm

from redloom.errors import InputError
from redloom.stats import cluster_bootstrap, cluster_bootstrap_ratio, cluster_bootstrap_ratios
from redloom.stats.bootstrap import _totals  # pyright: ignore[reportPrivateUsage]


def generator(seed=0):
    return np.random.default_rng(seed)


def test_the_same_generator_state_gives_the_same_interval():
    over, under = generator(1).integers(0, 9, 80), np.full(80, 9)
    first, second = (
        cluster_bootstrap_ratio(over, under, resamples=500, generator=generator(7)) for _ in range(2)
    )
    assert first == second
    assert cluster_bootstrap_ratio(over, under, resamples=500, generator=generator(8)) != first


def test_the_interval_approaches_the_normal_one_of_the_linearised_ratio():
    draws = generator(3)
    under = draws.integers(5, 30, 2000)
    over = draws.binomial(under, draws.beta(2, 8, 2000))
    ratio = over.sum() / under.sum()
    error = math.sqrt(((over - ratio * under) ** 2).sum()) / under.sum()
    found = cluster_bootstrap_ratio(over, under, resamples=20_000, generator=draws)
    assert found.value == pytest.approx(ratio)
    assert found.low == pytest.approx(ratio - norm.ppf(0.975) * error, abs=0.1 * error)
    assert found.high == pytest.approx(ratio + norm.ppf(0.975) * error, abs=0.1 * error)
    assert (found.n, found.events, found.clusters) == (under.sum(), over.sum(), 2000)


def test_resamples_draw_as_many_clusters_as_there_are_across_blocks():
    clusters = 40_000
    sums = np.stack([np.ones(clusters), np.arange(clusters)], axis=1)
    totals = np.concatenate(list(_totals(sums, resamples=50, generator=generator())))
    assert totals.shape == (50, 2)
    assert (totals[:, 0] == clusters).all()
    assert len(np.unique(totals[:, 1])) == 50


def test_many_statistics_share_their_resamples():
    draws = generator(5)
    under = draws.integers(1, 10, 60)
    over = draws.binomial(under, 0.3)
    columns = np.stack([over, 2 * over, under - over], axis=1)
    shared = cluster_bootstrap_ratios(columns, under, resamples=400, generator=generator(1))
    wide = cluster_bootstrap_ratios(
        columns, np.stack([under] * 3, axis=1), resamples=400, generator=generator(1)
    )
    single = cluster_bootstrap_ratio(over, under, resamples=400, generator=generator(1))
    assert shared[0].low == pytest.approx(single.low, abs=1e-12)
    assert shared[1].high == pytest.approx(2 * single.high, abs=1e-12)
    assert shared[2].low == pytest.approx(1 - single.high, abs=1e-12)
    assert [e.low for e in wide] == pytest.approx([e.low for e in shared], abs=1e-12)


def test_any_statistic_agrees_with_the_ratio_it_computes():
    draws = generator(6)
    under = draws.integers(1, 10, 60)
    over = draws.binomial(under, 0.3)
    general = cluster_bootstrap(
        lambda totals: totals[:, 0] / totals[:, 1],
        np.stack([over, under], axis=1),
        resamples=400,
        generator=generator(1),
    )
    ratio = cluster_bootstrap_ratio(over, under, resamples=400, generator=generator(1))
    assert (general.value, general.low, general.high) == (ratio.value, ratio.low, ratio.high)
    assert (general.n, general.events) == (60, None)


@pytest.mark.parametrize(
    ("over", "under", "value", "told"),
    [
        ([0, 0, 0], [4, 5, 6], 0.0, "same value"),
        ([4, 5, 6], [4, 5, 6], 1.0, "same value"),
        ([3], [4], 0.75, "one cluster"),
        ([1, 0, 0, 0], [2, 0, 0, 0], 0.5, "undefined on"),
        ([0, 0], [0, 0], None, "undefined on the observed sums"),
        ([], [], None, "undefined on the observed sums"),
    ],
)
def test_a_bootstrap_that_knows_nothing_says_so(over, under, value, told):
    found = cluster_bootstrap_ratio(over, under, resamples=200, generator=generator())
    assert (found.value, found.low, found.high) == (value, None, None)
    assert told in found.reason


def test_rare_undefined_resamples_are_left_out_and_told():
    found = cluster_bootstrap_ratio([1, 0, 1, 0], [2, 2, 2, 0], resamples=2000, generator=generator())
    assert "undefined left out" in found.method
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_memory_stays_bounded_at_ten_thousand_clusters():
    over, under = generator().random(10_000), np.ones(10_000)
    tracemalloc.start()
    cluster_bootstrap_ratio(over, under, resamples=300, generator=generator())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize(
    ("over", "under", "settings", "told"),
    [
        ([1, 2], [1], {}, "numerators has 2, denominators has 1"),
        ([1], [-1], {}, "denominators must not be negative, not -1.0"),
        ([math.nan], [1], {}, "numerators must be finite, not nan"),
        ([1, 1], [1, 1], {"resamples": 0}, "resamples must be at least 1, not 0"),
        ([1, 1], [1, 1], {"resamples": 30}, "30 resamples are too few for an interval at level 0.95"),
        ([1, 1], [1, 1], {"level": 1.5}, "1.5"),
    ],
)
def test_wrong_input_is_named(over, under, settings, told):
    with pytest.raises(InputError) as caught:
        cluster_bootstrap_ratio(over, under, **({"resamples": 100, "generator": generator()} | settings))
    assert told in str(caught.value)


def test_differing_widths_are_named():
    with pytest.raises(InputError, match="shapes differ"):
        cluster_bootstrap_ratios(np.ones((4, 2)), np.ones((4, 3)), resamples=100, generator=generator())
