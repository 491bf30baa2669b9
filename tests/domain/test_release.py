from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redloom.domain.release import Manifest, ReleasedCase, leaf, merkle_root, split_of

SALT = b"s" * 32
CASE = ReleasedCase(0, "a", "sha256:1", "sha256:2", "sha256:3", "c", "public", "accepted")


@pytest.mark.parametrize("field", ["slug", "content", "closure", "stimulus", "cluster", "split", "status"])
def test_a_leaf_changes_with_every_field_of_its_case(field: str) -> None:
    changed: Any = dataclasses.replace(CASE, **{field: "other"})
    assert leaf(changed, SALT) != leaf(CASE, SALT)


def test_a_leaf_cannot_be_guessed_without_the_salt() -> None:
    assert leaf(CASE, SALT) != leaf(CASE, b"t" * 32)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_the_root_is_that_of_rfc_6962() -> None:
    a, b, c = (_hash(x) for x in (b"a", b"b", b"c"))
    assert merkle_root([]) == "sha256:" + hashlib.sha256(b"").hexdigest()
    assert merkle_root([a]) == "sha256:" + a.hex()
    assert merkle_root([a, b]) == "sha256:" + _hash(b"\x01" + a + b).hex()
    assert merkle_root([a, b, c]) == "sha256:" + _hash(b"\x01" + _hash(b"\x01" + a + b) + c).hex()


_leaves = st.lists(st.integers(0, 999).map(lambda n: _hash(str(n).encode())), min_size=1, max_size=20)


@given(_leaves, st.data())
def test_the_root_changes_when_one_leaf_is_changed_left_out_or_added(
    leaves: list[bytes], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    other = _hash(b"other")
    root = merkle_root(leaves)
    assert merkle_root([*leaves[:at], other, *leaves[at + 1 :]]) != root
    assert merkle_root([*leaves[:at], *leaves[at + 1 :]]) != root
    assert merkle_root([*leaves[:at], other, *leaves[at:]]) != root


@given(_leaves.filter(lambda found: len(set(found)) > 1))
def test_the_root_depends_on_the_order(leaves: list[bytes]) -> None:
    turned = leaves[::-1]
    assert (merkle_root(turned) == merkle_root(leaves)) == (turned == leaves)


MANIFEST: dict[str, Any] = {
    "study": "s",
    "version": "1",
    "provisional": False,
    "cases": 1,
    "clusters": 1,
    "unreviewed": 0,
    "canary": "c",
    "licence": "",
    "access": "internal",
    "expires": None,
    "study_head": "sha256:1",
    "definitions": {},
    "facts": (),
    "merkle_root": "sha256:2",
}
CHANGED: dict[str, Any] = {
    "study": "t",
    "version": "2",
    "provisional": True,
    "cases": 2,
    "clusters": 2,
    "unreviewed": 1,
    "canary": "d",
    "licence": "CC0",
    "access": "open",
    "expires": "2030-01-01",
    "study_head": "sha256:9",
    "definitions": {"harm/h": "sha256:3"},
    "facts": ("sha256:4",),
    "merkle_root": "sha256:9",
}


@pytest.mark.parametrize("field", list(Manifest.model_fields))
def test_the_digest_of_a_release_changes_with_every_field_of_its_manifest(field: str) -> None:
    before = Manifest.model_validate(MANIFEST)
    after = Manifest.model_validate({**MANIFEST, field: CHANGED[field]})
    assert before.digest() != after.digest()


def test_a_split_is_drawn_by_hash() -> None:
    clusters = [f"c{n}" for n in range(4000)]
    held_out = {c for c in clusters if split_of(c, "1.0", 0.25) == "held_out"}
    # 4000 draws at 0.25: five standard deviations are 137
    assert abs(len(held_out) - 1000) < 137
    assert held_out == {c for c in clusters if split_of(c, "1.0", 0.25) == "held_out"}
    assert held_out != {c for c in clusters if split_of(c, "2.0", 0.25) == "held_out"}
    assert held_out <= {c for c in clusters if split_of(c, "1.0", 0.5) == "held_out"}
    assert {split_of(c, "1.0", 0.0) for c in clusters} == {"public"}
    assert {split_of(c, "1.0", 1.0) for c in clusters} == {"held_out"}
