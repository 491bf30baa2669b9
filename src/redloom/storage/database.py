"""One database: its address, its schema, its connections."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import make_url

from redloom.errors import InputError, SetupError, StoreError

SCHEMA = "0001"
"""The newest migration; a test holds it equal to Alembic's head."""


class Database:
    """Connections to one database whose schema is the one this version knows."""

    def __init__(self, url: str) -> None:
        """Open ``url`` (``sqlite:///path``), making a new SQLite file where there is none.

        Raises InputError for an address that is none, SetupError for another schema.
        """
        self.url = url
        self.engine = _engine(url)
        self._make_ready()

    @contextmanager
    def begin(self) -> Generator[sa.Connection]:
        """A connection in one transaction: all of it is stored, or nothing. Raises StoreError."""
        with store_errors(self.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def connect(self) -> Generator[sa.Connection]:
        """A connection that commits when told to. Raises StoreError."""
        with store_errors(self.url), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _make_ready(self) -> None:
        with store_errors(self.url), self.engine.connect() as connection:
            found = _schema_of(connection)
        if found is None:
            from redloom.storage.migrate import upgrade

            with store_errors(self.url):
                upgrade(self.engine)
        elif found != SCHEMA:
            where = make_url(self.url).render_as_string(hide_password=True)
            relation = "newer" if found > SCHEMA else "older"
            raise SetupError(
                f"{where} has schema {found}, which is {relation} than this version's {SCHEMA}; "
                "use the Redloom version that wrote it, or another --db"
            )


@contextmanager
def store_errors(url: str) -> Generator[None]:
    """Database failures as StoreError with one readable sentence."""
    try:
        yield
    except exc.DBAPIError as error:
        where = make_url(url).render_as_string(hide_password=True)
        raise StoreError(f"the database {where} failed: {_first_line(error.orig)}") from error


def _first_line(error: BaseException | None) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _engine(url: str) -> sa.Engine:
    try:
        address = make_url(url)
    except exc.ArgumentError as error:
        raise InputError(f"{url!r} is no database address; expected sqlite:///PATH") from error
    if address.get_backend_name() == "sqlite":
        if address.database:
            folder = Path(address.database).parent
            if not folder.is_dir():
                raise InputError(
                    f"cannot make the database {address.database}: there is no folder {str(folder)!r}"
                )
        engine = sa.create_engine(address, connect_args={"timeout": 30})
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    raise InputError(f"{url!r}: expected sqlite:///PATH")


def _set_up_sqlite(connection: Any, record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _schema_of(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
