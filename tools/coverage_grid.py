"""Simulate how often intervals and bounds hold the truth, and write the tables of explanation/limits-of-the-statistics.md.

Usage: python tools/coverage_grid.py [RUNS]. Seeds are fixed, so the tables are the same every time; a cell that fails is
written as it is. The slow tests read the same cells.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from redloom.stats import Weight, clopper_pearson
from redloom.stats._clusters import Clusters
from redloom.stats._joined import Joined, joined
from redloom.stats.bounds import GaffkeTail

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "limits-of-the-statistics.md"
RUNS = 2000
COUNTS = (10, 24, 60, 200)
SIZES = ("5 equal", "20 equal", "20 geometric", "20 log-normal")
RATES = (0.01, 0.02, 0.05, 0.2, 0.5, 0.95)
CORRELATIONS = (0.0, 0.1, 0.5)
REGULAR, LIMITS = 60, (0.93, 0.97)
BOUND_COUNTS, BOUND_RATES = (24, 60, 150, 300), (0.002, 0.005, 0.01, 0.02, 0.05)
PAIRED_RATES = ((0.5, 0.3), (0.2, 0.2), (0.05, 0.01), (0.01, 0.01))
Setting = tuple[Weight, str, int, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting and rate, and what came out; ``event_clusters`` is the median."""

    setting: Setting
    rate: float
    runs: int
    held: int
    event_clusters: float

    @property
    def coverage(self) -> float:
        return self.held / self.runs

    @property
    def regular(self) -> bool:
        """Whether events are spread over so many clusters that the variance alone makes the interval."""
        return self.event_clusters >= REGULAR

    def failed(self, limits: tuple[float, float] = LIMITS) -> bool:
        """Whether a limit is passed by more than the 99.9 % interval of the simulation explains."""
        simulated = clopper_pearson(self.held, self.runs, level=0.999)
        assert simulated.low is not None and simulated.high is not None
        return simulated.high < limits[0] or (self.regular and simulated.low > limits[1])


def settings() -> Iterator[Setting]:
    """Weight, sizes, clusters and correlation; with equal sizes both weights are the same."""
    for kind, count, correlation in itertools.product(SIZES, COUNTS, CORRELATIONS):
        for weight in ("cluster",) if "equal" in kind else ("cluster", "case"):
            yield weight, kind, count, correlation


def seeded(setting: Setting, *rates: float) -> np.random.Generator:
    """A generator of this setting; both weights see the same clusters."""
    _, kind, count, correlation = setting
    numbers = (round(1000 * each) for each in (correlation, *rates))
    return np.random.default_rng([*kind.encode(), count, *numbers])


def drawn_sizes(generator: np.random.Generator, kind: str, shape: tuple[int, int]) -> np.ndarray:
    """Sizes of clusters with that mean, drawn anew in every run."""
    mean, name = kind.split()
    if name == "equal":
        return np.full(shape, int(mean))
    if name == "geometric":
        return generator.geometric(1 / float(mean), shape)
    spread = 1.5
    drawn = generator.lognormal(math.log(float(mean)) - spread**2 / 2, spread, shape)
    return np.maximum(np.rint(drawn), 1).astype(int)


def drawn_chances(generator: np.random.Generator, rate: float, correlation: float, shape: tuple[int, int]):
    """Chances of clusters with this mean, which give their units this correlation: a beta distribution."""
    if correlation == 0:
        return np.full(shape, rate)
    scale = (1 - correlation) / correlation
    return generator.beta(rate * scale, (1 - rate) * scale, shape)


def rates(setting: Setting, rate: float, *, runs: int) -> Iterator[Joined]:
    """What ``clustered_rate`` rests on in each run: beta-binomial clusters."""
    weight, kind, count, correlation = setting
    generator = seeded(setting, rate)
    sizes = drawn_sizes(generator, kind, (runs, count))
    events = generator.binomial(sizes, drawn_chances(generator, rate, correlation, sizes.shape))
    for m, s in zip(sizes.astype(float), events.astype(float), strict=True):
        clusters = Clusters(sizes=m, sums=s, absolutes=s, within=s * (m - s) / m)
        yield of_clusters(clusters, weight, lowest=0.0)


