"""How much two texts have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redloom.datasets.duplicates import grams, similarity


@given(st.text(max_size=60), st.text(max_size=60))
def test_it_is_the_same_both_ways_and_between_nothing_and_everything(one: str, other: str) -> None:
    found = similarity(grams(one), grams(other))
    assert 0 <= found <= 1
    assert found == similarity(grams(other), grams(one))
    assert similarity(grams(one), grams(one)) == (1 if one.split() else 0)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("abcdef", "abcdef", 1),
        ("abcdef", "ABC  def", 0),
        ("abcdef", "abcdeg", 1 / 3),
        ("abc", "abc", 1),
        ("a", "b", 0),
    ],
)
def test_the_share_is_that_of_runs_of_five(one: str, other: str, share: float) -> None:
    assert similarity(grams(one), grams(other)) == pytest.approx(share)


def test_case_and_spacing_make_no_difference() -> None:
    assert grams("What  now?\n") == grams("what now?")
