"""Drafts by a model: choosing, seeing what is sent, sending it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from redloom.errors import InputError, Issue
from redloom.services import generating
from redloom.services.generating import Draft, Shown, Wanted
from redloom.services.targets import list_targets, open_to_guests
from redloom.web.asking import Answer, Ask, Page, number_in
from redloom.web.crumbs import crumbs_of

LISTED = 60
"""How many of what wants a draft a page lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosePage(Page):
    """What a draft can be written for, and by whom."""

    template: ClassVar[str] = "generate.html.j2"
    moment: ClassVar[str] = "orders"
    study: str
    wanted: tuple[Wanted, ...]
    total: int
    targets: tuple[tuple[str, str], ...]
    """(name, system) of those the study declares."""
    chosen: tuple[str, ...]
    target: str
    other: str
    max_tokens: str
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPage(Page):
    """Exactly what would be sent."""

    template: ClassVar[str] = "confirm.html.j2"
    moment: ClassVar[str] = "orders"
    study: str
    shown: Shown
    changed: bool
    """It is not what was confirmed, so it has to be confirmed anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftsPage(Page):
    """What became of each request."""

    template: ClassVar[str] = "drafts.html.j2"
    moment: ClassVar[str] = "orders"
    study: str
    drafts: tuple[Draft, ...]
    left: int
    """Requests that were not sent any more."""


def choose(ask: Ask) -> Answer:
    """The form; nothing is sent."""
    return _choose_page(ask)


def generate(ask: Ask) -> Answer:
    """What would be sent; or, where just that was confirmed, what came of sending it."""
    confirmed = ask.form.text("confirmed")
    try:
        shown = _shown(ask)
    except InputError as error:
        return _choose_page(ask, error.issues)
    if confirmed != shown.digest:
        return _confirm_page(ask, shown, changed=bool(confirmed))
    drafts = asyncio.run(generating.generate(ask.workspace, ask.study, shown))
    return _drafts_page(ask, shown, drafts)


def _shown(ask: Ask) -> Shown:
    tokens = ask.form.text("max_tokens", "600")
    return generating.show_requests(
        ask.workspace,
        ask.study,
        _allowed(ask, ask.form.text("other") or ask.form.text("with")),
        ask.form.all("for"),
        max_tokens=number_in(tokens, 0),
    )


def _allowed(ask: Ask, target: str) -> str:
    """The target as it was named; raises InputError where whoever asks may not name it."""
    if not ask.person.invited or open_to_guests(target, list_targets(ask.workspace, ask.study)):
        return target
    raise InputError(
        Issue(
            f"{target!r} is no system of this study; choose one, or an embedded model such as 'local:smollm2'",
            path="with",
        )
    )


def _choose_page(ask: Ask, issues: Sequence[Issue] = ()) -> ChoosePage:
    wanted = generating.list_wanted(ask.workspace, ask.study)
    targets = list_targets(ask.workspace, ask.study)
    return ChoosePage(
        heading="Have a model write drafts",
        crumbs=crumbs_of(ask, ("Work orders", "orders")),
        status=422 if issues else 200,
        study=ask.study,
        wanted=tuple(wanted[:LISTED]),
        total=len(wanted),
        targets=tuple((name, target.system) for name, target in targets.items()),
        chosen=tuple(ask.form.all("for")),
        target=ask.form.text("with"),
        other=ask.form.text("other"),
        max_tokens=ask.form.text("max_tokens", "600"),
        issues=tuple(issues),
    )


def _confirm_page(ask: Ask, shown: Shown, *, changed: bool) -> ConfirmPage:
    return ConfirmPage(
        heading="This would be sent",
        crumbs=crumbs_of(ask, ("Work orders", "orders")),
        status=409 if changed else 200,
        study=ask.study,
        shown=shown,
        changed=changed,
    )


def _drafts_page(ask: Ask, shown: Shown, drafts: Sequence[Draft]) -> DraftsPage:
    return DraftsPage(
        heading="What came of it",
        crumbs=crumbs_of(ask, ("Work orders", "orders")),
        study=ask.study,
        drafts=tuple(drafts),
        left=len(shown.wanted) - len(drafts),
    )
