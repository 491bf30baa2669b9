"""Finding what holds certain words: definitions, findings, releases, runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from redloom.domain.study import StudyHead
from redloom.domain.value import in_language
from redloom.services.releases import SNAPSHOTS
from redloom.services.workspace import Workspace
from redloom.storage.repositories.definitions import Held
from redloom.storage.unit_of_work import UnitOfWork
from redloom.storage.words import texts_of, words_of

MOST = 50
"""Results of a study."""
AROUND = 60
"""Characters shown on each side of what was found."""
_RUN = re.compile(r"\w+")


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
    """What holds ``text``: each of its words begins some word of what is found, and case and accents make no difference.

    Of definitions and findings all that they say; of releases the version, of runs the name and the system. Names of
    fields are no content.
    """
    words = words_of(text)
    with workspace.begin() as unit:
        for slug in [study] if study is not None else unit.studies.slugs():
            stored = unit.definitions(slug)
            head = stored.head("study", slug)
            language = (
                head.definition.languages[0] if head and isinstance(head.definition, StudyHead) else None
            )
            for held in stored.holding(text, most=MOST):
                yield _hit(slug, held, words, language)
            yield from islice(_held_elsewhere(unit, slug, words), MOST)


def _held_elsewhere(unit: UnitOfWork, study: str, words: Sequence[str]) -> Iterator[Found]:
    key = unit.study_id(study)
    findings = unit.explorations.findings(key)
    facts = unit.explorations.facts([one.id for one in findings]) if findings else {}
    for one in reversed(findings):
        claim: Mapping[str, Any] = [fact.body for fact in facts[one.id] if fact.kind == "claim"][-1]
        said = [str(claim.get(name, "")) for name in ("title", "what", "note", "hypothesis", "system")]
        said += claim.get("affected", ())
        if _holds(words, " ".join(said)):
            excerpt = "" if _holds(words, said[0]) else _excerpt(words, said)
            yield Found(study, "finding", str(one.number), said[0], excerpt)
    for version in unit.releases(study).versions():
        if not version.startswith(SNAPSHOTS) and _holds(words, f"release {version}"):
            yield Found(study, "release", version, version, "")
    for name, system in unit.runs.names(key):
        if _holds(words, f"{name} {system}"):
            yield Found(study, "run", name, name, system)


def _hit(study: str, held: Held, words: Sequence[str], language: str | None) -> Found:
    """What to show of a definition that holds the words."""
    title = in_language(held.body.get("title"), language) or held.slug
    excerpt = "" if _holds(words, f"{title} {held.slug}") else _excerpt(words, list(texts_of(held.body)))
    return Found(study, held.kind, held.slug, title, excerpt)


def _holds(words: Sequence[str], text: str) -> bool:
    """Whether each of some words begins some word of a text; not for no words."""
    there = words_of(text)
    return bool(words) and all(any(one.startswith(word) for one in there) for word in words)


def _excerpt(words: Sequence[str], texts: Sequence[str]) -> str:
    """The surroundings of one of the words, in a sentence rather than in a name by which something is referred to."""
    texts = sorted(texts, key=lambda said: " " not in said)
    return next((found for word in words for said in texts if (found := _around(said, word))), "")


def _around(said: str, word: str) -> str:
    """A text cut to the surroundings of the first word that begins so; empty where none does."""
    found = re.search(rf"(?<![^\W_]){re.escape(word)}", said, re.IGNORECASE) or next(
        (run for run in _RUN.finditer(said) if not run[0].isascii() and _begins(word, run[0])), None
    )
    if found is None:
        return ""
    start, end = max(0, found.start() - AROUND), found.end() + AROUND
    cut = said[start:end].replace("\n", " ")
    return ("…" if start else "") + cut + ("…" if end < len(said) else "")


def _begins(word: str, run: str) -> bool:
    return any(one.startswith(word) for one in words_of(run))
