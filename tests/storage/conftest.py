from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from helpers_create.databases import fresh_copy, workspace_at
from helpers_create.postgresql import Cluster
from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of storage runs on both databases, unless it looks into the SQLite file itself."""
    if "backend" in metafunc.fixturenames:
        both = ["sqlite"] if "database" in metafunc.fixturenames else ["sqlite", "postgresql"]
        metafunc.parametrize("backend", both, scope="session")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an empty database lies that others are copied from."""
    return tmp_path_factory.mktemp("template") / "empty.db"


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    """An empty database of this test's own."""
    return fresh_copy(template, tmp_path)


@pytest.fixture
def workspace(backend: str, request: pytest.FixtureRequest) -> Generator[Workspace]:
    """An empty database opened."""
    if backend == "sqlite":
        with workspace_at(request.getfixturevalue("database")) as opened:
            yield opened
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        with open_workspace(Settings(database=cluster.make("empty"), who="tester")) as opened:
            yield opened
