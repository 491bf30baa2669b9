"""A workbench over a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings
from redloom.web.app import House, create_app
from web.browsing import ORIGIN, Visitor


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty database."""
    settings = Settings(database=f"sqlite:///{tmp_path / 'redloom.db'}", who="lead")
    with open_workspace(settings) as found:
        yield found


@pytest.fixture
def empty(workspace: Workspace) -> Visitor:
    """Somebody at a workbench without a study."""
    return Visitor(create_app(House(workspace=workspace, origins=frozenset({ORIGIN}))))


@pytest.fixture
def school(workspace: Workspace, empty: Visitor) -> Visitor:
    """Somebody at a workbench with the example study."""
    apply(workspace, example("school_health") / "study.yaml")
    return empty


@pytest.fixture
def talks() -> Iterator[Talks]:
    made = Talks()
    yield made
    made.close()


@pytest.fixture
def red_teamer(workspace: Workspace, talks: Talks) -> Visitor:
    apply(workspace, example("school_health") / "study.yaml")
    house = House(workspace=workspace, origins=frozenset({ORIGIN}), talks=talks)
    return Visitor(create_app(house))
