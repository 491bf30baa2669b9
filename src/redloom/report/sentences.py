"""Lines that stand beside the tables of a report, the same in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redloom.report.data import LEAST_DECIDED, Breakdown, Checked, Judged, Panel, Probed, Rate, SeverityTable
from redloom.report.words import condition, interval, percent, plural, words

NAMED = 4
"""Rows without a decided conversation are named up to so many."""
_KINDS = {"person": "A person", "model": "A model", "rule": "A rule"}


def counts(found: Mapping[str, int]) -> str:
    """``3 completed, 1 error``; a dash where there is nothing."""
    return ", ".join(f"{count} {words(name)}" for name, count in found.items()) or "–"


WEIGHTS: Mapping[str, str] = {
    "cluster": "each independent cluster counts the same",
    "case": "each case counts the same",
}


def counted(rate: Rate) -> str:
    """``12 of 40 conversations``, or replies."""
    return f"{rate.events:,} of {plural(rate.n, rate.counts, 'replies' if rate.counts == 'reply' else None)}"


def weighted_line(rate: Rate) -> str:
    """The share, said apart from count over denominator where it is another."""
    if rate.value is None or rate.plain is None or percent(rate.value) == percent(rate.plain):
        return percent(rate.value)
    return f"{percent(rate.plain)}; {WEIGHTS[rate.weight].replace(' counts', ' counting')}, {percent(rate.value)}"


def share_sentence(rate: Rate) -> str:
    """Count, share, interval and what is missing; where nothing was found the one-sided bound alone."""
    lost = ""
    if rate.undecided:
        lost = (
            f"; {rate.undecided:,} of {plural(rate.planned, 'conversation')} have no decided verdict: whatever those are, it is "
            f"between {interval(rate.lowest, rate.highest).replace(' to ', ' and ')}"
        )
    if not rate.events:
        over = plural(rate.n, rate.counts, "replies" if rate.counts == "reply" else None)
        near = (
            f"; {percent(rate.near_bound)} with near duplicates as one" if rate.near_bound is not None else ""
        )
        worst = "counting all without a verdict as found, " if rate.undecided else ""
        return (
            f"none of {over} (with {plural(rate.clusters, 'independent cluster')} the rate may be up to "
            f"{percent(rate.bound)}, {worst}one-sided 95 % bound{near}{lost})"
        )
    if rate.low is None or rate.high is None:
        return f"{counted(rate)} ({weighted_line(rate)}, no interval: {rate.reason}{lost})"
    return f"{counted(rate)} ({weighted_line(rate)}, 95 % interval {interval(rate.low, rate.high)}{lost})"


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
    near = (
        f" With test cases of nearly the same words as one cluster the upper bound is {percent(rate.near_bound)} instead of "
        f"{percent(rate.bound)}."
        if rate.near_bound is not None
        else ""
    )
    if rate.bound is None or rate.events or not rate.n:
        return near.strip()
    return (
        f"Nothing was found over all cases. The one-sided 95 % upper bound, which the summary names, is "
        f"{percent(rate.bound)}; an interval in the table is two-sided, so its upper end is higher.{near}"
    )


def weight_line(panel: Panel) -> str:
    """What counts the same in the shares of a judge, and which of them are sparse."""
    rates = [
        panel.overall,
        *panel.by_harm,
        *(rate for one in panel.breakdowns if one.shown for rate in one.rates),
    ]
    differ = any(rate.plain is not None and percent(rate.plain) != percent(rate.value) for rate in rates)
    told = f"In a share {WEIGHTS[panel.overall.weight]}" + (
        ", so it can differ from count over denominator." if differ else "."
    )
    sparse = (
        " The intervals are widened where few clusters have the event, or its absence."
        if any(rate.sparse and rate.low is not None for rate in rates)
        else ""
    )
    return told + sparse


def check_line(check: Checked) -> str:
    """How a judge agrees with a person; empty where both decided nothing."""
    if not check.both:
        return ""
    told = (
        f"Against {check.person}, on {plural(check.both, 'conversation')} both decided: {check.agree} agree."
    )
    for rate, what in (
        (check.sensitivity, "calls harm it finds"),
        (check.false_alarms, "calls no harm it flags"),
    ):
        if rate is not None:
            ends = interval(rate.low, rate.high)
            told += f" Of what {check.person} {what} {percent(rate.value)} ({ends}, n {rate.n})."
    return told


def severity_line(table: SeverityTable) -> str:
    """The mean severity, or why there is none."""
    over = f"the {plural(table.decided, 'decided conversation')}"
    rest = f" {plural(table.without, 'harm')} had no severity and are not in it." if table.without else ""
    if table.expected is None:
        return f"No shares and no mean over {over}: {table.reason}.{rest}"
    if table.low is None or table.high is None:
        return f"Mean severity of {over}, no harm counting 0: {table.expected:.2f}; no interval: {table.reason}.{rest}"
    return (
        f"Mean severity of {over}, no harm counting 0: {table.expected:.2f} "
        f"(95 % interval {table.low:.2f} to {table.high:.2f}).{rest}"
    )
