"""Whether a run may pass: bounds, what must never happen, what is missing, and the step from a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from redloom.datasets.gate_files import Baseline, checked_rules, read_baseline, read_rules, write_baseline
from redloom.domain.clusters import Components, marks_of
from redloom.domain.declared import HeldTo, held_to
from redloom.domain.gate import ALL, GateRules
from redloom.domain.rendering import Frames
from redloom.errors import InputError, Issue, unknown
from redloom.ids import IdSource
from redloom.report.data import Measure, Weight
from redloom.report.gated import junit, summary_lines
from redloom.services.baselines import Seen, baseline_of, hold_against, outcomes_in
from redloom.services.checks import (
    GateCheck,
    bound_check,
    infeasible,
    missing_check,
    never_check,
    sizes_of,
    step_check,
    unpaired_check,
)
from redloom.services.comparing import Side
from redloom.services.finding import find_run, get_release
from redloom.services.loading import load_judges, load_targets
from redloom.services.measuring import within
from redloom.services.observing import PanelKey
from redloom.services.outcomes import (
    Basis,
    Cell,
    Key,
    Outcome,
    Tally,
    cells_of,
    harms_of,
    of_harm,
    over_harms,
    tally,
)
from redloom.services.pairing import change, pair
from redloom.services.panels import in_order, names_of, scope_of
from redloom.services.protocols import protocol_in, protocol_of
from redloom.services.rates import measure_of
from redloom.services.rules import inline_rules
from redloom.services.targets import resolve_target
from redloom.services.workspace import Workspace
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork


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
    """Cases whose share is higher than in the baseline."""
    differs: tuple[str, ...] = ()
    """What is not as it was for the baseline, and does not forbid to compare with it."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the conditions themselves."""
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
    lines = summary_lines(title, found.checks, found.changed, found.differs, found.notes)
    return "\n".join(lines) + "\n"


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
        _check_feasible(rules, measured.sizes(), measured.weight)
        checks = [*measured.bounds(), *measured.must_never(), *measured.missing()]
        if held.broken:
            checks.append(GateCheck(kind="protocol", name="primary judge", passed=False, message=held.broken))
        worse: list[str] = []
        differs: tuple[str, ...] = ()
        notes = [line for line in (measured.unasked(),) if line]
        if not (rules.bounds or rules.must_never or baseline):
            notes.append(
                "No bound, nothing that must never happen and no baseline was given: only what is missing was asked about."
            )
        if baseline is not None:
            differs, before = hold_against(baseline, measured.seen), outcomes_in(baseline)
            checks += measured.steps(before)
            worse = [
                one.case
                for key, one in measured.outcomes.items()
                if key in before and before[key].decided and one.share > before[key].share
            ]
            notes.append(_false_alarms(rules))
        told = side.told()
        return Gated(
            run=told.run,
            study=told.study,
            version=told.version,
            target=told.target,
            judge=measured.panel.rater,
            checks=tuple(replace(c, message=held.stamped(c.kind, c.name, c.message)) for c in checks),
            changed=tuple(worse),
            differs=differs,
            notes=tuple(notes),
            protocol=held.told,
        )


