"""Corrected p-values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from redloom.errors import InputError
from redloom.stats import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("function", "raw", "adjusted"),
    [
        (holm, [0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        (holm, [0.5, 0.6], [1.0, 1.0]),
        (benjamini_hochberg, [0.01, 0.04, 0.03], [0.03, 0.04, 0.04]),
        (benjamini_hochberg, [0.02], [0.02]),
        (holm, [], []),
        (benjamini_hochberg, [], []),
    ],
)
def test_small_sets_follow_by_hand(function, raw, adjusted):
    assert function(raw) == pytest.approx(adjusted)


@settings(max_examples=20)
@given(P_VALUES)
def test_it_agrees_with_statsmodels(raw):
    assert holm(raw) == pytest.approx(multipletests(raw, method="holm")[1], abs=1e-12)
    assert benjamini_hochberg(raw) == pytest.approx(multipletests(raw, method="fdr_bh")[1], abs=1e-12)


@given(P_VALUES, st.randoms(use_true_random=False))
def test_adjusted_values_are_at_least_raw_keep_their_order_and_follow_a_permutation(raw, random):
    order = list(range(len(raw)))
    random.shuffle(order)
    for function in (holm, benjamini_hochberg):
        adjusted = function(raw)
        assert (adjusted >= np.array(raw) * (1 - 1e-12)).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()
        assert function(np.array(raw)[order]) == pytest.approx(adjusted[order])
    assert (holm(raw) >= benjamini_hochberg(raw) * (1 - 1e-12)).all()


@pytest.mark.parametrize("function", [holm, benjamini_hochberg])
@pytest.mark.parametrize("raw", [[math.nan], [0.1, None], [-0.1], [1.1], [[0.1]], ["x"]])
def test_wrong_input_is_named(function, raw):
    with pytest.raises(InputError, match="p_values"):
        function(raw)
