"""One process at a time for a run; the hold ends with the process, however it ends."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import exc

from redloom.errors import StoreError
from redloom.storage.database import Database, store_errors


@contextmanager
def hold_run(database: Database, name: str) -> Generator[None]:
    """Hold a run; raises StoreError while another process holds it."""
    path = database.engine.url.database
    if database.engine.dialect.name == "postgresql":
        with _advisory_lock(database, name):
            yield
    elif not path or path == ":memory:":
        yield
    else:
        with _file_lock(Path(f"{path}-{name}.lock"), name):
            yield


def is_held(database: Database, name: str) -> bool:
    """Whether some process holds what :func:`hold_run` holds under that name."""
    path = database.engine.url.database or ""
    if database.engine.dialect.name == "sqlite" and not Path(f"{path}-{name}.lock").exists():
        return False
    try:
        with hold_run(database, name):
            return False
    except StoreError:
        return True


def _held(name: str) -> StoreError:
    return StoreError(f"run {name} is being executed by another process")


@contextmanager
def _file_lock(path: Path, name: str) -> Generator[None]:
    try:
        import fcntl
    except ImportError:  # a system without advisory locks
        yield
        return
    try:
        file = path.open("w")
    except OSError as error:
        raise StoreError(
            f"the database's folder {str(path.parent)!r} cannot be written to: {error.strerror or error}; what was "
            f"committed is safe. Go on with: redloom resume {name}"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _held(name) from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _advisory_lock(database: Database, name: str) -> Generator[None]:
    """A lock of one session of the server, which frees it when the connection ends."""
    key = int.from_bytes(hashlib.sha256(f"run {name}".encode()).digest()[:8], "big", signed=True)
    with store_errors(database.url):
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with store_errors(database.url):
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
                raise _held(name)
        yield
    finally:
        with suppress(exc.DBAPIError):  # the server is gone, and the lock with it
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
        connection.close()
