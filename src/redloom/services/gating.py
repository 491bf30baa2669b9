"""Whether a run may pass: bounds, what must never happen, what is missing, and the step from a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from redloom.datasets.gate_files import (
    Baseline,
    BaselineRow,
    checked_rules,
    read_baseline,
    read_rules,
    write_baseline,
)
from redloom.domain.declared import HeldTo, held_to
from redloom.domain.gate import ALL, CheckKind, GateRules
from redloom.errors import DiffersError, InputError, Issue, unknown
from redloom.ids import IdSource, digest
from redloom.report.compared import Change, points
from redloom.report.gated import junit, summary_lines
from redloom.services.comparing import Side
from redloom.services.finding import find_run, get_release
from redloom.services.loading import load_judges, load_targets
from redloom.services.measuring import EVENTS, measure_of
from redloom.services.observing import Observation, PanelKey
from redloom.services.outcomes import Key, Outcome, change, harms_of, of_harm, outcomes_of, rate_of
from redloom.services.protocols import protocol_in, protocol_of
from redloom.services.rules import inline_rules
from redloom.services.targets import resolve_target
from redloom.services.workspace import Workspace
from redloom.stats import clean_cases_needed, zero_event_bound
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCheck:
    """One condition and whether it holds."""

    kind: CheckKind
    name: str
    passed: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """What a gate says of a run."""

    run: str
    study: str
    version: str
    target: str
    judge: str
    checks: tuple[GateCheck, ...]
    changed: tuple[str, ...] = ()
    """Cases that got worse against the baseline."""
    protocol: str = ""
    """One sentence: which protocol was frozen before the run, and whether the conditions are its own."""

    @property
    def passed(self) -> bool:
        """Whether every condition holds."""
        return all(check.passed for check in self.checks)

    @property
    def title(self) -> str:
        """What was held to the conditions."""
        return f"Run {self.run} of {self.study}@{self.version} on {self.target}, judged by {self.judge}."


def as_junit(found: Gated) -> str:
    """JUnit XML, one test case a condition."""
    return junit(f"{found.study}@{found.version} {found.run}", found.checks)


def as_summary(found: Gated) -> str:
    """Markdown for a pull request."""
    title = f"{found.title} {found.protocol[:1].upper()}{found.protocol[1:]}."
    return "\n".join(summary_lines(title, found.checks, found.changed)) + "\n"


def gate(workspace: Workspace, name: str, rules: GateRules, baseline: Baseline | None = None) -> Gated:
    """Hold a run against its conditions.

    Raises InputError where a condition could not be met whatever the run had shown, with the n it needs; DiffersError
    where the baseline was measured otherwise.
    """
    with workspace.begin() as unit:
        held, side = _held_to(unit, find_run(unit, name), rules)
        rules = held.rules
        measured = _Measured(side, rules)
        _check_names(rules, measured.known())
        _check_feasible(rules, measured.clusters())
        checks = [
            *(measured.bound(harm, share) for harm, share in rules.bounds.items()),
            *measured.must_never(),
            measured.missing(),
        ]
        worse: list[str] = []
        if baseline is not None:
            before = measured.before(baseline)
            checks += measured.steps(before)
            worse = [
                o.case for k, o in measured.outcomes.items() if k in before and o.share > before[k].share
            ]
        told = side.told()
        return Gated(
            run=told.run,
            study=told.study,
            version=told.version,
            target=told.target,
            judge=measured.panel.rater,
            checks=tuple(replace(c, message=held.stamped(c.kind, c.name, c.message)) for c in checks),
            changed=tuple(worse),
            protocol=held.told,
        )


def _held_to(unit: UnitOfWork, run: StoredRun, rules: GateRules) -> tuple[HeldTo, Side]:
    """The rules with what the protocol of the run says, and the side of the run that they are about."""
    held = held_to(protocol_of(unit, run), rules, arms=run.spec.arms)
    return held, Side(unit, run, held.rules.arm)


@dataclass(frozen=True, slots=True)
class Beforehand:
    """What can be said of a gate before anything was run."""

    bounds: int
    """How many bounds can be shown on the release."""
    note: str = ""
    """What cannot be told yet."""


def check_beforehand(workspace: Workspace, study: str, version: str, rules: GateRules) -> Beforehand:
    """Whether the bounds can hold on a release at all, and the judge is one. Raises InputError with the n needed."""
    with workspace.begin() as unit:
        release = get_release(unit, study, version)
        rules = held_to(protocol_in(unit, study, release), rules).rules
        note = _check_judge(unit, study, rules.judge, workspace.ids)
        releases = unit.releases(study)
        definitions = releases.definitions(release.id)
        clusters: dict[str, set[str]] = {ALL: set()}
        cases: set[str] = set()
        for released, case in releases.cases(release.id):
            harm = case.harm
            if case.scenario is not None:
                harm = getattr(definitions[("scenario", case.scenario)], "harm", None)
            cases.add(released.slug)
            clusters[ALL].add(released.cluster)
            clusters.setdefault(harm or "", set()).add(released.cluster)
    _check_names(rules, (set(clusters) - {""}, cases))
    _check_feasible(rules, {harm: len(names) for harm, names in clusters.items()})
    return Beforehand(len(rules.bounds), note)


def _check_judge(unit: UnitOfWork, study: str, judge: str | None, ids: IdSource) -> str:
    """Raise InputError for a rule or kind of target there is not; what else has no name in the study is a person."""
    if judge is None or judge in load_judges(unit, study) or judge in load_targets(unit, study):
        return ""
    if judge.startswith("rule:"):
        inline_rules(unit, study, [judge], ids)
    elif ":" in judge:
        resolve_target(unit, study, judge)
    else:
        return f"{judge!r} is no judge or target of {study}, so it has to be somebody who rates"
    return ""


def make_baseline(workspace: Workspace, name: str, rules: GateRules) -> Baseline:
    """What a later run is measured against."""
    with workspace.begin() as unit:
        held, side = _held_to(unit, find_run(unit, name), rules)
        measured = _Measured(side, held.rules)
        told = side.told()
        rows = sorted(measured.outcomes.items(), key=lambda pair: (pair[1].case, pair[1].harm))
        return Baseline(
            study=told.study,
            run=told.run,
            version=told.version,
            target=told.target,
            arm=side.arm,
            judge=measured.panel.rater,
            judge_digest=measured.judge_digest(),
            measure=measured.measure,
            rubrics=measured.rubrics(),
            outcomes=tuple(
                BaselineRow(
                    case=one.case,
                    harm=one.harm,
                    cluster=one.cluster,
                    stimulus=key[0],
                    events=one.events,
                    decided=one.decided,
                )
                for key, one in rows
            ),
        )


def save_baseline(workspace: Workspace, name: str, rules: GateRules, path: Path) -> Baseline:
    """:func:`make_baseline`, written to a file; raises InputError where it cannot be."""
    made = make_baseline(workspace, name, rules)
    try:
        write_baseline(made, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return made


def _check_names(rules: GateRules, known: tuple[set[str], set[str]]) -> None:
    harms, cases = known
    issues = [
        Issue(f"bounds: {unknown('harm', harm, [*sorted(harms), ALL])}")
        for harm in rules.bounds
        if harm != ALL and harm not in harms
    ]
    issues += [
        Issue(f"must_never: {unknown('case or harm', name, [*sorted(cases), *sorted(harms)])}")
        for name in rules.must_never
        if name not in harms | cases
    ]
    if issues:
        raise InputError(issues)


def _check_feasible(rules: GateRules, clusters: Mapping[str, int]) -> None:
    """Refuse bounds that not even a run without any event could show."""
    issues: list[Issue] = []
    for harm, share in rules.bounds.items():
        needed, there = clean_cases_needed(share, level=rules.level), clusters.get(harm, 0)
        if there < needed:
            issues.append(
                Issue(
                    f"a bound of {share:g} on {harm} cannot be shown: at {rules.level:.0%} it needs {needed} independent "
                    f"clean cases (clusters), and there are {there}; {there} allow {zero_event_bound(there, level=rules.level):.3f} "
                    "at best"
                )
            )
    if issues:
        raise InputError(issues)


class _Measured:
    """One judge's view of one run."""

    def __init__(self, side: Side, rules: GateRules) -> None:
        self.side, self.rules = side, rules
        self.panel = _panel(side, rules)
        self.measure = measure_of(self.panel, side.observations)
        self.event = EVENTS[self.measure]
        self.observations = _in_scope(side.observations, self.panel)
        self.outcomes = outcomes_of(self.observations, self.panel, self.event, arm=side.arm)

    def known(self) -> tuple[set[str], set[str]]:
        """Harms and cases of the run."""
        facts = [one.case for one in self.side.observations]
        return {fact.harm for fact in facts} - {""}, {fact.slug for fact in facts}

    def clusters(self) -> dict[str, int]:
        """Harm (or ``all``) -> independent clusters that the run asks."""
        found: dict[str, set[str]] = {ALL: set()}
        for one in self.observations:
            found[ALL].add(one.case.cluster_name)
            found.setdefault(one.case.harm, set()).add(one.case.cluster_name)
        return {harm: len(names) for harm, names in found.items()}

    def of(self, harm: str) -> dict[Key, Outcome]:
        """The outcomes of a harm, or all."""
        return dict(self.outcomes) if harm == ALL else of_harm(self.outcomes, harm)

    def bound(self, harm: str, share: float) -> GateCheck:
        """Whether the one-sided upper bound stays below."""
        level = self.rules.level
        ours = list(self.of(harm).values())
        events, clusters = sum(o.events for o in ours), len({o.cluster for o in ours})
        found = rate_of(ours, level=2 * level - 1)
        high = zero_event_bound(clusters, level=level) if not events else found.high
        if not ours or high is None:
            reason = found.reason or "nothing was decided"
            return GateCheck(
                kind="bound", name=harm, passed=False, message=f"{harm}: no upper bound: {reason}"
            )
        told = (
            f"{harm}: {events} of {sum(o.decided for o in ours)} conversations in {clusters} clusters; "
            f"upper bound {high:.3f} at {level:.0%}, {share:g} allowed"
        )
        return GateCheck(kind="bound", name=harm, passed=high <= share, message=told)

    def must_never(self) -> Iterator[GateCheck]:
        """Whether cases and harms on the list are without a single event."""
        for name in self.rules.must_never:
            ours = [o for o in self.outcomes.values() if name in (o.case, o.harm)]
            hit = [o for o in ours if o.events]
            cases = ", ".join(f"{o.case} ({o.events} of {o.decided})" for o in hit[:5])
            if hit:
                more = f" and {len(hit) - 5} more" if len(hit) > 5 else ""
                told = f"{name}: happened in {cases}{more}"
            elif not ours:
                told = f"{name}: nothing was decided, so nothing is shown"
            else:
                told = f"{name}: never in {sum(o.decided for o in ours)} conversations"
            yield GateCheck(kind="must_never", name=name, passed=bool(ours) and not hit, message=told)

    def missing(self) -> GateCheck:
        """Whether enough is decided."""
        why: Counter[str] = Counter()
        for one in self.observations:
            mark = one.marks.get((self.panel, ""))
            if one.state != "completed":
                why[one.state] += 1
            elif mark is None or mark.state != "ok":
                why["not judged" if mark is None else f"judge {mark.state}"] += 1
            elif self.event(mark) is None:
                why[(mark.verdict or "none").replace("_", " ")] += 1
        planned, lost = len(self.observations), sum(why.values())
        share = lost / planned if planned else 1.0
        reasons = ", ".join(f"{n} {reason}" for reason, n in why.most_common())
        told = f"{lost} of {planned} attempts without a decided verdict ({share:.1%}); {self.rules.max_missing:.1%} allowed"
        return GateCheck(
            kind="missing",
            name="missing",
            passed=share <= self.rules.max_missing,
            message=told + (f": {reasons}" if reasons else ""),
        )

    def before(self, baseline: Baseline) -> dict[Key, Outcome]:
        """The baseline's outcomes; raises DiffersError where they were measured otherwise."""
        differing = [
            f"{what} differs ({old} / {new})"
            for what, old, new in (
                ("the study", baseline.study, self.side.study),
                ("the arm", baseline.arm, self.side.arm),
                ("the judge", baseline.judge, self.panel.rater),
                ("what is counted", baseline.measure, self.measure),
            )
            if old != new
        ]
        if not differing and baseline.judge_digest != self.judge_digest():
            differing.append(f"the version, unit or display of {self.panel.rater} differs")
        mine = self.rubrics()
        differing += [
            f"the rubric of {harm} differs"
            for harm in sorted(baseline.rubrics.keys() & mine.keys())
            if baseline.rubrics[harm] != mine[harm]
        ]
        if differing:
            raise DiffersError(
                "not comparable with the baseline, because "
                + "; ".join(differing)
                + "; write a new baseline on purpose with --write-baseline"
            )
        return {
            (row.stimulus, row.harm): Outcome(row.case, row.harm, row.cluster, row.events, row.decided)
            for row in baseline.outcomes
        }

    def steps(self, before: Mapping[Key, Outcome]) -> Iterator[GateCheck]:
        """For all and for each harm, whether it got worse than the baseline, all at once at the level."""
        harms = harms_of(before, self.outcomes)
        groups: list[tuple[str, Mapping[Key, Outcome], Mapping[Key, Outcome]]] = [
            (ALL, before, self.outcomes)
        ]
        if len(harms) > 1:
            groups += [(harm, of_harm(before, harm), of_harm(self.outcomes, harm)) for harm in harms]
        level = 1 - 2 * (1 - self.rules.level) / len(groups)
        for name, old, new in groups:
            yield self._step(name, change(old, new, level=level))

    def _step(self, name: str, found: Change) -> GateCheck:
        if found.value is None:
            return GateCheck(
                kind="baseline",
                name=name,
                passed=False,
                message=f"{name}: no change can be told: {found.reason}",
            )
        low = found.value if found.low is None else found.low
        told = (
            f"{name}: {points(found)} against the baseline in {found.pairs} pairs and {found.clusters} clusters; "
            f"{found.worse} worse, {found.better} better"
        )
        if low <= self.rules.tolerance:
            unseen = found.value - low + self.rules.tolerance
            told += (
                f"; a rise of less than {100 * unseen:.1f} points would pass unseen"
                if unseen < 1
                else "; with so few pairs no rise at all could fail"
            )
        return GateCheck(kind="baseline", name=name, passed=low <= self.rules.tolerance, message=told)

    def judge_digest(self) -> str:
        """What has to be the same for judgements to be held against each other."""
        p = self.panel
        return digest([p.kind, p.rater, p.version, p.target_digest, p.rule_digest, p.unit, list(p.shows)])

    def rubrics(self) -> dict[str, tuple[str, ...]]:
        """Harm -> digests of the rubrics used."""
        return {harm: tuple(sorted(found)) for harm, found in self.side.rubrics(self.panel).items()}


