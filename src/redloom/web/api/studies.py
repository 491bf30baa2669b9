"""Studies, their map, their definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from redloom.domain.study import KINDS
from redloom.errors import UnknownNameError
from redloom.services import defining, readiness, showing, space
from redloom.services.defining import Meanwhile, Saved
from redloom.services.readiness import Readiness
from redloom.services.showing import Named
from redloom.services.space import Map
from redloom.web.api.base import Definer, Reader, Writer, plain
from redloom.web.api.shapes import CLASH, Content, DefinitionTold
from redloom.web.asking import Ask

COLLECTIONS: Mapping[str, str] = {
    name.replace("_", "-"): kind for kind, name in KINDS.items() if kind not in ("target", "judge")
}
"""Part of an address -> kind of definition."""
Whole = Annotated[Content, Body()]
Base = Annotated[str | None, Body()]
Why = Annotated[str, Body()]

router = APIRouter()
open_router = APIRouter()
"""Addresses with open parts, which come after all others."""


@router.get("/studies", response_model=dict[str, Named])
def studies(ask: Reader) -> Any:
    """Every study that is open to whoever asks."""
    found = showing.name_studies(ask.workspace)
    return plain({slug: one for slug, one in found.items() if ask.person.study in (None, slug)})


@router.get("/studies/{study}", response_model=Readiness)
def overview(study: str, ask: Reader) -> Any:
    """How far a study is, and what is missing."""
    return plain(readiness.look_over(ask.workspace, study))


@router.get("/studies/{study}/map", response_model=Map)
def scenario_map(study: str, ask: Reader, rows: str = "persona", columns: str = "harm") -> Any:
    """Two parts of the declared space against each other."""
    return plain(space.draw(ask.workspace, study, rows=rows, columns=columns))


@router.put("/studies/{study}/cases/{slug}", response_model=Saved, responses=CLASH)
def save_case(study: str, slug: str, ask: Writer, content: Whole, base: Base = None, why: Why = "") -> Any:
    """A new version of a test conversation, made from the one with the digest ``base``; without one a new one."""
    return _save(ask, study, "case", slug, content, base, why)


@open_router.get("/studies/{study}/{collection}/{slug}", response_model=DefinitionTold)
def definition(study: str, collection: str, slug: str, ask: Reader) -> Any:
    """One definition with its versions."""
    return plain(defining.open_definition(ask.workspace, study, _kind(collection), slug))


@open_router.put("/studies/{study}/{collection}/{slug}", response_model=Saved, responses=CLASH)
def save(
    study: str, collection: str, slug: str, ask: Definer, content: Whole, base: Base = None, why: Why = ""
) -> Any:
    """A new version made from the one with the digest ``base``; without one a new definition."""
    return _save(ask, study, _kind(collection), slug, content, base, why)


def _save(ask: Ask, study: str, kind: str, slug: str, content: Content, base: str | None, why: str) -> Any:
    done = defining.save_definition(ask.workspace, study, kind, slug, content, base=base, why=why)
    return JSONResponse(plain(done), 409) if isinstance(done, Meanwhile) else plain(done)


def _kind(collection: str) -> str:
    if collection not in COLLECTIONS:
        raise UnknownNameError("part of a study", collection, COLLECTIONS)
    return COLLECTIONS[collection]
