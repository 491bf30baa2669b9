"""The pages of the Create moment say the same on every database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.domain.case import Case
from redloom.services.cases import review
from redloom.services.drafting import begin, look, write
from redloom.services.generating import list_wanted, show_requests
from redloom.services.ordering import list_orders
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.studies import apply_study
from redloom.services.workspace import Workspace
from redloom.storage.locks import hold_run, is_held
from redloom.web.app import House, create_app
from web.browsing import ORIGIN, PageFound, Visitor

SMALL = "/studies/small"


@pytest.fixture
def visitor(workspace: Workspace) -> Visitor:
    for slug in ("small", "other"):
        apply_study(workspace, StudyFile(to_study(small_document(study=slug)), f"{slug}.yaml"))
    return Visitor(create_app(House(workspace=workspace, origins=frozenset({ORIGIN}))))


def put(workspace: Workspace, *members: tuple[str, Case]) -> None:
    with workspace.begin() as unit:
        stored = unit.definitions("small")
        stored.put("case", members, author="t", origin="test", why="", at=workspace.now())


def test_releases_are_weighed_cut_compared_and_verified(visitor: Visitor, workspace: Workspace) -> None:
    put(workspace, ("goes", Case(scenario="desk", script=("It goes.",))))
    page = visitor.get(f"{SMALL}/releases/new")
    assert "4 test conversations are not accepted (desk-1, desk-child-1, goes, street-1)" in page.text
    assert "The harm harm needs at least one of examples" in page.text
    cut_release(workspace, "small", "1.0", ReleaseOptions(provisional=True))
    assert "Nothing differs from 1.0." in visitor.get(f"{SMALL}/releases/new").text
    review(workspace, "small", "retire", ["goes"])
    put(workspace, ("Comes", Case(scenario="desk", script=("It comes.",))))
    put(workspace, ("desk-1", Case(scenario="desk", script=("It changed.",))))
    page = visitor.get(f"{SMALL}/releases/new")
    assert "1 added, 1 removed, 1 changed" in page.text
    assert {f"{SMALL}/cases/{slug}" for slug in ("Comes", "goes", "desk-1")} <= set(page.links)
    cut_release(workspace, "small", "2.0", ReleaseOptions(provisional=True))
    page = visitor.get(f"{SMALL}/releases/2.0")
    assert "1 added, 1 removed, 1 changed" in page.text and "It changed." in page.text
    assert "refusal : 3" in page.text and "en: 3" in page.text
    assert "It changed." in visitor.get(f"{SMALL}/releases/2.0").text
    form = page.form("/verify")
    assert "it is what was frozen" in PageFound(visitor.send(form.action, form.fields).text).text
    assert "2.0" in visitor.get(f"{SMALL}/releases").text
    assert "No release is cut yet." in visitor.get("/studies/other/releases").text


def test_what_was_put_again_as_it_was_has_not_changed(visitor: Visitor, workspace: Workspace) -> None:
    cut_release(workspace, "small", "1.0", ReleaseOptions(provisional=True))
    with workspace.begin() as unit:
        head = unit.definitions("small").head("case", "desk-1")
    assert head is not None and isinstance(head.definition, Case)
    put(workspace, ("desk-1", head.definition))
    assert "Nothing differs from 1.0." in visitor.get(f"{SMALL}/releases/new").text


def test_the_list_narrows_by_the_parts_of_scenarios(visitor: Visitor) -> None:
    page = visitor.get(f"{SMALL}/cases?context=desk&persona=child")
    assert f"{SMALL}/cases/desk-child-1" in page.links and f"{SMALL}/cases/desk-1" not in page.links
    assert "all 1" in page.text
    cells = visitor.get(f"{SMALL}/map?rows=context&columns=language")
    assert f"{SMALL}/cases?context=street&language=es" in cells.links


def test_a_batch_of_drafts_is_written_looked_at_and_given_to_its_scenario(
    visitor: Visitor, workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "writer.json"
    path.write_text(json.dumps({"otherwise": "1. Where is it?"}))
    keys = [one.key for one in list_wanted(workspace, "small")][:2]
    shown = show_requests(workspace, "small", f"scripted:{path}", keys)
    batch = begin(workspace, "small", shown)
    with hold_run(workspace.database, f"drafts-{batch}"):
        assert is_held(workspace.database, f"drafts-{batch}")
        assert look(workspace, "small", batch).state == "running"
    assert look(workspace, "small", batch).state == "interrupted"
    drafts = asyncio.run(write(workspace, "small", batch, shown))
    found = look(workspace, "small", batch)
    assert (found.state, found.total, found.stored, found.left) == ("done", 2, 2, 0)
    assert {one.slug for one in found.answered} == {draft.case for draft in drafts}
    assert "2 of 2 answered" in visitor.get(f"{SMALL}/orders/generate/{batch}").text
    waiting = {order.key: order.drafts for order in list_orders(workspace, "small", 2) if order.drafts}
    assert waiting == {draft.key: (draft.case,) for draft in drafts}
