"""Proposals on both kinds of database, of one study among two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.errors import InputError
from redloom.services.defining import Meanwhile, Saved, open_definition, save_definition
from redloom.services.proposals import accept, count_open, list_proposals, open_proposal, propose
from redloom.services.studies import apply_study
from redloom.services.workspace import Workspace

NEW = {"title": "New", "provenance": "synthetic"}


@pytest.fixture
def two(workspace: Workspace) -> Workspace:
    """Two studies that say the same."""
    for slug in ("small", "other"):
        apply_study(workspace, StudyFile(to_study(small_document(study=slug)), f"{slug}.yaml"))
    return workspace


@pytest.fixture
def guest(two: Workspace) -> Workspace:
    """The same for somebody else."""
    return replace(two, settings=replace(two.settings, who="guest"))


def slug_of(workspace: Workspace) -> str:
    with workspace.begin() as unit:
        return unit.definitions("small").slugs("persona")[0]


def test_a_change_is_accepted_for_one_study_and_counts_for_its_definition_alone(
    two: Workspace, guest: Workspace
) -> None:
    slug = slug_of(two)
    newest = open_definition(two, "small", "persona", slug).newest
    changed = {**newest.definition.content(), "title": "Theirs"}
    id = propose(guest, "small", "persona", slug, changed, base=newest.digest, why="plainer")
    propose(guest, "small", "persona", "new", NEW, base=None, why="missing")
    assert [count_open(two, study, "persona", slug) for study in ("small", "other")] == [1, 0]
    assert count_open(two, "small", "persona", "new") == 0
    assert accept(two, "small", id, seen=newest.digest) == Saved(slug, 2, True)
    assert open_definition(two, "small", "persona", slug).newest.author == "guest"
    assert open_definition(two, "other", "persona", slug).newest.number == 1
    assert [one.state for one in list_proposals(two, "small")] == ["open", "accepted"]
    assert list_proposals(two, "other") == []


def test_what_was_not_seen_is_not_accepted(two: Workspace, guest: Workspace) -> None:
    slug = slug_of(two)
    first = open_definition(two, "small", "persona", slug).newest
    content = first.definition.content()
    id = propose(
        guest, "small", "persona", slug, {**content, "title": "Theirs"}, base=first.digest, why="plainer"
    )
    save_definition(two, "small", "persona", slug, {**content, "goals": ["Ours."]}, base=first.digest)
    told = accept(two, "small", id, seen=first.digest)
    assert isinstance(told, Meanwhile) and told.stored.number == 2
    assert open_proposal(two, "small", id).proposal.state == "open"
    seen = open_proposal(two, "small", id).seen
    assert accept(two, "small", id, seen=seen, why="fair") == Saved(slug, 3, True)
    stored = open_definition(two, "small", "persona", slug).newest
    assert stored.definition.content() == {**content, "title": "Theirs", "goals": ["Ours."]}
    assert stored.why == "plainer (accepted by somebody: fair)".replace("somebody", two.who)


def test_two_proposals_of_one_name_become_two_definitions(two: Workspace, guest: Workspace) -> None:
    first = propose(guest, "small", "persona", "new", NEW, base=None, why="missing")
    second = propose(guest, "small", "persona", "new", {**NEW, "title": "Newer"}, base=None, why="missing")
    assert accept(two, "small", first, seen="") == Saved("new", 1, True)
    with pytest.raises(InputError, match="'new' already; choose another"):
        accept(two, "small", second, seen="")
    assert accept(two, "small", second, seen="", slug="newer") == Saved("newer", 1, True)
    assert open_proposal(two, "small", second).proposal.slug == "newer"
    with pytest.raises(InputError, match="accepted already"):
        accept(two, "small", second, seen="", slug="newest")


def test_a_proposal_is_checked_against_the_study_as_it_is_when_it_is_accepted(
    two: Workspace, guest: Workspace
) -> None:
    with two.begin() as unit:
        head = unit.definitions("small").head("scenario", unit.definitions("small").slugs("scenario")[0])
    assert head is not None
    content = {**head.definition.content(), "title": "Another", "persona": "new"}
    with pytest.raises(InputError, match="no persona named 'new'"):
        propose(guest, "small", "scenario", "another", content, base=None, why="missing")
    save_definition(two, "small", "persona", "new", NEW, base=None)
    id = propose(guest, "small", "scenario", "another", content, base=None, why="missing")
    with two.begin() as unit:
        unit.definitions("small").retire("persona", ["new"])
    with pytest.raises(InputError, match="no persona named 'new'"):
        accept(two, "small", id, seen="")
    persona = slug_of(two)
    done = accept(two, "small", id, seen="", content={**content, "persona": persona})
    assert done == Saved("another", 1, True)
    assert "with changes" in open_definition(two, "small", "scenario", "another").newest.why