def differences(setting: Setting, first: float, second: float, *, runs: int) -> Iterator[Joined]:
    """What ``paired_difference`` rests on: a cluster's chances in both arms are in proportion, its outcomes independent."""
    weight, kind, count, correlation = setting
    generator = seeded(setting, first, second)
    sizes = drawn_sizes(generator, kind, (runs, count))
    one = drawn_chances(generator, first, correlation, sizes.shape)
    other = one * second / first
    only_first = generator.binomial(sizes, one * (1 - other))
    left = np.where(one < 1, other * (1 - one) / (1 - one * (1 - other)), 0.0)
    only_second = generator.binomial(sizes - only_first, left)
    for m, a, b in zip(sizes.astype(float), only_first.astype(float), only_second.astype(float), strict=True):
        clusters = Clusters(sizes=m, sums=a - b, absolutes=a + b, within=a + b - (a - b) ** 2 / m)
        yield of_clusters(clusters, weight, lowest=-1.0)


def of_clusters(clusters: Clusters, weight: Weight, *, lowest: float) -> Joined:
    """A mean with its intervals, of clusters of whole outcomes."""
    means = clusters.sums / clusters.sizes
    alike = float(clusters.within.sum()) == 0 and float(np.ptp(means)) == 0
    return joined(clusters, weight=weight, lowest=lowest, equal=float(means[0]) if alike else None)


def holds(found: Joined, truth: float, *, level: float = 0.95) -> bool:
    """Whether the interval holds the truth: one tail of Gaffke's bound tells it without looking for the bound."""
    alpha = (1 - level) / 2
    if found.spread is None:
        return below_upper(found, truth, alpha) and above_lower(found, truth, alpha)
    low, high = dataclasses.replace(found, event_clusters=math.inf).ends(1 - level)
    if low <= truth <= high:
        return True
    if found.part == 0:
        return False
    gap = least_gap(found, max(low - truth, truth - high), high - low)
    return below_upper(found, high + gap, alpha) if truth > high else above_lower(found, low - gap, alpha)


def least_gap(found: Joined, moved: float, width: float) -> float:
    """How far outside Gaffke's end must lie for an end to be moved so far: ``Joined.moved`` turned round."""
    gap = moved / found.part
    if found.moved(gap, width) < moved * (1 - 1e-12):
        gap = width * math.expm1(math.log1p(moved / width) / found.part)
    return gap


def below_upper(found: Joined, end: float, alpha: float) -> bool:
    """Whether a value is not above Gaffke's upper bound."""
    return _reaches(found.shares(), found.sizes, (end - found.lowest) / (1 - found.lowest), alpha)


def above_lower(found: Joined, end: float, alpha: float) -> bool:
    """Whether a value is not below Gaffke's lower bound."""
    return _reaches(found.sizes - found.shares(), found.sizes, (1 - end) / (1 - found.lowest), alpha)


def _reaches(sums: np.ndarray, sizes: np.ndarray, share: float, alpha: float) -> bool:
    if not 0 < share < 1:
        return share <= 0
    tail = GaffkeTail(sums, sizes, largest=float(sizes.max()))
    return tail.log_chance(-math.log1p(-share)) >= math.log(alpha)


def cell(setting: Setting, rate: float, held: Iterable[tuple[bool, float]]) -> Cell:
    """A cell of what came out of each run: whether the truth was held, and over how many clusters events were spread."""
    hits, spread = zip(*held, strict=True)
    return Cell(
        setting=setting, rate=rate, runs=len(hits), held=sum(hits), event_clusters=float(np.median(spread))
    )


