"""Drafts by a model in the browser: seen before anything is sent, stored as drafts, told where not."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from redloom.domain.case import Case
from redloom.domain.target import Limits, Target
from redloom.errors import InputError, SetupError
from redloom.services.cases import statuses
from redloom.services.drafting import Drafting, begin, look, write
from redloom.services.generating import list_wanted, show_requests
from redloom.services.targets import add_target
from redloom.services.workspace import Workspace
from redloom.storage.locks import hold_run
from redloom.targets import models
from web.browsing import PageFound, Visitor
from web.test_people import come, link

SCHOOL = "/studies/school-health"
GENERATE = f"{SCHOOL}/orders/generate"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A writer that answers with two turns."""
    path = tmp_path / "writer.json"
    path.write_text(json.dumps({"version": 1, "otherwise": "1. Hello <b>there</b>.\n2. And then?"}))
    return path


@pytest.fixture
def bare(school: Visitor, workspace: Workspace) -> str:
    """A scenario without a test conversation."""
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        found = next(stored.heads("scenario")).definition.model_copy(update={"title": "A <i>bare</i> one"})
        stored.put("scenario", [("bare", found)], author="lead", origin="test", why="", at=workspace.now())
    return "bare"


def choose(visitor: Visitor, target: str, *keys: str, **values: str) -> Any:
    form = visitor.get(GENERATE).form("/generate")
    return visitor.send(GENERATE, [*form.filled(other=target, **values), *[("for", key) for key in keys]])


def send(visitor: Visitor, drafting: Drafting, page: PageFound) -> PageFound:
    """Confirm what a page shows and wait for its end; gives the page of what became of it."""
    done = visitor.send(GENERATE, page.form("/generate").fields)
    assert done.status_code == 303, PageFound(done.text).text
    where = done.headers["location"]
    assert drafting.wait(where.rpartition("/")[2], seconds=60)
    return visitor.get(where)


def cases(workspace: Workspace) -> list[str]:
    with workspace.begin() as unit:
        return unit.definitions("school-health").slugs("case")


def test_what_is_sent_is_seen_first_and_becomes_a_draft(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path, bare: str
) -> None:
    before = cases(workspace)
    page = PageFound(choose(school, f"scripted:{script}", bare).text)
    shown = show_requests(workspace, "school-health", f"scripted:{script}", [bare])
    for line in (*shown.instruction.split("\n"), *shown.wanted[0].prompt.split("\n")):
        assert " ".join(line.split()) in page.text
    assert "Nothing was sent yet" in page.text and "<i>bare" not in page.source
    assert cases(workspace) == before
    done = send(school, drafting, page)
    assert "1 of 1 answered, 1 stored as drafts" in done.text and "Stop" not in done.text
    [slug] = set(cases(workspace)) - set(before)
    assert f"{SCHOOL}/cases/{slug}" in done.links
    assert "Hello <b>there</b>." in done.text and "<b>there" not in done.source
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        head = stored.head("case", slug)
        assert head is not None and isinstance(head.definition, Case)
        assert statuses(stored)[slug] == "draft" and head.author == "lead"
    case = head.definition
    assert (case.scenario, case.script) == ("bare", ("Hello <b>there</b>.", "And then?"))
    assert (case.provenance.origin, case.provenance.author) == ("generated", "lead")
    assert (case.provenance.generator_digest or "").startswith("sha256:")
    assert case.tags["answer_characters"] == str(len("1. Hello <b>there</b>.\n2. And then?"))


def test_a_draft_for_an_order_waits_for_its_scenario(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path
) -> None:
    order = next(one for one in list_wanted(workspace, "school-health") if one.scenario is None)
    page = PageFound(choose(school, f"scripted:{script}", order.key).text)
    before = cases(workspace)
    send(school, drafting, page)
    [slug] = set(cases(workspace)) - set(before)
    with workspace.begin() as unit:
        head = unit.definitions("school-health").head("case", slug)
    assert head is not None and isinstance(head.definition, Case)
    case = head.definition
    assert (case.scenario, case.harm, case.cluster) == (None, order.parts["harm"], order.key)
    assert case.tags["persona"] == order.parts["persona"]
    assert order.key not in {one.key for one in list_wanted(workspace, "school-health")}


def test_what_was_not_seen_is_not_sent(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path, bare: str
) -> None:
    before = cases(workspace)
    form = PageFound(choose(school, f"scripted:{script}", bare).text).form("/generate")
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        head = stored.head("scenario", bare)
        assert head is not None
        other = head.definition.model_copy(update={"user_goal": "Something else."})
        stored.put("scenario", [(bare, other)], author="lead", origin="test", why="", at=workspace.now())
    answer = school.send(GENERATE, form.fields)
    page = PageFound(answer.text)
    assert answer.status_code == 409 and "Something else." in page.text and cases(workspace) == before
    send(school, drafting, page)
    assert len(cases(workspace)) == len(before) + 1


