"""The words of every definition, to find definitions by how words begin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, cast

import sqlalchemy as sa

TABLE = "definition_words"
"""Made by a migration, in another way on each database, and not among the tables of the metadata."""
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff]|[^\\W_\u3040-\u30ff\u3400-\u9fff]+")
"""Letters and digits in a row; a sign of a script that sets no spaces is a word of its own."""
_WORDS = sa.table(TABLE, sa.column("rowid"), sa.column("definition_id"), sa.column("words"))


def words_of(text: str) -> list[str]:
    """The words of a text without case and accents, each once, in their order."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return list(dict.fromkeys(_WORD.findall(bare)))


def texts_of(content: Any) -> Iterator[str]:
    """Every text in a content, field names left out."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for one in cast(dict[str, Any], content).values():
            yield from texts_of(one)
    elif isinstance(content, list | tuple):
        for one in cast(list[Any], content):
            yield from texts_of(one)


def make(connection: sa.Connection) -> None:
    """The empty index in a database that has none."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE {TABLE} USING fts5"
            "(words, tokenize = 'unicode61 remove_diacritics 2', detail = 'none', columnsize = 0)"
        )
        return
    connection.exec_driver_sql(
        f"CREATE TABLE {TABLE} (definition_id BIGINT PRIMARY KEY REFERENCES definition (id), words TSVECTOR NOT NULL)"
    )
    connection.exec_driver_sql(f"CREATE INDEX ix_{TABLE}_words ON {TABLE} USING gin (words)")


class Words:
    """The index of one database."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._sqlite = connection.dialect.name == "sqlite"

    def put(self, members: Iterable[tuple[int, str, Any]]) -> None:
        """Take definitions in anew: (id, slug, content)."""
        found = [(key, words_of("\n".join([slug, *texts_of(content)]))) for key, slug, content in members]
        self.drop(key for key, _ in found)
        if not found:
            return
        if self._sqlite:
            text = f"INSERT INTO {TABLE} (rowid, words) VALUES (:key, :words)"
            rows = [{"key": key, "words": " ".join(words)} for key, words in found]
        else:
            text = f"INSERT INTO {TABLE} (definition_id, words) VALUES (:key, array_to_tsvector(CAST(:words AS text[])))"
            rows = [{"key": key, "words": words} for key, words in found]
        self._connection.execute(sa.text(text), rows)

    def drop(self, keys: Iterable[int]) -> None:
        """Take definitions out."""
        found = list(keys)
        if found:
            self._connection.execute(sa.delete(_WORDS).where(self._key().in_(found)))

    def empty(self) -> None:
        """Take all out."""
        self._connection.execute(sa.delete(_WORDS))

    def keys(self, text: str) -> sa.Select[*tuple[Any, ...]]:
        """The ids of the definitions in which every word of ``text`` begins some word; none for a text without words."""
        words = words_of(text)
        if not words:
            return sa.select(self._key()).where(sa.false())
        each = [f'"{word}" *' if self._sqlite else f"'{word}':*" for word in words]
        found = self._matching((" AND " if self._sqlite else " & ").join(each))
        # Read once and kept: SQLite else asks the index again for each row that it looks at.
        kept = found.cte("holding_words").prefix_with("MATERIALIZED")
        return sa.select(kept.c[0])

    def keys_sharing(self, words: Sequence[str]) -> sa.Select[*tuple[Any, ...]]:
        """The ids of the definitions that have all of ``words``, as :func:`words_of` gives them, or all but one."""
        quoted = [f'"{word}"' if self._sqlite else f"'{word}'" for word in words]
        if not quoted:
            return sa.select(self._key()).where(sa.false())
        also, either = (" AND ", " OR ") if self._sqlite else (" & ", " | ")
        fewer = len(quoted) - 1 or 1
        return self._matching(either.join(f"({also.join(some)})" for some in combinations(quoted, fewer)))

    def _matching(self, expression: str) -> sa.Select[*tuple[Any, ...]]:
        query = sa.select(self._key())
        if self._sqlite:
            return query.where(sa.literal_column(TABLE).op("MATCH")(expression))
        return query.where(
            sa.text(f"{TABLE}.words @@ CAST(:looked_for AS tsquery)").bindparams(looked_for=expression)
        )

    def _key(self) -> sa.ColumnElement[Any]:
        return _WORDS.c.rowid if self._sqlite else _WORDS.c.definition_id
