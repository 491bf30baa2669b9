"""Drafts by a model in the browser: seen before anything is sent, stored as drafts, told where not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from redloom.domain.case import Case
from redloom.domain.target import Target
from redloom.errors import InputError, SetupError
from redloom.services import generating
from redloom.services.cases import statuses
from redloom.services.generating import list_wanted, show_requests
from redloom.services.targets import add_target
from redloom.services.workspace import Workspace
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


def cases(workspace: Workspace) -> list[str]:
    with workspace.begin() as unit:
        return unit.definitions("school-health").slugs("case")


def test_what_is_sent_is_seen_first_and_becomes_a_draft(
    school: Visitor, workspace: Workspace, script: Path, bare: str
) -> None:
    before = cases(workspace)
    page = PageFound(choose(school, f"scripted:{script}", bare).text)
    shown = show_requests(workspace, "school-health", f"scripted:{script}", [bare])
    for line in (*shown.instruction.split("\n"), *shown.wanted[0].prompt.split("\n")):
        assert " ".join(line.split()) in page.text
    assert "Nothing was sent yet" in page.text and "<i>bare" not in page.source
    assert cases(workspace) == before
    done = PageFound(school.send(GENERATE, page.form("/generate").fields).text)
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
    school: Visitor, workspace: Workspace, script: Path
) -> None:
    order = next(one for one in list_wanted(workspace, "school-health") if one.scenario is None)
    page = PageFound(choose(school, f"scripted:{script}", order.key).text)
    before = cases(workspace)
    school.send(GENERATE, page.form("/generate").fields)
    [slug] = set(cases(workspace)) - set(before)
    with workspace.begin() as unit:
        head = unit.definitions("school-health").head("case", slug)
    assert head is not None and isinstance(head.definition, Case)
    case = head.definition
    assert (case.scenario, case.harm, case.cluster) == (None, order.parts["harm"], order.key)
    assert case.tags["persona"] == order.parts["persona"]
    assert order.key not in {one.key for one in list_wanted(workspace, "school-health")}


def test_what_was_not_seen_is_not_sent(
    school: Visitor, workspace: Workspace, script: Path, bare: str
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
    assert school.send(GENERATE, page.form("/generate").fields).status_code == 200
    assert len(cases(workspace)) == len(before) + 1


@pytest.mark.parametrize(
    ("said", "told"),
    [("", "the answer is empty"), ("I'm sorry, but I can't help with that.", "the model declined")],
)
def test_an_answer_without_turns_is_told_and_not_stored(
    school: Visitor, workspace: Workspace, script: Path, bare: str, said: str, told: str
) -> None:
    script.write_text(json.dumps({"version": 1, "otherwise": said}))
    before = cases(workspace)
    form = PageFound(choose(school, f"scripted:{script}", bare).text).form("/generate")
    assert told in PageFound(school.send(GENERATE, form.fields).text).text
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
    guest.send(GENERATE, page.form("/generate").fields)
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
    [draft] = asyncio.run(generating.generate(workspace, "school-health", shown))
    assert bool(draft.case) != bool(draft.problem)
