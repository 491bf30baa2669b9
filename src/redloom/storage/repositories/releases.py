"""Releases: frozen sets of cases with the versions under them."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redloom.domain.case import Case
from redloom.domain.release import Manifest, ReleasedCase
from redloom.domain.value import Definition
from redloom.storage.dialects import by_code_point, text_in
from redloom.storage.mapping import StoredFact, from_json, to_definition, to_fact, to_value
from redloom.storage.tables import (
    case_line,
    definition,
    definition_version,
    fact,
    release,
    release_case,
    release_definition,
    release_fact,
)

CHUNK = 500
_UNSEALED = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """A release as it is stored; its cases are streamed apart."""

    id: int
    version: str
    digest: str
    manifest: Manifest
    salt: bytes
    created_at: datetime.datetime
    author: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChanges:
    """How the cases of one release differ from those of another; every list holds the first ones by slug."""

    added: int
    removed: int
    changed: int
    rests_on_other: int
    """Cases with the same text over definitions that changed."""
    first_added: tuple[str, ...]
    first_removed: tuple[str, ...]
    first_changed: tuple[tuple[str, Case | None, Case | None], ...]
    """(slug, before, after), both where the contents were read."""


class Releases:
    """The releases of one study."""

    def __init__(self, connection: sa.Connection, study_id: int) -> None:
        self._connection = connection
        self._study = study_id

    def get(self, version: str) -> StoredRelease | None:
        """The release of that version, or None."""
        query = sa.select(release).where(release.c.study_id == self._study, release.c.version == version)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _stored(row)

    def by_id(self, release_id: int) -> StoredRelease:
        """The release with that id."""
        return _stored(self._connection.execute(sa.select(release).where(release.c.id == release_id)).one())

    def all(self) -> list[StoredRelease]:
        """All releases, oldest first."""
        query = sa.select(release).where(release.c.study_id == self._study).order_by(release.c.id)
        return [_stored(row) for row in self._connection.execute(query)]

    def versions(self) -> list[str]:
        """The versions of all releases, oldest first."""
        query = sa.select(release.c.version).where(release.c.study_id == self._study).order_by(release.c.id)
        return list(self._connection.scalars(query))

    def add(
        self,
        version: str,
        *,
        salt: bytes,
        versions: Iterable[int],
        facts: Iterable[StoredFact],
        author: str,
        why: str,
        at: datetime.datetime,
    ) -> int:
        """Begin a release: the definition versions under its cases and the acts pinned; gives its id.

        It is none until :meth:`seal` has named it, in the same transaction.
        """
        row: dict[str, Any] = {
            "study_id": self._study,
            "version": version,
            "digest": _UNSEALED,
            "manifest": {},
            "salt": salt,
            "author": author,
            "why": why,
            "created_at": at,
        }
        key = self._connection.execute(release.insert().values(row)).inserted_primary_key
        assert key is not None
        number: int = key[0]
        under = ({"release_id": number, "version_id": version_id} for version_id in versions)
        self._many(release_definition, under)
        pinned = ({"release_id": number, "definition_id": f.definition_id, "fact_id": f.id} for f in facts)
        self._many(release_fact, pinned)
        return number

    def add_cases(self, release_id: int, cases: Iterable[tuple[ReleasedCase, int]]) -> None:
        """Store the cases of a release that was begun, each with the id of its version, as they come."""
        rows = (
            {
                "release_id": release_id,
                "ordinal": case.ordinal,
                "version_id": version_id,
                "closure": case.closure,
                "stimulus": case.stimulus,
                "first": case.first,
                "cluster": case.cluster,
                "split": case.split,
                "status": case.status,
            }
            for case, version_id in cases
        )
        self._many(release_case, rows)

    def seal(self, release_id: int, manifest: Manifest) -> None:
        """Name a release that was begun; nothing of it changes afterwards."""
        values = {"digest": manifest.digest(), "manifest": manifest.model_dump(mode="json")}
        self._connection.execute(release.update().where(release.c.id == release_id).values(values))

    def stimuli(self, release_id: int) -> int:
        """How many distinct stimuli the cases have."""
        query = sa.select(sa.func.count()).where(
            release_case.c.release_id == release_id, release_case.c.first
        )
        return self._connection.scalar(query) or 0

    def distinct(
        self, release_id: int, *, after: int = -1, most: int | None = None
    ) -> Iterator[tuple[int, str, Case]]:
        """Ordinal, stimulus and content of the first case of each stimulus, in order from ``after`` on, streamed."""
        body = sa.type_coerce(definition_version.c.body, sa.Text).label("body")
        query = (
            sa.select(release_case.c.ordinal, release_case.c.stimulus, body)
            .join_from(release_case, definition_version, release_case.c.version_id == definition_version.c.id)
            .where(
                release_case.c.release_id == release_id,
                release_case.c.ordinal > after,
                release_case.c.first,
            )
            .order_by(release_case.c.ordinal)
            .limit(most)
        )
        for ordinal, stimulus, text in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield ordinal, stimulus, from_json(Case, text, what=f"case {ordinal}")

    def cases(
        self, release_id: int, *, after: int = -1, most: int | None = None
    ) -> Iterator[tuple[ReleasedCase, Case]]:
        """The cases with their content, in order from ``after`` on, streamed."""
        query = (
            sa.select(
                release_case,
                definition.c.slug,
                definition_version.c.digest.label("content"),
                definition_version.c.body,
            )
            .join_from(release_case, definition_version, release_case.c.version_id == definition_version.c.id)
            .join(definition, definition.c.id == definition_version.c.definition_id)
            .where(release_case.c.release_id == release_id, release_case.c.ordinal > after)
            .order_by(release_case.c.ordinal)
            .limit(most)
        )
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield _released(row), to_value(Case, row.body, what=f"case {row.slug}")

    def at(self, release_id: int, ordinals: Iterable[int]) -> dict[int, tuple[str, Case]]:
        """Ordinal -> slug and content of these cases (at most some hundreds)."""
        query = (
            sa.select(release_case.c.ordinal, definition.c.slug, definition_version.c.body)
            .join_from(release_case, definition_version, release_case.c.version_id == definition_version.c.id)
            .join(definition, definition.c.id == definition_version.c.definition_id)
            .where(release_case.c.release_id == release_id, release_case.c.ordinal.in_(set(ordinals)))
        )
        return {
            row.ordinal: (row.slug, to_value(Case, row.body, what=f"case {row.slug}"))
            for row in self._connection.execute(query)
        }

    def definitions(self, release_id: int) -> dict[tuple[str, str], Definition]:
        """(kind, slug) -> every definition under the cases, with the acts that were pinned."""
        query = (
            sa.select(definition.c.id, definition.c.kind, definition.c.slug, definition_version.c.body)
            .join_from(
                release_definition,
                definition_version,
                release_definition.c.version_id == definition_version.c.id,
            )
            .join(definition, definition.c.id == definition_version.c.definition_id)
            .where(release_definition.c.release_id == release_id)
            .order_by(definition.c.id)
        )
        beside: dict[int, dict[str, list[Any]]] = {}
        for act in self.facts(release_id):
            if act.kind in ("dissent", "endorsements"):
                beside.setdefault(act.definition_id, {}).setdefault(act.kind, []).append(act.body)
        return {
            (row.kind, row.slug): to_definition(row.kind, row.slug, row.body, beside.get(row.id))
            for row in self._connection.execute(query)
        }

    def facts(self, release_id: int) -> list[StoredFact]:
        """The acts that were pinned, oldest first."""
        query = (
            sa.select(fact)
            .join_from(
                release_fact,
                fact,
                sa.and_(
                    fact.c.definition_id == release_fact.c.definition_id, fact.c.id == release_fact.c.fact_id
                ),
            )
            .where(release_fact.c.release_id == release_id)
            .order_by(fact.c.id)
        )
        return [to_fact(row) for row in self._connection.execute(query)]

    def slugs(self, release_id: int, *, most: int) -> list[str]:
        """The slugs of the first cases of a release, in order."""
        query = (
            sa.select(definition.c.slug)
            .join_from(release_case, definition_version, release_case.c.version_id == definition_version.c.id)
            .join(definition, definition.c.id == definition_version.c.definition_id)
            .where(release_case.c.release_id == release_id)
            .order_by(release_case.c.ordinal)
            .limit(most)
        )
        return list(self._connection.scalars(query))

    def numbers(self, release_id: int) -> dict[tuple[str, str], int]:
        """(kind, slug) -> number of the version of every definition under the cases."""
        query = (
            sa.select(definition.c.kind, definition.c.slug, definition_version.c.number)
            .join_from(
                release_definition,
                definition_version,
                release_definition.c.version_id == definition_version.c.id,
            )
            .join(definition, definition.c.id == definition_version.c.definition_id)
            .where(release_definition.c.release_id == release_id)
        )
        return {(kind, slug): number for kind, slug, number in self._connection.execute(query)}

    def since(self, release_id: int, statuses: Collection[str], *, most: int) -> CaseChanges:
        """What became of the cases since a release, of those now in one of these review states; no content is read."""
        held = self._held(release_id).subquery()
        is_open = sa.and_(case_line.c.definition_id.is_not(None), case_line.c.status.in_(statuses))
        head = definition_version.alias()
        both = (
            held.join(definition, definition.c.id == held.c.definition_id)
            .outerjoin(case_line, case_line.c.definition_id == held.c.definition_id)
            .outerjoin(head, sa.and_(head.c.id == definition.c.head_id, head.c.id != held.c.version_id))
        )
        differs = sa.and_(is_open, head.c.digest != held.c.digest)
        counted = sa.select(
            sa.func.count(),
            sa.func.count().filter(is_open),
            sa.func.count().filter(differs),
        ).select_from(both)
        all_then, kept, changed = self._connection.execute(counted).one()
        ours = sa.and_(case_line.c.study_id == self._study, case_line.c.status.in_(statuses))
        all_now = self._connection.scalar(sa.select(sa.func.count()).select_from(case_line).where(ours)) or 0
        fresh = case_line.outerjoin(held, held.c.definition_id == case_line.c.definition_id)
        is_new = sa.and_(ours, held.c.definition_id.is_(None))

        def first(
            many: int, slug: sa.ColumnElement[str], of: sa.FromClause, where: sa.ColumnElement[bool]
        ) -> tuple[str, ...]:
            query = sa.select(slug).select_from(of).where(where)
            query = query.order_by(by_code_point(self._connection, slug)).limit(most)
            return tuple(self._connection.scalars(query)) if many else ()

        added, removed = all_now - kept, all_then - kept
        gone = sa.or_(case_line.c.definition_id.is_(None), case_line.c.status.not_in(statuses))
        return CaseChanges(
            added=added,
            removed=removed,
            changed=changed,
            rests_on_other=0,
            first_added=first(added, case_line.c.slug, fresh, is_new),
            first_removed=first(removed, definition.c.slug, both, gone),
            first_changed=tuple((s, None, None) for s in first(changed, definition.c.slug, both, differs)),
        )

    def _held(self, release_id: int) -> sa.Select[*tuple[Any, ...]]:
        """Every case of a release by its definition."""
        return (
            sa.select(
                definition_version.c.definition_id,
                definition_version.c.id.label("version_id"),
                definition_version.c.digest,
            )
            .join_from(release_case, definition_version, release_case.c.version_id == definition_version.c.id)
            .where(release_case.c.release_id == release_id)
        )

    def tally(self, release_id: int) -> dict[tuple[str, str], int]:
        """(split, review state) -> how many cases."""
        by = (release_case.c.split, release_case.c.status)
        query = (
            sa.select(*by, sa.func.count().label("many"))
            .where(release_case.c.release_id == release_id)
            .group_by(*by)
            .order_by(*by)
        )
        return {(row.split, row.status): row.many for row in self._connection.execute(query)}

    def count_by(self, release_id: int, *fields: str) -> dict[tuple[str | None, ...], int]:
        """Values of top-level text fields of the cases -> how many have them."""
        body = definition_version.c.body
        values = [text_in(self._connection, body, name).label(f"f{n}") for n, name in enumerate(fields)]
        query = (
            sa.select(*values, sa.func.count())
            .join_from(release_case, definition_version, release_case.c.version_id == definition_version.c.id)
            .where(release_case.c.release_id == release_id)
            .group_by(*values)
        )
        return {tuple(row[:-1]): row[-1] for row in self._connection.execute(query)}

    def compare(self, before: int, after: int, *, most: int) -> CaseChanges:
        """What became of the cases between two releases, by their digests; no case but the first ``most`` is read.

        What both hold just so is left to the database; the rest is streamed side by side.
        """
        counts: Counter[str] = Counter()
        added, removed = list[str](), list[str]()
        changed: list[tuple[str, int, int]] = []
        for slug, old, new in _side_by_side(
            self._members(before, unlike=after), self._members(after, unlike=before)
        ):
            if old is None or new is None:
                counts["added" if old is None else "removed"] += 1
                first = added if old is None else removed
                if len(first) < most:
                    first.append(slug)
            elif old.digest != new.digest:
                counts["changed"] += 1
                if len(changed) < most:
                    changed.append((slug, old.version_id, new.version_id))
            else:
                counts["rests_on_other"] += old.closure != new.closure
        bodies = self._bodies([number for _, a, b in changed for number in (a, b)])
        return CaseChanges(
            added=counts["added"],
            removed=counts["removed"],
            changed=counts["changed"],
            rests_on_other=counts["rests_on_other"],
            first_added=tuple(added),
            first_removed=tuple(removed),
            first_changed=tuple((slug, bodies[a], bodies[b]) for slug, a, b in changed),
        )

    def _members(self, release_id: int, *, unlike: int) -> Iterator[_Member]:
        """The cases of a release that another one does not hold just so, with their digests, by slug, streamed."""
        held, other = (
            sa.select(release_case.c.version_id, release_case.c.closure).where(
                release_case.c.release_id == number
            )
            for number in (release_id, unlike)
        )
        own = held.except_(other).subquery()
        query = (
            sa.select(definition.c.slug, definition_version.c.id, definition_version.c.digest, own.c.closure)
            .join_from(own, definition_version, definition_version.c.id == own.c.version_id)
            .join(definition, definition.c.id == definition_version.c.definition_id)
            .order_by(by_code_point(self._connection, definition.c.slug))
        )
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield _Member(*row)

    def _bodies(self, versions: list[int]) -> dict[int, Case]:
        query = sa.select(definition_version.c.id, definition_version.c.body)
        found: dict[int, Case] = {}
        for start in range(0, len(versions), CHUNK):
            part = query.where(definition_version.c.id.in_(versions[start : start + CHUNK]))
            for row in self._connection.execute(part):
                found[row.id] = to_value(Case, row.body, what=f"case version {row.id}")
        return found

    def _many(self, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == CHUNK:
                self._connection.execute(table.insert(), batch)
                batch = []
        if batch:
            self._connection.execute(table.insert(), batch)


def _stored(row: sa.Row[*tuple[Any, ...]]) -> StoredRelease:
    manifest = to_value(Manifest, row.manifest, what=f"the manifest of release {row.version}")
    return StoredRelease(
        row.id, row.version, row.digest, manifest, bytes(row.salt), row.created_at, row.author, row.why
    )


@dataclass(frozen=True, slots=True)
class _Member:
    slug: str
    version_id: int
    digest: str
    closure: str


def _side_by_side(
    before: Iterator[_Member], after: Iterator[_Member]
) -> Iterator[tuple[str, _Member | None, _Member | None]]:
    """Slug by slug what stands in each of two streams that are both in the order of slugs."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.slug < new.slug):
            assert old is not None
            yield old.slug, old, None
            old = next(before, None)
        elif old is None or new.slug < old.slug:
            yield new.slug, None, new
            new = next(after, None)
        else:
            yield old.slug, old, new
            old, new = next(before, None), next(after, None)


def _released(row: sa.Row[*tuple[Any, ...]]) -> ReleasedCase:
    return ReleasedCase(
        ordinal=row.ordinal,
        slug=row.slug,
        content=row.content,
        closure=row.closure,
        stimulus=row.stimulus,
        cluster=row.cluster,
        split=row.split,
        status=row.status,
        first=row.first,
    )
