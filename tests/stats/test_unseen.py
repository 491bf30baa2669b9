"""Good-Turing and Chao1 against worked numbers, and against planted communities."""

from __future__ import annotations

import numpy as np
import pytest

from redloom.stats import accumulation, chao1, unseen_mass

# f1 = 10, f2 = 5, S = 30, n = 200 (methods of the project, M12)
COUNTS = [1] * 10 + [2] * 5 + [12] * 15


def test_worked_numbers():
    assert sum(COUNTS) == 200
    mass = unseen_mass(COUNTS)
    assert mass.value == pytest.approx(0.05)
    assert (mass.n, mass.events) == (200, 10)
    # Esty: sqrt((0.05 + 0.05 - 0.0025) / 200) = 0.022079
    assert mass.high == pytest.approx(0.05 + 1.959964 * 0.0220794, abs=1e-6)
    assert chao1(COUNTS).value == pytest.approx(40.0)


def test_the_interval_of_chao1_is_the_log_normal_one():
    found = chao1(COUNTS)
    # variance 5 (2^4/4 + 2^3 + 2^2/2) = 70; K = exp(1.96 sqrt(log(1 + 70/100)))
    factor = np.exp(1.959964 * np.sqrt(np.log(1.7)))
    assert found.low == pytest.approx(30 + 10 / factor, abs=1e-4)
    assert found.high == pytest.approx(30 + 10 * factor, abs=1e-4)


def test_without_a_class_met_twice_the_other_form_is_taken():
    assert chao1([1, 1, 1, 5]).value == pytest.approx(4 + 3)


@pytest.mark.parametrize("counts", [[], [0, 0]])
def test_nothing_observed_is_undefined(counts: list[int]):
    for found in (unseen_mass(counts), chao1(counts)):
        assert (found.value, found.low, found.high) == (None, None, None)
        assert found.reason == "nothing was observed"


@pytest.mark.parametrize("counts", [[1, 1, 1], [4, 5]])
def test_where_no_spread_can_be_told_there_is_no_interval(counts: list[int]):
    found = unseen_mass(counts)
    assert found.value in (0.0, 1.0) and found.low is None and found.reason


def test_classes_all_met_often_point_to_no_more():
    found = chao1([3, 4, 9])
    assert (found.value, found.low) == (3.0, None) and found.reason


def test_accumulation_counts_different_classes():
    assert accumulation(["a", "b", "a", "c"]) == (1, 2, 2, 3)
    assert accumulation([]) == ()


@pytest.mark.slow
def test_the_unseen_mass_is_covered_and_chao1_stays_below_the_truth_on_average():
    random = np.random.default_rng(7)
    shares = 1 / np.arange(1, 101)
    shares /= shares.sum()
    covered, lower = 0, []
    for _ in range(600):
        drawn = random.multinomial(400, shares)
        found = unseen_mass(drawn[drawn > 0])
        truth = shares[drawn == 0].sum()
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
        lower.append(chao1(drawn[drawn > 0]).value)
    assert 0.92 <= covered / 600 <= 0.98
    assert 80 <= np.mean(lower) <= 101