def _panel(side: Side, rules: GateRules) -> PanelKey:
    panels = sorted(side.panels(), key=lambda panel: (panel.rater, panel.unit))
    judge = rules.judge
    theirs = [panel for panel in panels if judge is None or panel.rater == judge]
    found = [panel for panel in theirs if rules.unit is None or panel.unit == rules.unit]
    raters = sorted({panel.rater for panel in panels})
    if len(found) == 1:
        return found[0]
    if not panels:
        raise InputError(f"nobody judged run {side.run.name}; see 'redloom judge'")
    if judge is not None and not theirs:
        raise InputError(f"run {side.run.name}: {unknown('judge', judge, raters)}")
    if len({panel.rater for panel in theirs}) > 1:
        raise InputError(f"say whose verdicts count with --judge: {', '.join(raters)}")
    units = sorted({panel.unit for panel in theirs})
    if not found:
        raise InputError(
            f"{raters[0] if judge is None else judge} judged run {side.run.name} in other units: {', '.join(units)}"
        )
    if len(units) > 1 and rules.unit is None:
        raise InputError(
            f"{theirs[0].rater} judged run {side.run.name} in several units; say which with --unit: {', '.join(units)}"
        )
    raise InputError(
        f"{theirs[0].rater} judged run {side.run.name} in several versions or displays; a gate needs one"
    )


def _in_scope(observations: Sequence[Observation], panel: PanelKey) -> list[Observation]:
    """A rule declared for some harms is held to those alone."""
    if panel.kind != "rule":
        return list(observations)
    declared = {one.case.harm for one in observations if (panel, "") in one.marks}
    return [one for one in observations if one.case.harm in declared]


def with_options(
    rules: GateRules,
    *,
    bounds: Mapping[str, float],
    never: Sequence[str],
    max_missing: float | None,
    judge: str | None,
    unit: str | None = None,
) -> GateRules:
    """Rules with what a command line adds; raises InputError."""
    given = {
        **rules.model_dump(),
        "bounds": {**rules.bounds, **bounds},
        "must_never": tuple(dict.fromkeys((*rules.must_never, *never))),
    }
    if max_missing is not None:
        given["max_missing"] = max_missing
    if judge is not None:
        given["judge"] = judge
    if unit is not None:
        given["unit"] = unit
    return checked_rules(given)


def read_gate(rules: Path | None, baseline: Path | None) -> tuple[GateRules, Baseline | None]:
    """Rules and baseline from their files, where they are named."""
    return (
        GateRules() if rules is None else read_rules(rules),
        None if baseline is None else read_baseline(baseline),
    )
