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

SCHEMA = "0010"
"""The newest migration; a test holds it equal to Alembic's head."""
EXPECTED = "expected sqlite:///PATH or postgresql://USER@HOST/NAME"
CONNECT_SECONDS = 10


class Database:
    """Connections to one database whose schema is the one this version knows."""

    def __init__(self, url: str, *, make: bool = True, older: bool = False) -> None:
        """Open ``url`` (``sqlite:///path`` or ``postgresql://user@host/name``).

        Where nothing of Redloom is there, tables are made, unless ``make`` is False. ``older`` opens also what an
        older version wrote, to upgrade it. Raises InputError for an address that is none or has nothing there,
        SetupError for another schema or a missing driver, StoreError where it cannot be reached.
        """
        self.url = url
        self.engine = _engine(url, make=make)
        try:
            self._make_ready(make, older)
        except BaseException:
            self.engine.dispose()
            raise

    @property
    def name(self) -> str:
        """Its address without a password."""
        return shown(self.url)

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

    def schema(self) -> str | None:
        """The migration the database is at; None where nothing of Redloom is there."""
        with self.connect() as connection:
            return schema_of(connection)

    def upgrade(self) -> None:
        """Bring it to the schema of this version, in one transaction."""
        from redloom.storage.migrate import upgrade

        with store_errors(self.url):
            upgrade(self.engine)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _make_ready(self, make: bool, older: bool) -> None:
        found = self.schema()
        if found is None and not make:
            raise InputError(
                f"{self.name} holds nothing of Redloom; 'redloom apply FILE' begins a study in it"
            )
        if found is None:
            self.upgrade()
        elif found > SCHEMA:
            raise SetupError(
                f"{self.name} has schema {found}, which is newer than this version's {SCHEMA}; "
                "use the Redloom version that wrote it, or another --db"
            )
        elif found < SCHEMA and not older:
            raise SetupError(
                f"{self.name} has schema {found}, which is older than this version's {SCHEMA}; "
                "bring it up with 'redloom db upgrade', or use another --db"
            )


def shown(url: str) -> str:
    """A database address without its password."""
    return make_url(url).render_as_string(hide_password=True)


def schema_of(connection: sa.Connection) -> str | None:
    """The migration a database is at; None where there is none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def store_errors(url: str) -> Generator[None]:
    """Database failures as StoreError with one readable sentence."""
    try:
        yield
    except exc.DBAPIError as error:
        raise StoreError(f"the database {shown(url)} failed: {_first_line(error.orig)}") from error


def _first_line(error: BaseException | None) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _engine(url: str, *, make: bool) -> sa.Engine:
    try:
        address = make_url(url)
    except exc.ArgumentError as error:
        raise InputError(f"{url!r} is no database address; {EXPECTED}") from error
    match address.get_backend_name():
        case "sqlite":
            return _sqlite(address, make=make)
        case "postgresql":
            return _postgresql(address)
        case _:
            raise InputError(f"{shown(url)!r}: {EXPECTED}")


def _sqlite(address: sa.URL, *, make: bool) -> sa.Engine:
    if address.database:
        path = Path(address.database)
        if not path.parent.is_dir():
            raise InputError(f"cannot make the database {path}: there is no folder {str(path.parent)!r}")
        if not make and not path.exists():
            raise InputError(
                f"there is no database {path}; name another with --db, or begin one with 'redloom apply FILE'"
            )
    engine = sa.create_engine(address, connect_args={"timeout": 30})
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _postgresql(address: sa.URL) -> sa.Engine:
    try:
        import psycopg  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise SetupError("PostgreSQL needs the extra: pip install 'redloom[postgres]'") from error
    return sa.create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={"application_name": "redloom", "connect_timeout": CONNECT_SECONDS},
    )
