"""All that a rater reads of a harm: its digest, and which parts of it differ between two versions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from redloom.domain.harm import Harm
from redloom.domain.judgement import RaterKind
from redloom.domain.rubric import Rubric
from redloom.domain.value import in_language
from redloom.ids import digest

_READ: Mapping[RaterKind, tuple[str, ...]] = {
    "person": ("title", "definition", "includes", "excludes", "examples", "counter_examples"),
    "model": ("title", "definition", "includes", "excludes", "rules"),
    "rule": (),
}
"""What each kind of rater reads beside the rubric."""


def brief_digest(
    rubric: Rubric,
    harm: Harm | None,
    *,
    kind: RaterKind,
    version: str,
    shows: Collection[str],
    language: str | None = None,
) -> str:
    """The digest of rubric, harm and form; ``version`` is that of the prompt or guideline.

    With ``language`` the definition counts as it reads in it, else in every language it is written in.
    """
    told = {} if harm is None else _told(harm, kind, shows, language)
    return digest(
        {
            "kind": "brief",
            "version": version,
            "language": language,
            "rubric": rubric.digest(),
            "harm": told,
        }
    )


def changed_parts(
    first: Harm, second: Harm, *, kind: RaterKind, shows: Collection[str], language: str | None = None
) -> list[str]:
    """The parts beside the rubric that such a rater reads and that differ, in plain words."""
    mine, theirs = (_told(harm, kind, shows, language) for harm in (first, second))
    return [name.replace("_", " ") for name in _READ[kind] if mine.get(name) != theirs.get(name)]


def _told(harm: Harm, kind: RaterKind, shows: Collection[str], language: str | None) -> dict[str, Any]:
    content = harm.content()
    told = {name: content[name] for name in _READ[kind] if name in content}
    if "persona" not in shows:
        told.pop("rules", None)  # what holds for some users is read with the user
    if language is not None:
        told["definition"] = in_language(harm.definition, language)
    return told
