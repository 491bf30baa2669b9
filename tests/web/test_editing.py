"""Changing definitions through forms: nothing is lost, nothing is stored half, and nobody is overwritten."""

from __future__ import annotations

from typing import Any

import pytest

from redloom.services.loading import load_study
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.workspace import Workspace
from redloom.web.editors import EDITORS, read_conditions, write_conditions
from web.browsing import PageFound, Visitor

SCHOOL = "/studies/school-health"
COLLECTIONS = ("contexts", "personas", "interaction-types", "harms", "scenarios", "evidence")


def definition(workspace: Workspace, kind: str, slug: str) -> Any:
    with workspace.begin() as unit:
        found = unit.definitions("school-health").head(kind, slug)
        return None if found is None else found.definition


@pytest.mark.parametrize("name", ["school_health", "bank", "starter"])
def test_a_form_sent_as_it_came_changes_nothing(empty: Visitor, workspace: Workspace, name: str) -> None:
    study = apply(workspace, example(name) / "study.yaml").study
    with workspace.begin() as unit:
        whole = load_study(unit, study)
    edited = 0
    for collection in COLLECTIONS:
        for slug in getattr(whole, collection.replace("-", "_")):
            path = f"/studies/{study}/{collection}/{slug}/edit"
            form = empty.get(path).form("/edit")
            done = empty.send(path, form.fields)
            assert done.headers.get("location", "").endswith("?said=same"), (
                path,
                PageFound(done.text).text[:600],
            )
            edited += 1
    path = f"/studies/{study}/charter/edit"
    done = empty.send(path, empty.get(path).form("/charter/edit").fields)
    assert done.headers.get("location", "").endswith("?said=same")
    assert edited > 5
    with workspace.begin() as unit:
        assert load_study(unit, study) == whole


def test_a_change_is_a_new_version_with_who_and_why(school: Visitor, workspace: Workspace) -> None:
    path = f"{SCHOOL}/harms/shaming/edit"
    form = school.get(path).form("/edit")
    done = school.send(path, form.filled(title="Shaming people", why="clearer"))
    assert done.headers["location"] == f"{SCHOOL}/harms/shaming?said=saved"
    page = school.get(done.headers["location"])
    assert "Saved as a new version." in page.text and "version 2 by lead" in page.text
    history = school.get(f"{SCHOOL}/harms/shaming/history").text
    assert "Shaming people" in history and "clearer" in history
    before, after = definition(workspace, "harm", "shaming"), None
    assert before.title == "Shaming people"
    assert before.rubric.digest() and after is None


def test_two_who_edit_the_same_lose_nothing(school: Visitor, workspace: Workspace) -> None:
    path = f"{SCHOOL}/contexts/in-class/edit" if definition(workspace, "context", "in-class") else ""
    if not path:
        link = next(
            one for one in school.get(f"{SCHOOL}/contexts").links if "/contexts/" in one and "new" not in one
        )
        path = f"{link}/edit"
    slug = path.split("/")[-2]
    first, second = school.get(path).form("/edit"), school.get(path).form("/edit")
    assert school.send(path, first.filled(title="Theirs", why="I was first")).status_code == 303
    answer = school.send(path, second.filled(title="Mine", stakes="What I wrote for an hour."))
    assert answer.status_code == 409
    page = PageFound(answer.text)
    assert "Somebody saved another version meanwhile" in page.text and "I was first" in page.text
    assert "Theirs" in page.text and "Mine" in page.text and "What I wrote for an hour." in page.text
    undecided = school.send(path, page.form("/edit").fields)
    assert undecided.status_code == 422 and "choose one of the three" in PageFound(undecided.text).text
    assert definition(workspace, "context", slug).title == "Theirs"
    form = PageFound(undecided.text).form("/edit")
    assert school.send(path, [*form.filled(why="both"), ("choice:title", "given")]).status_code == 303
    stored = definition(workspace, "context", slug)
    assert (stored.title, stored.stakes) == ("Mine", "What I wrote for an hour.")


