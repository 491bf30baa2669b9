"""``apply(export(study)) == study`` through files and real databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from helpers_create.databases import content, fresh_copy, workspace_at
from helpers_create.generated import documents
from helpers_create.small import small_document, small_study, to_study, write_document
from redloom.datasets.study_file import StudyFile, read_study
from redloom.domain.study import Study
from redloom.services.loading import load_study
from redloom.services.starter import example
from redloom.services.studies import apply, apply_study, export_study
from redloom.services.workspace import Workspace


def _load(workspace: Workspace, slug: str) -> Study:
    with workspace.begin() as unit:
        return load_study(unit, slug)


def _digests(study: Study) -> dict[str, str]:
    found = {f"{kind}/{slug}": d.content_digest() for kind, slug, d in study.definitions()}
    return found | {"study": study.content_digest()}


def _goes_round(folder: Path, template: Path, study: Study) -> None:
    with workspace_at(fresh_copy(template, folder, "one.db")) as first:
        apply_study(first, StudyFile(study, "first.yaml"))
        assert _load(first, study.slug) == study
        text = export_study(first, study.slug)
    path = folder / "exported.yaml"
    path.write_text(text, encoding="utf-8")
    with workspace_at(fresh_copy(template, folder, "two.db")) as second:
        apply(second, path)
        back = _load(second, study.slug)
        assert back == study
        assert _digests(back) == _digests(study)
        assert export_study(second, study.slug) == text
        before = content(folder / "two.db")
        again = apply(second, path)
        assert again.changes == ()
        assert again.unchanged == 1 + sum(1 for _ in study.definitions())
        assert content(folder / "two.db") == before
    with workspace_at(folder / "one.db") as first:
        assert apply(first, path).changes == ()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(documents())
def test_any_study_comes_back_from_a_database(
    tmp_path_factory: pytest.TempPathFactory, template: Path, document: Any
) -> None:
    _goes_round(tmp_path_factory.mktemp("round"), template, to_study(document))


@pytest.mark.parametrize("name", ["starter", "school_health"])
def test_the_examples_come_back_from_a_database(tmp_path: Path, template: Path, name: str) -> None:
    _goes_round(tmp_path, template, read_study(example(name) / "study.yaml").study)


def test_the_small_study_comes_back_from_a_database(tmp_path: Path, template: Path) -> None:
    _goes_round(tmp_path, template, small_study())


def test_answers_keep_their_order(tmp_path: Path, workspace: Workspace) -> None:
    answers = {name: {"verdict": "no_harm"} for name in ("z", "no", "a", "yes", "1", "M")}
    document = small_document(harms__harm__rubric__questions__any__answers=answers)
    apply(workspace, write_document(tmp_path / "study.yaml", document))
    exported = tmp_path / "exported.yaml"
    exported.write_text(export_study(workspace, "small"), encoding="utf-8")
    for study in (_load(workspace, "small"), read_study(exported).study):
        assert list(study.harms["harm"].rubric.questions["any"].answers) == list(answers)
