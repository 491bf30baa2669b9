"""Declaring a study: idempotent, all or nothing, conflicts told field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers_create.databases import content
from helpers_create.small import OTHER_RUBRIC, set_at, small_document, to_study, write_document
from redloom.domain.case import Case
from redloom.domain.judge import Judge
from redloom.domain.study import COLLECTIONS, Study
from redloom.domain.target import Target
from redloom.domain.value import Definition
from redloom.errors import ConflictError, InputError
from redloom.services.loading import load_study
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.studies import Applied, apply, export_study
from redloom.services.workspace import Workspace
from redloom.targets.registry import KINDS

SETTLE = (
    "nothing was stored; --take file stores what this file says, --take stored (or web) keeps what is stored"
)


def _apply(workspace: Workspace, folder: Path, document: dict[str, Any], **options: Any) -> Applied:
    return apply(workspace, write_document(folder / "study.yaml", document), **options)


def _load(workspace: Workspace, slug: str = "small") -> Study:
    with workspace.begin() as unit:
        return load_study(unit, slug)


def _history(workspace: Workspace, slug: str = "small") -> list[dict[str, Any]]:
    with workspace.begin() as unit:
        return [dict(row) for row in unit.studies.history(unit.study_id(slug))]


def _put(workspace: Workspace, kind: str, slug: str, *, origin: str = "web", **changes: Any) -> Definition:
    """Store a new version as another editor would."""
    with workspace.begin() as unit:
        stored = unit.definitions("small")
        head = stored.head(kind, slug)
        assert head is not None
        changed = type(head.definition).model_validate({**head.definition.content(), **changes})
        stored.put(kind, [(slug, changed)], author="ann", origin=origin, why="", at=workspace.now())
        return changed


def _changes(done: Applied) -> set[tuple[str, str, str]]:
    return {(change.action, change.kind, change.slug) for change in done.changes}


def test_a_first_apply_adds_everything(workspace: Workspace, tmp_path: Path) -> None:
    done = _apply(workspace, tmp_path, small_document(), why="first")
    added = {(kind, slug) for action, kind, slug in _changes(done) if action == "add"}
    wanted = {(model.kind, slug) for name, model in COLLECTIONS.items() for slug in small_document()[name]}
    assert added == {*wanted, ("study", "small")}
    assert sorted(c.fields[0][0] for c in done.changes if c.action == "act") == [
        "dissent",
        "dissent",
        "endorsements",
        "operations",
    ]
    (entry,) = _history(workspace)
    assert (entry["who"], entry["what"], entry["why"]) == ("tester", "applied study.yaml", "first")
    assert "add case/desk-1" in entry["detail"]["changes"]


def test_a_second_apply_changes_nothing_and_says_nothing(
    workspace: Workspace, database: Path, tmp_path: Path
) -> None:
    first = _apply(workspace, tmp_path, small_document())
    before = content(database)
    again = _apply(workspace, tmp_path, small_document(), why="again")
    assert again.changes == ()
    assert again.unchanged == len([c for c in first.changes if c.action == "add"])
    assert content(database) == before


def test_a_dry_run_of_a_new_study_stores_nothing(
    workspace: Workspace, database: Path, tmp_path: Path
) -> None:
    before = content(database)
    done = _apply(workspace, tmp_path, small_document(), dry_run=True)
    assert done.dry_run
    assert ("add", "case", "desk-1") in _changes(done)
    assert content(database) == before


def test_a_dry_run_shows_the_difference_field_by_field_and_stores_nothing(
    workspace: Workspace, database: Path, tmp_path: Path
) -> None:
    _apply(workspace, tmp_path, small_document())
    before = content(database)
    document = small_document(personas__adult__attributes__age=41, title="T")
    set_at(document, ("contexts", "desk", "norms", "must"), ["answer", "smile"])
    document["personas"]["new"] = {"title": "New", "provenance": "synthetic"}
    done = _apply(workspace, tmp_path, document, dry_run=True)
    assert {(c.action, c.kind, c.slug): c.fields for c in done.changes} == {
        ("change", "study", "small"): (("title", {"en": "A small study", "es": "Un estudio pequeño"}, "T"),),
        ("change", "persona", "adult"): (("attributes.age", 40, 41),),
        ("change", "context", "desk"): (("norms.must", ["answer"], ["answer", "smile"]),),
        ("add", "persona", "new"): (("provenance", None, "synthetic"), ("title", None, "New")),
    }
    assert content(database) == before
    assert _changes(_apply(workspace, tmp_path, document)) == _changes(done)


def test_a_change_makes_a_new_version_and_keeps_the_old_one(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    _apply(workspace, tmp_path, small_document(personas__adult__attributes__age=41), why="a birthday")
    with workspace.begin() as unit:
        versions = unit.definitions("small").versions("persona", "adult")
        assert [(v.number, v.definition.content()["attributes"]["age"], v.why) for v in versions] == [
            (1, 40, ""),
            (2, 41, "a birthday"),
        ]
        assert len(unit.definitions("small").versions("persona", "child")) == 1
    assert _history(workspace)[0]["detail"]["changes"] == ["change persona/adult"]


def test_absence_removes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    whole = _load(workspace)
    document = small_document()
    for name in ("cases", "targets", "judges"):
        del document[name]
    del document["scenarios"]["street"]
    document["harms"]["refusal"]["dissent"] = []
    done = _apply(workspace, tmp_path, document)
    assert done.changes == ()
    assert set(done.kept) == {
        *(("case", slug) for slug in ("desk-1", "desk-child-1", "street-1")),
        *(("scenario", "street"), ("target", "system"), ("judge", "phrases")),
    }
    assert _load(workspace) == whole


def test_prune_retires_what_the_file_no_longer_has(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    document = small_document()
    del document["cases"]["street-1"], document["scenarios"]["street"], document["judges"]
    preview = _apply(workspace, tmp_path, document, prune=True, dry_run=True)
    assert "street-1" in _load(workspace).cases
    done = _apply(workspace, tmp_path, document, prune=True, why="too far")
    retired = {
        ("retire", "case", "street-1"),
        ("retire", "scenario", "street"),
        ("retire", "judge", "phrases"),
    }
    assert _changes(done) == _changes(preview) == retired
    left = _load(workspace)
    assert set(left.cases) == {"desk-1", "desk-child-1"}
    assert (set(left.scenarios), left.judges) == ({"desk", "desk-child"}, {})
    assert _history(workspace)[0]["detail"]["changes"][0].startswith("retire ")
    assert _apply(workspace, tmp_path, document, prune=True).changes == ()


def _files_of_two(workspace: Workspace, folder: Path) -> dict[str, Any]:
    """A study declared by ``study.yaml``, with something beside it from a command, an import, another file, the web."""
    _apply(workspace, folder, small_document())
    with workspace.begin() as unit:
        stored, now = unit.definitions("small"), workspace.now()
        case = Case.model_validate({"cluster": "c", "script": ["Imported"]})
        target = Target(system="openai:added")
        stored.put("case", [("p1", case)], author="ann", origin="prompts.csv", why="", at=now)
        stored.put("target", [("added", target)], author="ann", origin="command", why="", at=now)
    other = small_document()
    other["personas"] = {**other["personas"], "third": {"title": "T", "provenance": "synthetic"}}
    apply(workspace, write_document(folder / "other.yaml", other))
    _put(workspace, "judge", "phrases", otherwise="unsure")
    document = small_document()
    del document["judges"], document["cases"]["street-1"]
    return document


OF_OTHERS = {("case", "p1"), ("target", "added"), ("persona", "third"), ("judge", "phrases")}


def test_prune_keeps_what_the_file_did_not_declare(workspace: Workspace, tmp_path: Path) -> None:
    document = _files_of_two(workspace, tmp_path)
    done = _apply(workspace, tmp_path, document, prune=True)
    assert _changes(done) == {("retire", "case", "street-1")}
    assert set(done.kept) == OF_OTHERS
    left = _load(workspace)
    assert "street-1" not in left.cases
    assert ("p1" in left.cases, "added" in left.targets) == (True, True)


def test_what_something_kept_rests_on_is_not_pruned(workspace: Workspace, tmp_path: Path) -> None:
    document = small_document()
    document["scenarios"]["alley"] = {**document["scenarios"]["street"], "persona": "lone"}
    document["personas"]["lone"] = {"title": "L", "provenance": "synthetic"}
    document["personas"]["unused"] = {"title": "U", "provenance": "synthetic"}
    _apply(workspace, tmp_path, document)
    with workspace.begin() as unit:
        case = Case.model_validate({"scenario": "alley", "script": ["Imported"]})
        judge = Judge.model_validate({"by": "model", "target": "system"})
        for kind, slug, definition in (("case", "p1", case), ("judge", "j", judge)):
            unit.definitions("small").put(
                kind, [(slug, definition)], author="ann", origin="p.csv", why="", at=workspace.now()
            )
    document = small_document()
    del document["targets"]
    done = _apply(workspace, tmp_path, document, prune=True)
    assert _changes(done) == {("retire", "persona", "unused")}
    assert set(done.kept) == {
        *(("case", "p1"), ("scenario", "alley"), ("persona", "lone")),
        *(("judge", "j"), ("target", "system")),
    }
    assert "p1" in _load(workspace).cases
    cut_release(workspace, "small", "1", ReleaseOptions(provisional=True))


def test_a_file_that_carries_the_base_of_a_definition_may_prune_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    _files_of_two(workspace, tmp_path)
    path = tmp_path / "exported.yaml"
    path.write_text(export_study(workspace, "small"), encoding="utf-8")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    del document["judges"], document["cases"]["p1"], document["cases"]["street-1"]
    _put(workspace, "judge", "phrases", otherwise="harm")
    done = apply(workspace, write_document(path, document), prune=True)
    assert _changes(done) == {("retire", "case", "p1"), ("retire", "case", "street-1")}
    assert done.kept == (("judge", "phrases"),)


def test_what_was_pruned_can_be_declared_again(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    whole = _load(workspace)
    document = small_document()
    del document["targets"], document["harms"]["refusal"], document["evidence"]["letter"]
    for name in ("scenarios", "cases"):
        document[name] = {slug: body for slug, body in document[name].items() if slug.startswith("street")}
    document["judges"]["phrases"]["harms"] = []
    _apply(workspace, tmp_path, document, prune=True)
    assert set(_load(workspace).harms) == {"harm"}
    _apply(workspace, tmp_path, small_document())
    assert _load(workspace) == whole
    assert _apply(workspace, tmp_path, small_document()).changes == ()


def test_going_back_to_an_earlier_content_brings_its_acts_once(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    whole = _load(workspace)
    for title in ("Other", "Needless refusal"):
        document = small_document(harms__refusal__title=title, targets__system__system_prompt=title)
        document["targets"]["system"]["limits"]["concurrency"] = len(title)
        _apply(workspace, tmp_path, document)
        assert len(_load(workspace).harms["refusal"].dissent) == 2
    _apply(workspace, tmp_path, small_document())
    assert _load(workspace) == whole
    assert _apply(workspace, tmp_path, small_document()).changes == ()


def test_acts_are_added_without_a_new_version(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    document = small_document()
    document["harms"]["refusal"]["dissent"].append({"by": "a nurse", "why": "No.", "rubric": OTHER_RUBRIC})
    document["targets"]["system"]["prices"] = {"input": 2.0}
    done = _apply(workspace, tmp_path, document)
    assert {(c.action, c.kind, c.fields[0][0]) for c in done.changes} == {
        ("act", "harm", "dissent"),
        ("act", "target", "operations"),
    }
    now = _load(workspace)
    assert [d.by for d in now.harms["refusal"].dissent] == ["a visitor", "a porter", "a nurse"]
    assert now.targets["system"].prices is not None
    assert now.targets["system"].prices.input == 2.0
    with workspace.begin() as unit:
        assert len(unit.definitions("small").versions("harm", "refusal")) == 1


def test_the_latest_dissent_of_each_is_in_force_where_the_first_stood(
    workspace: Workspace, tmp_path: Path
) -> None:
    for why in ("It is our task.", "It is our duty.", "It is our task."):
        document = small_document()
        document["harms"]["refusal"]["dissent"].reverse()
        document["harms"]["refusal"]["dissent"][0]["why"] = why
        done = _apply(workspace, tmp_path, document)
        assert ("act", "harm", "refusal") in _changes(done)
        assert _load(workspace) == to_study(document)
        assert _apply(workspace, tmp_path, document).changes == ()


def test_acts_about_an_older_version_are_not_about_the_new_one(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "harm", "refusal", title="Other")
    assert _load(workspace).harms["refusal"].dissent == ()


# Conflicts


def test_what_was_changed_elsewhere_and_here_is_a_conflict_and_nothing_is_stored(
    workspace: Workspace, database: Path, tmp_path: Path
) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "persona", "adult", title="A grown-up", attributes={"age": 50, "local": True})
    before = content(database)
    document = small_document(personas__adult__title="An older adult", contexts__desk__title="Changed too")
    with pytest.raises(ConflictError) as caught:
        _apply(workspace, tmp_path, document)
    found = {issue.path: issue.message for issue in caught.value.issues if issue.path}
    assert found["personas.adult.title"] == "stored 'A grown-up', in the file 'An older adult'"
    assert found["personas.adult.attributes.trade"] == ("stored nothing, in the file 'cook'")
    assert [issue.message for issue in caught.value.issues if not issue.path] == [
        "1 conflict: stored by ann through web, and this file is study.yaml and carries no base digest",
        SETTLE,
    ]
    assert set(found) == {
        "personas.adult.title",
        *(f"personas.adult.{name}" for name in ("attributes.age", "attributes.height", "attributes.trade")),
    }
    assert content(database) == before


def test_every_conflict_is_told_at_once(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "persona", "adult", title="x")
    _put(workspace, "harm", "harm", title="x")
    _put(workspace, "study", "small", title="x")
    with pytest.raises(ConflictError) as caught:
        _apply(workspace, tmp_path, small_document())
    assert [issue.path or issue.message for issue in caught.value.issues] == [
        "study.small.title",
        "personas.adult.title",
        "harms.harm.title",
        "3 conflicts: stored by ann through web, and this file is study.yaml and carries no base digest",
        SETTLE,
    ]


def test_a_renamed_copy_is_told_what_is_known(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "persona", "adult", title="x")
    copy = small_document(personas__adult__title="y", personas__child__title="z", contexts__desk__title="w")
    with pytest.raises(ConflictError) as caught:
        apply(workspace, write_document(tmp_path / "study-v2.yaml", copy))
    assert [issue.message for issue in caught.value.issues if not issue.path] == [
        "2 conflicts: stored by tester through study.yaml, and this file is study-v2.yaml and carries no base digest",
        "1 conflict: stored by ann through web, and this file is study-v2.yaml and carries no base digest",
        SETTLE,
    ]


def test_a_conflict_is_settled_for_the_file(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "persona", "adult", title="x")
    done = _apply(workspace, tmp_path, small_document(), take="file")
    assert _changes(done) == {("change", "persona", "adult")}
    assert _load(workspace).personas["adult"].title == "An adult"
    assert _apply(workspace, tmp_path, small_document()).changes == ()


@pytest.mark.parametrize("take", ["web", "stored"])
def test_a_conflict_is_settled_for_what_is_stored_and_the_rest_is_stored_too(
    workspace: Workspace, tmp_path: Path, take: Any
) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "persona", "adult", title="x")
    document = small_document(contexts__desk__title="Changed")
    done = _apply(workspace, tmp_path, document, take=take)
    assert _changes(done) == {("change", "context", "desk")}
    assert ("persona", "adult") in done.kept
    now = _load(workspace)
    assert (now.personas["adult"].title, now.contexts["desk"].title) == ("x", "Changed")


def test_taking_the_web_side_adds_no_acts_to_what_was_changed_there(
    workspace: Workspace, tmp_path: Path
) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "harm", "refusal", title="x")
    assert _apply(workspace, tmp_path, small_document(), take="web").changes == ()
    assert _load(workspace).harms["refusal"].dissent == ()


def test_the_same_change_here_and_elsewhere_is_no_conflict(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "persona", "adult", title="x")
    assert _apply(workspace, tmp_path, small_document(personas__adult__title="x")).changes == ()


def test_a_file_exported_after_the_other_change_may_change_it(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    _put(workspace, "persona", "adult", title="x")
    path = tmp_path / "exported.yaml"
    path.write_text(export_study(workspace, "small").replace("title: x\n", "title: y\n"), encoding="utf-8")
    assert _changes(apply(workspace, path)) == {("change", "persona", "adult")}
    _put(workspace, "persona", "adult", title="z")
    path.write_text(path.read_text(encoding="utf-8").replace("title: y\n", "title: w\n"), encoding="utf-8")
    with pytest.raises(ConflictError, match="stored 'z'") as caught:
        apply(workspace, path)
    assert "1 conflict: stored by ann through web since exported.yaml was exported" in str(caught.value)


def test_another_file_may_not_overwrite_what_it_does_not_know(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    other = write_document(tmp_path / "other.yaml", small_document(personas__adult__title="x"))
    with pytest.raises(ConflictError, match=r"by tester through study\.yaml"):
        apply(workspace, other)


def test_two_studies_do_not_touch_each_other(workspace: Workspace, tmp_path: Path) -> None:
    _apply(workspace, tmp_path, small_document())
    first = _load(workspace)
    other = small_document(study="other", personas__adult__title="Somebody else")
    del other["targets"]
    _apply(workspace, tmp_path, other)
    _apply(workspace, tmp_path, small_document(study="other", title="T"), prune=True)
    assert _load(workspace) == first
    assert len(_history(workspace, "small")) == 1
    assert len(_history(workspace, "other")) == 2


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("scenarios", "street", "context"), "sreet"),
        (("personas", "adult", "provenance"), "x"),
        (("harms", "harm", "broader"), ["refusal"]),
        (("languages",), ["fr"]),
        (("nonsense",), {}),
        (("targets", "system", "system"), "opanai:x"),
        (("targets", "system", "key_env"), "sk-secret"),
        (("cases", "street-1", "script"), ["{me} Hello"]),
    ],
)
def test_a_file_with_a_problem_stores_nothing(
    workspace: Workspace, database: Path, tmp_path: Path, at: tuple[str, ...], value: Any
) -> None:
    _apply(workspace, tmp_path, small_document())
    before = content(database)
    document = set_at(small_document(contexts__desk__title="Changed"), at, value)
    with pytest.raises(InputError):
        _apply(workspace, tmp_path, document, take="file", prune=True)
    assert content(database) == before


def test_every_kind_of_target_there_is_can_be_declared(workspace: Workspace, tmp_path: Path) -> None:
    document = small_document()
    document["targets"] = {kind: {"system": f"{kind}:x"} for kind in KINDS}
    assert len(KINDS) > 3
    _apply(workspace, tmp_path, document)
    document["targets"]["python"]["system"] = "pyhton:x"
    with pytest.raises(
        InputError, match=r"study\.yaml:\d+: targets\.python\.system: .*did you mean 'python'\?"
    ):
        _apply(workspace, tmp_path, document, dry_run=True)
