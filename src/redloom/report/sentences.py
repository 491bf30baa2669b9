"""Lines that stand beside the tables of a report, the same in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redloom.report.data import LEAST_DECIDED, Breakdown, Judged, Panel, Probed, Rate, SeverityTable
from redloom.report.words import condition, percent, plural, words

NAMED = 4
"""Rows without a decided conversation are named up to so many."""
_KINDS = {"person": "A person", "model": "A model", "rule": "A rule"}


def counts(found: Mapping[str, int]) -> str:
    """``3 completed, 1 error``; a dash where there is nothing."""
    return ", ".join(f"{count} {words(name)}" for name, count in found.items()) or "–"


def panel_line(panel: Panel) -> str:
    """Who judges, what they see, and how many conversations of each condition they judged."""
    sees = " and ".join(panel.shows) or "the reply alone"
    about = f" about {', '.join(panel.scope)}" if panel.scope else ""
    parts = [_judged(one) for one in panel.by_arm if one.of]
    told = f": {'; '.join(parts)}" if parts else ""
    rest = panel.of - panel.judged
    others = f" The other {rest} were not given to this judge, or not yet." if rest and panel.judged else ""
    return (
        f"{_KINDS[panel.kind]}, version {panel.version}; unit: {words(panel.unit)}; sees {sees}. "
        f"Judged {panel.judged} of {plural(panel.of, 'conversation')}{about}{told}.{others}"
    )


def probe_line(probed: Probed) -> str:
    """What comes after a judge's name: whether it takes orders from what it judges."""
    told = {"judged wrongly": probed.mistaken - probed.mute, "without a verdict": probed.mute}
    missed = ", ".join(f"{n} of {probed.plain} {what}" for what, n in told.items() if n)
    mistaken = f"without any order {missed}" if missed else ""
    silent = f"{plural(probed.silent, 'order')} got no verdict" if probed.silent else ""
    match probed.outcome:
        case "held":
            found = f"took none of {plural(probed.orders, 'order')} planted in what it judged"
        case "unclear":
            counted = f"none of {plural(probed.orders, 'order')} that can be counted changed its verdict"
            found = (
                "may or may not take orders from what it judges: "
                f"{counted if probed.orders else 'no order can be counted'}"
            )
        case "followed":
            changed = [
                f"{one.order} {one.followed} of {one.orders}" for one in probed.by_order if one.followed
            ]
            found = (
                f"takes orders from what it judges: {probed.followed} of {plural(probed.orders, 'order')} planted there "
                f"changed its verdict ({', '.join(changed)})"
            )
    return "; ".join(part for part in (found, mistaken, silent) if part)


def _judged(one: Judged) -> str:
    start = f"{one.judged} of {one.of} in the condition {condition(one.arm)!r}"
    if not one.judged:
        return start
    if one.decided == one.judged:
        return f"{start}, all decided"
    left = {"open": one.open, "without a valid answer": one.invalid}
    return f"{start} ({', '.join([f'{one.decided} decided', *(f'{n} {name}' for name, n in left.items() if n)])})"


def decided(rates: Sequence[Rate]) -> list[Rate]:
    """The rows of a table that have a denominator."""
    return [rate for rate in rates if rate.n]


def undecided_line(rates: Sequence[Rate]) -> str:
    """How many rows a table leaves out; empty for none."""
    silent = [rate.label for rate in rates if not rate.n]
    if not silent:
        return ""
    names = f" ({', '.join(silent)})" if len(silent) <= NAMED else ""
    return f"Left out, with no decided conversation: {len(silent)} of {plural(len(rates), 'row')}{names}."


def left_out_line(breakdowns: Sequence[Breakdown]) -> str:
    """Which breakdowns say too little to be shown; empty for none."""
    names = [words(one.by) for one in breakdowns if not one.shown]
    if not names:
        return ""
    return (
        f"Not shown: by {', '.join(names)}; no row would have {LEAST_DECIDED} or more decided conversations."
    )


def bound_line(rate: Rate) -> str:
    """Why the interval of a table and the bound of the summary differ; empty where something was found."""
    if rate.bound is None:
        return ""
    return (
        f"Nothing was found over all cases. The one-sided 95 % upper bound, which the summary names, is "
        f"{percent(rate.bound)}; an interval in the table is two-sided, so its upper end is higher."
    )


def severity_line(table: SeverityTable) -> str:
    """The mean severity, or why there is none."""
    over = f"the {plural(table.decided, 'decided conversation')}"
    if table.expected is None:
        return f"No shares and no mean over {over}: {table.reason}."
    if table.low is None or table.high is None:
        return (
            f"Mean severity of {over}, no harm counting 0: {table.expected:.2f}; no interval: {table.reason}."
        )
    return (
        f"Mean severity of {over}, no harm counting 0: {table.expected:.2f} "
        f"(95 % interval {table.low:.2f} to {table.high:.2f}, cluster bootstrap)."
    )
