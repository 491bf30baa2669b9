"""What the workbench asks of a database, on both kinds, and always of one study among two."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.domain.persona import Persona
from redloom.errors import InputError
from redloom.services import people
from redloom.services.cases import review_seen
from redloom.services.defining import Meanwhile, Saved, dissent, endorse, open_definition, save_definition
from redloom.services.readiness import look_over
from redloom.services.searching import find
from redloom.services.space import draw
from redloom.services.studies import apply_study
from redloom.services.workspace import Workspace


@pytest.fixture
def two(workspace: Workspace) -> Workspace:
    """Two studies that say the same."""
    for slug in ("small", "other"):
        apply_study(workspace, StudyFile(to_study(small_document(study=slug)), f"{slug}.yaml"))
    return workspace


def test_words_are_found_in_one_study_and_taken_as_they_are(two: Workspace) -> None:
    title = 'A 100% "odd" \\ _name_'
    content = {"title": title, "provenance": "synthetic"}
    save_definition(two, "small", "persona", "odd", content, base=None)
    for text in (title, "100%", '"odd"', "\\ _nam", "ODD", "ód 10"):
        assert [(hit.study, hit.slug) for hit in find(two, text) if hit.kind == "persona"] == [
            ("small", "odd")
        ]
    for text in ("00%", "dd", '" OR NEAR(', "odd AND nothing", "' | !zzz:*", "-", ""):
        assert list(find(two, text)) == [], text
    assert list(find(two, title, study="other")) == []


def test_the_map_counts_the_scenarios_and_cases_of_one_study(two: Workspace) -> None:
    found = draw(two, "small", rows="persona", columns="harm")
    cases = sum(cell.cases for row in found.cells for cell in row)
    with two.begin() as unit:
        whole = unit.definitions("small").count_by("case", "scenario")
        assert cases == sum(whole.values()) > 0
        assert all(isinstance(name, str) for name in whole)
    assert found.holes == draw(two, "other", rows="persona", columns="harm").holes


def test_saving_knows_what_it_was_made_from(two: Workspace) -> None:
    slug = open_slug(two)
    opened = open_definition(two, "small", "persona", slug)
    content = opened.newest.definition.content()
    base = opened.newest.digest
    assert save_definition(two, "small", "persona", slug, content, base=base) == Saved(slug, 1, False)
    assert save_definition(two, "small", "persona", slug, {**content, "title": "Theirs"}, base=base) == Saved(
        slug, 2, True
    )
    clash = save_definition(two, "small", "persona", slug, {**content, "title": "Mine"}, base=base)
    assert isinstance(clash, Meanwhile)
    assert [(c.path, c.stored, c.given) for c in clash.changes] == [("title", "Theirs", "Mine")]
    other = open_definition(two, "other", "persona", slug)
    assert isinstance(other.definition, Persona) and other.newest.number == 1


def open_slug(workspace: Workspace) -> str:
    with workspace.begin() as unit:
        return unit.definitions("small").slugs("persona")[0]


def test_acts_are_about_the_version_that_is_in_force(two: Workspace) -> None:
    with two.begin() as unit:
        slug = unit.definitions("small").slugs("harm")[0]
    endorse(two, "small", slug, by="a nurse")
    dissent(two, "small", slug, {"by": "a parent", "why": "Too soft."})
    opened = open_definition(two, "small", "harm", slug)
    assert "a nurse" in [one.by for one in opened.definition.endorsements]  # type: ignore[attr-defined]
    assert "a parent" in [one.by for one in opened.definition.dissent]  # type: ignore[attr-defined]
    content = {**opened.newest.definition.content(), "background": "Another."}
    save_definition(two, "small", "harm", slug, content, base=opened.newest.digest)
    again = open_definition(two, "small", "harm", slug).definition
    assert "a nurse" not in [one.by for one in again.endorsements]  # type: ignore[attr-defined]


def test_a_study_is_looked_over_alone(two: Workspace) -> None:
    before = look_over(two, "other")
    save_definition(two, "small", "persona", "new", {"title": "New", "provenance": "synthetic"}, base=None)
    assert look_over(two, "other") == before
    assert look_over(two, "small").history[0].what == "added persona new"
    assert abs(look_over(two, "small").history[0].at - two.now()) < datetime.timedelta(minutes=1)


def test_a_link_opens_one_study_once(two: Workspace) -> None:
    made = people.invite(two, "small", "guest", "expert")
    people.invite(two, "other", "guest", "viewer")
    session = people.accept(two, made.secret)
    found = people.who_is(two, session.secret)
    assert found is not None and (found.study, found.role, found.name) == ("small", "expert", "guest")
    with pytest.raises(InputError, match="used already"):
        people.accept(two, made.secret)
    people.end_participation(two, "other", "guest")
    assert people.who_is(two, session.secret) == found
    people.end_participation(two, "small", "guest")
    assert people.who_is(two, session.secret) is None
    everywhere = people.invite(two, None, "lead", "lead")
    assert people.accept(two, everywhere.secret).participant.study is None


def test_of_two_who_save_at_once_one_is_told(two: Workspace) -> None:
    """Twenty rounds: without a word between them both would now and then be stored, one over the other."""
    barrier = Barrier(2)

    def save(name: str, base: str) -> Saved | Meanwhile:
        barrier.wait(10)
        content = {"title": name, "provenance": "synthetic"}
        return save_definition(two, "small", "persona", "odd", content, base=base)

    save_definition(two, "small", "persona", "odd", {"title": "0", "provenance": "synthetic"}, base=None)
    with ThreadPoolExecutor(2) as pool:
        for n in range(20):
            base = open_definition(two, "small", "persona", "odd").newest.digest
            done = list(pool.map(save, (f"{n} a", f"{n} b"), (base, base)))
            assert sorted(type(one).__name__ for one in done) == ["Meanwhile", "Saved"]
    assert open_definition(two, "small", "persona", "odd").newest.number == 21


def test_a_review_is_about_the_version_that_was_read(two: Workspace) -> None:
    with two.begin() as unit:
        stored = unit.definitions("small")
        slug = stored.slugs("case")[0]
        head = stored.head("case", slug)
    assert head is not None
    barrier = Barrier(2)

    def change() -> object:
        barrier.wait(10)
        content = {**head.definition.content(), "script": ["{me} Something else."]}
        return save_definition(two, "small", "case", slug, content, base=head.digest)

    def decide() -> object:
        barrier.wait(10)
        return review_seen(two, "small", "accept", {slug: head.digest})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda do: do(), (change, decide)))
    with two.begin() as unit:
        (state,) = unit.definitions("small").lines.statuses([slug]).values()
    assert state == "draft", "what was accepted, if anything, is the version before"