def of_rate(setting: Setting, rate: float, *, runs: int = RUNS) -> Cell:
    """How often the two-sided 95 % interval of a rate holds it."""
    found = rates(setting, rate, runs=runs)
    return cell(setting, rate, ((holds(one, rate), one.event_clusters) for one in found))


def of_bound(setting: Setting, rate: float, *, runs: int = RUNS) -> Cell:
    """How often the one-sided 95 % upper bound of a rate is not below it."""
    found = rates(setting, rate, runs=runs)
    return cell(setting, rate, ((below_upper(one, rate, 0.05), one.event_clusters) for one in found))


def of_difference(setting: Setting, first: float, second: float, *, runs: int = RUNS) -> Cell:
    """How often the two-sided 95 % interval of a paired difference holds it."""
    found = differences(setting, first, second, runs=runs)
    held = ((holds(one, first - second), one.event_clusters) for one in found)
    return cell(setting, first, held)


def bound_settings() -> Iterator[Setting]:
    """Where gates are: many clusters, rare events; and sizes that differ under both weights."""
    for kind, count, correlation in itertools.product(("4 equal", "20 equal"), BOUND_COUNTS, (0.1, 0.5)):
        yield "cluster", kind, count, correlation
    for weight, count in itertools.product(("cluster", "case"), (60, 150)):
        yield weight, "20 log-normal", count, 0.5


def paired_settings() -> Iterator[Setting]:
    """The settings of differences."""
    for kind, count, correlation in itertools.product(("5 equal", "20 equal"), COUNTS, (0.1, 0.5)):
        yield "cluster", kind, count, correlation


def table(
    rows: Iterable[tuple[Setting, list[Cell]]], heads: Iterable[str], *, limits: tuple[float, float] = LIMITS
) -> str:
    """Markdown: coverage by rate; regular cells in italics, failed ones in bold."""
    columns = ["weight", "sizes", "clusters", "correlation", *heads]
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for (weight, kind, count, correlation), cells in rows:
        words = ["either" if "equal" in kind else weight, kind, f"{count}", f"{correlation:g}"]
        for one in cells:
            mark = "**" if one.failed(limits) else "*" if one.regular else ""
            words.append(f"{mark}{one.coverage:.3f}{mark}")
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines)


def summary(cells: list[Cell]) -> str:
    """One row for each range of effective clusters with events."""
    edges = (0, 3, 10, 20, 40, 60, math.inf)
    lines = ["| effective clusters with events | cells | lowest | highest |", "| --- | --- | --- | --- |"]
    for least, most in itertools.pairwise(edges):
        ours = [one.coverage for one in cells if least <= one.event_clusters < most]
        name = f"{least} to {most}" if most < math.inf else f"{least} or more"
        lines.append(f"| {name} | {len(ours)} | {min(ours):.3f} | {max(ours):.3f} |")
    return "\n".join(lines)


def written(page: str, tables: dict[str, str]) -> str:
    """The page with each table between its two markers."""
    for name, text in tables.items():
        begin, end = f"<!-- {name}: written by tools/coverage_grid.py -->\n", f"\n<!-- end of {name} -->"
        before, rest = page.split(begin)
        _, after = rest.split(end)
        page = before + begin + text + end + after
    return page


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    shares = [(one, [of_rate(one, rate, runs=runs) for rate in RATES]) for one in settings()]
    bounds = [(one, [of_bound(one, rate, runs=runs) for rate in BOUND_RATES]) for one in bound_settings()]
    paired = [
        (one, [of_difference(one, *both, runs=runs) for both in PAIRED_RATES]) for one in paired_settings()
    ]
    tables = {
        "summary": summary([one for _, row in shares for one in row]),
        "shares": table(shares, (f"{rate:g}" for rate in RATES)),
        "bounds": table(bounds, (f"{rate:g}" for rate in BOUND_RATES), limits=(0.95, 1.0)),
        "differences": table(paired, (f"{a:g} / {b:g}" for a, b in PAIRED_RATES)),
    }
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
