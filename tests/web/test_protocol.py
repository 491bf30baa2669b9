"""The protocol in the workbench: written in a form, told on the page of the study, and changed after a run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from redloom.domain.protocol import short
from redloom.services.execution import Operation
from redloom.services.people import accept, invite
from redloom.services.runs import RunOptions, start_run
from redloom.services.studies import apply, export_study
from redloom.services.workspace import Workspace
from redloom.web.app import House, create_app
from web.browsing import ORIGIN, PageFound, Visitor

from .test_editing import definition

SCHOOL = "/studies/school-health"
EDIT = f"{SCHOOL}/charter/edit"
HOSTILE = "</textarea><script>alert(1)</script>{{ 7*7 }}"
GIVEN = {
    "protocol__plan": f"Count. {HOSTILE}",
    "protocol__primary_judge": "rule:promised-secrecy",
    "protocol__unit": "interaction",
    "protocol__weight": "case",
    "protocol__arms": "full\nno_context\nno_persona",
    "protocol__attempts": "full=3, no_context=2",
    "protocol__must_never": "shaming",
    "protocol__family": "no_context",
    "protocol__deviations": f"One was lost. {HOSTILE}",
}
THRESHOLDS = [("wrong-disclosure", "5 %"), ("all", "0.25"), ("", "")]


def sent(visitor: Visitor, thresholds: list[tuple[str, str]], **values: str) -> Any:
    form = visitor.get(EDIT).form("/charter/edit")
    rows = [
        pair
        for number, (harm, share) in enumerate(thresholds)
        for pair in (
            (f"protocol.thresholds:{number}:harm", harm),
            (f"protocol.thresholds:{number}:share", share),
        )
    ]
    kept = [one for one in form.filled(**values) if not one[0].startswith("protocol.thresholds:")]
    return visitor.send(EDIT, [*kept, *rows])


def stored(workspace: Workspace) -> Any:
    return definition(workspace, "study", "school-health").protocol


def test_a_protocol_is_written_in_a_form_and_told_on_the_page_of_the_study(
    school: Visitor, workspace: Workspace
) -> None:
    assert sent(school, THRESHOLDS, **GIVEN).status_code == 303
    found = stored(workspace)
    assert found.content() == {
        "plan": GIVEN["protocol__plan"],
        "primary_judge": "rule:promised-secrecy",
        "unit": "interaction",
        "weight": "case",
        "arms": ["full", "no_context", "no_persona"],
        "attempts": {"full": 3, "no_context": 2},
        "thresholds": {"wrong-disclosure": 0.05, "all": 0.25},
        "must_never": ["shaming"],
        "family": ["no_context"],
    }
    assert found.deviations == (GIVEN["protocol__deviations"],)
    answer = school.client.get(SCHOOL)
    page = PageFound(answer.text)
    told = f"Protocol {short(found.digest())}: primary judge rule:promised-secrecy, 2 thresholds, 1 that must never happen"
    assert told in page.text and found.digest() in page.text and "25 %" in page.text
    assert "<script>alert" not in answer.text and "<script>alert" not in school.client.get(EDIT).text
    again = school.send(EDIT, school.get(EDIT).form("/charter/edit").fields)
    assert again.headers["location"].endswith("?said=same")
    api = school.client.get("/api/v1" + SCHOOL).json()["protocol"]
    assert (api["digest"], api["complete"], api["other_runs"]) == (found.digest(), True, 0)


@pytest.mark.parametrize(
    ("values", "thresholds", "field", "told"),
    [
        ({"protocol__arms": "full\nno_contxt"}, [], "protocol.arms", "did you mean 'no_context'?"),
        ({"protocol__primary_judge": "rule:promised-secrecey"}, [], "protocol.primary_judge", "did you mean 'rule:promised-secrecy'?"),
        ({"protocol__must_never": "shamin"}, [], "protocol.must_never", "did you mean 'shaming'?"),
        ({"protocol__attempts": "many"}, [], "protocol.attempts", "'many' is not a whole number"),
        ({"protocol__attempts": "full=x"}, [], "protocol.attempts", "'x' is not a whole number"),
        ({"protocol__family": "no_persona"}, [], "protocol.family", "no planned arm named 'no_persona'"),
        ({}, [("shamin", "0.1")], "protocol.thresholds", "did you mean 'shaming'?"),
        ({}, [("shaming", "lots")], "protocol.thresholds", "'lots' is not a number"),
        ({}, [("shaming", "nan")], "protocol.thresholds", "is not a number"),
        ({}, [("shaming", "500")], "protocol.thresholds", "500.0 is too large; expected less than 1"),
        ({}, [("shaming", "1 %"), ("shaming", "2 %")], "protocol.thresholds", "[0.01, 0.02] is not a number"),
        ({"protocol__plan": ""}, [("all", "0.1")], "protocol.plan", "'plan' is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_it_is_told_at_its_field_and_nothing_is_lost(
    school: Visitor,
    workspace: Workspace,
    values: dict[str, str],
    thresholds: list[tuple[str, str]],
    field: str,
    told: str,
) -> None:
    before = stored(workspace)
    answer = sent(school, thresholds or THRESHOLDS, **{"protocol__arms": "full\nno_context", **values})
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "Nothing was stored" in page.text and told in page.text
    assert any(given.get("id") == f"{field}-wrong" for _, given in page.tags)
    back = dict(page.form("/charter/edit").fields)
    for name, value in values.items():
        assert back[name.replace("__", ".")].strip() == value
    rows = [(back.get(f"protocol.thresholds:{n}:harm"), n) for n in range(4)]
    assert {harm for harm, _ in thresholds} <= {harm for harm, _ in rows}
    assert stored(workspace) == before


def test_judges_systems_and_harms_are_offered(school: Visitor) -> None:
    page = school.get(EDIT)
    offered = {given.get("value") for tag, given in page.tags if tag == "option"}
    assert {"rule:promised-secrecy", "rule:refusal", "small", "all", "shaming"} <= offered
    lists = {given.get("list") for tag, given in page.tags if tag == "input"} - {None}
    ids = [given.get("id") for _, given in page.tags]
    assert {"protocol.primary_judge-offers", "protocol-harms"} <= lists
    assert all(ids.count(one) == 1 for one in lists)


def test_a_protocol_that_was_changed_after_runs_says_so(
    school: Visitor, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "bot.json").write_text(json.dumps({"otherwise": "Ask your nurse."}))
    options = RunOptions(target=f"scripted:{tmp_path / 'bot.json'}")
    asyncio.run(start_run(workspace, "school-health", None, options, Operation()))
    assert "before it was written or changed" not in school.get(SCHOOL).text
    assert sent(school, THRESHOLDS, **GIVEN).status_code == 303
    assert "1 run was made before it was written or changed" in school.get(SCHOOL).text


def test_what_was_written_in_the_form_comes_back_from_a_file(
    school: Visitor, workspace: Workspace, tmp_path: Path
) -> None:
    assert sent(school, THRESHOLDS, **GIVEN).status_code == 303
    digest = stored(workspace).digest()
    (tmp_path / "study.yaml").write_text(export_study(workspace, "school-health"), encoding="utf-8")
    assert apply(workspace, tmp_path / "study.yaml").changes == ()
    assert stored(workspace).digest() == digest


def test_whoever_may_only_propose_proposes_a_change_of_it(school: Visitor, workspace: Workspace) -> None:
    house = House(workspace=workspace, origins=frozenset({ORIGIN}), public=True)
    expert = Visitor(create_app(house))
    session = accept(workspace, invite(workspace, "school-health", "Expert", "expert").secret).secret
    expert.client.cookies.set("redloom_session", session)
    assert "Propose a change of the protocol" in expert.get(SCHOOL).text
    path = f"{SCHOOL}/charter/propose"
    form = expert.get(path).form("/charter/propose")
    done = expert.send(path, form.filled(protocol__must_never="shaming", why="it may not happen once"))
    assert done.status_code == 303
    page = school.get(done.headers["location"])
    assert "What must never happen" in page.text and "it may not happen once" in page.text
