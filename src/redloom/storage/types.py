"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import datetime
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from redloom.errors import StoreError


def digest_bytes(digest: str) -> bytes:
    """The 32 bytes of ``sha256:...``."""
    return bytes.fromhex(digest[7:])


def json_text(value: Any) -> str:
    """A JSON value as text; the order of an object's members stays."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Digest(TypeDecorator[str]):
    """``sha256:...`` as 32 bytes."""

    impl = sa.LargeBinary(32)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        return None if value is None else digest_bytes(value)

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else "sha256:" + bytes(value).hex()


class Json(TypeDecorator[Any]):
    """A JSON value as text; the order of an object's members stays."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        try:
            return json.loads(value)
        except ValueError as error:
            raise StoreError(
                "the database holds a value that is not JSON; it was changed from outside"
            ) from error


class Moment(TypeDecorator[datetime.datetime]):
    """A UTC time as milliseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime.datetime | None:
        return None if value is None else datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
