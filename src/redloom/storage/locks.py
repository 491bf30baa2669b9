"""One process at a time for a run; the hold ends with the process, however it ends."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from redloom.errors import StoreError
from redloom.storage.database import Database


@contextmanager
def hold_run(database: Database, name: str) -> Generator[None]:
    """Hold a run; raises StoreError while another process holds it."""
    path = database.engine.url.database
    if database.engine.dialect.name != "sqlite" or not path or path == ":memory:":
        yield
        return
    try:
        import fcntl
    except ImportError:  # a system without advisory locks
        yield
        return
    lock = Path(f"{path}-{name}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"run {name} is being executed by another process") from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
