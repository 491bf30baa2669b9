"""Public taxonomies: the codes and titles that come with the package."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from redloom.domain.harm import Crosswalk
from redloom.errors import Issue, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """One version of a public taxonomy."""

    id: str
    """What a crosswalk calls it."""
    version: str
    source: str
    licence: str
    attribution: str
    codes: Mapping[str, str]
    """Code -> title."""


@cache
def taxonomies() -> tuple[Taxonomy, ...]:
    """All of them, read once."""
    folder = files("redloom").joinpath("taxonomies")
    made = [
        _read(path.read_text(encoding="utf-8")) for path in folder.iterdir() if path.name.endswith(".json")
    ]
    return tuple(sorted(made, key=lambda one: (one.id, one.version)))


def _read(text: str) -> Taxonomy:
    found: dict[str, Any] = json.loads(text)
    return Taxonomy(
        id=found["id"],
        version=found["version"],
        source=found["source"],
        licence=found["licence"],
        attribution=found["attribution"],
        codes=dict(found["codes"]),
    )


def find_taxonomy(name: str, version: str) -> Taxonomy | None:
    """The one of that name and version; None where it does not come with the package."""
    return next((one for one in taxonomies() if (one.id, one.version) == (name, version)), None)


def title_in_taxonomy(place: Crosswalk) -> str:
    """The title of a code; empty where it is not known."""
    found = find_taxonomy(place.taxonomy, place.version)
    return found.codes.get(place.code, "") if found else ""


def used_taxonomies(places: Iterable[Crosswalk]) -> list[Taxonomy]:
    """Those that a crosswalk names, once each."""
    named = {(place.taxonomy, place.version) for place in places}
    return [one for one in taxonomies() if (one.id, one.version) in named]


def crosswalk_issues(content: Mapping[str, Any], before: Mapping[str, Any]) -> list[Issue]:
    """Codes that a known version of a taxonomy does not have; what stood there ``before`` is not told."""
    known: Sequence[Any] = before.get("crosswalk", ())
    issues: list[Issue] = []
    for index, place in enumerate(content.get("crosswalk", ())):
        found = find_taxonomy(place["taxonomy"], place["version"])
        if found is None or place in known or place["code"] in found.codes:
            continue
        told = unknown(f"code of {found.id} {found.version}", place["code"], found.codes)
        issues.append(Issue(told, path=f"crosswalk[{index}].code"))
    return issues
