"""Cases as JSONL and CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

CSV_COLUMNS = (
    "slug",
    "status",
    "split",
    "scenario",
    "cluster",
    "harm",
    "language",
    "opening",
    "turns",
    "origin",
    "source",
    "licence",
    "stimulus",
    "provisional",
    "canary",
)
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""Characters that JSON leaves as they are and that many readers take for the end of a line."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_jsonl(rows: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    """One JSON object a line."""
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS) + "\n")


def write_csv(rows: Iterable[Mapping[str, Any]], file: TextIO, *, tags: Sequence[str] = ()) -> None:
    """One line a case, its turns as a JSON list, each of ``tags`` in a column ``tag:NAME``.

    Cells that a spreadsheet would run begin with an apostrophe, see :func:`neutral`.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *(f"tag:{name}" for name in tags)])
    for row in rows:
        provenance = row.get("provenance", {})
        values = {**row, **provenance, "turns": json.dumps(row.get("script", []), ensure_ascii=False)}
        tagged: Mapping[str, str] = row.get("tags", {})
        cells = [values.get(name) for name in CSV_COLUMNS] + [tagged.get(name) for name in tags]
        writer.writerow([neutral(str(cell or "")) for cell in cells])


def tag_names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of all tags of the cases, sorted."""
    return sorted({name for row in rows for name in row.get("tags", {})})


def neutral(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, with an apostrophe before it where need be."""
    return "'" + text if text.lstrip("'").startswith(_FORMULA) else text


def plain(cell: str) -> str:
    """The text that :func:`neutral` made a cell of."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
