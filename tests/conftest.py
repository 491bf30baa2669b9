"""What holds for every test: no host but this one is reached, and no setting of the developer's leaks in."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from helpers_create.postgresql import Cluster, missing, private_cluster
from redloom.storage.database import Database

# How long one example takes says more about the machine than about the code.
settings.register_profile("redloom", deadline=None)
settings.load_profile("redloom")


def _is_here(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a path of a Unix socket
    host = str(address[0])
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def no_other_hosts() -> Iterator[None]:
    """A connection to any other host is an error of the test."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        real = getattr(socket.socket, name)

        def guarded(self: socket.socket, address: Any, _real: Any = real) -> Any:
            assert _is_here(address), f"a test tried to reach {address!r}"
            return _real(self, address)

        patch.setattr(socket.socket, name, guarded)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def cluster() -> Generator[Cluster]:
    """A private PostgreSQL with an empty database ``empty`` that others are copied from."""
    if why := missing():
        pytest.skip(why)
    with private_cluster() as started:
        started.execute("postgres", "CREATE DATABASE empty")
        Database(started.url("empty")).close()
        yield started


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, addresses and databases of whoever runs the tests are not there."""
    for name in ("REDLOOM_DB", "REDLOOM_USER", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
