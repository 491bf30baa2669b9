"""How much texts have in common, and which of many are nearly the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

GRAM = 5
NEAR = 0.8
"""From here on two texts are told as nearly the same: four fifths of all their runs of five characters."""
_PERMUTATIONS, _BANDS, _CHUNK = 128, 32, 2000


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


def near_duplicates(texts: Sequence[str], *, least: float = NEAR) -> list[int]:
    """For each text the place of the first one that it is nearly the same as; its own place where there is none.

    Candidates are found by MinHash (Broder 1997) and each is checked by its exact similarity, so what is joined is at
    least so similar; a pair that near goes unseen about once in many millions.
    """
    import rensa

    untyped: Any = rensa
    index: Any = untyped.RMinHashLSH(threshold=least, num_perm=_PERMUTATIONS, num_bands=_BANDS)
    places: dict[str, int] = {}
    """Text -> the place it belongs to."""
    known: dict[int, frozenset[str]] = {}
    distinct = list(dict.fromkeys(texts))
    first = {text: place for place, text in reversed(list(enumerate(texts)))}
    for start in range(0, len(distinct), _CHUNK):
        chunk = [(text, grams(text)) for text in distinct[start : start + _CHUNK]]
        hashed: list[Any] = untyped.RMinHash.from_token_sets(
            [sorted(found) for _, found in chunk], num_perm=_PERMUTATIONS, seed=1
        )
        for (text, found), sketch in zip(chunk, hashed, strict=True):
            alike = (
                place for place in sorted(index.query(sketch)) if similarity(known[place], found) >= least
            )
            place = next(alike, first[text])
            places[text] = place
            if place == first[text]:
                known[place] = found
                index.insert(place, sketch)
    return [places[text] for text in texts]
