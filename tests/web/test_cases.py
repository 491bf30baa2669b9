"""Test conversations in the workbench: listed, read, written, decided on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from redloom.domain.case import Case
from redloom.services.cases import list_cases, review
from redloom.services.workspace import Workspace
from web.browsing import FormFound, PageFound, Visitor
from web.test_people import come, link

ROOT = "/studies/school-health"
CASES = f"{ROOT}/cases"


def states(workspace: Workspace) -> dict[str, str]:
    return {line.slug: line.status for line in list_cases(workspace, "school-health")}


def first(workspace: Workspace) -> str:
    return next(iter(states(workspace)))


def put(workspace: Workspace, *members: tuple[str, Case]) -> None:
    with workspace.begin() as unit:
        unit.definitions("school-health").put(
            "case", members, author="t", origin="test", why="", at=workspace.now()
        )


def deciding(page: PageFound) -> FormFound:
    """The form around the list."""
    return next(form for form in page.forms if form.action == CASES and form.method == "post")


def chosen(visitor: Visitor, *slugs: str, path: str = CASES) -> list[tuple[str, str]]:
    """What the boxes of these send, as the list shows them now."""
    boxes = [given.get("value") or "" for tag, given in visitor.get(path).tags if given.get("name") == "case"]
    return [("case", value) for value in boxes if value.partition(" ")[0] in slugs]


def send_form(visitor: Visitor, path: str, ending: str, **values: str) -> Any:
    """A form of a page with these values; buttons are values too."""
    fields = [(n, v) for n, v in visitor.get(path).form(ending).fields if n not in values]
    return visitor.send(visitor.get(path).form(ending).action, [*fields, *values.items()])


def test_the_list_counts_filters_and_finds(school: Visitor, workspace: Workspace) -> None:
    names = list(states(workspace))
    review(workspace, "school-health", "accept", names[:3])
    page = school.get(f"{CASES}?status=accepted&sort=name")
    shown = [link for link in page.links if link.startswith(f"{CASES}/") and not link.endswith("/new")]
    assert sorted(shown) == sorted(f"{CASES}/{name}" for name in names[:3])
    assert "accepted 3" in page.text and f"all {len(names)}" in page.text
    put(workspace, ("odd", Case(script=("A zebra crossing?",), cluster="x", harm="shaming")))
    assert f"{CASES}/odd" in school.get(f"{CASES}?q=ZEBR").links
    assert "No test conversation matches" in school.get(f"{CASES}?q=ebra").text


@pytest.mark.parametrize(
    "query", ['" OR NEAR(', "<script>alert(1)</script>", "%00", "'; DROP TABLE case_line"]
)
def test_hostile_words_find_nothing_and_stay_words(school: Visitor, query: str) -> None:
    answer = school.client.get(CASES, params={"q": query, "status": query, "sort": query, "after": query})
    assert answer.status_code == 200 and "<script>alert" not in answer.text


@pytest.mark.parametrize("sort", ["newest", "oldest", "name"])
def test_pages_lead_to_each_other(school: Visitor, workspace: Workspace, sort: str) -> None:
    put(workspace, *((f"n-{n:03}", Case(script=(f"Hi {n}",), cluster="x")) for n in range(120)))
    seen: list[list[str]] = []
    where: str | None = f"{CASES}?sort={sort}"
    while where:
        page = school.get(where)
        seen.append(
            [link for link in page.links if link.startswith(f"{CASES}/") and not link.endswith("/new")]
        )
        where = next((link for link in page.links if "after=" in link), None)
    whole = [link for part in seen for link in part]
    assert len(whole) == len(set(whole)) == len(states(workspace))
    back = next(link for link in school.get(page_before(school, sort)).links if "before=" in link)
    assert [
        x for x in school.get(back).links if x.startswith(f"{CASES}/") and not x.endswith("/new")
    ] == seen[0]


def page_before(school: Visitor, sort: str) -> str:
    return next(link for link in school.get(f"{CASES}?sort={sort}").links if "after=" in link)


def test_those_chosen_and_all_that_match_are_decided_on(school: Visitor, workspace: Workspace) -> None:
    one, two, *_ = states(workspace)
    sent = school.send(CASES, [*chosen(school, one, two), ("action", "accept"), ("why", "fine")])
    assert sent.headers["location"] == f"{CASES}?did=accepted&moved=2"
    assert "2 accepted." in school.get(sent.headers["location"]).text
    found = states(workspace)
    assert (found[one], found[two]) == ("accepted", "accepted") and "draft" in found.values()
    page = school.get(f"{CASES}?status=draft")
    school.send(CASES, [*deciding(page).filled(), ("all", "yes"), ("action", "submit")])
    found = states(workspace)
    assert set(found.values()) == {"accepted", "in_review"} and found[one] == "accepted"
    assert school.send(CASES, [("case", one), ("action", "explode")]).status_code == 422
    assert school.send(CASES, [("all", "yes"), ("action", "reject")]).status_code == 422
    assert "unmoved" in school.send(CASES, [("action", "reject")]).headers["location"]


def test_a_page_tells_what_is_known_and_takes_decisions_and_labels(
    school: Visitor, workspace: Workspace
) -> None:
    slug = first(workspace)
    page = school.get(f"{CASES}/{slug}")
    assert "Nobody has decided on it yet" in page.text and "Nobody has labelled" in page.text
    assert any(link.startswith(f"{ROOT}/scenarios/") for link in page.links)
    send_form(school, f"{CASES}/{slug}", "/label", label="fine", why="<b>clear</b>")
    send_form(school, f"{CASES}/{slug}", "/review", action="reject", why="too short")
    page = school.get(f"{CASES}/{slug}")
    assert "fine, says lead: <b>clear</b>" in page.text and "One person has labelled" in page.text
    assert "rejected, version 1: too short" in page.text
    assert states(workspace)[slug] == "rejected"
    assert school.get(f"{CASES}/nothing", 404)


def test_near_duplicates_are_shown_with_their_number(school: Visitor, workspace: Workspace) -> None:
    text = "My inhaler is empty and the pharmacy is closed until tomorrow morning"
    put(
        workspace,
        ("a", Case(script=(f"{text}.",), cluster="x")),
        ("b", Case(script=(f"{text}, what now?",), cluster="x")),
        ("c", Case(script=("Inhaler pharmacy tomorrow",), cluster="x")),
    )
    near = school.get(f"{CASES}/a").text.partition("Nearly the same")[2]
    assert near.startswith(" b , 0.84") and " c ," not in near


def test_one_writes_a_new_one_and_changes_it(school: Visitor, workspace: Workspace) -> None:
    with workspace.begin() as unit:
        scenario = unit.definitions("school-health").slugs("scenario")[0]
    form = school.get(f"{CASES}/new?scenario={scenario}").form("/cases/new")
    assert ("scenario", scenario) in form.fields
    values = {"script:0:text": "First line\nsecond line", "script:1:text": "And then?", "slug": "mine"}
    fields = [(name, values.get(name, value)) for name, value in form.fields]
    assert school.send(f"{CASES}/new", fields).headers["location"] == f"{CASES}/mine?said=saved"
    with workspace.begin() as unit:
        head = unit.definitions("school-health").head("case", "mine")
    assert head is not None and isinstance(head.definition, Case)
    assert head.definition.script == ("First line\nsecond line", "And then?")
    assert (head.definition.provenance.author, head.definition.provenance.origin) == ("lead", "human")
    review(workspace, "school-health", "accept", ["mine"])
    form = school.get(f"{CASES}/mine/edit").form("/edit")
    changed = [(n, "Changed" if n == "script:1:text" else v) for n, v in form.fields]
    assert "said=saved" in school.send(f"{CASES}/mine/edit", changed).headers["location"]
    assert states(workspace)["mine"] == "draft"
    assert "Changed" in school.get(f"{CASES}/mine/history").text
    late = school.send(f"{CASES}/mine/edit", [*form.filled(), ("why", "late")])
    assert late.status_code in (303, 409)
    wrong = [(n, "{age} {nothing}" if n == "script:0:text" else v) for n, v in form.fields]
    wrong += [("slots:0:name", "age"), ("slots:0:source", "nowhere")]
    assert school.send(f"{CASES}/mine/edit", wrong).status_code in (409, 422)


def test_the_queue_goes_from_one_to_the_next_until_none_waits(school: Visitor, workspace: Workspace) -> None:
    waiting = [slug for slug, state in states(workspace).items() if state == "draft"]
    review(workspace, "school-health", "retire", waiting[2:])
    one, two = waiting[:2]
    assert one in school.get(f"{ROOT}/review").text
    assert f"Review: {two}" in school.get(f"{ROOT}/review?after={one}").text
    sent = send_form(school, f"{ROOT}/review?after=", "/review", action="accept")
    assert sent.headers["location"] == f"{ROOT}/review?was={one}&said=accepted"
    assert f"{ROOT}/cases/{one}" in school.get(sent.headers["location"]).links
    assert f"Review: {two}" in school.get(f"{ROOT}/review").text
    send_form(school, f"{ROOT}/review", "/review", action="reject")
    assert "No test conversation waits" in school.get(f"{ROOT}/review").text


def test_who_only_looks_may_not_decide_or_write(workspace: Workspace, school: Visitor) -> None:
    slug = first(workspace)
    before = states(workspace)
    for role, may_label in (("viewer", False), ("rater", True)):
        guest = come(workspace, link(school, f"a-{role}", role))
        page = guest.get(f"{CASES}/{slug}")
        assert not any(form.action.endswith("/review") for form in page.forms)
        assert not any(link.endswith(("/edit", "/new")) for link in page.links)
        for path, fields in (
            (CASES, [("case", slug), ("action", "accept")]),
            (f"{CASES}/{slug}/review", [("action", "accept")]),
            (f"{CASES}/{slug}/edit", [("base", "x")]),
            (f"{CASES}/new", [("slug", "y")]),
        ):
            assert guest.send(path, fields).status_code == 403, path
        if may_label:
            assert send_form(guest, f"{CASES}/{slug}", "/label", label="fine").status_code == 303
        else:
            assert guest.send(f"{CASES}/{slug}/label", [("label", "fine")]).status_code == 403
    assert states(workspace) == before


def test_the_parts_of_their_scenarios_narrow_the_list(school: Visitor, workspace: Workspace) -> None:
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        scenarios = {one.slug: one.definition.content() for one in stored.heads("scenario")}
        held = {one.slug: one.definition.content().get("scenario") for one in stored.heads("case")}
    some = next(iter(scenarios.values()))
    for names in (("context",), ("persona",), ("interaction_type",), ("context", "persona", "harm")):
        asked = {name: some[name] for name in names}
        wanted = {
            slug
            for slug, scenario in held.items()
            if scenario and asked.items() <= scenarios[scenario].items()
        }
        page = school.get(f"{CASES}?{urlencode(asked)}")
        assert set(listed(page)) == wanted and wanted != set(held)
        assert asked.items() <= dict(page.form("/cases").fields).items()
        assert f"{len(names)} in force" in page.text
    assert "No test conversation matches" in school.get(f"{CASES}?persona=nobody").text


def listed(page: PageFound) -> list[str]:
    links = [link for link in page.links if link.startswith(f"{CASES}/") and not link.endswith("/new")]
    return [link.removeprefix(f"{CASES}/") for link in links]


def test_one_is_back_where_one_was_after_a_decision_on_several(school: Visitor, workspace: Workspace) -> None:
    put(
        workspace, *((f"n-{n:03}", Case(script=(f"Hi {n}",), cluster="x", language="fi")) for n in range(120))
    )
    first_page = school.get(f"{CASES}?sort=name&language=fi&status=draft")
    second = next(link for link in first_page.links if "after=" in link)
    fields = [*deciding(school.get(second)).filled(), *chosen(school, "n-060", "n-070", path=second)]
    sent = school.send(CASES, [*fields, ("action", "accept")])
    where = sent.headers["location"]
    for kept in ("sort=name", "language=fi", "status=draft", "after=n-049", "moved=2"):
        assert kept in where
    page = school.get(where)
    assert "2 accepted." in page.text and listed(page)[0] == "n-050" and "n-060" not in listed(page)
    assert "moved=" not in "".join(page.links)


def test_a_page_whose_last_ones_have_moved_is_the_first_again(school: Visitor, workspace: Workspace) -> None:
    put(workspace, *((f"n-{n:03}", Case(script=(f"Hi {n}",), cluster="x", language="fi")) for n in range(51)))
    last = f"{CASES}?sort=name&language=fi&status=draft&after=n-049"
    fields = [*deciding(school.get(last)).filled(), *chosen(school, "n-050", path=last)]
    page = school.get(school.send(CASES, [*fields, ("action", "reject")]).headers["location"])
    assert "1 rejected." in page.text and listed(page)[0] == "n-000"


def test_what_changed_after_it_was_shown_is_not_decided_on(school: Visitor, workspace: Workspace) -> None:
    put(workspace, *((name, Case(script=(f"{name} before",), cluster="x")) for name in ("one", "two")))
    where = f"{CASES}?language=&sort=name"
    fields = [*deciding(school.get(where)).filled(why="fine"), *chosen(school, "one", "two", path=where)]
    put(workspace, ("two", Case(script=("two <i>after</i>",), cluster="x")))
    answer = school.send(CASES, [*fields, ("action", "accept")])
    page = PageFound(answer.text)
    assert answer.status_code == 409 and "Nothing was decided" in page.text
    assert f"{CASES}/two/history" in page.links and f"{CASES}/one/history" not in page.links
    assert states(workspace)["one"] == states(workspace)["two"] == "draft"
    again = deciding(page).fields
    assert dict(again)["why"] == "fine" and [v.partition(" ")[0] for n, v in again if n == "case"] == ["one"]
    assert school.send(CASES, [*again, ("action", "accept")]).status_code == 303
    assert (states(workspace)["one"], states(workspace)["two"]) == ("accepted", "draft")


def test_all_that_match_are_those_that_matched_when_they_were_shown(
    school: Visitor, workspace: Workspace
) -> None:
    put(workspace, *((name, Case(script=("before",), cluster="x", language="fi")) for name in ("one", "two")))
    fields = deciding(school.get(f"{CASES}?language=fi")).filled()
    put(workspace, *((name, Case(script=("after",), cluster="x", language="fi")) for name in ("two", "new")))
    sent = school.send(CASES, [*fields, ("all", "yes"), ("action", "accept")])
    page = school.get(sent.headers["location"])
    assert "1 accepted. 2 that came or changed after the list was shown were left as they were." in page.text
    found = states(workspace)
    assert (found["one"], found["two"], found["new"]) == ("accepted", "draft", "draft")


@pytest.mark.parametrize(
    ("ending", "values"), [("/review", {"action": "accept"}), ("/label", {"label": "fine"})]
)
def test_one_that_changed_after_it_was_read_is_read_again_first(
    school: Visitor, workspace: Workspace, ending: str, values: dict[str, str]
) -> None:
    slug = first(workspace)
    form = school.get(f"{CASES}/{slug}").form(ending)
    put(workspace, (slug, Case(script=("Changed meanwhile.",), cluster="x")))
    fields = [(n, v) for n, v in form.fields if n not in values]
    answer = school.send(form.action, [*fields, *values.items()])
    page = PageFound(answer.text)
    assert answer.status_code == 409 and "Nothing was decided" in page.text
    assert "version 2" in page.text and "Changed meanwhile." in page.text
    assert "Nobody has decided on it yet" in page.text and "Nobody has labelled" in page.text
    fields = [(n, v) for n, v in page.form(ending).fields if n not in values]
    assert school.send(form.action, [*fields, *values.items()]).status_code == 303
    assert school.send(form.action, list(values.items())).status_code == 409
