"""Work orders: what is to be written, who has taken it, writing it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from redloom.domain.scenario import DIMENSIONS
from redloom.services import ordering
from redloom.services.ordering import Order, Written
from redloom.web.api.base import Reader, Writer, plain
from redloom.web.api.shapes import Content, Done

Parts = Annotated[dict[str, str], Body(embed=True)]

router = APIRouter()


@router.get("/studies/{study}/orders", response_model=list[Order])
def orders(
    study: str,
    ask: Reader,
    strength: int = 2,
    context: str = "",
    persona: str = "",
    interaction_type: str = "",
    harm: str = "",
    language: str = "",
) -> Any:
    """What would cover every combination of so many parts that no scenario has; only with the parts that are named."""
    given = dict(zip(DIMENSIONS, (context, persona, interaction_type, harm, language), strict=True))
    having = {name: value for name, value in given.items() if value}
    return plain(ordering.list_orders(ask.workspace, study, strength, having))


@router.post("/studies/{study}/orders/take", response_model=Done)
def take(study: str, ask: Writer, parts: Parts) -> Any:
    """Keep the order with these parts for whoever asks."""
    ordering.take_order(ask.workspace, study, parts)
    return Done()


@router.post("/studies/{study}/orders/give-back", response_model=Done)
def give_back(study: str, ask: Writer, key: Annotated[str, Body(embed=True)]) -> Any:
    """Free an order again; a lead frees anybody's."""
    ordering.give_back(ask.workspace, study, key, any_of=ask.person.may("lead"))
    return Done()


@router.post("/studies/{study}/orders/write", response_model=Written, status_code=201)
def write(
    study: str,
    ask: Writer,
    parts: Parts,
    scenario: Annotated[Content, Body()],
    case: Annotated[Content, Body()],
) -> Any:
    """Store the scenario of an order and its test conversation, both or neither.

    ``scenario`` and ``case`` hold what the order does not say, such as ``title`` and ``script``.
    """
    return plain(ordering.write_order(ask.workspace, study, parts, scenario, case))