@pytest.mark.parametrize(
    ("said", "told"),
    [("", "the answer is empty"), ("I'm sorry, but I can't help with that.", "the model declined")],
)
def test_an_answer_without_turns_is_told_and_not_stored(
    school: Visitor,
    workspace: Workspace,
    drafting: Drafting,
    script: Path,
    bare: str,
    said: str,
    told: str,
) -> None:
    script.write_text(json.dumps({"version": 1, "otherwise": said}))
    before = cases(workspace)
    page = send(school, drafting, PageFound(choose(school, f"scripted:{script}", bare).text))
    assert told in page.text and "1 of 1 answered, 0 stored" in page.text
    assert cases(workspace) == before


def test_every_problem_is_told_at_once_and_nothing_is_lost(school: Visitor, bare: str) -> None:
    answer = choose(school, "nowhere", bare, "<b>none</b>", max_tokens="99999")
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "Nothing was sent" in page.text
    for told in ("'nowhere'", "<b>none</b>", "99999 tokens"):
        assert told in page.text, told
    kept = page.form("/generate").fields
    assert ("for", bare) in kept and ("other", "nowhere") in kept and "<b>none" not in page.source


def test_who_came_by_a_link_names_a_system_of_the_study_only(
    school: Visitor, workspace: Workspace, script: Path, bare: str
) -> None:
    guest = come(workspace, link(school, "guest", "red_teamer"))
    for other in (f"scripted:{script}", "python:os:system", "local:../model"):
        answer = choose(guest, other, bare)
        assert answer.status_code == 422 and "is no system of this study" in PageFound(answer.text).text
    add_target(workspace, "school-health", "writer", Target(system=f"scripted:{script}"))
    page = PageFound(choose(guest, "writer", bare).text)
    sent = guest.send(GENERATE, page.form("/generate").fields)
    until_answered(workspace, sent.headers["location"].rpartition("/")[2], 1)
    assert "bare-1" in cases(workspace)


@pytest.mark.parametrize("role", ["viewer", "rater"])
def test_who_may_not_write_has_nothing_written(school: Visitor, workspace: Workspace, role: str) -> None:
    guest = come(workspace, link(school, "guest", role))
    guest.get(GENERATE, 403)
    assert guest.send(GENERATE, [("for", "bare")]).status_code == 403
    assert GENERATE not in guest.get(f"{SCHOOL}/orders").links


def test_too_many_are_refused(school: Visitor, workspace: Workspace, script: Path) -> None:
    with pytest.raises(InputError, match="0 drafts are asked for"):
        show_requests(workspace, "school-health", f"scripted:{script}", [])


@pytest.mark.model
def test_an_embedded_model_writes_or_says_why_not(school: Visitor, workspace: Workspace, bare: str) -> None:
    pytest.importorskip("xllamacpp", reason="needs the extra 'local' (xllamacpp)")
    try:
        models.find("smollm2")
    except SetupError as error:
        pytest.skip(str(error))
    shown = show_requests(workspace, "school-health", "local:smollm2", [bare], max_tokens=200)
    batch = begin(workspace, "school-health", shown)
    [draft] = asyncio.run(write(workspace, "school-health", batch, shown))
    assert bool(draft.case) != bool(draft.problem)


def declare_slow(workspace: Workspace, script: Path) -> list[str]:
    """A writer that takes one request at once and the next one not for a minute; gives three orders."""
    target = Target(system=f"scripted:{script}", limits=Limits(concurrency=1, requests_per_minute=1))
    add_target(workspace, "school-health", "slow", target)
    return [one.key for one in list_wanted(workspace, "school-health") if one.scenario is None][:3]


def until_answered(workspace: Workspace, batch: str, many: int) -> None:
    for _ in range(1000):
        if len(look(workspace, "school-health", batch, live=True).answered) >= many:
            return
        time.sleep(0.01)
    raise AssertionError(f"{many} answers did not come")


