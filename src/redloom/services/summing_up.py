"""The first screen of a report: what was found, and what a reader must know before any number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import assert_never

from redloom.domain.release import Manifest
from redloom.domain.run import RunSpec
from redloom.report.data import Notice, Panel, Probed, Rate, Replies
from redloom.report.sentences import probe_line
from redloom.report.words import condition, interval, percent, plural, points, words
from redloom.services.observing import Observation
from redloom.stats import clean_cases_needed
from redloom.storage.repositories.runs import StoredRun

FEW_CLUSTERS = 24
FEW_CHECKED = 30


def summary(
    panels: Sequence[Panel], spec: RunSpec, manifest: Manifest, observations: Sequence[Observation]
) -> tuple[str, ...]:
    """Sentences that somebody who decides can read alone."""
    held = Counter(o.arm for o in observations if o.state == "completed")
    lines = [
        f"The file holds {plural(held.total(), 'conversation')} with {spec.target_name}."
        if spec.frame == "imported"
        else f"{spec.target_name} held {plural(held.total(), 'conversation')} over {plural(manifest.cases, 'test case')}, "
        f"under {plural(len(spec.arms), 'condition')}{_by_condition(held, spec)}."
    ]
    for panel in panels:
        lines.append(_found_line(panel, panels))
        needless = next((r for r in panel.by_expected if r.label == "help"), None)
        if panel.measure == "refusal" and needless is not None:
            lines.append(_needless_line(panel, needless))
        lines += [line for line in (_difference_line(panel, spec.arms[0]),) if line]
    return tuple(lines)


def _by_condition(held: Mapping[str, int], spec: RunSpec) -> str:
    if len(spec.arms) < 2:
        return ""
    counts = ", ".join(f"{held.get(arm, 0)} in {condition(arm)!r}" for arm in spec.arms)
    return f": {counts}. Shares below are of the condition {condition(spec.arms[0])!r}"


def _found_line(panel: Panel, panels: Sequence[Panel]) -> str:
    rate, who = panel.overall, _who(panel, panels)
    verb = "flagged" if panel.kind == "rule" else "found"
    what = "harm" if panel.measure == "harm" else "a full refusal"
    if not rate.n:
        return f"{who} decided no conversation."
    if rate.bound is None:
        return f"{who} {verb} {what} in {_share(rate)}."
    return (
        f"{who} {verb} {what} in {_share(rate)}. None found does not mean none there: to exclude a rate of 2 % takes "
        f"{clean_cases_needed(0.02)} independent clusters without any."
    )


def _needless_line(panel: Panel, rate: Rate) -> str:
    """What the rule says of cases where a refusal would be needless; whether it is one, people can tell."""
    where = "Where a good system would help"
    if not rate.n:
        return f"{where}, the wording rule decided no conversation."
    return f"{where}, the wording rule flagged a full refusal in {_share(rate)}."


def _share(rate: Rate) -> str:
    """Count, share and interval; where nothing was found the one-sided bound alone."""
    over = plural(rate.n, "conversation")
    if rate.bound is not None:
        clusters = plural(rate.clusters, "independent cluster")
        return f"none of {over} (with {clusters} the rate may be up to {percent(rate.bound)}, one-sided 95 % bound)"
    if rate.low is None or rate.high is None:
        return f"{rate.events} of {over} ({percent(rate.value)}, no interval: {rate.reason})"
    return f"{rate.events} of {over} ({percent(rate.value)}, 95 % interval {interval(rate.low, rate.high)})"


def _who(panel: Panel, panels: Sequence[Panel]) -> str:
    """The judge as the subject of a sentence, with the unit where the judge has several."""
    unit = _unit(panel, panels)
    if panel.kind == "rule":
        named = f"The rule {panel.rater.removeprefix('rule:')!r}"
        return ("The wording rule" if panel.measure == "refusal" else named) + unit
    return (
        f"The model judge {panel.rater!r}{unit}"
        if panel.kind == "model"
        else f"{panel.rater}, a person{unit},"
    )


def _named(panel: Panel, panels: Sequence[Panel]) -> str:
    """The judge's name, with the unit where the judge has several."""
    return panel.rater + _unit(panel, panels)


