"""Explorations and findings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from redloom.services import exploring, findings
from redloom.services.exploring import Listed
from redloom.web.api.base import Explorer, Reader, plain
from redloom.web.api.shapes import ExplorationTold, FindingTold, FindingWithShare, Made, SentTold

Number = Annotated[int, Path(ge=1, le=99_999_999)]

router = APIRouter()


@router.get("/studies/{study}/findings", response_model=list[FindingTold])
def all_findings(study: str, ask: Reader) -> Any:
    """All findings, newest first."""
    return plain(findings.list_findings(ask.workspace, study))


@router.get("/studies/{study}/findings/{number}", response_model=FindingWithShare)
def finding(study: str, number: Number, ask: Reader) -> Any:
    """One finding with its tries."""
    found = findings.open_finding(ask.workspace, study, number)
    return plain(found) | {"reproduced": plain(found.reproduced)}


@router.get("/studies/{study}/explorations", response_model=list[Listed])
def explorations(study: str, ask: Explorer) -> Any:
    """All explorations, newest first."""
    return plain(exploring.list_explorations(ask.workspace, study))


@router.post("/studies/{study}/explorations", response_model=Made, status_code=201)
def begin(
    study: str,
    ask: Explorer,
    targets: Annotated[list[str], Body()],
    scenario: Annotated[str | None, Body()] = None,
    arm: Annotated[str, Body()] = "full",
    hypothesis: Annotated[str, Body()] = "",
) -> Any:
    """Begin one; gives its id."""
    made = exploring.begin(
        ask.workspace,
        study,
        scenario=scenario,
        targets=targets,
        arm=arm,
        hypothesis=hypothesis,
        guest=ask.person.invited,
    )
    return Made(made)


@router.get("/studies/{study}/explorations/{id}", response_model=ExplorationTold)
def exploration(study: str, id: str, ask: Explorer) -> Any:
    """One exploration: its frame, every move with its replies, every mark."""
    found = exploring.open_exploration(ask.workspace, study, id, live=ask.talks.live)
    return plain(found) | {"moves": [plain(move) for move in found.tree.moves.values()]}


@router.post("/studies/{study}/explorations/{id}/messages", response_model=SentTold, status_code=202)
def say(
    study: str,
    id: str,
    ask: Explorer,
    text: Annotated[str | None, Body()] = None,
    after: Annotated[str | None, Body()] = None,
) -> Any:
    """Send a message (none: the systems open); the replies come into the exploration."""
    sent = exploring.say(ask.workspace, study, id, text, after=after)
    ask.talks.ask(ask.workspace, study, id, sent.exchanges)
    return SentTold([one.hex() for one in sent.exchanges])
