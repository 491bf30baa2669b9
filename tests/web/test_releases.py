"""Releases in the browser: cut with all that stands against it told, read, compared, verified."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from redloom.domain.case import Case, CaseProvenance
from redloom.services.cases import review
from redloom.services.releases import ReleaseOptions, cut_release, working_release
from redloom.services.workspace import Workspace
from redloom.storage.tables import definition_version
from web.browsing import PageFound, Visitor
from web.test_people import come, link

SCHOOL = "/studies/school-health"
RELEASES = f"{SCHOOL}/releases"


def put_case(workspace: Workspace, slug: str, turn: str, scenario: str | None = None) -> None:
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        case = Case(scenario=scenario or stored.slugs("scenario")[0], script=(turn,))
        stored.put("case", [(slug, case)], author="lead", origin="test", why="", at=workspace.now())


def cut(visitor: Visitor, which: str = "provisional", **values: str) -> Any:
    form = visitor.get(f"{RELEASES}/new").form("/releases/new")
    sent = [(n, v) for n, v in form.filled(**values) if n != "which"]
    return visitor.send(f"{RELEASES}/new", [*sent, ("which", which)])


def test_a_release_is_cut_read_and_listed(school: Visitor) -> None:
    assert "No release is cut yet." in school.get(RELEASES).text
    done = cut(school, version="1.0", licence="CC-BY-4.0", expires="2031-05-04", why="first <b>one</b>")
    assert done.headers["location"] == f"{RELEASES}/1.0?said=released"
    page = school.get(done.headers["location"])
    assert "it never changes from now on" in page.text and "Provisional" in page.text
    assert "CC-BY-4.0" in page.text and "4 May 2031" in page.text and "redloom-canary-" in page.text
    assert "first <b>one</b>" in page.text and "<b>one</b>" not in page.source
    assert f"{RELEASES}/1.0" in school.get("/search?q=release+1.0").links
    assert f"{SCHOOL}/harms/shaming" in page.links and "No release was cut before it." in page.text
    assert f"{RELEASES}/1.0" in school.get(RELEASES).links


def test_everything_against_a_release_is_told_at_once_and_nothing_is_lost(
    school: Visitor, workspace: Workspace
) -> None:
    cut_release(workspace, "school-health", "1.0", ReleaseOptions(provisional=True))
    answer = cut(
        school, "all", version="1.0", held_out="many", expires="soon", licence="<i>own</i>", why="I say"
    )
    page = PageFound(answer.text)
    assert answer.status_code == 422
    for told in ("is there already", "'many' is no percentage", "'soon' is no day", "not accepted"):
        assert told in page.text, told
    kept = dict(page.form("/releases/new").fields)
    assert (kept["licence"], kept["held_out"], kept["why"]) == ("<i>own</i>", "many", "I say")
    assert "<i>own</i>" not in page.source
    with workspace.begin() as unit:
        assert [one.version for one in unit.releases("school-health").all()] == ["1.0"]


def test_what_stands_against_it_leads_to_where_it_is_mended(school: Visitor, workspace: Workspace) -> None:
    page = school.get(f"{RELEASES}/new")
    assert "not accepted" in page.text and f"{SCHOOL}/cases" in page.links
    assert "redloom review" not in page.text
    review(workspace, "school-health", "accept", None)
    assert "Nothing stands against a release of all of them." in school.get(f"{RELEASES}/new").text
    assert cut(school, "all", version="1.0", held_out="50").status_code == 303
    assert "Provisional" not in school.get(f"{RELEASES}/1.0").text


def test_a_harm_without_examples_stands_against_a_release(school: Visitor, workspace: Workspace) -> None:
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        head = stored.head("harm", "shaming")
        assert head is not None
        bare = head.definition.model_copy(update={"examples": ()})
        stored.put("harm", [("shaming", bare)], author="lead", origin="test", why="", at=workspace.now())
    page = school.get(f"{RELEASES}/new")
    assert "The harm shaming needs at least one of examples" in page.text


def test_two_releases_are_compared_field_by_field(school: Visitor, workspace: Workspace) -> None:
    put_case(workspace, "stays", "It stays.")
    put_case(workspace, "goes", "It goes.")
    put_case(workspace, "changes", "Before it changed.")
    cut_release(workspace, "school-health", "1.0", ReleaseOptions(provisional=True))
    review(workspace, "school-health", "retire", ["goes"])
    put_case(workspace, "comes", "It comes.")
    put_case(workspace, "changes", "After <script>it</script> changed.")
    assert "1 added, 1 removed, 1 changed" in school.get(f"{RELEASES}/new").text
    assert cut(school, version="2.0").status_code == 303
    page = school.get(f"{RELEASES}/2.0")
    assert "1 added, 1 removed, 1 changed" in page.text
    assert "Before it changed." in page.text and "After <script>it</script> changed." in page.text
    assert "<script>it" not in page.source
    assert {f"{SCHOOL}/cases/comes", f"{SCHOOL}/cases/goes"} <= set(page.links)
    back = school.get(f"{RELEASES}/1.0?against=2.0")
    assert "1 added, 1 removed, 1 changed" in back.text
    assert school.get(f"{RELEASES}/1.0?against=9", 404)


def test_a_changed_definition_is_shown_with_the_cases_that_rest_on_it(
    school: Visitor, workspace: Workspace
) -> None:
    cut_release(workspace, "school-health", "1.0", ReleaseOptions(provisional=True))
    path = f"{SCHOOL}/harms/shaming/edit"
    school.send(path, school.get(path).form("/edit").filled(title="Shaming people"))
    cut_release(workspace, "school-health", "2.0", ReleaseOptions(provisional=True))
    page = school.get(f"{RELEASES}/2.0")
    assert "with the same text over definitions that changed" in page.text
    assert "Shaming people" in page.text and "Harm shaming , changed" in page.text


def test_verify_finds_what_was_altered_behind_its_back(school: Visitor, workspace: Workspace) -> None:
    put_case(workspace, "altered", "As it was.")
    cut_release(workspace, "school-health", "1.0", ReleaseOptions(provisional=True))
    form = school.get(f"{RELEASES}/1.0").form("/verify")
    assert "it is what was frozen" in PageFound(school.send(form.action, form.fields).text).text
    with workspace.begin() as unit:
        head = unit.definitions("school-health").head("case", "altered")
        assert head is not None
        body = {**head.definition.content(), "script": ["As it is now."]}
        unit.connection.execute(
            sa.update(definition_version).where(definition_version.c.id == head.version_id).values(body=body)
        )
    told = PageFound(school.send(form.action, form.fields).text).text
    assert "It is not what was frozen" in told and "case altered" in told


def test_what_a_run_froze_is_folded_away(school: Visitor, workspace: Workspace) -> None:
    made = working_release(workspace, "school-health", ReleaseOptions(provisional=True))
    page = school.get(RELEASES)
    assert "No release is cut yet." in page.text and "1 that a run or an import froze" in page.text
    assert f"{RELEASES}/{made.version}" in page.links


@pytest.mark.parametrize("role", ["viewer", "expert"])
def test_only_a_lead_cuts_and_everybody_reads(school: Visitor, workspace: Workspace, role: str) -> None:
    cut_release(workspace, "school-health", "1.0", ReleaseOptions(provisional=True))
    guest = come(workspace, link(school, "guest", role))
    assert f"{RELEASES}/new" not in guest.get(RELEASES).links
    guest.get(f"{RELEASES}/1.0")
    guest.get(f"{RELEASES}/new", 403)
    assert guest.send(f"{RELEASES}/new", [("version", "2.0"), ("which", "provisional")]).status_code == 403


def test_cases_without_a_scenario_are_counted_by_their_harm(school: Visitor, workspace: Workspace) -> None:
    with workspace.begin() as unit:
        stored = unit.definitions("school-health")
        case = Case(cluster="one", harm="shaming", script=("x",), language="fi", provenance=CaseProvenance())
        stored.put("case", [("alone", case)], author="lead", origin="test", why="", at=workspace.now())
    options = ReleaseOptions(provisional=True, cases=("alone",))
    cut_release(workspace, "school-health", "1.0", options)
    text = school.get(f"{RELEASES}/1.0").text
    assert "shaming : 1" in text and "fi: 1" in text