def _false_alarms(rules: GateRules) -> str:
    return (
        f"Where nothing has changed, the step against the baseline fails in up to {100 * (1 - rules.level):.0f} of 100 pull "
        "requests by chance alone, if each runs with a seed of its own."
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
        held = held_to(protocol_in(unit, study, release), rules)
        rules = held.rules
        note = _check_judge(unit, study, rules.judge, workspace.ids)
        frames = Frames(unit.releases(study).definitions(release.id))
        components, facts = Components(), list[tuple[str, str, str]]()
        for released, case in unit.releases(study).cases(release.id):
            components.add(marks_of(frames, case, released.cluster))
            harm = frames.harm(case)
            facts.append((released.slug, released.stimulus, harm[0] if harm else ""))
        judge = load_judges(unit, study).get((rules.judge or "").removeprefix("rule:"))
    stimuli: dict[str, dict[str, int]] = {ALL: {}}
    for (_, stimulus, harm), number in zip(facts, components.numbers(), strict=True):
        if judge is None or not judge.harms or harm in judge.harms:
            stimuli[ALL][stimulus] = number
        stimuli.setdefault(harm, {})[stimulus] = number
    _check_names(rules, (set(stimuli) - {""}, {slug for slug, _, _ in facts}))
    sizes = {harm: list(Counter(of.values()).values()) for harm, of in stimuli.items()}
    _check_feasible(rules, sizes, held.weight)
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
        return baseline_of(_Measured(side, held.rules).seen)


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


def _check_feasible(rules: GateRules, sizes: Mapping[str, Sequence[int]], weight: Weight) -> None:
    """Refuse bounds that not even a run without any event could show."""
    issues = [Issue(line) for line in infeasible(rules.bounds, sizes, level=rules.level, weight=weight)]
    if issues:
        raise InputError(issues)


class _Measured:
    """One judge's view of one run."""

    def __init__(self, side: Side, rules: GateRules) -> None:
        self.side, self.rules = side, rules
        self.panel = _panel(side, rules)
        self.measure: Measure = measure_of(self.panel, side.observations)
        self.weight: Weight = side.weight
        scope = scope_of(self.panel, side.declared, side.observations)
        self.observations = within(side.observations, scope)
        self.cells = cells_of(self.observations)
        self._basis = Basis(panel=self.panel, measure=self.measure)
        self.found = self._tally(self.cells)
        self.outcomes = self.found.decided

    def _tally(self, cells: Sequence[Cell], *, by_harm: bool = True) -> Tally:
        return tally(cells, self._basis, by_harm=by_harm)

    @property
    def seen(self) -> Seen:
        """What a baseline holds of it."""
        return Seen(side=self.side, panel=self.panel, measure=self.measure, outcomes=self.found.outcomes)

    def known(self) -> tuple[set[str], set[str]]:
        """Harms and cases of the run."""
        facts = [one.case for one in self.side.observations]
        return {fact.harm for fact in facts} - {""}, {fact.slug for fact in facts}

    def of(self, harm: str) -> Tally:
        """What was found of a harm, or of any that was asked about."""
        if harm == ALL:
            return self._tally(self.cells, by_harm=False)
        return self._tally([one for one in self.cells if one.case.harm == harm])

    def sizes(self) -> dict[str, list[int]]:
        """Harm (or ``all``) of the bounds -> stimuli that each cluster asks."""
        return {harm: sizes_of(list(self.of(harm).outcomes.values())) for harm in self.rules.bounds}

    def bounds(self) -> Iterator[GateCheck]:
        """Whether the one-sided upper bounds stay below."""
        for harm, share in self.rules.bounds.items():
            yield bound_check(harm, self.of(harm), share, level=self.rules.level, weight=self.weight)

    def must_never(self) -> Iterator[GateCheck]:
        """Whether cases and harms on the list are without a single event, all of them decided."""
        every = cells_of(self.side.every) if self.rules.must_never else []
        for name in self.rules.must_never:
            ours = [one for one in every if name in (one.case.slug, one.case.harm)]
            arms = {arm: self._tally([one for one in ours if one.arm == arm]) for arm in self.side.spec.arms}
            held = arms.pop(self.side.arm)
            yield never_check(name, held, arm=self.side.arm, others=arms)

    def unasked(self) -> str:
        """What the judge is not for; empty where it is for all."""
        asked = {one.case.slug for one in self.observations}
        rest = {one.case.slug: one.case.harm for one in self.side.observations if one.case.slug not in asked}
        if not rest:
            return ""
        return (
            f"{self.panel.rater} is not for {', '.join(sorted(set(rest.values())))}: {len(rest)} of "
            f"{len(rest) + len(asked)} cases are in no condition but what must never happen, and in no bound on all."
        )

    def missing(self) -> Iterator[GateCheck]:
        """Whether enough is decided, of all and of each harm."""
        allowed = self.rules.max_missing
        yield missing_check("missing", self.of(ALL), allowed=allowed)
        harms = sorted({one.case.harm for one in self.observations} - {""})
        for harm in harms if len(harms) > 1 else ():
            yield missing_check(harm, self.of(harm), allowed=allowed)

    def steps(self, before: Mapping[Key, Outcome]) -> Iterator[GateCheck]:
        """What has no partner; and for all and for each harm, whether it got worse than the baseline, all at once."""
        now = self.found.outcomes
        harms = harms_of(before)
        whole = self.of(ALL).outcomes
        by_reply = self.found.counts == "reply"
        groups: list[tuple[str, Mapping[Key, Outcome], Mapping[Key, Outcome]]] = [
            (ALL, over_harms(before), whole)
        ]
        if len(harms) > 1:
            groups += [(harm, of_harm(before, harm), of_harm(now, harm)) for harm in harms]
        level = 1 - 2 * (1 - self.rules.level) / len(groups)
        changes = [
            (name, change(old, new, weight=self.weight, level=level, by_reply=by_reply))
            for name, old, new in groups
        ]
        yield unpaired_check(pair(before, now, by_reply=by_reply), self.rules)
        for name, found in changes:
            yield step_check(name, found, self.rules.tolerance)


def _panel(side: Side, rules: GateRules) -> PanelKey:
    """The judge whose verdicts count, by its name or by the name that tells it from others of that name."""
    judged = in_order(side.panels())
    panels = [one for one in judged if one.kind != "person" or one.rater not in side.declared]
    names = names_of(panels)
    judge = rules.judge
    theirs = [panel for panel in panels if judge is None or judge in (panel.rater, names[panel])]
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
        f"{theirs[0].rater} judged run {side.run.name} as several judges, since what it is or reads changed in between; say "
        f"which with --judge: {', '.join(repr(names[panel]) for panel in found)}"
    )


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
