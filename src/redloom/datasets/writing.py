"""Cases as JSONL and CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
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


def write_csv(rows: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    """One line a case, its turns as a JSON list; cells that a spreadsheet would run begin with an apostrophe."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        provenance = row.get("provenance", {})
        values = {**row, **provenance, "turns": json.dumps(row.get("script", []), ensure_ascii=False)}
        writer.writerow([neutral(str(values.get(name) or "")) for name in CSV_COLUMNS])


def neutral(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_FORMULA) else text
