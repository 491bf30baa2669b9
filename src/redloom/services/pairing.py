"""Two sets of outcomes held against each other, stimulus by stimulus: a run and a run, or a run and a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redloom.report.compared import Change
from redloom.report.data import Weight
from redloom.services.outcomes import Key, Outcome
from redloom.stats import Estimate, paired_difference, smallest_detectable, weighted_mean


@dataclass(frozen=True, slots=True)
class Paired:
    """The stimuli that can be compared, and those of the first side that cannot, by the names of their cases."""

    keys: tuple[Key, ...]
    """Decided on both sides."""
    undecided: tuple[str, ...]
    """Decided first, and asked again without a decided verdict."""
    changed: tuple[str, ...]
    """Decided first; the case is there, and asks something else."""
    gone: tuple[str, ...]
    """Decided first; there is neither the stimulus nor the case."""
    unequal: tuple[str, ...]
    """Left out, because conversations ask for different numbers of replies."""
    new: tuple[str, ...]
    """Decided on the second side alone."""

    @property
    def lost(self) -> tuple[str, ...]:
        """What the first side showed and the second cannot answer."""
        return (*self.undecided, *self.changed, *self.gone, *self.unequal)

    @property
    def lost_line(self) -> str:
        """Why, with some names; empty for none."""
        told = {
            "without a decided verdict now": self.undecided,
            "asking something else now": self.changed,
            "gone": self.gone,
            "asking for another number of replies": self.unequal,
        }
        return "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in told.items() if names)


def pair(first: Mapping[Key, Outcome], second: Mapping[Key, Outcome], *, by_reply: bool = False) -> Paired:
    """What of ``first`` has a partner in ``second``: the same stimulus and harm; else its case is looked for by name.

    ``by_reply`` says that each reply is counted by itself, so that more of them are no more chances.
    """
    slugs = {(one.case, one.harm) for one in second.values()}
    keys: list[Key] = []
    undecided, changed, gone, unequal = list[str](), list[str](), list[str](), list[str]()
    for key, one in first.items():
        other = second.get(key)
        if not one.decided:
            continue
        if other is None:
            (changed if (one.case, one.harm) in slugs else gone).append(one.case)
        elif not other.decided:
            undecided.append(one.case)
        elif not by_reply and None not in (one.chances, other.chances) and one.chances != other.chances:
            unequal.append(one.case)
        else:
            keys.append(key)
    new = [one.case for key, one in second.items() if one.decided and not _decided(first.get(key))]
    return Paired(*map(tuple, (keys, undecided, changed, gone, unequal, new)))  # pyright: ignore[reportArgumentType]


def change(
    first: Mapping[Key, Outcome],
    second: Mapping[Key, Outcome],
    *,
    weight: Weight = "cluster",
    level: float,
    by_reply: bool = False,
) -> Change:
    """The mean paired change from ``first`` to ``second`` with an interval that knows the clusters of the first.

    They are those of the first alone, so that joining what got worse into one cluster afterwards makes it weigh no less.
    """
    pairs = pair(first, second, by_reply=by_reply)
    before = [first[key].share for key in pairs.keys]
    after = [second[key].share for key in pairs.keys]
    clusters = _clusters([first[key] for key in pairs.keys])
    found = paired_difference(after, before, clusters, weight=weight, level=level)
    every = [key for key in first if key in second]
    together = _clusters([first[key] for key in every])

    def mean(values: Sequence[float], groups: Sequence[int]) -> float | None:
        return weighted_mean(values, groups, weight=weight) if values else None

    undecided = sum(one.planned - one.decided for key in every for one in (first[key], second[key]))
    told = (
        found
        if not undecided
        else _filled([(first[key], second[key]) for key in every], together, weight, level)
    )
    worse = sum(b * (1 - a) for a, b in zip(before, after, strict=True))
    better = sum(a * (1 - b) for a, b in zip(before, after, strict=True))
    return Change(
        value=found.value,
        low=found.low,
        high=found.high,
        level=level,
        method=found.method,
        reason=found.reason if pairs.keys else "no stimulus is decided on both sides",
        first=mean(before, clusters),
        second=mean(after, clusters),
        pairs=len(pairs.keys),
        clusters=len(set(clusters)),
        worse=worse,
        better=better,
        same=len(pairs.keys) - worse - better,
        lowest=mean([second[key].lowest - first[key].highest for key in every], together),
        highest=mean([second[key].highest - first[key].lowest for key in every], together),
        worst_low=told.low,
        worst_high=told.high,
        detectable=smallest_detectable(found, level=level, sided=2) if pairs.keys else None,
        undecided=undecided,
        lost=pairs.lost,
        lost_line=pairs.lost_line,
        weight=weight,
    )


def _filled(
    pairs: Sequence[tuple[Outcome, Outcome]], clusters: Sequence[int], weight: Weight, level: float
) -> Estimate:
    """The change if what is undecided has the event on the second side and has it not on the first."""
    after, before = [two.highest for _, two in pairs], [one.lowest for one, _ in pairs]
    return paired_difference(after, before, clusters, weight=weight, level=level)


def _decided(one: Outcome | None) -> bool:
    return one is not None and bool(one.decided)


def _clusters(outcomes: Sequence[Outcome]) -> list[int]:
    """A number for each cluster."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(one.cluster_name, len(numbers)) for one in outcomes]


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
