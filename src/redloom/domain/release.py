"""A frozen set of cases with all definitions under them, and its digest."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from redloom.domain.value import Definition, Slug, Text, Value
from redloom.ids import canonical_json, digest


@dataclass(frozen=True, slots=True)
class ReleasedCase:
    """One case of a release, named by digests."""

    ordinal: int
    slug: str
    content: str
    closure: str
    stimulus: str
    cluster: str
    split: str
    status: str
    first: bool = True
    """No case before it has its stimulus; part of the order, not of what the release names."""

    def named(self) -> dict[str, str]:
        """What the release says of the case, by field; its place in the order is no part of it."""
        return {
            "slug": self.slug,
            "content": self.content,
            "closure": self.closure,
            "stimulus": self.stimulus,
            "cluster": self.cluster,
            "split": self.split,
            "status": self.status,
        }


class Manifest(Value):
    """What a release is, without its cases."""

    study: Slug
    version: Text
    provisional: bool
    cases: int
    clusters: int
    unreviewed: int
    """Cases that nobody had accepted; only a provisional release holds any."""
    canary: Text
    licence: str
    access: Literal["open", "gated", "internal"]
    expires: datetime.date | None = None
    study_head: str
    """Content digest of charter, protocol and constraints."""
    definitions: dict[str, str]
    """``kind/slug`` -> content digest of every definition under the cases."""
    facts: tuple[str, ...] = ()
    """Digests of the acts that were pinned: dissent, endorsements, reviews."""
    merkle_root: Text

    def digest(self) -> str:
        """The digest that names the release."""
        return digest({"kind": "release", **self.model_dump(mode="json")})


def closure_digest(content: str, rests_on: Iterable[str]) -> str:
    """The digest of a content and of the closures of all it rests on."""
    return digest({"content": content, "rests_on": sorted(rests_on)})


def closures(definitions: Mapping[tuple[str, str], Definition]) -> dict[tuple[str, str], str]:
    """The closure digest of every (kind, slug); references must resolve and be acyclic."""
    found: dict[tuple[str, str], str] = {}

    def of(key: tuple[str, str]) -> str:
        if key not in found:
            definition = definitions[key]
            under = [of((reference.kind, reference.slug)) for reference in definition.references()]
            found[key] = closure_digest(definition.content_digest(), under)
        return found[key]

    for key in definitions:
        of(key)
    return found


def leaf(case: ReleasedCase, salt: bytes) -> bytes:
    """The salted leaf of one case: without its salt nothing can be guessed from it."""
    own = hmac.new(salt, case.slug.encode(), hashlib.sha256).digest()
    body = canonical_json(case.named())
    return hashlib.sha256(b"\x00" + own + body).digest()


def merkle_root(leaves: Iterable[bytes]) -> str:
    """The root over the leaves in their order (after RFC 6962: an odd one out moves up unchanged)."""
    level = list(leaves)
    if not level:
        return "sha256:" + hashlib.sha256(b"").hexdigest()
    while len(level) > 1:
        paired = [
            hashlib.sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return "sha256:" + level[0].hex()


def split_of(cluster: str, seed: str, held_out: float) -> str:
    """The split of a whole cluster: ``held_out`` for about that share of clusters, drawn by hash."""
    draw = int.from_bytes(hashlib.sha256(f"{seed}|{cluster}".encode()).digest()[:8], "big") / 2**64
    return "held_out" if draw < held_out else "public"
