"""A private PostgreSQL from the machine's binaries: its own folder, its own port, nobody else's data."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OWNER = "redloom"


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL server on this machine; None where there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    server = shutil.which("postgres")
    return Path(on_path).parent if on_path and server else None


def missing() -> str | None:
    """Why no PostgreSQL can be started here; None where one can."""
    if binaries() is None:
        return "no PostgreSQL server is installed here (initdb, postgres)"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed here (extra postgres)"
    return None


class Cluster:
    """One server of one's own, which can be killed and started again."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self._data, self._bin = folder / "data", bin_folder
        self._as = _another_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._data.mkdir()
        if self._as:
            for path in (folder, self._data):
                os.chown(path, self._as["user"], self._as["group"])
        common = [str(self._bin / "initdb"), "-D", str(self._data), "-U", OWNER, "-A", "trust", "-E", "UTF8"]
        language = [*common, "--no-sync", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
        if self._run(language):  # its order of texts differs from that of code points, as on most servers
            assert not self._run([*common, "--no-sync"]), "initdb failed"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        place = ["-D", str(self._data), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        self._process = subprocess.Popen(
            [str(self._bin / "postgres"), *place, "-F", "-c", "max_connections=40"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **self._as,
        )
        for _ in range(300):
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError("PostgreSQL did not start within 15 s")

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would: connections are dropped, nothing is said."""
        self._end(signal.SIGQUIT)

    def url(self, name: str) -> str:
        """The address of a database of this server."""
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{name}"

    def make(self, template: str = "template1") -> str:
        """A new database; gives its address."""
        self._made += 1
        name = f"d{self._made}"
        self.execute("postgres", f'CREATE DATABASE {name} TEMPLATE "{template}"')
        return self.url(name)

    def execute(self, database: str, statement: str) -> list[Any]:
        """What one statement finds, past the code under test."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def _run(self, command: list[str]) -> int:
        return subprocess.run(command, capture_output=True, cwd="/", check=False, **self._as).returncode


def _another_user() -> dict[str, Any]:
    """A server refuses to run as root: somebody else's ids then."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise AssertionError("no other user to run PostgreSQL as")


@contextmanager
def private_cluster() -> Generator[Cluster]:
    """A started server, gone afterwards."""
    bin_folder = binaries()
    assert bin_folder is not None
    folder = Path(tempfile.mkdtemp(prefix="redloom-pg-"))
    cluster = Cluster(folder, bin_folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
