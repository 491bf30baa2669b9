"""Replies sorted on a harm: from a pasted text or a run to a dissent or to examples, and nothing lost on the way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from redloom.domain.rubric import Rubric
from redloom.services.execution import Operation
from redloom.services.runs import RunOptions, start_run
from redloom.services.sorting import lay, list_sortings, pasted_replies
from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor
from web.test_people import come, link

HARM = "/studies/school-health/harms/shaming"
PATH = f"{HARM}/sort"
HOSTILE = "</textarea><script>alert(1)</script>"


def rubric(workspace: Workspace) -> Rubric:
    with workspace.begin() as unit:
        head: Any = unit.definitions("school-health").head("harm", "shaming")
    return head.definition.rubric


def going_to(found: Rubric, verdict: str) -> list[tuple[str, str]]:
    """A way through the questions to a verdict."""
    return next(list(path) for path, outcome in found.paths() if outcome.verdict == verdict)


def fields(page: PageFound) -> list[tuple[str, str]]:
    return [form for form in page.forms if form.action.startswith(PATH)][-1].fields


def sent(visitor: Visitor, page: PageFound, step: str, **more: str) -> PageFound:
    """The form of a step sent on with more answers, and the page that comes."""
    new = {name.replace("__", ":"): value for name, value in more.items()}
    kept = [(name, value) for name, value in fields(page) if name not in new]
    answer = visitor.send(PATH, [*kept, *new.items(), ("step", step)])
    if answer.status_code == 303:
        return visitor.get(answer.headers["location"])
    return PageFound(answer.text)


def test_pasted_replies_become_a_sorting_with_what_the_definition_says(
    school: Visitor, workspace: Workspace
) -> None:
    text = f"User: I ate cake.\nSystem: Shame on you. {HOSTILE}\n---\nSystem: Eat.\n---\nSystem: Third."
    page = sent(school, school.get(PATH), "pasted", pasted=text)
    assert "Reply 3" in page.text and "<script>alert" not in page.source
    page = sent(school, page, "answer", by="parent", sorted__0="no_harm", reason__0="Only a joke.")
    assert "Only a joke." in page.text and "Reply 2" not in page.text
    for name, answer in going_to(rubric(workspace), "harm"):
        page = sent(school, page, "answer", **{f"answer__0__{name}": answer})
    assert "The definition says: harm" in page.text
    page = sent(school, page, "keep")
    assert "Of 1, parent and the definition part on 1." in page.text
    assert "<script>alert" not in page.source and HOSTILE in page.text
    [kept] = list_sortings(workspace, "school-health", "shaming")
    assert kept.sorting.items[0].text.endswith(HOSTILE) and kept.sorting.items[0].verdict == "harm"
    assert "parent sorted 1 reply on version 1" in school.get(HARM).text
    assert f"{PATH}/{kept.id}" in school.get(HARM).links


def test_a_sorting_leads_to_a_dissent_and_to_examples(school: Visitor, workspace: Workspace) -> None:
    page = sent(school, school.get(PATH), "pasted", pasted=f"System: one {HOSTILE}\n---\nSystem: two")
    more = {"sorted__0": "harm", "reason__0": "It hurts.", "sorted__1": "no_harm", "reason__1": "It helps."}
    page = sent(school, page, "answer", by="youth worker", **more)
    answers = {f"answer__0__{name}": answer for name, answer in going_to(rubric(workspace), "no_harm")}
    sent(school, page, "keep", **answers)
    [kept] = list_sortings(workspace, "school-health", "shaming")
    assert [item.verdict for item in kept.sorting.items] == ["no_harm", None]
    form = school.get(f"{HARM}/dissent?sorting={kept.id}").form("/dissent")
    given = dict(form.fields)
    assert given["by"] == "youth worker" and "I say harm, it says no harm: It hurts." in given["why"]
    assert "It helps." not in given["why"]
    assert school.send(f"{HARM}/dissent", form.fields).status_code == 303
    edited = school.get(f"{HARM}/edit?sorting={kept.id}").form("/edit")
    assert school.send(f"{HARM}/edit", edited.fields).headers["location"].endswith("said=saved")
    with workspace.begin() as unit:
        harm: Any = unit.definitions("school-health").head("harm", "shaming")
    assert harm.definition.examples[-1].why == "It hurts."
    assert harm.definition.counter_examples[-1].why == "It helps."
    assert "on version 1" in school.get(HARM).text, "it stays where the harm has moved on"


def test_what_is_missing_is_told_at_once_and_nothing_is_lost(school: Visitor, workspace: Workspace) -> None:
    page = sent(school, school.get(PATH), "pasted", pasted="a\n---\nb")
    wrong = sent(school, page, "answer", sorted__0="harm", reason__1="because")
    for told in ("say as whom", "reply 1 is sorted without a reason", "reply 2 has a reason"):
        assert told in wrong.text
    assert ("reason:1", "because") in fields(wrong) and ("sorted:0", "harm") in fields(wrong)
    assert list_sortings(workspace, "school-health", "shaming") == []
    assert "no reply is sorted" in sent(school, page, "keep", by="me").text
    forged = sent(school, page, "keep", by="me", sorted__0="nonsense", reason__0="x")
    assert "Not yet" in forged.text and list_sortings(workspace, "school-health", "shaming") == []


def test_too_many_or_none_are_told_and_stay_in_the_form(school: Visitor) -> None:
    text = "\n---\n".join(f"reply {n}" for n in range(13))
    page = sent(school, school.get(PATH), "pasted", pasted=text)
    assert "13 conversations were pasted; at most 12" in page.text
    assert ("pasted", text) in fields(page)
    assert "nothing was pasted" in sent(school, school.get(PATH), "pasted", pasted=" ").text
    assert [one.text for one in pasted_replies("a -- b\n-----\n\nc\n---")] == ["a -- b", "c"]


def test_answers_off_the_path_are_left_out(school: Visitor, workspace: Workspace) -> None:
    found = rubric(workspace)
    path = going_to(found, "harm")
    stray = dict.fromkeys(found.questions, "no such answer")
    assert lay("t", "s", "harm", "r", found, {**stray, **dict(path[:1])}).path == tuple(path[:1])
    assert lay("t", "s", "harm", "r", found, stray).asked == found.start


def test_conversations_of_the_newest_run_are_offered_one_a_case(
    school: Visitor, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Conversations of this study" not in school.get(PATH).text
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot.json").write_text(json.dumps({"rules": [], "otherwise": f"Ask. {HOSTILE}"}))
    options = RunOptions(target="scripted:bot.json")
    done = asyncio.run(start_run(workspace, "school-health", None, options, Operation()))
    page = school.get(PATH)
    assert "Conversations of this study" in page.text and done.run in page.text
    page = PageFound(school.send(PATH, [("step", "held")]).text)
    sources = [value for name, value in fields(page) if name.startswith("source:")]
    assert 1 <= len(sources) <= 12 and len(set(sources)) == len(sources)
    assert all(one.startswith(f"run {done.run}, test conversation ") for one in sources)
    assert "<script>alert" not in page.source


def test_who_may_not_define_looks_and_does_not_sort(school: Visitor, workspace: Workspace) -> None:
    page = sent(school, school.get(PATH), "pasted", pasted="a")
    sent(school, page, "keep", by="nurse", sorted__0="harm", reason__0="so")
    [kept] = list_sortings(workspace, "school-health", "shaming")
    guest = come(workspace, link(school, "guest", "viewer"))
    assert "Of 1, nurse" in guest.get(f"{PATH}/{kept.id}").text
    assert "Take them as examples" not in guest.get(f"{PATH}/{kept.id}").text
    guest.get(PATH, 403)
    assert guest.send(PATH, [("step", "pasted"), ("pasted", "b")]).status_code == 403
    school.get(f"{PATH}/00", 404)
    school.get("/studies/school-health/harms/nothing/sort", 404)
