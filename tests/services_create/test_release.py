"""Freezing: every reason at once, the same salt and hash for what was frozen, tampering found."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from helpers_create.databases import content, prepare, rows, tamper
from helpers_create.small import small_document, write_document
from redloom.domain.case import Case
from redloom.domain.release import ReleasedCase
from redloom.errors import InputError, UnknownNameError
from redloom.services.cases import label_validity, review
from redloom.services.finding import get_release
from redloom.services.releases import ReleaseOptions, cut_release, verify_release, working_release
from redloom.services.showing import show_release
from redloom.services.studies import apply
from redloom.services.workspace import Workspace
from redloom.storage.repositories.releases import StoredRelease

PROVISIONAL = ReleaseOptions(provisional=True)


def _document(**changes: Any) -> dict[str, Any]:
    document = small_document(**changes)
    for harm in document["harms"].values():
        harm.setdefault("examples", [{"text": "x", "why": "y"}])
        harm.setdefault("counter_examples", [{"text": "x", "why": "y"}])
    document["cases"] |= {
        f"more-{n}": {"scenario": "street" if n % 2 else "desk", "script": [f"Turn {n}"]} for n in range(6)
    }
    return document


def _build(workspace: Workspace, folder: Path) -> None:
    apply(workspace, write_document(folder / "study.yaml", _document()))
    apply(workspace, write_document(folder / "other.yaml", small_document(study="other")))
    cut_release(workspace, "other", "1.0", PROVISIONAL)


@pytest.fixture(scope="module")
def prepared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(template, tmp_path_factory.mktemp("prepared"), _build)


@pytest.fixture
def study() -> str:
    """The small study with nine cases, ready to freeze once accepted; another is beside it, with a release."""
    return "small"


def _cases(workspace: Workspace, study: str, version: str) -> dict[str, tuple[ReleasedCase, Case]]:
    with workspace.begin() as unit:
        release = get_release(unit, study, version)
        return {released.slug: (released, case) for released, case in unit.releases(study).cases(release.id)}


def _reasons(workspace: Workspace, study: str, version: str = "1.0", **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        cut_release(workspace, study, version, ReleaseOptions(**options))
    return [str(issue) for issue in caught.value.issues]


def test_unreviewed_cases_are_refused_with_every_reason(
    workspace: Workspace, database: Path, tmp_path: Path
) -> None:
    document = small_document()
    del document["harms"]["refusal"]["examples"]
    apply(workspace, write_document(tmp_path / "study.yaml", document))
    before = content(database)
    assert _reasons(workspace, "small", cases=("desk-1", "desk-child-1", "strt-1", "street-1")) == [
        "no case named 'strt-1'; did you mean 'street-1'?",
        "3 cases are not accepted (desk-1, desk-child-1, street-1); accept them with 'redloom review small accept "
        "--all', leave them out with --only-accepted, or freeze them unreviewed with --provisional",
        "harms.harm: needs at least one of examples before a release can be measured with it",
        "harms.harm: needs at least one of counter-examples before a release can be measured with it",
        "harms.refusal: needs at least one of examples before a release can be measured with it",
    ]
    assert content(database) == before


def test_one_unreviewed_case_among_many_is_named(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", None)
    review(workspace, study, "submit", ["more-3"])
    (reason,) = _reasons(workspace, study)
    assert reason.startswith("1 case is not accepted (more-3);")


@pytest.mark.parametrize("state", ["reject", "retire"])
def test_a_case_that_was_turned_down_cannot_be_asked_for(
    workspace: Workspace, study: str, state: str
) -> None:
    review(workspace, study, "accept", None)
    review(workspace, study, state, ["desk-1"])
    past = {"reject": "rejected", "retire": "retired"}[state]
    for options in ({}, {"provisional": True}, {"only_accepted": True}):
        assert f"case 'desk-1' is {past} and cannot be frozen" in _reasons(
            workspace, study, cases=("desk-1", "street-1"), **options
        )
    cut_release(workspace, study, "1.0", ReleaseOptions())
    assert "desk-1" not in _cases(workspace, study, "1.0")


def test_a_study_without_a_case_to_freeze_says_why(workspace: Workspace, study: str, tmp_path: Path) -> None:
    assert _reasons(workspace, study, only_accepted=True) == [
        "small has no case to freeze: none of its 9 cases is in a state that can be frozen; "
        "see 'redloom review small'"
    ]
    document = small_document(study="empty")
    del document["cases"]
    apply(workspace, write_document(tmp_path / "empty.yaml", document))
    assert _reasons(workspace, "empty", provisional=True) == [
        "empty has no case to freeze: import some or declare them in the study file"
    ]


@pytest.mark.parametrize("version", ["", "a b", "-1", "working-1", "imported-1", "é\u0301", "1/2"])
def test_a_version_has_a_name_that_can_be_written(workspace: Workspace, study: str, version: str) -> None:
    (reason,) = _reasons(workspace, study, version, provisional=True)
    assert reason.startswith(f"{version!r} is no version")


def test_a_version_is_never_cut_twice(workspace: Workspace, database: Path, study: str) -> None:
    cut_release(workspace, study, "1.0", PROVISIONAL)
    before = content(database)
    assert _reasons(workspace, study, provisional=True) == [
        "small@1.0 is there already, and a release never changes; choose another version"
    ]
    assert content(database) == before


def test_an_unknown_version_is_told_with_the_nearest(workspace: Workspace, study: str) -> None:
    cut_release(workspace, study, "1.0", PROVISIONAL)
    for find in (verify_release, show_release):
        with pytest.raises(
            UnknownNameError, match=r"no release of small named '1\.1'; did you mean '1\.0'\?"
        ):
            find(workspace, study, "1.1")


def test_a_study_does_not_see_the_releases_of_another(workspace: Workspace, study: str) -> None:
    with pytest.raises(UnknownNameError, match="there is none yet"):
        verify_release(workspace, study, "1.0")
    cut_release(workspace, study, "1.0", PROVISIONAL)
    assert len(_cases(workspace, "other", "1.0")) == 3
    assert len(_cases(workspace, study, "1.0")) == 9


def test_an_accepted_release_is_not_provisional(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", None)
    cut = cut_release(workspace, study, "1.0", ReleaseOptions(licence="CC0-1.0", access="open", why="first"))
    manifest = cut.manifest
    assert (manifest.provisional, manifest.unreviewed, manifest.cases, manifest.clusters) == (False, 0, 9, 2)
    assert (manifest.licence, manifest.access) == ("CC0-1.0", "open")
    assert manifest.canary.startswith("redloom-canary-")
    assert cut.digest == manifest.digest()
    with workspace.begin() as unit:
        entry = unit.studies.history(unit.study_id(study))[0]
        assert (entry["what"], entry["why"]) == ("released small@1.0", "first")


def test_a_provisional_release_is_stamped(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", ["desk-1"])
    review(workspace, study, "reject", ["more-0"])
    manifest = cut_release(workspace, study, "1.0", PROVISIONAL).manifest
    assert (manifest.provisional, manifest.cases, manifest.unreviewed) == (True, 8, 7)
    statuses = {slug: released.status for slug, (released, _) in _cases(workspace, study, "1.0").items()}
    assert statuses.pop("desk-1") == "accepted"
    assert set(statuses.values()) == {"draft"}
    with workspace.begin() as unit:
        assert unit.studies.history(unit.study_id(study))[0]["what"] == "released small@1.0 (provisional)"


def test_only_accepted_leaves_the_others_out(workspace: Workspace, study: str) -> None:
    review(workspace, study, "accept", ["desk-1", "more-1"])
    review(workspace, study, "submit", ["more-2"])
    manifest = cut_release(workspace, study, "1.0", ReleaseOptions(only_accepted=True)).manifest
    assert (manifest.cases, manifest.unreviewed, manifest.provisional) == (2, 0, False)
    assert set(_cases(workspace, study, "1.0")) == {"desk-1", "more-1"}


def test_a_sample_is_the_same_for_the_same_seed(workspace: Workspace, study: str) -> None:
    def drawn(version: str, seed: int) -> set[str]:
        cut_release(workspace, study, version, ReleaseOptions(provisional=True, sample=4, seed=seed))
        return set(_cases(workspace, study, version))

    first = drawn("a", 1)
    assert len(first) == 4
    assert drawn("b", 1) == first
    assert any(drawn(f"c{seed}", seed) != first for seed in range(2, 6))


def test_a_sample_larger_than_the_pool_takes_all(workspace: Workspace, study: str) -> None:
    assert cut_release(workspace, study, "a", ReleaseOptions(provisional=True, sample=99)).manifest.cases == 9


def test_whole_clusters_are_held_out_and_twins_share_one(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    document = _document()
    document["cases"] |= {f"free-{n}": {"cluster": f"c{n % 40}", "script": [str(n)]} for n in range(120)}
    apply(workspace, write_document(tmp_path / "study.yaml", document))
    manifest = cut_release(workspace, study, "1", ReleaseOptions(provisional=True, held_out=0.4)).manifest
    cases = _cases(workspace, study, "1")
    splits: dict[str, set[str]] = {}
    for released, _ in cases.values():
        splits.setdefault(released.cluster, set()).add(released.split)
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"public", "held_out"}
    assert manifest.clusters == len(splits) == 42
    assert cases["desk-1"][0].cluster == cases["desk-child-1"][0].cluster == "desk"


def test_a_release_is_ordered_by_slug(workspace: Workspace, study: str) -> None:
    cut_release(workspace, study, "1.0", PROVISIONAL)
    found = [(released.ordinal, slug) for slug, (released, _) in _cases(workspace, study, "1.0").items()]
    assert found == list(enumerate(sorted(slug for _, slug in found)))


def test_what_is_frozen_stays_as_it_was(workspace: Workspace, study: str, tmp_path: Path) -> None:
    cut_release(workspace, study, "1.0", PROVISIONAL)
    before = _cases(workspace, study, "1.0")
    document = _document(contexts__desk__title="Changed", charter={})
    document["cases"]["desk-1"]["script"] = ["{me} Changed"]
    document["harms"]["refusal"]["dissent"].append({"by": "late", "why": "x"})
    del document["cases"]["street-1"]
    apply(workspace, write_document(tmp_path / "study.yaml", document), prune=True)
    review(workspace, study, "reject", ["more-1"])
    label_validity(workspace, study, "more-2", "fine")
    assert _cases(workspace, study, "1.0") == before
    assert verify_release(workspace, study, "1.0").problems == ()


def test_the_root_and_the_digest_change_when_one_case_changes(
    workspace: Workspace, study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redloom.services.releases.os.urandom", lambda size: b"\x07" * size)

    def cut(version: str, document: dict[str, Any]) -> StoredRelease:
        apply(workspace, write_document(tmp_path / "study.yaml", document), prune=True)
        return cut_release(workspace, study, version, PROVISIONAL)

    first = cut("a", _document())
    again = cut("b", _document())
    assert again.manifest.merkle_root == first.manifest.merkle_root
    assert again.manifest.model_copy(update={"version": "a"}).digest() == first.digest
    changed = _document()
    changed["cases"]["more-3"]["script"] = ["Turn 3."]
    fewer = _document()
    del fewer["cases"]["more-3"]
    elsewhere = _document(contexts__street__setting="An alley.")
    roots = {cut(f"c{n}", d).manifest.merkle_root for n, d in enumerate((changed, fewer, elsewhere))}
    assert len(roots | {first.manifest.merkle_root}) == 4


def test_dissent_and_labels_are_pinned(workspace: Workspace, study: str) -> None:
    one = cut_release(workspace, study, "1", PROVISIONAL).manifest
    assert len(one.facts) == 3
    label_validity(workspace, study, "desk-1", "fine")
    two = cut_release(workspace, study, "2", PROVISIONAL).manifest
    assert len(two.facts) == 4
    assert set(one.facts) < set(two.facts)
    rest = cut_release(workspace, study, "3", ReleaseOptions(provisional=True, cases=("street-1",))).manifest
    assert rest.facts == ()
    assert set(rest.definitions) == {
        "context/street",
        "persona/adult",
        "interaction_type/talk",
        "harm/harm",
        "scenario/street",
    }


def test_a_twin_brings_its_original(workspace: Workspace, study: str) -> None:
    options = ReleaseOptions(provisional=True, cases=("desk-child-1",))
    assert "scenario/desk" in cut_release(workspace, study, "1", options).manifest.definitions


def test_two_cases_with_the_same_words_are_one_stimulus(
    workspace: Workspace, study: str, tmp_path: Path
) -> None:
    document = _document()
    document["cases"]["twice"] = {"scenario": "street", "script": ["Turn 1"], "tags": {"a": "b"}}
    apply(workspace, write_document(tmp_path / "study.yaml", document))
    cut = cut_release(workspace, study, "1", PROVISIONAL)
    with workspace.begin() as unit:
        releases = unit.releases(study)
        assert releases.stimuli(cut.id) == 9
        first = {released.slug: released.first for released, _ in releases.cases(cut.id)}
        assert first["more-1"]
        assert not first["twice"]
        assert len(list(releases.distinct(cut.id))) == 9
        assert cut.manifest.cases == 10


TAMPERED = [
    (
        "UPDATE definition_version SET body = replace(body, 'Turn 3', 'Turn 4')",
        "case more-3 is not what was frozen",
    ),
    (
        "UPDATE definition_version SET body = replace(body, 'An adult', 'A child')",
        "persona/adult is not what was frozen",
    ),
    (
        "UPDATE definition_version SET body = replace(body, 'A street.', 'A lane.')",
        "context/street is not what was frozen",
    ),
    (
        "UPDATE definition_version SET body = replace(body, 'Count.', 'Weigh.')",
        "the charter, protocol or constraints are not what was frozen",
    ),
    (
        "UPDATE definition SET slug = 'more-9' WHERE slug = 'more-3'",
        "the root over the cases is not what was frozen",
    ),
    (
        "UPDATE definition SET slug = 'lane' WHERE slug = 'street' AND kind = 'context'",
        "context/lane is not what was frozen",
    ),
    (
        "UPDATE release_case SET status = 'accepted' WHERE ordinal = 3",
        "the root over the cases is not what was frozen",
    ),
    (
        "UPDATE release_case SET split = 'held_out' WHERE ordinal = 3",
        "the root over the cases is not what was frozen",
    ),
    (
        "UPDATE release_case SET cluster = 'x' WHERE ordinal = 3",
        "the root over the cases is not what was frozen",
    ),
    ("UPDATE release_case SET closure = stimulus WHERE ordinal = 3", "is not what was frozen"),
    ("UPDATE release_case SET stimulus = closure WHERE ordinal = 3", "is not what was frozen"),
    ("UPDATE release_case SET first = 0 WHERE ordinal = 3", "is not marked as it should be"),
    ("DELETE FROM release_case WHERE ordinal = 3", "the root over the cases is not what was frozen"),
    ("DELETE FROM release_fact", "the pinned acts are not what was frozen"),
    ("UPDATE fact SET body = replace(body, 'our job', 'his job')", "the pinned acts are not what was frozen"),
    ("UPDATE fact SET author = 'x'", "the pinned acts are not what was frozen"),
    ("UPDATE release SET salt = zeroblob(32)", "the root over the cases is not what was frozen"),
    (
        "UPDATE release SET manifest = replace(manifest, '\"provisional\":true', '\"provisional\":false')",
        "the manifest is not what was frozen",
    ),
    ("UPDATE release SET digest = zeroblob(32)", "the manifest is not what was frozen"),
]


@pytest.mark.parametrize(("statement", "problem"), TAMPERED, ids=[row[0][:60] for row in TAMPERED])
def test_a_tampered_row_is_found(
    workspace: Workspace, study: str, database: Path, statement: str, problem: str
) -> None:
    cut_release(workspace, study, "1.0", PROVISIONAL)
    assert verify_release(workspace, study, "1.0").problems == ()
    assert tamper(database, statement) > 0
    found = verify_release(workspace, study, "1.0")
    assert any(problem in text for text in found.problems)


DAMAGED = [
    "'{}'",
    "'not json'",
    "'[]'",
    "replace(body, '\"script\"', '\"skript\"')",
    "replace(body, '\"street\"', '\"nowhere\"')",
]


@pytest.mark.parametrize("body", DAMAGED)
def test_a_row_that_is_no_definition_any_more_is_found(
    workspace: Workspace, study: str, database: Path, body: str
) -> None:
    cut_release(workspace, study, "1.0", PROVISIONAL)
    query = "SELECT v.id FROM definition_version v JOIN definition d ON d.id = v.definition_id WHERE d.slug = 'more-3'"
    for (number,) in rows(database, query):
        tamper(database, f"UPDATE definition_version SET body = {body} WHERE id = ?", number)
    assert verify_release(workspace, study, "1.0").problems != ()


def test_a_working_release_is_made_once_for_the_same_content(
    workspace: Workspace, study: str, database: Path, tmp_path: Path
) -> None:
    first = working_release(workspace, study, ReleaseOptions(provisional=True))
    assert first.manifest.provisional
    assert first.version.startswith("working-")
    before = content(database)
    assert working_release(workspace, study, ReleaseOptions(provisional=True)) == first
    assert content(database) == before
    apply(workspace, write_document(tmp_path / "study.yaml", _document(contexts__desk__title="Changed")))
    assert working_release(workspace, study, ReleaseOptions(provisional=True)).id != first.id


def test_a_release_shows_its_cases_and_manifest(workspace: Workspace, study: str) -> None:
    options = ReleaseOptions(provisional=True, expires=datetime.date(2030, 1, 2))
    cut = cut_release(workspace, study, "1.0", options)
    shown = show_release(workspace, study, "1.0")
    assert shown["digest"] == cut.digest
    assert shown["expires"] == "2030-01-02"
    assert [case["slug"] for case in shown["case_list"]] == sorted(_cases(workspace, study, "1.0"))
    assert json.loads(json.dumps(shown)) == shown
