"""The judges of one run and the same ones of another; whoever has no counterpart is named with what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from redloom.domain.brief import changed_parts
from redloom.domain.estimand import (
    INSTRUMENT_FIELDS,
    Difference,
    Field,
    InstrumentCard,
    instrument_differences,
    told,
)
from redloom.domain.harm import Harm
from redloom.services.observing import PanelKey

BRIEF = next(one for one in INSTRUMENT_FIELDS if one.name == "briefs")
Judges = Mapping[PanelKey, InstrumentCard]
Harms = Mapping[str, Harm]


@dataclass(frozen=True, slots=True)
class Matched:
    """Judges that judged two runs in the same way, and a sentence on each that did not."""

    pairs: tuple[tuple[PanelKey, PanelKey], ...]
    alone: tuple[str, ...]
    nobody: str
    """Why there is none, where there is none."""


def match(first: Judges, second: Judges, names: tuple[str, str], *, judge: str | None = None) -> Matched:
    """Pair the judges of two runs called ``names``, or only the one that is asked for.

    Two are the same where nothing that forbids a comparison is known to differ in them but what they read of a harm.
    """
    pairs: list[tuple[PanelKey, PanelKey]] = []
    alone: list[str] = []
    raters = dict.fromkeys((key.kind, key.rater) for key in (*first, *second))
    for rater in sorted(raters):
        if judge is not None and rater[1] != judge:
            continue
        mine, theirs = ([key for key in side if (key.kind, key.rater) == rater] for side in (first, second))
        found = list(_paired(mine, theirs, first, second))
        pairs += found
        left = [key for key in mine if key not in {a for a, _ in found}]
        right = [key for key in theirs if key not in {b for _, b in found}]
        alone += _unpaired(left, right, first, second, names)
    nobody = "" if pairs else _nobody(first, second, names, judge, alone)
    return Matched(tuple(pairs), tuple(alone), nobody)


def brief_differences(
    first: InstrumentCard, second: InstrumentCard, harms: tuple[Harms, Harms]
) -> Iterator[tuple[str, Difference]]:
    """(harm, what of its brief differs or cannot be told) for the harms that both judged; a rubric comes before the rest.

    ``harms`` are those of the two releases: where a brief was not recorded, a text that differs in them is known to.
    """
    mine, theirs = first.rubrics or {}, second.rubrics or {}
    for harm in sorted(mine.keys() & theirs.keys() - {""}):
        if "(" in harm:
            continue  # a dissenting rubric is a number of its own, which is not compared
        if mine[harm] != theirs[harm]:
            yield harm, _brief(f"the rubric of {harm} ({first.rater})", mine[harm], theirs[harm])
            continue
        a, b = (card.briefs.get(harm) if card.briefs else None for card in (first, second))
        if a is not None and a == b:
            continue
        parts = _parts(harm, first, second, harms)
        if a is not None and b is not None:
            what = f"what {first.rater} reads of {harm}" + (f" ({', '.join(parts)})" if parts else "")
            yield harm, _brief(what, a, b)
        elif parts:
            what = f"the {' and the '.join(parts)} of {harm}, which {first.rater} reads,"
            yield harm, _brief(what, told(a), told(b))
        else:
            field = Field("briefs", f"what {first.rater} read of {harm}", "forbids", "rubric")
            yield harm, Difference(field=field, first=told(a), second=told(b), known=False)


def _brief(what: str, first: str, second: str) -> Difference:
    field = Field("briefs", what, BRIEF.effect, BRIEF.vary)
    return Difference(field=field, first=told(first), second=told(second), known=True)


def _parts(harm: str, first: InstrumentCard, second: InstrumentCard, harms: tuple[Harms, Harms]) -> list[str]:
    if harm not in harms[0] or harm not in harms[1]:
        return []
    language = first.language or second.language or None
    shows = {*(first.shows or ()), *(second.shows or ())}
    kind = first.kind or second.kind or "person"
    return changed_parts(harms[0][harm], harms[1][harm], kind=kind, shows=shows, language=language)


def _forbidding(a: InstrumentCard, b: InstrumentCard) -> list[Difference]:
    return [one for one in instrument_differences(a, b) if one.known and one.field.effect == "forbids"]


def _paired(
    mine: Sequence[PanelKey], theirs: Sequence[PanelKey], first: Judges, second: Judges
) -> Iterator[tuple[PanelKey, PanelKey]]:
    """The same judges, each once; of several the ones whose briefs agree."""
    close = [
        (_unlike(first[key], second[one]), key, one)
        for key in mine
        for one in theirs
        if not _forbidding(first[key], second[one])
    ]
    taken: set[PanelKey] = set()
    for _, key, one in sorted(close, key=lambda found: found[0]):
        if key not in taken and one not in taken:
            taken |= {key, one}
            yield key, one


def _unlike(a: InstrumentCard, b: InstrumentCard) -> tuple[int, int]:
    return len(list(brief_differences(a, b, ({}, {})))), len(list(instrument_differences(a, b)))


def _unpaired(
    left: Sequence[PanelKey],
    right: Sequence[PanelKey],
    first: Judges,
    second: Judges,
    names: tuple[str, str],
) -> Iterator[str]:
    """A sentence on each judge without a counterpart: with the nearest one, while there is one, and what differs."""
    free = list(right)
    for key in left:
        mine = first[key]
        if not free:
            yield f"{mine.name}, judged {names[0]} only"
            continue
        nearest = min(free, key=lambda one: len(_forbidding(mine, second[one])))
        free.remove(nearest)
        fields = [
            f"its {one.field.label} differs ({one.first} / {one.second})"
            for one in _forbidding(mine, second[nearest])
        ]
        yield f"{mine.rater} of {names[0]} and of {names[1]} is not the same judge: {', '.join(fields)}"
    for key in free:
        yield f"{second[key].name}, judged {names[1]} only"


def _nobody(
    first: Judges, second: Judges, names: tuple[str, str], judge: str | None, alone: Sequence[str]
) -> str:
    if alone:
        return "no judge judged both in the same way: " + "; ".join(alone)
    if judge is not None and (first or second):
        raters = sorted({key.rater for key in (*first, *second)})
        return f"{judge!r} judged neither {names[0]} nor {names[1]}; judged by {', '.join(raters)}"
    return f"nobody judged {names[0]} or {names[1]}"
