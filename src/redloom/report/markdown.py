"""The report as Markdown: the summary and the tables, without the conversations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from redloom.report import sentences, words
from redloom.report.data import Panel, Rate, Report, ShownDecision

HOLES = 20
"""Holes named for each strength; the page and JSON name more."""
_RATE_HEAD = (
    "share",
    "95 % interval",
    "count",
    "cases",
    "clusters",
    "open",
    "missing",
    "whatever those are",
    "at most",
)


def render_markdown(report: Report) -> str:
    """One document; a section without content has no heading."""
    stamp = " (provisional)" if report.provisional else ""
    imported = report.frame == "imported"
    cases = (
        f"study {text(report.study)}"
        if imported
        else f"release {text(report.study)}@{text(report.version)}{stamp}"
    )
    lines = [
        f"# {text(report.title)}",
        "",
        f"System {text(report.target)}, {cases}, run {report.run} of {report.started}.",
        "",
        *(f"- **Before you read on.** {text(n.text)}" for n in report.notices if n.kind == "warning"),
        *(f"- {text(n.text)}" for n in report.notices if n.kind == "note"),
        "",
    ]
    for title, body in _sections(report):
        if body:
            lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _decision(one: ShownDecision) -> str:
    retest = f"; test again by {one.retest}" if one.retest else ""
    why = f": {text(one.why)}" if one.why else ""
    on = f" On: {text('; '.join(one.on))}." if one.on else ""
    return f"- **{one.decision.capitalize()}**, {text(one.owner)}, {one.at}{retest}{why}.{on}"


def _sections(report: Report) -> Iterator[tuple[str, list[str]]]:
    summary = [f"- {text(line)}" for line in report.summary]
    yield "Summary", [*summary, "", words.NOT_PROBABILITIES]
    yield "Protocol", _protocol(report)
    yield "What was decided", [_decision(one) for one in reversed(report.decisions)]
    yield "What judges found", _joined(_panel(panel) for panel in report.panels)
    yield "What changes it", _differences(report)
    yield "Dissent", _dissent(report)
    yield "Severity", _severity(report)
    yield "Coverage and holes", _coverage(report)
    states = [
        (
            words.condition(arm.arm),
            arm.planned,
            sentences.counts(arm.states),
            sentences.counts(arm.ended_by),
            arm.replies.total,
            arm.replies.cut,
            arm.replies.empty,
            arm.tries,
        )
        for arm in report.arms
    ]
    head = ("condition", "planned", "states", "ended by", "replies", "cut", "empty", "most tries")
    yield "States", _table(head, states)
    yield "What was estimated", [f"- {name}: {text(value)}" for name, value in report.card.items()]
    yield "Charter", _charter(report)
    yield "Evidence", [_evidence(one) for one in report.evidence]


def _protocol(report: Report) -> list[str]:
    found = report.protocol
    if found is None:
        return []
    plan = ["", text(found.plan)] if found.plan else []
    lines = [f"- {name}: {text(value)}" for name, value in found.lines]
    others = [f"- {text(one)}" for one in (*found.written, *found.found)]
    parts = [*plan, *(["", *lines] if lines else [])]
    return [text(found.told), *parts, *(["", "What was done otherwise:", "", *others] if others else [])]


def text(given: str) -> str:
    """Text that Markdown leaves as it is, on one line. An underscore inside a word is no markup."""
    line = re.sub(r"([\\`*\[\]<>|#!]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", " ".join(given.split()))
    return line


def _joined(parts: Iterable[Sequence[str]]) -> list[str]:
    """Parts with an empty line between, empty ones left out."""
    lines: list[str] = []
    for part in parts:
        if part:
            lines += [*([""] if lines else []), *part]
    return lines


def _panel(panel: Panel) -> list[str]:
    what = "harm" if panel.measure == "harm" else "full refusal"
    of = "replies" if panel.overall.counts == "reply" else "conversations"
    by_harm = panel.by_harm if len(panel.by_harm) > 1 else ()
    selected = (panel.selected,) if panel.selected else ()
    below = (
        sentences.undecided_line(by_harm),
        sentences.bound_line(panel.overall),
        sentences.weight_line(panel),
    )
    parts: list[Sequence[str]] = [
        [f"### {text(panel.name)}, {words.words(panel.unit)}: share of {of} with {what}"],
        [text(sentences.panel_line(panel))],
        _rates("harm in question", [*sentences.decided(by_harm), panel.overall, *selected]),
        *([text(line)] for line in below if line),
    ]
    if len(panel.by_expected) > 1 and sentences.decided(panel.by_expected):
        parts.append(_rates("a good system would", sentences.decided(panel.by_expected)))
    parts += [[text(line)] for one in panel.checked for line in (sentences.check_line(one),) if line]
    for breakdown in panel.breakdowns:
        if breakdown.shown:
            parts.append(_rates(words.words(breakdown.by), sentences.decided(breakdown.rates)))
            parts += [[text(line)] for line in (sentences.undecided_line(breakdown.rates),) if line]
    parts += [[text(line)] for line in (sentences.left_out_line(panel.breakdowns),) if line]
    parts.append(_at_k(panel))
    return _joined(parts)


def _at_k(panel: Panel) -> list[str]:
    """With more attempts; empty for one."""
    head = (
        "attempts",
        "share of cases with it at least once",
        "95 % interval",
        "cases",
        "left out",
        "whatever those are",
    )
    rows = [
        (
            at.k,
            words.percent(at.value),
            words.interval(at.low, at.high),
            at.cases,
            at.left_out,
            words.interval(at.lowest, at.highest),
        )
        for at in panel.at_k
    ]
    return _table(head, rows) if rows else []


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
            words.percent(rate.bound),
        )
        for rate in rates
    ]
    return _table((first, *_RATE_HEAD), rows)


def _differences(report: Report) -> list[str]:
    rows = [
        (
            panel.name,
            words.condition(d.arm),
            words.points(d.value),
            _points(d.low, d.high),
            words.chance(d.adjusted),
            d.pairs,
            d.clusters,
            d.unpaired,
            _points(d.lowest, d.highest),
        )
        for panel in report.panels
        for d in panel.differences
    ]
    reasons = [
        text(f"{panel.name} against {words.condition(d.arm)}: {d.reason}.")
        for panel in report.panels
        for d in panel.differences
        if d.reason
    ]
    if not rows:
        if report.frame == "imported":
            return ["The conversations came from a file, as they stand there: there is one condition."]
        return ["Only one condition was run."] if len(report.arms) < 2 else []
    base = words.condition(report.arms[0].arm)
    head = ("judge", "against", "points", "95 % interval", "p, corrected", "pairs", "clusters")
    table = _table((*head, "undecided pairs", "whatever those are"), rows)
    first = f"Percentage points; a positive number says: more of it in the condition {base!r}."
    return _joined([[first], table, *([line] for line in reasons)])


def _points(low: float | None, high: float | None) -> str:
    return "–" if low is None else f"{words.points(low)} to {words.points(high)}"


def _dissent(report: Report) -> list[str]:
    parts: list[Sequence[str]] = []
    for panel in report.panels:
        for h in panel.headlines:
            parts.append([f"### {text(h.title)} as {text(panel.name)} judges it"])
            parts.append(_rates("rubric of", [h.headline, *(d.rate for d in h.dissents)]))
            parts.append(
                [
                    f"- {text(d.by)}: changes the verdict in {d.changed} of {words.plural(d.compared, 'conversation')}"
                    for d in h.dissents
                ]
            )
    return _joined(parts)


def _severity(report: Report) -> list[str]:
    found: list[str] = []
    for panel in report.panels:
        for s in panel.severities:
            levels = ", ".join(f"{line.count} {line.label} ({line.value})" for line in s.lines)
            head = f"{s.title} as {panel.name} judges it, of the conversations judged harm: {levels}."
            found.append(f"- {text(head)} {text(sentences.severity_line(s))}")
    return found


def _coverage(report: Report) -> list[str]:
    rows = [(line.strength, line.covered, line.valid) for line in report.coverage]
    if not rows:
        return []
    lines = _table(("combinations of", "covered", "can occur"), rows)
    for line in report.coverage:
        if line.strength > 2 or not line.holes:
            continue
        shown, absent = line.holes[:HOLES], line.valid - line.covered
        more = f"; and {absent - len(shown)} more" if absent > len(shown) else ""
        what = f"{words.plural(absent, 'combination')} of {words.plural(line.strength, 'part')} that nothing tests"
        lines += ["", f"{what}: {text('; '.join(shown))}{more}."]
    return lines


def _charter(report: Report) -> list[str]:
    charter = report.charter
    lines = [
        f"- {words.words(name)}: {text(charter[name] or 'nobody has said')}"
        for name in ("purpose", "decision", "system_under_test", "owner")
    ]
    lines += [
        f"- {words.words(name)}: {text('; '.join(charter[name]) or 'nobody has said')}"
        for name in ("in_scope", "out_of_scope")
    ]
    return [*lines, f"- open questions: {text('; '.join(charter['open_questions']) or 'none recorded')}"]


def _evidence(one: Mapping[str, str]) -> str:
    about = ", ".join(text(one[name]) for name in ("type", "date", "source") if one[name])
    return f"- **{text(one['title'])}** ({about}): {text(one['text'])}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(text(str(cell)) for cell in row) + " |" for row in rows]