def _unit(panel: Panel, panels: Sequence[Panel]) -> str:
    units = {one.unit for one in panels if one.rater == panel.rater}
    return f" ({words(panel.unit)})" if len(units) > 1 else ""


def _difference_line(panel: Panel, base: str) -> str:
    what = "harm" if panel.measure == "harm" else "full refusals"
    for difference in panel.differences:
        if difference.value is None or difference.low is None or difference.high is None:
            continue
        if difference.only_full == difference.only_arm == 0:
            continue
        clear = "" if difference.low > 0 or difference.high < 0 else ", so within chance"
        return (
            f"In the condition {condition(base)!r} the share of {what} {_compared(difference.value)} "
            f"{condition(difference.arm)!r} (95 % interval of the difference {points(difference.low)} to "
            f"{points(difference.high)} points{clear}; {plural(difference.pairs, 'case')} decided in both, in "
            f"{plural(difference.clusters, 'cluster')})."
        )
    return ""


def _compared(value: float) -> str:
    size = plural(abs(round(value * 100)), "percentage point")
    if size.startswith("0 "):
        return "is the same, to the percentage point, as in"
    return f"is {size} {'higher' if value > 0 else 'lower'} than in"


def _run_line(run: StoredRun) -> str:
    """Why there is no whole run; empty where there is one."""
    message = (run.message or "").removeprefix("interrupted; ")
    match run.state:
        case "completed":
            return ""
        case "running":
            return (
                f"The run has not come to its end: it is going on, or was broken off. 'redloom resume {run.name}' goes on "
                "with it."
            )
        case "cancelled":
            return "The run was cancelled before its end."
        case "stopped":
            how = "was interrupted" if message != (run.message or "") else "stopped before its end"
            return f"The run {how}{': ' if message else '.'}{message}"
        case _:
            assert_never(run.state)


def _reply_lines(replies: Replies) -> list[str]:
    lines: list[str] = []
    limit = (
        f"max_tokens {replies.limit}"
        if replies.limit is not None
        else "the target's own: the run sets no max_tokens"
    )
    if replies.cut:
        lines.append(
            f"{_were(replies.cut, replies.total)} cut by the token limit ({limit}). Judges saw "
            "no more of them than that."
        )
    if replies.empty:
        lines.append(
            f"{_were(replies.empty, replies.total)} empty. An empty reply is counted as an "
            "answer, and not as a refusal."
        )
    return lines


def _were(count: int, total: int) -> str:
    return f"{count:,} of {plural(total, 'reply', 'replies')} {'was' if count == 1 else 'were'}"


def _left_line(observations: Sequence[Observation]) -> str:
    """How many conversations a reading of the wording rule ended."""
    held = [o for o in observations if o.state == "completed"]
    left = sum(o.ended_by == "user_left" for o in held)
    if not left:
        return ""
    return (
        f"In {left} of {plural(len(held), 'conversation')} the simulated user left before the script's end, because the "
        "wording rule took a reply for a full refusal. Where it misread the reply, the conversation is shorter than its "
        "case asks for."
    )


def _sampled(panel: Panel) -> str:
    if len(panel.by_arm) < 2:
        return ""
    return ": " + ", ".join(f"{one.judged} of {one.of} in {condition(one.arm)!r}" for one in panel.by_arm)


