"""Changes that are proposed by those who may not define, and decided by those who may."""

from __future__ import annotations

from typing import Any

import pytest

from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor
from web.test_people import come, link

SCHOOL = "/studies/school-health"
HARM = f"{SCHOOL}/harms/shaming"
NAMES = {"definition": "definition:en"}
HOSTILE = "<script>alert(1)</script>"


def head(workspace: Workspace, slug: str = "shaming") -> Any:
    with workspace.begin() as unit:
        return unit.definitions("school-health").head("harm", slug)


def proposed(visitor: Visitor, why: str = "clearer", **values: str) -> str:
    """The address of a change that was just proposed; the definition is that in English."""
    form = visitor.get(f"{HARM}/propose").form("/propose")
    done = visitor.send(
        f"{HARM}/propose",
        form.filled(why=why, **{NAMES.get(name, name): value for name, value in values.items()}),
    )
    assert done.status_code == 303, PageFound(done.text).text[:800]
    return done.headers["location"].partition("?")[0]


@pytest.fixture
def rater(school: Visitor, workspace: Workspace) -> Visitor:
    return come(workspace, link(school, "guest rater", "rater"))


def test_a_rater_proposes_and_an_expert_accepts_under_the_raters_name(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, why=f"plainer {HOSTILE}", title=f"Making people small {HOSTILE}")
    assert head(workspace).number == 1
    page = rater.get(where)
    assert "Making people small" in page.text and "Accept" not in page.text.split()
    assert "<script>alert" not in page.source
    assert "1 open proposal" in school.get(HARM).text
    assert where in school.get(f"{SCHOOL}/proposals").links
    done = school.send(where, [*school.get(where).form(where).filled(why="yes"), ("way", "accept")])
    assert done.headers["location"].endswith("said=change-accepted")
    stored = head(workspace)
    assert stored.number == 2 and stored.author == "guest rater"
    assert stored.why == f"plainer {HOSTILE} (accepted by lead: yes)"
    assert "open proposal" not in school.get(HARM).text
    history = school.get(SCHOOL).text
    assert "guest rater proposed a change of harm shaming" in history
    assert "lead accepted the change of harm shaming that guest rater proposed" in history
    again = school.send(where, [("way", "decline"), ("why", "late")])
    assert again.status_code == 422 and "was accepted already" in PageFound(again.text).text


def test_nobody_accepts_their_own_change_who_may_not_define(rater: Visitor, workspace: Workspace) -> None:
    where = proposed(rater, title="Mine")
    assert rater.send(where, [("way", "accept")]).status_code == 403
    assert rater.send(f"{HARM}/edit", [("title", "Mine")]).status_code == 403
    assert head(workspace).number == 1


def test_who_only_looks_reads_and_does_not_propose(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, title="Mine")
    viewer = come(workspace, link(school, "looker", "viewer"))
    assert "Mine" in viewer.get(where).text
    assert "Propose a change" not in viewer.get(HARM).text
    viewer.get(f"{HARM}/propose", 403)
    assert viewer.send(f"{HARM}/propose", [("title", "x")]).status_code == 403


def test_fields_that_nobody_else_touched_are_taken_and_the_rest_stays(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, title="Theirs")
    form = school.get(f"{HARM}/edit").form("/edit")
    school.send(f"{HARM}/edit", form.filled(background="Meanwhile."))
    page = school.get(where)
    assert "The definition has moved on" in page.text and "Nothing was changed in both" in page.text
    assert school.send(where, [("way", "accept")]).status_code == 303
    found = head(workspace)
    assert (found.number, found.definition.title, found.definition.background) == (3, "Theirs", "Meanwhile.")


def test_what_both_changed_is_named_and_never_accepted_unseen(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, title="Theirs")
    form = school.get(f"{HARM}/edit").form("/edit")
    school.send(f"{HARM}/edit", form.filled(title="Ours"))
    page = school.get(where)
    assert "Both changed: Title" in page.text and f"{where}/settle" in page.links
    answer = school.send(where, [("way", "accept")])
    assert answer.status_code == 422 and "changed the same since: title" in PageFound(answer.text).text
    assert head(workspace).definition.title == "Ours"
    assert "It is open" in school.get(where).text
    assert "say why you decline it" in PageFound(school.send(where, [("way", "decline")]).text).text
    assert school.send(where, [("way", "decline"), ("why", "Took half.")]).status_code == 303
    assert "declined , by lead : Took half." in school.get(where).text.replace(
        "declined,", "declined ,"
    ).replace("lead:", "lead :")


def test_a_change_of_a_harm_is_kept_as_dissent_where_it_differs(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    own = school.get(HARM).text.count("Their own questions")
    where = proposed(rater, why="Tone hurts.", definition="Any tone that hurts.")
    answer = school.send(where, [("way", "dissent"), ("by", "")])
    assert answer.status_code == 422 and "a role, not a name" in PageFound(answer.text).text
    assert school.send(where, [("way", "dissent"), ("by", "rater of conversations")]).status_code == 303
    page = school.get(HARM).text
    assert "rater of conversations , who disagrees" in page.replace("conversations,", "conversations ,")
    assert "Any tone that hurts." in page and page.count("Their own questions") == own
    second = proposed(rater, title="Other")
    taken = school.send(second, [("way", "dissent"), ("by", "rater of conversations")])
    assert "would be replaced" in PageFound(taken.text).text
    assert head(workspace).number == 1


def test_what_is_wrong_with_a_change_is_told_in_the_form(rater: Visitor, workspace: Workspace) -> None:
    form = rater.get(f"{HARM}/propose").form("/propose")
    answer = rater.send(f"{HARM}/propose", form.filled(title="New", why=""))
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "say why" in page.text
    assert dict(page.form("/propose").fields)["title"] == "New" and "Propose this change" in page.text
    same = rater.send(f"{HARM}/propose", form.filled(why="nothing new"))
    assert "nothing was changed" in PageFound(same.text).text
    rater.get(f"{SCHOOL}/proposals/00", 404)
