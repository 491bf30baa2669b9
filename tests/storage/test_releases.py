"""Stored releases, always of one study among two."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import sqlalchemy as sa

from redloom.domain.case import Case
from redloom.domain.context import Context
from redloom.domain.release import Manifest, ReleasedCase
from redloom.errors import StoreError
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredFact
from redloom.storage.unit_of_work import UnitOfWork

DIGESTS = [f"sha256:{n:064x}" for n in range(100)]


def _manifest(study: str, version: str) -> Manifest:
    return Manifest(
        study=study,
        version=version,
        provisional=True,
        cases=0,
        clusters=0,
        unreviewed=0,
        canary="c",
        licence="",
        access="internal",
        study_head=DIGESTS[0],
        definitions={},
        merkle_root=DIGESTS[1],
    )


def _release(workspace: Workspace, unit: UnitOfWork, study: str, version: str, scripts: Iterable[str]) -> int:
    """A release of cases with these scripts; equal scripts have equal stimuli."""
    stored = unit.definitions(study)
    cases = [(f"{version}-{n}", Case(script=(text,), cluster="c")) for n, text in enumerate(scripts)]
    stored.put("case", cases, author="a", origin="o", why="", at=workspace.now())
    context = Context(title=f"{study} {version}", setting="s", sender_role="a", recipient_role="b")
    stored.put("context", [("here", context)], author="a", origin="o", why="", at=workspace.now())
    head = stored.head("context", "here")
    assert head is not None
    row = {
        "id": workspace.ids.new(),
        "definition_id": head.definition_id,
        "kind": "note",
        "about": head.digest,
    }
    stored.add_facts([{**row, "body": {"by": study}, "author": "a", "why": ""}])
    facts: list[StoredFact] = list(stored.facts("note", subject="context"))
    texts = sorted({case.script[0] for _, case in cases})
    frozen = []
    for ordinal, (slug, case) in enumerate(cases):
        version_head = stored.head("case", slug)
        assert version_head is not None
        stimulus = DIGESTS[10 + texts.index(case.script[0])]
        first = stimulus not in {released.stimulus for released, _ in frozen}
        released = ReleasedCase(
            ordinal, slug, version_head.digest, DIGESTS[2], stimulus, "c", "public", "draft", first
        )
        frozen.append((released, version_head.version_id))
    releases = unit.releases(study)
    number = releases.add(
        version,
        salt=b"s" * 32,
        versions=[head.version_id],
        facts=facts,
        author="a",
        why="",
        at=workspace.now(),
    )
    releases.add_cases(number, frozen)
    releases.seal(number, _manifest(study, version))
    return number


@pytest.fixture
def unit_with_two(workspace: Workspace) -> Iterable[tuple[UnitOfWork, int, int]]:
    """Two studies, each with a release 1.0, and the first with a 2.0."""
    with workspace.begin() as unit:
        for study in ("one", "two"):
            unit.studies.add(study, workspace.now())
        first = _release(workspace, unit, "one", "1.0", ["x", "y", "x", "z", "y"])
        other = _release(workspace, unit, "two", "1.0", ["x"])
        _release(workspace, unit, "one", "2.0", ["w"])
        yield unit, first, other


def test_a_release_is_found_in_its_study_by_version(unit_with_two: tuple[UnitOfWork, int, int]) -> None:
    unit, first, other = unit_with_two
    one, two = unit.releases("one"), unit.releases("two")
    assert [r.version for r in one.all()] == ["1.0", "2.0"]
    assert [r.version for r in two.all()] == ["1.0"]
    found, beside = one.get("1.0"), two.get("1.0")
    assert found is not None and beside is not None
    assert (found.id, beside.id) == (first, other)
    assert found.manifest == _manifest("one", "1.0")
    assert (found.digest, found.salt) == (_manifest("one", "1.0").digest(), b"s" * 32)
    assert two.get("2.0") is None
    assert one.by_id(first) == found


def test_cases_are_those_of_the_release_in_order(unit_with_two: tuple[UnitOfWork, int, int]) -> None:
    unit, first, other = unit_with_two
    releases = unit.releases("one")
    found = list(releases.cases(first))
    assert [(r.ordinal, r.slug, c.script) for r, c in found] == [
        (n, f"1.0-{n}", (text,)) for n, text in enumerate("xyxzy")
    ]
    assert [r.content for r, _ in found] == [c.content_digest() for _, c in found]
    assert [c.script for _, c in unit.releases("two").cases(other)] == [("x",)]


def test_cases_go_on_after_an_ordinal_and_stop_after_so_many(
    unit_with_two: tuple[UnitOfWork, int, int],
) -> None:
    unit, first, _ = unit_with_two
    releases = unit.releases("one")
    assert [r.ordinal for r, _ in releases.cases(first, after=1)] == [2, 3, 4]
    assert [r.ordinal for r, _ in releases.cases(first, after=1, most=2)] == [2, 3]
    assert [r.ordinal for r, _ in releases.cases(first, after=4)] == []


def test_equal_stimuli_are_given_once_where_asked(unit_with_two: tuple[UnitOfWork, int, int]) -> None:
    unit, first, other = unit_with_two
    releases = unit.releases("one")
    found = list(releases.distinct(first))
    assert [(ordinal, case.script) for ordinal, _, case in found] == [(0, ("x",)), (1, ("y",)), (3, ("z",))]
    assert [stimulus for _, stimulus, _ in found] == [
        released.stimulus for released, _ in releases.cases(first) if released.first
    ]
    assert [ordinal for ordinal, _, _ in releases.distinct(first, after=0, most=1)] == [1]
    assert (releases.stimuli(first), releases.stimuli(other)) == (3, 1)


def test_definitions_and_acts_are_those_that_were_frozen(
    workspace: Workspace, unit_with_two: tuple[UnitOfWork, int, int]
) -> None:
    unit, first, other = unit_with_two
    frozen = unit.releases("one").definitions(first)
    assert list(frozen) == [("context", "here")]
    context = frozen[("context", "here")]
    assert isinstance(context, Context)
    assert context.title == "one 1.0"
    assert [f.body for f in unit.releases("one").facts(first)] == [{"by": "one"}]
    assert [f.body for f in unit.releases("two").facts(other)] == [{"by": "two"}]


def test_a_version_is_stored_once_in_a_study(
    workspace: Workspace, unit_with_two: tuple[UnitOfWork, int, int]
) -> None:
    unit, _, _ = unit_with_two
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)unique"), unit.connection.begin_nested():
        _release(workspace, unit, "one", "1.0", ["x"])


def test_a_manifest_that_is_none_is_a_failure_of_the_store(
    unit_with_two: tuple[UnitOfWork, int, int],
) -> None:
    unit, _, _ = unit_with_two
    unit.connection.exec_driver_sql("UPDATE release SET manifest = '{}'")
    with pytest.raises(
        StoreError, match=r"the manifest of release 1\.0 as the database holds it cannot be read"
    ):
        unit.releases("one").get("1.0")
