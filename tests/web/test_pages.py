"""Every page can be reached, says what it is, and holds nothing that anybody wrote as markup."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from importlib.resources import files

import pytest
from jinja2 import meta, nodes

from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings
from redloom.web.app import House, create_app
from redloom.web.asking import Page
from redloom.web.pages import environment
from web.browsing import ORIGIN, PageFound, Visitor, ids

SCHOOL = "/studies/school-health"


def walk(visitor: Visitor, start: str) -> dict[str, PageFound]:
    """Every page that links lead to from here."""
    found: dict[str, PageFound] = {}
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = visitor.get(path)
        waiting += [link.split("#")[0] for link in found[path].links if link.startswith("/") and link != "/"]
    return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PageFound]:
    """Every page of the example study."""
    address = f"sqlite:///{tmp_path_factory.mktemp('pages') / 'redloom.db'}"
    with open_workspace(Settings(database=address, who="lead")) as workspace:
        apply(workspace, example("school_health") / "study.yaml")
        return walk(Visitor(create_app(House(workspace=workspace, origins=frozenset({ORIGIN})))), SCHOOL)


def test_every_link_leads_to_a_page_that_names_itself(pages: dict[str, PageFound]) -> None:
    assert len(pages) > 100
    for path, page in pages.items():
        headings = [tag for tag, _ in page.tags if tag == "h1"]
        assert headings == ["h1"], path
        twice = [name for name, count in Counter(ids(page)).items() if count > 1]
        assert twice == [], path
        outside = [link for link in page.links if not link.startswith(("/", "#"))]
        assert outside == [], path


def test_nothing_in_a_page_is_script_style_or_from_elsewhere(pages: dict[str, PageFound]) -> None:
    for path, page in pages.items():
        for tag, given in page.tags:
            assert "style" not in given, path
            assert not any(name.startswith("on") for name in given), path
            if tag == "script":
                assert (given.get("src") or "").startswith("/static/"), path
            for name in ("src", "href", "action"):
                assert not re.match(r"(?i)\s*(https?:|//|javascript:|data:)", given.get(name) or ""), path


def test_every_control_has_a_name(pages: dict[str, PageFound]) -> None:
    for path, page in pages.items():
        labels = {given.get("for") for tag, given in page.tags if tag == "label"}
        for tag, given in page.tags:
            if tag in ("input", "select", "textarea") and given.get("type") not in ("hidden", "checkbox"):
                inside = tag == "select" and given.get("name") in ("rows", "columns", "before", "after")
                assert given.get("aria-label") or given.get("id") in labels or inside, (path, given)


def subclasses(kind: type[Page]) -> list[type[Page]]:
    return [found for one in kind.__subclasses__() for found in (one, *subclasses(one))]


def own_names(parsed: nodes.Template) -> set[str]:
    """What a template sets, imports or defines at its top, for its blocks."""
    found = {target.name for one in parsed.find_all(nodes.Assign) for target in one.find_all(nodes.Name)}
    found |= {one.name for one in parsed.find_all(nodes.Macro)}
    return found | {str(name) for one in parsed.find_all(nodes.FromImport) for name in one.names}


@pytest.mark.parametrize("kind", subclasses(Page), ids=lambda kind: kind.__name__)
def test_a_template_knows_what_its_page_declares_and_nothing_else(kind: type[Page]) -> None:
    known = {one.name for one in fields(kind)} | {"shell", "moment"} | environment().globals.keys()
    waiting, seen = [kind.template], set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        source = files("redloom.web").joinpath("templates", name).read_text(encoding="utf-8")
        parsed = environment().parse(source)
        assert meta.find_undeclared_variables(parsed) <= known | own_names(parsed), name
        waiting += [one for one in meta.find_referenced_templates(parsed) if one and one not in seen]


def test_the_example_is_one_button_away(empty: Visitor) -> None:
    page = empty.get("/")
    assert "There is no study in this database yet" in page.text
    form = next(one for one in page.forms if one.method == "post")
    done = empty.send(form.action, form.fields)
    assert (done.status_code, done.headers["location"]) == (303, f"{SCHOOL}?said=begun")
    assert "The example study is there." in empty.get(f"{SCHOOL}?said=begun").text
    assert empty.client.get("/").headers["location"] == SCHOOL


def test_what_is_missing_says_where_to_mend_it(school: Visitor, workspace: Workspace) -> None:
    page = school.get(SCHOOL)
    assert "30 of them not reviewed : to do" in page.text
    assert "5 harms described : done" in page.text


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/studies/school-healt", "did you mean 'school-health'?"),
        (f"{SCHOOL}/harms/shamin", "did you mean 'shaming'?"),
        (f"{SCHOOL}/harm", "did you mean 'harms'?"),
        ("/nowhere", "No page has the address /nowhere."),
    ],
)
def test_an_address_there_is_not_is_a_page_that_says_so(school: Visitor, path: str, told: str) -> None:
    assert told in school.get(path, 404).text


@pytest.mark.parametrize("query", ["rows=harm&columns=harm", "rows=colour&columns=harm"])
def test_a_map_of_parts_there_are_not_says_so(school: Visitor, query: str) -> None:
    assert "That did not work" in school.get(f"{SCHOOL}/map?{query}", 422).text


def test_the_map_counts_and_its_holes_lead_to_a_scenario_that_fits(school: Visitor) -> None:
    page = school.get(f"{SCHOOL}/map")
    assert "10 holes" in page.text
    hole = next(
        link for link in page.links if "/scenarios/new?" in link and "shaming" in link and "shy" in link
    )
    editor = school.get(hole).form("/scenarios/new")
    given = dict(editor.fields)
    assert (given["harm"], given["persona"].startswith("shy")) == ("shaming", True)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("shaming", "Shaming"),
        ("SHAMING", "Shaming"),
        ("energy drink", "The third energy drink"),
        ("¿Tres?", "Shaming"),
    ],
)
def test_search_finds_words_wherever_they_stand(school: Visitor, query: str, title: str) -> None:
    found = school.client.get("/search", params={"q": query})
    assert title in PageFound(found.text).text


@pytest.mark.parametrize("query", ["zebra crossing", "%", "_____", "counter_examples"])
def test_search_finds_no_field_names_and_takes_no_pattern(school: Visitor, query: str) -> None:
    assert "Nothing holds" in PageFound(school.client.get("/search", params={"q": query}).text).text
