"""The report as Markdown: the summary and the tables, without the conversations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from redloom.report import words
from redloom.report.data import Rate, Report

_RATE_HEAD = ("share", "95 % interval", "count", "cases", "clusters", "open", "missing", "whatever those are")


def render_markdown(report: Report) -> str:
    """One document."""
    stamp = " (provisional)" if report.provisional else ""
    lines = [
        f"# {text(report.title)}",
        "",
        f"System {text(report.target)}, release {report.study}@{report.version}{stamp}, run {report.run} of {report.started}.",
        "",
        *(f"- **Before you read on.** {text(n.text)}" for n in report.notices if n.kind == "warning"),
        *(f"- {text(n.text)}" for n in report.notices if n.kind == "note"),
        "",
        "## Summary",
        "",
        *(f"- {text(line)}" for line in report.summary),
        "",
        words.NOT_PROBABILITIES,
        "",
        "## What judges found",
        "",
    ]
    for panel in report.panels:
        what = "harm" if panel.measure == "harm" else "full refusal"
        rates = [*(panel.by_harm if len(panel.by_harm) > 1 else ()), panel.overall]
        lines += [f"### {text(panel.rater)}, {words.words(panel.unit)}: share with {what}", ""]
        lines += [*_rates("harm in question", rates), ""]
        for breakdown in panel.breakdowns:
            lines += [*_rates(words.words(breakdown.by), breakdown.rates), ""]
    lines += ["## What changes it", "", *_differences(report), "", "## Dissent", ""]
    for panel in report.panels:
        for h in panel.headlines:
            lines += [f"### {text(h.title)} as {text(panel.rater)} judges it", ""]
            lines += [*_rates("rubric of", [h.headline, *(d.rate for d in h.dissents)]), ""]
    lines += ["## Coverage", ""]
    coverage = [(line.strength, line.covered, line.valid) for line in report.coverage]
    lines += [*_table(("combinations of", "covered", "can occur"), coverage), "", "## States", ""]
    states = [(arm.arm, arm.planned, _counts(arm.states), arm.tries) for arm in report.arms]
    lines += [
        *_table(("condition", "planned", "states", "most tries"), states),
        "",
        "## What was estimated",
        "",
    ]
    lines += [f"- {name}: {text(value)}" for name, value in report.card.items()]
    return "\n".join(lines) + "\n"


def text(given: str) -> str:
    """Text that Markdown leaves as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#!])", r"\\\1", " ".join(given.split()))


def _rates(first: str, rates: Iterable[Rate]) -> list[str]:
    rows = [
        (
            rate.label,
            words.percent(rate.value),
            words.interval(rate.low, rate.high),
            f"{rate.events} of {rate.n}",
            rate.cases,
            rate.clusters,
            sum(rate.open_verdicts.values()),
            rate.missing.total,
            words.interval(rate.lowest, rate.highest),
        )
        for rate in rates
    ]
    return _table((first, *_RATE_HEAD), rows)


def _differences(report: Report) -> list[str]:
    rows = [
        (
            panel.rater,
            d.arm,
            words.points(d.value),
            "–" if d.low is None else f"{words.points(d.low)} to {words.points(d.high)}",
            d.pairs,
            d.clusters,
        )
        for panel in report.panels
        for d in panel.differences
    ]
    if not rows:
        return ["Only one condition was run."]
    return _table(("judge", "against", "points", "95 % interval", "pairs", "clusters"), rows)


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {words.words(name)}" for name, n in found.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(text(str(cell)) for cell in row) + " |" for row in rows]
