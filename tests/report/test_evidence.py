"""What happened outside stands in every form of the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .desk import redloom, write_script, write_study

EVIDENCE = """
evidence:
  letter: {type: complaint, title: A | letter, text: "The desk told *everybody*.", date: "2026-01-02", source: the owner}
"""


def test_evidence_stands_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 1)
    write_script(tmp_path)
    study = tmp_path / "study.yaml"
    study.write_text(
        study.read_text().replace("title: Scenario 0,", "title: Scenario 0, evidence: [letter],") + EVIDENCE
    )
    assert redloom("apply", "study.yaml") == 0
    assert redloom("run", "desk", "--target", "scripted:target.json") == 0
    for suffix in ("json", "html", "md"):
        assert redloom("report", "last", "-o", f"r.{suffix}") == 0
    (found,) = json.loads(Path("r.json").read_text())["report"]["evidence"]
    assert (found["title"], found["date"]) == ("A | letter", "2026-01-02")
    assert "The desk told *everybody*." in Path("r.html").read_text()
    document = Path("r.md").read_text()
    assert "## Evidence" in document
    assert r"- **A \| letter** (complaint, 2026-01-02, the owner): The desk told \*everybody\*." in document
