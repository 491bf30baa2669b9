"""Public taxonomies come with the package: their codes are offered, checked and named."""

from __future__ import annotations

from typing import Any

import pytest

from redloom.services.loading import load_study
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.taxonomies import crosswalk_issues, find_taxonomy, taxonomies
from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor

HARM = "/studies/school-health/harms/shaming"


def place(taxonomy: str, version: str, code: str) -> dict[str, str]:
    return {"taxonomy": taxonomy, "version": version, "code": code, "relation": "close"}


@pytest.mark.parametrize(
    ("name", "version", "code", "title", "most"),
    [
        ("AILuminate", "1.0", "ail-privacy", "Privacy", 15),
        ("MIT AI Risk Repository", "1", "mit-ai-risk-subdomain-7.6", "Multi-agent risks", 31),
        ("NIST AI 600-1", "2024-07", "nist-confabulation", "Confabulation", 12),
        ("AIR 2024", "2024", "1.1.4", "Spear phishing", 371),
        ("MITRE ATLAS", "5.6.0", "AML.TA0002", "Reconnaissance", 16),
    ],
)
def test_a_taxonomy_has_its_codes_and_says_where_it_is_from(
    name: str, version: str, code: str, title: str, most: int
) -> None:
    found = find_taxonomy(name, version)
    assert found is not None and found.codes[code] == title and len(found.codes) == most
    assert found.source.startswith("https://") and found.licence and found.attribution


def test_only_titles_are_passed_on() -> None:
    assert all(len(title) < 200 for one in taxonomies() for title in one.codes.values())
    assert not [one.id for one in taxonomies() if "OWASP" in one.id]


def test_codes_of_known_versions_are_checked_and_others_allowed() -> None:
    wrong = place("AILuminate", "1.0", "ail-privacyy")
    free = [place("AILuminate", "9.9", "anything"), place("Our own", "1", "a1")]
    [issue] = crosswalk_issues({"crosswalk": [*free, wrong]}, {})
    assert issue.path == "crosswalk[2].code" and "did you mean 'ail-privacy'?" in issue.message
    assert crosswalk_issues({"crosswalk": [wrong]}, {"crosswalk": [wrong]}) == []


@pytest.mark.parametrize("name", ["school_health", "bank"])
def test_the_examples_name_codes_there_are(workspace: Workspace, name: str) -> None:
    study = apply(workspace, example(name) / "study.yaml").study
    with workspace.begin() as unit:
        harms = load_study(unit, study, cases=False).harms
    assert [issue for harm in harms.values() for issue in crosswalk_issues(harm.content(), {})] == []


def test_a_harm_says_the_title_beside_the_code_and_whose_it_is(school: Visitor) -> None:
    page = school.get(HARM)
    assert "mit-ai-risk-subdomain-1.2: Exposure to toxic content (broad)" in page.text
    assert "The AI Risk Repository, Slattery and others 2024" in page.text


def test_the_editor_offers_codes_and_tells_the_nearest(school: Visitor, workspace: Workspace) -> None:
    page = school.get(f"{HARM}/edit")
    assert ("option", {"value": "ail-privacy"}) in page.tags
    assert any(given.get("list") == "taxonomy-codes" for _, given in page.tags)
    form = page.form("/edit")
    sent = dict(form.fields)
    row = next(name for name, value in sent.items() if name.startswith("crosswalk:") and not value)
    number = row.split(":")[1]
    new = place("AILuminate", "1.0", "ail-hate<script>")
    filled = {f"crosswalk:{number}:{name}": value for name, value in new.items()}
    answer = school.send(f"{HARM}/edit", [(name, filled.get(name, value)) for name, value in form.fields])
    told = PageFound(answer.text)
    assert answer.status_code == 422 and "no code of AILuminate 1.0 named 'ail-hate<script>'" in told.text
    assert "ail-hate<script>" not in told.source
    with workspace.begin() as unit:
        stored: Any = unit.definitions("school-health").head("harm", "shaming")
    assert stored.number == 1
