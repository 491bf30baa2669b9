"""Stored rows to domain values and back."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError

from redloom.domain.interaction import Turn
from redloom.domain.judgement import Judgement
from redloom.domain.study import COLLECTIONS, KINDS, StudyHead
from redloom.domain.value import Definition, Value
from redloom.errors import StoreError
from redloom.storage.types import json_text

V = TypeVar("V", bound=Value)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """One version of a definition as it is stored."""

    definition_id: int
    version_id: int
    kind: str
    slug: str
    number: int
    digest: str
    definition: Definition
    author: str
    origin: str
    why: str
    created_at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFact:
    """One act about a version."""

    id: bytes
    definition_id: int
    kind: str
    about: str
    body: Any
    author: str
    why: str


def in_force(facts: Iterable[StoredFact]) -> list[StoredFact]:
    """Of the acts of one kind, oldest first: the newest of each person on each definition, where the first stood."""
    newest: dict[tuple[int, str, str], StoredFact] = {}
    for fact in facts:
        newest[(fact.definition_id, fact.kind, acting(fact.body))] = fact
    return list(newest.values())


def acting(body: Mapping[str, Any]) -> str:
    """Whose act it is; empty for one that is nobody's own."""
    return str(body.get("by", ""))


def to_definition(
    kind: str, slug: str, body: Mapping[str, Any], beside: Mapping[str, Any] | None = None
) -> Definition:
    """The definition that a stored body stands for. Raises StoreError where it stands for none."""
    model: type[Definition] = StudyHead if kind == "study" else COLLECTIONS[KINDS[kind]]
    return to_value(model, body if beside is None else {**body, **beside}, what=f"{kind} {slug}")


def to_value(model: type[V], body: Any, *, what: str) -> V:
    """The value that a stored body stands for. Raises StoreError where it stands for none."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _unreadable(what) from error


def from_json(model: type[V], text: str, *, what: str) -> V:
    """:func:`to_value` of a body as the database holds it: quicker, since pydantic reads the text itself."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _unreadable(what) from error


def _unreadable(what: str) -> StoreError:
    return StoreError(f"{what} as the database holds it cannot be read; it was changed from outside")


def to_version(row: sa.Row[*tuple[Any, ...]]) -> StoredVersion:
    """A version from a row of definition joined with definition_version."""
    return StoredVersion(
        definition_id=row.definition_id,
        version_id=row.version_id,
        kind=row.kind,
        slug=row.slug,
        number=row.number,
        digest=row.digest,
        definition=to_definition(row.kind, row.slug, row.body),
        author=row.author,
        origin=row.origin,
        why=row.why,
        created_at=row.created_at,
    )


def to_fact(row: sa.Row[*tuple[Any, ...]]) -> StoredFact:
    """A fact from its row."""
    return StoredFact(
        id=row.id,
        definition_id=row.definition_id,
        kind=row.kind,
        about=row.about,
        body=row.body,
        author=row.author,
        why=row.why,
    )


def to_turn(row: sa.Row[*tuple[Any, ...]]) -> Turn:
    """A turn from its row."""
    return Turn(
        id=row.id,
        interaction=row.interaction,
        parent=row.parent,
        text=row.text,
        reply=row.reply,
        finish_reason=row.finish_reason,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        latency_ms=row.latency_ms,
    )


def storable(text: str) -> str:
    """``text`` with the one character that PostgreSQL holds in no text, NUL, shown as U+2400."""
    return text.replace("\0", "\u2400") if "\0" in text else text


def turn_row(turn: Turn) -> tuple[Any, ...]:
    """A turn in the order of its table's columns."""
    return (
        turn.interaction,
        turn.id,
        turn.parent,
        None if turn.text is None else storable(turn.text),
        storable(turn.reply),
        turn.finish_reason,
        turn.tokens_in,
        turn.tokens_out,
        turn.latency_ms,
    )


def to_judgement(row: sa.Row[*tuple[Any, ...]], instrument: str) -> Judgement:
    """A judgement from its row and the digest of its instrument."""
    details: dict[str, Any] = row.details or {}
    return Judgement(
        id=row.id,
        interaction=row.interaction,
        turn=row.turn,
        instrument=instrument,
        state=row.state,
        verdict=row.verdict,
        severity=row.severity,
        refusal=row.refusal,
        answers=tuple((question, answer) for question, answer in details.get("answers", ())),
        missing_fact=details.get("missing_fact"),
        confidence=details.get("confidence"),
        rationale=details.get("rationale"),
        raw=details.get("raw"),
    )


def judgement_row(
    judgement: Judgement, instrument_id: int, supersedes: bytes | None = None
) -> tuple[Any, ...]:
    """A judgement in the order of its table's columns."""
    details = judgement.details()
    return (
        judgement.interaction,
        judgement.id,
        instrument_id,
        judgement.turn,
        judgement.state,
        judgement.verdict,
        judgement.severity,
        judgement.refusal,
        json_text(details) if details else None,
        supersedes,
    )
