"""What a gate found, for people who read a pull request and for machines that read JUnit."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from typing import Protocol

from redloom.report.compared import cell


class Check(Protocol):
    """One condition and whether it holds."""

    @property
    def kind(self) -> str:
        """What kind of condition."""
        ...

    @property
    def name(self) -> str:
        """Of which harm or case."""
        ...

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        ...

    @property
    def message(self) -> str:
        """One line."""
        ...


TITLES = {
    "bound": "upper bound",
    "must_never": "must never",
    "missing": "missing",
    "unpaired": "without a partner",
    "baseline": "against baseline",
    "protocol": "the protocol",
}
CHANGED_SHOWN = 10


def summary_lines(
    title: str,
    checks: Sequence[Check],
    changed: Sequence[str],
    differs: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Iterator[str]:
    """Markdown short enough for a pull request; no word of any conversation."""
    failed = sum(not check.passed for check in checks)
    verdict = "passed" if not failed else f"failed: {failed} of {len(checks)} conditions do not hold"
    yield f"### Redloom gate {verdict}"
    yield ""
    yield title
    yield ""
    yield "| | condition | found |"
    yield "| --- | --- | --- |"
    for check in sorted(checks, key=lambda one: one.passed):
        mark = "ok" if check.passed else "**fails**"
        yield f"| {mark} | {TITLES[check.kind]} | {cell(check.message)} |"
    if changed:
        more = f" and {len(changed) - CHANGED_SHOWN} more" if len(changed) > CHANGED_SHOWN else ""
        yield ""
        yield f"Share higher than in the baseline: {', '.join(map(cell, changed[:CHANGED_SHOWN]))}{more}."
    if differs:
        yield ""
        yield f"Not as it was for the baseline: {cell('; '.join(differs))}."
    for note in notes:
        yield ""
        yield cell(note)
    yield ""
    yield "Observed frequencies under the stated conditions, not deployment probabilities."


def junit(name: str, checks: Sequence[Check]) -> str:
    """One test case a condition."""
    failed = sum(not check.passed for check in checks)
    counts = {"tests": str(len(checks)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": _xml(name), **counts})
    for check in checks:
        case = ET.SubElement(
            suite,
            "testcase",
            {"classname": "redloom.gate." + check.kind, "name": _xml(f"{check.kind}: {check.name}")},
        )
        if check.passed:
            ET.SubElement(case, "system-out").text = _xml(check.message)
        else:
            failure = ET.SubElement(case, "failure", {"message": _xml(check.message), "type": check.kind})
            failure.text = _xml(check.message)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Without characters that no XML document may hold."""
    return "".join(c if c in "\t\n\r" or c.isprintable() else "�" for c in text)
