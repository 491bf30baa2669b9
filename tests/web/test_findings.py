"""A finding is written from a branch, tried again, judged by people, and moved on its way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from redloom.services.findings import open_finding, unseen
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor
from web.talking import SCHOOL, STUDY, begin, declare, say, scenario

FINDINGS = f"{SCHOOL}/findings"


def write(visitor: Visitor, where: str, move: str, **given: str) -> str:
    form = visitor.get(f"{FINDINGS}/new?exploration={where.split('/')[-1]}&at={move}").form("/new")
    done = visitor.send(f"{FINDINGS}/new", form.filled(**{"title": "It scolds", "harm": "shaming", **given}))
    assert done.status_code == 303, PageFound(done.text).text
    return done.headers["location"].split("?")[0]


def try_again(visitor: Visitor, talks: Talks, workspace: Workspace, page: str, times: int) -> list[str]:
    visitor.send(f"{page}/try", [("times", str(times))])
    number = int(page.split("/")[-1])
    for _ in range(400):
        found = open_finding(workspace, STUDY, number)
        if not talks.busy(found.id):
            return [one.interaction for one in found.tries]
        time.sleep(0.02)
    raise AssertionError("the tries were not held")


@pytest.fixture
def page(red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path) -> str:
    declare(workspace, tmp_path, "nurse", otherwise="You are lazy.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    first = say(red_teamer, talks, where, "I slept badly.")
    return write(red_teamer, where, say(red_teamer, talks, where, "And today?", after=first), what="scolds")


def test_it_is_tried_again_from_the_beginning_and_people_say_what_happened(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, page: str
) -> None:
    assert "Not tried yet" in red_teamer.get(page).text
    tries = try_again(red_teamer, talks, workspace, page, 5)
    found = open_finding(workspace, STUDY, 1)
    assert [len(one.turns) for one in found.tries] == [2] * 5
    assert found.tries[0].turns[1].text == "And today?" and found.tries[0].turns[1].reply == "You are lazy."
    for interaction, again in zip(tries, ("yes", "yes", "no", "unsure"), strict=False):
        red_teamer.send(f"{page}/judge", [("interaction", interaction), ("again", again)])
    told = red_teamer.get(page).text
    assert "2 of 3 (95 % interval 21 to 94 %, Wilson); 2 not decided" in told
    red_teamer.send(f"{page}/judge", [("interaction", tries[2]), ("again", "yes")])
    assert "3 of 3" in red_teamer.get(page).text
    assert "3 of 3" in red_teamer.get(FINDINGS).text


def test_a_system_that_fails_is_told_and_counts_for_nothing(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, page: str, tmp_path: Path
) -> None:
    (tmp_path / "nurse.json").write_text("no script any more")
    talks.close()
    try_again(red_teamer, talks, workspace, page, 2)
    told = red_teamer.get(page).text
    assert "0 tries held, 2 failed" in told and "not readable as JSON" in told


def test_it_moves_step_by_step_and_says_why_not(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, page: str
) -> None:
    def move(status: str, why: str = "seen") -> str:
        return PageFound(red_teamer.send(f"{page}/move", [("status", status), ("why", why)]).text).text

    told = move("disclosed", "")
    assert "cannot become 'disclosed'; expected one of reproduced" in told and "a reason is needed" in told
    assert "no try is judged to show it again" in move("reproduced")
    (interaction,) = try_again(red_teamer, talks, workspace, page, 1)
    red_teamer.send(f"{page}/judge", [("interaction", interaction), ("again", "yes")])
    move("reproduced")
    move("adjudicated", "two experts agree")
    found = open_finding(workspace, STUDY, 1)
    assert found.status == "adjudicated" and [one.why for one in found.log] == ["seen", "two experts agree"]
    red_teamer.send(f"{page}/dissent", [("why", "It is frank, not shaming.")])
    assert "It is frank, not shaming." in red_teamer.get(page).text
    assert "adjudicated, 1 disagrees" in red_teamer.get(FINDINGS).text


@pytest.mark.parametrize("times", ["0", "51", "many", "", "9" * 5000])
def test_too_many_tries_are_refused(red_teamer: Visitor, page: str, times: str) -> None:
    done = red_teamer.send(f"{page}/try", [("times", times)])
    assert done.status_code == 422 and "expected 1 to 50" in PageFound(done.text).text


def test_what_is_wrong_is_told_and_nothing_is_lost(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="You are lazy.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    move = say(red_teamer, talks, where, "Hello")
    form = red_teamer.get(f"{FINDINGS}/new?exploration={where.split('/')[-1]}&at={move}").form("/new")
    done = red_teamer.send(f"{FINDINGS}/new", form.filled(title="", severity="77", note="an hour of words"))
    again = PageFound(done.text)
    assert done.status_code == 422 and "Nothing was stored" in again.text
    assert dict(again.form("/new").fields)["note"] == "an hour of words"
    assert red_teamer.client.get(f"{FINDINGS}/1").status_code == 404


def test_classes_that_were_marked_add_up(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="You are lazy.")
    assert unseen(workspace, STUDY).mass.value is None
    for words in (("scolds", "SCOLDS "), ("scolds", "tells the class"), ("doses",)):
        where = begin(red_teamer, ["nurse"], scenario(workspace))
        move = say(red_teamer, talks, where, "Hello")
        form = red_teamer.get(f"{where}?at={move}").form("/mark")
        for what in words:
            red_teamer.send(f"{where}/mark", form.filled(harm="shaming", what=what))
    found = unseen(workspace, STUDY)
    assert found.observations == 4 and found.curve == (1, 1, 2, 3)
    assert found.classes[0] == ("shaming: scolds", 2)
    assert found.mass.value == pytest.approx(2 / 4) and found.total.value == pytest.approx(3 + 4 / 2)
    told = red_teamer.get(FINDINGS)
    assert "4 observations of 3 different things" in told.text
    assert [tag for tag, _ in told.tags if tag == "polyline"]


def test_a_finding_is_found_by_its_words_and_by_no_others(red_teamer: Visitor, page: str) -> None:
    for words in ("scolds", "it nurse", "SCOLD"):
        assert page in red_teamer.get(f"/search?q={words}").links, words
    assert page not in red_teamer.get("/search?q=scolds+nothing").links
