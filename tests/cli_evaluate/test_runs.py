"""``redloom run``, ``resume``, ``runs``, ``cancel``, ``judge``, ``target``: exit statuses, stdout and stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import (
    Answer,
    Received,
    chatting,
    rows,
    script,
    serving,
    several,
    single,
    study_text,
    unused_port,
)
from redloom.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Redloom = Callable[..., Done]


@pytest.fixture
def redloom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Redloom:
    """A command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("REDLOOM_DB", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        found = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, found.out, found.err)

    return run


def declare(redloom: Redloom, folder: Path, cases: Any, **more: Any) -> None:
    (folder / "study.yaml").write_text(study_text(cases, **more), encoding="utf-8")
    done = redloom("apply", "study.yaml")
    assert done.status == 0, done.err


def test_a_run_tells_its_end_on_stdout_and_its_progress_on_stderr(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(3))
    done = redloom("run", "clinic", "--target", script(tmp_path), "--judge", "rule:refusal")
    ((name,),) = rows(tmp_path, "select name from run")
    assert done.status == 0
    assert done.out == f"run {name}: completed; 3 completed; 3 requests\n"
    assert f"run {name}" in done.err and "3/3" in done.err


def test_json_is_one_document_and_nothing_else_on_stdout(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(3))
    target = script(tmp_path)
    done = redloom(
        "run",
        "clinic",
        "--target",
        target,
        "--arms",
        "full,no_context",
        "--attempts",
        "full=2,no_context=1",
        "--json",
    )
    assert done.status == 0
    found = done.json
    assert (found["state"], found["total"], found["states"]) == ("completed", 9, {"completed": 9})
    assert redloom("resume", "last", "--json").json["run"] == found["run"]
    (listed,) = redloom("runs", "--json").json
    assert (listed["run"], listed["study"]) == (found["run"], "clinic")
    (judged,) = redloom("judge", "last", "--with", "rule:words", "--json").json
    assert judged["states"] == {"ok": 9}
    assert (
        redloom("run", "clinic", "--target", target, "--dry-run", "--json").json["estimate"]["requests"] == 3
    )


