"""The workbench over 100,000 test conversations and 1,000,000 turns: how long its pages take with 20 requests in flight.

    python benchmarks/web.py                     # makes a database, serves it, asks, prints
    python benchmarks/web.py --cases 10000 --keep big.db

The database is made through the repositories, with rows of turns in bulk. The server and the client are processes of
their own; on a machine with few cores they share them, which the figures then include.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

STUDY = "school-health"
SCENARIOS = 300
TURNS_OF_ONE = 10
BUDGETS = {"list": 150, "search": 150, "case": 150, "study": 500, "map": 500, "release": 500}
"""Milliseconds of the 95th percentile."""
MEGABYTES = 300
SYLLABLES = [
    a + b
    for a in ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v"]
    for b in ["a", "e", "i", "o", "u"]
]


def words(dice: random.Random, many: int) -> list[str]:
    """Made-up words."""
    return ["".join(dice.choices(SYLLABLES, k=dice.randint(2, 4))) for _ in range(many)]


def fill(path: Path, cases: int, turns: int) -> None:
    """A database with that many test conversations and turns."""
    from redloom.domain.case import Case
    from redloom.domain.scenario import Scenario
    from redloom.services.case_pages import LineQuery
    from redloom.services.cases import review_matching
    from redloom.services.importing import ImportOptions, import_conversations
    from redloom.services.releases import ReleaseOptions, cut_release
    from redloom.services.starter import example
    from redloom.services.studies import apply
    from redloom.services.workspace import open_workspace
    from redloom.settings import Settings
    from redloom.storage.bulk import BulkInsert
    from redloom.storage.tables import interaction, turn

    dice = random.Random(1)
    known = words(dice, 8000)
    weights = [1 / (rank + 1) for rank in range(len(known))]
    how = {"author": "bench", "origin": "bench", "why": ""}
    with open_workspace(Settings(database=f"sqlite:///{path}", who="bench")) as workspace:
        apply(workspace, example("school_health") / "study.yaml")
        with workspace.begin() as unit:
            stored = unit.definitions(STUDY)
            heads = list(stored.heads("scenario"))
            slugs = [f"made-{n}" for n in range(SCENARIOS)]
            made = []
            for n, slug in enumerate(slugs):
                content = {
                    **heads[n % len(heads)].definition.content(),
                    "title": " ".join(dice.choices(known, k=4)),
                }
                content.pop("twin", None)
                made.append((slug, Scenario.model_validate(content)))
            stored.put("scenario", made, at=workspace.now(), **how)

            def members() -> Iterator[tuple[str, Case]]:
                for n in range(cases):
                    said = dice.choices(known, weights, k=45)
                    script = tuple(" ".join(said[i : i + 15]) for i in (0, 15, 30))
                    yield f"c-{n:06}", Case(scenario=slugs[n % SCENARIOS], script=script)

            stored.put("case", members(), at=workspace.now(), **how)
        for n in range(0, SCENARIOS, 3):
            review_matching(workspace, STUDY, "accept", LineQuery(scenario=slugs[n]))
        for version in ("1.0", "2.0"):
            cut_release(workspace, STUDY, version, ReleaseOptions(provisional=True))
            with workspace.begin() as unit:
                other = [
                    (f"c-{n:06}", Case(scenario=slugs[0], script=("Other.",))) for n in range(0, cases, 100)
                ]
                unit.definitions(STUDY).put("case", other, at=workspace.now(), **how)
        lines = path.with_suffix(".jsonl")
        said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello."}]
        lines.write_text(json.dumps({"messages": said, "harm": heads[0].definition.content()["harm"]}) + "\n")
        run = import_conversations(workspace, lines, ImportOptions(study=STUDY, mapping={})).run
        conversations, exchanges = BulkInsert(interaction), BulkInsert(turn)
        with workspace.begin() as unit:
            found = next(one for one in unit.runs.all(unit.study_id(STUDY)) if one.name == run)
            for _ in range(0, turns, TURNS_OF_ONE * 1000):
                ids = [workspace.ids.new() for _ in range(1000)]
                conversations.execute(unit.connection, [(one, found.id, "script_end") for one in ids])
                rows = [
                    (one, workspace.ids.new(), None, "Hello again", "And to you.", "stop", 3, 4, 20)
                    for one in ids
                    for _ in range(TURNS_OF_ONE)
                ]
                exchanges.execute(unit.connection, rows)


def pages(cases: int, asked: int) -> dict[str, list[str]]:
    """Kind of page -> the addresses asked for."""
    dice = random.Random(2)
    known = words(random.Random(1), 8000)
    root = f"/studies/{STUDY}"
    filters = ["", "?status=draft", "?status=accepted&sort=name", "?sort=name&after=c-050000", "?language=es"]
    filters += [f"?after=c-{dice.randrange(cases):06}" for _ in range(10)]
    filters += [f"?sort=name&status=draft&after=c-{dice.randrange(cases):06}" for _ in range(10)]
    return {
        "list": [f"{root}/cases{dice.choice(filters)}" for _ in range(asked)],
        "search": [
            f"/search?study={STUDY}&q={'+'.join(dice.choices(known[:3000], k=2))}" for _ in range(asked // 2)
        ]
        + [f"{root}/cases?q={dice.choice(known)}" for _ in range(asked // 2)],
        "case": [f"{root}/cases/c-{dice.randrange(cases):06}" for _ in range(asked)],
        "study": [root] * asked,
        "map": [f"{root}/map"] * asked,
        "release": [f"{root}/releases/{one}" for one in ("1.0", "2.0", "new", "1.0?against=2.0")]
        * (asked // 4),
    }


async def ask(base: str, addresses: list[str], flying: int) -> list[float]:
    """Milliseconds of every answer, with so many requests in flight."""
    import aiohttp

    waiting = list(addresses)
    took: list[float] = []
    async with aiohttp.ClientSession(base) as session:

        async def fly() -> None:
            while waiting:
                address = waiting.pop()
                began = time.perf_counter()
                async with session.get(address) as answer:
                    await answer.read()
                    assert answer.status == 200, f"{address}: {answer.status}"
                took.append((time.perf_counter() - began) * 1000)

        await asyncio.gather(*(fly() for _ in range(flying)))
    return took


async def ask_all(base: str, cases: int, asked: int, flying: int) -> None:
    for name, addresses in pages(cases, asked).items():
        await ask(base, addresses[:5], 1)  # what is kept in memory afterwards
        alone = statistics.median(await ask(base, addresses[:20], 1))
        began = time.perf_counter()
        took = sorted(await ask(base, addresses, flying))
        rate = len(took) / (time.perf_counter() - began)
        p50, p95 = (took[int(len(took) * share)] for share in (0.5, 0.95))
        kept = "kept" if p95 < BUDGETS[name] else "MISSED"
        print(
            f"{name:8} alone {alone:6.1f} ms   p50 {p50:6.0f} ms   p95 {p95:6.0f} ms   {rate:5.0f} a second   "
            f"budget {BUDGETS[name]} ms {kept}",
            flush=True,
        )


def memory(process: int) -> float:
    """Megabytes a process holds."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--asked", type=int, default=400, help="requests for each kind of page")
    parser.add_argument("--flying", type=int, default=20, help="requests in flight")
    parser.add_argument("--keep", type=Path, help="where the database is kept, or is already")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        asyncio.run(ask_all(options.client, options.cases, options.asked, options.flying))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "big.db"
        if not path.exists():
            began = time.perf_counter()
            fill(path, options.cases, options.turns)
            print(f"made in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:.0f} MB")
        serve(path, options)


def serve(path: Path, options: argparse.Namespace) -> None:
    """Serve it, ask from another process, and print."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "redloom", "--db", f"sqlite:///{path}", "serve", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(base, timeout=20).close()
                break
            except OSError:
                time.sleep(0.1)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.flying} in flight")
        asking = [sys.executable, __file__, "--client", base]
        numbers = ["--cases", options.cases, "--asked", options.asked, "--flying", options.flying]
        subprocess.run([*asking, *map(str, numbers)], check=True)
        held = memory(server.pid)
        print(f"memory   {held:.0f} MB   budget {MEGABYTES} MB {'kept' if held < MEGABYTES else 'MISSED'}")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
