"""The judges of a run: in which order they stand, what they are called, and which harms they are for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from redloom.domain.judge import Judge
from redloom.report.words import words
from redloom.services.observing import Observation, PanelKey

_ORDER: Mapping[str, int] = {"person": 0, "model": 1, "rule": 2}


def in_order(keys: Iterable[PanelKey], *, first: str | None = None) -> list[PanelKey]:
    """The judge named ``first``; then people, then models, then rules."""

    def place(one: PanelKey) -> tuple[bool, int, str, str, str, str]:
        return one.rater != first, _ORDER[one.kind], one.rater, one.unit, one.version, one.digest

    return sorted(set(keys), key=place)


def names_of(keys: Sequence[PanelKey]) -> dict[PanelKey, str]:
    """A name for each: with unit, display and the beginning of a digest as far as others share the name."""
    found: dict[PanelKey, str] = {}
    for key in keys:
        alike = [one for one in keys if one.rater == key.rater]
        marks: list[str] = []
        if len({one.unit for one in alike}) > 1:
            marks.append(words(key.unit))
        if len({one.shows for one in alike}) > 1:
            marks.append("sees " + (" and ".join(key.shows) or "the conversation alone"))
        if key.brief:
            marks.append(f"brief {key.brief}")
        elif sum((one.unit, one.shows) == (key.unit, key.shows) for one in alike) > 1:
            marks.append(key.short)
        found[key] = key.rater + (f" ({', '.join(marks)})" if marks else "")
    return found


def scope_of(
    key: PanelKey, declared: Mapping[str, Judge], observations: Iterable[Observation]
) -> Collection[str] | None:
    """The harms that a judge is declared for, and those that it has judged all the same; None for all.

    ``declared`` are the judges of the study by name. Whoever is not declared is for all harms: that it judged none of one
    is no sign that it should not.
    """
    definition = declared.get(key.rater.removeprefix("rule:") if key.kind == "rule" else key.rater)
    if definition is None or not definition.harms:
        return None
    judged = {one.case.harm for one in observations if any(panel == key for panel, _ in one.marks)}
    return {*definition.harms, *judged}
