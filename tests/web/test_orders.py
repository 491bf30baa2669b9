"""Work orders in the browser: drawn on the map, taken by one, written whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from redloom.services import ordering
from redloom.services.cases import statuses
from redloom.services.ordering import list_orders
from redloom.services.workspace import Workspace
from web.browsing import FormFound, PageFound, Visitor
from web.test_people import come, link

SCHOOL = "/studies/school-health"
ORDERS = f"{SCHOOL}/orders"
GIVEN = {
    "title": "A <b>new</b> one",
    "user_goal": "To be told the truth.",
    "behaviour": "help",
    "sentence": "It answers.",
}


def write_form(visitor: Visitor) -> FormFound:
    page = visitor.get(f"{ORDERS}?strength=2")
    path = next(one for one in page.links if "/orders/write?" in one)
    return visitor.get(path).form("/orders/write")


def filled(form: FormFound, turns: tuple[str, ...], **values: str) -> list[tuple[str, str]]:
    others = [(n, v) for n, v in form.filled(**values) if n != "turn"]
    return [*others, *[("turn", turn) for turn in turns]]


def counts(workspace: Workspace) -> Mapping[str, int]:
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        return {kind: stored.count(kind) for kind in ("scenario", "case")}


def test_the_plan_is_drawn_into_the_map_and_leads_to_its_orders(school: Visitor) -> None:
    bare, page = school.get(f"{SCHOOL}/map"), school.get(f"{SCHOOL}/map?plan=2")
    assert not any("/orders?strength=2&" in one for one in bare.links)
    found = [one for one in page.links if "/orders?strength=2&" in one]
    assert found and "planned" in page.text
    assert "Only with" in school.get(found[0]).text
    school.get(f"{SCHOOL}/map?plan=9", 422)


def test_a_cell_of_the_map_leads_to_the_test_conversations_it_counts(school: Visitor) -> None:
    page = school.get(f"{SCHOOL}/map?rows=context&columns=harm")
    found = [one for one in page.links if f"{SCHOOL}/cases?" in one]
    assert found
    assert all("context=" in path and "harm=" in path for path in found)
    counts = [int(one) for one in re.findall(r"(\d+) test conversation", page.text)]
    assert [int(re.findall(r"all (\d+)", school.get(path).text)[0]) for path in found] == counts


def test_an_order_shows_its_instruction_and_is_taken_by_one(school: Visitor, workspace: Workspace) -> None:
    mine, theirs = (come(workspace, link(school, name, "red_teamer")) for name in ("<i>me</i>", "they"))
    page = mine.get(ORDERS)
    assert "Write the user's side of a conversation" in page.text
    form = page.form("/take")
    assert mine.send(form.action, form.fields).headers["location"] == f"{ORDERS}?said=taken"
    assert "Taken by <i>me</i>" in theirs.get(ORDERS).text and "<i>me" not in theirs.get(ORDERS).source
    late = theirs.send(form.action, form.fields)
    assert late.status_code == 422 and "<i>me</i> took this order already" in PageFound(late.text).text
    back = mine.get(ORDERS).form("/give-back")
    refused = theirs.send(back.action, back.fields)
    assert refused.status_code == 422 and "only they or a lead" in PageFound(refused.text).text
    assert mine.send(back.action, back.fields).headers["location"] == f"{ORDERS}?said=given-back"
    assert theirs.send(form.action, form.fields).status_code == 303
    assert school.send(back.action, back.fields).status_code == 303


def test_an_order_becomes_a_scenario_and_a_draft_at_once(school: Visitor, workspace: Workspace) -> None:
    before, left = counts(workspace), len(list_orders(workspace, "school-health", 2))
    done = school.send(f"{ORDERS}/write", filled(write_form(school), ("Hello {there}.", "", "And?"), **GIVEN))
    where = done.headers["location"]
    assert where.startswith(f"{SCHOOL}/cases/") and where.endswith("?said=written")
    assert counts(workspace) == {kind: many + 1 for kind, many in before.items()}
    slug = where.split("/")[-1].partition("?")[0]
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        head = stored.head("case", slug)
        assert head is not None and statuses(stored)[slug] == "draft"
    case = head.definition.content()
    assert case["script"] == ["Hello {there}.", "And?"] and case["provenance"]["author"] == "lead"
    page = school.get(f"{SCHOOL}/scenarios/{case['scenario']}")
    assert "A <b>new</b> one" in page.text and "<b>new" not in page.source
    assert len(list_orders(workspace, "school-health", 2)) == left - 1


@pytest.mark.parametrize(
    ("turns", "changes", "told"),
    [
        (("Hello.",), {"title": "", "sentence": ""}, "'title' is missing"),
        (("",), {}, "at least one user turn"),
        (("Hello.",), {"behaviour": ""}, "'behaviour' is missing"),
        (("I am {persona.disclosure}.",), {}, "no declared slot"),
    ],
)
def test_neither_is_stored_where_one_is_wrong_and_nothing_is_lost(
    school: Visitor, workspace: Workspace, turns: tuple[str, ...], changes: dict[str, str], told: str
) -> None:
    before = counts(workspace)
    answer = school.send(f"{ORDERS}/write", filled(write_form(school), turns, **{**GIVEN, **changes}))
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "Nothing was stored" in page.text and told in page.text
    again = page.form("/orders/write").fields
    assert dict(again)["user_goal"] == "To be told the truth." and ("turn", turns[0]) in again
    assert counts(workspace) == before


def test_what_somebody_else_took_is_not_written(school: Visitor, workspace: Workspace) -> None:
    form = write_form(school)
    guest = come(workspace, link(school, "guest", "red_teamer"))
    parts = [(n, v) for n, v in form.fields if n in ("harm", "persona", "context", "interaction_type")]
    language = next((n, v) for n, v in form.fields if n == "language")
    assert guest.send(f"{ORDERS}/take", [*parts, language]).status_code == 303
    answer = school.send(f"{ORDERS}/write", filled(form, ("Hello.",), **GIVEN))
    assert answer.status_code == 422 and "guest took this order" in PageFound(answer.text).text


def test_parts_there_are_not_are_told(school: Visitor) -> None:
    assert "nobody-there" in school.get(f"{ORDERS}/write?persona=nobody-there", 422).text


def test_a_plan_is_made_once_for_the_same_space(
    school: Visitor, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [one.key for one in list_orders(workspace, "school-health", 2)]
    monkeypatch.setattr(ordering, "covering_array", None)
    assert [one.key for one in list_orders(workspace, "school-health", 2)] == first


@pytest.mark.parametrize("role", ["viewer", "rater"])
def test_who_may_not_write_reads_orders_only(school: Visitor, workspace: Workspace, role: str) -> None:
    guest = come(workspace, link(school, "guest", role))
    page = guest.get(ORDERS)
    assert "The instruction" in page.text and "Write it" not in page.text
    form = school.get(ORDERS).form("/take")
    assert guest.send(form.action, form.fields).status_code == 403
    guest.get(f"{ORDERS}/write", 403)
