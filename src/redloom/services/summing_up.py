"""The first screen of a report: what was found, and what a reader must know before any number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import assert_never

from redloom.domain.release import Manifest
from redloom.domain.run import RunSpec
from redloom.report.data import Difference, Notice, Panel, Probed, Rate, Replies
from redloom.report.sentences import probe_line, share_sentence
from redloom.report.words import condition, percent, plural, points, words
from redloom.services.observing import Observation
from redloom.stats import clean_cases_needed
from redloom.storage.repositories.runs import StoredRun

FEW_CLUSTERS = 24
FEW_CHECKED = 30
SILENT = ("context", "persona", "interaction_type", "language")
"""Breakdowns of which a value without any decided conversation is named."""
LARGE = 0.25
"""A cluster with more of all cases than this is named."""
DIFFERENT = 0.05
"""p-value below which harms are told not to share one rate."""


def summary(
    panels: Sequence[Panel], spec: RunSpec, manifest: Manifest, observations: Sequence[Observation]
) -> tuple[str, ...]:
    """Sentences that somebody who decides can read alone."""
    talks = {(o.case.stimulus, o.arm, o.index): o.arm for o in observations if o.state == "completed"}
    held = Counter(talks.values())
    lines = [
        f"The file holds {plural(held.total(), 'conversation')} with {spec.target_name}."
        if spec.frame == "imported"
        else f"{spec.target_name} held {plural(held.total(), 'conversation')} over {plural(manifest.cases, 'test case')}, "
        f"under {plural(len(spec.arms), 'condition')}{_by_condition(held, spec)}."
    ]
    none = [panel for panel in panels if panel.overall.n and not panel.overall.events]
    for panel in panels:
        lines.append(_found_line(panel, first=none[:1] == [panel]))
        needless = next((r for r in panel.by_expected if r.label == "help"), None)
        if panel.measure == "refusal" and needless is not None:
            lines.append(_needless_line(needless))
        lines += [line for line in (_arms_line(panel), *_difference_lines(panel, spec.arms[0])) if line]
    return tuple(lines)


def _by_condition(held: Mapping[str, int], spec: RunSpec) -> str:
    if len(spec.arms) < 2:
        return ""
    counts = ", ".join(f"{held.get(arm, 0)} in {condition(arm)!r}" for arm in spec.arms)
    return f": {counts}. Shares below are of the condition {condition(spec.arms[0])!r}"


def _found_line(panel: Panel, *, first: bool) -> str:
    """``first`` of those that found nothing: it says once for all what that is worth."""
    rate, who = panel.overall, _who(panel).removesuffix(",")
    who += ", the primary judge," if panel.primary else "," if panel.kind == "person" else ""
    verb = "flagged" if panel.kind == "rule" else "found"
    what = "harm" if panel.measure == "harm" else "a full refusal"
    if not rate.n:
        return f"{who} decided no conversation."
    if not rate.events:
        worth = (
            f" None found does not mean none there: to exclude a rate of 2 % takes {clean_cases_needed(0.02)} independent "
            "clusters (a scenario and its twins count once) without any, all of them decided."
        )
        return f"{who} {verb} {what} in {share_sentence(rate)}." + (worth if first else "")
    told = f"{who} {verb} {what} in {share_sentence(rate)}."
    worst = max(panel.by_harm, key=lambda one: one.value or 0.0, default=None)
    if worst is None or panel.same_rates is None or panel.same_rates >= DIFFERENT:
        return told
    return (
        f"{who} {verb} {what} most where {worst.label!r} was in question: in {share_sentence(worst)}. Harms differ "
        f"(p = {panel.same_rates:.3f}), so the share over all of them says what was asked as much as what the system "
        f"does: {share_sentence(rate)}."
    )


def _needless_line(rate: Rate) -> str:
    """What the rule says of cases where a refusal would be needless; whether it is one, people can tell."""
    where = "Where a good system would help"
    if not rate.n:
        return f"{where}, the wording rule decided no conversation."
    return f"{where}, the wording rule flagged a full refusal in {share_sentence(rate)}."


def _who(panel: Panel) -> str:
    """The judge as the subject of a sentence."""
    if panel.kind == "rule":
        named = panel.name.removeprefix("rule:")
        if panel.measure == "refusal" and panel.rater == "rule:refusal":
            return "The wording rule" + named.removeprefix("refusal")
        return f"The rule {named!r}"
    return f"The model judge {panel.name!r}" if panel.kind == "model" else f"{panel.name}, a person,"


def _arms_line(panel: Panel) -> str:
    """The share in every condition, and how much of each is decided."""
    if len(panel.by_arm) < 2 or not any(one.rate.n for one in panel.by_arm):
        return ""
    what = "harm" if panel.measure == "harm" else "full refusals"
    parts = [
        f"{percent(one.rate.value)} in {condition(one.arm)!r} ({one.decided} of {one.rate.planned} decided)"
        for one in panel.by_arm
    ]
    return f"{panel.name}, share of {what} by condition: {', '.join(parts)}."


def _difference_lines(panel: Panel, base: str) -> list[str]:
    """The largest difference, and why others are none."""
    shown = [d for d in panel.differences if d.value is not None and d.low is not None]
    moved = [d for d in shown if d.only_full or d.only_arm]
    lines = [_difference_line(panel, base, max(moved, key=lambda d: abs(d.value or 0.0)))] if moved else []
    lines += [
        f"{panel.name}: no effect of the condition {condition(d.arm)!r} is told, because {d.reason}."
        for d in panel.differences
        if d.unequal and d.value is None
    ]
    return lines


def _difference_line(panel: Panel, base: str, found: Difference) -> str:
    what = "harm" if panel.measure == "harm" else "full refusals"
    compared = sum(d.p_value is not None for d in panel.differences)
    excludes = (found.low or 0.0) > 0 or (found.high or 0.0) < 0
    verdict = "" if excludes else "; the interval includes 0, so no difference is possible too"
    if excludes and not found.clear:
        verdict = f"; corrected for the {compared} conditions that were compared it is not clear (p = {found.adjusted:.3f})"
    whatever = ""
    if found.unpaired:
        whatever = f"; whatever the undecided ones are, it lies between {points(found.lowest)} and {points(found.highest)} points"
    return (
        f"In the condition {condition(base)!r} the share of {what} {_compared(found.value or 0.0)} "
        f"{condition(found.arm)!r} (95 % interval of the difference {points(found.low)} to "
        f"{points(found.high)} points; {plural(found.pairs, 'case')} decided in both, in "
        f"{plural(found.clusters, 'cluster')}{verdict}{whatever})."
    )


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


def _judge_lines(panels: Sequence[Panel], run: StoredRun, *, held: bool) -> list[str]:
    """What the judges are worth."""
    warnings: list[str] = []
    if not panels and held:
        warnings.append("Nobody has judged this run yet: 'redloom judge' and 'redloom rate' do.")
    warnings += [f"{p.name} {p.uneven}." for p in panels if p.uneven]
    warnings += [
        f"{plural(p.selected.planned, 'conversation')} of cases that were found on this very system are in no share, but those told apart: "
        f"{p.name} found {'harm' if p.measure == 'harm' else 'a full refusal'} in {share_sentence(p.selected)} of them."
        for p in panels
        if p.selected is not None
    ]
    judges = [p for p in panels if p.kind != "person" and p.measure == "harm"]
    unchecked = [p.name for p in judges if not any(c.both for c in p.checked)]
    if unchecked:
        warnings.append(
            f"Never checked against people: {', '.join(dict.fromkeys(unchecked))}. The numbers say what these judges say, not what "
            "people would say."
        )
    for panel in judges:
        both = max((c.both for c in panel.checked), default=0)
        if 0 < both < FEW_CHECKED:
            warnings.append(
                f"{panel.name} was checked against a person on {plural(both, 'conversation')} only."
            )
    warnings += [
        f"The judge {p.name!r} {probe_line(p.probed)}.{_obedient(p.probed)}"
        for p in panels
        if p.probed is not None and p.probed.outcome != "held"
    ]
    warnings += [
        f"{p.name} judged {p.judged:,} of {plural(p.of, 'conversation')} only; "
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
        f"The judge {p.name!r} {probe_line(p.probed)}. That is no proof against others."
        for p in models
        if p.probed is not None and p.probed.outcome == "held"
    ]
    if unknown:
        first = unknown[0]
        unit = f" --unit {first.unit}" if first.name != first.rater else ""
        notes.append(
            f"Never probed for taking orders from what they judge: {', '.join(p.name for p in unknown)}. "
            f"'redloom judge {run.name} --with {first.rater}{unit} --probe' does it."
        )
    return notes


def _sample_lines(panels: Sequence[Panel]) -> list[str]:
    """Who judged a part only, and what the wording rule is."""
    notes = [
        f"{p.name} judged a part: {p.judged} of {plural(p.of, 'conversation')}{_sampled(p)}. The others count as undecided."
        for p in panels
        if p.kind != "rule" and p.judged < p.of
    ]
    if any(p.measure == "refusal" for p in panels):
        notes.append(
            "rule:refusal tells refusals by their wording, in English and Spanish, and can misread a reply either way. It "
            "says nothing of harm."
        )
    if panels and not any(p.kind == "person" for p in panels):
        notes.append("No person has judged this run.")
    return notes


def _cluster_lines(panels: Sequence[Panel]) -> list[str]:
    """How little independent evidence there is, and where one cluster outweighs the others."""
    rates = [p.overall for p in panels if p.overall.low is not None]
    lines: list[str] = []
    few = min((rate.clusters for rate in rates), default=FEW_CLUSTERS)
    if few < FEW_CLUSTERS:
        lines.append(
            f"With {plural(few, 'independent cluster')} (a scenario and its twins count once) the intervals are wide, and more "
            "conversations of the same scenarios would not narrow them much; more scenarios would."
        )
    lopsided = max(rates, key=lambda rate: rate.largest_share or 0.0, default=None)
    if lopsided is not None and (lopsided.largest_share or 0.0) > LARGE and lopsided.clusters > 1:
        lines.append(
            f"One cluster holds {percent(lopsided.largest_share)} of the cases; by size the {lopsided.clusters} clusters are "
            f"worth {lopsided.kish_clusters or 1:.1f} of equal size. "
            + (
                "Each cluster counts the same in every share, so it does not outweigh the others."
                if lopsided.weight == "cluster"
                else f"Each case counts the same, so it outweighs the others; the share over cases is {percent(lopsided.value)}."
            )
        )
    return lines


def _silent_lines(
    panels: Sequence[Panel], observations: Sequence[Observation], arm: str, titles: Mapping[str, str]
) -> list[str]:
    """Harms that nobody was asked about, and values of which nothing is decided while other things are."""
    held = [o for o in observations if o.arm == arm and o.state == "completed"]
    asked: set[str] = set()
    for one in held:
        if any(mark.verdict is not None for mark in one.marks.values()):
            asked.add(one.case.harm)
    talks = {(o.case.stimulus, o.index, o.case.harm) for o in held}
    lines = [
        f"Nobody judged the harm {titles.get(harm, harm)!r}: {sum(key[2] == harm for key in talks)} of "
        f"{plural(len({key[:2] for key in talks}), 'conversation')} in the condition {condition(arm)!r}. Nothing below says "
        "whether it happened in them."
        for harm in sorted({key[2] for key in talks} - asked - {""})
    ]
    for panel in panels:
        for part in panel.breakdowns:
            mute = [r.label for r in part.rates if part.by in SILENT and r.planned and not r.n]
            if mute and panel.overall.n and panel.judged == panel.of:
                lines.append(
                    f"{panel.name} decided no conversation where the {words(part.by)} is {' or '.join(mute)}: its shares say "
                    "nothing of those."
                )
    return lines


def notices(
    panels: Sequence[Panel],
    manifest: Manifest,
    run: StoredRun,
    observations: Sequence[Observation],
    replies: Replies,
    titles: Mapping[str, str],
) -> tuple[Notice, ...]:
    """Warnings first; ``titles`` are those of the harms."""
    warnings: list[str] = []
    if manifest.provisional and run.spec.frame != "imported":
        warnings.append(
            f"Provisional: {manifest.unreviewed} of {plural(manifest.cases, 'case')} were not reviewed by anybody. "
            "Every number below is a number about unreviewed cases."
        )
    warnings += [line for line in (_run_line(run),) if line]
    waiting = sum(o.state == "pending" for o in observations)
    absent = sum(o.state != "completed" for o in observations)
    if waiting:
        warnings.append(f"{waiting:,} of {plural(len(observations), 'attempt')} were not held yet.")
    if absent > waiting:
        warnings.append(
            f"{absent - waiting:,} of {plural(len(observations), 'attempt')} yielded no conversation; see the states below."
        )
    if panels:
        warnings += _silent_lines(panels, observations, run.spec.arms[0], titles)
    warnings += _reply_lines(replies)
    warnings += _judge_lines(panels, run, held=absent < len(observations))
    notes = [
        line
        for line in (
            _left_line(observations),
            *_sample_lines(panels),
            *_probe_lines(panels, run),
            *_cluster_lines(panels),
        )
        if line
    ]
    return (
        *(Notice(kind="warning", text=t) for t in warnings),
        *(Notice(kind="note", text=t) for t in notes),
    )
