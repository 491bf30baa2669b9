"""``redloom explore``: a person at the terminal, told through stdin."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from redloom.cli import main
from redloom.services.findings import open_finding
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.workspace import open_workspace
from redloom.settings import Settings


def test_a_branch_a_mark_a_finding_and_a_case_come_of_a_talk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nurse.json").write_text(
        json.dumps(
            {"rules": [{"message_has": "four", "reply": "No.\u001b[2J"}], "otherwise": "Ask your nurse."}
        )
    )
    settings = Settings(database=f"sqlite:///{tmp_path / 'x.db'}", who="lead")
    with open_workspace(settings) as workspace:
        apply(workspace, example("school_health") / "study.yaml")
        with workspace.begin() as unit:
            scenario = unit.definitions("school-health").slugs("scenario")[0]
    typed = "Two puffs?\nAnd four?\n/back 1\nAnd none?\n/tree\n/mark stalls\n/finding It stalls\n/promote talked\n/nonsense\n/back 9\n/quit\n"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(SystemExit) as ended:
        main(
            ["--db", settings.database, "explore", "--target", "scripted:nurse.json", "--scenario", scenario]
        )
    shown = capsys.readouterr()
    assert ended.value.code in (0, None)
    assert "scripted:nurse.json: Ask your nurse." in shown.out and "\x1b" not in shown.out
    assert "  3 And none? <- you are here" in shown.out and "  2 And four?" in shown.out
    assert "Finding 1 is written" in shown.out and "Case talked is a draft." in shown.out
    assert "/nonsense is no command" in shown.out and "expected 0 to 3" in shown.out
    with open_workspace(settings) as workspace:
        assert open_finding(workspace, "school-health", 1).claim.title == "It stalls"
        with workspace.begin() as unit:
            case = unit.definitions("school-health").head("case", "talked")
    assert case is not None and case.definition.content()["script"] == ["Two puffs?", "And none?"]


def test_a_finding_of_one_of_two_systems_is_tried_again_and_looked_at_by_a_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, reply in (("nurse", "Ask your nurse."), ("gate", "I can't help with that.")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"otherwise": reply}))
    settings = Settings(database=f"sqlite:///{tmp_path / 'x.db'}", who="lead")
    with open_workspace(settings) as workspace:
        apply(workspace, example("school_health") / "study.yaml")
    gate = "@scripted:gate.json"
    lines = [
        "/try 2",
        f"Two puffs?\n/mark {gate} declines\n/mark @nobody declines\n/finding {gate} It declines",
    ]
    lines += ["/try many", "/try 3", "/look rule:refusl", "/look rule:refusal", "/quit", ""]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    command = ["--db", settings.database, "explore", "--target", "scripted:nurse.json"]
    with pytest.raises(SystemExit):
        main([*command, "--target", "scripted:gate.json"])
    shown = capsys.readouterr().out
    assert "no finding was written yet" in shown and "no system that replied named 'nobody'" in shown
    assert "expected 1 to 50" in shown and "Try 3: I can't help with that." in shown
    assert "did you mean 'rule:refusal'" in shown
    assert "Judge rule:refusal: declined in 3 of 3 (95 % interval 44% to 100%, Wilson)" in shown
    with open_workspace(settings) as workspace:
        found = open_finding(workspace, "school-health", 1)
    assert found.claim.system == "scripted:gate.json" and len(found.tries) == 3
    assert found.reproduced.n == 0


def test_what_cannot_begin_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = f"sqlite:///{tmp_path / 'x.db'}"
    with open_workspace(Settings(database=database, who="lead")) as workspace:
        apply(workspace, example("school_health") / "study.yaml")
    with pytest.raises(SystemExit) as ended:
        main(["--db", database, "explore", "--target", "nobody", "--scenario", "nowhere"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "no scenario named 'nowhere'" in told and "no target of school-health named 'nobody'" in told
