"""Runs against each other: what differs between them, and what changed where only that differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from redloom.domain.harm import Harm
from redloom.domain.judgement import Instrument
from redloom.domain.rendering import Frames
from redloom.errors import DiffersError, InputError, Issue, unknown
from redloom.report.compared import (
    Changed,
    Compared,
    Comparison,
    Differing,
    HarmChange,
    JudgeChange,
    comparison_lines,
)
from redloom.report.compared import Side as ToldSide
from redloom.services.finding import find_run
from redloom.services.loading import load_judges
from redloom.services.observing import Observation, PanelKey, observe
from redloom.services.outcomes import Key, Outcome, counted_in, harms_of, of_harm, tally
from redloom.services.pairing import change, pair
from redloom.services.rates import measure_of
from redloom.services.workspace import Workspace
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork

LEVEL = 0.95
VARIES: Mapping[str, str] = {
    "target": "the system: its model, address, own prompt or decoding",
    "delivery": "how context and persona reach the system",
    "release": "the cases and what is under them",
    "arm": "what the system gets to see",
    "attempts": "how often each case is tried",
    "rubric": "the rubric a harm is judged by",
}
"""What a comparison may be declared to vary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What is compared."""

    vary: tuple[str, ...] = ()
    judge: str | None = None
    """Only this judge's verdicts; else every judge's that judged all runs."""
    arm: str | None = None
    """Compared in every run; else each run's first."""
    level: float = LEVEL


def compare(workspace: Workspace, names: Sequence[str], options: CompareOptions) -> Comparison:
    """Two or more runs, each against the first, paired on stimulus digests.

    Raises DiffersError with every field that differs beyond what is declared to vary.
    """
    _check(names, options)
    with workspace.begin() as unit:
        runs = [Side(unit, find_run(unit, name), options.arm) for name in names]
        if len({side.run.name for side in runs}) < len(runs):
            raise InputError("a run is compared with another one, not with itself")
        imported = [side.run.name for side in runs if side.spec.frame == "imported"]
        if imported:
            raise DiffersError(
                f"not comparable, because {' and '.join(imported)} came from a file: what was said in it was not asked by design"
            )
        panels = _panels(runs, options.judge)
        differing = [field for side in runs[1:] for field in _differing(runs[0], side, panels)]
        undeclared = [f for f in differing if f.field not in options.vary]
        if undeclared:
            raise DiffersError(
                "not comparable, because "
                + "; ".join(dict.fromkeys(f.text for f in undeclared))
                + f"; declare what is meant to vary with --vary ({', '.join(VARIES)})"
            )
        pairs = [(runs[0], side) for side in runs[1:]]
        drifts = [(a, b) for a, b in pairwise(runs) if (a, b) not in pairs and a.same_system(b)]
        return Comparison(
            vary=options.vary,
            level=options.level,
            sides=tuple(side.told() for side in runs),
            differing=tuple(dict.fromkeys(differing)),
            compared=tuple(_compared(a, b, panels, options) for a, b in [*pairs, *drifts]),
        )


def in_markdown(found: Comparison, *, most: int) -> str:
    """A comparison for people; ``most`` changed cases are named."""
    return "\n".join(comparison_lines(found, most=most))


def _check(names: Sequence[str], options: CompareOptions) -> None:
    issues = [
        Issue(f"--vary: {unknown('part', part, VARIES)}") for part in options.vary if part not in VARIES
    ]
    if len(names) < 2:
        issues.append(Issue("name two runs or more"))
    if issues:
        raise InputError(issues)


class Side:
    """One run, read once."""

    def __init__(self, unit: UnitOfWork, run: StoredRun, arm: str | None) -> None:
        self.run, self.spec = run, run.spec
        self.arm = arm or run.spec.arms[0]
        if self.arm not in run.spec.arms:
            raise InputError(f"run {run.name}: {unknown('arm', self.arm, run.spec.arms)}")
        definitions = unit.releases(run.study_id).definitions(run.release_id)
        self.study = unit.studies.slug_of(run.study_id)
        self.harms = {slug: cast(Harm, d) for (kind, slug), d in definitions.items() if kind == "harm"}
        self.instruments: Mapping[str, Instrument] = unit.judgements.instruments(run.id)
        self.judges = load_judges(unit, self.study)
        frames = Frames(definitions)
        self.observations: list[Observation] = [
            one for one in observe(unit, run, frames, self.instruments) if one.arm == self.arm
        ]

    def panels(self) -> set[PanelKey]:
        """The judges with a headline verdict on something."""
        return {panel for one in self.observations for panel, variant in one.marks if not variant}

    def rubrics(self, panel: PanelKey) -> dict[str, set[str]]:
        """Harm -> digests of the headline rubrics a judge used."""
        from redloom.services.observing import panel_of

        found: dict[str, set[str]] = {}
        for instrument in self.instruments.values():
            if panel_of(instrument) == panel and not instrument.variant and instrument.rubric_digest:
                found.setdefault(instrument.harm or "", set()).add(instrument.rubric_digest)
        return found

    def same_system(self, other: Side) -> bool:
        """Whether both ask the same system in the same way, so that what changed is time."""
        return self.spec.target_digest == other.spec.target_digest and self.arm == other.arm

    def told(self) -> ToldSide:
        """What a comparison prints of it."""
        spec = self.spec
        return ToldSide(
            run=self.run.name,
            study=self.study,
            version=spec.version,
            frame=spec.frame,
            target=spec.target_name,
            system=spec.target.system,
            arm=self.arm,
            attempts=spec.attempts[self.arm],
            started=self.run.created_at.strftime("%Y-%m-%d %H:%M UTC"),
            planned=len(self.observations),
            completed=sum(one.state == "completed" for one in self.observations),
        )


