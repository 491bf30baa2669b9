"""A proposal that was overtaken is settled place by place; new definitions and the charter are proposed too."""

from __future__ import annotations

from typing import Any

import pytest

from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor
from web.test_people import come, link
from web.test_proposals import HARM, HOSTILE, SCHOOL, head, proposed


@pytest.fixture
def rater(school: Visitor, workspace: Workspace) -> Visitor:
    return come(workspace, link(school, "guest rater", "rater"))


def edited(visitor: Visitor, **values: str) -> None:
    """A version that somebody saved meanwhile."""
    form = visitor.get(f"{HARM}/edit").form("/edit")
    assert visitor.send(f"{HARM}/edit", form.filled(**values)).status_code == 303


def overtaken(school: Visitor, rater: Visitor) -> str:
    """The page on which a proposal of title and background meets another title and stakes of severity."""
    where = proposed(rater, title=f"Theirs {HOSTILE}", background="Theirs alone.")
    edited(school, title="Ours", severity__grounding="Ours alone.")
    return f"{where}/settle"


def stored(workspace: Workspace) -> tuple[str, str, str]:
    found = head(workspace).definition
    return found.title, found.background, found.severity.grounding


@pytest.mark.parametrize(
    ("choice", "title"), [("now", "Ours"), ("given", f"Theirs {HOSTILE}"), ("own", "Both of us")]
)
def test_what_both_changed_is_chosen_and_the_rest_goes_together(
    school: Visitor, rater: Visitor, workspace: Workspace, choice: str, title: str
) -> None:
    where = overtaken(school, rater)
    page = school.get(where)
    assert "Both changed 1 place" in page.text and "proposed by guest rater" in page.text
    assert "Theirs alone." in page.text and "Ours alone." in page.text and HOSTILE not in page.source
    form = page.form("/settle")
    undecided = PageFound(school.send(where, form.filled(title="Both of us")).text)
    assert "choose one of the three" in undecided.text
    again = undecided.form("/settle")
    assert dict(again.fields)["title"] == "Both of us"
    done = school.send(where, [*again.filled(why="fair"), ("choice:title", choice)])
    assert done.headers["location"].endswith("said=change-accepted")
    assert stored(workspace) == (title, "Theirs alone.", "Ours alone.")
    version = head(workspace)
    assert version.number == 3 and version.author == "guest rater"
    assert version.why.endswith("by lead: fair)")
    assert ("with changes" in version.why) == (choice != "now")
    assert "lead accepted the change of harm shaming that guest rater proposed" in school.get(SCHOOL).text
    late = school.send(where, [*again.fields, ("choice:title", "now")])
    assert late.status_code == 422 and "was accepted already" in PageFound(late.text).text


