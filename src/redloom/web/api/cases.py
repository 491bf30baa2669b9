"""Test conversations: the list, one of them, decisions on them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from redloom.services.case_pages import CaseTable, LineQuery, Sort, list_page, open_case
from redloom.services.cases import Decided, review_seen
from redloom.web.api.base import Reader, Reviewer, plain
from redloom.web.api.shapes import CaseTold

router = APIRouter()


@router.get("/studies/{study}/cases", response_model=CaseTable)
def cases(
    study: str,
    ask: Reader,
    q: str = "",
    status: str = "",
    context: str = "",
    persona: str = "",
    interaction_type: str = "",
    harm: str = "",
    language: str = "",
    origin: str = "",
    scenario: str = "",
    sort: Sort = "newest",
    after: str = "",
    before: str = "",
) -> Any:
    """Fifty that match, after the one with the slug ``after`` or before ``before``; the answer says what comes next."""
    query = LineQuery(
        text=q,
        status=status,
        context=context,
        persona=persona,
        interaction_type=interaction_type,
        harm=harm,
        language=language,
        origin=origin,
        scenario=scenario,
    )
    place = "" if before else after
    return plain(list_page(ask.workspace, study, query, sort=sort, after=place, before=before))


@router.get("/studies/{study}/cases/{slug}", response_model=CaseTold)
def case(study: str, slug: str, ask: Reader) -> Any:
    """One test conversation with its versions, reviews, labels and near duplicates."""
    found = open_case(ask.workspace, study, slug)
    line = plain(found.line)
    return {
        **{
            name: line[name]
            for name in ("slug", "status", "digest", "scenario", "harm", "language", "origin")
        },
        "turns": plain(found.view.turns),
        "definition": plain(found.view.case),
        "versions": plain(found.versions),
        "reviews": plain(found.reviews),
        "labels": plain(found.labels),
        "near": plain(found.near),
    }


@router.post(
    "/studies/{study}/cases/review",
    response_model=Decided,
    responses={409: {"model": Decided, "description": "Some have changed since; nothing was decided"}},
)
def review(
    study: str,
    ask: Reviewer,
    action: Annotated[Literal["submit", "accept", "reject", "retire", "reopen"], Body()],
    cases: Annotated[dict[str, str], Body()],
    why: Annotated[str, Body()] = "",
) -> Any:
    """Move ``cases``, each with the digest of the version that was read, to a review state: all of them or none."""
    done = review_seen(ask.workspace, study, action, cases, why=why)
    return JSONResponse(plain(done), 409) if done.changed else plain(done)
