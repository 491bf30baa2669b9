"""Explorations, findings and releases as the workbench asks for them, on both kinds of database, of one study among two."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from sqlalchemy import event

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.domain.reading import Reading
from redloom.domain.target import Target
from redloom.errors import UnknownNameError
from redloom.services import exploring, findings
from redloom.services.ordering import list_orders
from redloom.services.reading import choose_reading, reading_of
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.releasing import list_releases
from redloom.services.studies import apply_study
from redloom.services.talking import Talks
from redloom.services.targets import add_target
from redloom.services.trying import judge_tries, looks
from redloom.services.workspace import Workspace


@pytest.fixture
def talks() -> Talks:
    return Talks()


def test_what_is_explored_found_and_promoted_belongs_to_one_study(
    workspace: Workspace, tmp_path: Path, talks: Talks
) -> None:
    path = tmp_path / "said.json"
    path.write_text(json.dumps({"otherwise": "a reply with a nul \u0000 in it"}))
    for slug in ("small", "other"):
        apply_study(workspace, StudyFile(to_study(small_document(study=slug)), f"{slug}.yaml"))
        add_target(workspace, slug, "nurse", Target(system=f"scripted:{path}"))
    with workspace.begin() as unit:
        scenario = unit.definitions("small").slugs("scenario")[0]
    id = exploring.begin(workspace, "small", scenario=scenario, targets=["nurse"])
    try:
        made = exploring.say(workspace, "small", id, "Hello \u0000?", after=None).exchanges
        talks.ask(workspace, "small", id, made)
        assert talks.wait(made, seconds=20)
        (move,) = exploring.open_exploration(workspace, "small", id).tree.moves.values()
        assert move.exchanges[0].state == "answered" and "\u2400" in move.exchanges[0].reply
        exploring.mark(workspace, "small", id, made[0].hex(), {"what": "odd"})
        number = findings.write_finding(workspace, "small", id, made[0].hex(), {"title": "Odd"})
        findings.ask_for_tries(workspace, "small", number, 2)
        talks.hold_tries(workspace, "small", findings.open_finding(workspace, "small", number))
        for _ in range(200):
            found = findings.open_finding(workspace, "small", number)
            if len(found.tries) == 2:
                break
            time.sleep(0.05)
        assert [one.state for one in found.tries] == ["completed"] * 2 and found.owed == ()
    finally:
        talks.close()
    assert asyncio.run(judge_tries(workspace, "small", number, "rule:refusal")) == 2
    assert asyncio.run(judge_tries(workspace, "small", number, "rule:refusal")) == 0
    (said,) = looks(workspace, findings.open_finding(workspace, "small", number))
    assert (said.instrument.rater, said.share.events, said.share.n) == ("rule:refusal", 0, 2)
    findings.ask_for_tries(workspace, "small", number, 3)
    assert len(findings.open_finding(workspace, "small", number).owed) == 3
    findings.call_off_tries(workspace, "small", number)
    assert findings.open_finding(workspace, "small", number).owed == ()
    assert list(exploring.newer_moves(workspace, "small", id, "00" * 16)) == [move.id.hex()]
    assert exploring.newer_moves(workspace, "small", id, made[0].hex()) == {}
    how = exploring.Promotion(slug="talked", scenario=scenario)
    exploring.promote(workspace, "small", id, move.id.hex(), how)
    with workspace.begin() as unit:
        assert unit.definitions("other").head("case", "talked") is None
    assert exploring.list_explorations(workspace, "other") == []
    assert findings.list_findings(workspace, "other") == []
    assert findings.unseen(workspace, "other").observations == 0
    with pytest.raises(UnknownNameError):
        exploring.open_exploration(workspace, "other", id)
    with pytest.raises(UnknownNameError):
        findings.open_finding(workspace, "other", number)


def test_a_reply_that_comes_while_one_reads_is_never_without_its_words(workspace: Workspace) -> None:
    apply_study(workspace, StudyFile(to_study(small_document(study="small")), "small.yaml"))
    add_target(workspace, "small", "nurse", Target(system="scripted:nowhere.json"))
    id = exploring.begin(workspace, "small", scenario=None, targets=["nurse"])
    (made,) = exploring.say(workspace, "small", id, "Hello?", after=None).exchanges
    with workspace.begin() as unit:
        stored = unit.explorations.get(bytes.fromhex(id))
        assert stored is not None
        (asked,) = unit.explorations.exchanges(stored)

    came: list[bool] = []

    def comes(*_: object) -> None:
        if came:
            return
        came.append(True)
        with workspace.begin() as unit:
            said = exploring.turn_of(stored, asked, "Hello?", "Good evening.", "stop")
            assert unit.explorations.settle(stored.id, made, "answered", said, None)

    with workspace.begin() as reader:
        event.listen(reader.connection, "after_cursor_execute", comes)
        (first,) = reader.explorations.exchanges(stored)
        (then,) = reader.explorations.exchanges(stored)
    assert first.state == "asked" or first.turn is not None
    assert (then.state, then.reply) == ("answered", "Good evening.")


def test_how_replies_are_shown_is_kept_by_study_and_person(workspace: Workspace) -> None:
    for slug in ("small", "other"):
        apply_study(workspace, StudyFile(to_study(small_document(study=slug)), f"{slug}.yaml"))
    with workspace.begin() as unit:
        harm = unit.definitions("small").slugs("harm")[0]
    for given in ({"keep": "closed"}, {"keep": "harms", "harms": [harm]}):
        choose_reading(workspace, "small", "participant 1", given)
    assert reading_of(workspace, "small", "participant 1").harms == (harm,)
    for study, person in (("small", "participant 11"), ("other", "participant 1")):
        assert reading_of(workspace, study, person) == Reading()


def test_releases_and_orders_are_listed_on_both(workspace: Workspace) -> None:
    apply_study(workspace, StudyFile(to_study(small_document(study="small")), "small.yaml"))
    cut_release(workspace, "small", "1.0", ReleaseOptions(provisional=True))
    assert "1.0" in str(list_releases(workspace, "small"))
    assert isinstance(list_orders(workspace, "small", 2), list)