def test_a_third_change_meets_what_was_settled_and_nothing_is_lost(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = overtaken(school, rater)
    form = school.get(where).form("/settle")
    edited(school, title="Third", background="Third too.")
    answer = school.send(where, [*form.filled(title="Both of us"), ("choice:title", "own")])
    page = PageFound(answer.text)
    assert answer.status_code == 409 and "Somebody saved another version meanwhile" in page.text
    assert "Third" in page.text and "Both of us" in page.text and "Theirs alone." in page.text
    assert head(workspace).number == 3
    again = page.form("/settle")
    chosen = [("choice:title", "given"), ("choice:background", "now")]
    assert school.send(where, [*again.fields, *chosen]).status_code == 303
    assert stored(workspace) == ("Both of us", "Third too.", "Ours alone.")
    assert head(workspace).author == "guest rater"


def test_a_proposal_can_be_changed_before_it_is_accepted_and_is_checked(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, title="Theirs")
    form = school.get(f"{where}/settle").form("/settle")
    wrong = school.send(f"{where}/settle", form.filled(title=""))
    assert wrong.status_code == 422 and "'title' is missing" in PageFound(wrong.text).text
    assert head(workspace).number == 1
    assert school.send(f"{where}/settle", form.filled(title="Theirs, polished")).status_code == 303
    assert head(workspace).definition.title == "Theirs, polished"
    assert "(accepted with changes by lead)" in head(workspace).why
    assert "as version 2, with changes" in school.get(where).text


def test_accepting_what_is_in_force_already_makes_no_version(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, title="Theirs")
    edited(school, title="Ours")
    form = school.get(f"{where}/settle").form("/settle")
    answer = school.send(f"{where}/settle", [*form.fields, ("choice:title", "now")])
    assert answer.status_code == 422 and "says the same already" in PageFound(answer.text).text
    assert head(workspace).number == 2


def test_what_came_while_somebody_looked_is_shown_before_it_is_accepted(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, title="Theirs")
    form = school.get(where).form(where)
    edited(school, background="Meanwhile.")
    answer = school.send(where, [*form.fields, ("way", "accept")])
    assert answer.status_code == 422 and "while you looked" in PageFound(answer.text).text
    assert head(workspace).number == 2
    again = PageFound(answer.text).form(where)
    assert school.send(where, [*again.fields, ("way", "accept")]).status_code == 303
    assert head(workspace).definition.title == "Theirs"


@pytest.mark.parametrize(
    "given", ["", "[]", "nonsense", "[" * 100_000, '{"title": 3}', '{"rubric": {"questions": 1}}']
)
def test_a_form_that_carries_nonsense_is_told(school: Visitor, rater: Visitor, given: str) -> None:
    where = overtaken(school, rater)
    form = school.get(where).form("/settle")
    assert school.send(where, form.filled(given=given)).status_code == 422
    assert school.send(f"{HARM}/edit", form.filled(given=given)).status_code == 422


def test_only_those_who_may_define_settle(school: Visitor, rater: Visitor) -> None:
    where = proposed(rater, title="Theirs")
    rater.get(f"{where}/settle", 403)
    assert rater.send(f"{where}/settle", []).status_code == 403


NEW: dict[str, dict[str, str]] = {
    "contexts": {"title": "New", "setting": "There.", "sender_role": "pupil", "recipient_role": "helper"},
    "personas": {"title": "New", "provenance": "synthetic"},
    "interaction-types": {
        "title": "New",
        "stance": "benign",
        "relation": "advice",
        "structure": "single_turn",
    },
    "harms": {
        "title": "New",
        "definition:en": "What it is.",
        "rubric:0:name": "q",
        "rubric:0:text:en": "Is it?",
        "rubric:0:0:answer": "yes",
        "rubric:0:0:leads": "harm",
        "rubric:0:1:answer": "no",
        "rubric:0:1:leads": "no harm",
    },
    "scenarios": {
        "title": "New",
        "context": "in-class",
        "harm": "shaming",
        "language": "en",
        "user_goal": "To know.",
        "expected__behaviour": "help",
        "expected__sentence": "It says it.",
    },
    "evidence": {"title": "New", "type": "incident", "source": "a school", "text": "It happened."},
}


def filled(school: Visitor, collection: str, **more: str) -> list[tuple[str, str]]:
    form = school.get(f"{SCHOOL}/{collection}/new").form("/new")
    given: dict[str, str] = {**NEW[collection], "why": f"it is missing {HOSTILE}", **more}
    if collection == "scenarios":
        for name in ("personas", "interaction-types"):
            root = f"{SCHOOL}/{name}/"
            slug = next(
                one for one in school.get(root.rstrip("/")).links if one.startswith(root) and "new" not in one
            )
            given["persona" if name == "personas" else "interaction_type"] = slug.removeprefix(root)
    return form.filled(**given)


@pytest.mark.parametrize("collection", NEW)
def test_a_new_definition_of_every_kind_is_proposed_and_created_in_the_proposers_name(
    school: Visitor, rater: Visitor, workspace: Workspace, collection: str
) -> None:
    path = f"{SCHOOL}/{collection}/new"
    assert path in rater.get(f"{SCHOOL}/{collection}").links
    done = rater.send(path, filled(rater, collection))
    assert "said=proposed" in done.headers.get("location", ""), PageFound(done.text).text[:900]
    where = done.headers["location"].partition("?")[0]
    school.get(f"{SCHOOL}/{collection}/new-thing", 404)
    page = school.get(where)
    assert "New: New" in page.text and HOSTILE not in page.source
    done = school.send(where, [*page.form(where).filled(slug="new-thing"), ("way", "accept")])
    assert done.status_code == 303, PageFound(done.text).text[:900]
    entry = school.get(f"{SCHOOL}/{collection}/new-thing")
    assert "version 1 by guest rater" in entry.text and "(accepted by lead)" in entry.text
    assert f"{SCHOOL}/{collection}/new-thing" in school.get(where).links
    told = school.get(SCHOOL).text
    assert "guest rater proposed a new" in told and "lead accepted the new" in told


def test_a_name_that_was_taken_meanwhile_is_told_and_another_chosen(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    path = f"{SCHOOL}/personas/new"
    taken = rater.send(path, filled(rater, "personas", title="Shaming", slug="no name"))
    assert taken.status_code == 422 and "is no short name" in PageFound(taken.text).text
    where = rater.send(path, filled(rater, "personas")).headers["location"].partition("?")[0]
    assert school.send(path, filled(school, "personas", provenance="expert_authored")).status_code == 303
    again = rater.send(path, filled(rater, "personas"))
    assert again.status_code == 422 and "short name 'new' already" in PageFound(again.text).text
    for page, answer in ((where, [("way", "accept")]), (f"{where}/settle", [])):
        form = school.get(page).form(page)
        told = school.send(page, [*form.fields, *answer])
        assert told.status_code == 422
        assert "there is one with the short name 'new' already; choose another" in PageFound(told.text).text
    form = PageFound(told.text).form("/settle")
    assert school.send(f"{where}/settle", form.filled(slug="newer", title="Newer")).status_code == 303
    with workspace.begin() as unit:
        made: Any = unit.definitions("school-health").head("persona", "newer")
    assert made.author == "guest rater" and made.definition.title == "Newer"
    assert f"{SCHOOL}/personas/newer" in school.get(where).links
    school.get(f"{SCHOOL}/personas/new-2", 404)


def test_what_looks_personal_in_proposed_evidence_is_marked(rater: Visitor) -> None:
    path = f"{SCHOOL}/evidence/new"
    answer = rater.send(path, filled(rater, "evidence", text="Write to somebody@example.org."))
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "may stay" in page.text and "Propose it" in page.text


def test_what_an_accepter_writes_is_looked_over_for_what_is_personal(school: Visitor, rater: Visitor) -> None:
    done = rater.send(f"{SCHOOL}/evidence/new", filled(rater, "evidence"))
    where = done.headers["location"].partition("?")[0] + "/settle"
    form = school.get(where).form("/settle")
    answer = school.send(where, form.filled(text="Ask somebody@example.org."))
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "email address" in page.text
    assert school.send(where, [*page.form("/settle").fields, ("personal", "stays")]).status_code == 303
    assert "Ask somebody@example.org." in school.get(f"{SCHOOL}/evidence").text


def test_a_hole_in_the_map_becomes_a_proposal(rater: Visitor) -> None:
    hole = next(link for link in rater.get(f"{SCHOOL}/map").links if "/scenarios/new?" in link)
    page = rater.get(hole)
    assert "Propose a new scenario" in page.text
    given = dict(page.form("/new").fields)
    assert given["persona"] and given["harm"] and not given["context"]


def test_a_new_definition_is_no_dissent_and_may_be_declined(school: Visitor, rater: Visitor) -> None:
    where = rater.send(f"{SCHOOL}/harms/new", filled(rater, "harms")).headers["location"].partition("?")[0]
    page = school.get(where)
    assert "Keep as dissent" not in page.text and "Is it?" in page.text
    answer = school.send(where, [("way", "dissent"), ("by", "teacher")])
    assert answer.status_code == 422 and "only a change of a harm" in PageFound(answer.text).text
    assert school.send(where, [("way", "decline"), ("why", "No.")]).status_code == 303


def test_a_change_of_the_charter_waits_for_the_lead(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    path = f"{SCHOOL}/charter/propose"
    assert path in rater.get(f"{SCHOOL}/proposals").links
    form = rater.get(path).form("/propose")
    done = rater.send(path, form.filled(charter__owner="the head teacher", why="it moved"))
    where = done.headers["location"].partition("?")[0]
    expert = come(workspace, link(school, "guest expert", "expert"))
    assert "It waits for the lead of the study." in expert.get(where).text
    assert expert.send(where, [("way", "accept")]).status_code == 403
    expert.get(f"{where}/settle", 403)
    assert expert.send(f"{where}/settle", []).status_code == 403
    page = school.get(where)
    assert "Owner" in page.text and "the head teacher" in page.text
    assert school.send(where, [*page.form(where).fields, ("way", "accept")]).status_code == 303
    history = school.get(f"{SCHOOL}/charter/history").text
    assert "Versions of the charter" in history and "the head teacher" in history and "guest rater" in history
    text = school.get(SCHOOL).text
    assert "the head teacher" in text and "accepted the change of the charter that guest rater" in text


def test_an_endorsement_stands_for_the_version_on_the_page_even_if_another_came(
    school: Visitor, workspace: Workspace
) -> None:
    form = school.get(HARM).form("/endorse")
    edited(school, title="Another")
    done = school.send(f"{HARM}/endorse", form.filled(by="carer of one"))
    assert done.headers["location"].endswith("said=endorsed-before")
    assert "endorsed by carer of one" not in school.get(HARM).text
    assert "endorsed harm shaming, version 1, as carer of one" in school.get(SCHOOL).text
    assert school.send(f"{HARM}/endorse", [("by", "x"), ("base", "sha256:00")]).status_code == 422


def test_a_disagreement_is_with_the_version_that_was_read(school: Visitor) -> None:
    form = school.get(f"{HARM}/dissent").form("/dissent")
    edited(school, title="Another")
    given = form.filled(by="carer of one", why="Tone.")
    answer = school.send(f"{HARM}/dissent", given)
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "version 2 came while you wrote" in page.text
    again = page.form("/dissent")
    assert dict(again.fields)["why"] == "Tone."
    assert school.send(f"{HARM}/dissent", again.fields).status_code == 303
    assert "carer of one" in school.get(HARM).text


def test_questions_that_both_changed_are_drawn_as_flows(
    school: Visitor, rater: Visitor, workspace: Workspace
) -> None:
    where = proposed(rater, **{"rubric:0:text:en": "Does it remark at all?"})
    edited(school, **{"rubric:0:text:en": f"Does it say a word? {HOSTILE}"})
    page = school.get(f"{where}/settle")
    assert page.source.count('<ol class="flow">') == 3 and HOSTILE not in page.source
    form = page.form("/settle")
    assert school.send(f"{where}/settle", [*form.fields, ("choice:rubric", "given")]).status_code == 303
    [first, *_] = head(workspace).definition.rubric.questions.values()
    assert "Does it remark at all?" in str(first.text)
