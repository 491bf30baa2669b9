"""Workspaces over real SQLite files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings


@contextmanager
def workspace_at(path: Path, *, who: str = "tester") -> Generator[Workspace]:
    """A workspace over the SQLite file at ``path``."""
    with open_workspace(Settings(database=f"sqlite:///{path}", who=who)) as opened:
        yield opened


def rows(path: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query finds in a SQLite file, past the code under test."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(query, values).fetchall()


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table: equal before and after means that nothing was stored."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith("definition_words_")  # what SQLite keeps the index of words in
        ]
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
            for name in tables
        }


def tamper(path: Path, statement: str, *values: Any) -> int:
    """Change rows in a SQLite file behind Redloom's back; gives how many."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).rowcount


def fresh_copy(template: Path, folder: Path, name: str = "redloom.db") -> Path:
    """An empty database in ``folder``, copied from one whose schema is made already."""
    if not template.exists():
        with workspace_at(template):
            pass
        rows(template, "PRAGMA wal_checkpoint(TRUNCATE)")
    path = folder / name
    shutil.copyfile(template, path)
    return path


def prepare(template: Path, folder: Path, build: Callable[[Workspace, Path], object]) -> Path:
    """A database that ``build`` has filled, with files in ``folder``, to copy others from."""
    path = fresh_copy(template, folder, "prepared.db")
    with workspace_at(path) as workspace:
        build(workspace, folder)
    rows(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    return path
