"""Which cases of many: a sample that does not depend on their order."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable


def sample(slugs: Iterable[str], *, size: int, seed: int) -> frozenset[str]:
    """``size`` slugs drawn by hash: the same for the same seed, whatever the order; all where there are fewer."""

    def draw(slug: str) -> bytes:
        return hashlib.sha256(f"{seed}|{slug}".encode()).digest()

    return frozenset(heapq.nsmallest(size, slugs, key=draw))