def _panels(runs: Sequence[Side], judge: str | None) -> list[PanelKey]:
    """The judges that judged every run."""
    common = set[PanelKey].intersection(*(side.panels() for side in runs))
    if judge is not None:
        common = {panel for panel in common if panel.rater == judge}
    if not common:
        seen = {side.run.name: sorted({panel.rater for panel in side.panels()}) for side in runs}
        told = "; ".join(f"{name}: {', '.join(raters) or 'nobody'}" for name, raters in seen.items())
        which = (
            f"{judge!r} did not judge" if judge is not None else "no judge, in one unit and display, judged"
        )
        raise DiffersError(f"not comparable, because {which} all runs ({told})")
    return sorted(common, key=lambda panel: (panel.kind, panel.rater, panel.unit))


def _differing(first: Side, second: Side, panels: Sequence[PanelKey]) -> list[Differing]:
    a, b = first.spec, second.spec
    values: list[tuple[str, str, Any, Any]] = [
        ("study", "the study", first.study, second.study),
        ("frame", "what the cases are (release, provisional ...)", a.frame, b.frame),
        ("release", "the release", (a.version, a.release_digest), (b.version, b.release_digest)),
        ("arm", "the arm", first.arm, second.arm),
        ("attempts", "attempts a case", a.attempts[first.arm], b.attempts[second.arm]),
        *_target_fields(first, second),
    ]
    for panel in panels:
        mine, theirs = first.rubrics(panel), second.rubrics(panel)
        values += [
            ("rubric", f"the rubric of {harm} ({panel.rater})", sorted(mine[harm]), sorted(theirs[harm]))
            for harm in sorted(mine.keys() & theirs.keys())
        ]
    return [
        Differing(field=field, what=what, first=_short(x), second=_short(y))
        for field, what, x, y in values
        if x != y
    ]


def _target_fields(first: Side, second: Side) -> list[tuple[str, str, Any, Any]]:
    mine, theirs = first.spec.target.content(), second.spec.target.content()
    return [
        (
            "delivery" if name == "delivery" else "target",
            f"the target's {name}",
            mine.get(name),
            theirs.get(name),
        )
        for name in sorted(mine.keys() | theirs.keys())
    ]


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        version, digest = cast(tuple[str, str], value)
        return f"{version} ({digest[7:15]})"
    if isinstance(value, list):
        return ", ".join(str(one)[7:15] for one in cast(list[str], value))
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _compared(first: Side, second: Side, panels: Sequence[PanelKey], options: CompareOptions) -> Compared:
    return Compared(
        first=first.run.name,
        second=second.run.name,
        drift=first.same_system(second),
        judges=tuple(_judge_change(first, second, panel, options.level) for panel in panels),
    )


def _judge_change(first: Side, second: Side, panel: PanelKey, level: float) -> JudgeChange:
    measure = measure_of(panel, [*first.observations, *second.observations])
    sides = [
        tally(side.observations, panel, measure, arm=side.arm, by_harm=True).outcomes
        for side in (first, second)
    ]
    harms = harms_of(*sides)
    by_reply = counted_in(panel, measure) == "reply"
    pairs = pair(*sides, by_reply=by_reply)
    each = 1 - (1 - level) / max(1, len(harms))
    return JudgeChange(
        judge=panel.rater,
        kind=panel.kind,
        unit=panel.unit,
        measure=measure,
        overall=change(*sides, level=level, by_reply=by_reply),
        by_harm=tuple(
            HarmChange(
                harm=harm,
                title=first.harms[harm].title if harm in first.harms else harm,
                change=change(
                    of_harm(sides[0], harm), of_harm(sides[1], harm), level=each, by_reply=by_reply
                ),
            )
            for harm in harms
        ),
        only_first=len(pairs.lost),
        only_second=len(pairs.new),
        changed=tuple(_changed(*sides)),
    )


def _changed(first: Mapping[Key, Outcome], second: Mapping[Key, Outcome]) -> list[Changed]:
    """The stimuli whose share moved: those that got worse first, the largest move first."""
    found: list[tuple[float, Changed]] = []
    for key, a in first.items():
        b = second.get(key)
        if b is None or not a.decided or not b.decided or a.share == b.share:
            continue
        found.append(
            (
                b.share - a.share,
                Changed(
                    case=a.case,
                    harm=a.harm,
                    worse=b.share > a.share,
                    first=f"{a.counted} of {a.of}",
                    second=f"{b.counted} of {b.of}",
                    first_conversations=a.conversations,
                    second_conversations=b.conversations,
                ),
            )
        )
    return [one for _, one in sorted(found, key=lambda pair: (-pair[0], pair[1].case))]
