"""Runs against each other: what differs between their cards, and what changed where only that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from redloom.domain.estimand import Card, Difference, InstrumentCard, differences, instrument_differences
from redloom.domain.harm import Harm
from redloom.domain.judgement import Instrument
from redloom.domain.rendering import Frames
from redloom.domain.study import StudyHead
from redloom.errors import DiffersError, InputError, Issue, unknown
from redloom.report.compared import (
    Alone,
    Changed,
    Compared,
    Comparison,
    Differing,
    HarmChange,
    JudgeChange,
    comparison_lines,
)
from redloom.report.compared import Side as ToldSide
from redloom.report.data import Measure, Weight
from redloom.services.estimand import card_of, judges_of
from redloom.services.finding import find_run
from redloom.services.loading import load_judges
from redloom.services.matching import brief_differences, match
from redloom.services.measuring import within
from redloom.services.observing import Observation, PanelKey, observe
from redloom.services.outcomes import (
    Basis,
    Cell,
    Key,
    Outcome,
    cells_of,
    counted_in,
    harms_of,
    of_harm,
    tally,
)
from redloom.services.pairing import change
from redloom.services.panels import scope_of
from redloom.services.protocols import weight_of
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
    "rubric": "what a judge reads of a harm: its rubric, definition, includes, excludes and rules",
}
"""What a comparison may be declared to vary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What is compared."""

    vary: tuple[str, ...] = ()
    judge: str | None = None
    """Only this judge's verdicts; else every judge's that judged both runs of a pair."""
    arm: str | None = None
    """Compared in every run; else each run's first."""
    level: float = LEVEL


