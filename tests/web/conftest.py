"""A workbench over a database of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from redloom.services.drafting import Drafting
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings
from redloom.web.app import House, create_app
from web.browsing import ORIGIN, Visitor
from web.chromium import CHROMIUM, FLAGS
from web.running import execute


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty database."""
    settings = Settings(database=f"sqlite:///{tmp_path / 'redloom.db'}", who="lead")
    with open_workspace(settings) as found:
        yield found


@pytest.fixture
def drafting() -> Iterator[Drafting]:
    made = Drafting()
    yield made
    made.close()


@pytest.fixture
def empty(workspace: Workspace, drafting: Drafting) -> Visitor:
    """Somebody at a workbench without a study."""
    house = House(workspace=workspace, origins=frozenset({ORIGIN}), drafting=drafting)
    return Visitor(create_app(house))


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


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a running workbench over an empty database in a folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "redloom", "--db", f"sqlite:///{folder / 'redloom.db'}", "serve"]
    process = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of the running workbench."""
    return tmp_path_factory.mktemp("serving") / "redloom.db"


@pytest.fixture(scope="module")
def server(served: Path) -> Iterator[str]:
    """The address of a running workbench with the example study and a run of it."""
    with serving(served.parent) as url:
        sent = urllib.request.Request(url, data=b"", headers={"Origin": url})
        urllib.request.urlopen(sent, timeout=30).close()
        with open_workspace(Settings(database=f"sqlite:///{served}", who="lead")) as found:
            execute(found, served.parent, arms=("full", "no_context"))
        yield url


@pytest.fixture
def first_start(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a running workbench that has no study yet, and the folder of its database."""
    with serving(tmp_path) as url:
        yield url, tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield found
        found.close()