def test_a_batch_shows_how_far_it_is_and_stops_with_what_it_has(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path
) -> None:
    keys = declare_slow(workspace, script)
    before = cases(workspace)
    page = PageFound(choose(school, "slow", *keys).text)
    where = school.send(GENERATE, page.form("/generate").fields).headers["location"]
    batch = where.rpartition("/")[2]
    until_answered(workspace, batch, 1)
    page = school.get(where)
    assert "1 of 3 answered, 1 stored as drafts" in page.text
    assert ("meta", {"http-equiv": "refresh", "content": "3"}) in page.tags
    assert [tag for tag, given in page.tags if "data-look" in given]
    assert where in school.get(GENERATE).links
    assert school.send(page.form("/stop").action, []).headers["location"] == where
    page = school.get(where)
    assert "It was stopped; 2 were not written any more." in page.text
    assert not any(form.action.endswith("/stop") for form in page.forms)
    assert not any(given.get("http-equiv") for _, given in page.tags)
    assert not [tag for tag, given in page.tags if "data-look" in given]
    [slug] = set(cases(workspace)) - set(before)
    assert f"{SCHOOL}/cases/{slug}" in page.links
    assert school.send(f"{where}/stop", []).headers["location"] == f"{where}?said=not-stopped"


def test_a_batch_that_is_stopped_at_once_says_so(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path
) -> None:
    shown = show_requests(workspace, "school-health", "slow", declare_slow(workspace, script))
    for _ in range(5):
        batch = drafting.start(workspace, "school-health", shown)
        assert drafting.stop(batch) and not drafting.is_live(batch)
        assert look(workspace, "school-health", batch).state == "stopped"


def test_a_batch_whose_process_ended_says_so(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path
) -> None:
    keys = declare_slow(workspace, script)
    shown = show_requests(workspace, "school-health", "slow", keys)
    page = school.get(f"{GENERATE}/{begin(workspace, 'school-health', shown)}")
    assert "The server ended before the rest came; 3 were not written." in page.text
    with hold_run(workspace.database, f"drafts-{(other := begin(workspace, 'school-health', shown))}"):
        assert "Another server has it written." in school.get(f"{GENERATE}/{other}").text
    school.get(f"{GENERATE}/{'0' * 32}", 404)
    school.get(f"{GENERATE}/nothing", 404)


def test_a_system_that_cannot_be_asked_is_told_on_the_page(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path, bare: str
) -> None:
    page = PageFound(choose(school, f"scripted:{script}", bare).text)
    script.unlink()
    done = send(school, drafting, page)
    assert "It could not go on" in done.text and script.name in done.text and "1 was not written" in done.text


def test_who_only_looks_sees_a_batch_and_cannot_stop_it(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path
) -> None:
    keys = declare_slow(workspace, script)
    batch = drafting.start(
        workspace, "school-health", show_requests(workspace, "school-health", "slow", keys)
    )
    guest = come(workspace, link(school, "guest", "viewer"))
    page = guest.get(f"{GENERATE}/{batch}")
    assert not any(form.action.endswith("/stop") for form in page.forms)
    assert guest.send(f"{GENERATE}/{batch}/stop", []).status_code == 403 and drafting.is_live(batch)


def test_all_that_are_listed_are_chosen_at_once(school: Visitor, workspace: Workspace, script: Path) -> None:
    form = school.get(GENERATE).form("/generate")
    answer = school.send(GENERATE, [*form.filled(other=f"scripted:{script}"), ("every", "yes")])
    page = PageFound(answer.text)
    wanted = [one.key for one in list_wanted(workspace, "school-health")]
    assert [value for name, value in page.form("/generate").fields if name == "for"] == wanted[:200]


def test_drafts_become_those_of_the_scenario_once_it_is_written(
    school: Visitor, workspace: Workspace, drafting: Drafting, script: Path
) -> None:
    order = next(one for one in list_wanted(workspace, "school-health") if one.scenario is None)
    before = cases(workspace)
    send(school, drafting, PageFound(choose(school, f"scripted:{script}", order.key).text))
    [slug] = set(cases(workspace)) - set(before)
    assert f"{SCHOOL}/cases/{slug}" in school.get(f"{SCHOOL}/orders").links
    write_it = f"{SCHOOL}/orders/write?{urlencode(dict(order.parts))}"
    page = school.get(write_it)
    assert "A model wrote 1 draft for it" in page.text
    given = {"title": "New", "user_goal": "To know.", "behaviour": "help", "sentence": "It answers."}
    done = school.send(f"{SCHOOL}/orders/write", page.form("/orders/write").filled(**given))
    assert done.headers["location"] == f"{SCHOOL}/cases/{slug}?said=written"
    with workspace.begin() as unit:
        head = unit.definitions("school-health").head("case", slug)
    assert head is not None and isinstance(head.definition, Case)
    case = head.definition
    assert (case.scenario, case.cluster, case.harm, case.language) == (order.key, None, None, None)
    assert "persona" not in case.tags and case.provenance.origin == "generated"
    assert cases(workspace) == [*before, slug]
    assert f"{SCHOOL}/scenarios/{order.key}" in school.get(f"{SCHOOL}/cases/{slug}").links
