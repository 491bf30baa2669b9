"""What somebody meets first: the example, or a study of their own."""

from __future__ import annotations

import pytest

from redloom.services.workspace import Workspace
from redloom.web.routes.study import FIRST
from web.browsing import PageFound, Visitor


@pytest.mark.parametrize("first", FIRST)
def test_an_empty_database_asks_what_to_do_first_and_opens_the_example_there(
    empty: Visitor, workspace: Workspace, first: str
) -> None:
    page = empty.get("/")
    assert "What do you want to do first?" in page.text
    with workspace.begin() as unit:
        assert unit.studies.slugs() == []
    done = empty.send("/", [("first", first)])
    assert done.headers["location"] == f"/studies/school-health{FIRST[first][2]}?said=begun"
    assert "The example study is there." in empty.get(done.headers["location"]).text


def test_a_study_of_ones_own_begins_in_the_browser_and_says_what_is_next(
    empty: Visitor, workspace: Workspace
) -> None:
    form = empty.get("/new").form("/new")
    done = empty.send(
        "/new", form.filled(title="Night desk", purpose="Whether it scares people.", languages="en, es")
    )
    assert done.headers["location"] == "/studies/night-desk?said=study-begun"
    page = empty.get(done.headers["location"])
    assert "Whether it scares people." in page.text and "No context is described yet" in page.text
    with workspace.begin() as unit:
        head = unit.definitions("night-desk").head("study", "night-desk")
    assert head is not None and head.definition.content()["languages"] == ["en", "es"]
    assert empty.get("/studies/night-desk/contexts/new").forms, "its parts can be written right away"


def test_every_problem_of_a_new_study_is_told_at_once_and_nothing_is_stored(
    school: Visitor, workspace: Workspace
) -> None:
    sent = [("title", ""), ("languages", "english!"), ("slug", "a b"), ("purpose", "<script>")]
    done = school.send("/new", sent)
    assert done.status_code == 422
    page = PageFound(done.text)
    for told in ("title", "languages", "'a b' is no short name"):
        assert told in page.text
    assert dict(page.form("/new").fields)["purpose"] == "<script>"
    done = school.send("/new", [("title", "Mine"), ("languages", "en"), ("slug", "school-health")])
    assert done.status_code == 422 and "there is a study" in done.text
    with workspace.begin() as unit:
        assert unit.studies.slugs() == ["school-health"]
