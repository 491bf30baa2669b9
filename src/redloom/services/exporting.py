"""Writing studies and releases to files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from redloom.datasets.writing import tag_names, write_csv, write_jsonl
from redloom.domain.case import Case
from redloom.errors import InputError, unknown
from redloom.services.cases import statuses
from redloom.services.finding import get_release
from redloom.services.studies import export_study
from redloom.services.workspace import Workspace
from redloom.storage.unit_of_work import UnitOfWork

FORMATS = ("yaml", "jsonl", "csv")


def export_file(workspace: Workspace, study: str, version: str | None, format: str, path: Path) -> None:
    """:func:`export_to` into a file that is complete or not there."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            export_to(workspace, study, version, format, file)
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def export_to(workspace: Workspace, study: str, version: str | None, format: str, file: TextIO) -> None:
    """A study as YAML; the cases of a study or release as JSONL or CSV, streamed."""
    if format not in FORMATS:
        raise InputError(unknown("format", format, FORMATS))
    if format == "yaml":
        if version is not None:
            raise InputError("yaml writes the study as it is now; for a release say --format jsonl or csv")
        file.write(export_study(workspace, study))
        return
    with workspace.begin() as unit:

        def rows() -> Iterator[Mapping[str, Any]]:
            return _released(unit, study, version) if version is not None else _current(unit, study)

        if format == "jsonl":
            write_jsonl(rows(), file)
        else:
            write_csv(rows(), file, tags=tag_names(rows()))


def _released(unit: UnitOfWork, study: str, version: str) -> Iterator[Mapping[str, Any]]:
    release = get_release(unit, study, version)
    stamp = {"canary": release.manifest.canary} | (
        {"provisional": True} if release.manifest.provisional else {}
    )
    for released, case in unit.releases(study).cases(release.id):
        yield {
            "slug": released.slug,
            "status": released.status,
            "split": released.split,
            "digest": released.content,
            "stimulus": released.stimulus,
            **case.content(),
            "cluster": released.cluster,
            **stamp,
        }


def _current(unit: UnitOfWork, study: str) -> Iterator[Mapping[str, Any]]:
    stored = unit.definitions(study)
    states = statuses(stored)
    for version in stored.heads("case"):
        case = cast(Case, version.definition)
        yield {
            "slug": version.slug,
            "status": states[version.slug],
            "digest": version.digest,
            **case.content(),
        }
