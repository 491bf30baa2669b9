"""Evidence from a table; every problem with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from redloom.domain.evidence import Evidence
from redloom.domain.value import read_value
from redloom.errors import InputError, Issue, nearest, unknown
from redloom.ids import is_slug, slugify

COLUMNS = ("title", "type", "date", "source", "text", "harms", "scenarios")
NEEDED = ("title", "type", "source", "text")
MAX_PROBLEMS = 200
MAX_FIELD = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A piece of evidence, and the line it begins on."""

    line: int
    slug: str
    evidence: Evidence


def read_evidence(text: str, known: Mapping[str, frozenset[str]]) -> list[EvidenceRow]:
    """Every row of a CSV text, whose columns a comma, semicolon or tab separates; a column ``slug`` may be there too.

    ``known`` are the slugs of ``harm`` and ``scenario`` that rows may name, separated by ``;`` or ``/``. Raises
    InputError with every problem up to ``MAX_PROBLEMS``.
    """
    if "\ufffd" in text or "\0" in text:
        raise InputError("the table is not text in UTF-8; save it as such and bring it in again")
    rows = list(_rows(text))
    issues: list[Issue] = []
    found: list[EvidenceRow] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        try:
            slug, evidence = _evidence(cells, known)
        except InputError as error:
            issues += [Issue(one.message, path=one.path, line=line) for one in error.issues]
            continue
        if slug in seen:
            told = f"{slug!r} stands on line {seen[slug]} already; give another title, or a column slug"
            issues.append(Issue(told, line=line))
        seen.setdefault(slug, line)
        found.append(EvidenceRow(line, slug, evidence))
    if issues:
        raise InputError(issues[:MAX_PROBLEMS])
    if not rows:
        raise InputError("the table has no rows under its header")
    return found


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line it begins on, cells by column); raises InputError for a header or a form that cannot be read."""
    lines = text.lstrip("\ufeff")
    header = lines.split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=lambda one: len(set(COLUMNS) & set(_names(header.split(one)))))
    before = csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(io.StringIO(lines, newline=""), strict=True, delimiter=separator)
    try:
        names = _names(next(reader, list[str]()))
        _check_header(names)
        line = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                if len(row) > len(names):
                    raise InputError(Issue(f"has {len(row)} cells for {len(names)} columns", line=line))
                yield line, {name: cell.strip() for name, cell in zip(names, row, strict=False)}
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(Issue(f"cannot be read as CSV: {error}", line=reader.line_num)) from error
    finally:
        csv.field_size_limit(before)


def _names(cells: list[str]) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in cells]


def _check_header(names: list[str]) -> None:
    issues = [
        Issue(f"there is no column {name!r}; expected {', '.join(COLUMNS)}", line=1)
        for name in NEEDED
        if name not in names
    ]
    for name in names:
        if name not in (*COLUMNS, "slug"):
            close = nearest(name, COLUMNS)
            meant = f"did you mean {close!r}?" if close else f"expected {', '.join(COLUMNS)}"
            issues.append(Issue(f"no column is called {name!r}; {meant}", line=1))
    issues += [
        Issue(f"column {name!r} stands there twice", line=1) for name in set(names) if names.count(name) > 1
    ]
    if issues:
        raise InputError(issues)


def _evidence(cells: Mapping[str, str], known: Mapping[str, frozenset[str]]) -> tuple[str, Evidence]:
    content: dict[str, Any] = {name: cells[name] for name in COLUMNS[:5] if cells.get(name)}
    issues: list[Issue] = []
    for name in ("harms", "scenarios"):
        named = [one.strip() for one in cells.get(name, "").replace("/", ";").split(";") if one.strip()]
        kind = name[:-1]
        issues += [
            Issue(unknown(kind, one, known[kind]), path=name) for one in named if one not in known[kind]
        ]
        if named:
            content[name] = named
    slug = cells.get("slug", "") or slugify(cells.get("title", ""))
    if cells.get("title") and not is_slug(slug):
        issues.append(Issue(f"{slug!r} is no short name: letters, digits, '-', '_' and '.'", path="slug"))
    try:
        evidence = read_value(Evidence, content)
    except InputError as error:
        raise InputError([*error.issues, *issues]) from error
    if issues:
        raise InputError(issues)
    return slug, evidence
