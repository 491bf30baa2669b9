"""Shares by severity level, and the mean of the worst."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redloom.errors import InputError
from redloom.stats import clustered_rate, expected_shortfall, severity_distribution

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=60)
TAILS = st.floats(0.01, 0.995)


@pytest.mark.parametrize("weight", ["cluster", "case"])
def test_levels_are_counted_with_the_intervals_of_their_clusters(weight):
    severities, clusters = [0, 2, 2, 0, 3, 0], [1, 1, 1, 2, 2, 3]
    found = severity_distribution(severities, clusters, levels=[0, 1, 2, 3], weight=weight)
    assert found.levels == (0, 1, 2, 3)
    assert found.counts == (3, 0, 2, 1)
    assert found.shares == tuple(
        clustered_rate([s == one for s in severities], clusters, weight=weight) for one in found.levels
    )
    assert found.n == 6


def test_no_cases_have_undefined_shares():
    found = severity_distribution([], [], levels=[0, 1])
    assert found.counts == (0, 0)
    assert all(share.value is None and share.reason for share in found.shares)


def test_the_tail_of_a_uniform_is_known():
    grid = (np.arange(10**6) + 0.5) / 10**6
    assert expected_shortfall(grid).value == pytest.approx(0.975, abs=1e-6)
    assert expected_shortfall(np.random.default_rng(1).random(10**6)).value == pytest.approx(0.975, abs=5e-4)


@pytest.mark.parametrize(
    ("severities", "level", "value", "tail"),
    [
        ([1, 2, 3, 4], 0.5, 3.5, 2.0),
        ([1, 2, 3, 4], 0.4, (4 + 3 + 0.4 * 2) / 2.4, 2.4),
        ([0, 0, 0, 5], 0.9, 5.0, 0.4),
        ([0, 3, 3, 3], 0.5, 3.0, 2.0),
        ([2, 2, 2], 0.95, 2.0, 0.15),
    ],
)
def test_the_edge_of_the_tail_counts_by_its_fraction(severities, level, value, tail):
    found = expected_shortfall(severities, level=level)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.tail == pytest.approx(tail, abs=1e-12)


@given(VALUES, TAILS)
def test_it_is_the_minimum_of_the_rockafellar_uryasev_function(values, level):
    at = np.array(values)
    objective = min(c + np.maximum(at - c, 0).mean() / (1 - level) for c in values)
    assert expected_shortfall(values, level=level).value == pytest.approx(objective, abs=1e-7)


@given(VALUES, TAILS, TAILS)
def test_it_lies_between_mean_and_maximum_and_rises_with_the_level(values, one, other):
    low, high = sorted((one, other))
    first, second = expected_shortfall(values, level=low).value, expected_shortfall(values, level=high).value
    assert np.mean(values) - 1e-9 <= first <= second + 1e-9
    assert second <= max(values) + 1e-9


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=60), TAILS)
def test_it_is_subadditive(pairs, level):
    first, second = np.array(pairs).T
    together = expected_shortfall(first + second, level=level).value
    apart = expected_shortfall(first, level=level).value + expected_shortfall(second, level=level).value
    assert together <= apart + 1e-9


@given(VALUES, TAILS, st.floats(0, 10), st.floats(-10, 10))
def test_it_shifts_and_scales_with_the_severities(values, level, scale, shift):
    plain = expected_shortfall(values, level=level).value
    moved = expected_shortfall(scale * np.array(values) + shift, level=level).value
    assert moved == pytest.approx(scale * plain + shift, abs=1e-8)


def test_no_cases_are_undefined():
    found = expected_shortfall([])
    assert (found.value, found.n, found.reason) == (None, 0, "there are no cases")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: severity_distribution([4], [1], levels=[0, 1]), "severity 4.0 is none of the levels (0, 1)"),
        (lambda: severity_distribution([0.5], [1], levels=[0, 1]), "0.5"),
        (lambda: severity_distribution([0], [1], levels=[1, 0]), "rising order"),
        (lambda: severity_distribution([0], [1], levels=[]), "rising order"),
        (lambda: severity_distribution([math.nan], [1], levels=[0]), "nan"),
        (lambda: severity_distribution([0], [1], levels=[0], level=0), "level"),
        (lambda: severity_distribution([0], [1, 2], levels=[0]), "severities has 1, clusters has 2"),
        (lambda: expected_shortfall([math.inf]), "inf"),
        (lambda: expected_shortfall([1], level=1), "level must lie between 0 and 1, not 1"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
