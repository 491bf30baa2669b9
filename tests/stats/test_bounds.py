"""One-sided bounds that hold whatever the clusters look like."""

from __future__ import annotations

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaincinv

from redloom.errors import InputError
from redloom.stats import bound_without_events, clopper_pearson, lower_bound, upper_bound, zero_event_bound
from redloom.stats._exponentials import log_tail

WEIGHTS = st.sampled_from(["cluster", "case"])


def of_means(count, *means, **keywords):
    return upper_bound([*means, *[0.0] * (count - len(means))], range(count), **keywords)


@pytest.mark.parametrize(
    ("count", "means", "bound"),
    [
        (60, (), 0.04870),
        (60, (0.25,), 0.05325),
        (60, (0.05,), 0.04952),
        (60, (1,), 0.07664),
        (150, (), 0.01977),
        (150, (0.25,), 0.02165),
        (150, (0.05,), 0.02011),
        (150, (1,), 0.03123),
        (24, (), 0.11735),
        (24, (0.25,), 0.12786),
        (24, (1,), 0.18289),
        (60, (0.2,) * 6 + (0.6,) * 3 + (1,), 0.13278),
    ],
)
def test_bounds_have_their_known_values(count, means, bound):
    assert of_means(count, *means) == pytest.approx(bound, abs=5e-6)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.6, 0.9999)
)
def test_clusters_of_zeros_and_ones_give_clopper_and_pearson(counts, level):
    events, n = counts
    outcomes, exact = [1] * events + [0] * (n - events), clopper_pearson(events, n, level=2 * level - 1)
    assert upper_bound(outcomes, range(n), level=level) == pytest.approx(exact.high, rel=1e-9)
    assert lower_bound(outcomes, range(n), level=level) == pytest.approx(exact.low, rel=1e-7, abs=1e-12)
    assert upper_bound([0] * n, range(n), level=level) == zero_event_bound(n, level=level)


@given(st.integers(2, 2000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_the_inversion_agrees_with_the_closed_form_of_clopper_and_pearson(counts):
    events, n = counts
    bound = betaincinv(events + 1, n - events, 0.95)
    found = log_tail(np.array([1 - bound, -bound]), np.array([events + 1.0, n - events]))
    assert found == pytest.approx(math.log(0.05), abs=1e-9)


WEIGHED = st.lists(
    st.floats(-4, 0).flatmap(lambda e: st.sampled_from([10**e, -(10**e)])),
    min_size=2,
    max_size=30,
    unique=True,
)


@given(WEIGHED)
def test_the_inversion_agrees_with_exact_fractions(weights):
    exact, parts = Fraction(0), [Fraction(w) for w in weights]
    for i, own in enumerate(parts):
        if own > 0:
            exact += math.prod(own / (own - other) for j, other in enumerate(parts) if j != i)
    found = log_tail(np.array(weights), np.ones(len(weights)))
    if exact in (0, 1):
        assert found == (0.0 if exact == 1 else -math.inf)
    else:
        assert found == pytest.approx(math.log(exact.numerator) - math.log(exact.denominator), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_bounds_agree_with_draws(seed):
    generator = np.random.default_rng(seed)
    means = np.sort(generator.beta(0.3, 2, 15))
    drawn = generator.dirichlet(np.ones(16), size=400_000) @ np.append(means, 1)
    assert upper_bound(means, range(15)) == pytest.approx(np.quantile(drawn, 0.95), abs=0.0015)


def test_under_case_weight_the_largest_cluster_widens_the_bound():
    one_to_three = bound_without_events([1, 2, 3] * 20, weight="case")
    generator = np.random.default_rng(1)
    drawn = generator.exponential(size=(100_000, 61))
    weights = np.append(-one_to_three * np.repeat([1, 2, 3], 20), 3 * (1 - one_to_three))
    assert np.mean(drawn @ weights > 0) == pytest.approx(0.05, abs=0.003)
    assert one_to_three == pytest.approx(0.0716, abs=5e-5)
    assert bound_without_events([1] * 29 + [200], weight="case") == pytest.approx(0.87, abs=5e-4)
    assert bound_without_events([1, 2, 3] * 20) == zero_event_bound(60)
    assert bound_without_events([4] * 60, weight="case") == zero_event_bound(60)
    assert bound_without_events([4] * 60, weight="case", largest=8) > zero_event_bound(60)
    assert bound_without_events([4] * 60, weight="case", largest=2) == zero_event_bound(60)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), WEIGHTS)
def test_the_bound_without_events_is_that_of_a_run_without_any(sizes, weight):
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    assert bound_without_events(sizes, weight=weight) == upper_bound(
        np.zeros(sum(sizes)), clusters, weight=weight
    )


def test_nothing_excludes_nothing():
    assert upper_bound([], []) == bound_without_events([]) == 1.0
    assert lower_bound([], []) == 0.0
    assert upper_bound([0], [5]) == pytest.approx(0.95)


@pytest.mark.parametrize("weight", ["cluster", "case"])
@pytest.mark.parametrize("sizes", [[4] * 60, [20] * 60, [1, 2, 3] * 20, [1] * 20 + [40]])
def test_no_event_lowers_a_bound_from_none_to_one_in_every_cluster(sizes, weight):
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    outcomes, before = np.zeros(clusters.size), 0.0
    for at in [None, *np.cumsum(sizes) - 1]:
        if at is not None:
            outcomes[at] = 1
        bound = upper_bound(outcomes, clusters, weight=weight)
        assert bound > before
        before = bound


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=60), st.data(), WEIGHTS
)
def test_one_more_event_never_lowers_a_bound(units, data, weight):
    outcomes, clusters = np.array(units).T
    at = data.draw(st.integers(0, len(units) - 1))
    more = outcomes.copy()
    more[at] = 1
    assert upper_bound(more, clusters, weight=weight) >= upper_bound(outcomes, clusters, weight=weight) - 1e-9
    assert lower_bound(more, clusters, weight=weight) >= lower_bound(outcomes, clusters, weight=weight) - 1e-9


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8)), min_size=1, max_size=40),
    WEIGHTS,
    st.randoms(use_true_random=False),
)
def test_the_order_of_units_changes_no_digit(units, weight, random):
    shuffled = list(units)
    random.shuffle(shuffled)
    bounds = [
        upper_bound([y for y, _ in some], [c for _, c in some], weight=weight)
        for some in (units, units, shuffled)
    ]
    assert len(set(bounds)) == 1
    assert 0 < bounds[0] <= 1


def test_ten_thousand_clusters_of_different_shares_take_little_memory():
    means = np.random.default_rng(2).random(10_000) ** 3
    tracemalloc.start()
    bound = upper_bound(means, np.arange(10_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    error = means.std() / 100
    assert bound == pytest.approx(means.mean() + 1.645 * error, abs=0.05 * error)
    assert peak < 20e6


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: upper_bound([2], [1]), "outcomes must be at least 0 and at most 1, not 2.0"),
        (lambda: upper_bound([1], [1, 2]), "outcomes has 1, clusters has 2"),
        (lambda: upper_bound([1], [1], level=1), "level must lie between 0 and 1, not 1"),
        (lambda: upper_bound([1], [1], largest=0), "largest must be at least 1, not 0"),
        (lambda: upper_bound([1], [1], weight="unit"), "weight must be 'cluster' or 'case', not 'unit'"),
        (lambda: lower_bound([math.nan], [1]), "outcomes must be finite, not nan"),
        (lambda: bound_without_events([3, 0]), "sizes must be at least 1, not 0"),
        (lambda: bound_without_events([1.5]), "sizes must be a list of whole numbers"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
