"""Combinatorial coverage against arrays whose coverage is known, and arrays that cover it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from redloom.design import covering
from redloom.design.covering import coverage, covering_array, valid_combinations
from redloom.domain.study import Constraint
from redloom.errors import InputError

FOUR = dict.fromkeys("abcd", ("0", "1", "2"))
L9 = [
    dict(zip("abcd", row, strict=True))
    for row in ("0000", "0111", "0222", "1012", "1120", "1201", "2021", "2102", "2210")
]
"""The orthogonal array L9(3^4): every pair of values of every two columns exactly once."""


def _forbid(**values: str | tuple[str, ...]) -> Constraint:
    return Constraint(forbid=dict(values), reason="so")


def test_nine_rows_of_an_orthogonal_array_cover_all_54_pairs() -> None:
    found = coverage(FOUR, (), L9, strength=2)
    assert (found.covered, found.valid, found.holes, found.forbidden) == (54, 54, (), 0)
    assert found.share == 1.0


@pytest.mark.parametrize(
    ("strength", "covered", "valid"), [(1, 12, 12), (2, 54, 54), (3, 36, 108), (4, 9, 81)]
)
def test_the_orthogonal_array_at_other_strengths(strength: int, covered: int, valid: int) -> None:
    found = coverage(FOUR, (), L9, strength=strength)
    assert (found.covered, found.valid) == (covered, valid)
    assert len(found.holes) == valid - covered


def test_without_one_row_exactly_its_six_pairs_are_missing() -> None:
    found = coverage(FOUR, (), L9[1:], strength=2)
    assert found.covered == 48
    assert found.share == pytest.approx(48 / 54, abs=1e-12)
    assert set(found.holes) == set(
        itertools.combinations((("a", "0"), ("b", "0"), ("c", "0"), ("d", "0")), 2)
    )


def test_no_more_than_so_many_holes_are_listed_and_all_are_counted() -> None:
    found = coverage(FOUR, (), [], strength=2, most=5)
    assert (found.covered, found.valid, len(found.holes)) == (0, 54, 5)


def test_values_outside_the_space_do_not_count() -> None:
    rows = [{"a": "9", "b": "0", "c": "0", "d": "0"}, {"a": "0", "x": "0"}]
    assert coverage(FOUR, (), rows, strength=2).covered == 3


def test_a_combination_that_only_forbidden_rows_would_have_is_not_valid() -> None:
    space = {"a": ("0", "1"), "b": ("0", "1"), "c": ("0", "1")}
    rules = (_forbid(a="0", b="0"), _forbid(b="1", c="0"))
    found = coverage(space, rules, [], strength=2)
    # forbidden: a0 b0, b1 c0; implied: a0 c0, since b0 and b1 are both out
    assert (found.valid, found.forbidden) == (12 - 3, 3)
    assert (("a", "0"), ("c", "0")) not in found.holes


def test_a_value_that_every_row_forbids_is_not_valid_at_strength_one() -> None:
    found = coverage({"a": ("0", "1"), "b": ("0", "1")}, (_forbid(a="0", b=("0", "1")),), [], strength=1)
    assert set(found.holes) == {(("a", "1"),), (("b", "0"),), (("b", "1"),)}


def test_a_space_without_valid_combinations_has_no_share() -> None:
    rules = (_forbid(a="0"), _forbid(a="1"))
    assert coverage({"a": ("0", "1"), "b": ("0",)}, rules, [], strength=1).share is None


def test_a_space_too_large_to_enumerate_counts_what_a_constraint_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = {"a": ("0", "1"), "b": ("0", "1"), "c": ("0", "1")}
    rules = (_forbid(a="0", b="0"),)
    exact = valid_combinations(space, rules, 2)
    monkeypatch.setattr(covering, "ENUMERABLE", 7)
    assert valid_combinations(space, rules, 2) == exact


@pytest.mark.parametrize("strength", [0, 5, -1])
def test_a_strength_is_one_to_the_number_of_dimensions(strength: int) -> None:
    with pytest.raises(InputError, match=f"strength {strength}: expected 1 to 4"):
        coverage(FOUR, (), L9, strength=strength)


def test_dimensions_without_values_are_left_aside() -> None:
    assert coverage({**FOUR, "e": ()}, (), L9, strength=2).valid == 54


@st.composite
def _spaces(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    sizes = draw(st.lists(st.integers(1, 4), min_size=3, max_size=5))
    return {f"d{i}": tuple(f"v{n}" for n in range(size)) for i, size in enumerate(sizes)}


@st.composite
def _rules(draw: st.DrawFn, space: dict[str, tuple[str, ...]]) -> tuple[Constraint, ...]:
    def one() -> Constraint:
        chosen = draw(st.lists(st.sampled_from(sorted(space)), min_size=1, max_size=3, unique=True))
        forbid: dict[str, Any] = {}
        for dimension in chosen:
            value = st.sampled_from(space[dimension])
            forbid[dimension] = draw(st.one_of(value, st.lists(value, min_size=1, max_size=2, unique=True)))
        return Constraint.model_validate({"forbid": forbid, "reason": "so"})

    return tuple(one() for _ in range(draw(st.integers(1, 4))))


def _possible(space: dict[str, tuple[str, ...]], rules: tuple[Constraint, ...], strength: int) -> set[Any]:
    """Valid combinations by the definition: what some allowed whole row has."""
    found: set[Any] = set()
    for values in itertools.product(*space.values()):
        row = dict(zip(space, values, strict=True))
        if not any(rule.forbids(row) for rule in rules):
            found.update(itertools.combinations(row.items(), strength))
    return found


@settings(max_examples=40, deadline=None)
@given(_spaces(), st.integers(1, 3))
def test_an_array_covers_every_combination(space: dict[str, tuple[str, ...]], strength: int) -> None:
    rows = covering_array(space, (), strength=strength)
    found = coverage(space, (), rows, strength=strength)
    assert found.share == 1.0
    largest = sorted((len(values) for values in space.values()), reverse=True)[:strength]
    assert len(rows) >= math.prod(largest)
    assert all(row.keys() == space.keys() for row in rows)


@settings(max_examples=80, deadline=None)
@given(st.data(), _spaces(), st.integers(1, 3))
def test_an_array_covers_every_valid_combination_and_no_forbidden_one(
    data: st.DataObject, space: dict[str, tuple[str, ...]], strength: int
) -> None:
    rules = data.draw(_rules(space))
    possible = _possible(space, rules, strength)
    assert set(valid_combinations(space, rules, strength)) == possible
    if not possible:
        with pytest.raises(InputError, match="forbid every combination"):
            covering_array(space, rules, strength=strength)
        return
    rows = covering_array(space, rules, strength=strength)
    assert not [row for row in rows if any(rule.forbids(row) for rule in rules)]
    found = coverage(space, rules, rows, strength=strength)
    assert (found.covered, found.valid, found.holes) == (len(possible), len(possible), ())


@settings(max_examples=40, deadline=None)
@given(st.data(), _spaces(), st.integers(1, 3))
def test_coverage_never_falls_with_another_row(
    data: st.DataObject, space: dict[str, tuple[str, ...]], strength: int
) -> None:
    row = st.fixed_dictionaries({d: st.sampled_from(values) for d, values in space.items()})
    rows = data.draw(st.lists(row, max_size=8))
    rules = data.draw(st.one_of(st.just(()), _rules(space)))
    counts = [coverage(space, rules, rows[:n], strength=strength).covered for n in range(len(rows) + 1)]
    assert counts == sorted(counts)
    assert coverage(space, rules, rows * 2, strength=strength).covered == counts[-1]


@settings(max_examples=40, deadline=None)
@given(st.data(), _spaces(), st.integers(1, 3))
def test_an_array_goes_on_from_the_rows_there_are(
    data: st.DataObject, space: dict[str, tuple[str, ...]], strength: int
) -> None:
    rules = data.draw(st.one_of(st.just(()), _rules(space)))
    whole = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    allowed = [row for row in whole if not any(rule.forbids(row) for rule in rules)]
    assume(allowed)
    start = data.draw(st.lists(st.sampled_from(allowed), max_size=4))
    rows = covering_array(space, rules, strength=strength, start=start)
    assert all(row in rows for row in start)
    assert coverage(space, rules, rows, strength=strength).holes == ()


def test_what_the_library_leaves_open_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    forbidden = {"a": "0", "b": "1", "c": "0", "d": "0"}
    monkeypatch.setattr("covertable.make", lambda *given, **options: [*L9[1:4], forbidden])
    rules = (_forbid(a="0", b=("1", "2")),)
    rows = covering_array(FOUR, rules, strength=2)
    assert not [row for row in rows if any(rule.forbids(row) for rule in rules)]
    assert coverage(FOUR, rules, rows, strength=2).holes == ()


def test_the_same_space_gives_the_same_rows() -> None:
    rules = (_forbid(a="0", b=("1", "2")),)
    assert covering_array(FOUR, rules, strength=2) == covering_array(FOUR, rules, strength=2)


def test_an_array_of_3_to_the_4_is_short() -> None:
    assert 9 <= len(covering_array(FOUR, (), strength=2)) <= 15