def test_a_budget_is_exit_status_3_and_the_message_names_the_command(
    redloom: Redloom, tmp_path: Path
) -> None:
    declare(redloom, tmp_path, single(5))
    target = script(tmp_path)
    done = redloom("run", "clinic", "--target", target, "--max-requests", "2", "--concurrency", "1")
    ((name,),) = rows(tmp_path, "select name from run")
    assert done.status == 3
    assert f"run {name}: stopped; 2 completed" in done.out
    assert "redloom: the budget of 2 requests is spent; 2 of 5 attempts are done." in done.err
    assert f"Go on with: redloom resume {name} --max-" in done.err
    assert redloom("resume", name, "--max-requests", "3", "--concurrency", "1").status == 3
    again = redloom("resume", name, "--max-requests", "50")
    assert (again.status, f"run {name}: completed; 5 completed; 5 requests" in again.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("run", "clinc", "--target", "scripted:script.json"),
            "no study named 'clinc'; did you mean 'clinic'?",
        ),
        (("run", "clinic@2.0", "--target", "scripted:script.json"), "no release of clinic named '2.0'"),
        (("run", "clinic", "--target", "scripted:none.json"), "none.json: cannot be read"),
        (("run", "clinic", "--target", "scriptd:script.json"), "did you mean 'scripted'?"),
        (("run", "clinic", "--target", "nothing"), "a target is one of the study's, or kind:rest"),
        (
            ("run", "clinic", "--target", "scripted:script.json", "--arms", "ful"),
            "no arm named 'ful'; did you mean 'full'?",
        ),
        (
            ("run", "clinic", "--target", "scripted:script.json", "--attempts", "x"),
            "--attempts 'x': expected a number",
        ),
        (("run", "clinic", "--target", "scripted:script.json", "--attempts", "0"), "expected at least 1"),
        (
            ("run", "clinic", "--target", "scripted:script.json", "--attempts", "no_context=2"),
            "not among full",
        ),
        (("run", "clinic", "--target", "scripted:script.json", "--max-cost", "1"), "--max-cost needs prices"),
        (
            ("run", "clinic", "--target", "scripted:script.json", "--judge", "rule:wrds"),
            "did you mean 'rule:words'?",
        ),
        (("run", "clinic", "--target", "openai:gpt-4o-mini"), "OPENAI_API_KEY"),
        (("resume", "zzz"), "no run named 'zzz'"),
        (("resume", "last", "--retry", "errors"), "did you mean 'error'?"),
        (("cancel", "zzz"), "no run named 'zzz'"),
        (("judge", "zzz", "--with", "rule:refusal"), "no run named 'zzz'"),
        (("rate", "zzz", "--as", "nurse"), "no run named 'zzz'"),
        (("rate", "zzz", "--as", "nurse", "--unit", "turn"), "no unit named 'turn'"),
        (("target", "check", "http:desk"), "no 'http' template"),
        (("target", "add", "x", "opnai:gpt"), "did you mean 'openai'?"),
    ],
)
def test_bad_input_is_exit_status_2_with_one_readable_message(
    redloom: Redloom, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    declare(redloom, tmp_path, single(1))
    script(tmp_path)
    done = redloom(*arguments)
    assert done.status == 2
    assert done.out == "" or arguments[0] == "rate"
    last = done.err.splitlines()[-1]
    assert told in last and last.startswith("redloom: ")
    assert "Traceback" not in done.err
    assert rows(tmp_path, "select count(*) from run") == [(0,)]


def test_attempts_that_only_look_like_a_number_are_bad_input(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(1))
    assert redloom("run", "clinic", "--target", script(tmp_path), "--attempts", "²").status == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "clinic"),
        ("run", "clinic", "--target", "x", "--concurrency", "0"),
        ("run", "clinic", "--target", "x", "--seed", "-1"),
        ("rate", "last"),
        ("judge", "last"),
        ("resum", "last"),
    ],
)
def test_wrong_usage_is_exit_status_2(redloom: Redloom, arguments: tuple[str, ...]) -> None:
    done = redloom(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "Usage: redloom" in done.err


def test_an_arm_that_the_target_cannot_realise_is_refused(redloom: Redloom, tmp_path: Path) -> None:
    deaf = {"system": script(tmp_path), "delivery": {"persona": {"how": "test_account"}}}
    declare(redloom, tmp_path, single(1), targets={"deaf": deaf})
    done = redloom("run", "clinic", "--target", "deaf", "--arms", "full,no_persona")
    assert done.status == 2
    assert (
        "arm 'no_persona' cannot be realised on 'deaf': the persona reaches this target by 'test_account'"
        in done.err
    )
    assert rows(tmp_path, "select count(*) from release") == [(0,)]


def test_a_dry_run_tells_size_and_cost_and_sends_nothing(redloom: Redloom, tmp_path: Path) -> None:
    with serving(chatting(lambda _: "Hi")) as server:
        mock = {
            "system": "openai:mock",
            "base_url": server.url + "/v1",
            "prices": {"input": 1.0, "output": 2.0},
            "decoding": {"max_tokens": 1000},
        }
        declare(redloom, tmp_path, several(4), targets={"mock": mock})
        done = redloom("run", "clinic", "--target", "mock", "--arms", "full,no_history", "--dry-run")
        assert server.received == []
    assert done.status == 0
    assert "4 cases, 8 attempts, 16 requests" in done.out
    assert "16000 out; about 0.0" in done.out
    assert rows(tmp_path, "select count(*) from run") == [(0,)]


def test_errors_are_told_and_a_retry_mends_them(redloom: Redloom, tmp_path: Path) -> None:
    well = False

    def answer(received: Received) -> Answer | str:
        return (
            "Hi"
            if well or "#001" not in received.said
            else Answer(status=400, body={"error": {"message": "no"}})
        )

    with serving(chatting(answer)) as server:
        mock = {"system": "openai:mock", "base_url": server.url + "/v1"}
        declare(redloom, tmp_path, single(3), targets={"mock": mock})
        done = redloom("run", "clinic", "--target", "mock")
        assert (done.status, "2 completed, 1 error; 3 requests" in done.out) == (0, True), done
        assert "1 failed: " in done.err and "answered 400: no" in done.err
        assert "--retry error,blocked" in done.err
        well = True
        assert "2 completed, 1 error" in redloom("resume", "last").out
        again = redloom("resume", "last", "--retry", "error")
    assert (again.status, "3 completed; 4 requests" in again.out) == (0, True)


def test_a_run_in_which_nothing_was_held_is_exit_status_1_and_says_why(
    redloom: Redloom, tmp_path: Path
) -> None:
    declare(redloom, tmp_path, single(3))
    (tmp_path / "ours.py").write_text(
        "def answer(messages, system):\n    raise ValueError('no model loaded')\n"
    )
    done = redloom("run", "clinic", "--target", "python:ours:answer")
    assert (done.status, "completed; 3 error; 3 requests" in done.out) == (1, True), done
    assert "3 failed: ours:answer raised ValueError: no model loaded" in done.err


def test_a_judge_whose_budget_is_spent_is_exit_status_3_and_claims_nothing_is_left_only_if_so(
    redloom: Redloom, tmp_path: Path
) -> None:
    declare(redloom, tmp_path, single(3))
    target = script(tmp_path)
    assert redloom("run", "clinic", "--target", target).status == 0
    (tmp_path / "mild.json").write_text(json.dumps({"rules": [], "otherwise": '{"dose": "no"}'}))
    judge = "scripted:mild.json"
    few = redloom("judge", "last", "--with", judge, "--max-requests", "0", "--headline-only")
    assert (few.status, few.out) == (3, f"{judge}: nothing\n"), few
    assert "the budget of 0 requests is spent" in few.err
    assert redloom("judge", "last", "--with", judge, "--headline-only").out == f"{judge}: 3 ok\n"
    again = redloom("judge", "last", "--with", judge, "--headline-only")
    assert (again.status, again.out) == (0, f"{judge}: nothing left to judge\n")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("local:smollm2", "4 requests at once; how long"),
        ("scripted:script.json", "at 64 requests at once and one second a reply, about 0 s"),
    ],
)
def test_a_dry_run_tells_the_time_for_as_many_at_once_as_the_target_takes(
    redloom: Redloom, tmp_path: Path, target: str, told: str
) -> None:
    declare(redloom, tmp_path, single(3))
    script(tmp_path)
    assert told in redloom("run", "clinic", "--target", target, "--dry-run").out
    some = redloom("run", "clinic", "--target", "scripted:script.json", "--dry-run", "--concurrency", "2")
    assert "at 2 requests at once and one second a reply, about 2 s" in some.out


