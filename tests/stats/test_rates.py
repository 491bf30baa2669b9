"""Intervals for a rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from redloom.errors import InputError
from redloom.stats import (
    clean_cases_needed,
    clopper_pearson,
    wilson,
    zero_event_bound,
)

COUNTS = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


@pytest.mark.parametrize(
    ("events", "n", "low", "high"),
    [(3, 30, 0.0346, 0.2562), (51, 128, 0.318, 0.485)],
)
def test_wilson_gives_published_intervals(events, n, low, high):
    found = wilson(events, n)
    digits = len(str(low)) - 2
    assert found.value == events / n
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)
    assert (found.n, found.events, found.level, found.clusters, found.reason) == (n, events, 0.95, None, None)


@given(COUNTS, LEVELS)
def test_intervals_agree_with_statsmodels(counts, level):
    events, n = counts
    for function, name in ((wilson, "wilson"), (clopper_pearson, "beta")):
        found = function(events, n, level=level)
        low, high = proportion_confint(events, n, alpha=1 - level, method=name)
        assert found.low == pytest.approx(low, abs=1e-9)
        assert found.high == pytest.approx(high, abs=1e-9)


@given(COUNTS, LEVELS)
def test_bounds_are_ordered_within_the_unit_interval_and_mirror_each_other(counts, level):
    events, n = counts
    for function in (wilson, clopper_pearson):
        found, mirrored = function(events, n, level=level), function(n - events, n, level=level)
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.low == pytest.approx(1 - mirrored.high, abs=1e-9)


def test_bounds_are_exact_at_the_ends():
    for function in (wilson, clopper_pearson):
        assert function(0, 20).low == 0.0
        assert function(20, 20).high == 1.0
    assert clopper_pearson(0, 30, level=0.9).high == pytest.approx(
        zero_event_bound(30, level=0.95), abs=1e-12
    )


@pytest.mark.parametrize("function", [wilson, clopper_pearson])
def test_no_units_is_undefined_with_a_reason(function):
    found = function(0, 0)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.reason == "there are no units"


@pytest.mark.parametrize(("n", "bound"), [(30, 0.0950), (100, 0.0295), (300, 0.0099)])
def test_zero_events_bound_the_rate(n, bound):
    assert round(zero_event_bound(n), 4) == bound


def test_zero_events_in_nothing_rule_nothing_out():
    assert zero_event_bound(0) == 1.0


@pytest.mark.parametrize(("bound", "n"), [(0.02, 149), (0.01, 299), (0.05, 59), (0.95, 1), (0.999, 1)])
def test_clean_cases_needed_gives_known_sizes(bound, n):
    assert clean_cases_needed(bound) == n


@given(st.integers(1, 10**7), LEVELS)
def test_clean_cases_needed_inverts_the_bound(n, level):
    assert clean_cases_needed(zero_event_bound(n, level=level), level=level) == n


@given(st.floats(1e-6, 0.999), LEVELS)
def test_clean_cases_needed_is_the_smallest(bound, level):
    n = clean_cases_needed(bound, level=level)
    assert zero_event_bound(n, level=level) <= bound
    assert n == 1 or zero_event_bound(n - 1, level=level) > bound


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: wilson(4, 3), "events (4) cannot exceed n (3)"),
        (lambda: wilson(-1, 3), "-1"),
        (lambda: clopper_pearson(0, -3), "-3"),
        (lambda: wilson(0.5, 3), "0.5"),
        (lambda: wilson(1, 3, level=1.0), "level must lie between 0 and 1, not 1.0"),
        (lambda: wilson(1, 3, level=math.nan), "nan"),
        (lambda: zero_event_bound(-1), "-1"),
        (lambda: zero_event_bound(10, level=0), "level"),
        (lambda: clean_cases_needed(0.0), "bound must lie between 0 and 1, not 0.0"),
        (lambda: clean_cases_needed(1.5), "1.5"),
    ],
)
def test_wrong_input_is_named(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
