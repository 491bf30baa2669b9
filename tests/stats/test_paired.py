"""Two outcomes on the same cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import t as student
from statsmodels.stats.contingency_tables import mcnemar

from redloom.errors import InputError
from redloom.stats import difference_p_value, discordance, paired_difference, zero_event_bound

PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 6)), min_size=1, max_size=40)


def test_single_pair_clusters_give_nearly_the_paired_t_interval():
    generator = np.random.default_rng(2)
    first, second = generator.random(120), generator.random(120) * 0.7
    differences = first - second
    # the jackknife variance is that of the mean times n / (n - 1)
    error = differences.std(ddof=1) / math.sqrt(120) * math.sqrt(120 / 119)
    low, high = student.interval(0.9, 119, loc=differences.mean(), scale=error)
    found = paired_difference(first, second, np.arange(120), level=0.9)
    assert not found.sparse
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))


def test_the_standard_error_is_the_jackknife_over_clusters():
    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(30), generator.integers(1, 9, size=30))
    shift = generator.normal(0.1, 0.15, size=30)[clusters]
    first = np.clip(generator.random(clusters.size) + shift, 0, 1)
    second = generator.random(clusters.size)
    found = paired_difference(first, second, clusters, weight="case")
    differences = first - second
    left_out = [differences[clusters != one].mean() for one in range(30)]
    assert found.standard_error == pytest.approx(
        np.sqrt(((left_out - differences.mean()) ** 2).sum()), rel=1e-9
    )
    assert found.design_effect > 1


@given(PAIRS)
def test_bounds_are_ordered_and_swapping_changes_the_sign(pairs):
    first, second, clusters = zip(*pairs, strict=True)
    found, swapped = paired_difference(first, second, clusters), paired_difference(second, first, clusters)
    assert found.value == pytest.approx(-swapped.value, abs=1e-12)
    if found.low is None:
        assert (found.high, found.clusters) == (None, 1)
        assert found.reason is not None
    else:
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low == pytest.approx(-swapped.high, abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "value"), [(0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, -1), (0.75, 0.25, 0.5)]
)
def test_equal_differences_are_bounded_by_the_clusters_that_could_differ(first, second, value):
    found = paired_difference(np.full(40, first), np.full(40, second), np.repeat(np.arange(20), 2))
    share = zero_event_bound(20, level=0.975)
    assert found.value == value
    assert found.low == pytest.approx(value - (value + 1) * share)
    assert found.high == pytest.approx(value + (1 - value) * share)
    assert "all equal" in found.method
    assert found.reason is None


@pytest.mark.parametrize(("more", "fewer"), [(1, 0), (5, 0), (6, 0), (9, 2), (14, 5)])
def test_few_differences_of_single_pairs_have_the_exact_sign_test(more, fewer):
    first, second = np.zeros(60), np.zeros(60)
    first[:more], second[more : more + fewer] = 1, 1
    exact = min(1.0, 2 * binom.sf(more - 1, more + fewer, 0.5))
    assert difference_p_value(first, second, np.arange(60)) == pytest.approx(exact, rel=1e-9)


SIDES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 30)), min_size=2, max_size=150
)


@settings(deadline=None)
@given(SIDES, st.sampled_from(["cluster", "case"]), st.floats(0.5, 2))
def test_the_p_value_is_the_error_at_which_the_interval_excludes_no_difference(pairs, weight, factor):
    first, second, clusters = np.array(pairs).T
    p_value = difference_p_value(first / 4, second / 4, clusters, weight=weight)
    if p_value is None:
        assert np.unique(clusters).size == 1
        return
    assert 0 < p_value <= 1
    assert p_value == pytest.approx(
        difference_p_value(second / 4, first / 4, clusters, weight=weight), rel=1e-7
    )
    error = p_value * factor
    if 1e-12 < error < 1 and abs(factor - 1) > 1e-6:
        found = paired_difference(first / 4, second / 4, clusters, weight=weight, level=1 - error)
        assert (found.low > 1e-15 or found.high < -1e-15) == (factor > 1)


def test_no_interval_gives_no_p_value_and_no_difference_one():
    assert difference_p_value([], [], []) is None
    assert difference_p_value([1], [0], [3]) is None
    assert difference_p_value([1, 0], [1, 0], [1, 2]) == 1.0
    assert difference_p_value([1, 0], [0, 1], [1, 2]) == 1.0


@pytest.mark.parametrize("weight", ["cluster", "case"])
def test_the_order_of_pairs_and_the_names_of_clusters_change_no_digit(weight):
    draws = np.random.default_rng(8)
    first, second, clusters = draws.random(200), draws.random(200) ** 2, draws.integers(0, 40, 200)
    order = draws.permutation(200)
    there = first, second, clusters
    again = first[order], second[order], 500 - 3 * clusters[order]
    assert paired_difference(*there, weight=weight) == paired_difference(*again, weight=weight)
    assert difference_p_value(*there, weight=weight) == difference_p_value(*again, weight=weight)


@pytest.mark.slow
@pytest.mark.parametrize(("clusters", "rate"), [(12, 0.2), (24, 0.02), (60, 0.05), (200, 0.2)])
def test_without_a_difference_a_difference_is_claimed_no_more_often_than_said(clusters, rate):
    draws, claimed, groups = np.random.default_rng(clusters), 0, np.repeat(np.arange(clusters), 5)
    for _ in range(2000):
        chances = draws.beta(rate * 2, (1 - rate) * 2, clusters)[groups]
        first, second = (draws.random(groups.size) < chances for _ in range(2))
        claimed += difference_p_value(first.astype(float), second.astype(float), groups) <= 0.05
    # four standard errors of .05 at 2,000 runs
    assert claimed / 2000 < 0.05 + 0.0195


def test_one_cluster_gives_a_value_without_interval():
    found = paired_difference([1, 0], [0, 0], [5, 5])
    assert (found.value, found.low, found.high) == (0.5, None, None)
    assert found.reason is not None


def test_no_pairs_are_undefined():
    found = paired_difference([], [], [])
    assert (found.value, found.reason) == (None, "there are no pairs")


@pytest.mark.parametrize(
    "cells", [(5, 12, 3, 20), (0, 242, 0, 208), (1, 4, 4, 1), (0, 0, 1, 0), (9, 700, 650, 9)]
)
def test_discordance_counts_cells_and_agrees_with_statsmodels(cells):
    both, only_first, only_second, neither = cells
    first = np.repeat([1, 1, 0, 0], cells)
    second = np.repeat([1, 0, 1, 0], cells)
    found = discordance(first, second)
    assert (found.both, found.only_first, found.only_second, found.neither) == cells
    expected = mcnemar([[both, only_first], [only_second, neither]], exact=True).pvalue
    assert found.p_value == pytest.approx(min(1.0, expected), rel=1e-9)
    assert found.reason is None


def test_all_discordant_pairs_on_one_side_give_the_closed_form():
    found = discordance(np.ones(242), np.zeros(242))
    assert found.p_value == pytest.approx(2 * 0.5**242, rel=1e-9)


def test_without_discordant_pairs_there_is_no_p_value():
    found = discordance([1, 0], [1, 0])
    assert (found.p_value, found.reason) == (None, "no pair is discordant")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: paired_difference([1], [1, 0], [1, 2]), "first has 1, second has 2, clusters has 2"),
        (lambda: paired_difference([2], [1], [1]), "first must be at least 0 and at most 1, not 2.0"),
        (lambda: paired_difference([1], [math.nan], [1]), "second must be finite, not nan"),
        (lambda: paired_difference([1], [1], [1], level=-1), "-1"),
        (lambda: discordance([1, 0.5], [1, 1]), "first must be 0 or 1, not 0.5"),
        (lambda: discordance([1], [1, 1]), "lengths differ"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
