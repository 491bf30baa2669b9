"""The rate of outcomes that come in clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from redloom.errors import InputError
from redloom.stats import clustered_rate, upper_bound, wilson, zero_event_bound
from redloom.stats._clusters import _satterthwaite  # pyright: ignore[reportPrivateUsage]

# five clusters of 3, 2, 4, 1 and 3
OUTCOMES = np.array([1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1])
CLUSTERS = np.repeat([7, 2, 5, 9, 1], [3, 2, 4, 1, 3])


def dense(sizes, correlation):
    """Satterthwaite's degrees of freedom with whole matrices."""
    n = sizes.sum()
    a = 1 / np.sqrt(1 - sizes / n)
    between = -np.outer(a * sizes, a * sizes) / n**3
    between[np.diag_indices(sizes.size)] = sizes / n**2
    shift = (np.diag(sizes) - np.outer(sizes, sizes) / n) * a[:, None] / n
    b = (1 - correlation) * between + correlation * (shift @ shift.T)
    return np.trace(b) ** 2 / np.trace(b @ b)


def test_the_standard_error_is_that_of_cr3():
    found = clustered_rate(OUTCOMES, CLUSTERS, weight="case")
    sizes, sums = np.array([3, 2, 4, 1, 3.0]), np.array([1, 0, 3, 0, 1])
    residuals, left = sums - sizes * 5 / 13, 1 - sizes / 13
    errors = [np.sqrt((residuals**2 / left**power).sum()) / 13 for power in (0, 1, 2)]
    assert errors[0] * np.sqrt(5 / 4) == pytest.approx(0.147039, abs=5e-7)
    assert errors[1] == pytest.approx(0.153972, abs=5e-7)
    assert errors[2] == pytest.approx(0.181004, abs=5e-7)
    assert found.value == pytest.approx(0.384615, abs=5e-7)
    assert found.standard_error == pytest.approx(errors[2], rel=1e-12)
    assert found.kish_clusters == pytest.approx(4.3333, abs=5e-5)
    assert found.event_clusters == pytest.approx(2.2727, abs=5e-5)
    assert found.largest_share == pytest.approx(4 / 13)
    assert (found.n, found.events, found.clusters, found.weight, found.sparse) == (13, 5, 5, "case", True)


@pytest.mark.parametrize(("correlation", "df"), [(0.0, 3.3612), (1.0, 2.7408)])
def test_the_degrees_of_freedom_have_their_known_values(correlation, df):
    sizes = np.array([3, 2, 4, 1, 3.0])
    assert dense(sizes, correlation) == pytest.approx(df, abs=5e-5)
    assert _satterthwaite(sizes, correlation) == pytest.approx(df, abs=5e-5)


@given(st.lists(st.integers(1, 300), min_size=2, max_size=40), st.floats(0, 1))
def test_the_degrees_of_freedom_agree_with_whole_matrices(sizes, correlation):
    sizes = np.array(sizes, dtype=float)
    assert _satterthwaite(sizes, correlation) == pytest.approx(dense(sizes, correlation), rel=1e-6)


def test_a_regular_interval_is_the_score_interval_of_an_effective_size():
    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(400), 3)
    outcomes = generator.random(1200) < generator.beta(2, 2, 400)[clusters]
    found = clustered_rate(outcomes, clusters)
    means = outcomes.reshape(400, 3).mean(axis=1)
    mean, variance = means.mean(), ((means - means.mean()) ** 2).sum() / 399**2
    size, quantile = mean * (1 - mean) / variance, student.ppf(0.975, 399)
    centre = mean + quantile**2 / (2 * size)
    half = quantile * math.sqrt(mean * (1 - mean) / size + quantile**2 / (4 * size**2))
    assert found.low == pytest.approx((centre - half) / (1 + quantile**2 / size), abs=1e-12)
    assert found.high == pytest.approx((centre + half) / (1 + quantile**2 / size), abs=1e-12)
    assert found.effective_n == pytest.approx(size)
    assert found.df == pytest.approx(399)
    assert not found.sparse and "sparse" not in found.method


def test_the_weight_decides_what_counts_the_same():
    outcomes, clusters = [1] * 8 + [0, 0], [1] * 8 + [2, 3]
    by_cluster, by_case = (clustered_rate(outcomes, clusters, weight=w) for w in ("cluster", "case"))
    assert by_cluster.value == pytest.approx(1 / 3)
    assert by_case.value == pytest.approx(0.8)
    assert (by_cluster.weight, by_case.weight) == ("cluster", "case")
    assert by_case.largest_share == 0.8


@pytest.mark.parametrize("events", [3, 20, 30, 45, 60, 80])
def test_clusters_of_one_size_are_the_same_under_both_weights(events):
    outcomes = np.zeros(300)
    outcomes[np.random.default_rng(events).choice(300, events, replace=False)] = 1
    clusters = np.repeat(np.arange(100), 3)
    one, other = (clustered_rate(outcomes, clusters, weight=w) for w in ("cluster", "case"))
    for name in ("value", "low", "high", "standard_error", "df", "event_clusters", "design_effect"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)


