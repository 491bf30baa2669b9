"""Baselines of a gate: made of a run, and held against another one, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from redloom.datasets.gate_files import Baseline, BaselineRow
from redloom.domain.estimand import Card, Difference, differences, instrument_differences
from redloom.errors import DiffersError
from redloom.ids import digest
from redloom.services.comparing import Side
from redloom.services.matching import brief_differences
from redloom.services.observing import PanelKey
from redloom.services.outcomes import Key, Outcome

VARIES = frozenset({"target", "release", "attempts", "frame"})
"""What may differ from a baseline: a gate is there for other systems and other cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One judge's view of one run."""

    side: Side
    panel: PanelKey
    measure: str
    outcomes: Mapping[Key, Outcome]

    @property
    def card(self) -> Card:
        """The card of the run with this judge alone."""
        return self.side.card.model_copy(update={"instruments": (self.side.judges[self.panel],)})


def baseline_of(seen: Seen) -> Baseline:
    """What a later run is held against, without a word of its conversations."""
    told = seen.side.told()
    rows = sorted(seen.outcomes.items(), key=lambda pair: (pair[1].case, pair[1].harm))
    return Baseline(
        study=told.study,
        run=told.run,
        version=told.version,
        target=told.target,
        arm=told.arm,
        judge=seen.panel.rater,
        measure=seen.measure,
        card=seen.card,
        outcomes=tuple(
            BaselineRow(
                case=one.case,
                harm=one.harm,
                cluster=one.cluster_name,
                stimulus=key[0],
                events=one.events,
                decided=one.decided,
                planned=one.planned,
                chances=one.chances,
            )
            for key, one in rows
        ),
    )


def outcomes_in(baseline: Baseline) -> dict[Key, Outcome]:
    """What was found on each stimulus."""
    return {
        (row.stimulus, row.harm): Outcome(
            case=row.case,
            harm=row.harm,
            cluster=-1,
            cluster_name=row.cluster,
            near=-1,
            events=row.events,
            decided=row.decided,
            planned=row.planned or row.decided,
            counted=round(row.events),
            of=row.decided,
            chances=row.chances,
        )
        for row in baseline.outcomes
    }


def hold_against(baseline: Baseline, seen: Seen) -> tuple[str, ...]:
    """A sentence on each thing that is not as it was for the baseline; raises DiffersError where that forbids to compare."""
    named = [
        ("the judge", baseline.judge, seen.panel.rater),
        ("what is counted", baseline.measure, seen.measure),
    ]
    refused = [f"{what} differs ({old} / {new})" for what, old, new in named if old != new]
    found: list[Difference] = []
    if baseline.judge == seen.panel.rater:
        found = list(_differences(baseline, seen))
        if baseline.judge_digest not in (None, _as_in_format_1(seen.panel)):
            refused.append(f"the version, unit or display of {seen.panel.rater} differs")
    else:
        found = list(differences(baseline.card, seen.card))
    refused += [
        _text(one)
        for one in found
        if one.known and one.field.effect == "forbids" and not VARIES & {one.field.vary, one.field.name}
    ]
    if refused:
        raise DiffersError(
            "not comparable with the baseline, because "
            + "; ".join(refused)
            + "; write a new baseline on purpose with --write-baseline"
        )
    return tuple(_changes(baseline, seen, found))


def _differences(baseline: Baseline, seen: Seen) -> Iterator[Difference]:
    yield from differences(baseline.card, seen.card)
    theirs = seen.card.instruments[0]
    for mine in baseline.card.instruments:
        yield from (one.of(theirs.name) for one in instrument_differences(mine, theirs))
        yield from (one for _, one in brief_differences(mine, theirs, ({}, seen.side.harms)))


def _changes(baseline: Baseline, seen: Seen, found: list[Difference]) -> Iterator[str]:
    told = [one for one in found if one.field.effect != "shown"]
    for who, card in (("the baseline", baseline.card), (f"run {seen.side.run.name}", seen.side.card)):
        if card.left:
            yield f"{who} lacks {card.left} of its {card.planned} conversations, which were not held"
    yield from (_text(one) for one in told if one.known)
    unknown = [one.field.label for one in told if not one.known]
    if unknown:
        yield f"nobody can tell whether these differ, which were not recorded: {', '.join(unknown)}"


def _text(one: Difference) -> str:
    return f"{one.field.label} differs ({one.first} / {one.second})"


def _as_in_format_1(panel: PanelKey) -> str:
    p = panel
    return digest([p.kind, p.rater, p.version, p.target_digest, p.rule_digest, p.unit, list(p.shows)])
