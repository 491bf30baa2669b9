from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from helpers_create.databases import fresh_copy, workspace_at
from redloom.services.workspace import Workspace


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an empty database lies that others are copied from."""
    return tmp_path_factory.mktemp("template") / "empty.db"


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    """An empty database of this test's own."""
    return fresh_copy(template, tmp_path)


@pytest.fixture
def workspace(database: Path) -> Generator[Workspace]:
    """The database opened."""
    with workspace_at(database) as opened:
        yield opened
