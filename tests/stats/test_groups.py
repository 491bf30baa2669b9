"""Whether groups differ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from redloom.errors import InputError
from redloom.stats import clustered_rate, fisher_p, homogeneity_p, seeded, weighted_mean

TABLES = st.tuples(st.integers(0, 120), st.integers(0, 120), st.integers(0, 120), st.integers(0, 120))


def p_of(outcomes, groups, clusters):
    return homogeneity_p(outcomes, groups, clusters, generator=seeded(0))


def of_two(first, second):
    """One cluster for each number."""
    return p_of([*first, *second], [0] * len(first) + [1] * len(second), range(len(first) + len(second)))


def test_few_clusters_give_the_share_of_deals_that_are_as_uneven():
    # of the 20 ways to deal six means to two groups of three, the two extremes are as uneven
    assert of_two([1, 1, 1], [0, 0, 0]) == pytest.approx(2 / 20, abs=4 * math.sqrt(0.1 * 0.9 / 2000))
    assert of_two([1] * 20, [0] * 20) == 1 / 2000
    assert of_two([0.3] * 4, [0.3] * 9) == 1.0


def test_units_of_a_cluster_are_no_further_evidence():
    outcomes, groups, clusters = [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], range(6)
    copied = [np.repeat(each, 50) for each in (outcomes, groups, clusters)]
    assert p_of(*copied) == p_of(outcomes, groups, clusters)


def test_a_cluster_in_two_groups_has_a_mean_in_each():
    assert p_of([1, 0, 1, 0], [0, 1, 0, 1], [5, 5, 6, 6]) == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("groups", "clusters"),
    [([], []), ([0, 0, 0], [1, 2, 3]), ([0, 0, 1], [1, 2, 3]), ([0, 0, 1, 1], [1, 1, 2, 2])],
)
def test_fewer_than_two_groups_of_two_clusters_say_nothing(groups, clusters):
    assert p_of([1] * len(groups), groups, clusters) is None


def test_the_order_of_units_and_the_names_of_clusters_change_nothing():
    draws = np.random.default_rng(1)
    outcomes, clusters = draws.random(90), draws.integers(0, 30, 90)
    groups, order = clusters % 3, draws.permutation(90)
    assert p_of(outcomes, groups, clusters) == p_of(outcomes[order], groups[order], 70 - 2 * clusters[order])


@pytest.mark.slow
def test_one_rate_for_all_is_called_uneven_no_more_often_than_said():
    draws, found = np.random.default_rng(3), 0
    groups, clusters = np.repeat([0, 1, 2], [20, 120, 240]), np.repeat(np.arange(95), 4)
    for _ in range(1000):
        chances = draws.beta(0.1, 2, 95)[clusters]
        found += p_of((draws.random(380) < chances).astype(float), groups, clusters) <= 0.05
    assert found / 1000 < 0.07


@given(TABLES)
def test_fisher_agrees_with_scipy(table):
    a, b, more, others = table
    expected = fisher_exact([[a, more], [b, others]])[1]
    assert fisher_p(a, a + more, b, b + others) == pytest.approx(expected, rel=1e-6)


def test_fisher_at_any_size():
    assert fisher_p(0, 0, 3, 9) == 1.0
    assert fisher_p(23, 100, 0, 100) == pytest.approx(5.71e-8, rel=1e-3)
    assert fisher_p(50_000, 100_000, 50_000, 100_000) == pytest.approx(1.0)
    assert 0 < fisher_p(49_000, 100_000, 51_000, 100_000) < 1e-15


@pytest.mark.parametrize("weight", ["cluster", "case"])
def test_a_weighted_mean_is_the_value_of_an_estimate(weight):
    draws = np.random.default_rng(2)
    values, clusters = draws.random(50), draws.integers(0, 9, 50)
    assert (
        weighted_mean(values, clusters, weight=weight)
        == clustered_rate(values, clusters, weight=weight).value
    )
    assert weighted_mean(-values, clusters, weight=weight) == -weighted_mean(values, clusters, weight=weight)
    assert weighted_mean([], [], weight=weight) is None


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: fisher_p(3, 2, 1, 4), "events (3) cannot exceed n (2)"),
        (lambda: fisher_p(1, 2, -1, 4), "-1"),
        (lambda: p_of([2], [0], [0]), "outcomes must be at least 0 and at most 1, not 2.0"),
        (lambda: p_of([1, 0], [0], [0, 1]), "outcomes has 2, groups has 1, clusters has 2"),
        (lambda: weighted_mean([1], [1], weight="unit"), "weight must be 'cluster' or 'case', not 'unit'"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
