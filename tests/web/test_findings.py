"""A finding is written from a branch, tried again, judged by people, and moved on its way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from redloom.domain.target import Target
from redloom.services.findings import add_try, ask_for_tries, open_finding, unseen
from redloom.services.talking import Talks
from redloom.services.targets import add_target
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


def test_which_system_a_finding_is_of_is_chosen_at_its_reply(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "kind", otherwise="Well done.")
    declare(workspace, tmp_path, "harsh", otherwise="You are lazy.")
    where = begin(red_teamer, ["kind", "harsh"], scenario(workspace))
    say(red_teamer, talks, where, "Hello")
    _, harsh = (link for link in red_teamer.get(where).links if "findings/new" in link)
    new = red_teamer.get(harsh)
    assert "The branch with harsh" in new.text and "You are lazy." in new.text
    red_teamer.send(f"{FINDINGS}/new", new.form("/new").filled(title="It scolds"))
    assert open_finding(workspace, STUDY, 1).claim.system == "harsh"


def test_tries_whose_server_ended_are_still_asked_for_and_go_on(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, page: str
) -> None:
    first = try_again(red_teamer, talks, workspace, page, 2)
    ask_for_tries(workspace, STUDY, 1, 3)  # and the server ends
    told = red_teamer.get(page)
    assert "3 tries were asked for and not held" in told.text
    owed = open_finding(workspace, STUDY, 1).owed
    with workspace.begin() as unit:  # another server was still at one of them
        key = bytes.fromhex(open_finding(workspace, STUDY, 1).id)
        add_try(unit, workspace, key, bytes.fromhex(owed[1]), (), None)
    red_teamer.send(f"{page}/go-on", told.form("/go-on").fields)
    found = open_finding(workspace, STUDY, 1)
    for _ in range(400):
        found = open_finding(workspace, STUDY, 1)
        if not talks.busy(found.id):
            break
        time.sleep(0.02)
    assert found.owed == () and len(found.tries) == 5
    assert {one.interaction for one in found.tries} == {*first, *owed}
    assert "asked for and not held" not in red_teamer.get(page).text


def test_a_try_that_two_servers_held_counts_once(
    workspace: Workspace, red_teamer: Visitor, page: str
) -> None:
    ask_for_tries(workspace, STUDY, 1, 1)
    found = open_finding(workspace, STUDY, 1)
    for error in (None, "too late"):
        with workspace.begin() as unit:
            add_try(unit, workspace, bytes.fromhex(found.id), bytes.fromhex(found.owed[0]), (), error)
    assert [one.error for one in open_finding(workspace, STUDY, 1).tries] == [None]


def test_tries_can_be_stopped_and_called_off(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="You are lazy.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    page = write(red_teamer, where, say(red_teamer, talks, where, "Hello"))
    ask_for_tries(workspace, STUDY, 1, 3)
    red_teamer.send(f"{page}/stop", red_teamer.get(page).form("/stop").fields)
    found = open_finding(workspace, STUDY, 1)
    assert found.owed == () and found.tries == () and not talks.busy(found.id)
    assert "Not tried yet" in red_teamer.get(page).text
    assert len(try_again(red_teamer, talks, workspace, page, 1)) == 1


def looked(visitor: Visitor, talks: Talks, workspace: Workspace, page: str, judge: str) -> str:
    """The page once a judge has looked at all tries, or stopped."""
    done = visitor.send(f"{page}/look", [("judge", judge)])
    assert done.status_code == 303, PageFound(done.text).text
    found = open_finding(workspace, STUDY, 1)
    for _ in range(400):
        if talks.looking(found.id).get(judge, "done"):
            return visitor.get(page).text
        time.sleep(0.02)
    raise AssertionError("the judge did not end")


def test_judges_stand_beside_people_and_are_never_counted_with_them(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Your secret is safe with me.")
    answers = '{"why": "it promises", "answers": {}}'
    declare(workspace, tmp_path, "mute", otherwise=answers)
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    page = write(red_teamer, where, say(red_teamer, talks, where, "Hello"), harm="wrong-disclosure")
    tries = try_again(red_teamer, talks, workspace, page, 3)
    red_teamer.send(f"{page}/judge", [("interaction", tries[0]), ("again", "no")])
    told = looked(red_teamer, talks, workspace, page, "promised-secrecy")
    assert "People: 0 of 1 (95 % interval" in told and "2 not decided" in told
    assert "Judge rule:promised-secrecy: harm in 3 of 3 (95 % interval 44 to 100 %, Wilson)" in told
    assert "lead: no" in told and told.count("rule:promised-secrecy: harm") == 4
    told = looked(red_teamer, talks, workspace, page, "rule:refusal")
    assert "Judge rule:refusal: declined in 0 of 3" in told and "People: 0 of 1" in told
    told = looked(red_teamer, talks, workspace, page, "mute")
    assert "Judge mute: decided none of 3" in told and told.count("mute: not decided") == 3
    with workspace.begin() as unit:
        made = unit.judgements.of([bytes.fromhex(one) for one in tries])
    assert [len(made[bytes.fromhex(one)]) for one in tries] == [3, 3, 3]
    looked(red_teamer, talks, workspace, page, "promised-secrecy")
    with workspace.begin() as unit:
        assert unit.judgements.of([bytes.fromhex(one) for one in tries]) == made
    assert (
        "no try is judged to show it again"
        in PageFound(
            red_teamer.send(f"{page}/move", [("status", "reproduced"), ("why", "a judge says so")]).text
        ).text
    )


def test_a_judge_looks_at_new_tries_only(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, page: str
) -> None:
    try_again(red_teamer, talks, workspace, page, 2)
    looked(red_teamer, talks, workspace, page, "rule:refusal")
    tries = try_again(red_teamer, talks, workspace, page, 1)
    assert "declined in 0 of 3" in looked(red_teamer, talks, workspace, page, "rule:refusal")
    with workspace.begin() as unit:
        made = unit.judgements.of([bytes.fromhex(one) for one in tries])
    assert [len(some) for some in made.values()] == [2, 2, 2]  # a reply each


def test_a_judge_that_cannot_be_reached_is_told_and_nothing_of_it_is_stored(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, page: str, tmp_path: Path
) -> None:
    add_target(workspace, STUDY, "gone", Target(system=f"scripted:{tmp_path / 'nowhere.json'}"))
    try_again(red_teamer, talks, workspace, page, 1)
    told = looked(red_teamer, talks, workspace, page, "gone")
    assert "gone stopped" in told and "cannot be read" in told and "Judge gone" not in told


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        ("rule:refusl", "did you mean 'rule:refusal'"),
        ("scripted:/etc/passwd", "no judge named"),
        ("promised-secrecy", "promised-secrecy does not judge shaming"),
    ],
)
def test_what_is_no_judge_of_it_is_told_before_anything_is_judged(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, page: str, judge: str, told: str
) -> None:
    done = red_teamer.send(f"{page}/look", [("judge", "rule:refusal")])
    assert "there is no try to look at" in PageFound(done.text).text
    try_again(red_teamer, talks, workspace, page, 1)
    done = red_teamer.send(f"{page}/look", [("judge", judge)])
    assert done.status_code == 422 and told in PageFound(done.text).text
