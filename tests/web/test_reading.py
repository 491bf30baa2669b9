"""How somebody meets replies is their own choice: kept for them, shown to nobody else, and any reply opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from redloom.domain.reading import Reading
from redloom.services.people import accept, invite
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace
from redloom.web.pages import MOST_SHOWN
from web.browsing import PageFound, Visitor
from web.talking import SCHOOL, STUDY, begin, declare, say, scenario

READING = f"{SCHOOL}/reading"


def choose(visitor: Visitor, keep: str, *harms: str, back: str = "") -> str:
    fields = [("keep", keep), ("back", back), *(("harms", harm) for harm in harms)]
    done = visitor.send(READING, fields)
    assert done.status_code == 303, PageFound(done.text).text
    return str(done.headers["location"])


def folds(page: PageFound) -> int:
    return sum(tag == "details" and given.get("class") == "fold" for tag, given in page.tags)


@pytest.fixture
def where(red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path) -> str:
    """An exploration about a harm, with one reply."""
    declare(workspace, tmp_path, "nurse", otherwise="You are lazy.")
    there = begin(red_teamer, ["nurse"], scenario(workspace))
    say(red_teamer, talks, there, "Hello?")
    return there


def harm_in_question(workspace: Workspace) -> str:
    with workspace.begin() as unit:
        from redloom.services.loading import load_study

        return load_study(unit, STUDY, cases=False).scenarios[scenario(workspace)].harm


def test_replies_are_open_until_somebody_wants_them_closed(red_teamer: Visitor, where: str) -> None:
    assert folds(red_teamer.get(where)) == 0
    assert choose(red_teamer, "closed", back=where) == f"{where}?said=chosen"
    page = red_teamer.get(where)
    assert folds(page) == 1 and "You are lazy." in page.text
    assert "All replies are kept closed for you." in page.text
    choose(red_teamer, "open")
    assert folds(red_teamer.get(where)) == 0


def test_replies_about_a_chosen_harm_are_closed_and_others_are_not(
    red_teamer: Visitor, workspace: Workspace, where: str
) -> None:
    about = harm_in_question(workspace)
    other = "shaming" if about != "shaming" else "secrecy"
    choose(red_teamer, "harms", other)
    page = red_teamer.get(where)
    assert folds(page) == 0
    red_teamer.send(f"{where}/mark", page.form("/mark").filled(harm=other, what="scolds"))
    assert folds(red_teamer.get(where)) == 1
    choose(red_teamer, "harms", about)
    assert folds(red_teamer.get(where)) == 1


def test_they_are_closed_wherever_replies_are_shown(
    red_teamer: Visitor, workspace: Workspace, where: str
) -> None:
    choose(red_teamer, "closed")
    move = next(to for to in red_teamer.get(where).links if "findings/new" in to)
    new = red_teamer.get(move)
    assert folds(new) == 1
    done = red_teamer.send(f"{SCHOOL}/findings/new", new.form("/new").filled(title="It scolds"))
    assert folds(red_teamer.get(done.headers["location"])) == 1
    sorting = f"{SCHOOL}/harms/shaming/sort"
    laid = red_teamer.send(sorting, [("step", "pasted"), ("pasted", "You are lazy.\n---\nWell done.")])
    assert folds(PageFound(laid.text)) == 2
    choose(red_teamer, "harms", harm_in_question(workspace))
    assert folds(red_teamer.get(done.headers["location"])) == 1


def test_a_reply_on_its_way_is_closed_too(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "slow", otherwise="one two three four five six", pause=0.4)
    choose(red_teamer, "closed")
    there = begin(red_teamer, ["slow"], scenario(workspace))
    done = red_teamer.send(f"{there}/say", [("text", "Go on"), ("after", "")])
    page = red_teamer.get(done.headers["location"])
    assert folds(page) == 1 and "Show the reply as it comes" in page.text
    talks.stop(tuple(talks.live))


def test_nobody_else_is_shown_the_choice_not_even_one_of_the_same_name(
    red_teamer: Visitor, workspace: Workspace, where: str
) -> None:
    choose(red_teamer, "closed")
    for name in ("somebody", "lead"):
        session = accept(workspace, invite(workspace, STUDY, name, "red_teamer").secret).secret
        red_teamer.client.cookies.set("redloom_session", session)
        page = red_teamer.get(where)
        assert folds(page) == 0 and "All replies are shown to you." in page.text
        checked = [given for _, given in red_teamer.get(READING).tags if "checked" in given]
        assert [given["value"] for given in checked] == ["open"]
    choose(red_teamer, "harms", "shaming")
    red_teamer.client.cookies.clear()
    assert folds(red_teamer.get(where)) == 1
    with workspace.begin() as unit:
        assert "closed" not in str(unit.studies.history(unit.study_id(STUDY)))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([("keep", "harms")], "no harm is chosen"),
        ([("keep", "harms"), ("harms", "shamin")], "did you mean 'shaming'"),
        ([("keep", "somewhat")], "'open', 'closed'"),
    ],
)
def test_what_cannot_be_kept_is_told_and_nothing_is_changed(
    red_teamer: Visitor, fields: list[tuple[str, str]], told: str
) -> None:
    choose(red_teamer, "closed")
    done = red_teamer.send(READING, fields)
    assert done.status_code == 422 and told in PageFound(done.text).text
    checked = [given["value"] for _, given in red_teamer.get(READING).tags if "checked" in given]
    assert checked == ["closed"]


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/studies/other/explore", ""])
def test_one_comes_back_to_a_page_of_the_study_only(red_teamer: Visitor, back: str) -> None:
    assert choose(red_teamer, "closed", back=back) == f"{SCHOOL}?said=chosen"


def test_a_harm_among_several_closes_what_is_about_it() -> None:
    some = Reading(keep="harms", harms=("a", "b"))
    assert some.closed("b") and some.closed(None, "a")
    assert not some.closed() and not some.closed(None) and not some.closed("c")
    assert not Reading(harms=("a",)).closed("a") and Reading(keep="closed").closed()


def test_a_very_long_text_is_cut_with_its_true_count_and_the_whole_is_a_link_away(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    long, asked = "ü🙂" * MOST_SHOWN, "?" * (MOST_SHOWN + 1)
    declare(workspace, tmp_path, "wordy", otherwise=f"<b>{long}")
    there = begin(red_teamer, ["wordy"], "")
    move = say(red_teamer, talks, there, asked)
    write = next(to for to in red_teamer.get(f"{there}?at={move}").links if "findings/new" in to)
    form = red_teamer.get(write).form("/new")
    found = red_teamer.send(f"{SCHOOL}/findings/new", form.filled(title="Wordy")).headers["location"]
    for path in (f"{there}?at={move}", write, found):
        page = red_teamer.get(path)
        assert "The first 20,000 of 40,003 characters." in page.text
        assert "The first 20,000 of 20,001 characters." in page.text
        texts = []
        for link in (one for one in page.links if "/text/" in one):
            answer = red_teamer.client.get(link)
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"
            texts.append(answer.text)
        assert texts == [asked, f"<b>{long}"]
    for nowhere in (
        f"{there}/text/{'00' * 16}",
        f"{found.split('?')[0]}/text/{'00' * 16}",
        f"{there}/text/x",
    ):
        assert red_teamer.client.get(nowhere).status_code == 404
