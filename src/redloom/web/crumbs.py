"""The pages above a page."""

from __future__ import annotations

from redloom.services.defining import Opened
from redloom.services.showing import name_study
from redloom.web.asking import Ask
from redloom.web.editors import ADDRESSES, COLLECTED

Crumb = tuple[str, str]
"""Words and address."""


def crumbs_of(ask: Ask, *above: Crumb) -> tuple[Crumb, ...]:
    """The study and the pages ``above`` this one, which are addressed within the study."""
    root = f"/studies/{ask.study}"
    return (
        (name_study(ask.workspace, ask.study).title, root),
        *((words, f"{root}/{to}") for words, to in above),
    )


def listed(kind: str) -> tuple[Crumb, ...]:
    """The list that definitions of a kind stand in; none for the charter, which is on the page of the study."""
    address = ADDRESSES.get(kind)
    return () if address is None else ((COLLECTED[address][1], address),)


def opened_in(opened: Opened) -> tuple[Crumb, ...]:
    """The list that a definition stands in, and its own page."""
    above = listed(opened.kind)
    return (*above, *((opened.title, f"{address}/{opened.slug}") for _, address in above))
