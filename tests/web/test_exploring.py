"""Exploring: replies are stored whatever happens, a branch keeps the other, and nothing of it is a rate."""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from redloom.domain.case import Case
from redloom.domain.rendering import Frames, render
from redloom.domain.target import Target
from redloom.services import exploring
from redloom.services.exploring import open_exploration
from redloom.services.loading import load_study
from redloom.services.people import accept, invite
from redloom.services.talking import Talks
from redloom.services.targets import add_target
from redloom.services.workspace import Workspace
from web.browsing import ORIGIN, PageFound, Visitor
from web.talking import SCHOOL, STUDY, begin, declare, say, scenario

HOSTILE = "<script>alert(1)</script></div>{{ 7777 * 7777 }}\x1b[2J\u202eabc"


def test_a_branch_keeps_the_other_and_becomes_a_case_that_asks_the_same(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    slug = scenario(workspace)
    where = begin(red_teamer, ["nurse"], slug)
    first = say(red_teamer, talks, where, "Two puffs?")
    second = say(red_teamer, talks, where, "And four?", after=first)
    other = say(red_teamer, talks, where, "And none?", after=first)
    page = red_teamer.get(f"{where}?at={other}").text
    assert "And none?" in page and "1 other branch here" in page
    assert "And four?" in red_teamer.get(f"{where}?at={second}").text
    form = red_teamer.get(f"{where}/promote?at={other}").form("/promote")
    done = red_teamer.send(
        f"{where}/promote", form.filled(slug="from-talk", why="shows the nurse", hypothesis="it stalls")
    )
    assert done.headers["location"] == f"{SCHOOL}/cases/from-talk?said=promoted"
    with workspace.begin() as unit:
        head = unit.definitions(STUDY).head("case", "from-talk")
        assert head is not None and isinstance(head.definition, Case)
        case = head.definition
        stored = exploring.find_exploration(unit, STUDY, where.split("/")[-1])
        turns = unit.explorations.turns(bytes.fromhex(stored.body.lanes[0].interaction))
        study = load_study(unit, STUDY)
    assert case.script == ("Two puffs?", "And none?") and case.scenario == slug
    assert (case.provenance.origin, case.provenance.author) == ("promoted", "lead")
    assert (case.provenance.intent, case.provenance.hypothesis) == ("shows the nurse", "it stalls")
    assert case.provenance.selected_on == "nurse"
    frame = Frames({(kind, name): one for kind, name, one in study.definitions()}).frame(case)
    asked = render(frame, arm="full", delivery=study.targets["nurse"].delivery)
    assert [turns[0].text, turns[2].text] == list(asked.turns)
    assert [turn.parent for turn in turns] == [None, turns[0].id, turns[0].id]


def test_what_the_system_sees_is_the_frame_and_the_branch(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    with workspace.begin() as unit:
        study = load_study(unit, STUDY, cases=False)
    slug = scenario(workspace)
    context = study.contexts[study.scenarios[slug].context]
    told = next(iter(context.deployment_text.values())) if isinstance(context.deployment_text, dict) else ""
    rules = [
        {"history_has": "first branch", "reply": "leaked"},
        {"system_has": told[:30], "reply": "in context"},
    ]
    declare(workspace, tmp_path, "seer", rules=rules, otherwise="alone")
    where = begin(red_teamer, ["seer"], slug)
    say(red_teamer, talks, where, "first branch")
    move = say(red_teamer, talks, where, "second branch")
    assert "in context" in red_teamer.get(f"{where}?at={move}").text
    blind = begin(red_teamer, ["seer"], slug, arm="no_context")
    move = say(red_teamer, talks, blind, "hello")
    page = red_teamer.get(f"{blind}?at={move}").text
    assert "alone" in page and "everything but the context" in page


def test_a_system_that_opens_is_asked_to(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="How are you today?")
    where = begin(red_teamer, ["nurse"], scenario(workspace, opens=True))
    form = red_teamer.get(where).form("/say")
    assert dict(form.fields) == {"open": "yes"}
    red_teamer.send(f"{where}/say", form.fields)
    talks.wait(tuple(talks.live), seconds=10)
    assert "How are you today?" in red_teamer.get(where).text


def test_systems_answer_side_by_side_and_one_that_fails_is_left_behind(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    add_target(workspace, STUDY, "gone", Target(system=f"scripted:{tmp_path / 'nowhere.json'}"))
    where = begin(red_teamer, ["nurse", "gone"], scenario(workspace))
    move = say(red_teamer, talks, where, "Hello?")
    page = red_teamer.get(f"{where}?at={move}").text
    assert "Ask your nurse." in page and "no reply" in page and "cannot be read" in page
    move = say(red_teamer, talks, where, "Again?", after=move)
    assert "did not take part here" in red_teamer.get(f"{where}?at={move}").text


def test_a_reply_can_be_stopped_and_what_came_is_kept(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "slow", otherwise="one two three four five six", pause=0.4)
    where = begin(red_teamer, ["slow"], scenario(workspace))
    done = red_teamer.send(f"{where}/say", [("text", "Go on"), ("after", "")])
    (exchange,) = talks.live
    for _ in range(200):
        live = talks.look(exchange)
        if live is not None and live.text:
            break
        talks.wait([exchange], seconds=0.02)
    page = red_teamer.get(done.headers["location"])
    assert [given for tag, given in page.tags if tag == "meta" and given.get("http-equiv") == "refresh"]
    stopped = red_teamer.send(f"{where}/stop", page.form("/stop").fields)
    assert stopped.status_code == 303 and not talks.live
    (move,) = open_exploration(workspace, STUDY, where.split("/")[-1]).tree.moves.values()
    assert move.exchanges[0].state == "stopped"
    assert move.exchanges[0].reply.startswith("one") and "six" not in move.exchanges[0].reply
    assert "stopped here" in red_teamer.get(where).text


def test_a_stream_tells_the_reply_as_it_comes_and_then_its_end(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "slow", otherwise="one two three", pause=0.15)
    where = begin(red_teamer, ["slow"], scenario(workspace))
    done = red_teamer.send(f"{where}/say", [("text", "Go on"), ("after", "")])
    move = re.search(r"at=([0-9a-f]{32})", done.headers["location"])
    assert move is not None
    answer = red_teamer.client.get(f"{where}/stream?move={move[1]}")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
    assert told[-1] == "end" and len(told) >= 3
    parts = [json.loads(one)["0"] for one in told[:-1]]
    assert [anew for anew, _ in parts] == [True, *([False] * (len(parts) - 1))]
    assert "one two three".startswith("".join(text for _, text in parts))


def test_a_reply_whose_server_ended_is_there_with_its_state(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    id = where.split("/")[-1]
    (exchange,) = exploring.say(workspace, STUDY, id, "Hello?", after=None).exchanges
    now = workspace.now()
    with workspace.begin() as unit:
        unit.explorations.wait(bytes.fromhex(id), exchange, "Ask your", now)
    assert "broken off" not in red_teamer.get(where).text
    with workspace.begin() as unit:
        unit.explorations.wait(bytes.fromhex(id), exchange, "Ask your", now - datetime.timedelta(seconds=11))
    page = red_teamer.get(where).text
    assert "broken off: the server ended" in page and "Ask your" in page and "Hello?" in page
    (move,) = open_exploration(workspace, STUDY, id).tree.moves.values()
    assert move.exchanges[0].turn is not None and move.exchanges[0].turn.finish_reason == "interrupted"
    with workspace.begin() as unit:
        late = replace(move.exchanges[0].turn, reply="too late")
        assert not unit.explorations.settle(bytes.fromhex(id), exchange, "answered", late, None)


def test_marks_are_told_where_they_are_wrong_and_stand_at_their_reply(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="You are lazy.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    move = say(red_teamer, talks, where, "Hello?")
    form = red_teamer.get(f"{where}?at={move}").form("/mark")
    sent = form.filled(harm="shaming", severity="99", note="an hour of words")
    wrong = red_teamer.send(f"{where}/mark", sent)
    assert dict(PageFound(wrong.text).form("/mark").fields) == dict(sent)
    assert wrong.status_code == 422 and "severity 99 is not on the scale" in PageFound(wrong.text).text
    unknown = red_teamer.send(f"{where}/mark", form.filled(harm="shamin"))
    assert "did you mean 'shaming'" in PageFound(unknown.text).text
    done = red_teamer.send(f"{where}/mark", form.filled(harm="shaming", what="scolds", note="called lazy"))
    assert done.headers["location"].endswith(f"said=marked#reply-{dict(form.fields)['exchange']}")
    page = red_teamer.get(done.headers["location"])
    assert "scolds" in page.text and "called lazy" in page.text
    assert "1 mark" in red_teamer.get(f"{SCHOOL}/explore").text


def test_hostile_replies_and_messages_are_text(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "evil", otherwise=HOSTILE)
    where = begin(red_teamer, ["evil"], scenario(workspace))
    move = say(red_teamer, talks, where, HOSTILE)
    for path in (f"{where}?at={move}", f"{where}/promote?at={move}", f"{SCHOOL}/explore"):
        page = red_teamer.get(path)
        assert len([1 for tag, _ in page.tags if tag == "script"]) == 1
        assert str(7777 * 7777) not in page.text


def test_what_cannot_begin_is_told_at_once_and_nothing_is_stored(
    red_teamer: Visitor, workspace: Workspace
) -> None:
    done = red_teamer.send(f"{SCHOOL}/explore", [("scenario", "nowhere"), ("arm", "full")])
    page = PageFound(done.text).text
    assert done.status_code == 422
    assert "0 systems are chosen" in page and "no scenario named 'nowhere'" in page
    assert exploring.list_explorations(workspace, STUDY) == []


def test_ids_that_are_none_lead_nowhere(red_teamer: Visitor) -> None:
    for id in ("x", "00" * 16, "../../etc"):
        assert red_teamer.client.get(f"{SCHOOL}/explore/{id}").status_code == 404


def test_no_page_of_it_shows_a_rate(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    say(red_teamer, talks, where, "Hello?")
    for path in (where, f"{SCHOOL}/explore"):
        assert "%" not in red_teamer.get(path).text
    assert "no page of it shows a rate" in red_teamer.get(f"{SCHOOL}/explore").text


@pytest.mark.parametrize(
    "name", ["python:os:system", "scripted:/etc/passwd", "openai:any", "local:../x.gguf"]
)
def test_who_came_by_a_link_names_systems_of_the_study_only(
    red_teamer: Visitor, workspace: Workspace, name: str
) -> None:
    session = accept(workspace, invite(workspace, STUDY, "Somebody", "red_teamer").secret).secret
    red_teamer.client.cookies.set("redloom_session", session)
    fields = [("scenario", scenario(workspace)), ("arm", "full"), ("targets", name)]
    done = red_teamer.send(f"{SCHOOL}/explore", fields)
    assert done.status_code == 422 and "is no system of this study" in PageFound(done.text).text
    sent = {"targets": [name]}
    told = red_teamer.client.post(
        f"/api/v1/studies/{STUDY}/explorations", json=sent, headers={"Origin": ORIGIN}
    )
    assert told.status_code == 422 and exploring.list_explorations(workspace, STUDY) == []


def test_somebody_who_writes_meanwhile_is_told_of_and_nothing_is_lost(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    first = say(red_teamer, talks, where, "Hello?")
    *_, mine = (form for form in red_teamer.get(where).forms if form.action.endswith("/say"))
    (poll,) = (given["data-newer"] for _, given in red_teamer.get(where).tags if "data-newer" in given)
    assert poll is not None and red_teamer.client.get(poll).json() is None
    session = accept(workspace, invite(workspace, STUDY, "Ana", "red_teamer").secret).secret
    red_teamer.client.cookies.set("redloom_session", session)
    for text in ("Ana asks.", "Ana asks again."):
        theirs = say(red_teamer, talks, where, text, after=first)
    red_teamer.client.cookies.clear()
    told = red_teamer.client.get(poll).json()
    assert told == {"words": "Ana sent 2 messages here meanwhile.", "to": f"{where}?at={theirs}#end"}
    done = red_teamer.send(f"{where}/say", mine.filled(text="I ask."))
    talks.wait(tuple(talks.live), seconds=10)
    page = red_teamer.get(done.headers["location"].split("#")[0])
    assert "Ana sent 2 messages here meanwhile. Look" in page.text
    assert "2 other branches here" in page.text and "I ask." in page.text
    assert "Ana asks again." in red_teamer.get(told["to"].split("#")[0]).text
    assert "meanwhile" not in red_teamer.get(where).text


@pytest.mark.parametrize("seen", ["", "x", "00" * 17, "' OR 1=1"])
def test_a_sign_of_what_was_seen_that_is_none_leads_nowhere(
    red_teamer: Visitor, workspace: Workspace, tmp_path: Path, seen: str
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    where = begin(red_teamer, ["nurse"], scenario(workspace))
    assert red_teamer.client.get(f"{where}/newer", params={"seen": seen}).status_code == 404


def test_a_reply_that_ends_before_the_others_is_told_whole(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "quick", otherwise="Ask your nurse.")
    declare(workspace, tmp_path, "slow", otherwise="one two three four", pause=0.2)
    where = begin(red_teamer, ["quick", "slow"], scenario(workspace))
    done = red_teamer.send(f"{where}/say", [("text", "Go on"), ("after", "")])
    move = re.search(r"at=([0-9a-f]{32})", done.headers["location"])
    assert move is not None
    told = red_teamer.client.get(f"{where}/stream?move={move[1]}").text
    said = {"0": "", "1": ""}
    for line in told.split("\n"):
        if line.startswith("data: {"):
            for lane, (anew, text) in json.loads(line.removeprefix("data: ")).items():
                said[lane] = text if anew else said[lane] + text
    assert said["0"] == "Ask your nurse." and said["1"].startswith("one two three")


def test_explorations_are_listed_some_at_a_time_newest_first(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redloom.web.routes.explore.LISTED", 2)
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    begun = [begin(red_teamer, ["nurse"], "") for _ in range(4)]
    say(red_teamer, talks, begun[0], "Hello?")
    shown = [[link for link in red_teamer.get(f"{SCHOOL}/explore").links if link in begun]]
    (earlier,) = (link for link in red_teamer.get(f"{SCHOOL}/explore").links if "before=" in link)
    last = red_teamer.get(earlier)
    shown.append([link for link in last.links if link in begun])
    assert shown == [[begun[3], begun[2]], [begun[1], begun[0]]]
    assert "Hello?" in last.text and "0 messages, 0 marks" in last.text and "1 message, 0 marks" in last.text
    assert "The newest" in last.text and "Earlier ones" not in last.text
    assert red_teamer.client.get(f"{SCHOOL}/explore?before=x").status_code == 404
