"""One short row for each test conversation, derived from definitions and acts, for lists and counts."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from redloom.storage.json_fields import text_in
from redloom.storage.tables import case_line, definition, definition_version, fact
from redloom.storage.words import Words

CHUNK = 500
FEW = 2000
"""Definitions that a search finds, up to which their rows are read by number."""
SAID = 100
"""Characters kept of the first turn."""
FILTERS = ("status", "harm", "language", "origin", "scenario")
"""Columns of a row that a query may ask for."""
PARTS = ("context", "persona", "interaction_type")
"""What a query may ask of the scenario of a row."""
Sort = Literal["newest", "oldest", "name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineQuery:
    """Which rows are wanted; an empty field asks nothing."""

    text: str = ""
    status: str = ""
    harm: str = ""
    language: str = ""
    origin: str = ""
    scenario: str = ""
    context: str = ""
    persona: str = ""
    interaction_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row."""

    definition_id: int
    slug: str
    status: str
    scenario: str | None
    harm: str | None
    language: str | None
    origin: str
    turns: int
    said: str
    at: datetime.datetime
    digest: str
    """Of the newest version, which is what the rest of the row is of."""


class CaseLines:
    """The rows of one study."""

    def __init__(self, connection: sa.Connection, study_id: int) -> None:
        self._connection = connection
        self._study = study_id

    def refresh(self, ids: Iterable[int]) -> None:
        """Derive the rows of these definitions again."""
        numbers = list(ids)
        for start in range(0, len(numbers), CHUNK):
            self._refresh(numbers[start : start + CHUNK])

    def refresh_under(self, scenarios: Sequence[str]) -> None:
        """Derive the rows of the cases of these scenarios again."""
        query = sa.select(case_line.c.definition_id).where(
            case_line.c.study_id == self._study, case_line.c.scenario.in_(scenarios)
        )
        self.refresh(list(self._connection.scalars(query)))

    def rebuild(self) -> None:
        """Derive every row again."""
        self._connection.execute(case_line.delete().where(case_line.c.study_id == self._study))
        query = sa.select(definition.c.id).where(
            definition.c.study_id == self._study, definition.c.kind == "case"
        )
        self.refresh(list(self._connection.scalars(query.order_by(definition.c.id))))

    def page(
        self,
        query: LineQuery,
        *,
        sort: Sort = "newest",
        after: str = "",
        before: str = "",
        most: int = 50,
    ) -> list[Line]:
        """At most ``most`` rows after the case with the slug ``after``, or the last ones before ``before``."""
        place = self.place(before or after)
        turned = bool(before) and place is not None
        falling = (sort == "newest") != turned
        found = _ROWS.where(*self._wanted(query))
        if sort == "name":
            lines = self._named(found, place, falling, most)
        else:
            lines = self._timed(found, place, falling, most)
        return lines[::-1] if turned else lines

    def _named(
        self, found: sa.Select[*tuple[Any, ...]], place: Line | None, falling: bool, most: int
    ) -> list[Line]:
        key = case_line.c.slug
        if place is not None:
            found = found.where(key < place.slug if falling else key > place.slug)
        return self._lines(found.order_by(key.desc() if falling else key).limit(most))

    def _timed(
        self, found: sa.Select[*tuple[Any, ...]], place: Line | None, falling: bool, most: int
    ) -> list[Line]:
        """By time and number after ``place``: those of its very time first, so that each part is a range of an index."""
        at, key = case_line.c.at, case_line.c.definition_id
        order = (at.desc(), key.desc()) if falling else (at, key)
        if place is None:
            return self._lines(found.order_by(*order).limit(most))
        number = place.definition_id
        beside = found.where(at == place.at, key < number if falling else key > number)
        lines = self._lines(beside.order_by(order[1]).limit(most))
        if len(lines) < most:
            beyond = found.where(at < place.at if falling else at > place.at)
            lines += self._lines(beyond.order_by(*order).limit(most - len(lines)))
        return lines

    def _lines(self, query: sa.Select[*tuple[Any, ...]]) -> list[Line]:
        return [_line(row) for row in self._connection.execute(query)]

    def place(self, slug: str) -> Line | None:
        """The row of one case."""
        query = _ROWS.where(case_line.c.study_id == self._study, case_line.c.slug == slug)
        row = self._connection.execute(query).one_or_none() if slug else None
        return None if row is None else _line(row)

    def named(self, slugs: Sequence[str]) -> dict[str, Line]:
        """Slug -> the row, of these."""
        found: dict[str, Line] = {}
        for start in range(0, len(slugs), CHUNK):
            part = case_line.c.slug.in_(slugs[start : start + CHUNK])
            rows = self._lines(_ROWS.where(case_line.c.study_id == self._study, part))
            found |= {row.slug: row for row in rows}
        return found

    def waiting(self, after: str, *, back: bool = False) -> Line | None:
        """The oldest case that nobody has decided on, after (or with ``back`` before) another one; None for none."""
        place = self.place(after)
        ends: list[Line] = []
        for status in ("draft", "in_review"):
            found = _ROWS.where(case_line.c.study_id == self._study, case_line.c.status == status)
            ends += self._timed(found, place, back, 1)
        if not ends:
            return None
        return (max if back else min)(ends, key=lambda line: (line.at, line.definition_id))

    def slugs(self, query: LineQuery, *, newest: int | None = None) -> list[str]:
        """All that match, in the order they came; with ``newest`` without those of a version after that number."""
        found = sa.select(case_line.c.slug).where(*self._wanted(query)).order_by(case_line.c.definition_id)
        if newest is not None:
            head = sa.select(definition.c.head_id).where(definition.c.id == case_line.c.definition_id)
            found = found.where(head.scalar_subquery() <= newest)
        return list(self._connection.scalars(found))

    def statuses(self, slugs: Sequence[str] | None = None) -> dict[str, str]:
        """Slug -> review state, of all or of these, in the order they came."""
        columns = (case_line.c.slug, case_line.c.status)
        query = sa.select(*columns).where(case_line.c.study_id == self._study)
        if slugs is None:
            found = self._connection.execute(query.order_by(case_line.c.definition_id))
            return {row.slug: row.status for row in found}
        known: dict[str, str] = {}
        for start in range(0, len(slugs), CHUNK):
            part = query.where(case_line.c.slug.in_(slugs[start : start + CHUNK]))
            known |= {row.slug: row.status for row in self._connection.execute(part)}
        return known

    def count_by(self, field: str, query: LineQuery | None = None) -> dict[str, int]:
        """Value of a column -> how many rows that match have it; rows without a value are left out."""
        column = case_line.c[field]
        counted = sa.select(column.label("value"), sa.func.count().label("many")).where(
            *self._wanted(query or LineQuery()), column.is_not(None)
        )
        return {row.value: row.many for row in self._connection.execute(counted.group_by(column))}

    def tally(self, *fields: str) -> dict[tuple[str | None, ...], int]:
        """Values of columns -> how many rows have just these."""
        columns = [case_line.c[name] for name in fields]
        query = sa.select(*columns, sa.func.count()).where(case_line.c.study_id == self._study)
        return {tuple(row[:-1]): row[-1] for row in self._connection.execute(query.group_by(*columns))}

    def _wanted(self, query: LineQuery) -> list[sa.ColumnElement[bool]]:
        asked = ((name, getattr(query, name)) for name in FILTERS)
        wanted = [case_line.c[name] == value for name, value in asked if value]
        parts = {name: getattr(query, name) for name in PARTS if getattr(query, name)}
        if parts:
            wanted.append(case_line.c.scenario.in_(self._scenarios_with(parts)))
        ours = case_line.c.study_id == self._study
        if not query.text:
            return [ours, *wanted]
        keys = Words(self._connection).keys(query.text)
        few = list(self._connection.scalars(keys.limit(FEW + 1)))
        if len(few) > FEW:
            return [ours, case_line.c.definition_id.in_(keys), *wanted]
        # Adding nothing keeps SQLite from going through the whole study where it can have the few rows by number.
        ours = sa.type_coerce(case_line.c.study_id, sa.Integer).op("+")(0) == self._study
        return [case_line.c.definition_id.in_(few), ours, *wanted]

    def _refresh(self, ids: Sequence[int]) -> None:
        self._connection.execute(case_line.delete().where(case_line.c.definition_id.in_(ids)))
        heads = self._connection.execute(
            _HEADS.where(definition.c.id.in_(ids), definition.c.kind == "case").order_by(definition.c.id)
        ).all()
        statuses = self._statuses(ids)
        scenarios = self._scenarios({row.body["scenario"] for row in heads if row.body.get("scenario")})
        rows = [
            self._row(row, statuses.get((row.id, row.digest), "draft"), scenarios)
            for row in heads
            if row.study_id == self._study
        ]
        if rows:
            self._connection.execute(case_line.insert(), rows)

    def _row(
        self, row: sa.Row[*tuple[Any, ...]], status: str, scenarios: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        body: Mapping[str, Any] = row.body
        provenance: Mapping[str, str] = body.get("provenance") or {}
        script: Sequence[str] = body.get("script") or ()
        scenario = scenarios.get(body.get("scenario") or "", {})
        first = script[0] if script else body.get("opening") or ""
        return {
            "definition_id": row.id,
            "study_id": self._study,
            "slug": row.slug,
            "status": status,
            "scenario": body.get("scenario"),
            "harm": body.get("harm") or scenario.get("harm"),
            "language": body.get("language") or scenario.get("language"),
            "origin": provenance.get("origin", "human"),
            "turns": len(script),
            "said": " ".join(first.split())[:SAID],
            "at": row.created_at,
        }

    def _statuses(self, ids: Sequence[int]) -> dict[tuple[int, str], str]:
        """(definition, version it is about) -> the newest review state."""
        query = (
            sa.select(fact.c.definition_id, fact.c.about, fact.c.body)
            .where(fact.c.definition_id.in_(ids), fact.c.kind == "review")
            .order_by(fact.c.definition_id, fact.c.id)
        )
        found = self._connection.execute(query)
        return {(row.definition_id, row.about): row.body.get("status", "draft") for row in found}

    def _scenarios_with(self, parts: Mapping[str, str]) -> list[str]:
        """The scenarios with these parts: few, where the cases are many."""
        body = definition_version.c.body
        query = (
            sa.select(definition.c.slug)
            .join_from(definition, definition_version, definition_version.c.id == definition.c.head_id)
            .where(
                definition.c.study_id == self._study,
                definition.c.kind == "scenario",
                definition.c.retired.is_(False),
                *(text_in(self._connection, body, name) == value for name, value in parts.items()),
            )
        )
        return list(self._connection.scalars(query))

    def _scenarios(self, slugs: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        query = _HEADS.where(
            definition.c.study_id == self._study,
            definition.c.kind == "scenario",
            definition.c.slug.in_(list(slugs)),
        )
        return {row.slug: row.body for row in self._connection.execute(query)}


_HEADS = (
    sa.select(
        definition.c.id,
        definition.c.study_id,
        definition.c.kind,
        definition.c.slug,
        definition_version.c.digest,
        definition_version.c.body,
        definition_version.c.created_at,
    )
    .join_from(definition, definition_version, definition_version.c.id == definition.c.head_id)
    .where(definition.c.retired.is_(False))
)

_DIGEST = (
    sa.select(definition_version.c.digest)
    .join_from(definition, definition_version, definition_version.c.id == definition.c.head_id)
    .where(definition.c.id == case_line.c.definition_id)
    .scalar_subquery()
)
_ROWS = sa.select(case_line, _DIGEST.label("digest"))
"""Rows with their digests, read at one moment."""


def _line(row: sa.Row[*tuple[Any, ...]]) -> Line:
    return Line(**{name: getattr(row, name) for name in Line.__dataclass_fields__})


def rebuild(connection: sa.Connection) -> None:
    """Derive the rows and words of the whole database again from its definitions and acts."""
    from redloom.storage.tables import study

    for study_id in list(connection.scalars(sa.select(study.c.id))):
        CaseLines(connection, study_id).rebuild()
    rebuild_words(connection)


def rebuild_words(connection: sa.Connection) -> None:
    """Take every definition into the index of words anew."""
    words = Words(connection)
    words.empty()
    newest = 0
    while True:
        query = _HEADS.where(definition.c.id > newest).order_by(definition.c.id).limit(CHUNK)
        rows = connection.execute(query).all()
        if not rows:
            return
        words.put((row.id, row.slug, row.body) for row in rows)
        newest = rows[-1].id