def _judge_lines(panels: Sequence[Panel], run: StoredRun) -> list[str]:
    """What the judges are worth."""
    warnings: list[str] = []
    if not panels:
        warnings.append("Nobody has judged this run yet: 'redloom judge' and 'redloom rate' do.")
    judges = [p for p in panels if p.kind != "person" and p.measure == "harm"]
    unchecked = [_named(p, panels) for p in judges if not any(c.both for c in p.checked)]
    if unchecked:
        warnings.append(
            f"Never checked against people: {', '.join(dict.fromkeys(unchecked))}. The numbers say what these judges say, not what "
            "people would say."
        )
    for panel in judges:
        both = max((c.both for c in panel.checked), default=0)
        if 0 < both < FEW_CHECKED:
            warnings.append(
                f"{_named(panel, panels)} was checked against a person on {plural(both, 'conversation')} only."
            )
    warnings += [
        f"The judge {p.rater!r}{_unit(p, panels)} {probe_line(p.probed)}.{_obedient(p.probed)}"
        for p in panels
        if p.probed is not None and p.probed.outcome != "held"
    ]
    warnings += [
        f"{_named(p, panels)} judged {p.judged:,} of {plural(p.of, 'conversation')} only; "
        f"'redloom judge {run.name} --with {p.rater}' judges the rest."
        for p in panels
        if p.kind == "rule" and p.judged < p.of
    ]
    small = next((p.rater for p in panels if p.small and p.kind == "model"), None)
    if small is not None:
        warnings.append(
            f"The judge {small!r} is a model of 135 million parameters. As a judge that is close to "
            "noise: it is here to show the chain, not to be believed. Judge ten conversations yourself with 'redloom rate' "
            "and look at the agreement."
        )
    return warnings


def _obedient(probed: Probed) -> str:
    return " A reply that says how it wants to be judged may get its way." if probed.followed else ""


def _probe_lines(panels: Sequence[Panel], run: StoredRun) -> list[str]:
    """Who was never probed, and what the probe of the others is worth."""
    models = [p for p in panels if p.kind == "model"]
    unknown = [p for p in models if p.probed is None]
    notes = [
        f"The judge {p.rater!r}{_unit(p, panels)} {probe_line(p.probed)}. That is no proof against others."
        for p in models
        if p.probed is not None and p.probed.outcome == "held"
    ]
    if unknown:
        first = unknown[0]
        unit = f" --unit {first.unit}" if _unit(first, panels) else ""
        notes.append(
            f"Never probed for taking orders from what they judge: {', '.join(_named(p, panels) for p in unknown)}. "
            f"'redloom judge {run.name} --with {first.rater}{unit} --probe' does it."
        )
    return notes


def _sample_lines(panels: Sequence[Panel]) -> list[str]:
    """Who judged a part only, and what the wording rule is."""
    notes = [
        f"{_named(p, panels)} judged a sample: {p.judged} of {plural(p.of, 'conversation')}{_sampled(p)}."
        for p in panels
        if p.kind == "model" and p.judged < p.of
    ]
    if any(p.measure == "refusal" for p in panels):
        notes.append(
            "rule:refusal tells refusals by their wording, in English and Spanish, and can misread a reply either way. It "
            "says nothing of harm."
        )
    if panels and not any(p.kind == "person" for p in panels):
        notes.append("No person has judged this run.")
    return notes


def _clusters_line(manifest: Manifest) -> str:
    if not 0 < manifest.clusters < FEW_CLUSTERS:
        return ""
    return (
        f"With {manifest.clusters} independent clusters the intervals are rough; below {FEW_CLUSTERS} they are known to be "
        "too narrow."
    )


def notices(
    panels: Sequence[Panel],
    manifest: Manifest,
    run: StoredRun,
    observations: Sequence[Observation],
    replies: Replies,
) -> tuple[Notice, ...]:
    """Warnings first."""
    warnings: list[str] = []
    if manifest.provisional and run.spec.frame != "imported":
        warnings.append(
            f"Provisional: {manifest.unreviewed} of {plural(manifest.cases, 'case')} were not reviewed by anybody. "
            "Every number below is a number about unreviewed cases."
        )
    warnings += [line for line in (_run_line(run),) if line]
    absent = sum(o.state != "completed" for o in observations)
    if absent:
        warnings.append(
            f"{plural(absent, 'attempt')} of {len(observations)} yielded no conversation; see the states below."
        )
    warnings += _reply_lines(replies)
    warnings += _judge_lines(panels, run)
    notes = [
        line
        for line in (
            _left_line(observations),
            *_sample_lines(panels),
            *_probe_lines(panels, run),
            _clusters_line(manifest),
        )
        if line
    ]
    return (
        *(Notice(kind="warning", text=t) for t in warnings),
        *(Notice(kind="note", text=t) for t in notes),
    )
