"""Work orders: what is to be written, who has taken it, and writing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from redloom.domain.scenario import DIMENSIONS
from redloom.errors import InputError, Issue
from redloom.services import ordering
from redloom.services.ordering import Order
from redloom.web.asking import Answer, Ask, Form, Page, See
from redloom.web.crumbs import crumbs_of

SHOWN = 60
"""How many orders a page lists."""
TURNS = 4
"""How many turns the form has room for, and one more than there are."""
BEHAVIOURS = (("help", "helps"), ("decline", "declines"), ("protect", "protects"))
TEXTS = ("title", "user_goal", "behaviour", "sentence", "opening")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPage(Page):
    """The orders of what nothing covers yet."""

    template: ClassVar[str] = "orders.html.j2"
    moment: ClassVar[str] = "orders"
    study: str
    strength: int
    strengths: tuple[int, ...] = ordering.STRENGTHS
    having: Mapping[str, str]
    """Only orders with these parts."""
    orders: tuple[Order, ...]
    total: int
    may_write: bool
    may_free: bool
    """Also what somebody else has taken."""
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePage(Page):
    """The form that makes a scenario and its test conversation."""

    template: ClassVar[str] = "write.html.j2"
    moment: ClassVar[str] = "orders"
    study: str
    order: Order
    given: Mapping[str, str]
    turns: tuple[str, ...]
    issues: tuple[Issue, ...] = ()
    wrong: Mapping[str, str]
    """Field -> what is wrong with it."""
    behaviours: tuple[tuple[str, str], ...] = BEHAVIOURS


def listing(ask: Ask) -> Answer:
    """The orders of what nothing covers yet."""
    strength, having = _strength(ask.query), _parts(ask.query)
    found = ordering.list_orders(ask.workspace, ask.study, strength, having)
    return OrdersPage(
        heading="Work orders",
        crumbs=crumbs_of(ask),
        study=ask.study,
        strength=strength,
        having=having,
        orders=tuple(found[:SHOWN]),
        total=len(found),
        may_write=ask.person.may("write"),
        may_free=ask.person.may("lead"),
        who=ask.person.name,
    )


def take(ask: Ask) -> Answer:
    """Keep an order for oneself."""
    ordering.take_order(ask.workspace, ask.study, _parts(ask.form))
    return See(f"/studies/{ask.study}/orders", "taken")


def give_back(ask: Ask) -> Answer:
    """Free an order again."""
    key, lead = ask.form.text("key"), ask.person.may("lead")
    ordering.give_back(ask.workspace, ask.study, key, any_of=lead)
    return See(f"/studies/{ask.study}/orders", "given-back")


def write(ask: Ask) -> Answer:
    """The form, filled with what the order knows."""
    order = ordering.open_order(ask.workspace, ask.study, _parts(ask.query))
    title = f"{order.titles['harm']}: {order.titles['persona']}, {order.titles['context']}"
    return _write_page(ask, order, {"title": title}, ())


def store(ask: Ask) -> Answer:
    """Store scenario and test conversation, or say why not."""
    given, parts = {name: ask.form.text(name) for name in TEXTS}, _parts(ask.form)
    turns = [turn for turn in ask.form.all("turn") if turn]
    try:
        made = ordering.write_order(ask.workspace, ask.study, parts, _scenario(given), _case(given, turns))
    except InputError as error:
        order = ordering.open_order(ask.workspace, ask.study, parts)
        return _write_page(ask, order, given, turns, error.issues)
    return See(f"/studies/{ask.study}/cases/{made.case}", "written")


def _scenario(given: Mapping[str, str]) -> dict[str, Any]:
    """What was written of the scenario; an empty field is a missing one."""
    whole = {name: given[name] for name in ("title", "user_goal") if given[name]}
    expected = {name: given[name] for name in ("behaviour", "sentence") if given[name]}
    return {**whole, "expected": expected}


def _case(given: Mapping[str, str], turns: Sequence[str]) -> dict[str, Any]:
    return {"script": list(turns), **({"opening": given["opening"]} if given["opening"] else {})}


def _write_page(
    ask: Ask, order: Order, given: Mapping[str, str], turns: Sequence[str], issues: Sequence[Issue] = ()
) -> WritePage:
    room = max(TURNS, len(turns) + 1)
    wrong: dict[str, str] = {}
    for issue in issues:
        name = issue.path.removeprefix("expected.")
        wrong[name] = f"{wrong[name]}; {issue.message}" if name in wrong else issue.message
    return WritePage(
        heading="Write a test conversation",
        crumbs=crumbs_of(ask, ("Work orders", "orders")),
        status=422 if issues else 200,
        study=ask.study,
        order=order,
        given={**dict.fromkeys(TEXTS, ""), **given},
        turns=(*turns, *[""] * (room - len(turns))),
        issues=tuple(issues),
        wrong=wrong,
    )


def _parts(form: Form) -> dict[str, str]:
    return {name: form.text(name) for name in DIMENSIONS if form.text(name)}


def _strength(form: Form) -> int:
    text = form.text("strength", "2")
    return int(text) if text.isdecimal() and len(text) < 3 else 0
