"""What counts as independent: connected components over whatever cases have in common."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable

from redloom.domain.case import Case
from redloom.domain.rendering import Frames

RULE = "scenario and twins, declared cluster, equal stimulus up to spacing, case and final punctuation"
"""What joins two cases, as the estimand card says it."""

_END = re.compile(r"[\s.!?…,;:。！？]+$")


def plain(text: str) -> str:
    """A text without what changes no prompt: spacing, characters one cannot see, case and final punctuation."""
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    folded = " ".join(seen.casefold().split())
    return _END.sub("", folded) or folded


class Components:
    """Things joined by what they have in common; each has the number of its component, from 0."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._holders: dict[Hashable, int] = {}

    def add(self, marks: Iterable[Hashable]) -> int:
        """Add a thing that is one with everything that bears any of these marks; gives its own number."""
        own = len(self._parents)
        self._parents.append(own)
        for mark in marks:
            other = self._holders.setdefault(mark, own)
            self._join(other, own)
        return own

    def numbers(self) -> list[int]:
        """The component of every thing, in the order they were added; components count from 0 in that order."""
        found: dict[int, int] = {}
        return [found.setdefault(self._root(own), len(found)) for own in range(len(self._parents))]

    def _root(self, one: int) -> int:
        while self._parents[one] != one:
            self._parents[one] = self._parents[self._parents[one]]
            one = self._parents[one]
        return one

    def _join(self, one: int, other: int) -> None:
        a, b = self._root(one), self._root(other)
        self._parents[max(a, b)] = min(a, b)


def marks_of(frames: Frames, case: Case, declared: str) -> tuple[Hashable, ...]:
    """What makes a case one with others: its declared cluster, its scenario or that of its original, its stimulus.

    ``declared`` is the cluster that a release stored for it.
    """
    marks: list[Hashable] = [("cluster", declared)]
    if case.scenario is not None:
        marks += [("scenario", case.scenario), ("scenario", frames.original(case.scenario))]
    frame = frames.frame(case)
    scenario = frame.scenario
    stimulus = (
        tuple(map(plain, case.script)),
        tuple(sorted(case.slots.items())),
        None if case.opening is None else plain(case.opening),
        frame.language,
        (scenario.context, scenario.persona) if scenario else None,
    )
    return (*marks, ("stimulus", stimulus))


def cluster_names(frames: Frames, cases: Iterable[Case]) -> list[str]:
    """For each case the name of its cluster: that of the first case that is joined with it."""
    components, own = Components(), list[str]()
    for case in cases:
        own.append(frames.cluster(case))
        components.add(marks_of(frames, case, own[-1]))
    first: dict[int, str] = {}
    return [first.setdefault(number, name) for number, name in zip(components.numbers(), own, strict=True)]
