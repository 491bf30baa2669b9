"""What the database holds of a study, as values."""

from __future__ import annotations

from typing import Any, cast

from redloom.domain.judge import Judge
from redloom.domain.study import COLLECTIONS, Study, StudyHead
from redloom.domain.target import Target
from redloom.domain.value import Definition
from redloom.errors import StoreError
from redloom.services.workspace import Workspace
from redloom.storage.mapping import in_force, to_definition
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.unit_of_work import UnitOfWork


def list_studies(workspace: Workspace) -> list[str]:
    """The slugs of all studies."""
    with workspace.begin() as unit:
        return unit.studies.slugs()


def load_study(unit: UnitOfWork, slug: str, *, cases: bool = True) -> Study:
    """The stored study as it is now, acts beside its definitions included.

    ``cases=False`` leaves the cases out, for services that stream them.
    """
    stored = unit.definitions(slug)
    head = stored.head("study", slug)
    assert head is not None and isinstance(head.definition, StudyHead)
    collections: dict[str, Any] = {}
    for name, model in COLLECTIONS.items():
        if name == "cases" and not cases:
            continue
        collections[name] = _collection(stored, model.kind)
    return Study.model_construct(slug=slug, head=head.definition, **collections)


def load_targets(unit: UnitOfWork, slug: str) -> dict[str, Target]:
    """The targets of a study by slug, with how they are operated; nothing else of it is read."""
    return cast(dict[str, Target], _collection(unit.definitions(slug), "target"))


def load_judges(unit: UnitOfWork, slug: str) -> dict[str, Judge]:
    """The judges of a study by slug; nothing else of it is read."""
    return cast(dict[str, Judge], _collection(unit.definitions(slug), "judge"))


def _collection(stored: Definitions, kind: str) -> dict[str, Definition]:
    """The newest versions of a kind by slug, the acts beside them included."""
    members = {version.slug: version.definition for version in stored.heads(kind)}
    return _with_acts(stored, kind, members)


def _with_acts(stored: Definitions, kind: str, members: dict[str, Definition]) -> dict[str, Definition]:
    if kind not in ("harm", "target") or not members:
        return members
    slugs = {number: slug for slug, number in stored.ids(kind).items()}
    beside: dict[str, dict[str, Any]] = {}
    for name in ("dissent", "endorsements") if kind == "harm" else ("operations",):
        for fact in in_force(stored.facts(name, subject=kind)):
            slug = slugs[fact.definition_id]
            if name == "operations":
                beside[slug] = fact.body
            else:
                beside.setdefault(slug, {}).setdefault(name, []).append(fact.body)
    return {
        slug: _with_beside(kind, slug, d, beside[slug]) if slug in beside else d
        for slug, d in members.items()
    }


def _with_beside(kind: str, slug: str, definition: Definition, beside: dict[str, Any]) -> Definition:
    """The definition with what stands beside it; raises StoreError where it cannot be read.

    A ``key_env`` that is no name, as older versions stored it, is left out: it may be a key.
    """
    content = definition.content()
    try:
        return to_definition(kind, slug, content, beside)
    except StoreError:
        if "key_env" not in beside:
            raise
    return to_definition(kind, slug, content, {k: v for k, v in beside.items() if k != "key_env"})
