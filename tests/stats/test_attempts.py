"""Success within k attempts."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

from redloom.errors import InputError
from redloom.stats import clustered_rate, rate_at_k, success_at_k

TRIALS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def exact(c, n, k):
    return float(1 - Fraction(math.comb(n - c, k), math.comb(n, k)))


def test_three_of_ten_at_five_is_unbiased():
    assert success_at_k([3], [10], 5).values == pytest.approx([0.9167], abs=5e-5)
    assert success_at_k([3], [10], 5).values[0] != pytest.approx(1 - 0.7**5, abs=1e-2)


@given(TRIALS, st.data())
def test_it_is_the_share_of_subsets_with_a_success(trial, data):
    c, n = trial
    k = data.draw(st.integers(1, n))
    assert success_at_k([c], [n], k).values[0] == pytest.approx(exact(c, n, k), rel=1e-12, abs=1e-300)


@given(TRIALS)
def test_it_rises_with_k_from_the_plain_rate(trial):
    c, n = trial
    curve = [success_at_k([c], [n], k).values[0] for k in range(1, min(n, 40) + 1)]
    assert curve[0] == pytest.approx(c / n, abs=1e-12)
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(curve))
    assert success_at_k([c], [n], n).values[0] == (1.0 if c else 0.0)


@pytest.mark.parametrize(
    ("c", "n", "k"), [(1, 10**6, 1), (2, 10**6, 3), (5000, 10**6, 200), (1, 10**9, 7), (3, 10**4, 9000)]
)
def test_large_numbers_of_attempts_lose_no_digits(c, n, k):
    pairs = range(min(k, c))
    missed = math.prod(Fraction(n - max(k, c) - i, n - i) for i in pairs)
    assert success_at_k([c], [n], k).values[0] == pytest.approx(float(1 - missed), rel=1e-10)


@pytest.mark.parametrize(("k", "expected"), [(10, 0.0956), (50, 0.3950), (392, 0.9805)])
def test_one_percent_per_attempt_grows_with_the_budget(k, expected):
    assert success_at_k([10**7], [10**9], k).values[0] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("k", "expected"), [(1, 0.0909), (10, 0.4322), (100, 0.7869), (1000, 0.9312)])
def test_the_mean_recovers_a_planted_beta_binomial(k, expected):
    generator = np.random.default_rng(5)
    cases, attempts = 40_000, 1200
    successes = generator.binomial(attempts, generator.beta(0.5, 5, size=cases))
    assert 1 - math.exp(betaln(0.5, 5 + k) - betaln(0.5, 5)) == pytest.approx(expected, abs=5e-5)
    found = success_at_k(successes, np.full(cases, attempts), k).values.mean()
    assert found == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(cases))


def test_cases_with_too_few_attempts_are_left_out_and_counted():
    found = success_at_k([1, 0, 2, 4], [2, 5, 8, 4], 5)
    assert found.kept.tolist() == [False, True, True, False]
    assert found.left_out == 2
    assert found.values == pytest.approx([0.0, exact(2, 8, 5)])
    assert not found.values.flags.writeable


def test_many_cases_agree_with_one_at_a_time():
    generator = np.random.default_rng(3)
    attempts = generator.integers(1, 60, size=500)
    successes = generator.integers(0, attempts + 1)
    found = success_at_k(successes, attempts, 6)
    single = [exact(int(c), int(n), 6) for c, n in zip(successes, attempts, strict=True) if n >= 6]
    assert found.values == pytest.approx(single, abs=1e-12)


def test_the_rate_at_one_is_the_clustered_rate():
    clusters = np.repeat(np.arange(10), 4)
    successes = np.random.default_rng(1).integers(0, 2, size=40)
    found = rate_at_k(successes, np.ones(40, dtype=int), clusters, k=1)
    plain = clustered_rate(successes, clusters)
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == (
        plain.value,
        plain.low,
        plain.high,
    )
    assert (found.estimate.n, found.estimate.clusters, found.left_out, found.k) == (40, 10, 0, 1)


def test_the_rate_counts_only_cases_with_enough_attempts():
    found = rate_at_k([1, 1, 0, 5], [5, 2, 5, 5], [1, 2, 3, 4], k=5)
    assert found.estimate.value == pytest.approx(2 / 3)
    assert (found.estimate.n, found.estimate.clusters, found.left_out) == (3, 3, 1)


@pytest.mark.parametrize(
    ("successes", "attempts", "reason"),
    [([1, 0], [2, 2], "no case has at least 3 attempts"), ([], [], "there are no cases")],
)
def test_no_case_with_enough_attempts_is_undefined(successes, attempts, reason):
    found = rate_at_k(successes, attempts, list(range(len(attempts))), k=3)
    assert (found.estimate.value, found.estimate.low) == (None, None)
    assert (found.estimate.reason, found.left_out) == (reason, len(attempts))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: success_at_k([1], [2], 0), "k must be at least 1, not 0"),
        (lambda: success_at_k([3], [2], 1), "successes (3) cannot exceed attempts (2)"),
        (lambda: success_at_k([-1], [2], 1), "-1"),
        (lambda: success_at_k([1, 1], [2], 1), "successes has 2, attempts has 1"),
        (lambda: success_at_k([1.0], [2], 1), "successes must be a list of whole numbers"),
        (lambda: rate_at_k([1], [2], [1, 2], k=1), "clusters has 2"),
        (lambda: rate_at_k([1], [2], [1], k=1, level=2), "level"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
