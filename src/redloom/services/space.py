"""The declared space as a map: any two of its parts against each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from redloom.domain.scenario import DIMENSIONS
from redloom.domain.study import Study, space
from redloom.domain.value import in_language
from redloom.errors import InputError, unknown
from redloom.services.remembering import remembered, study_of
from redloom.services.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of two parts."""

    scenarios: tuple[tuple[str, str], ...]
    """(slug, title) of those that have it."""
    cases: int
    """Those that a list with both as its filters holds."""
    forbidden: str
    """Why it cannot occur; empty where it can."""
    parts: tuple[tuple[str, str], ...]
    """(dimension, value) of both, for a new scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Two parts of the declared space against each other."""

    study: str
    rows: str
    columns: str
    row_values: tuple[tuple[str, str], ...]
    """(value, title)."""
    column_values: tuple[tuple[str, str], ...]
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def holes(self) -> int:
        """Combinations that can occur and that no scenario has."""
        return sum(not cell.scenarios and not cell.forbidden for row in self.cells for cell in row)

    @property
    def most(self) -> int:
        """The largest number of scenarios in a cell."""
        return max((len(cell.scenarios) for row in self.cells for cell in row), default=0)


def draw(workspace: Workspace, study: str, *, rows: str, columns: str) -> Map:
    """The map of two parts; raises InputError for a part there is not, or twice the same."""
    for name in (rows, columns):
        if name not in DIMENSIONS:
            raise InputError(unknown("part of a scenario", name, DIMENSIONS))
    if rows == columns:
        raise InputError(f"rows and columns are both {rows.replace('_', ' ')}; choose two different parts")
    with workspace.begin() as unit:
        now = study_of(workspace, unit, study)
        lines = unit.definitions(study).lines
        of = ("scenario", "harm", "language")
        tally = remembered(workspace, unit, study, "by scenario", lambda: lines.tally(*of))
    down, across = _values(now, rows), _values(now, columns)
    language = now.head.languages[0]
    by_cell: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for slug, scenario in now.scenarios.items():
        parts = scenario.parts()
        title = in_language(scenario.title, language)
        by_cell.setdefault((parts[rows], parts[columns]), []).append((slug, title))
    cases: Counter[tuple[str | None, str | None]] = Counter()
    for (slug, harm, spoken), many in tally.items():  # a case may say its own harm and language
        scenario = now.scenarios.get(slug or "")
        parts = {**(scenario.parts() if scenario else {}), "harm": harm, "language": spoken}
        cases[parts.get(rows), parts.get(columns)] += many
    return Map(
        study=study,
        rows=rows,
        columns=columns,
        row_values=down,
        column_values=across,
        cells=tuple(
            tuple(
                Cell(
                    scenarios=tuple(by_cell.get((a, b), ())),
                    cases=cases[a, b],
                    forbidden=next(
                        (c.reason for c in now.head.constraints if c.forbids({rows: a, columns: b})), ""
                    ),
                    parts=((rows, a), (columns, b)),
                )
                for b, _ in across
            )
            for a, _ in down
        ),
    )


def _values(study: Study, dimension: str) -> tuple[tuple[str, str], ...]:
    language = study.head.languages[0]
    if dimension == "language":
        return tuple((code, code) for code in study.head.languages)
    members = study.collection(dimension)
    return tuple(
        (slug, in_language(getattr(members[slug], "title", None), language) or slug)
        for slug in space(study)[dimension]
    )
