"""Definitions of one study: heads, versions, and the acts about them."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redloom.domain.value import Definition
from redloom.storage.case_lines import CaseLines
from redloom.storage.json_fields import text_in
from redloom.storage.mapping import StoredFact, StoredVersion, to_fact, to_version
from redloom.storage.tables import case_line, definition, definition_version, fact
from redloom.storage.words import Words, words_of

CHUNK = 500
SHARED = 5
"""Words of a text by which others like it are looked for."""
SOME = 200
"""Definitions that are looked at for that."""

_VERSION = sa.select(
    definition.c.id.label("definition_id"),
    definition.c.kind,
    definition.c.slug,
    definition_version.c.id.label("version_id"),
    definition_version.c.number,
    definition_version.c.digest,
    definition_version.c.body,
    definition_version.c.author,
    definition_version.c.origin,
    definition_version.c.why,
    definition_version.c.created_at,
)


@dataclass(frozen=True, slots=True)
class Held:
    """A definition that a search found, with its content as it is stored."""

    kind: str
    slug: str
    body: Mapping[str, Any]


class Definitions:
    """The definitions of one study."""

    def __init__(self, connection: sa.Connection, study_id: int) -> None:
        self._connection = connection
        self._study = study_id
        self.lines = CaseLines(connection, study_id)
        """A short row for each case, kept right by what is stored here."""
        self._words = Words(connection)

    def head(self, kind: str, slug: str) -> StoredVersion | None:
        """The newest version of one definition."""
        row = self._connection.execute(self._heads(kind).where(definition.c.slug == slug)).one_or_none()
        return None if row is None else to_version(row)

    def heads(self, kind: str, *, by_slug: bool = False) -> Iterator[StoredVersion]:
        """The newest version of every definition of a kind, in the order they came or by slug, streamed."""
        query = self._heads(kind).order_by(self._slug_order() if by_slug else definition.c.id)
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield to_version(row)

    def without_scenario(self, origin: str, statuses: Collection[str]) -> Iterator[StoredVersion]:
        """The newest versions of cases of that origin, in one of these review states, that wait for a scenario; streamed."""
        query = (
            self._heads("case")
            .join(case_line, case_line.c.definition_id == definition.c.id)
            .where(
                case_line.c.study_id == self._study,
                case_line.c.scenario.is_(None),
                case_line.c.origin == origin,
                case_line.c.status.in_(statuses),
            )
            .order_by(definition.c.id)
        )
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield to_version(row)

    def holding(self, text: str, *, after: int = 0, most: int = 50) -> Iterator[Held]:
        """What of the newest versions of all kinds has every word of ``text`` at the beginning of some word.

        Words stand in the slug or in the content, field names left out; see :mod:`redloom.storage.words`.
        """
        ours = sa.and_(definition.c.study_id == self._study, definition.c.retired.is_(False))
        found = self._words.keys(text).subquery()
        numbers = (
            sa.select(definition.c.id)
            .join_from(found, definition, definition.c.id == found.c[0])
            .where(ours, definition.c.id > after)
            .order_by(definition.c.id)
            .limit(most)
        )
        query = (
            sa.select(definition.c.kind, definition.c.slug, definition_version.c.body)
            .join_from(definition, definition_version, definition_version.c.id == definition.c.head_id)
            .where(definition.c.id.in_(list(self._connection.scalars(numbers))))
        )
        for row in self._connection.execute(query.order_by(definition.c.id)):
            yield Held(row.kind, row.slug, row.body)

    def sharing(self, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(slug, content) of cases that share all but one of the longest words of ``text``, some where there are many."""
        words = sorted(words_of(text), key=len, reverse=True)[:SHARED]
        keys = self._words.keys_sharing(words).limit(SOME).subquery()
        query = self._joined(sa.select(definition.c.slug, definition_version.c.body), "case")
        rows = self._connection.execute(query.join(keys, keys.c[0] == definition.c.id))
        yield from ((row.slug, row.body) for row in rows)

    def newest(self, kind: str, slugs: Iterable[str]) -> dict[str, tuple[int, str]]:
        """Slug -> id and content digest of the newest version, of those named that are there."""
        names = list(slugs)
        found: dict[str, tuple[int, str]] = {}
        columns = sa.select(definition.c.slug, definition.c.id, definition_version.c.digest)
        for start in range(0, len(names), CHUNK):
            part = self._joined(columns, kind).where(definition.c.slug.in_(names[start : start + CHUNK]))
            found |= {row.slug: (row.id, row.digest) for row in self._connection.execute(part)}
        return found

    def ever(self, kind: str, beginning: str) -> set[str]:
        """Slugs that begin so, of definitions that are or were there."""
        query = sa.select(definition.c.slug).where(
            self._of(kind, True), definition.c.slug.startswith(beginning, autoescape=True)
        )
        return set(self._connection.scalars(query))

    def facts_of(self, definition_id: int, kind: str) -> list[StoredFact]:
        """The acts of one kind about any version of one definition, oldest first."""
        query = sa.select(fact).where(fact.c.definition_id == definition_id, fact.c.kind == kind)
        return [to_fact(row) for row in self._connection.execute(query.order_by(fact.c.id))]

    def digests(self, kind: str) -> dict[str, str]:
        """Slug -> content digest of the newest versions."""
        query = self._joined(sa.select(definition.c.slug, definition_version.c.digest), kind)
        return {row.slug: row.digest for row in self._connection.execute(query)}

    def slugs(self, kind: str) -> list[str]:
        """The slugs of a kind, in the order they came."""
        query = sa.select(definition.c.slug).where(self._of(kind, False)).order_by(definition.c.id)
        return list(self._connection.scalars(query))

    def count(self, kind: str) -> int:
        """How many definitions of a kind there are."""
        query = sa.select(sa.func.count()).select_from(definition).where(self._of(kind, False))
        return self._connection.scalar(query) or 0

    def count_by(self, kind: str, field: str) -> dict[str, int]:
        """Value of a top-level text field of the newest versions -> how many have it."""
        body = definition_version.c.body
        value = text_in(self._connection, body, field)
        query = self._joined(sa.select(value.label("value"), sa.func.count().label("many")), kind)
        found = self._connection.execute(query.group_by(value))
        return {row.value: row.many for row in found if row.value is not None}

    def versions(self, kind: str, slug: str) -> list[StoredVersion]:
        """All versions of one definition, oldest first."""
        query = (
            _VERSION.join_from(
                definition, definition_version, definition_version.c.definition_id == definition.c.id
            )
            .where(self._of(kind, False), definition.c.slug == slug)
            .order_by(definition_version.c.number)
        )
        return [to_version(row) for row in self._connection.execute(query)]

    def every_version(self, kind: str) -> Iterator[StoredVersion]:
        """All versions of every definition of a kind, retired ones too, streamed."""
        query = (
            _VERSION.join_from(
                definition, definition_version, definition_version.c.definition_id == definition.c.id
            )
            .where(self._of(kind, True))
            .order_by(definition_version.c.id)
        )
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield to_version(row)

    def put(
        self,
        kind: str,
        members: Iterable[tuple[str, Definition]],
        *,
        author: str,
        origin: str,
        why: str,
        at: datetime.datetime,
    ) -> list[tuple[str, int]]:
        """Store a new version of each; give (slug, version number) in the order of ``members``.

        Whether something changed is the caller's question; every call makes versions.
        """
        stored: list[tuple[str, int]] = []
        batch: list[tuple[str, Definition]] = []
        for member in members:
            batch.append(member)
            if len(batch) == CHUNK:
                stored += self._put(kind, batch, author, origin, why, at)
                batch = []
        if batch:
            stored += self._put(kind, batch, author, origin, why, at)
        return stored

    def _put(
        self,
        kind: str,
        batch: list[tuple[str, Definition]],
        author: str,
        origin: str,
        why: str,
        at: datetime.datetime,
    ) -> list[tuple[str, int]]:
        slugs = [slug for slug, _ in batch]
        known = self._numbers(kind, slugs)
        fresh = [slug for slug in slugs if slug not in known]
        if fresh:
            rows = [{"study_id": self._study, "kind": kind, "slug": slug, "retired": False} for slug in fresh]
            self._connection.execute(definition.insert(), rows)
            known |= self._numbers(kind, fresh)
        versions = [
            {
                "definition_id": known[slug][0],
                "number": known[slug][1] + 1,
                "digest": member.content_digest(),
                "body": member.content(),
                "author": author,
                "origin": origin,
                "why": why,
                "created_at": at,
            }
            for slug, member in batch
        ]
        self._connection.execute(definition_version.insert(), versions)
        ids = [known[slug][0] for slug in slugs]
        newest = (
            sa.select(sa.func.max(definition_version.c.id))
            .where(definition_version.c.definition_id == definition.c.id)
            .scalar_subquery()
        )
        self._connection.execute(
            definition.update().where(definition.c.id.in_(ids)).values(head_id=newest, retired=False)
        )
        self._derive(kind, [(known[slug][0], slug, member.content()) for slug, member in batch])
        return [(slug, known[slug][1] + 1) for slug in slugs]

    def _derive(self, kind: str, members: list[tuple[int, str, Any]]) -> None:
        """Rows and words that follow from what was just stored."""
        self._words.put(members)
        if kind == "case":
            self.lines.refresh([number for number, _, _ in members])
        elif kind == "scenario":
            self.lines.refresh_under([slug for _, slug, _ in members])

    def retire(self, kind: str, slugs: Iterable[str]) -> None:
        """Take definitions out of the study; their versions stay."""
        names = list(slugs)
        for start in range(0, len(names), CHUNK):
            part = names[start : start + CHUNK]
            where = sa.and_(self._of(kind, False), definition.c.slug.in_(part))
            ids = list(self._connection.scalars(sa.select(definition.c.id).where(where)))
            self._connection.execute(definition.update().where(definition.c.id.in_(ids)).values(retired=True))
            self._words.drop(ids)
            if kind == "case":
                self.lines.refresh(ids)
            elif kind == "scenario":
                self.lines.refresh_under(part)

    def add_facts(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """Store acts: id, definition_id, kind, about, body, author, why."""
        rows = [{"supersedes": None, **row} for row in facts]
        for start in range(0, len(rows), CHUNK):
            self._connection.execute(fact.insert(), rows[start : start + CHUNK])
        reviewed = {int(row["definition_id"] or 0): None for row in rows if row["kind"] == "review"}
        self.lines.refresh(reviewed)

    def facts(self, kind: str, *, subject: str, slug: str | None = None) -> Iterator[StoredFact]:
        """The acts of one kind about the newest versions of the definitions of kind ``subject``, oldest first."""
        query = (
            sa.select(fact)
            .join_from(fact, definition, fact.c.definition_id == definition.c.id)
            .join(definition_version, definition_version.c.id == definition.c.head_id)
            .where(self._of(subject, False), fact.c.kind == kind, fact.c.about == definition_version.c.digest)
            .order_by(fact.c.definition_id, fact.c.id)
        )
        if slug is not None:
            query = query.where(definition.c.slug == slug)
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield to_fact(row)

    def all_facts(self, kind: str, *, subject: str) -> Iterator[tuple[str, StoredFact]]:
        """(slug, act) of one kind about any version of any definition of kind ``subject``, oldest first."""
        query = (
            sa.select(definition.c.slug, fact)
            .join_from(fact, definition, fact.c.definition_id == definition.c.id)
            .where(self._of(subject, True), fact.c.kind == kind)
            .order_by(fact.c.definition_id, fact.c.id)
        )
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield row.slug, to_fact(row)

    def ids(self, kind: str) -> dict[str, int]:
        """Slug -> id of the definitions of a kind."""
        query = sa.select(definition.c.slug, definition.c.id).where(self._of(kind, False))
        return {row.slug: row.id for row in self._connection.execute(query)}

    def _numbers(self, kind: str, slugs: list[str]) -> dict[str, tuple[int, int]]:
        """Slug -> (definition id, newest version number), retired ones included."""
        number = sa.func.coalesce(sa.func.max(definition_version.c.number), 0)
        query = (
            sa.select(definition.c.slug, definition.c.id, number)
            .join_from(
                definition,
                definition_version,
                definition_version.c.definition_id == definition.c.id,
                isouter=True,
            )
            .where(self._of(kind, True), definition.c.slug.in_(slugs))
            .group_by(definition.c.slug, definition.c.id)
        )
        return {slug: (identity, newest) for slug, identity, newest in self._connection.execute(query)}

    def _slug_order(self) -> sa.ColumnElement[str]:
        """By code point on every database."""
        binary = {"postgresql": "C", "sqlite": "BINARY"}
        return sa.collate(definition.c.slug, binary[self._connection.dialect.name])

    def _heads(self, kind: str) -> sa.Select[*tuple[Any, ...]]:
        return self._joined(_VERSION, kind)

    def _joined(self, query: sa.Select[*tuple[Any, ...]], kind: str) -> sa.Select[*tuple[Any, ...]]:
        joined = query.join_from(
            definition, definition_version, definition_version.c.id == definition.c.head_id
        )
        return joined.where(self._of(kind, False))

    def _of(self, kind: str, retired: bool) -> sa.ColumnElement[bool]:
        """Definitions of this study and kind; with ``retired`` also those taken out."""
        ours = sa.and_(definition.c.study_id == self._study, definition.c.kind == kind)
        return ours if retired else sa.and_(ours, definition.c.retired.is_(False))
