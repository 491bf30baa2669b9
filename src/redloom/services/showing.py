"""Whole things as JSON values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redloom.domain.study import COLLECTIONS, StudyHead
from redloom.domain.value import in_language
from redloom.services.finding import get_release
from redloom.services.loading import load_study
from redloom.services.protocols import protocol_in
from redloom.services.remembering import remembered
from redloom.services.workspace import Workspace
from redloom.storage.unit_of_work import UnitOfWork


def whole_study(workspace: Workspace, slug: str) -> dict[str, Any]:
    """A study with all its definitions and their digests."""
    with workspace.begin() as unit:
        study = load_study(unit, slug)
    found: dict[str, Any] = {"study": slug, "digest": study.content_digest(), **study.head.content()}
    for name in COLLECTIONS:
        members = getattr(study, name)
        found[name] = {
            key: {"digest": member.content_digest(), **member.content(), **member.beside()}
            for key, member in members.items()
        }
    return found


def show_release(workspace: Workspace, slug: str, version: str) -> dict[str, Any]:
    """A release with the digests of its cases."""
    with workspace.begin() as unit:
        release = get_release(unit, slug, version)
        cases = [case.named() for case, _ in unit.releases(slug).cases(release.id)]
        protocol = protocol_in(unit, slug, release).digest
    return {
        "digest": release.digest,
        "protocol": protocol,
        **release.manifest.model_dump(mode="json"),
        "case_list": cases,
    }


@dataclass(frozen=True, slots=True)
class Named:
    """A study by its title in its first language."""

    title: str
    languages: tuple[str, ...]


def name_studies(workspace: Workspace) -> dict[str, Named]:
    """Every study by slug."""
    with workspace.begin() as unit:
        return {slug: _named(workspace, unit, slug) for slug in unit.studies.slugs()}


def name_study(workspace: Workspace, slug: str) -> Named:
    """One study; raises UnknownNameError."""
    with workspace.begin() as unit:
        return _named(workspace, unit, slug)


def _named(workspace: Workspace, unit: UnitOfWork, slug: str) -> Named:
    return remembered(workspace, unit, slug, "name", lambda: _name(unit, slug))


def _name(unit: UnitOfWork, slug: str) -> Named:
    head = unit.definitions(slug).head("study", slug)
    assert head is not None and isinstance(head.definition, StudyHead)
    languages = head.definition.languages
    return Named(in_language(head.definition.title, languages[0]), languages)
