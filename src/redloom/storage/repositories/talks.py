"""The conversations of one run as lists and readers need them: by key, with long texts cut."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from redloom.domain.run import Used
from redloom.storage.dialects import text_in
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.tables import (
    attempt,
    definition_version,
    imported,
    interaction,
    judgement,
    release_case,
    turn,
)

Said = Literal["harm", "no_harm", "unsure", "depends_on", "refused", "unjudged"]
"""What judges said of a conversation, ``refused`` in full."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation stands in its run: by case, then condition, then try."""

    ordinal: int
    """Of the case in the release."""
    arm: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkQuery:
    """Which conversations of a run; what is empty asks nothing."""

    arm: str = ""
    state: str = ""
    scenarios: tuple[str, ...] | None = None
    """Those of cases of these scenarios;"""
    harm: str = ""
    """and besides those of cases without a scenario about this harm."""
    said: Said | None = None
    judges: tuple[tuple[int, ...], ...] = ()
    """The instruments of each judge that may have said it."""
    by_turn: frozenset[int] = frozenset()
    """Those of them that judge every reply by itself."""
    held: bool = False
    """Only where something was said."""

    @property
    def may_match_few(self) -> bool:
        """Whether one may have to look far for the next that matches."""
        return bool(self.state or self.said or self.scenarios is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTalk:
    """One try of one case; where nothing was said there is no conversation."""

    place: Place
    interaction: bytes | None
    state: str
    error: str | None
    ended_by: str | None
    used: Used
    system: str | None
    """The system prompt that a file told; None for what was executed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The beginning of a text, and how long all of it is."""

    text: str
    length: int

    @property
    def is_cut(self) -> bool:
        """Whether there is more."""
        return len(self.text) < self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTurn:
    """One exchange with the beginnings of its texts."""

    id: bytes
    said: Cut | None
    """None where the system spoke first."""
    reply: Cut
    finish_reason: str | None
    tokens_in: int | None
    tokens_out: int | None
    latency_ms: int | None

    @property
    def is_scripted(self) -> bool:
        """The case set this reply, so that nothing was asked of the system."""
        return self.said is None and self.latency_ms is None


class Talks:
    """The conversations of one run."""

    def __init__(self, connection: sa.Connection, run: StoredRun) -> None:
        self._connection = connection
        self._run = run
        self._imported = run.spec.frame == "imported"
        self._arm: sa.ColumnElement[str] = sa.literal("full") if self._imported else attempt.c.arm
        self._index: sa.ColumnElement[int] = sa.literal(0) if self._imported else attempt.c.index
        self._state: sa.ColumnElement[str] = sa.literal("completed") if self._imported else attempt.c.state
        self._interaction = imported.c.interaction if self._imported else attempt.c.interaction

    def ordinals(self, query: TalkQuery) -> array[int]:
        """The cases with a conversation that matches, in order."""
        found = self._from(release_case.c.ordinal).where(*self._wanted(query)).distinct()
        return array("I", self._connection.scalars(found.order_by(release_case.c.ordinal)))

    def page(
        self,
        query: TalkQuery,
        *,
        after: Place | None = None,
        before: Place | None = None,
        most: int,
        ordinals: Sequence[int] | None = None,
    ) -> list[StoredTalk]:
        """At most ``most`` that match after a place, or the last ones before one, in the order of places.

        ``ordinals`` are the only cases looked at (at most some hundreds); None for all. What judges said is asked of any judgement that stands; a later one by the same judge may say otherwise.
        """
        found = self._select().where(*self._wanted(query))
        if ordinals is not None:
            found = found.where(release_case.c.ordinal.in_(ordinals))
        place = before or after
        if place is not None:
            found = found.where(*self._beyond(place, back=before is not None))
        key: list[sa.ColumnElement[Any]] = [release_case.c.ordinal]
        if not self._imported:
            key += [attempt.c.arm, attempt.c.index]
        order = [column.desc() for column in key] if before is not None else key
        rows = [_talk(row) for row in self._connection.execute(found.order_by(*order).limit(most))]
        return rows[::-1] if before is not None else rows

    def find(self, key: bytes, *, ordinal: int | None = None) -> StoredTalk | None:
        """The conversation with that id, of the case with that ordinal or else of the first that has it; None for none."""
        found = self._select().where(self._interaction == key)
        if not self._imported:
            if ordinal is None:
                stimulus = sa.select(attempt.c.stimulus).where(
                    attempt.c.run_id == self._run.id, attempt.c.interaction == key
                )
                found = found.where(release_case.c.stimulus == self._connection.scalar(stimulus))
            else:
                found = found.where(release_case.c.ordinal == ordinal)
        row = self._connection.execute(found.order_by(release_case.c.ordinal).limit(1)).one_or_none()
        return None if row is None else _talk(row)

    def beginnings(self, keys: Sequence[bytes], *, most: int) -> dict[bytes, str]:
        """Conversation -> the first ``most`` characters of what was said first (at most some hundreds at a time)."""
        other = turn.alias("other")
        first = sa.select(other.c.id).where(other.c.interaction == turn.c.interaction)
        words = sa.func.substr(sa.func.coalesce(turn.c.text, turn.c.reply), 1, most)
        query = sa.select(turn.c.interaction, words.label("words")).where(
            turn.c.interaction.in_(keys),
            turn.c.id == first.order_by(other.c.id).limit(1).scalar_subquery(),
        )
        return {bytes(row.interaction): row.words for row in self._connection.execute(query)}

    def count_turns(self, key: bytes) -> int:
        """How many exchanges a conversation has."""
        query = sa.select(sa.func.count()).where(turn.c.interaction == key)
        return self._connection.scalar(query) or 0

    def turns(self, key: bytes, *, most: int) -> list[CutTurn]:
        """The exchanges of a conversation, of each text at most ``most`` characters."""
        text, reply = turn.c.text, turn.c.reply
        query = (
            sa.select(
                turn.c.id,
                sa.func.substr(text, 1, most).label("text"),
                sa.func.length(text).label("text_length"),
                sa.func.substr(reply, 1, most).label("reply"),
                sa.func.length(reply).label("reply_length"),
                turn.c.finish_reason,
                turn.c.tokens_in,
                turn.c.tokens_out,
                turn.c.latency_ms,
            )
            .where(turn.c.interaction == key)
            .order_by(turn.c.id)
        )
        return [
            CutTurn(
                id=bytes(row.id),
                said=None if row.text is None else Cut(text=row.text, length=row.text_length),
                reply=Cut(text=row.reply, length=row.reply_length),
                finish_reason=row.finish_reason,
                tokens_in=row.tokens_in,
                tokens_out=row.tokens_out,
                latency_ms=row.latency_ms,
            )
            for row in self._connection.execute(query)
        ]

    def text(self, key: bytes, number: int) -> tuple[str | None, str] | None:
        """What was said and replied in the turn with that number, from 1, whole; None where there is none."""
        query = sa.select(turn.c.text, turn.c.reply).where(turn.c.interaction == key).order_by(turn.c.id)
        row = self._connection.execute(query.offset(number - 1).limit(1)).one_or_none()
        return None if row is None else (row.text, row.reply)

    def _select(self) -> sa.Select[*tuple[Any, ...]]:
        used = ("tries", "requests", "tokens_in", "tokens_out", "cost", "error")
        columns: list[sa.ColumnElement[Any]] = [
            release_case.c.ordinal,
            self._arm.label("arm"),
            self._index.label("attempt_index"),
            self._state.label("state"),
            self._interaction.label("interaction"),
            interaction.c.ended_by,
            (imported.c.system if self._imported else sa.null()).label("system"),
            *((sa.null() if self._imported else attempt.c[name]).label(name) for name in used),
        ]
        return self._from(*columns).join(interaction, interaction.c.id == self._interaction, isouter=True)

    def _from(self, *columns: sa.ColumnElement[Any]) -> sa.Select[*tuple[Any, ...]]:
        of_case = (
            imported.c.ordinal == release_case.c.ordinal
            if self._imported
            else attempt.c.stimulus == release_case.c.stimulus
        )
        table = imported if self._imported else attempt
        return (
            sa.select(*columns)
            .join_from(release_case, table, of_case)
            .where(release_case.c.release_id == self._run.release_id, table.c.run_id == self._run.id)
        )

    def _beyond(self, place: Place, *, back: bool) -> list[sa.ColumnElement[bool]]:
        """The range of an index first, then what of its end is passed already."""
        ordinal = release_case.c.ordinal
        if self._imported:
            return [ordinal < place.ordinal if back else ordinal > place.ordinal]
        at, arm, index = place.ordinal, attempt.c.arm, attempt.c.index
        same = arm == place.arm
        if back:
            passed = sa.or_(ordinal < at, arm < place.arm, sa.and_(same, index < place.index))
            return [ordinal <= at, passed]
        passed = sa.or_(ordinal > at, arm > place.arm, sa.and_(same, index > place.index))
        return [ordinal >= at, passed]

    def _wanted(self, query: TalkQuery) -> list[sa.ColumnElement[bool]]:
        found: list[sa.ColumnElement[bool]] = []
        if query.arm:
            found.append(self._arm == query.arm)
        if query.state:
            found.append(self._state == query.state)
        if query.held:
            found.append(self._interaction.is_not(None))
        if query.scenarios is not None:
            found.append(self._about(query.scenarios, query.harm))
        if query.said == "unjudged":
            lacking = (
                self._lacks_units(one) if query.by_turn.issuperset(one) else ~self._judged(one)
                for one in query.judges
            )
            found.append(sa.or_(sa.false(), *lacking))
        elif query.said is not None:
            wanted = (
                judgement.c.refusal == "full"
                if query.said == "refused"
                else judgement.c.verdict == query.said
            )
            found.append(self._judged(tuple(n for one in query.judges for n in one), wanted))
        return found

    def _about(self, scenarios: tuple[str, ...], harm: str) -> sa.ColumnElement[bool]:
        scenario = text_in(self._connection, definition_version.c.body, "scenario")
        wanted = scenario.in_(scenarios)
        if harm:
            about = text_in(self._connection, definition_version.c.body, "harm") == harm
            wanted = sa.or_(wanted, sa.and_(scenario.is_(None), about))
        return sa.exists().where(definition_version.c.id == release_case.c.version_id, wanted)

    def _lacks_units(self, instruments: tuple[int, ...]) -> sa.ColumnElement[bool]:
        """Whether some reply has no valid judgement by any of these."""
        replies = sa.select(turn.c.id).where(
            turn.c.interaction == self._interaction,
            sa.or_(turn.c.text.is_not(None), turn.c.latency_ms.is_not(None)),
        )
        judged = sa.select(judgement.c.turn).where(
            judgement.c.interaction == self._interaction,
            judgement.c.instrument_id.in_(instruments),
            judgement.c.state == "ok",
            judgement.c.turn.is_not(None),
        )
        return replies.where(turn.c.id.not_in(judged)).exists()

    def _judged(
        self, instruments: tuple[int, ...], *conditions: sa.ColumnElement[bool]
    ) -> sa.ColumnElement[bool]:
        later = judgement.alias("later")
        return sa.exists().where(
            judgement.c.interaction == self._interaction,
            judgement.c.instrument_id.in_(instruments),
            judgement.c.state == "ok",
            *conditions,
            ~sa.exists().where(
                later.c.interaction == judgement.c.interaction, later.c.supersedes == judgement.c.id
            ),
        )


def _talk(row: sa.Row[*tuple[Any, ...]]) -> StoredTalk:
    return StoredTalk(
        place=Place(row.ordinal, row.arm, row.attempt_index),
        interaction=None if row.interaction is None else bytes(row.interaction),
        state=row.state,
        error=row.error,
        ended_by=row.ended_by,
        used=Used(
            tries=row.tries or 0,
            requests=row.requests or 0,
            tokens_in=row.tokens_in or 0,
            tokens_out=row.tokens_out or 0,
            cost=row.cost,
        ),
        system=row.system,
    )
