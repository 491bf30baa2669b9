"""Proposed changes of definitions, and decisions on them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from redloom.services import proposals as proposing
from redloom.services.proposals import Proposal, Proposed
from redloom.web.api.base import Definer, Reader, plain
from redloom.web.api.shapes import Done, NumberTold

Why = Annotated[str, Body(embed=True)]

router = APIRouter()


@router.get("/studies/{study}/proposals", response_model=list[Proposal])
def proposals(study: str, ask: Reader) -> Any:
    """All of them, open ones first, newest first."""
    return plain(proposing.list_proposals(ask.workspace, study))


@router.get("/studies/{study}/proposals/{id}", response_model=Proposed)
def proposal(study: str, id: str, ask: Reader) -> Any:
    """One of them, field by field."""
    return plain(proposing.open_proposal(ask.workspace, study, id))


@router.post("/studies/{study}/proposals/{id}/accept", response_model=NumberTold)
def accept(study: str, id: str, ask: Definer, why: Why = "") -> Any:
    """Make a version of it, in the name of who proposed it."""
    return NumberTold(proposing.accept(ask.workspace, study, id, why=why))


@router.post("/studies/{study}/proposals/{id}/decline", response_model=Done)
def decline(study: str, id: str, ask: Definer, why: Why) -> Any:
    """Say no, and why."""
    proposing.decline(ask.workspace, study, id, why=why)
    return Done()
