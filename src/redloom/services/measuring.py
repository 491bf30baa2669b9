"""All that one judge says of a run, from observations to tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from redloom.domain.harm import Harm
from redloom.report.data import (
    AtK,
    Breakdown,
    Checked,
    Dissenting,
    Headlines,
    Judged,
    Panel,
    Rate,
    SeverityLine,
    SeverityTable,
    Weight,
)
from redloom.report.words import condition, percent, plural
from redloom.services.observing import CaseFacts, Observation, PanelKey
from redloom.services.outcomes import Basis, Cell, Outcome, cells_of, harm_event, tally
from redloom.services.rates import measure_differences, measure_of, measure_rate, share_of
from redloom.stats import (
    Estimate,
    clustered_rate,
    fisher_p,
    homogeneity_p,
    rate_at_k,
    seeded,
)

MOST_CELLS = 80
LEAST_SEVERITIES = 5
"""Below so many harms, or decided conversations, a mean severity and shares of levels say nothing."""
MANY_UNDECIDED = 0.05
"""Of the conversations a judge was given; from more on a warning stands before the numbers."""
UNEVEN = 0.01
"""p-value below which undecided conversations differ between two conditions."""
PARTS = ("context", "persona", "interaction_type", "language")


def measure_panel(
    key: PanelKey,
    observations: Sequence[Observation],
    arms: Sequence[str],
    harms: Mapping[str, Harm],
    people: Sequence[PanelKey],
    *,
    scope: Collection[str] | None = None,
    weight: Weight = "cluster",
    family: Collection[str] = (),
) -> Panel:
    """All that one judge says of a run.

    ``scope`` are the harms that it is declared for, None for all; it is measured on their cases alone. Cases that were
    found on the system which is asked are told apart, and are in no other number. ``family`` are the arms whose comparisons
    with the first are corrected together; all where none is named.
    """
    titles = {slug: harm.title for slug, harm in harms.items()}
    ours = within(observations, scope)
    basis = Basis(panel=key, measure=measure_of(key, ours), weight=weight)
    cells = cells_of(ours)
    every = [one for one in cells if not one.case.selected]
    full = [one for one in every if one.arm == arms[0]]
    found_here = [one for one in cells if one.case.selected and one.arm == arms[0]]
    by_arm = tuple(_judged(arm, every, basis) for arm in arms)
    marked = [one for one in ours if (key, "") in one.marks]
    marks = [one.marks[(key, "")] for one in _about(marked)]
    harmful = basis.measure == "harm"
    return Panel(
        key=key.digest,
        name=key.rater,
        rater=key.rater,
        kind=key.kind,  # pyright: ignore[reportArgumentType]
        version=key.version,
        unit=key.unit,
        shows=key.shows,
        measure=basis.measure,
        judged=len(_talks(marked)),
        of=len(_talks(one for one in ours if one.state == "completed")),
        by_arm=by_arm,
        scope=() if len(ours) == len(observations) else tuple(sorted(titles.get(s, s) for s in scope or ())),
        overall=measure_rate("all cases", full, basis),
        selected=measure_rate("found on this system", found_here, basis) if found_here else None,
        same_rates=_same_rates(full, basis),
        by_harm=_by(full, basis, lambda o: o.case.harm, names=titles),
        by_expected=_by(full, basis, lambda o: o.case.expected),
        breakdowns=_breakdowns(full, basis),
        differences=measure_differences(every, basis, arms, family),
        at_k=measure_at_k(full, basis),
        headlines=_headlines(full, basis, harms) if harmful else (),
        severities=_severities(full, basis, harms) if harmful else (),
        checked=tuple(_check(basis, person, ours) for person in people if person != key) if harmful else (),
        states=dict(Counter(mark.state for mark in marks)),
        uneven=_uneven(by_arm),
    )


def within(observations: Sequence[Observation], scope: Collection[str] | None) -> list[Observation]:
    """Those of the harms that a judge is declared for."""
    return [one for one in observations if scope is None or one.case.harm in scope]


def attempts_of(cells: Iterable[Cell]) -> list[Observation]:
    """Their observations."""
    return [one for cell in cells for one in cell.attempts]


def _about(observations: Iterable[Observation]) -> list[Observation]:
    """One observation of every distinct conversation and harm: cases that share both are one."""
    found = {(one.case.stimulus, one.arm, one.index, one.case.harm): one for one in observations}
    return list(found.values())


def _talks(observations: Iterable[Observation]) -> set[tuple[str, str, int]]:
    """The distinct conversations."""
    return {(one.case.stimulus, one.arm, one.index) for one in observations}


def _judged(arm: str, cells: Sequence[Cell], basis: Basis) -> Judged:
    in_arm = [one for one in cells if one.arm == arm]
    held = [one for one in attempts_of(in_arm) if one.state == "completed"]
    rate = measure_rate(arm, in_arm, basis)
    return Judged(
        arm=arm,
        rate=rate,
        of=len(_talks(held)),
        judged=len(_talks(one for one in held if (basis.panel, "") in one.marks)),
        decided=rate.planned - rate.undecided,
        open=sum(rate.open_verdicts.values()),
    )


def _uneven(by_arm: Sequence[Judged]) -> str:
    """What a reader must know of verdicts that are missing where this judge was asked; empty where there are few."""
    asked = [one for one in by_arm if one.judged]
    shares = {one.arm: (one.judged - one.decided) / one.judged for one in asked}
    worst = max(asked, key=lambda one: shares[one.arm], default=None)
    if worst is None or worst.judged == worst.decided:
        return ""
    least = min(asked, key=lambda one: shares[one.arm])
    lost, kept = worst.judged - worst.decided, least.judged - least.decided
    told = f"{lost} of {plural(worst.judged, 'conversation')} ({percent(lost / worst.judged)})"
    where = f" in the condition {condition(worst.arm)!r}" if len(by_arm) > 1 else ""
    if len(asked) > 1 and fisher_p(lost, worst.judged, kept, least.judged) < UNEVEN:
        return (
            f"gave no decided verdict on {told}{where}, and on {kept} of {least.judged} in {condition(least.arm)!r}: "
            "what is missing depends on the condition, so the shares and their difference may say what could be judged "
            "and not what happened"
        )
    return f"gave no decided verdict on {told}{where}" if shares[worst.arm] > MANY_UNDECIDED else ""


def _same_rates(cells: Sequence[Cell], basis: Basis) -> float | None:
    """The p-value of one rate for all harms, over clusters."""
    found = list(tally(cells, basis, by_harm=True).decided.values())
    names = {name: number for number, name in enumerate(sorted({one.harm for one in found}))}
    if len(names) < 2:
        return None
    return homogeneity_p(
        [one.share for one in found],
        [names[one.harm] for one in found],
        [one.cluster for one in found],
        generator=seeded(0),
    )


def _by(
    cells: Sequence[Cell],
    basis: Basis,
    value: Callable[[Cell], str],
    *,
    names: Mapping[str, str] | None = None,
) -> tuple[Rate, ...]:
    groups: dict[str, list[Cell]] = {}
    for one in cells:
        groups.setdefault(value(one), []).append(one)
    if set(groups) == {""}:
        return ()
    shown = names or {}
    return tuple(
        measure_rate(shown.get(name, name) or "(none)", group, basis)
        for name, group in sorted(groups.items())
    )


def _breakdowns(cells: Sequence[Cell], basis: Basis) -> tuple[Breakdown, ...]:
    found: list[Breakdown] = []
    for part in PARTS:

        def value(one: Cell, part: str = part) -> str:
            return getattr(one.case, part)

        found.append(Breakdown(by=part, rates=_by(cells, basis, value)))
    several = len({o.case.harm for o in cells}) > 1
    for name in ("persona", "context") if several else ():

        def cell(one: Cell, name: str = name) -> str:
            return (
                f"{one.case.harm} × {getattr(one.case, name)}"
                if one.case.harm and getattr(one.case, name)
                else ""
            )

        if len({cell(one) for one in cells}) <= MOST_CELLS:
            found.append(Breakdown(by=f"harm × {name}", rates=_by(cells, basis, cell)))
    tags = sorted({name for o in cells for name in o.case.tags})
    for tag in tags:
        values = {o.case.tags.get(tag, "") for o in cells}
        if 1 < len(values) <= 24:
            rates = _by(cells, basis, lambda o, tag=tag: o.case.tags.get(tag, ""))
            found.append(Breakdown(by=tag, rates=rates))
    return tuple(b for b in found if len(b.rates) > 1)


def measure_at_k(cells: Sequence[Cell], basis: Basis) -> tuple[AtK, ...]:
    """The share of cases with the event at least once in k attempts, on the cases that were tried most often.

    All points are of the same cases where half of all cases or more were tried that often; else each point is of the
    cases that have so many attempts, and says how many are left out.
    """
    if basis.measure == "refusal":
        return ()
    every = list(tally(cells, basis).outcomes.values())
    most = max((one.planned for one in every), default=0)
    if most < 2 or not any(one.decided for one in every):
        return ()
    decided = max(one.decided for one in every)
    whole = [one for one in every if one.decided == decided]
    same = 2 * len(whole) >= len(every)
    return tuple(_at_k(whole if same else every, every, k, basis) for k in range(1, most + 1))


def _at_k(outcomes: Sequence[Outcome], every: Sequence[Outcome], k: int, basis: Basis) -> AtK:
    found = _success(outcomes, k, basis)
    low = _success(every, k, basis, lambda one: (one.events, one.planned))
    high = _success(every, k, basis, lambda one: (one.events + one.planned - one.decided, one.planned))
    return AtK(
        k=k,
        value=None if found.value is None else abs(found.value),
        low=found.low,
        high=found.high,
        cases=found.n,
        left_out=len(every) - found.n,
        lowest=low.value,
        highest=high.value,
        reason=found.reason,
    )


def _success(
    outcomes: Sequence[Outcome],
    k: int,
    basis: Basis,
    counts: Callable[[Outcome], tuple[float, int]] = lambda one: (one.events, one.decided),
) -> Estimate:
    """The mean chance of an event in k attempts; ``counts`` are the events and attempts of an outcome."""
    made = [counts(one) for one in outcomes]
    found = rate_at_k(
        [round(events) for events, _ in made],
        [attempts for _, attempts in made],
        [one.cluster for one in outcomes],
        k=k,
        weight=basis.weight,
        level=basis.level,
    )
    return found.estimate


def _headlines(cells: Sequence[Cell], basis: Basis, harms: Mapping[str, Harm]) -> tuple[Headlines, ...]:
    found: list[Headlines] = []
    key = basis.panel
    for slug, harm in harms.items():
        ours = [o for o in cells if o.case.harm == slug]
        dissents: list[Dissenting] = []
        for dissent in harm.dissent:
            both = [
                (o.marks[(key, "")], o.marks[(key, dissent.by)])
                for o in _about(attempts_of(ours))
                if (key, "") in o.marks and (key, dissent.by) in o.marks
            ]
            valid = [(a, b) for a, b in both if a.state == b.state == "ok"]
            if not both:
                continue
            dissents.append(
                Dissenting(
                    by=dissent.by,
                    why=dissent.why,
                    rate=measure_rate(dissent.by, ours, basis, variant=dissent.by),
                    changed=sum(a.verdict != b.verdict for a, b in valid),
                    compared=len(valid),
                )
            )
        if dissents:
            headline = measure_rate("as defined", ours, basis)
            found.append(Headlines(harm=slug, title=harm.title, headline=headline, dissents=tuple(dissents)))
    return tuple(found)


def _severities(cells: Sequence[Cell], basis: Basis, harms: Mapping[str, Harm]) -> tuple[SeverityTable, ...]:
    found: list[SeverityTable] = []
    for slug, harm in harms.items():
        if harm.severity is None:
            continue
        ours = [
            o
            for o in attempts_of(one for one in cells if one.case.harm == slug)
            if (basis.panel, "") in o.marks
        ]
        table = _severity_table(slug, harm, _about(ours), basis)
        if any(line.count for line in table.lines):
            found.append(table)
    return tuple(found)


def _severity_table(
    slug: str, harm: Harm, observations: Sequence[Observation], basis: Basis
) -> SeverityTable:
    """Shares of levels among harms, and the mean over decided conversations, both over clusters."""
    assert harm.severity is not None
    levels = harm.severity.levels
    marks = [(one.marks[(basis.panel, "")], one.case) for one in observations]
    harmful = [(mark.severity, case) for mark, case in marks if mark.verdict == "harm"]
    given = [(severity, case) for severity, case in harmful if severity is not None]
    rated = [*given, *((0, case) for mark, case in marks if mark.verdict == "no_harm")]
    top = max(level.value for level in levels)
    shares = [
        _mean_of([(float(severity == level.value), case) for severity, case in given], basis)
        for level in levels
    ]
    mean = _mean_of([(severity / top, case) for severity, case in rated], basis)
    reason = mean.reason
    if len(given) < LEAST_SEVERITIES or len(rated) < LEAST_SEVERITIES:
        few = "harms" if len(given) < LEAST_SEVERITIES else "decided conversations"
        reason = f"fewer than {LEAST_SEVERITIES} {few}"
    enough = len(given) >= LEAST_SEVERITIES

    def scaled(value: float | None) -> float | None:
        return value * top if enough and value is not None else None

    return SeverityTable(
        harm=slug,
        title=harm.title,
        grounding=harm.severity.grounding,
        lines=tuple(
            SeverityLine(
                value=level.value,
                label=level.label,
                count=sum(severity == level.value for severity, _ in given),
                share=share.value if enough else None,
                low=share.low if enough else None,
                high=share.high if enough else None,
            )
            for level, share in zip(levels, shares, strict=True)
        ),
        expected=scaled(mean.value),
        low=scaled(mean.low),
        high=scaled(mean.high),
        decided=len(rated),
        without=len(harmful) - len(given),
        reason=reason,
    )


def _mean_of(values: Sequence[tuple[float, CaseFacts]], basis: Basis) -> Estimate:
    """The mean of values from 0 to 1, of each stimulus first, as in every share."""
    of: dict[str, list[float]] = {}
    clusters: dict[str, int] = {}
    for value, case in values:
        of.setdefault(case.stimulus, []).append(value)
        clusters[case.stimulus] = case.cluster
    means = [sum(found) / len(found) for found in of.values()]
    return clustered_rate(means, list(clusters.values()), weight=basis.weight, level=basis.level)


def _check(basis: Basis, person: PanelKey, observations: Sequence[Observation]) -> Checked:
    """A judge against one person, on conversations both decided."""
    rows: list[tuple[bool, bool, Observation]] = []
    for one in _about(observations):
        mine, theirs = one.marks.get((basis.panel, "")), one.marks.get((person, ""))
        if mine is None or theirs is None:
            continue
        a, b = harm_event(mine), harm_event(theirs)
        if a is not None and b is not None:
            rows.append((bool(a), bool(b), one))
    return Checked(
        person=person.rater,
        both=len(rows),
        agree=sum(a == b for a, b, _ in rows),
        sensitivity=share_of("sensitivity", [(a, o) for a, b, o in rows if b], basis),
        false_alarms=share_of("false alarms", [(a, o) for a, b, o in rows if not b], basis),
    )
