"""How much two texts have in common."""

from __future__ import annotations

GRAM = 5


def grams(text: str) -> frozenset[str]:
    """Every run of five characters, without regard to case and spacing; the whole text where it is shorter."""
    plain = " ".join(text.casefold().split())
    return (
        frozenset(plain[i : i + GRAM] for i in range(max(1, len(plain) - GRAM + 1))) if plain else frozenset()
    )


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of all grams of two texts that both have (Jaccard): 0 for nothing, 1 for everything."""
    together = len(one | other)
    return len(one & other) / together if together else 0.0
