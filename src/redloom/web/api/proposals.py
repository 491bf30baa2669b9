"""Proposed changes of definitions, and decisions on them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from redloom.services import proposals as proposing
from redloom.services.defining import Meanwhile, Saved
from redloom.services.proposals import Proposal, Proposed
from redloom.web.api.base import Definer, NotYoursError, Reader, plain
from redloom.web.api.shapes import CLASH, Done
from redloom.web.asking import Ask

Why = Annotated[str, Body(embed=True)]
Seen = Annotated[str, Body(embed=True)]
Slug = Annotated[str, Body(embed=True)]

router = APIRouter()


@router.get("/studies/{study}/proposals", response_model=list[Proposal])
def proposals(study: str, ask: Reader) -> Any:
    """All of them, open ones first, newest first."""
    return plain(proposing.list_proposals(ask.workspace, study))


@router.get("/studies/{study}/proposals/{id}", response_model=Proposed)
def proposal(study: str, id: str, ask: Reader) -> Any:
    """One of them, field by field."""
    return plain(proposing.open_proposal(ask.workspace, study, id))


@router.post("/studies/{study}/proposals/{id}/accept", response_model=Saved, responses=CLASH)
def accept(study: str, id: str, ask: Definer, seen: Seen = "", slug: Slug = "", why: Why = "") -> Any:
    """Make a version of it, in the name of who proposed it.

    ``seen`` is the digest of the version in force as the proposal was read; ``slug`` another name for a new definition.
    """
    _check_decides(ask, study, id)
    done = proposing.accept(ask.workspace, study, id, seen=seen, slug=slug, why=why)
    return JSONResponse(plain(done), 409) if isinstance(done, Meanwhile) else plain(done)


@router.post("/studies/{study}/proposals/{id}/decline", response_model=Done)
def decline(study: str, id: str, ask: Definer, why: Why) -> Any:
    """Say no, and why."""
    _check_decides(ask, study, id)
    proposing.decline(ask.workspace, study, id, why=why)
    return Done()


def _check_decides(ask: Ask, study: str, id: str) -> None:
    kind = proposing.open_proposal(ask.workspace, study, id).proposal.kind
    if kind == "study" and not ask.person.may("lead"):
        raise NotYoursError(403, "only a lead decides on the charter")
