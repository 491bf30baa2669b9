"""How somebody wants replies shown: their own choice, which nobody else is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from redloom.domain.reading import Reading
from redloom.errors import InputError, Issue
from redloom.services import reading
from redloom.services.exploring import choices
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.crumbs import crumbs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingPage(Page):
    """The three ways to meet replies, and the harms that one of them is about."""

    template: ClassVar[str] = "reading.html.j2"
    keep: str
    chosen: tuple[str, ...]
    harms: tuple[tuple[str, str], ...]
    """(slug, title)."""
    back: str
    issues: tuple[Issue, ...] = ()


def page(ask: Ask) -> Answer:
    """The choice as it is."""
    now: Reading = ask.reading
    return _page(ask, now.keep, now.harms, ask.query.text("back"))


def choose(ask: Ask) -> Answer:
    """Keep another."""
    keep, harms, back = ask.form.text("keep"), ask.form.all("harms"), ask.form.text("back")
    try:
        reading.choose_reading(ask.workspace, ask.study, ask.person.key, {"keep": keep, "harms": harms})
    except InputError as error:
        return _page(ask, keep, harms, back, error.issues)
    return See(_back(ask, back), "chosen")


def _page(ask: Ask, keep: str, chosen: Sequence[str], back: str, issues: Sequence[Issue] = ()) -> ReadingPage:
    return ReadingPage(
        heading="How replies are shown to you",
        crumbs=crumbs_of(ask),
        status=422 if issues else 200,
        keep=keep,
        chosen=tuple(chosen),
        harms=choices(ask.workspace, ask.study).harms,
        back=_back(ask, back),
        issues=tuple(issues),
    )


def _back(ask: Ask, wanted: str) -> str:
    """The page of this study that somebody came from, else the study's own."""
    home = f"/studies/{ask.study}"
    return wanted if wanted.startswith(f"{home}/") else home
