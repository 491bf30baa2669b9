"""The budgets of a run, measured in one go as ratios to a bare client doing the same work.

    make bench                      # needs the folder with mock_endpoint.py, floor.py and inspect_peer.py
    python benchmarks/bench.py --shared ../shared --quick

Every figure is of whole processes, start-up included, unless it says otherwise. Compare ratios within one run only.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CONCURRENCY = 64
TURNS = 1_000_000
REDLOOM = [sys.executable, "-m", "redloom"]


@dataclass
class Done:
    """What one process took."""

    seconds: float
    cpu: float
    megabytes: float
    output: str
    first_request: float | None = None
    between: float | None = None
    """Seconds from the first request to the last answer."""


class Bench:
    def __init__(self, shared: Path, out: Path, port: int) -> None:
        self.shared, self.out, self.port = shared / "bench", out, port
        self.base = f"http://127.0.0.1:{port}"
        self.rows: list[tuple[str, str, str, str]] = []
        self.database = ""

    @contextmanager
    def endpoint(self):
        """The mock endpoint, while it is needed."""
        command = [sys.executable, str(self.shared / "mock_endpoint.py"), "--port", str(self.port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    self.ask("/stats")
                    break
                except OSError:
                    time.sleep(0.05)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def ask(self, path: str, body: dict[str, float] | None = None) -> dict[str, float]:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.base + path, data=data, timeout=30) as answer:
            return json.load(answer)

    def reset(self, **options: float) -> None:
        self.ask("/reset", {"latency_ms": 0, **options})

    def run(self, command: list[str]) -> Done:
        """Run a process and measure it."""
        environment = {**os.environ, "OPENAI_API_KEY": "x", "REDLOOM_DB": self.database}
        log = (self.out / "last.log").open("w+")
        started = time.time()
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=self.out
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.time() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{text[-2000:]}")
        stats = self.ask("/stats")
        first = stats["first_request"] - started if stats["first_request"] else None
        between = stats["last_response"] - stats["first_request"] if stats["first_request"] else None
        return Done(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text, first, between)

    def redloom(self, *arguments: str) -> Done:
        return self.run([*REDLOOM, *arguments])

    def row(self, what: str, measured: str, budget: str, holds: bool | None) -> None:
        verdict = "" if holds is None else "yes" if holds else "NO"
        self.rows.append((what, measured, budget, verdict))
        print(f"{what:54} {measured:>28}   budget {budget:34} {verdict}", flush=True)

    def prepare(self, name: str, n: int) -> None:
        """A study of n prompts, released."""
        sys.path.insert(0, str(self.shared))
        from common import prompt

        file = self.out / f"{name}.csv"
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["id", "prompt"])
            writer.writerows([f"p{i:06d}", prompt(i)] for i in range(n))
        (self.out / f"{name}.yaml").write_text(f"study: {name}\ntitle: Bench\nlanguages: [en]\n")
        self.redloom("apply", f"{name}.yaml")
        self.redloom("import", "csv", file.name, "--study", name, "--map", "text=prompt", "--map", "slug=id")
        self.redloom("release", name, "1", "--provisional")

    def fresh(self, label: str) -> None:
        path = self.out / f"{label}.db"
        for old in self.out.glob(f"{label}.db*"):
            old.unlink()
        self.database = f"sqlite:///{path}"

    def go(self, study: str, attempts: int = 1) -> Done:
        return self.redloom(
            *("run", f"{study}@1", "--target", "openai:mock", "--base-url", f"{self.base}/v1"),
            *("--concurrency", str(CONCURRENCY), "--judge", "rule:refusal", "--attempts", str(attempts)),
        )

    def floor(self, n: int) -> Done:
        command = [
            sys.executable,
            str(self.shared / "floor.py"),
            "--n",
            str(n),
            "--concurrency",
            str(CONCURRENCY),
        ]
        return self.run([*command, "--base-url", f"{self.base}/v1", "--out", str(self.out / "floor")])


def measure_rates(bench: Bench, n: int, repeats: int, inspect: Path | None) -> None:
    """Rate against the floor and Inspect, CPU, memory, start-up, and the same on a filled database."""
    bench.fresh("rate")
    bench.prepare("bench", n)
    before = sum(p.stat().st_size for p in bench.out.glob("rate.db*"))
    ours: list[Done] = []
    floors: list[Done] = []
    size = 0
    for _ in range(repeats):
        bench.reset()
        floors.append(bench.floor(n))
        bench.reset()
        ours.append(bench.go("bench"))
        size = size or sum(p.stat().st_size for p in bench.out.glob("rate.db*"))
    floor, own = median(f.seconds for f in floors), median(o.seconds for o in ours)
    rates = sorted(f.seconds / o.seconds for f, o in zip(floors, ours, strict=True))
    bench.row("bare client, whole process", f"{n / floor:,.0f} prompts/s", "-", None)
    bench.row("redloom run, stored and rule-judged, whole process", f"{n / own:,.0f} prompts/s", "-", None)
    bench.row(
        "  rate against the bare client, median of pairs",
        f"{median(rates):.2f} ({rates[0]:.2f} to {rates[-1]:.2f})",
        ">= 0.5",
        median(rates) >= 0.5,
    )
    inner = median((f.between or 0) / (o.between or 1) for f, o in zip(floors, ours, strict=True))
    bench.row("  the same from first request to last answer", f"{inner:.2f}", "-", None)
    if inspect is not None:
        small = min(n, 1000)
        bench.reset()
        size_flags = ["--n", str(small), "--concurrency", str(CONCURRENCY)]
        place_flags = ["--base-url", f"{bench.base}/v1", "--out", str(bench.out / "inspect")]
        peer = bench.run([str(inspect), str(bench.shared / "inspect_peer.py"), *size_flags, *place_flags])
        ratio = (n / own) / (small / peer.seconds)
        bench.row(
            f"  rate against Inspect ({small} prompts)", f"{ratio:.1f} times", ">= 15 times", ratio >= 15
        )
    cpu = [o.cpu / n * 1000 for o in ours]
    bench.row("CPU of a run", f"{median(cpu):.2f} ms a prompt", "< 1.5 ms", median(cpu) < 1.5)
    bench.row(
        "  first run and last on the same database", f"{cpu[0]:.2f} and {cpu[-1]:.2f} ms", "not growing", None
    )
    bench.row(
        "memory", f"{max(o.megabytes for o in ours):.0f} MB", "< 150 MB", max(o.megabytes for o in ours) < 150
    )
    first = median(o.first_request or 9 for o in ours)
    bench.row("first request after start", f"{first:.2f} s", "< 1 s", first < 1)
    measure_bytes(bench, n, before, size)


def measure_bytes(bench: Bench, n: int, before: int, after: int) -> None:
    """Bytes of the database beyond the texts: of the run alone, and with the cases and their release."""
    import sqlite3

    with sqlite3.connect(bench.out / "rate.db") as database:
        runs = database.execute("SELECT COUNT(*) FROM run").fetchone()[0]
        query = "SELECT SUM(LENGTH(CAST(text AS BLOB)) + LENGTH(CAST(reply AS BLOB))) FROM turn"
        texts = database.execute(query).fetchone()[0] / runs
    run = (after - before - texts) / n
    whole = (after - texts) / n
    bench.row("stored beyond the texts, the run alone", f"{run:,.0f} bytes a prompt", "<= 1,500", run <= 1500)
    bench.row(
        "stored beyond the texts, cases and release too",
        f"{whole:,.0f} bytes a prompt",
        "<= 1,500",
        whole <= 1500,
    )


def measure_latency(bench: Bench, n: int) -> None:
    bench.reset(latency_ms=200)
    done = bench.go("bench")
    most = 1.15 * n * 0.2 / CONCURRENCY + 1
    bench.row(f"{n} prompts at 200 ms", f"{done.seconds:.1f} s", f"<= {most:.1f} s", done.seconds <= most)


def measure_growth(bench: Bench, small: int, large: int) -> None:
    """Memory at ten times the prompts."""
    bench.fresh("growth")
    bench.prepare("small", small)
    bench.prepare("large", large)
    bench.reset()
    few = bench.go("small").megabytes
    bench.reset()
    many = bench.go("large")
    ratio = many.megabytes / few
    bench.row(
        f"memory at {small:,} and {large:,} prompts",
        f"{few:.0f} and {many.megabytes:.0f} MB",
        "<= 1.10 times",
        ratio <= 1.1,
    )
    cpu = many.cpu / large * 1000
    bench.row(f"CPU at {large:,} prompts", f"{cpu:.2f} ms a prompt", "< 1.5 ms", cpu < 1.5)


def measure_filled(bench: Bench, n: int, turns: int, repeats: int) -> None:
    """The same run on a database that holds nothing else, and on one that holds so many turns, in turn."""
    bench.fresh("filled")
    bench.prepare("bench", n)
    empty = bench.out / "empty.db"
    shutil.copy(bench.out / "filled.db", empty)
    bench.reset()
    print(f"filling a database with {turns:,} turns ...", flush=True)
    bench.go("bench", attempts=turns // n)
    full = bench.database
    pairs: list[tuple[Done, Done]] = []
    for _ in range(repeats):
        bench.fresh("alone")
        shutil.copy(empty, bench.out / "alone.db")
        bench.reset()
        alone = bench.go("bench")
        bench.database = full
        bench.reset()
        pairs.append((alone, bench.go("bench")))
    cpu = [median([one.cpu for one in side]) / n * 1000 for side in zip(*pairs, strict=True)]
    seconds = median([beside.seconds / alone.seconds for alone, beside in pairs])
    bench.row(
        f"CPU of a run beside {turns:,} turns, and alone",
        f"{cpu[1]:.2f} and {cpu[0]:.2f} ms a prompt",
        "<= 1.10 times",
        cpu[1] <= 1.1 * cpu[0],
    )
    bench.row(
        "  its time against that alone, median of pairs", f"{seconds:.2f} times", "<= 1.10", seconds <= 1.1
    )


def measure_help(bench: Bench) -> None:
    best = min(bench.redloom("--help").seconds for _ in range(5))
    bench.row("redloom --help", f"{best:.2f} s", "< 0.3 s", best < 0.3)


def inspect_python(out: Path) -> Path | None:
    """An environment with Inspect; None where it does not install."""
    home = out / "inspect-env"
    python = home / "bin" / "python"
    if not python.exists():
        print("installing Inspect for comparison ...", flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(home)], check=False)
        wanted = [str(python), "-m", "pip", "install", "-q", "inspect-ai", "openai"]
        if made.returncode or subprocess.run(wanted, check=False).returncode:
            shutil.rmtree(home, ignore_errors=True)
            return None
    return python


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    parser.add_argument("--n", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="without Inspect, 50,000 prompts and 1,000,000 turns"
    )
    given = parser.parse_args()
    if not (given.shared / "bench" / "mock_endpoint.py").is_file():
        raise SystemExit(f"there is no bench/mock_endpoint.py under {given.shared}; say where with --shared")
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    inspect = None if given.quick else inspect_python(out)
    bench = Bench(given.shared.resolve(), out, free_port())
    with bench.endpoint():
        measure_rates(bench, given.n, given.repeats, inspect)
        measure_latency(bench, given.n)
        measure_help(bench)
        if not given.quick:
            measure_growth(bench, given.n, given.n * 10)
            measure_filled(bench, given.n, TURNS, given.repeats)
    lines = ["| what | measured | budget | holds |", "| --- | --- | --- | --- |"]
    lines += [f"| {a.strip()} | {b} | {c} | {d} |" for a, b, c, d in bench.rows]
    (out / "table.md").write_text("\n".join(lines) + "\n")
    print(f"\nwritten to {out / 'table.md'}")
    if any(row[3] == "NO" for row in bench.rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
