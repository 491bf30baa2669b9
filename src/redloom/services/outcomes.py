"""What one judge found on each stimulus of a run: what two runs, or a run and a baseline, are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from redloom.report.compared import Change
from redloom.services.measuring import Event
from redloom.services.observing import Observation, PanelKey
from redloom.stats import Estimate, clustered_rate, paired_difference

Key = tuple[str, str]
"""Stimulus digest and harm: cases that share a stimulus may be about different harms."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The decided conversations of one stimulus."""

    case: str
    harm: str
    cluster: str
    events: int
    decided: int
    conversations: tuple[str, ...] = ()
    """Hex ids, in the order of the attempts."""

    @property
    def share(self) -> float:
        """Of its decided conversations, those with the event."""
        return self.events / self.decided


def outcomes_of(
    observations: Iterable[Observation], panel: PanelKey, event: Event, *, arm: str
) -> dict[Key, Outcome]:
    """Every stimulus with a decided conversation in an arm; of cases that share one, the first speaks."""
    found: dict[Key, Outcome] = {}
    for one in observations:
        mark = one.marks.get((panel, ""))
        if one.arm != arm or one.state != "completed" or mark is None or mark.state != "ok":
            continue
        happened = event(mark)
        if happened is None:
            continue
        key = (one.case.stimulus, one.case.harm)
        before = found.get(key)
        if before is None:
            before = Outcome(one.case.slug, one.case.harm, one.case.cluster_name, 0, 0)
        elif before.case != one.case.slug:
            continue
        talk = (one.interaction.hex(),) if one.interaction else ()
        found[key] = replace(
            before,
            events=before.events + happened,
            decided=before.decided + 1,
            conversations=before.conversations + talk,
        )
    return found


def change(first: Mapping[Key, Outcome], second: Mapping[Key, Outcome], *, level: float) -> Change:
    """The mean paired change from ``first`` to ``second`` with an interval that knows the clusters.

    A stimulus counts once, with its share over its attempts; the estimate is that of
    :func:`redloom.stats.paired_difference`.
    """
    keys = [key for key in first if key in second]
    before, after = [first[key].share for key in keys], [second[key].share for key in keys]
    numbers: dict[str, int] = {}
    clusters = [numbers.setdefault(first[key].cluster, len(numbers)) for key in keys]
    found = paired_difference(after, before, clusters, level=level)
    return Change(
        value=found.value,
        low=found.low,
        high=found.high,
        level=level,
        method=found.method,
        reason=found.reason if keys else "no stimulus is decided on both sides",
        first=sum(before) / len(keys) if keys else None,
        second=sum(after) / len(keys) if keys else None,
        pairs=len(keys),
        clusters=len(numbers),
        worse=sum(b > a for a, b in zip(before, after, strict=True)),
        better=sum(b < a for a, b in zip(before, after, strict=True)),
        same=sum(a == b for a, b in zip(before, after, strict=True)),
    )


def of_harm(outcomes: Mapping[Key, Outcome], harm: str) -> dict[Key, Outcome]:
    """Those of one harm."""
    return {key: one for key, one in outcomes.items() if one.harm == harm}


def harms_of(*sides: Mapping[Key, Outcome]) -> list[str]:
    """The harms that any side has, sorted; the empty one (no harm named) is none."""
    return sorted({one.harm for side in sides for one in side.values()} - {""})


def rate_of(outcomes: Sequence[Outcome], *, level: float) -> Estimate:
    """The share over stimuli, each with its share over attempts, in clusters."""
    numbers: dict[str, int] = {}
    clusters = [numbers.setdefault(one.cluster, len(numbers)) for one in outcomes]
    return clustered_rate([one.share for one in outcomes], clusters, level=level)
