"""Proposed changes: reading them, and deciding on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from redloom.errors import InputError, Issue
from redloom.services import proposals
from redloom.services.proposals import Proposal, Proposed
from redloom.services.showing import name_study
from redloom.web.asking import Answer, Ask, Page, See

STATES: Mapping[str, str] = {
    "open": "open",
    "accepted": "accepted",
    "declined": "declined",
    "dissent": "kept as dissent",
}
"""What a state is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalsPage(Page):
    """All proposals of a study."""

    template: ClassVar[str] = "proposals.html.j2"
    moment: ClassVar[str] = "proposals"
    study: str
    found: tuple[Proposal, ...]
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalPage(Page):
    """One proposal."""

    template: ClassVar[str] = "proposal.html.j2"
    moment: ClassVar[str] = "proposals"
    study: str
    found: Proposed
    states: Mapping[str, str]
    may_define: bool
    why: str = ""
    by: str = ""
    issues: tuple[Issue, ...] = ()


def listing(ask: Ask) -> Answer:
    """All proposals, open ones first."""
    return ProposalsPage(
        heading="Proposals",
        crumbs=_study(ask),
        study=ask.study,
        found=tuple(proposals.list_proposals(ask.workspace, ask.study)),
        states=STATES,
    )


def proposal(ask: Ask) -> Answer:
    """One proposal with its differences."""
    return _page(ask)


def decide(ask: Ask) -> Answer:
    """Accept it, decline it, or keep it as dissent; or say why that cannot be."""
    workspace, study, id = ask.workspace, ask.study, ask.parts["id"]
    way, why, here = ask.form.text("way"), ask.form.text("why"), f"/studies/{study}/proposals/{id}"
    try:
        if way == "accept":
            proposals.accept(workspace, study, id, why=why)
            return See(here, "change-accepted")
        if way == "dissent":
            proposals.keep_as_dissent(workspace, study, id, by=ask.form.text("by"), why=why)
            return See(here, "as_dissent")
        proposals.decline(workspace, study, id, why=why)
        return See(here, "declined")
    except InputError as error:
        page = _page(ask)
        return replace(page, status=422, issues=error.issues, why=why, by=ask.form.text("by"))


def _page(ask: Ask) -> ProposalPage:
    found = proposals.open_proposal(ask.workspace, ask.study, ask.parts["id"])
    return ProposalPage(
        heading=f"A change of {found.proposal.title}",
        crumbs=(*_study(ask), ("Proposals", f"/studies/{ask.study}/proposals")),
        study=ask.study,
        found=found,
        states=STATES,
        may_define=ask.person.may("define"),
    )


def _study(ask: Ask) -> tuple[tuple[str, str], ...]:
    return ((name_study(ask.workspace, ask.study).title, f"/studies/{ask.study}"),)
