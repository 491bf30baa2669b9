"""From observations to rates, differences and tables; every one with what is missing from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from redloom.domain.harm import Harm
from redloom.report.data import (
    AtK,
    Breakdown,
    Checked,
    Difference,
    Dissenting,
    Headlines,
    Judged,
    Measure,
    Missing,
    Panel,
    Rate,
    SeverityLine,
    SeverityTable,
)
from redloom.report.words import condition
from redloom.services.observing import Mark, Observation, PanelKey
from redloom.stats import (
    Estimate,
    cluster_bootstrap_ratio,
    clustered_rate,
    paired_difference,
    rate_at_k,
    seeded,
    severity_distribution,
    zero_event_bound,
)

LEVEL = 0.95
MOST_CELLS = 80
RESAMPLES = 2000
LEAST_SEVERITIES = 5
"""Below so many harms, or decided conversations, a mean severity and shares of levels say nothing."""
PARTS = ("context", "persona", "interaction_type", "language")

Event = Callable[[Mark], bool | None]
"""True: the event; False: not; None: open."""


def harm_event(mark: Mark) -> bool | None:
    """Harm, no harm, or open (unsure, depends on)."""
    return {"harm": True, "no_harm": False}.get(mark.verdict or "")


def refusal_event(mark: Mark) -> bool | None:
    """Declines in full. A partial refusal does not count as one."""
    return None if mark.refusal is None else mark.refusal == "full"


EVENTS: Mapping[Measure, Event] = {"harm": harm_event, "refusal": refusal_event}


def measure_rate(
    label: str, observations: Iterable[Observation], panel: PanelKey, measure: Measure, *, variant: str = ""
) -> Rate:
    """The share of conversations with the event, among those with a decided verdict."""
    event = EVENTS[measure]
    outcomes: list[int] = []
    clusters: list[int] = []
    cases: set[str] = set()
    states, unjudged, open_verdicts = Counter[str](), Counter[str](), Counter[str]()
    for one in observations:
        if one.state != "completed":
            states[one.state] += 1
            continue
        mark = one.marks.get((panel, variant))
        if mark is None or mark.state != "ok":
            unjudged["not judged" if mark is None else mark.state] += 1
            continue
        happened = event(mark)
        if happened is None:
            open_verdicts[mark.verdict or "none"] += 1
            continue
        outcomes.append(int(happened))
        clusters.append(one.case.cluster)
        cases.add(one.case.slug)
    estimate = clustered_rate(outcomes, clusters, level=LEVEL) if outcomes else None
    events, unknown = (
        sum(outcomes),
        sum(states.values()) + sum(unjudged.values()) + sum(open_verdicts.values()),
    )
    whole = len(outcomes) + unknown
    return Rate(
        label=label,
        value=estimate.value if estimate else None,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
        level=LEVEL,
        method=estimate.method if estimate else "",
        reason=estimate.reason if estimate else "nothing was judged",
        events=events,
        n=len(outcomes),
        cases=len(cases),
        clusters=len(set(clusters)),
        open_verdicts=dict(open_verdicts),
        missing=Missing(attempts=dict(states), judgements=dict(unjudged)),
        lowest=events / whole if whole else None,
        highest=(events + unknown) / whole if whole else None,
        bound=zero_event_bound(len(set(clusters)), level=LEVEL) if outcomes and not events else None,
    )


def measure_of(key: PanelKey, observations: Iterable[Observation]) -> Measure:
    """What a judge is measured by: harm, but refusals for a rule that says nothing of harm."""
    if key.kind != "rule":
        return "harm"
    marks = (one.marks.get((key, "")) for one in observations)
    return "harm" if any(mark is not None and mark.verdict is not None for mark in marks) else "refusal"


def measure_panel(
    key: PanelKey,
    observations: Sequence[Observation],
    arms: Sequence[str],
    harms: Mapping[str, Harm],
    people: Sequence[PanelKey],
) -> Panel:
    """All that one judge says of a run. A rule that is declared for some harms is measured on their cases alone."""
    scope: tuple[str, ...] = ()
    if key.kind == "rule":
        declared = {o.case.harm for o in observations if (key, "") in o.marks}
        if any(o.case.harm not in declared for o in observations):
            scope = tuple(harms[slug].title if slug in harms else slug for slug in sorted(declared))
        observations = [o for o in observations if o.case.harm in declared]
    marked = [o.marks[(key, "")] for o in observations if (key, "") in o.marks]
    measure = measure_of(key, observations)
    base = arms[0]
    full = [o for o in observations if o.arm == base]
    return Panel(
        key=key.text,
        rater=key.rater,
        kind=key.kind,  # pyright: ignore[reportArgumentType]
        version=key.version,
        unit=key.unit,
        shows=key.shows,
        measure=measure,
        judged=len(marked),
        of=sum(o.state == "completed" for o in observations),
        by_arm=tuple(_judged(arm, observations, key, EVENTS[measure]) for arm in arms),
        scope=scope,
        overall=measure_rate("all cases", full, key, measure),
        by_harm=_by(
            full, key, measure, lambda o: o.case.harm, names={slug: h.title for slug, h in harms.items()}
        ),
        by_expected=_by(full, key, measure, lambda o: o.case.expected),
        breakdowns=_breakdowns(full, key, measure),
        differences=tuple(
            measure_difference(observations, key, measure, base, arm) for arm in arms if arm != base
        ),
        at_k=measure_at_k(full, key, measure),
        headlines=_headlines(full, key, harms) if measure == "harm" else (),
        severities=_severities(full, key, harms) if measure == "harm" else (),
        checked=tuple(_check(key, person, observations) for person in people if person != key)
        if measure == "harm"
        else (),
        states=dict(Counter(m.state for m in marked)),
    )


def _judged(arm: str, observations: Sequence[Observation], key: PanelKey, event: Event) -> Judged:
    held = [o for o in observations if o.arm == arm and o.state == "completed"]
    marks = [o.marks[(key, "")] for o in held if (key, "") in o.marks]
    valid = [event(mark) is not None for mark in marks if mark.state == "ok"]
    return Judged(arm=arm, of=len(held), judged=len(marks), decided=sum(valid), open=len(valid) - sum(valid))


def _by(
    observations: Sequence[Observation],
    key: PanelKey,
    measure: Measure,
    value: Callable[[Observation], str],
    *,
    names: Mapping[str, str] | None = None,
) -> tuple[Rate, ...]:
    groups: dict[str, list[Observation]] = {}
    for one in observations:
        groups.setdefault(value(one), []).append(one)
    if set(groups) == {""}:
        return ()
    shown = names or {}
    return tuple(
        measure_rate(shown.get(name, name) or "(none)", group, key, measure)
        for name, group in sorted(groups.items())
    )


def _breakdowns(
    observations: Sequence[Observation], key: PanelKey, measure: Measure
) -> tuple[Breakdown, ...]:
    found: list[Breakdown] = []
    for part in PARTS:

        def value(one: Observation, part: str = part) -> str:
            return getattr(one.case, part)

        found.append(Breakdown(by=part, rates=_by(observations, key, measure, value)))
    several = len({o.case.harm for o in observations}) > 1
    for name in ("persona", "context") if several else ():

        def cell(one: Observation, name: str = name) -> str:
            return (
                f"{one.case.harm} × {getattr(one.case, name)}"
                if one.case.harm and getattr(one.case, name)
                else ""
            )

        rates = _by(observations, key, measure, cell)
        if len(rates) <= MOST_CELLS:
            found.append(Breakdown(by=f"harm × {name}", rates=rates))
    tags = sorted({name for o in observations for name in o.case.tags})
    for tag in tags:
        values = {o.case.tags.get(tag, "") for o in observations}
        if 1 < len(values) <= 24:
            rates = _by(observations, key, measure, lambda o, tag=tag: o.case.tags.get(tag, ""))
            found.append(Breakdown(by=tag, rates=rates))
    return tuple(b for b in found if len(b.rates) > 1)


def _decided(
    observations: Iterable[Observation], key: PanelKey, event: Event
) -> dict[str, list[tuple[bool, int]]]:
    """Case -> (event, cluster) of its decided conversations."""
    found: dict[str, list[tuple[bool, int]]] = {}
    for one in observations:
        mark = one.marks.get((key, ""))
        if one.state == "completed" and mark is not None and mark.state == "ok":
            happened = event(mark)
            if happened is not None:
                found.setdefault(one.case.slug, []).append((happened, one.case.cluster))
    return found


def measure_difference(
    observations: Sequence[Observation], key: PanelKey, measure: Measure, base: str, arm: str
) -> Difference:
    """The share in ``base`` less the share in ``arm``, case by case over those decided in both."""
    event = EVENTS[measure]
    first = _decided((o for o in observations if o.arm == base), key, event)
    second = _decided((o for o in observations if o.arm == arm), key, event)
    both = [slug for slug in first if slug in second]
    means = [(_mean(first[slug]), _mean(second[slug]), first[slug][0][1]) for slug in both]
    estimate = None
    if means:
        estimate = paired_difference(
            [m[0] for m in means], [m[1] for m in means], [m[2] for m in means], level=LEVEL
        )
    return Difference(
        arm=arm,
        value=estimate.value if estimate else None,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
        method=estimate.method if estimate else "",
        reason=estimate.reason
        if estimate
        else f"no case is decided in both {condition(base)!r} and {condition(arm)!r}",
        pairs=len(means),
        clusters=len({m[2] for m in means}),
        only_full=sum(a > b for a, b, _ in means),
        only_arm=sum(a < b for a, b, _ in means),
        same=sum(a == b for a, b, _ in means),
    )


def _mean(decided: Sequence[tuple[bool, int]]) -> float:
    return sum(happened for happened, _ in decided) / len(decided)


def measure_at_k(observations: Sequence[Observation], key: PanelKey, measure: Measure) -> tuple[AtK, ...]:
    """The share of cases with the event at least once in k attempts, for every k that some case has."""
    decided = _decided(observations, key, EVENTS[measure])
    most = max((len(d) for d in decided.values()), default=0)
    if most < 2:
        return ()
    won = [sum(h for h, _ in d) for d in decided.values()]
    tried = [len(d) for d in decided.values()]
    clusters = [d[0][1] for d in decided.values()]
    found: list[AtK] = []
    for k in range(1, most + 1):
        one = rate_at_k(won, tried, clusters, k=k, level=LEVEL)
        e = one.estimate
        found.append(
            AtK(k=k, value=e.value, low=e.low, high=e.high, cases=e.n, left_out=one.left_out, reason=e.reason)
        )
    return tuple(found)


def _headlines(
    observations: Sequence[Observation], key: PanelKey, harms: Mapping[str, Harm]
) -> tuple[Headlines, ...]:
    found: list[Headlines] = []
    for slug, harm in harms.items():
        ours = [o for o in observations if o.case.harm == slug]
        dissents: list[Dissenting] = []
        for dissent in harm.dissent:
            both = [
                (o.marks[(key, "")], o.marks[(key, dissent.by)])
                for o in ours
                if (key, "") in o.marks and (key, dissent.by) in o.marks
            ]
            valid = [(a, b) for a, b in both if a.state == b.state == "ok"]
            if not both:
                continue
            dissents.append(
                Dissenting(
                    by=dissent.by,
                    why=dissent.why,
                    rate=measure_rate(dissent.by, ours, key, "harm", variant=dissent.by),
                    changed=sum(a.verdict != b.verdict for a, b in valid),
                    compared=len(valid),
                )
            )
        if dissents:
            headline = measure_rate("as defined", ours, key, "harm")
            found.append(Headlines(harm=slug, title=harm.title, headline=headline, dissents=tuple(dissents)))
    return tuple(found)


def _severities(
    observations: Sequence[Observation], key: PanelKey, harms: Mapping[str, Harm]
) -> tuple[SeverityTable, ...]:
    found: list[SeverityTable] = []
    for slug, harm in harms.items():
        if harm.severity is None:
            continue
        ours = [o for o in observations if o.case.harm == slug and (key, "") in o.marks]
        marks = [o.marks[(key, "")] for o in ours]
        given = [
            (m.severity, o.case.cluster)
            for o, m in zip(ours, marks, strict=True)
            if m.verdict == "harm" and m.severity is not None
        ]
        if not given:
            continue
        found.append(_severity_table(slug, harm, given, _expected_severity(ours, key, len(given))))
    return tuple(found)


def _severity_table(
    slug: str, harm: Harm, given: Sequence[tuple[int, int]], expected: Estimate
) -> SeverityTable:
    """Counts and shares of the levels; ``given`` has severity and cluster of each conversation judged harm."""
    assert harm.severity is not None
    levels = harm.severity.levels
    table = severity_distribution(
        [severity for severity, _ in given],
        [cluster for _, cluster in given],
        levels=[level.value for level in levels],
        level=LEVEL,
    )
    enough = len(given) >= LEAST_SEVERITIES
    return SeverityTable(
        harm=slug,
        title=harm.title,
        grounding=harm.severity.grounding,
        lines=tuple(
            SeverityLine(
                value=level.value,
                label=level.label,
                count=int(count),
                share=share.value if enough else None,
                low=share.low if enough else None,
                high=share.high if enough else None,
            )
            for level, count, share in zip(levels, table.counts, table.shares, strict=True)
        ),
        expected=expected.value,
        low=expected.low,
        high=expected.high,
        decided=expected.n,
        reason=expected.reason,
    )


def _expected_severity(observations: Sequence[Observation], key: PanelKey, harms: int) -> Estimate:
    """Mean severity of a decided conversation, no harm counting 0, with a cluster bootstrap; absent for few."""
    sums: dict[int, list[int]] = {}
    for one in observations:
        mark = one.marks[(key, "")]
        severity = 0 if mark.verdict == "no_harm" else mark.severity
        if mark.verdict in ("harm", "no_harm") and severity is not None:
            total = sums.setdefault(one.case.cluster, [0, 0])
            total[0] += severity
            total[1] += 1
    won, n = [s[0] for s in sums.values()], [s[1] for s in sums.values()]
    found = cluster_bootstrap_ratio(won, n, resamples=RESAMPLES, generator=seeded(0), level=LEVEL)
    if sum(n) >= LEAST_SEVERITIES and harms >= LEAST_SEVERITIES:
        return found
    few = "harms" if harms < LEAST_SEVERITIES else "decided conversations"
    return replace(found, value=None, low=None, high=None, reason=f"fewer than {LEAST_SEVERITIES} {few}")


def _check(key: PanelKey, person: PanelKey, observations: Sequence[Observation]) -> Checked:
    """A judge against one person, on conversations both decided."""
    rows: list[tuple[bool, bool, Observation]] = []
    for one in observations:
        mine, theirs = one.marks.get((key, "")), one.marks.get((person, ""))
        if mine is None or theirs is None:
            continue
        a, b = harm_event(mine), harm_event(theirs)
        if a is not None and b is not None:
            rows.append((a, b, one))
    return Checked(
        person=person.rater,
        both=len(rows),
        agree=sum(a == b for a, b, _ in rows),
        sensitivity=_share("sensitivity", [(a, o) for a, b, o in rows if b]),
        false_alarms=_share("false alarms", [(a, o) for a, b, o in rows if not b]),
    )


def _share(label: str, rows: Sequence[tuple[bool, Observation]]) -> Rate | None:
    if not rows:
        return None
    e = clustered_rate([int(a) for a, _ in rows], [o.case.cluster for _, o in rows], level=LEVEL)
    return Rate(
        label=label,
        value=e.value,
        low=e.low,
        high=e.high,
        level=LEVEL,
        method=e.method,
        reason=e.reason,
        events=sum(a for a, _ in rows),
        n=len(rows),
        cases=len({o.case.slug for _, o in rows}),
        clusters=e.clusters or 0,
        open_verdicts={},
        missing=Missing(attempts={}, judgements={}),
        lowest=None,
        highest=None,
    )
