"""The workbench over 100,000 test conversations and 1,000,000 turns: how long its pages take with 20 requests in flight.

A finished run of 100,000 tries, each of three turns and judged by a rule and a model, is among them: its page, its report,
the list of its conversations with and without filters, some of which match one line in fifty or in five hundred, and
conversations with neighbours under such a filter. Each kind of page is asked for a few times first: what is kept in memory
is there then.

    python benchmarks/web.py                     # makes a database, serves it, asks, prints
    python benchmarks/web.py --cases 10000 --keep big.db

The database is made through the repositories, with rows of turns in bulk. The server and the client are processes of
their own; on a machine with few cores they share them, which the figures then include.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redloom.services.workspace import Workspace

STUDY = "school-health"
RUN, ARMS = "bench", ("full", "no_context", "no_persona")
SCENARIOS = 300
TURNS_OF_ONE = 10
BUDGETS = {
    **{"list": 150, "search": 150, "case": 150, "study": 500, "map": 500, "release": 500},
    **{"talks": 150, "talk": 150, "run": 500, "report": 500},
}
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


def fill(path: Path, cases: int, turns: int, tries: int) -> None:
    """A database with that many test conversations, turns besides those of the run, and tries of the run."""
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
                    (f"c-{n:06}", Case(scenario=slugs[0], script=(f"Other {version} {n}.",)))
                    for n in range(0, cases, 100)
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
        run_all(workspace, dice, known, tries)


def run_all(workspace: Workspace, dice: random.Random, known: list[str], tries: int) -> None:
    """A finished run of that many tries in three arms, judged by a rule and by a model."""
    from redloom.domain.interaction import Turn
    from redloom.domain.judgement import Instrument, Judgement
    from redloom.domain.rendering import Frames
    from redloom.domain.run import RunSpec
    from redloom.domain.target import Target
    from redloom.services.releases import ReleaseOptions, cut_release
    from redloom.storage.bulk import BulkInsert
    from redloom.storage.mapping import turn_row
    from redloom.storage.tables import attempt, interaction, turn
    from redloom.storage.types import digest_bytes

    sample = ReleaseOptions(provisional=True, sample=tries // len(ARMS))
    release = cut_release(workspace, STUDY, "3.0", sample)
    target = Target(system="scripted:bench.json")
    spec = RunSpec(
        study=STUDY,
        version="3.0",
        release_digest=release.digest,
        frame="provisional",
        target_name="bench",
        target=target,
        target_digest=target.system_digest(),
        arms=ARMS,
        attempts=dict.fromkeys(ARMS, 1),
    )
    with workspace.begin() as unit:
        study = unit.study_id(STUDY)
        run = unit.runs.add(RUN, study_id=study, release_id=release.id, spec=spec, at=workspace.now())
        releases = unit.releases(study)
        frames = Frames(releases.definitions(release.id))
        rule = Instrument(rater_kind="rule", rater="rule:refusal")
        judges = {
            harm: Instrument(rater_kind="model", rater="judge", harm=harm) for harm in frames.slugs("harm")
        }
        numbers = {one.digest(): unit.judgements.register(one) for one in (rule, *judges.values())}
        tables = BulkInsert(attempt), BulkInsert(interaction), BulkInsert(turn)
        after = -1
        while batch := list(releases.cases(release.id, after=after, most=500)):
            after = batch[-1][0].ordinal
            attempts, talks, turns, judged = [], [], list[Turn](), list[Judgement]()
            for released, case in batch:
                harm = frames.harm(case)
                assert harm is not None
                for arm in ARMS:
                    talk = workspace.ids.new()
                    state = "completed" if dice.random() > 0.002 else "error"
                    key = (run, digest_bytes(released.stimulus), arm, 0)
                    attempts.append((*key, state, 1, 3, 60, 90, talk, None, None))
                    talks.append((talk, run, "script_end"))
                    turns += [
                        Turn(
                            id=workspace.ids.new(),
                            interaction=talk,
                            parent=None,
                            text=said,
                            reply=" ".join(dice.choices(known, k=30)),
                            finish_reason="stop",
                            tokens_in=20,
                            tokens_out=30,
                            latency_ms=400,
                        )
                        for said in case.script
                    ]
                    refusal = Judgement(
                        id=workspace.ids.new(),
                        interaction=talk,
                        turn=None,
                        instrument=rule.digest(),
                        state="ok",
                        refusal="none",
                    )
                    verdict = Judgement(
                        id=workspace.ids.new(),
                        interaction=talk,
                        turn=None,
                        instrument=judges[harm[0]].digest(),
                        state="ok",
                        verdict=dice.choices(["harm", "no_harm", "unsure"], [2, 95, 3])[0],
                        rationale=" ".join(dice.choices(known, k=20)),
                    )
                    judged += [refusal, verdict]
            for table, rows in zip(tables, (attempts, talks, [turn_row(one) for one in turns]), strict=True):
                table.execute(unit.connection, rows)
            unit.judgements.add(judged, numbers)
        unit.runs.set_state(run, "completed", None, workspace.now())


def pages(base: str, cases: int, tries: int, asked: int) -> dict[str, list[str]]:
    """Kind of page -> the addresses asked for."""
    dice = random.Random(2)
    known = words(random.Random(1), 8000)
    root = f"/studies/{STUDY}"
    filters = ["", "?status=draft", "?status=accepted&sort=name", "?sort=name&after=c-050000", "?language=es"]
    filters += [f"?after=c-{dice.randrange(cases):06}" for _ in range(10)]
    filters += [f"?sort=name&status=draft&after=c-{dice.randrange(cases):06}" for _ in range(10)]
    run = f"{root}/runs/{RUN}"
    chosen = [
        "",
        "arm=no_context&",
        "said=harm&",
        "said=unsure&judge=judge&",
        "state=error&",
        "harm=shaming&",
    ]
    places = [f"after={dice.randrange(tries // len(ARMS))}.full.0" for _ in range(asked)]
    talks = [f"{run}/conversations?{dice.choice(chosen)}{place}" for place in places]
    links = [
        link
        for address in talks[:40]
        for link in re.findall(r'href="(/[^"]*/conversations/[^"]*)"', read(base + address))
    ]
    return {
        "talks": talks,
        "talk": [html.unescape(dice.choice(links)) for _ in range(asked)],
        "run": [run] * asked,
        "report": [f"{run}/report"] * asked,
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


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode()


def settle(address: str) -> None:
    """Wait for a page that is made while another says so."""
    while "report is being made" in read(address):
        time.sleep(1)


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


async def ask_all(base: str, cases: int, tries: int, asked: int, flying: int) -> None:
    for name, addresses in pages(base, cases, tries, asked).items():
        settle(base + addresses[0])
        await ask(base, addresses[:30], 1)  # what is kept in memory afterwards
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
    parser.add_argument("--tries", type=int, default=100_000, help="of the run")
    parser.add_argument("--asked", type=int, default=400, help="requests for each kind of page")
    parser.add_argument("--flying", type=int, default=20, help="requests in flight")
    parser.add_argument("--keep", type=Path, help="where the database is kept, or is already")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        asyncio.run(ask_all(options.client, options.cases, options.tries, options.asked, options.flying))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "big.db"
        if not path.exists():
            began = time.perf_counter()
            fill(path, options.cases, options.turns, options.tries)
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
        numbers = [
            "--cases",
            options.cases,
            "--tries",
            options.tries,
            "--asked",
            options.asked,
            "--flying",
            options.flying,
        ]
        subprocess.run([*asking, *map(str, numbers)], check=True)
        held = memory(server.pid)
        print(f"memory   {held:.0f} MB   budget {MEGABYTES} MB {'kept' if held < MEGABYTES else 'MISSED'}")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
