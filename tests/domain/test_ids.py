from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redloom.ids import MAX_SLUG, IdSource, canonical_json, digest, is_slug, readable_id, slugify

# RFC 8785, appendix B: the bits of a double and its text.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_are_written_as_rfc_8785_writes_them(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text.encode()


def test_the_sample_of_rfc_8785_has_its_published_form() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(value) == expected.encode()


def test_members_are_sorted_by_utf_16_units() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = list(json.loads(canonical_json(dict.fromkeys(keys, 0))))
    assert written == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_a_digest_is_the_sha_256_of_the_canonical_form() -> None:
    assert digest({"b": 1, "a": "é"}) == "sha256:" + hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=12,
)


@given(_json)
def test_the_canonical_form_reads_back_and_does_not_depend_on_the_order_of_members(value: object) -> None:
    def turned(inner: object) -> object:
        if isinstance(inner, dict):
            return {key: turned(inner[key]) for key in reversed(inner)}
        return [turned(one) for one in inner] if isinstance(inner, list) else inner

    assert json.loads(canonical_json(value)) == value
    assert digest(turned(value)) == digest(value)


@given(_json, _json)
def test_different_values_have_different_digests(one: object, other: object) -> None:
    assert (digest(one) == digest(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def test_strings_that_look_alike_are_two_strings() -> None:
    assert digest("é") != digest("e\u0301")


@pytest.mark.parametrize("text", ["a", "1", "a.b-c_d", "日本", "été", "x" * MAX_SLUG])
def test_slugs(text: str) -> None:
    assert is_slug(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-a",
        "_a",
        ".a",
        "a b",
        "a/b",
        "a:b",
        "a\n",
        "e\u0301",
        "\u212b",
        "\u1100\u1161",
        "x" * (MAX_SLUG + 1),
        "a\u202e",
        "..",
        "a@b",
    ],
)
def test_texts_that_are_no_slugs(text: str) -> None:
    assert not is_slug(text)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Hello, World!", "hello-world"),
        ("  a  b ", "a-b"),
        ("../../etc/passwd", "etc-passwd"),
        ("E\u0301te", "éte"),
        ("???", ""),
        ("_x_", "x"),
    ],
)
def test_slugify(text: str, slug: str) -> None:
    assert slugify(text) == slug


@settings(max_examples=300)
@given(st.text())
def test_what_slugify_gives_is_a_slug_or_nothing_and_stays_as_it_is(text: str) -> None:
    made = slugify(text)
    assert made == "" or is_slug(made)
    assert slugify(made) == made


class _Clock:
    def __init__(self, times: list[float]) -> None:
        self.times, self.index = times, 0

    def __call__(self) -> float:
        self.index += 1
        return self.times[min(self.index, len(self.times)) - 1]


def _zeros(size: int) -> bytes:
    return bytes(size)


def _ones(size: int) -> bytes:
    return b"\xff" * size


@pytest.mark.parametrize("entropy", [_zeros, _ones])
@given(times=st.lists(st.floats(1.6e9, 4e9), min_size=1, max_size=60))
def test_ids_rise_whatever_the_clock_does(entropy: object, times: list[float]) -> None:
    source = IdSource(_Clock(times), entropy)  # type: ignore[arg-type]
    made = [source.new() for _ in times]
    assert all(a < b for a, b in itertools.pairwise(made))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.floats(1.6e9, 4e9))
def test_ids_rise_beyond_4096_in_a_millisecond(times: int, now: float) -> None:
    source = IdSource(lambda: now, _ones)
    made = [source.new() for _ in range(4096 * times + 2)]
    assert made == sorted(set(made))


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    made = IdSource(lambda: 1_800_000_000.123, _ones).new()
    assert len(made) == 16
    assert int.from_bytes(made[:6], "big") == 1_800_000_000_123
    assert made[6] >> 4 == 7
    assert made[8] >> 6 == 0b10


def test_readable_ids_sort_by_second() -> None:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    names = [
        readable_id(start + datetime.timedelta(seconds=s), b"\xff\xff\xff")
        for s in range(0, 4_000_000, 99_999)
    ]
    assert names == sorted(set(names))
    assert {len(name) for name in names} == {10}
    assert not set("ilou") & set("".join(names))
