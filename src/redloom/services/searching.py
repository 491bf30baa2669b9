"""Finding what holds certain words, over all kinds of definition and all runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from redloom.domain.study import StudyHead
from redloom.domain.value import in_language
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredVersion

MOST = 50
"""Results of a study."""
AROUND = 60
"""Characters shown on each side of what was found."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that holds the words."""

    study: str
    kind: str
    slug: str
    title: str
    excerpt: str
    """The text around the words; empty where they stand in the title or slug."""


def find(workspace: Workspace, text: str, *, study: str | None = None) -> Iterator[Found]:
    """What holds ``text``, ignoring case: definitions and cases by slug and content, runs by name."""
    with workspace.begin() as unit:
        for slug in [study] if study is not None else unit.studies.slugs():
            stored = unit.definitions(slug)
            head = stored.head("study", slug)
            language = (
                head.definition.languages[0] if head and isinstance(head.definition, StudyHead) else None
            )
            hits = (_hit(slug, version, text, language) for version in stored.holding(text))
            yield from islice((hit for hit in hits if hit is not None), MOST)
            for run in unit.runs.all(unit.study_id(slug)):
                if text.lower() in run.name.lower():
                    yield Found(slug, "run", run.name, run.name, run.spec.target_name)


def _hit(study: str, version: StoredVersion, text: str, language: str | None) -> Found | None:
    """What to show of a version that holds the words; None where only its field names do."""
    title = in_language(getattr(version.definition, "title", None), language) or version.slug
    if any(text.lower() in name.lower() for name in (title, version.slug)):
        return Found(study, version.kind, version.slug, title, "")
    excerpt = _around(version.definition.content(), text)
    return Found(study, version.kind, version.slug, title, excerpt) if excerpt else None


def _around(content: Any, text: str) -> str:
    """The first text of a content that holds the words, cut to their surroundings."""
    for said in _texts(content):
        place = said.lower().find(text.lower())
        if place >= 0:
            start, end = max(0, place - AROUND), place + len(text) + AROUND
            return (
                ("…" if start else "") + said[start:end].replace("\n", " ") + ("…" if end < len(said) else "")
            )
    return ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(one)
