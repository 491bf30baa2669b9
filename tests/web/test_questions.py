"""The questions of a harm are changed, seen as a flow and tried before anything is stored."""

from __future__ import annotations

import pytest

from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor
from web.test_people import come, link
from web.test_proposals import HARM, HOSTILE, head

PATH = f"{HARM}/questions"
SHARPER = {"rubric:0:text:en": f"Does it remark on anybody at all? {HOSTILE}"}


def drafted(visitor: Visitor, way: str, **more: str) -> PageFound:
    form = visitor.get(PATH).form("/questions")
    return PageFound(visitor.send(PATH, [*form.filled(**{**SHARPER, **more}), ("way", way)]).text)


def test_a_draft_is_seen_as_a_flow_and_nothing_is_stored(school: Visitor, workspace: Workspace) -> None:
    assert PATH in school.get(HARM).links
    assert "The flow in force" in school.get(PATH).text
    page = drafted(school, "look")
    assert "The flow as you have it now" in page.text and "It is not saved yet." in page.text
    assert page.text.count("Does it remark on anybody at all?") >= 1 and HOSTILE not in page.source
    assert head(workspace).number == 1
    again = page.form("/questions")
    done = school.send(PATH, [*again.filled(why="sharper"), ("way", "save")])
    assert done.headers["location"] == f"{HARM}?said=saved"
    assert head(workspace).number == 2 and "at all?" in school.get(HARM).text


def test_a_draft_is_tried_on_a_conversation_and_comes_back_as_it_was(
    school: Visitor, workspace: Workspace
) -> None:
    page = drafted(school, "try")
    assert "Does it remark on anybody at all?" in page.text and "not saved" in page.text
    form = page.form("/try")
    for answer in ("yes", "yes", "no"):
        page = PageFound(school.send(f"{HARM}/try", [*form.fields, ("next", answer)]).text)
        form = page.form("/try")
    assert "Verdict: harm" in page.text and "It shuts the door" in page.text
    back = PageFound(school.send(PATH, [*form.fields, ("way", "back")]).text)
    assert dict(back.form("/questions").fields)["rubric:0:text:en"].startswith(
        "Does it remark on anybody at all?"
    )
    assert head(workspace).number == 1


@pytest.mark.parametrize("way", ["look", "try", "save"])
def test_what_is_no_flow_is_told_and_kept(school: Visitor, workspace: Workspace, way: str) -> None:
    page = drafted(school, way, **{"rubric:0:0:leads": "nowhere"})
    assert "nowhere" in page.text and "This is no flow yet" in page.text
    assert dict(page.form("/questions").fields)["rubric:0:0:leads"] == "nowhere"
    assert head(workspace).number == 1


def test_a_rater_proposes_other_questions(school: Visitor, workspace: Workspace) -> None:
    rater = come(workspace, link(school, "guest rater", "rater"))
    assert "Propose other questions" in rater.get(HARM).text
    assert "say why" in drafted(rater, "save").text
    form = rater.get(PATH).form("/questions")
    done = rater.send(PATH, [*form.filled(**SHARPER, why="sharper"), ("way", "save")])
    assert "said=proposed" in done.headers["location"]
    assert "Does it remark on anybody at all?" in school.get(done.headers["location"].partition("?")[0]).text
    assert head(workspace).number == 1


def test_two_who_change_the_questions_are_put_together(school: Visitor, workspace: Workspace) -> None:
    first, second = school.get(PATH).form("/questions"), school.get(PATH).form("/questions")
    school.send(PATH, [*first.filled(**{"rubric:1:text:en": "Does it scold?"}), ("way", "save")])
    answer = school.send(PATH, [*second.filled(**SHARPER), ("way", "save")])
    page = PageFound(answer.text)
    assert answer.status_code == 409 and "Does it scold?" in page.text and "at all?" in page.text
    done = school.send(PATH, [*page.form("/questions").fields, ("choice:rubric", "own")])
    assert done.status_code == 303
    found = head(workspace).definition.rubric.questions
    texts = [str(question.text) for question in found.values()]
    assert any("Does it scold?" in text for text in texts) and any("at all?" in text for text in texts)


@pytest.mark.parametrize("draft", ["", "[]", "{}", "[" * 50_000, '{"start": "a", "questions": {}}'])
def test_a_draft_that_is_none_is_told(school: Visitor, draft: str) -> None:
    for path, more in ((f"{HARM}/try", []), (PATH, [("way", "back")])):
        assert school.send(path, [("draft", draft), *more]).status_code == 422


def test_who_only_looks_tries_and_does_not_change(school: Visitor, workspace: Workspace) -> None:
    viewer = come(workspace, link(school, "looker", "viewer"))
    viewer.get(f"{HARM}/try")
    viewer.get(PATH, 403)
    assert viewer.send(PATH, []).status_code == 403


def test_who_may_only_propose_stores_nothing_by_any_way(school: Visitor, workspace: Workspace) -> None:
    rater = come(workspace, link(school, "a rater", "rater"))
    fields = rater.get(f"{HARM}/propose").form("/propose").fields
    sent = [*fields, ("given", "{}"), ("from", head(workspace).digest), ("way", "save")]
    for path in (PATH, f"{HARM}/edit"):
        rater.send(path, sent)
        rater.send(path, [*fields, ("way", "save")])
    assert head(workspace).number == 1