def compare(workspace: Workspace, names: Sequence[str], options: CompareOptions) -> Comparison:
    """Two or more runs, each against the first, paired on stimulus digests.

    Raises DiffersError with every field of their cards that forbids it and is not declared to vary.
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
        pairs = [Pair(runs[0], side, options.judge) for side in runs[1:]]
        differing = list(dict.fromkeys(one for pair in pairs for one in pair.forbidding()))
        undeclared = [one for one in differing if one.field not in options.vary]
        reasons = [one.text for one in undeclared] + [one.matched.nobody for one in pairs]
        if any(reasons):
            told = "; ".join(dict.fromkeys(filter(None, reasons)))
            raise DiffersError(f"not comparable, because {told}{_what_to_do(undeclared)}")
        later = [(a, b) for a, b in pairwise(runs) if a is not runs[0] and a.same_system(b)]
        pairs += [one for a, b in later if (one := Pair(a, b, options.judge)).matched.pairs]
        return Comparison(
            vary=options.vary,
            level=options.level,
            sides=tuple(side.told() for side in runs),
            differing=tuple(differing),
            compared=tuple(pair.compared(options.level) for pair in pairs),
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


def _what_to_do(undeclared: Sequence[Differing]) -> str:
    if not any(one.field in VARIES for one in undeclared):
        return ""
    return f"; declare what is meant to vary with --vary ({', '.join(VARIES)})"


class Side:
    """One run in one arm, read once."""

    def __init__(self, unit: UnitOfWork, run: StoredRun, arm: str | None) -> None:
        self.run, self.spec = run, run.spec
        self.arm = arm or run.spec.arms[0]
        if self.arm not in run.spec.arms:
            raise InputError(f"run {run.name}: {unknown('arm', self.arm, run.spec.arms)}")
        definitions = unit.releases(run.study_id).definitions(run.release_id)
        self.study = unit.studies.slug_of(run.study_id)
        self.harms = {slug: cast(Harm, d) for (kind, slug), d in definitions.items() if kind == "harm"}
        self.instruments: Mapping[str, Instrument] = unit.judgements.instruments(run.id)
        self.declared = load_judges(unit, self.study)
        """The judges of the study by name."""
        head = cast(StudyHead, definitions[("study", self.study)])
        self.weight: Weight = weight_of(run, head.protocol)
        frames = Frames(definitions)
        self.every: list[Observation] = observe(unit, run, frames, self.instruments)
        """Of all arms."""
        self.observations = [one for one in self.every if one.arm == self.arm]
        marked = self.panels()
        judges = judges_of(unit, run, self.observations, self.instruments)
        self.judges: Mapping[PanelKey, InstrumentCard] = {
            key: one for key, one in judges.items() if key in marked
        }
        """The judges with a headline verdict on something, and how they judged."""
        self.card: Card = card_of(unit, run, self.observations, definitions, self.judges.values())

    def panels(self) -> set[PanelKey]:
        """The judges with a headline verdict on something."""
        return {panel for one in self.observations for panel, variant in one.marks if not variant}

    def cells(self, panel: PanelKey) -> list[Cell]:
        """What it asked of the harms that a judge is for, by case."""
        return cells_of(within(self.observations, scope_of(panel, self.declared, self.observations)))

    def same_system(self, other: Side) -> bool:
        """Whether both ask the same system in the same way, as far as anybody knows."""
        known = self.spec.code is not None and other.spec.code is not None
        return (
            self.spec.target_digest == other.spec.target_digest
            and self.arm == other.arm
            and not (known and self.spec.code != other.spec.code)
        )

    def told(self) -> ToldSide:
        """What a comparison prints of it."""
        spec, card = self.spec, self.card
        return ToldSide(
            run=self.run.name,
            study=self.study,
            version=spec.version,
            frame=spec.frame,
            target=spec.target_name,
            system=spec.target.system,
            arm=self.arm,
            attempts=spec.attempts[self.arm],
            seed=card.seed,
            started=card.started or "",
            planned=card.planned or 0,
            completed=card.completed or 0,
            card=card.model_dump(mode="json"),
        )


class Pair:
    """Two runs, the judges they share, and where their cards differ."""

    def __init__(self, first: Side, second: Side, judge: str | None) -> None:
        self.first, self.second = first, second
        names = (first.run.name, second.run.name)
        self.matched = match(first.judges, second.judges, names, judge=judge)
        found = [*differences(first.card, second.card), *self._of_judges()]
        self._differences = [one for one in found if one.field.effect != "shown"]

    def _of_judges(self) -> Iterator[Difference]:
        for a, b in self.matched.pairs:
            mine, theirs = self.first.judges[a], self.second.judges[b]
            for one in instrument_differences(mine, theirs):
                yield one.of(mine.name)
            for _, one in brief_differences(mine, theirs, (self.first.harms, self.second.harms)):
                yield one

    def forbidding(self) -> list[Differing]:
        """What differs and forbids to compare unless it is meant to vary."""
        return [_told(one) for one in self._differences if one.known and one.field.effect == "forbids"]

    def compared(self, level: float) -> Compared:
        """What changed from the first to the second."""
        said = [_told(one) for one in self._differences if one.known and one.field.effect == "said"]
        return Compared(
            first=self.first.run.name,
            second=self.second.run.name,
            drift=self.first.same_system(self.second),
            same_seed=self._same_seed(),
            notices=tuple(self._notices()),
            said=tuple(dict.fromkeys(said)),
            unknown=tuple(dict.fromkeys(_told(one) for one in self._differences if not one.known)),
            judges=tuple(self._judge(panels, level) for panels in self.matched.pairs),
        )

    def _same_seed(self) -> bool:
        """Whether the same system got the same seeds, as far as seeds are sent to it."""
        first, second = self.first, self.second
        sent = first.spec.target.decoding.seed == "per_attempt"
        return sent and first.same_system(second) and first.card.seed == second.card.seed

    def _notices(self) -> Iterator[str]:
        """What has to be known before any number, the worst first."""
        for side in (self.first, self.second):
            card = side.card
            if card.left:
                yield (
                    f"{side.run.name} is {card.state}, and {card.left} of its {card.planned} conversations were not held: "
                    "those that were are the first of the release, no sample of it."
                )
            for panel in {key: None for pair in self.matched.pairs for key in pair}:
                judge = side.judges.get(panel)
                if judge is not None and (judge.judged or 0) < (judge.of or 0):
                    yield (
                        f"{judge.name}, judged {judge.judged} of the {judge.of} completed conversations of "
                        f"{side.run.name}."
                    )
        yield from (f"{one}, so it is not compared." for one in self.matched.alone)
        a, b = self.first.card, self.second.card
        if a.selected_on != b.selected_on:
            found = max((self.first, self.second), key=lambda side: side.card.selected_on or 0)
            yield (
                f"{found.card.selected_on} cases were found on the system of {found.run.name}: they are in the release "
                "because it failed them, which the other one did not have to."
            )
        if a.code and b.code and a.code != b.code and a.system == b.system:
            yield f"The file behind {a.system} changed between the runs."

    def _judge(self, panels: tuple[PanelKey, PanelKey], level: float) -> JudgeChange:
        first, second = self.first, self.second
        both = zip(panels, (first, second), strict=True)
        measures = {measure_of(panel, side.observations) for panel, side in both}
        measure: Measure = "harm" if "harm" in measures else "refusal"
        cells = [side.cells(panel) for side, panel in zip((first, second), panels, strict=True)]
        bases = [Basis(panel=panel, measure=measure) for panel in panels]
        sides = [tally(own, basis, by_harm=True).outcomes for own, basis in zip(cells, bases, strict=True)]
        whole = [tally(own, basis).outcomes for own, basis in zip(cells, bases, strict=True)]
        by_reply = counted_in(panels[0], measure) == "reply"
        harms = harms_of(*sides)
        each = 1 - (1 - level) / max(1, len(harms))
        return JudgeChange(
            judge=panels[0].rater,
            kind=panels[0].kind,
            unit=panels[0].unit,
            measure=measure,
            overall=change(*whole, weight=first.weight, level=level, by_reply=by_reply),
            by_harm=tuple(
                HarmChange(
                    harm=harm,
                    title=first.harms[harm].title if harm in first.harms else harm,
                    change=change(
                        of_harm(sides[0], harm),
                        of_harm(sides[1], harm),
                        weight=first.weight,
                        level=each,
                        by_reply=by_reply,
                    ),
                )
                for harm in harms
            ),
            only_first=_alone(sides[0], sides[1]),
            only_second=_alone(sides[1], sides[0]),
            changed=tuple(_changed(*sides)),
        )


def _told(one: Difference) -> Differing:
    field = one.field
    return Differing(field=field.vary or field.name, what=field.label, first=one.first, second=one.second)


def _alone(mine: Mapping[Key, Outcome], theirs: Mapping[Key, Outcome]) -> Alone:
    """What those of ``mine`` showed that are in no pair."""
    left = [one for key, one in mine.items() if one.decided and not (key in theirs and theirs[key].decided)]
    return Alone(
        stimuli=len(left), events=sum(one.counted for one in left), decided=sum(one.of for one in left)
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
