"""Runs, their attempts, and the conversations they held."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redloom.domain.decision import Decision
from redloom.domain.interaction import Interaction, Turn
from redloom.domain.run import RunSpec, RunState, Used
from redloom.storage.bulk import BulkInsert
from redloom.storage.dialects import text_in
from redloom.storage.mapping import storable, to_turn, to_value, turn_row
from redloom.storage.tables import attempt, imported, interaction, run, turn
from redloom.storage.tables import decision as decision_table

_INTERACTIONS, _IMPORTED, _TURNS = BulkInsert(interaction), BulkInsert(imported), BulkInsert(turn)
_LAST = re.compile(r"last(?:~(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it is stored."""

    id: int
    name: str
    study_id: int
    release_id: int
    spec: RunSpec
    state: RunState
    message: str | None
    created_at: datetime.datetime
    finished_at: datetime.datetime | None
    changes: int
    """How often it was moved, judged, or decided on: what is worked out of a run that does not go holds until then."""


@dataclass(frozen=True, slots=True)
class StoredAttempt:
    """An attempt with its state; pending ones have no row."""

    stimulus: str
    arm: str
    index: int
    state: str
    used: Used
    interaction: bytes | None
    error: str | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has used."""

    requests: int
    tokens_in: int
    tokens_out: int
    cost: float


class Runs:
    """All runs of a database."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, name: str, *, study_id: int, release_id: int, spec: RunSpec, at: datetime.datetime) -> int:
        """A new run; gives its id."""
        row = {
            "name": name,
            "study_id": study_id,
            "release_id": release_id,
            "spec": spec.model_dump(mode="json"),
            "state": "running",
            "message": None,
            "created_at": at,
        }
        key = self._connection.execute(run.insert().values(row)).inserted_primary_key
        assert key is not None
        return key[0]

    def find(self, name: str) -> list[StoredRun]:
        """The runs whose name is or starts with ``name``, newest first; ``last`` is the newest, ``last~1`` the one before."""
        query = sa.select(run).order_by(run.c.id.desc())
        if back := _LAST.fullmatch(name):
            query = query.limit(1).offset(int(back[1] or 0))
        else:
            query = query.where(run.c.name.startswith(name, autoescape=True))
        return [_stored(row) for row in self._connection.execute(query)]

    def all(self, study_id: int | None = None) -> list[StoredRun]:
        """All runs, newest first."""
        query = sa.select(run).order_by(run.c.id.desc())
        if study_id is not None:
            query = query.where(run.c.study_id == study_id)
        return [_stored(row) for row in self._connection.execute(query)]

    def names(self, study_id: int) -> list[tuple[str, str]]:
        """(name, name of the system) of the runs of a study, newest first."""
        system = text_in(self._connection, run.c.spec, "target_name")
        query = sa.select(run.c.name, system).where(run.c.study_id == study_id).order_by(run.c.id.desc())
        return [(name, target) for name, target in self._connection.execute(query)]

    def named(self, study_id: int, name: str) -> StoredRun | None:
        """The run of a study with exactly that name, or None."""
        query = sa.select(run).where(run.c.name == name, run.c.study_id == study_id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _stored(row)

    def page(self, study_id: int, *, after: str = "", before: str = "", most: int) -> list[StoredRun]:
        """At most ``most`` runs of a study, newest first, that come after the run ``after`` or before ``before``."""
        place = self.named(study_id, before or after)
        turned = bool(before) and place is not None
        query = sa.select(run).where(run.c.study_id == study_id)
        if place is not None:
            query = query.where(run.c.id > place.id if turned else run.c.id < place.id)
        query = query.order_by(run.c.id if turned else run.c.id.desc()).limit(most)
        found = [_stored(row) for row in self._connection.execute(query)]
        return found[::-1] if turned else found

    def begun(self, run_id: int, since: bytes) -> tuple[int, bytes | None]:
        """How many conversations of a run began from the id ``since`` on, and the first of them."""
        ours = (interaction.c.id >= since, interaction.c.run_id == run_id)
        first = self._connection.scalar(
            sa.select(interaction.c.id).where(*ours).order_by(interaction.c.id).limit(1)
        )
        many = self._connection.scalar(sa.select(sa.func.count()).where(*ours))
        return many or 0, None if first is None else bytes(first)

    def set_state(
        self, run_id: int, state: RunState, message: str | None, at: datetime.datetime | None
    ) -> None:
        """Move a run to a state."""
        values = {"state": state, "message": message, "finished_at": at, "changes": run.c.changes + 1}
        self._connection.execute(run.update().where(run.c.id == run_id).values(values))

    def changed(self, run_id: int) -> None:
        """Note that something was done to a run."""
        values = {"changes": run.c.changes + 1}
        self._connection.execute(run.update().where(run.c.id == run_id).values(values))

    def attempts(self, run_id: int, stimuli: Sequence[str]) -> list[StoredAttempt]:
        """The attempts of these stimuli (at most some hundreds at a time)."""
        return [_attempt(row) for row in self._connection.execute(self._attempts(run_id, stimuli))]

    def add_decision(self, run_id: int, *, id: bytes, decision: Decision) -> None:
        """Store what was decided on a run."""
        row = {"run_id": run_id, "id": id, "body": decision.model_dump(mode="json")}
        self._connection.execute(decision_table.insert(), [row])
        self.changed(run_id)

    def decisions(self, run_id: int) -> list[Decision]:
        """What was decided on a run, oldest first."""
        query = (
            sa.select(decision_table.c.body)
            .where(decision_table.c.run_id == run_id)
            .order_by(decision_table.c.id)
        )
        return [to_value(Decision, body, what="a decision") for body in self._connection.scalars(query)]

    def add_imported(
        self, run_id: int, rows: Iterable[tuple[int, bytes, int, str | None]], turns: Iterable[Turn]
    ) -> None:
        """Conversations from a file: ordinal of the case, id, line, system prompt of each; and their turns."""
        found = list(rows)
        _INTERACTIONS.execute(self._connection, [(key, run_id, None) for _, key, _, _ in found])
        _IMPORTED.execute(
            self._connection,
            [
                (run_id, ordinal, key, line, storable(system) if system else None)
                for ordinal, key, line, system in found
            ],
        )
        _TURNS.execute(self._connection, [turn_row(turn) for turn in turns])

    def imported(self, run_id: int, *, first: int, last: int) -> dict[int, StoredAttempt]:
        """Ordinal -> the conversation that was imported as that case, in the form of a completed attempt."""
        query = (
            sa.select(imported.c.ordinal, imported.c.interaction, interaction.c.ended_by)
            .join_from(imported, interaction, interaction.c.id == imported.c.interaction)
            .where(imported.c.run_id == run_id, imported.c.ordinal.between(first, last))
        )
        return {
            row.ordinal: StoredAttempt(
                bytes(row.interaction).hex(),
                "full",
                0,
                "completed",
                Used(),
                bytes(row.interaction),
                None,
                row.ended_by,
            )
            for row in self._connection.execute(query)
        }

    def count_imported(self, run_id: int) -> int:
        """How many conversations were imported as this run."""
        query = sa.select(sa.func.count()).where(imported.c.run_id == run_id)
        return self._connection.scalar(query) or 0

    def states(self, run_id: int) -> dict[str, dict[str, int]]:
        """Arm -> state -> how many attempts."""
        query = (
            sa.select(attempt.c.arm, attempt.c.state, sa.func.count().label("n"))
            .where(attempt.c.run_id == run_id)
            .group_by(attempt.c.arm, attempt.c.state)
        )
        found: dict[str, dict[str, int]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row.arm, {})[row.state] = row.n
        return found

    def spent(self, run_id: int) -> Spent:
        """Requests, tokens and money so far."""
        columns = (attempt.c.requests, attempt.c.tokens_in, attempt.c.tokens_out, attempt.c.cost)
        query = sa.select(*(sa.func.coalesce(sa.func.sum(column), 0) for column in columns))
        row: Any = self._connection.execute(query.where(attempt.c.run_id == run_id)).one()
        requests, tokens_in, tokens_out, cost = row  # PostgreSQL's sums are decimals
        return Spent(int(requests), int(tokens_in), int(tokens_out), float(cost))

    def errors(self, run_id: int, *, most: int) -> list[tuple[str, int]]:
        """The commonest messages of attempts that failed or were blocked, with how many have them."""
        count = sa.func.count().label("n")
        query = (
            sa.select(attempt.c.error, count)
            .where(attempt.c.run_id == run_id, attempt.c.state.in_(("error", "blocked")))
            .group_by(attempt.c.error)
            .order_by(count.desc(), sa.nulls_first(attempt.c.error.asc()))
            .limit(most)
        )
        return [(row.error or "no reason was stored", row.n) for row in self._connection.execute(query)]

    def reply_counts(self, ids: Sequence[bytes], cut: Collection[str]) -> dict[bytes, tuple[int, int, int]]:
        """Conversation -> replies that the system gave, those of them that ended for a reason in ``cut``, empty ones.

        At most some hundreds of conversations at a time; an opening that the case sets is no reply.
        """
        empty = sa.func.ltrim(turn.c.reply, " \t\n\r") == ""

        def count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
            return sa.func.sum(sa.case((condition, 1), else_=0))

        query = (
            sa.select(turn.c.interaction, sa.func.count(), count(turn.c.finish_reason.in_(cut)), count(empty))
            .where(
                turn.c.interaction.in_(ids),
                sa.or_(turn.c.text.is_not(None), turn.c.latency_ms.is_not(None)),
            )
            .group_by(turn.c.interaction)
        )
        return {
            bytes(key): (int(total), int(ended), int(none))
            for key, total, ended, none in self._connection.execute(query)
        }

    def interactions(self, ids: Iterable[bytes]) -> dict[bytes, Interaction]:
        """The conversations with these ids (at most some hundreds at a time), turns first to last."""
        wanted = list(ids)
        query = sa.select(interaction.c.id, interaction.c.ended_by).where(interaction.c.id.in_(wanted))
        ended = {bytes(row.id): row.ended_by for row in self._connection.execute(query)}
        turns: dict[bytes, list[Turn]] = {key: [] for key in ended}
        rows = sa.select(turn).where(turn.c.interaction.in_(wanted)).order_by(turn.c.interaction, turn.c.id)
        for row in self._connection.execute(rows):
            turns[bytes(row.interaction)].append(to_turn(row))
        return {key: Interaction(id=key, turns=tuple(turns[key]), ended_by=ended[key]) for key in ended}

    def _attempts(self, run_id: int, stimuli: Sequence[str]) -> sa.Select[*tuple[Any, ...]]:
        return (
            sa.select(attempt, attempt.c.index.label("attempt_index"), interaction.c.ended_by)
            .join_from(attempt, interaction, attempt.c.interaction == interaction.c.id, isouter=True)
            .where(attempt.c.run_id == run_id, attempt.c.stimulus.in_(stimuli))
            .order_by(attempt.c.stimulus, attempt.c.arm, attempt.c.index)
        )


def _stored(row: sa.Row[*tuple[Any, ...]]) -> StoredRun:
    return StoredRun(
        row.id,
        row.name,
        row.study_id,
        row.release_id,
        to_value(RunSpec, row.spec, what=f"the spec of run {row.name}"),
        row.state,
        row.message,
        row.created_at,
        row.finished_at,
        row.changes,
    )


def _attempt(row: sa.Row[*tuple[Any, ...]]) -> StoredAttempt:
    return StoredAttempt(
        stimulus=row.stimulus,
        arm=row.arm,
        index=row.attempt_index,
        state=row.state,
        used=Used(
            tries=row.tries,
            requests=row.requests,
            tokens_in=row.tokens_in,
            tokens_out=row.tokens_out,
            cost=row.cost,
        ),
        interaction=None if row.interaction is None else bytes(row.interaction),
        error=row.error,
        ended_by=row.ended_by,
    )
