"""What a report says before its numbers, of runs whose replies, ends and judges are planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import change

from .desk import panel, redloom, report_json, run_desk, write_script, write_study


def notices(report: dict[str, Any]) -> list[str]:
    return [notice["text"] for notice in report["report"]["notices"]]


def starting(texts: list[str], start: str) -> str:
    return next((text for text in texts if text.startswith(start)), "")


def test_cut_replies_are_counted_by_condition_and_named_before_anything_else(folder: Path):
    run_desk(folder, "rule:refusal")
    change(folder, "update turn set finish_reason = 'length' where reply like '%secret%'")
    report = report_json(folder)
    assert report["report"]["replies"] == {"total": 12, "cut": 6, "empty": 0, "limit": None}
    assert {a["arm"]: a["replies"]["cut"] for a in report["report"]["arms"]} == {"full": 6, "no_context": 0}
    assert starting(notices(report), "6 of 12 replies were cut by the token limit (the target's own")
    cut = [t["turns"][0]["cut"] for c in report["cases"] for t in c["transcripts"] if t["arm"] == "full"]
    assert cut == [True] * 6


def test_the_notice_of_cut_replies_names_the_limit_of_the_run(folder: Path):
    write_study(folder)
    targets = "targets:\n  short: {system: 'scripted:target.json', decoding: {max_tokens: 32}}\n"
    (folder / "study.yaml").write_text((folder / "study.yaml").read_text() + targets)
    write_script(folder)
    assert redloom("apply", "study.yaml") == 0
    assert redloom("run", "desk", "--target", "short") == 0
    assert not [text for text in notices(report_json(folder)) if "token limit" in text]
    change(folder, "update turn set finish_reason = 'length' where id = (select min(id) from turn)")
    assert starting(
        notices(report_json(folder)), "1 of 6 replies was cut by the token limit (max_tokens 32)."
    )


def test_empty_replies_are_named_and_none_are_not(folder: Path):
    run_desk(folder, "rule:refusal", arms="full")
    assert not starting(notices(report_json(folder)), "6 of 6 replies")
    change(folder, "update turn set reply = ' '")
    assert starting(
        notices(report_json(folder)), "6 of 6 replies were empty. An empty reply is counted as an answer"
    )


def test_users_who_left_by_the_reading_of_the_rule_are_counted(folder: Path):
    write_study(folder, more=", stop: first_refusal")
    study = (folder / "study.yaml").read_text().replace('?"]', '?", Please.]')
    (folder / "study.yaml").write_text(study.replace("structure: single_turn", "structure: multi_turn"))
    write_script(folder)
    assert redloom("apply", "study.yaml") == 0
    assert redloom("run", "desk", "--target", "scripted:target.json", "--arms", "full,no_context") == 0
    text = starting(notices(report_json(folder)), "In 6 of 12 conversations the simulated user left")
    assert "the wording rule took a reply for a full refusal" in text


@pytest.mark.parametrize(
    ("state", "message", "line"),
    [
        (
            "stopped",
            "interrupted; 0 of 24 attempts are done. Go on with: redloom resume x",
            "The run was interrupted: 0 of 24 attempts are done. Go on with: redloom resume x",
        ),
        (
            "stopped",
            "the budget is spent; 3 of 24",
            "The run stopped before its end: the budget is spent; 3 of 24",
        ),
        ("stopped", None, "The run stopped before its end."),
        ("cancelled", "cancelled", "The run was cancelled before its end."),
        ("running", None, "The run has not come to its end: it is going on, or was broken off."),
    ],
)
def test_a_run_without_an_end_is_told_in_a_sentence(folder: Path, state: str, message: str | None, line: str):
    run_desk(folder)
    stored = f"'{message}'" if message else "null"
    change(folder, f"update run set state = '{state}', message = {stored}")
    assert starting(notices(report_json(folder)), line)


def test_the_wording_rule_flags_and_the_summary_claims_no_more(folder: Path):
    write_script(folder, reply="I'm sorry, I can't help with that.")
    run_desk(folder, "rule:refusal", arms="full")
    summary = report_json(folder)["report"]["summary"]
    assert summary[1].startswith(
        "The wording rule flagged a full refusal in 6 of 6 replies (100\u00a0%, 95 % interval"
    )
    assert summary[2].startswith(
        "Where a good system would help, the wording rule flagged a full refusal in 6 of 6"
    )
    assert not [line for line in summary if "refused" in line or "sent away" in line]


def test_none_found_has_one_bound_and_it_is_one_sided(folder: Path):
    run_desk(folder, "rule:refusal", arms="full")
    report = report_json(folder)["report"]
    line = report["summary"][1]
    assert line.startswith(
        "The wording rule flagged a full refusal in none of 6 replies (with 6 independent clusters the rate may be "
        "up to 39\u00a0%, one-sided 95 % bound)."
    )
    assert "interval" not in line
    assert report["panels"][0]["overall"]["bound"] == pytest.approx(1 - 0.05 ** (1 / 6))
    assert redloom("report", "last", "-o", "r.html") == 0
    assert (
        "The one-sided 95 % upper bound, which the summary names, is 39\u00a0%"
        in (folder / "r.html").read_text()
    )


def test_a_judge_that_decided_nothing_is_said_to(folder: Path):
    run_desk(folder, "rule:refusal", arms="full")
    (folder / "judge.json").write_text(json.dumps({"otherwise": "I would rather not say."}))
    redloom("judge", "last", "--with", "scripted:judge.json", "--sample", "4")
    report = report_json(folder)["report"]
    assert "The model judge 'scripted:judge.json' decided no conversation." in report["summary"]


def test_the_conversations_of_a_sample_are_counted_by_condition(folder: Path):
    run_desk(folder, "rule:refusal")
    (folder / "judge.json").write_text(json.dumps({"otherwise": '{"leaks": "unsure", "hints": "no"}'}))
    assert redloom("judge", "last", "--with", "scripted:judge.json", "--sample", "5") == 0
    report = report_json(folder)
    by_arm = panel(report, "scripted:judge.json")["by_arm"]
    assert [one["of"] for one in by_arm] == [6, 6]
    assert sum(one["judged"] for one in by_arm) == sum(one["open"] for one in by_arm) == 5
    parts = ", ".join(
        f"{one['judged']} of 6 in '{name}'" for one, name in zip(by_arm, ("full", "no context"), strict=True)
    )
    assert (
        f"scripted:judge.json judged a part: 5 of 12 conversations: {parts}. The others count as undecided."
        in notices(report)
    )
    assert redloom("report", "last", "-o", "r.md") == 0
    text = (folder / "r.md").read_text()
    assert "Judged 5 of 12 conversations: " in text
    assert f"{by_arm[0]['judged']} of 6 in the condition 'full' (0 decided, {by_arm[0]['open']} open)" in text
    assert "The other 7 were not given to this judge, or not yet." in text


def test_a_difference_is_told_with_its_direction_pairs_and_clusters(folder: Path):
    run_desk(folder, "rule:leak-words")
    line = report_json(folder)["report"]["summary"][3]
    assert line.startswith(
        "In the condition 'full' the share of harm is 100 percentage points higher than in 'no context' (95 % interval"
    )
    assert line.endswith("6 cases decided in both, in 6 clusters).")
