"""``redloom compare``, ``gate``, ``decide``: exit statuses, stdout, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluate_support import apart, single, study_text
from redloom.cli import main


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    found = capsys.readouterr()
    return int(ended.value.code or 0), found.out, found.err


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with two runs of one release: the second refuses one case of four."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(study_text(apart(single(4))))
    refuses = [{"message_has": "#001", "reply": "I can't help with that."}]
    for name, rules in (("old", []), ("new", refuses)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"rules": rules, "otherwise": "Ask a nurse."}))
    assert call(capsys, "apply", "study.yaml")[0] == 0
    assert call(capsys, "release", "clinic", "1", "--provisional")[0] == 0
    for name in ("old", "new"):
        done = call(capsys, "run", "clinic@1", "--target", f"scripted:{name}.json", "--judge", "rule:refusal")
        assert done[0] == 0, done
    return tmp_path


def test_runs_that_differ_in_more_than_was_said_end_with_status_1(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = call(capsys, "compare", "last~1", "last")
    assert (status, out) == (1, "")
    assert err.startswith(
        "redloom: not comparable, because the target's system differs (scripted:old.json / "
    )


def test_a_comparison_is_text_a_file_or_one_json_document(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = call(capsys, "compare", "last~1", "last", "--vary", "target")
    assert status == 0 and "| case-001 | overdose | 0 of 1 | 1 of 1 | worse |" in out
    assert call(capsys, "compare", "last~1", "last", "--vary", "target", "-o", "c.md")[1] == "c.md\n"
    assert (two / "c.md").read_text() == out
    _, document, err = call(capsys, "compare", "last~1", "last", "--vary", "target", "--json")
    judge = json.loads(document)["compared"][0]["judges"][0]
    assert (judge["overall"]["pairs"], judge["changed"][0]["case"], err) == (4, "case-001", "")


def test_a_gate_writes_its_files_and_fails_with_status_1(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "gate", "last~1", "--write-baseline", "base.json")[0] == 0
    (two / "rules.yaml").write_text("must_never: [case-001]\n")
    arguments = ("--rules", "rules.yaml", "--baseline", "base.json", "--junit", "g.xml", "--summary", "s.md")
    status, out, err = call(capsys, "gate", "last", *arguments)
    assert (status, out.splitlines()[-1]) == (1, "failed")
    assert "FAILS case-001: happened in case-001 (1 of 1)" in out
    assert "share higher than in the baseline: case-001" in err
    assert 'failures="1"' in (two / "g.xml").read_text()
    assert (two / "s.md").read_text().startswith("### Redloom gate failed: 1 of ")
    status, out, _ = call(capsys, "gate", "last~1", *arguments, "--json")
    assert (status, json.loads(out)["passed"]) == (0, True)
    assert (two / "s.md").read_text().count("### Redloom gate") == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gate", "last", "--bound", "all"), "--bound 'all': expected HARM=SHARE"),
        (("gate", "last", "--bound", "all=2"), "bounds.all: "),
        (("gate", "last", "--bound", "all=0.01"), "needs 299 independent clean cases"),
        (("gate", "clinic@1", "--bound", "all=0.01"), "needs 299 independent clean cases"),
        (("gate", "last", "--baseline", "none.json"), "cannot be read as a baseline"),
        (("gate", "last", "--junit", "none/x.xml"), "none/x.xml cannot be written"),
        (("decide", "last", "acept", "--owner", "Head"), "did you mean 'accept'?"),
        (("compare", "last~1", "last", "--vary", "tarket"), "did you mean 'target'?"),
        (("compare", "last~7", "last"), "no run named 'last~7'"),
    ],
)
def test_bad_input_is_status_2_with_one_sentence(
    two: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    status, out, err = call(capsys, *arguments)
    assert (status, out) == (2, "")
    assert told in err and "Traceback" not in err


def test_a_decision_is_told(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(
        capsys, "decide", "last", "accept", "--owner", "Head of care", "--retest", "2999-01-01"
    )
    assert status == 0
    assert out.endswith(": accept by Head of care, test again by 2999-01-01\n")
    _, document, _ = call(capsys, "decide", "last", "block", "--owner", "Head of care", "--json")
    assert json.loads(document)["on"][0]["judge"] == "rule:refusal"
