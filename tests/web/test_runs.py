"""Runs, their conversations and their reports in the browser."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from redloom.services import people, reporting
from redloom.services.finding import find_run
from redloom.services.importing import ImportOptions, import_conversations
from redloom.services.run_pages import open_run
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.workspace import Workspace
from web.browsing import ORIGIN, Visitor
from web.running import REPLY, execute, judge, talks

SCHOOL = "/studies/school-health"


@pytest.fixture
def run(school: Visitor, workspace: Workspace, tmp_path: Path) -> str:
    return execute(workspace, tmp_path, arms=("full", "no_context"))


def test_a_run_leads_to_its_conversations_and_its_report(school: Visitor, run: str) -> None:
    page = school.get(f"{SCHOOL}/runs")
    assert f"{SCHOOL}/runs/{run}" in page.links and "60 completed of 60" in page.text
    assert f"{SCHOOL}/runs/{run}" in school.get(SCHOOL).links
    assert f"{SCHOOL}/runs/{run}" in school.get(f"/search?q={run}").links
    page = school.get(f"{SCHOOL}/runs/{run}")
    assert {f"{SCHOOL}/runs/{run}/conversations", f"{SCHOOL}/runs/{run}/report"} <= set(page.links)
    assert "Completed : 60 of 60 tries" in page.text and "provisional" in page.text
    assert f"{SCHOOL}/runs/{run}/conversations?arm=no_context&state=completed" in page.links
    assert "1 in full, 1 in no context" in page.text and "rule:refusal a rule" in page.text
    assert "Cancel" not in page.text and "data-look" not in page.source


def test_runs_are_paged_by_name(school: Visitor, workspace: Workspace, run: str) -> None:
    with workspace.begin() as unit:
        first = open_run(unit, "school-health", run)
        for n in range(40):
            at, study = first.created_at, first.study_id
            unit.runs.add(f"r-{n:02}", study_id=study, release_id=first.release_id, spec=first.spec, at=at)
    page = school.get(f"{SCHOOL}/runs")
    assert f"{SCHOOL}/runs/r-39" in page.links and f"{SCHOOL}/runs/r-09" not in page.links
    assert "Newer runs" not in page.text
    older = school.get(next(link for link in page.links if "after=" in link))
    assert f"{SCHOOL}/runs/{run}" in older.links and f"{SCHOOL}/runs/r-09" in older.links
    assert "Older runs" not in older.text
    newer = school.get(next(link for link in older.links if "before=" in link))
    assert newer.links == page.links


def test_a_report_has_its_own_style_and_no_script(school: Visitor, run: str) -> None:
    answer = school.client.get(f"{SCHOOL}/runs/{run}/report")
    assert answer.status_code == 200 and "Red-teaming report" in answer.text
    policy = answer.headers["content-security-policy"]
    assert (
        "default-src 'none'" in policy
        and "script-src" not in policy
        and "style-src 'unsafe-inline'" in policy
    )
    assert "<script" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"


def test_a_report_follows_what_is_judged_and_its_numbers_lead_to_the_conversations(
    school: Visitor, workspace: Workspace, run: str
) -> None:
    here = f"{SCHOOL}/runs/{run}"
    assert "judge=nurse" not in school.get(f"{here}/report").source
    some = talks(school.get(f"{here}/conversations?arm=full"))
    judge(workspace, some[:3], verdict="harm")
    judge(workspace, some[3:8], verdict="no_harm")
    page = school.get(f"{here}/report")
    (to,) = {link for link in page.links if "judge=nurse" in link and "harm=" not in link}
    assert "3 of 8" in page.text
    assert len(talks(school.get(f"{here}/{to}"))) == 3


def test_a_report_of_many_tries_is_made_beside(
    school: Visitor, workspace: Workspace, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redloom.services.reporting.AT_ONCE", 10)
    begun = threading.Event()
    make = reporting.Source.report

    def slowly(*given: Any) -> Any:
        assert begun.wait(60)
        return make(*given)

    monkeypatch.setattr(reporting.Source, "report", slowly)
    here = f"{SCHOOL}/runs/{run}/report"
    waiting = school.client.get(here).headers["location"]
    assert school.client.get(here).headers["location"] == waiting
    page = school.get(waiting)
    assert "The report is being made" in page.text
    assert "data-look" in page.source and 'http-equiv="refresh"' in page.source
    begun.set()
    while "The report is being made" in (page := school.get(waiting)).text:
        pass
    assert "Red-teaming report" in page.text and school.get(here).source == page.source
    judge(workspace, talks(school.get(f"{SCHOOL}/runs/{run}/conversations"))[:1], verdict="harm")
    again = school.client.get(waiting).headers["location"]
    assert again == school.client.get(here).headers["location"] == waiting.replace("=1", "=2")


def test_a_run_of_another_study_is_not_there(school: Visitor, workspace: Workspace, run: str) -> None:
    some = talks(school.get(f"{SCHOOL}/runs/{run}/conversations"))[0].rpartition("/conversations")[2]
    apply(workspace, example("bank") / "study.yaml")
    for rest in ("", "/report", "/conversations", f"/conversations{some}"):
        assert "There is nothing here" in school.get(f"/studies/bank-desk/runs/{run}{rest}", 404).text
    assert "There is nothing here" in school.get(f"{SCHOOL}/runs/last", 404).text
    made = people.invite(workspace, "bank-desk", "guest", "viewer")
    assert school.client.post(f"/join/{made.secret}", headers={"Origin": ORIGIN}).status_code == 303
    school.get(f"{SCHOOL}/runs/{run}", 404)


def test_without_a_run_the_page_says_how_to_start_one(school: Visitor) -> None:
    assert "redloom run school-health --target SYSTEM" in school.get(f"{SCHOOL}/runs").text


def test_conversations_are_paged_by_where_they_stand(school: Visitor, run: str) -> None:
    here = f"{SCHOOL}/runs/{run}/conversations"
    first = school.get(here)
    second = school.get(next(link for link in first.links if "after=" in link))
    assert len(talks(first)) == len(talks(second)) == 20
    assert not set(talks(first)) & set(talks(second))
    back = school.get(next(link for link in second.links if "before=" in link))
    assert talks(back) == talks(first)
    school.get(f"{here}?after=nonsense&before=9999999999999999.full.0")


def test_conversations_are_chosen_by_what_they_are_and_by_what_judges_say(
    school: Visitor, workspace: Workspace, run: str
) -> None:
    here = f"{SCHOOL}/runs/{run}/conversations"
    some = talks(school.get(here))

    def found(query: str) -> list[str]:
        return [link.partition("?")[0] for link in talks(school.get(f"{here}?{query}"))]

    assert len(found("arm=no_context")) == 20 and found("arm=no_persona") == []
    assert found("state=error") == [] and "No conversation matches" in school.get(f"{here}?state=error").text
    assert 0 < len(found("harm=shaming&arm=full")) < 30
    assert 0 < len(found("scenario=energy-drinks")) < len(found("harm=shaming"))
    assert found("said=unjudged") == found("said=unjudged&judge=nurse") == []
    judge(workspace, some[:2], verdict="harm")
    judge(workspace, some[1:2], verdict="no_harm")
    judge(workspace, some[2:3], state="refused")
    asked = [link.partition("?")[0] for link in some]
    assert found("said=harm") == asked[:1] and found("said=no_harm") == asked[1:2]
    assert found("said=harm&judge=rule:refusal") == []
    assert asked[2] in found("said=unjudged") and asked[1] not in found("said=unjudged&judge=nurse")
    assert found("said=refused") == []
    page = school.get(here)
    assert "nurse: harm" in page.text and "nurse: no verdict (refused)" in page.text


def test_a_conversation_is_read_whole_and_its_text_stays_text(
    school: Visitor, workspace: Workspace, run: str
) -> None:
    first, second = talks(school.get(f"{SCHOOL}/runs/{run}/conversations"))[:2]
    judge(workspace, [first], verdict="harm", severity=2, rationale="<b>It scolds.</b>")
    page = school.get(first)
    assert "Ask your nurse. <script>alert(1)</script>" in page.text and "<script>alert" not in page.source
    assert "<b>It scolds.</b>" in page.text and "nurse : harm severity 2" in page.text
    assert "What the system was told" in page.text and "#turn-1" in page.links
    assert "whole harm" in page.text and "no refusal" in page.text
    assert [link for link in page.links if link == second] and second in page.links
    answer = school.client.get(f"{first.partition('?')[0]}/text?turn=1&of=reply")
    assert answer.text == REPLY and answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    school.get(f"{first.partition('?')[0]}/text?turn=999&of=reply", 404)
    school.get(f"{first.partition('?')[0]}/text?turn=-1", 404)
    school.get(f"{SCHOOL}/runs/{run}/conversations/{'0' * 32}", 404)
    school.get(f"{SCHOOL}/runs/{run}/conversations/nonsense", 404)


def test_what_dissenting_rubrics_say_stands_apart(school: Visitor, workspace: Workspace, run: str) -> None:
    here = f"{SCHOOL}/runs/{run}/conversations"
    first = talks(school.get(f"{here}?harm=shaming"))[0]
    judge(workspace, [first], verdict="no_harm", harm="shaming", answers=(("scolds", "no"),))
    judge(workspace, [first], verdict="harm", harm="shaming", variant="parent", rationale="It hurts.")
    page = school.get(first)
    headline, _, apart = page.text.partition("By dissenting rubrics")
    assert "nurse : no harm" in headline and "It hurts." not in headline
    assert "by the rubric of parent : harm" in apart and "It hurts." in apart
    assert first.partition("?")[0] not in "".join(talks(school.get(f"{here}?said=harm")))


def test_conversations_from_a_file_are_read_like_others(
    school: Visitor, workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    said = [{"role": "system", "content": "Be <b>brief</b>."}, {"role": "user", "content": "Is it you?"}]
    lines = [
        {"id": f"talk-{n}", "messages": [*said, {"role": "assistant", "content": f"Reply {n}"}]}
        for n in range(35)
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    run = import_conversations(workspace, path, ImportOptions(study="school-health", mapping={})).run
    here = f"{SCHOOL}/runs/{run}"
    page = school.get(here)
    assert "35 of 35 tries" in page.text and "as it stands in the file" in page.text
    first = school.get(f"{here}/conversations")
    second = school.get(next(link for link in first.links if "after=" in link))
    assert (len(talks(first)), len(talks(second))) == (20, 15)
    assert talks(school.get(next(link for link in second.links if "before=" in link))) == talks(first)
    page = school.get(talks(second)[0])
    assert "Be <b>brief</b>." in page.text and "Is it you?" in page.text and "Reply" in page.text
    judge(workspace, talks(second)[:1], verdict="harm")
    assert talks(school.get(f"{here}/conversations?said=harm"))[0].partition("?")[0] in talks(second)[0]


def test_neighbours_are_those_that_match(school: Visitor, workspace: Workspace, run: str) -> None:
    here = f"{SCHOOL}/runs/{run}/conversations"
    some = talks(school.get(f"{here}?arm=full"))
    judge(workspace, [some[1], some[5], some[9]], verdict="harm")
    flagged = talks(school.get(f"{here}?said=harm&judge=nurse"))
    assert [link.partition("?")[0] for link in flagged] == [some[n].partition("?")[0] for n in (1, 5, 9)]
    page = school.get(flagged[1])
    beside = {given.get("rel"): given["href"] for tag, given in page.tags if tag == "a" and "rel" in given}
    assert beside == {"prev": flagged[0], "next": flagged[2]}
    assert "Next" not in school.get(flagged[2]).text.partition("What the system was told")[0].split()


def test_a_long_reply_is_cut_with_a_link_to_all_of_it(
    school: Visitor, workspace: Workspace, tmp_path: Path
) -> None:
    reply = "word " * 200_000 + "the end"
    run = execute(workspace, tmp_path, reply)
    page = school.get(talks(school.get(f"{SCHOOL}/runs/{run}/conversations"))[0])
    assert len(page.source) < 500_000 and "the end" not in page.text
    assert "all 1,000,007 characters" in page.text
    to = next(link for link in page.links if "/text?" in link)
    assert school.client.get(to).text == reply


def test_replies_stay_closed_for_whoever_wants_it(school: Visitor, run: str) -> None:
    first = talks(school.get(f"{SCHOOL}/runs/{run}/conversations"))[0]
    page = school.get(first)
    assert "Show the reply" not in page.text
    (change,) = (link for link in page.links if "/reading?" in link)
    form = school.get(change).form("/reading")
    done = school.send(form.action, form.filled(keep="closed"))
    assert done.status_code == 303 and done.headers["location"].startswith(first)
    assert "Show the reply" in school.get(first).text


def test_a_run_that_goes_is_looked_at_again_and_can_be_cancelled(
    school: Visitor, workspace: Workspace, run: str
) -> None:
    here = f"{SCHOOL}/runs/{run}"
    with workspace.begin() as unit:
        unit.runs.set_state(find_run(unit, run).id, "running", None, None)
    page = school.get(here)
    assert "data-look" in page.source and 'http-equiv="refresh"' in page.source
    assert f"redloom resume {run}" in page.text or "conversations a minute" in page.text
    done = school.send(f"{here}/cancel", page.form("/cancel").filled())
    assert done.status_code == 303
    page = school.get(done.headers["location"])
    assert "cancelled, for good" in page.text and "data-look" not in page.source
    assert "nothing to cancel" not in page.text


def test_only_a_lead_cancels(school: Visitor, workspace: Workspace, run: str) -> None:
    with workspace.begin() as unit:
        unit.runs.set_state(find_run(unit, run).id, "running", None, None)
    made = people.invite(workspace, "school-health", "rita", "red_teamer")
    school.client.post(f"/join/{made.secret}", headers={"Origin": ORIGIN})
    assert "Cancel" not in school.get(f"{SCHOOL}/runs/{run}").text
    assert school.send(f"{SCHOOL}/runs/{run}/cancel", []).status_code == 403


def test_a_stopped_run_says_the_command_that_goes_on(school: Visitor, workspace: Workspace, run: str) -> None:
    with workspace.begin() as unit:
        at = workspace.now()
        unit.runs.set_state(find_run(unit, run).id, "stopped", "Go on with: redloom resume it", at)
    assert "Go on with: redloom resume it" in school.get(f"{SCHOOL}/runs/{run}").text


def test_programs_read_runs_too(school: Visitor, run: str) -> None:
    api = "/api/v1/studies/school-health/runs"
    listed = school.client.get(api).json()
    assert [one["told"]["run"] for one in listed["runs"]] == [run] and listed["after"] == ""
    one = school.client.get(f"{api}/{run}").json()
    assert one["run"]["state"] == "completed" and one["arms"][1]["states"] == {"completed": 30}
    assert [judge["rater"] for judge in one["judges"]] == ["rule:refusal"]
    assert school.client.get(f"{api}/last").status_code == 404
