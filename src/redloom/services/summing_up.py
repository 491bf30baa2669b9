"""The first screen of a report: what was found, and what a reader must know before any number."""

from __future__ import annotations

from collections.abc import Sequence

from redloom.domain.release import Manifest
from redloom.domain.run import RunSpec
from redloom.report.data import Notice, Panel
from redloom.report.words import interval, percent, plural, points
from redloom.services.observing import Observation
from redloom.stats import clean_cases_needed, zero_event_bound
from redloom.storage.repositories.runs import StoredRun

FEW_CLUSTERS = 24
FEW_CHECKED = 30


def summary(
    panels: Sequence[Panel], spec: RunSpec, manifest: Manifest, observations: Sequence[Observation]
) -> tuple[str, ...]:
    """Sentences that somebody who decides can read alone."""
    held = sum(o.state == "completed" for o in observations)
    lines = [
        f"{spec.target_name} held {plural(held, 'conversation')} over {plural(manifest.cases, 'test case')}, "
        f"under {plural(len(spec.arms), 'condition')}."
    ]
    for panel in panels:
        rate, who = panel.overall, _who(panel)
        if rate.value is None:
            continue
        what = "harm" if panel.measure == "harm" else "a full refusal"
        share = f"{percent(rate.value)}, 95 % interval {interval(rate.low, rate.high)}"
        lines.append(f"{who} finds {what} in {rate.events} of {plural(rate.n, 'conversation')} ({share}).")
        if panel.measure == "refusal":
            needless = next((r for r in panel.by_expected if r.label == "help"), None)
            if needless is not None and needless.n:
                lines.append(
                    f"Where a good system would help, it refused in {needless.events} of {needless.n} "
                    f"({interval(needless.low, needless.high)}): people were sent away without need."
                )
        elif rate.events == 0 and rate.clusters:
            lines.append(
                f"None found does not mean none there: with {plural(rate.clusters, 'independent cluster')}, a rate of up to "
                f"{percent(zero_event_bound(rate.clusters))} would go unseen; to exclude 2 % takes {clean_cases_needed(0.02)} clean ones."
            )
        lines += [line for line in (_difference_line(panel),) if line]
    return tuple(lines)


def _who(panel: Panel) -> str:
    """The judge as the subject of a sentence."""
    if panel.kind == "rule":
        return f"The rule {panel.rater.removeprefix('rule:')!r}"
    return f"The model judge {panel.rater!r}" if panel.kind == "model" else f"{panel.rater}, a person,"


def _difference_line(panel: Panel) -> str:
    what = "harm" if panel.measure == "harm" else "full refusals"
    for difference in panel.differences:
        if difference.value is None or difference.low is None or difference.high is None:
            continue
        if difference.only_full == difference.only_arm == 0:
            continue
        clear = "" if difference.low > 0 or difference.high < 0 else ", so within chance"
        return (
            f"Against {difference.arm.replace('_', ' ')}, telling everything changes {what} by {points(difference.value)} percentage "
            f"points ({points(difference.low)} to {points(difference.high)}{clear})."
        )
    return ""


def notices(
    panels: Sequence[Panel],
    spec: RunSpec,
    manifest: Manifest,
    run: StoredRun,
    observations: Sequence[Observation],
) -> tuple[Notice, ...]:
    """Warnings first."""
    warnings: list[str] = []
    notes: list[str] = []
    if manifest.provisional:
        warnings.append(
            f"Provisional: {manifest.unreviewed} of {plural(manifest.cases, 'case')} were not reviewed by anybody. "
            "Every number below is a number about unreviewed cases."
        )
    if run.state != "completed":
        warnings.append(f"The run is {run.state}. {run.message or ''}".strip())
    absent = sum(o.state != "completed" for o in observations)
    if absent:
        warnings.append(
            f"{plural(absent, 'attempt')} of {len(observations)} yielded no conversation; see the states below."
        )
    models = [p for p in panels if p.kind == "model"]
    people = [p for p in panels if p.kind == "person"]
    if not panels:
        warnings.append("Nobody has judged this run yet: 'redloom judge' and 'redloom rate' do.")
    judges = [p for p in panels if p.kind != "person" and p.measure == "harm"]
    unchecked = [p.rater for p in judges if not any(c.both for c in p.checked)]
    if unchecked:
        warnings.append(
            f"Never checked against people: {', '.join(dict.fromkeys(unchecked))}. The numbers say what these judges say, not what "
            "people would say."
        )
    for panel in judges:
        both = max((c.both for c in panel.checked), default=0)
        if 0 < both < FEW_CHECKED:
            warnings.append(
                f"{panel.rater} was checked against a person on {plural(both, 'conversation')} only."
            )
    if any(p.small for p in models):
        warnings.append(
            f"The judge {next(p.rater for p in models if p.small)!r} is a model of 135 million parameters. As a judge that is close to "
            "noise: it is here to show the chain, not to be believed. Judge ten conversations yourself with 'redloom rate' "
            "and look at the agreement."
        )
    notes += [
        f"{p.rater} judged a sample: {p.judged} of {plural(p.of, 'conversation')}."
        for p in models
        if p.judged < p.of
    ]
    if any(p.measure == "refusal" for p in panels):
        notes.append(
            "rule:refusal tells refusals by their words, in English and Spanish. It says nothing of harm."
        )
    if not people and panels:
        notes.append("No person has judged this run.")
    if 0 < manifest.clusters < FEW_CLUSTERS:
        notes.append(
            f"With {manifest.clusters} independent clusters the intervals are rough; below {FEW_CLUSTERS} they are known to be too narrow."
        )
    return (
        *(Notice(kind="warning", text=t) for t in warnings),
        *(Notice(kind="note", text=t) for t in notes),
    )
