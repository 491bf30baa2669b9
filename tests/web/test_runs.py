"""Runs and their reports in the browser."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from redloom.services import people
from redloom.services.execution import Operation
from redloom.services.runs import RunOptions, start_run
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.workspace import Workspace
from web.browsing import ORIGIN, Visitor

SCHOOL = "/studies/school-health"


@pytest.fixture
def run(school: Visitor, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of the example study on a scripted system that says something hostile."""
    monkeypatch.chdir(tmp_path)
    reply = "Ask your nurse. <script>alert(1)</script>"
    (tmp_path / "bot.json").write_text(json.dumps({"rules": [], "otherwise": reply}))
    options = RunOptions(target="scripted:bot.json")
    done = start_run(workspace, "school-health", None, options, Operation(judges=("rule:refusal",)))
    return asyncio.run(done).run


def test_a_run_leads_to_its_report(school: Visitor, run: str) -> None:
    page = school.get(f"{SCHOOL}/runs")
    assert f"{SCHOOL}/runs/{run}" in page.links and "30 completed of 30" in page.text
    assert f"{SCHOOL}/runs/{run}" in school.get(SCHOOL).links
    assert f"{SCHOOL}/runs/{run}" in school.get(f"/search?q={run}").links


def test_a_report_has_its_own_style_and_no_script(school: Visitor, run: str) -> None:
    answer = school.client.get(f"{SCHOOL}/runs/{run}")
    assert answer.status_code == 200 and "Red-teaming report" in answer.text
    policy = answer.headers["content-security-policy"]
    assert (
        "default-src 'none'" in policy
        and "script-src" not in policy
        and "style-src 'unsafe-inline'" in policy
    )
    assert "<script" not in answer.text and "&lt;script&gt;alert(1)" in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_run_of_another_study_is_not_there(school: Visitor, workspace: Workspace, run: str) -> None:
    apply(workspace, example("bank") / "study.yaml")
    assert "There is nothing here" in school.get(f"/studies/bank-desk/runs/{run}", 404).text
    assert "There is nothing here" in school.get(f"{SCHOOL}/runs/last", 404).text
    made = people.invite(workspace, "bank-desk", "guest", "viewer")
    assert school.client.post(f"/join/{made.secret}", headers={"Origin": ORIGIN}).status_code == 303
    school.get(f"{SCHOOL}/runs/{run}", 404)


def test_without_a_run_the_page_says_how_to_start_one(school: Visitor) -> None:
    assert "redloom run school-health --target SYSTEM" in school.get(f"{SCHOOL}/runs").text