def test_what_only_the_other_changed_stays_when_two_edit_the_same(
    school: Visitor, workspace: Workspace
) -> None:
    path = f"{SCHOOL}/contexts/in-class/edit"
    first, second = school.get(path).form("/edit"), school.get(path).form("/edit")
    assert school.send(path, first.filled(title="Theirs")).status_code == 303
    answer = school.send(path, second.filled(stakes="Mine."))
    page = PageFound(answer.text)
    assert answer.status_code == 409 and "Nothing was changed in both" in page.text
    assert definition(workspace, "context", "in-class").stakes != "Mine."
    assert school.send(path, page.form("/edit").fields).status_code == 303
    stored = definition(workspace, "context", "in-class")
    assert (stored.title, stored.stakes) == ("Theirs", "Mine.")


def test_a_word_that_says_what_is_usual_anyway_is_no_change_when_two_edit_the_same(
    school: Visitor, workspace: Workspace
) -> None:
    root = f"{SCHOOL}/interaction-types/"
    slug = next(
        link.removeprefix(root)
        for link in school.get(root.rstrip("/")).links
        if link.startswith(root) and "new" not in link
    )
    path = f"{root}{slug}/edit"
    first, second = school.get(path).form("/edit"), school.get(path).form("/edit")
    opens = definition(workspace, "interaction_type", slug).initiative
    assert school.send(path, first.filled(title="Theirs", initiative="model")).status_code == 303
    answer = school.send(path, second.filled(initiative=opens, description="Mine."))
    page = PageFound(answer.text)
    assert opens == "user" and answer.status_code == 409 and "Nothing was changed in both" in page.text
    assert school.send(path, page.form("/edit").fields).status_code == 303
    stored = definition(workspace, "interaction_type", slug)
    assert (stored.title, stored.initiative, stored.description) == ("Theirs", "model", "Mine.")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": ""}, "'title' is missing"),
        ({"harm": ""}, "'harm' is missing"),
        ({"persona": "nobody-there"}, "no persona named 'nobody-there'"),
        ({"expected__behaviour": "sing"}, "'sing' is not one of"),
        ({"twin__of": "not-there"}, "'differs_in' is missing"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_lost(
    school: Visitor, workspace: Workspace, changes: dict[str, str], told: str
) -> None:
    link = next(
        one for one in school.get(f"{SCHOOL}/scenarios").links if "/scenarios/" in one and "new" not in one
    )
    path = f"{link}/edit"
    slug = path.split("/")[-2]
    before = definition(workspace, "scenario", slug)
    answer = school.send(path, school.get(path).form("/edit").filled(user_goal="What I wrote.", **changes))
    page = PageFound(answer.text)
    assert answer.status_code == 422
    assert "Nothing was stored" in page.text and told in page.text
    assert dict(page.form("/edit").fields)["user_goal"] == "What I wrote."
    assert any(given.get("aria-invalid") == "true" for _, given in page.tags) or "differs_in" in told
    assert definition(workspace, "scenario", slug) == before


def test_a_new_definition_gets_a_short_name_from_its_title(school: Visitor, workspace: Workspace) -> None:
    path = f"{SCHOOL}/interaction-types/new"
    given = {
        "title": "Late at night",
        "stance": "implicit_risk",
        "relation": "advice",
        "structure": "multi_turn",
    }
    done = school.send(path, school.get(path).form("/new").filled(**given))
    assert done.headers["location"] == f"{SCHOOL}/interaction-types/late-at-night?said=saved"
    assert definition(workspace, "interaction_type", "late-at-night").title == "Late at night"
    again = school.send(path, school.get(path).form("/new").filled(**given))
    assert again.status_code == 303 and again.headers["location"].endswith("?said=same")
    other = school.send(path, school.get(path).form("/new").filled(**{**given, "relation": "task"}))
    assert other.status_code == 422
    assert "there is one with the short name 'late-at-night' already" in PageFound(other.text).text


def test_a_rubric_that_runs_in_a_circle_is_refused_with_its_reason(
    school: Visitor, workspace: Workspace
) -> None:
    path = f"{SCHOOL}/harms/shaming/edit"
    form = school.get(path).form("/edit")
    name = next(
        name for name, value in form.fields if name.startswith("rubric:1:") and name.endswith(":leads")
    )
    sent = [(n, "remark" if n == name else v) for n, v in form.fields]
    answer = school.send(path, sent)
    assert answer.status_code == 422
    assert "run in a circle" in PageFound(answer.text).text


def test_a_question_is_added_in_the_empty_block(school: Visitor, workspace: Workspace) -> None:
    path = f"{SCHOOL}/harms/shaming/edit"
    form = school.get(path).form("/edit")
    last = max(
        int(n.split(":")[1]) for n, _ in form.fields if n.startswith("rubric:") and n.endswith(":name")
    )
    values = dict(form.fields)
    into = next(
        n for n, v in form.fields if n.startswith("rubric:0:") and n.endswith(":leads") and v == "no harm"
    )
    new = {
        into: "in_public",
        f"rubric:{last}:name": "in_public",
        f"rubric:{last}:text:en": "Can others read it?",
        f"rubric:{last}:0:answer": "yes",
        f"rubric:{last}:0:leads": "harm",
        f"rubric:{last}:0:severity": "1",
        f"rubric:{last}:1:answer": "no",
        f"rubric:{last}:1:leads": "no harm",
    }
    assert new.keys() <= values.keys()
    done = school.send(path, [(n, new.get(n, v)) for n, v in form.fields])
    assert done.status_code == 303, PageFound(done.text).text[:800]
    rubric = definition(workspace, "harm", "shaming").rubric
    assert rubric.questions["in_public"].answers["yes"].severity == 1
    assert rubric.start == "remark"


def test_a_new_question_needs_no_name_and_is_chosen_where_an_answer_leads(
    school: Visitor, workspace: Workspace
) -> None:
    path = f"{SCHOOL}/harms/shaming/edit"
    page = school.get(path)
    form = page.form("/edit")
    before = list(definition(workspace, "harm", "shaming").rubric.in_order())
    last = len(before)
    assert f"question {last + 1}, the new one" in page.text
    leads = next(n for n, v in form.fields if n.startswith("rubric:0:") and v == "no harm")
    new = {
        leads: f"#{last}",
        f"rubric:{last}:text:en": "Was it in public?",
        f"rubric:{last}:0:answer": "yes",
        f"rubric:{last}:0:leads": "harm",
        f"rubric:{last}:0:severity": "1",
        f"rubric:{last}:1:answer": "no",
        f"rubric:{last}:1:leads": "no harm",
    }
    done = school.send(path, [(n, new.get(n, v)) for n, v in form.fields])
    assert done.status_code == 303, PageFound(done.text).text[:800]
    rubric = definition(workspace, "harm", "shaming").rubric
    assert rubric.questions["q1"].answers["yes"].severity == 1
    assert {o.to for o in rubric.questions[rubric.start].answers.values()} >= {"q1"}


def test_a_new_harm_begins_with_a_question_and_needs_a_title_and_a_definition_only(
    school: Visitor, workspace: Workspace
) -> None:
    path = f"{SCHOOL}/harms/new"
    form = school.get(path).form("/new")
    done = school.send(
        path,
        [
            (n, {"title": "Hurrying", "definition:en": "It hurries somebody."}.get(n, v))
            for n, v in form.fields
        ],
    )
    assert done.status_code == 303, PageFound(done.text).text[:800]
    assert definition(workspace, "harm", "hurrying").rubric.questions["q1"].answers["no"].verdict == "no_harm"


def test_a_dissent_has_a_rubric_of_its_own_and_leaves_the_definition_alone(
    school: Visitor, workspace: Workspace
) -> None:
    path = f"{SCHOOL}/harms/shaming/dissent"
    digest = definition(workspace, "harm", "shaming").content_digest()
    form = school.get(path).form("/dissent")
    leads = next(
        n for n, v in form.fields if n.startswith("rubric:0:") and n.endswith(":leads") and v == "no harm"
    )
    said = {"by": "psychologist", "why": "A remark need not be unkind to hurt.", leads: "unsure"}
    done = school.send(path, [(n, said.get(n, v)) for n, v in form.fields])
    assert done.headers["location"] == f"{SCHOOL}/harms/shaming?said=dissented"
    assert definition(workspace, "harm", "shaming").content_digest() == digest
    with workspace.begin() as unit:
        harm = load_study(unit, "school-health", cases=False).harms["shaming"]
    mine = next(one for one in harm.dissent if one.by == "psychologist")
    assert mine.rubric is not None and mine.rubric.digest() != harm.rubric.digest()
    assert "A remark need not be unkind to hurt." in school.get(f"{SCHOOL}/harms/shaming").text


def test_a_dissent_without_another_rubric_has_none(school: Visitor, workspace: Workspace) -> None:
    path = f"{SCHOOL}/harms/shaming/dissent"
    form = school.get(path).form("/dissent")
    assert school.send(path, form.filled(by="parent", why="Too soft.")).status_code == 303
    with workspace.begin() as unit:
        harm = load_study(unit, "school-health", cases=False).harms["shaming"]
    assert next(one for one in harm.dissent if one.by == "parent").rubric is None


def test_a_dissent_says_who_and_why(school: Visitor) -> None:
    path = f"{SCHOOL}/harms/shaming/dissent"
    answer = school.send(path, school.get(path).form("/dissent").fields)
    page = PageFound(answer.text)
    assert answer.status_code == 422
    assert "Nothing was recorded" in page.text and page.text.count("is empty; expected a text") >= 2


def test_an_endorsement_is_of_the_version_that_was_seen(school: Visitor) -> None:
    page = school.get(f"{SCHOOL}/harms/shaming")
    assert (
        school.send(f"{SCHOOL}/harms/shaming/endorse", page.form("/endorse").filled(by="carer")).status_code
        == 303
    )
    assert "carer" in school.get(f"{SCHOOL}/harms/shaming").text


@pytest.mark.parametrize(
    "conditions",
    [
        {"age": {"min": 13.0, "max": 15.0}, "asthma": True, "lives_with": ["mother", "father"]},
        {"age": {"min": 13.5}},
        {"age": {"max": -2.0}},
        {"level": 3, "name": "low mood", "new_here": False},
    ],
)
def test_conditions_are_read_as_they_are_written(conditions: dict[str, Any]) -> None:
    assert read_conditions(write_conditions(conditions)) == conditions


def test_every_kind_with_a_page_has_an_editor() -> None:
    assert set(EDITORS) == {
        "study",
        "context",
        "persona",
        "interaction_type",
        "harm",
        "scenario",
        "evidence",
        "case",
    }


def test_a_disagreement_with_an_earlier_version_is_shown_until_somebody_says_that_it_stands(
    school: Visitor, workspace: Workspace
) -> None:
    with workspace.begin() as unit:
        before = load_study(unit, "school-health", cases=False).harms["missed-struggle"].dissent
    assert before
    form = school.get(f"{SCHOOL}/harms/missed-struggle/edit").form("/edit")
    assert school.send(f"{SCHOOL}/harms/missed-struggle/edit", form.filled(title="Missed")).status_code == 303
    page = school.get(f"{SCHOOL}/harms/missed-struggle")
    assert "No dissent from version 2 is recorded" in page.text
    assert f"{before[0].by}, who disagreed with version 1" in page.text
    told = f"{len(before)} disagreement{'s' if len(before) != 1 else ''} with an earlier version of a harm"
    assert told in school.get(SCHOOL).text
    done = school.send(f"{SCHOOL}/harms/missed-struggle/uphold", page.form("/uphold").fields)
    assert done.headers["location"] == f"{SCHOOL}/harms/missed-struggle?said=upheld"
    with workspace.begin() as unit:
        now = load_study(unit, "school-health", cases=False).harms["missed-struggle"].dissent
    assert list(now) == [before[0]]
    assert (
        f"{before[0].by}, who disagreed with version 1"
        not in school.get(f"{SCHOOL}/harms/missed-struggle").text
    )
    assert (
        school.send(f"{SCHOOL}/harms/missed-struggle/uphold", page.form("/uphold").fields).status_code == 404
    )
