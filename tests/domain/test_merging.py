"""Two changes of one version meet place by place, and nothing is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redloom.domain.context import Context
from redloom.domain.harm import Harm
from redloom.domain.merging import Met, blend, look_up, meet, places, put, put_together

VALUES = (
    st.none() | st.sampled_from(["a", "b", "c"]) | st.lists(st.sampled_from("xyz"), min_size=1, max_size=2)
)
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from("abc"),
        "third_parties": st.lists(st.sampled_from("xyz"), min_size=1, max_size=3),
        "norms": st.fixed_dictionaries(
            {}, optional={"must": st.lists(st.sampled_from("xyz"), min_size=1)}
        ).filter(bool),
    },
)


def test_a_rubric_is_one_place_and_what_is_nested_has_its_own() -> None:
    found = places(Harm)
    assert "rubric" in found and not [path for path in found if path.startswith("rubric.")]
    assert {"severity.levels", "severity.grounding", "examples"} <= set(found)
    assert {"norms.must", "norms.must_not"} <= set(places(Context))


@pytest.mark.parametrize(
    ("before", "now", "given", "together", "clashes"),
    [
        ({"title": "a"}, {"title": "a", "stakes": "b"}, {"title": "c"}, {"title": "c", "stakes": "b"}, []),
        ({"title": "a", "stakes": "a"}, {"title": "a", "stakes": "c"}, {"stakes": "a"}, {"stakes": "c"}, []),
        ({"title": "a"}, {"title": "c"}, {"title": "c"}, {"title": "c"}, []),
        ({"title": "a"}, {"title": "b"}, {"title": "c"}, {"title": "b"}, ["title"]),
        ({"title": "a"}, {"title": "b"}, {}, {"title": "b"}, ["title"]),
        ({}, {"title": "b"}, {"title": "c"}, {"title": "b"}, ["title"]),
        (
            {},
            {"norms": {"must": ["x"]}},
            {"norms": {"must_not": ["y"]}},
            {"norms": {"must": ["x"], "must_not": ["y"]}},
            [],
        ),
        ({"norms": {"must": ["x"]}}, {"norms": {"must": ["x"]}}, {}, {}, []),
    ],
)
def test_three_meet_by_place(
    before: dict[str, Any], now: dict[str, Any], given: dict[str, Any], together: Any, clashes: list[str]
) -> None:
    met = meet(Context, before=before, now=now, given=given)
    assert put_together(now, met) == together
    assert [one.path for one in met if one.clash] == clashes


@given(before=CONTENTS, now=CONTENTS, given=CONTENTS)
def test_every_change_is_in_what_comes_of_it_or_is_asked_about(
    before: dict[str, Any], now: dict[str, Any], given: dict[str, Any]
) -> None:
    met = meet(Context, before=before, now=now, given=given)
    together = put_together(now, met)
    asked = {one.path for one in met if one.clash}
    for path in set(places(Context)) - asked:
        old, here, there = (look_up(one, path) for one in (before, now, given))
        assert look_up(together, path) == (there if there != old else here)
    assert put_together(before, meet(Context, before=before, now=before, given=given)) == given


@given(content=CONTENTS, value=VALUES)
def test_what_is_put_somewhere_stands_there(content: dict[str, Any], value: Any) -> None:
    for path in ("title", "norms.must"):
        changed = put(content, path, value)
        assert look_up(changed, path) == value
        assert put(changed, path, look_up(content, path)) == content


@pytest.mark.parametrize(
    ("before", "now", "given", "both"),
    [
        (["a", "b"], ["a", "b", "mine"], ["b", "theirs"], ["b", "mine", "theirs"]),
        ({"en": "a"}, {"en": "b"}, {"en": "a", "es": "c"}, {"en": "b", "es": "c"}),
        ("a", "b", "c", "c"),
        ("a", "b", None, "b"),
        (None, ["x"], ["y"], ["x", "y"]),
        ({"en": "a", "es": "a"}, {"en": "b", "es": "a"}, {"en": "c"}, {"en": "c"}),
    ],
)
def test_a_clash_begins_with_both_as_far_as_that_can_be(before: Any, now: Any, given: Any, both: Any) -> None:
    assert blend(Met(path="title", before=before, now=now, given=given)) == both
