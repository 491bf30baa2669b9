"""Numbers as hostile forms send them: each is told or kept as a word, and none brings the page down."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from redloom.web.editors import read_conditions, write_conditions
from redloom.web.fields import read_value
from web.browsing import FormFound, PageFound, Visitor

SCHOOL = "/studies/school-health"
HOSTILE = (
    "9" * 5000,
    "-" + "9" * 5000,
    "--5",
    "-",
    "²",
    "٣",
    "1e999",
    "nan",
    "-inf",
    "0x10",
    f"{'9' * 400} to {'9' * 400}",
)
EDITORS = (
    "contexts",
    "personas",
    "interaction-types",
    "harms",
    "scenarios",
    "evidence",
    "cases",
)
NUMERIC = (
    ("harms/shaming/edit", "severity.levels:0:value"),
    ("harms/shaming/edit", "rubric:0:0:severity"),
    ("harms/shaming/dissent", "rubric:0:0:severity"),
    ("cases/inhaler-before-pe-1/edit", "turn_limit"),
)


def editors(visitor: Visitor) -> Iterator[tuple[str, FormFound]]:
    """One editor of each kind with its form, and those of the charter and of a disagreement."""
    for collection in EDITORS:
        root = f"{SCHOOL}/{collection}/"
        slug = next(
            link.removeprefix(root)
            for link in visitor.get(root.rstrip("/")).links
            if link.startswith(root) and link.removeprefix(root) not in ("new", "import", "caught")
        )
        path = f"{root}{slug}/edit"
        yield path, visitor.get(path).form("/edit")
    for path in (f"{SCHOOL}/charter/edit", f"{SCHOOL}/harms/shaming/dissent"):
        yield path, visitor.get(path).form(path)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:12])
def test_every_field_of_every_editor_takes_it(school: Visitor, workspace: Workspace, value: str) -> None:
    for path, form in editors(school):
        sent = [(name, text if name == "base" else value) for name, text in form.fields]
        answer = school.send(path, sent)
        assert answer.status_code in (303, 422), path
        assert answer.status_code == 303 or "Nothing was" in PageFound(answer.text).text
    with workspace.begin() as unit:
        assert load_study(unit, "school-health").content_digest()


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:12])
@pytest.mark.parametrize(("path", "name"), NUMERIC)
def test_a_field_for_a_number_says_what_it_wanted(
    school: Visitor, workspace: Workspace, path: str, name: str, value: str
) -> None:
    path = f"{SCHOOL}/{path}"
    form = school.get(path).form(path)
    assert name in dict(form.fields)
    sent = [(found, value if found == name else text) for found, text in form.fields]
    answer = school.send(path, [*sent, ("by", "teacher"), ("why", "no")])
    if value == "٣" and answer.status_code == 303:
        return  # a digit in another script
    assert answer.status_code == 422
    assert "number" in PageFound(answer.text).text


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:12])
def test_attributes_and_conditions_hold_numbers_that_json_can_keep(value: str) -> None:
    found = [read_value(value), *read_conditions(f"age: {value}; more: {value} or more").values()]
    assert all(math.isfinite(one) for one in found if isinstance(one, float))
    assert read_value(value) == value


@pytest.mark.parametrize("number", [0.0, 13.0, 1234567.0, 0.25, -3.5])
def test_ranges_keep_all_their_digits(number: float) -> None:
    conditions = {"age": {"min": number, "max": number + 1}, "more": {"min": number}}
    assert read_conditions(write_conditions(conditions)) == conditions
