"""Finding what holds certain words, over all kinds of definition and all runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redloom.domain.study import StudyHead
from redloom.domain.value import in_language
from redloom.services.workspace import Workspace
from redloom.storage.repositories.definitions import Held
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
    """What holds ``text``: definitions and cases in which each of its words begins some word, runs by name.

    Case and accents make no difference; names of fields are no content.
    """
    with workspace.begin() as unit:
        for slug in [study] if study is not None else unit.studies.slugs():
            stored = unit.definitions(slug)
            head = stored.head("study", slug)
            language = (
                head.definition.languages[0] if head and isinstance(head.definition, StudyHead) else None
            )
            for held in stored.holding(text, most=MOST):
                yield _hit(slug, held, words_of(text), language)
            for run in unit.runs.all(unit.study_id(slug)):
                if text.lower() in run.name.lower():
                    yield Found(slug, "run", run.name, run.name, run.spec.target_name)


def _hit(study: str, held: Held, words: Sequence[str], language: str | None) -> Found:
    """What to show of a definition that holds the words."""
    title = in_language(held.body.get("title"), language) or held.slug
    named = words_of(f"{title} {held.slug}")
    if all(any(name.startswith(word) for name in named) for word in words):
        return Found(study, held.kind, held.slug, title, "")
    texts = list(texts_of(held.body))
    excerpt = next((found for word in words for said in texts if (found := _around(said, word))), "")
    return Found(study, held.kind, held.slug, title, excerpt)


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
