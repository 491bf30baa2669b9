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
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evaluate_support import command, opened, rows, study_text, until, unused_port

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


def stored(folder: Path) -> set[str]:
    return {text[: text.index(":")] for (text,) in rows(folder, "select text from turn")}


@pytest.mark.parametrize("seed", [1, 2])
def test_five_kills_repeat_no_stored_prompt_and_at_most_what_was_in_flight(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    cases = {
        f"case-{n:05}": {"cluster": f"c{n}", "script": [f"#p{n:06}: How many may I take?"]}
        for n in range(PROMPTS)
    }
    with endpoint() as url:
        target = {"system": "openai:mock", "base_url": f"{url}/v1", "limits": {"tries": 10}}
        with opened(tmp_path, study_text(cases, targets={"mock": target})):
            pass
        first = ("run", "clinic", "--target", "mock", "--judge", "rule:refusal")
        again = ("resume", "last", "--judge", "rule:refusal")
        in_flight: list[int] = []
        asked: list[dict[str, int]] = []
        for kill in range(KILLS):
            child = command(tmp_path, *(again if kill else first), "--concurrency", str(CONCURRENCY))
            before = len(stored(tmp_path))
            goal = before + draw.randrange(200, 900)
            try:
                until(
                    lambda goal=goal, child=child: child.poll() is not None or len(stored(tmp_path)) >= goal,
                    seconds=120,
                )
                time.sleep(draw.random() / 20)
            finally:
                child.send_signal(signal.SIGKILL)
                _, err = child.communicate(timeout=10)
            assert child.returncode == -signal.SIGKILL, err
            time.sleep(0.2)
            kept, found = stored(tmp_path), get(f"{url}/keys")
            assert kept <= found["answered"].keys()
            in_flight.append(len(found["answered"].keys() - kept))
            assert in_flight[-1] <= CONCURRENCY
            asked.append({key: found["attempts"][key] for key in kept})
        child = command(tmp_path, *again, "--concurrency", str(CONCURRENCY))
        out, err = child.communicate(timeout=300)
        assert child.returncode == 0, err
        found = get(f"{url}/keys")
    assert f"{PROMPTS} completed" in out
    assert len(stored(tmp_path)) == PROMPTS
    for kill, before_it in enumerate(asked):
        for key, count in before_it.items():
            assert found["attempts"][key] == count, f"{key} was stored before kill {kill} and asked again"
    repeated = sum(count - 1 for count in found["answered"].values())
    assert repeated <= sum(in_flight)
    assert rows(tmp_path, "select count(*), count(distinct interaction) from judgement") == [
        (PROMPTS, PROMPTS)
    ]
    assert rows(tmp_path, "select count(*) from attempt where state = 'completed'") == [(PROMPTS,)]
    print(f"seed {seed}: answered but not stored at each kill {in_flight}, {repeated} answered twice in all")