@pytest.mark.parametrize(("events", "high"), [(20, 0.065), (40, 0.062), (50, 0.062), (60, 0.062)])
def test_the_join_has_no_cliff(events, high):
    outcomes = np.zeros((60, 20))
    outcomes[:events, 0] = 1
    found = clustered_rate(outcomes.ravel(), np.repeat(np.arange(60), 20), level=0.9)
    assert found.high == pytest.approx(high, abs=1e-3)
    assert found.event_clusters == pytest.approx(events)
    assert found.sparse == (events < 60) == ("sparse" in found.method)


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


def against(before, after):
    """How far an end went down while an event was added, as a share of the width."""
    return max(before.low - after.low, before.high - after.high) / (before.high - before.low)


@pytest.mark.parametrize("weight", ["cluster", "case"])
@pytest.mark.parametrize(
    "sizes",
    [[4] * 24, [20] * 60, [1, 2, 3] * 25, [1] * 30 + [60], np.random.default_rng(1).geometric(0.05, 70)],
)
def test_no_event_moves_an_end_against_its_direction_by_a_tenth_of_the_width(sizes, weight):
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    outcomes = np.zeros(clusters.size)
    before = clustered_rate(outcomes, clusters, weight=weight)
    for at in np.cumsum(sizes) - 1:
        outcomes[at] = 1
        after = clustered_rate(outcomes, clusters, weight=weight)
        assert against(before, after) < 0.1
        before = after


COUNTS = st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size)))


@settings(deadline=None)
@given(st.lists(COUNTS, min_size=3, max_size=80), st.data(), st.sampled_from(["cluster", "case"]))
def test_one_more_event_anywhere_moves_no_end_against_its_direction_by_a_tenth(counts, data, weight):
    sizes, events = np.array(counts).T
    free = np.flatnonzero(events < sizes)
    if free.size == 0:
        return
    clusters, outcomes = np.repeat(np.arange(sizes.size), sizes), []
    for size, some in counts:
        outcomes += [1] * some + [0] * (size - some)
    before = clustered_rate(outcomes, clusters, weight=weight)
    at = data.draw(st.sampled_from(free.tolist()))
    outcomes[int(sizes[:at].sum() + events[at])] = 1
    assert against(before, clustered_rate(outcomes, clusters, weight=weight)) < 0.1


@pytest.mark.parametrize("times", [2, 5])
def test_copies_of_every_unit_change_nothing_but_n(times):
    draws = np.random.default_rng(9)
    clusters = np.repeat(np.arange(40), draws.integers(1, 6, 40))
    outcomes = (draws.random(clusters.size) < draws.beta(0.3, 1, 40)[clusters]).astype(float)
    for weight in ("cluster", "case"):
        one = clustered_rate(outcomes, clusters, weight=weight)
        more = clustered_rate(np.tile(outcomes, times), np.tile(clusters, times), weight=weight)
        assert more.value == pytest.approx(one.value, abs=1e-12)
        assert more.event_clusters == pytest.approx(one.event_clusters)
        assert upper_bound(
            np.tile(outcomes, times), np.tile(clusters, times), weight=weight
        ) == pytest.approx(upper_bound(outcomes, clusters, weight=weight), rel=1e-9)


def test_equal_outcomes_have_the_bounds_of_that_many_clusters():
    clusters = np.repeat(np.arange(24), 10)
    none, every = clustered_rate(np.zeros(240), clusters), clustered_rate(np.ones(240), clusters)
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(zero_event_bound(24, level=0.975)))
    assert (every.value, every.low, every.high) == (1, pytest.approx(1 - none.high), 1)
    assert none.design_effect is None and none.standard_error is None
    assert "all equal" in none.method
    assert (none.event_clusters, none.sparse) == (0, True)


def test_equal_shares_have_an_interval_though_rounding_makes_them_vary():
    found = clustered_rate([0.1 + 0.2, 0.3, 0.3, 0.3], [1, 2, 3, 4])
    assert "all equal" in found.method
    assert found.low == pytest.approx(0.3 * 0.025**0.25)
    assert found.high == pytest.approx(1 - 0.7 * 0.025**0.25)
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


@given(UNITS, st.sampled_from(["cluster", "case"]), st.randoms(use_true_random=False))
def test_the_order_of_units_and_the_names_of_clusters_change_no_digit(units, weight, random):
    shuffled = list(units)
    random.shuffle(shuffled)
    first = clustered_rate([y for y, _ in units], [c for _, c in units], weight=weight)
    second = clustered_rate([y for y, _ in shuffled], [100 - 3 * c for _, c in shuffled], weight=weight)
    assert second == first
    if first.low is None:
        assert first.reason is not None
    else:
        assert first.reason is None
        assert 0 <= first.low <= first.value <= first.high <= 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: clustered_rate([0, 1], [1]), "outcomes has 2, clusters has 1"),
        (lambda: clustered_rate([0, math.nan], [1, 2]), "nan"),
        (lambda: clustered_rate([0, 1.5], [1, 2]), "1.5"),
        (lambda: clustered_rate([0, -0.5], [1, 2]), "-0.5"),
        (lambda: clustered_rate([0, 1], [0.5, 2]), "clusters must be a list of whole numbers"),
        (lambda: clustered_rate([[0, 1]], [1, 2]), "(1, 2)"),
        (
            lambda: clustered_rate([0, 1], [1, 2], weight="unit"),
            "weight must be 'cluster' or 'case', not 'unit'",
        ),
        (lambda: clustered_rate(["x", "y"], [1, 2]), "outcomes must be numbers"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
