"""Drafts by a model: choosing, seeing what is sent, sending it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from redloom.errors import InputError, Issue
from redloom.services import drafting, generating
from redloom.services.drafting import Batch, Begun
from redloom.services.generating import Shown, Wanted
from redloom.services.targets import list_targets, open_to_guests
from redloom.web.asking import Answer, Ask, Form, Page, See, number_in
from redloom.web.crumbs import crumbs_of

LISTED = generating.MOST_DRAFTS
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
    batches: tuple[Begun, ...]
    """Those begun last."""
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
    """How far a batch is, and what became of each request."""

    template: ClassVar[str] = "drafts.html.j2"
    moment: ClassVar[str] = "orders"
    study: str
    batch: Batch
    live: bool
    """This server has it written."""
    may_stop: bool


def choose(ask: Ask) -> Answer:
    """The form; nothing is sent."""
    return _choose_page(ask, ask.query)


def generate(ask: Ask) -> Answer:
    """What would be sent; or, where just that was confirmed, the page of its being sent."""
    confirmed = ask.form.text("confirmed")
    try:
        shown = _shown(ask)
    except InputError as error:
        return _choose_page(ask, ask.form, error.issues)
    if confirmed != shown.digest:
        return _confirm_page(ask, shown, changed=bool(confirmed))
    return See(_here(ask, ask.drafting.start(ask.workspace, ask.study, shown)))


def batch(ask: Ask) -> Answer:
    """How far it is, and what became of each request."""
    id = ask.parts["id"]
    live = ask.drafting.is_live(id)
    found = drafting.look(ask.workspace, ask.study, id, live=live)
    return DraftsPage(
        heading="Drafts by a model",
        crumbs=crumbs_of(ask, ("Work orders", "orders")),
        study=ask.study,
        batch=found,
        live=live,
        may_stop=live and found.state == "running" and ask.person.may("write"),
    )


def stop(ask: Ask) -> Answer:
    """Send nothing more of it."""
    id = ask.parts["id"]
    drafting.look(ask.workspace, ask.study, id, live=ask.drafting.is_live(id))
    return See(_here(ask, id), "" if ask.drafting.stop(id) else "not-stopped")


def _shown(ask: Ask) -> Shown:
    tokens = ask.form.text("max_tokens", "600")
    return generating.show_requests(
        ask.workspace,
        ask.study,
        _allowed(ask, ask.form.text("other") or ask.form.text("with")),
        _chosen(ask),
        max_tokens=number_in(tokens, 0),
    )


def _chosen(ask: Ask) -> list[str]:
    """Those that were chosen; with the box for all of them the first that want a draft, as the page listed them."""
    if not ask.form.text("every"):
        return ask.form.all("for")
    return [one.key for one in generating.list_wanted(ask.workspace, ask.study)[:LISTED]]


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


def _choose_page(ask: Ask, given: Form, issues: Sequence[Issue] = ()) -> ChoosePage:
    wanted = generating.list_wanted(ask.workspace, ask.study)
    targets = list_targets(ask.workspace, ask.study)
    keys = frozenset(given.all("for"))
    rest = [one for one in wanted if one.key not in keys]
    return ChoosePage(
        heading="Have a model write drafts",
        crumbs=crumbs_of(ask, ("Work orders", "orders")),
        status=422 if issues else 200,
        study=ask.study,
        wanted=tuple([*(one for one in wanted if one.key in keys), *rest][:LISTED]),
        total=len(wanted),
        targets=tuple((name, target.system) for name, target in targets.items()),
        chosen=tuple(given.all("for")),
        target=given.text("with"),
        other=given.text("other"),
        max_tokens=given.text("max_tokens", "600"),
        batches=tuple(drafting.list_batches(ask.workspace, ask.study)),
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


def _here(ask: Ask, batch: str) -> str:
    return f"/studies/{ask.study}/orders/generate/{batch}"
