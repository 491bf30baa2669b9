"""Five thousand prompts, killed five times at random moments: nothing stored is asked again."""

from __future__ import annotations

import importlib.util
import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import command, rows, study_text, until, unused_port
from helpers_create.postgresql import Cluster, missing, private_cluster
from redloom.services.studies import apply
from redloom.services.workspace import open_workspace
from redloom.settings import Settings

ENDPOINT = Path(__file__).parents[3] / "shared" / "bench" / "mock_endpoint.py"
PROMPTS, KILLS, CONCURRENCY = 5000, 5, 32

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ENDPOINT.is_file(), reason=f"the benchmark endpoint is not there: {ENDPOINT}"),
    pytest.mark.skipif(
        importlib.util.find_spec("httptools") is None, reason="needs httptools: uv sync --group bench"
    ),
]


@contextmanager
def endpoint() -> Generator[str]:
    """The benchmark's endpoint with some failures, at its address."""
    port = unused_port()
    options = ["--latency-ms", "5", "--fail-500", "0.01", "--fail-429", "0.01", "--retry-after", "0"]
    child = subprocess.Popen(
        [sys.executable, str(ENDPOINT), "--port", str(port), *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert "mock on" in child.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.communicate(timeout=10)


def get(url: str) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@dataclass(frozen=True)
class Store:
    """A database that is looked into past the code under test."""

    url: str
    rows: Callable[[str], list[tuple[Any, ...]]]

    def prompts(self) -> set[str]:
        """The keys of the prompts whose reply is stored."""
        return {text[: text.index(":")] for (text,) in self.rows("select text from turn")}


@pytest.fixture
def store(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    if backend == "sqlite":
        return Store(f"sqlite:///{tmp_path / 'redloom.db'}", lambda query: rows(tmp_path, query))
    cluster: Cluster = request.getfixturevalue("cluster")
    url = cluster.make("empty")
    return Store(url, lambda query: cluster.execute(url.rpartition("/")[2], query))


def declare(folder: Path, endpoint_url: str, database: str) -> None:
    """A study of ``PROMPTS`` prompts in a database."""
    cases = {
        f"case-{n:05}": {"cluster": f"c{n}", "script": [f"#p{n:06}: How many may I take?"]}
        for n in range(PROMPTS)
    }
    target = {"system": "openai:mock", "base_url": f"{endpoint_url}/v1", "limits": {"tries": 10}}
    path = folder / "study.yaml"
    path.write_text(study_text(cases, targets={"mock": target}), encoding="utf-8")
    with open_workspace(Settings(database=database)) as workspace:
        apply(workspace, path)


FIRST = ("run", "clinic", "--target", "mock", "--judge", "rule:refusal", "--concurrency", str(CONCURRENCY))
AGAIN = ("resume", "last", "--judge", "rule:refusal", "--concurrency", str(CONCURRENCY))


@pytest.mark.parametrize(("backend", "seed"), [("sqlite", 1), ("sqlite", 2), ("postgresql", 3)])
def test_five_kills_repeat_no_stored_prompt_and_at_most_what_was_in_flight(
    tmp_path: Path, store: Store, seed: int
) -> None:
    draw = random.Random(seed)
    with endpoint() as url:
        declare(tmp_path, url, store.url)
        in_flight: list[int] = []
        asked: list[dict[str, int]] = []
        for kill in range(KILLS):
            child = command(tmp_path, *(AGAIN if kill else FIRST), database=store.url)
            before = len(store.prompts())
            goal = before + draw.randrange(200, 900)
            try:
                until(
                    lambda goal=goal, child=child: child.poll() is not None or len(store.prompts()) >= goal,
                    seconds=120,
                )
                time.sleep(draw.random() / 20)
            finally:
                child.send_signal(signal.SIGKILL)
                _, err = child.communicate(timeout=10)
            assert child.returncode == -signal.SIGKILL, err
            time.sleep(0.2)
            kept, found = store.prompts(), get(f"{url}/keys")
            assert kept <= found["answered"].keys()
            in_flight.append(len(found["answered"].keys() - kept))
            assert in_flight[-1] <= CONCURRENCY
            asked.append({key: found["attempts"][key] for key in kept})
        child = command(tmp_path, *AGAIN, database=store.url)
        out, err = child.communicate(timeout=300)
        assert child.returncode == 0, err
        found = get(f"{url}/keys")
    assert f"{PROMPTS} completed" in out
    assert len(store.prompts()) == PROMPTS
    for kill, before_it in enumerate(asked):
        for key, count in before_it.items():
            assert found["attempts"][key] == count, f"{key} was stored before kill {kill} and asked again"
    repeated = sum(count - 1 for count in found["answered"].values())
    assert repeated <= sum(in_flight)
    assert store.rows("select count(*), count(distinct interaction) from judgement") == [(PROMPTS, PROMPTS)]
    assert store.rows("select count(*) from attempt where state = 'completed'") == [(PROMPTS,)]
    print(f"seed {seed}: answered but not stored at each kill {in_flight}, {repeated} answered twice in all")


def test_a_server_that_dies_and_comes_back_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    """PostgreSQL itself is killed twice in the middle of a run, and counted before and after."""
    if why := missing():
        pytest.skip(why)
    with private_cluster() as cluster, endpoint() as url:
        database = cluster.make()
        name = database.rpartition("/")[2]

        def prompts() -> set[str]:
            return {text[: text.index(":")] for (text,) in cluster.execute(name, "select text from turn")}

        declare(tmp_path, url, database)
        in_flight = 0
        for round_ in range(2):
            child = command(tmp_path, *(AGAIN if round_ else FIRST), database=database)
            goal = len(prompts()) + 700
            until(lambda goal=goal: len(prompts()) >= goal, seconds=120)
            before = prompts()
            cluster.kill()
            out, err = child.communicate(timeout=60)
            assert (child.returncode, "Traceback" in err) == (3, False), err
            assert "what was committed is safe. Go on with: redloom resume" in err
            assert "postgresql://" in err and "failed" in err
            cluster.start()
            kept = prompts()
            assert before <= kept
            in_flight += len(get(f"{url}/keys")["answered"].keys() - kept)
        child = command(tmp_path, *AGAIN, database=database)
        out, err = child.communicate(timeout=300)
        assert child.returncode == 0, err
        found = get(f"{url}/keys")
        assert f"{PROMPTS} completed" in out
        assert len(prompts()) == PROMPTS
        assert cluster.execute(name, "select count(*) from attempt where state = 'completed'") == [(PROMPTS,)]
    assert in_flight <= 2 * CONCURRENCY
    assert sum(count - 1 for count in found["answered"].values()) <= in_flight
