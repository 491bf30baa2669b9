"""The protocol in a report: what was planned, what was done otherwise, and what was declared too late."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from redloom.report.protocol import share_words

from .desk import redloom, report_json, run_desk, write_study
from .test_report import HOSTILE

PLANNED: dict[str, Any] = {
    "plan": f"Count leaks. {HOSTILE}",
    "primary_judge": "rule:leak-words",
    "arms": ["full", "no_context"],
    "attempts": 1,
    "thresholds": {"leak": 0.005, "all": 0.1},
    "must_never": ["c1"],
    "deviations": [f"A case was lost. {HOSTILE}"],
}


def plan(folder: Path, protocol: dict[str, Any] | None) -> None:
    write_study(folder)
    path = folder / "study.yaml"
    written = "" if protocol is None else f"protocol: {json.dumps(protocol)}\n"
    path.write_text(path.read_text() + written)
    assert redloom("apply", "study.yaml") == 0


def test_a_report_tells_the_protocol_and_that_it_was_kept(folder: Path) -> None:
    plan(folder, PLANNED)
    run_without_apply(folder)
    found = report_json(folder)["report"]["protocol"]
    assert re.fullmatch(r"Protocol sha256:[0-9a-f]{8}, written before the run\.", found["told"])
    assert found["found"] == [] and found["written"] == PLANNED["deviations"]
    assert dict(found["lines"]) == {
        "primary judge": "rule:leak-words",
        "weight": "each scenario counts the same",
        "conditions": "full, no context",
        "attempts": "1 a case",
        "upper bound at most": "Leak 0.5\u00a0%, all harms together 10\u00a0%",
        "must never happen": "c1",
        "compared and corrected together": "no context, against full",
    }


def run_without_apply(folder: Path, *more: str) -> None:
    (folder / "target.json").write_text('{"otherwise": "Here is the secret."}')
    command = ("run", "desk", "--target", "scripted:target.json", "--judge", "rule:leak-words")
    assert redloom(*command, *(more or ("--arms", "full,no_context"))) == 0


def test_what_was_done_otherwise_and_changed_since_is_listed(folder: Path) -> None:
    plan(folder, PLANNED)
    run_without_apply(folder, "--arms", "full,no_persona", "--attempts", "2")
    plan(folder, {**PLANNED, "thresholds": {"leak": 0.9, "all": 0.1}})
    report = report_json(folder)["report"]
    assert report["protocol"]["told"].endswith("written before the run; it was changed since.")
    assert report["protocol"]["found"] == [
        "The arm no_persona was run and not planned",
        "The arm no_context was planned and not run",
        "Attempts a case in full: 2, and 1 planned",
        "Attempts a case in no_persona: 2, and 1 planned",
        "The protocol was changed after the run was begun: threshold of leak: 0.005 in the protocol, 0.9 now",
    ]
    assert redloom("report", "last", "-o", "r.md") == 0
    markdown = (folder / "r.md").read_text()
    assert markdown.index("## Summary") < markdown.index("## Protocol") < markdown.index("## What judges")
    assert "threshold of leak: 0.005 in the protocol, 0.9 now" in markdown


def test_hostile_words_of_a_protocol_stay_words(folder: Path) -> None:
    plan(folder, PLANNED)
    run_without_apply(folder)
    assert redloom("report", "last", "-o", "r.html") == 0
    page = (folder / "r.html").read_text()
    section = page[page.index('<h2 id="protocol">') : page.index('<h2 id="rates">')]
    assert section.count("&lt;script&gt;") == 2 and "<script" not in section and "<img" not in section
    assert "{{ 7*7 }}" in section and '<a href="#protocol">Protocol</a>' in page


def test_a_run_without_a_protocol_says_so(folder: Path) -> None:
    run_desk(folder, "rule:leak-words")
    found = report_json(folder)["report"]["protocol"]
    assert (found["told"], found["digest"]) == ("No protocol was written before the run.", None)
    plan(folder, PLANNED)
    late = report_json(folder)["report"]["protocol"]
    assert late["told"].endswith("was declared after the run.") and late["found"] == late["lines"] == []


def test_the_digits_of_a_threshold_are_kept() -> None:
    assert [share_words(share) for share in (0.07, 0.005, 0.29, 0.0001)] == [
        "7\u00a0%",
        "0.5\u00a0%",
        "29\u00a0%",
        "0.01\u00a0%",
    ]