def test_a_revoked_key_is_exit_status_3_and_a_missing_one_2(
    redloom: Redloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked = Answer(status=401, body={"error": {"message": "key sk-hidden revoked"}})
    with serving(chatting(lambda _: revoked)) as server:
        mock = {"system": "openai:mock", "base_url": server.url + "/v1", "key_env": "WARD_KEY"}
        declare(redloom, tmp_path, single(3), targets={"mock": mock})
        missing = redloom("run", "clinic", "--target", "mock")
        assert missing.status == 2 and "environment variable WARD_KEY" in missing.err
        monkeypatch.setenv("WARD_KEY", "sk-hidden")
        done = redloom("run", "clinic", "--target", "mock")
    assert done.status == 3
    assert "key *** revoked; 0 of 3 attempts are done. Go on with: redloom resume" in done.err
    assert "sk-hidden" not in done.err + done.out


def test_a_cancelled_run_says_so(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(3))
    redloom("run", "clinic", "--target", script(tmp_path), "--max-requests", "1", "--concurrency", "1")
    done = redloom("cancel", "last")
    assert (done.status, "cancelled with 1 of 3 attempts done" in done.out) == (0, True)
    assert "cancelled" in redloom("runs").out


def test_runs_are_listed_newest_first(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(2))
    assert redloom("runs").status == 0
    for _ in range(2):
        redloom("run", "clinic", "--target", script(tmp_path))
    names = [name for (name,) in rows(tmp_path, "select name from run order by id desc")]
    lines = redloom("runs").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == names
    assert all("completed" in line and "2/2" in line for line in lines[1:])


def test_several_judges_are_told_one_by_one(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(2))
    redloom("run", "clinic", "--target", script(tmp_path))
    done = redloom("judge", "last", "--with", "rule:refusal", "--with", "words")
    assert done.status == 0
    assert done.out == "rule:refusal: 2 ok\nrule:words: 2 ok\n"
    assert redloom("judge", "last", "--with", "words").out == "rule:words: nothing left to judge\n"


def test_targets_are_declared_listed_and_tried(redloom: Redloom, tmp_path: Path) -> None:
    with serving(chatting(lambda _: "Hi")) as server:
        declare(redloom, tmp_path, single(1))
        add = (
            "target",
            "add",
            "prod",
            "openai:mock",
            "--base-url",
            server.url + "/v1",
            "--key-env",
            "WARD_KEY",
        )
        assert redloom(*add).out == "prod: declared\n"
        assert redloom(*add).out == "prod: was declared like this already\n"
        assert redloom("target", "list", "--json").json["prod"]["key_env"] == "WARD_KEY"
        missing = redloom("target", "check", "prod")
        assert missing.status == 2 and "WARD_KEY" in missing.err
        found = redloom("target", "check", "openai:mock", "--base-url", server.url + "/v1")
        assert (found.status, "has 'mock'" in found.out) == (0, True)
        assert {one.said[:40] for one in server.chats} and len(server.chats) <= 3
    gone = redloom("target", "check", "openai:mock", "--base-url", f"http://127.0.0.1:{unused_port()}/v1")
    assert (gone.status, gone.out) == (2, "")
    assert gone.err.startswith("redloom: http://127.0.0.1")


def test_what_a_target_said_cannot_steer_the_terminal(redloom: Redloom, tmp_path: Path) -> None:
    evil = Answer(status=401, body={"error": {"message": "\x1b[2J\x1b]0;owned\x07 no"}})
    with serving(chatting(lambda _: evil)) as server:
        mock = {"system": "openai:mock", "base_url": server.url + "/v1"}
        declare(redloom, tmp_path, single(1), targets={"mock": mock})
        done = redloom("run", "clinic", "--target", "mock")
    assert done.status == 3
    assert "owned" in done.err
    assert "\x1b" not in done.err and "\x07" not in done.err


def test_show_counts_snapshots_and_names_what_was_cut(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(1))
    target = script(tmp_path)
    for number in range(2, 13):
        assert redloom("run", "clinic", "--target", target).status == 0
        if number < 5:
            declare(redloom, tmp_path, single(number))
    assert redloom("release", "clinic", "1.0", "--provisional").status == 0
    lines = redloom("show", "clinic").out.splitlines()
    assert [line for line in lines if line.startswith("release")] == ["release 1.0: 4 cases (provisional)"]
    assert "beside them: 4 snapshots of cases that runs and imports froze" in lines
    assert sum(line.startswith("run ") for line in lines) == 10
    assert lines[-1] == "and 1 run before; 'redloom runs' lists them"


def test_an_endpoint_that_goes_down_for_good_stops_the_run_and_a_resume_mends_it(
    redloom: Redloom, tmp_path: Path
) -> None:
    down = [False]

    def answer(received: Received) -> Answer | str:
        down[0] = down[0] or (not mended[0] and len(server.chats) > 20)
        return Answer(body={}, status=500) if down[0] else "Ask a nurse."

    mended = [False]
    with serving(chatting(answer)) as server:
        target = {"system": "openai:mock", "base_url": server.url + "/v1", "limits": {"tries": 1}}
        declare(redloom, tmp_path, single(120), targets={"mock": target})
        done = redloom("run", "clinic", "--target", "mock", "--concurrency", "2")
        ((name,),) = rows(tmp_path, "select name from run")
        assert done.status == 3
        assert "50 conversations in a row failed, this one with: " in done.err
        assert f"Go on with: redloom resume {name} --retry error" in done.err
        assert len(server.chats) < 80
        down[0], mended[0] = False, True
        assert redloom("resume", name, "--retry", "error").status == 0
    assert rows(tmp_path, "select state, count(*) from attempt group by state") == [("completed", 120)]


def test_a_resume_goes_on_judging_with_the_rules_of_the_run(redloom: Redloom, tmp_path: Path) -> None:
    declare(redloom, tmp_path, single(8))
    target = script(tmp_path)
    asked = ("run", "clinic", "--target", target, "--judge", "rule:refusal", "--concurrency", "1")
    assert redloom(*asked, "--max-requests", "3").status == 3
    assert redloom("resume", "last", "--judge", "words", "--max-requests", "6").status == 3
    assert redloom("resume", "last").status == 0
    judged = rows(
        tmp_path,
        "select json_extract(i.body, '$.rater'), count(*) from judgement j join instrument i on i.id = j.instrument_id"
        " group by 1 order by 1",
    )
    assert judged == [("rule:refusal", 8), ("rule:words", 3)]
    assert redloom("report", "last", "-o", "r.md").status == 0
    told = (tmp_path / "r.md").read_text()
    assert "rule:words judged 3 of 8 conversations only; 'redloom judge" in told
    assert "rule:refusal judged" not in told.split("## Summary")[0]
