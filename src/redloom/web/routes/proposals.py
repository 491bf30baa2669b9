"""What is proposed: reading it, and deciding on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from redloom.domain.harm import Harm
from redloom.domain.value import read_value
from redloom.errors import InputError, Issue
from redloom.services import proposals
from redloom.services.defining import Meanwhile, Opened, open_definition
from redloom.services.evidence import tell_personal
from redloom.services.proposals import Proposal, Proposed
from redloom.web.asking import Answer, Ask, Page, See, Trouble
from redloom.web.crumbs import crumbs_of
from redloom.web.editors import EDITORS
from redloom.web.fields import Editor
from redloom.web.merging import Meeting, MergePage, carried
from redloom.web.merging import settle as settle_form
from redloom.web.routes.editing import by_field, look_over, setting_of

STATES: Mapping[str, str] = {
    "open": "open",
    "accepted": "accepted",
    "declined": "declined",
    "dissent": "kept as dissent",
}
"""What a state is called."""
PROPOSALS = ("Proposals", "proposals")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalsPage(Page):
    """All proposals of a study."""

    template: ClassVar[str] = "proposals.html.j2"
    moment: ClassVar[str] = "proposals"
    study: str
    found: tuple[Proposal, ...]
    states: Mapping[str, str]
    may_propose: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalPage(Page):
    """One proposal."""

    template: ClassVar[str] = "proposal.html.j2"
    moment: ClassVar[str] = "proposals"
    study: str
    found: Proposed
    content: Mapping[str, Any]
    harm: Harm | None
    """A harm that is new, to be read with its questions."""
    editor: Editor
    language: str
    titles: Mapping[str, str]
    """``kind/slug`` -> title of what it may name."""
    states: Mapping[str, str]
    may_decide: bool
    who_decides: str
    why: str = ""
    by: str = ""
    slug: str = ""
    """Of a new definition."""
    issues: tuple[Issue, ...] = ()


class SettlePage(MergePage):
    """A proposal beside what is in force."""

    moment: ClassVar[str] = "proposals"


def listing(ask: Ask) -> Answer:
    """All proposals, open ones first."""
    return ProposalsPage(
        heading="Proposals",
        crumbs=crumbs_of(ask),
        study=ask.study,
        found=tuple(proposals.list_proposals(ask.workspace, ask.study)),
        states=STATES,
        may_propose=ask.person.may("propose"),
    )


def proposal(ask: Ask) -> Answer:
    """One proposal with its differences."""
    return _page(ask, proposals.open_proposal(ask.workspace, ask.study, ask.parts["id"]))


def decide(ask: Ask) -> Answer:
    """Accept it, decline it, or keep it as dissent; or say why that cannot be."""
    workspace, study, id = ask.workspace, ask.study, ask.parts["id"]
    way, why, here = ask.form.text("way"), ask.form.text("why"), f"/studies/{study}/proposals/{id}"
    found = proposals.open_proposal(workspace, study, id)
    if not _may_decide(ask, found.proposal.kind):
        return _not_yours()
    try:
        if way == "accept":
            seen, slug = ask.form.text("seen", found.seen), ask.form.text("slug")
            done = proposals.accept(workspace, study, id, seen=seen, slug=slug, why=why)
            if isinstance(done, Meanwhile):
                raise InputError(
                    f"{done.stored.author} saved version {done.stored.number} while you looked; "
                    "look again, what is below is against that one"
                )
            return See(here, "change-accepted")
        if way == "dissent":
            proposals.keep_as_dissent(workspace, study, id, by=ask.form.text("by"), why=why)
            return See(here, "as_dissent")
        proposals.decline(workspace, study, id, why=why)
        return See(here, "declined")
    except InputError as error:
        page = _page(ask, proposals.open_proposal(workspace, study, id))
        slug = ask.form.text("slug") or page.slug
        return replace(page, status=422, issues=error.issues, why=why, by=ask.form.text("by"), slug=slug)


def meeting(ask: Ask) -> Answer:
    """A proposal beside what is in force, to choose and to change before it is accepted."""
    found = proposals.open_proposal(ask.workspace, ask.study, ask.parts["id"])
    if not _may_decide(ask, found.proposal.kind):
        return _not_yours()
    opened = _opened(ask, found)
    if opened is None:
        return _meeting_page(ask, found, Meeting.of_new(found.proposal.kind, found.body))
    now = opened.newest.digest
    return _meeting_page(ask, found, Meeting.of(opened, made_from=found.base, seen=now, given=found.body))


def settle(ask: Ask) -> Answer:
    """Store what was made of it; or show it again, with what came meanwhile."""
    found = proposals.open_proposal(ask.workspace, ask.study, ask.parts["id"])
    if not _may_decide(ask, found.proposal.kind):
        return _not_yours()
    opened = _opened(ask, found)
    met = carried(ask.form, opened, found.proposal.kind)
    made = settle_form(ask.form, met, setting_of(ask))
    content, personal = look_over(ask, met.kind, made.content)
    issues = (*made.issues, *(tell_personal(personal) if personal else ()))
    if issues:
        return _meeting_page(ask, found, met, typed=made.typed, issues=issues)
    try:
        done = proposals.accept(
            ask.workspace,
            ask.study,
            found.proposal.id,
            seen=met.seen,
            content=content,
            slug=ask.form.text("slug"),
            why=ask.form.text("why"),
        )
    except InputError as error:
        return _meeting_page(ask, found, met, typed=made.typed, issues=error.issues)
    if isinstance(done, Meanwhile) and opened is not None:
        now = open_definition(ask.workspace, ask.study, opened.kind, opened.slug)
        again = Meeting.of(now, made_from=met.seen, seen=now.newest.digest, given=made.content)
        return _meeting_page(ask, found, again, came=True)
    return See(f"/studies/{ask.study}/proposals/{found.proposal.id}", "change-accepted")


def _not_yours() -> Trouble:
    told = "What a study says of itself is decided by its lead."
    return Trouble(heading="That is not yours to do", told=told, status=403)


def _may_decide(ask: Ask, kind: str) -> bool:
    return ask.person.may("lead" if kind == "study" else "define")


def _opened(ask: Ask, found: Proposed) -> Opened | None:
    """The definition that is to be changed; None for a new one."""
    if found.proposal.new:
        return None
    return open_definition(ask.workspace, ask.study, found.proposal.kind, found.proposal.slug)


def _meeting_page(
    ask: Ask,
    found: Proposed,
    met: Meeting,
    *,
    typed: Mapping[str, Any] | None = None,
    issues: Sequence[Issue] = (),
    came: bool = False,
) -> SettlePage:
    one = found.proposal
    return SettlePage.of(
        ask,
        met,
        heading=f"Accept with changes: {found.title}",
        crumbs=crumbs_of(ask, PROPOSALS, (_heading(found), f"proposals/{one.id}")),
        setting=setting_of(ask),
        typed=typed,
        issues=issues,
        by_field=by_field(EDITORS[one.kind], issues),
        given_words="what you settled on" if came else f"proposed by {one.author}",
        met=came,
        slug=ask.form.text("slug") or one.slug if one.new else "",
        why_help=f"It becomes a version in the name of {one.author}; the history says that you accepted it.",
        button="Accept this",
    )


def _heading(found: Proposed) -> str:
    return f"New: {found.title}" if found.proposal.new else f"A change of {found.title}"


def _page(ask: Ask, found: Proposed) -> ProposalPage:
    setting, one = setting_of(ask), found.proposal
    return ProposalPage(
        heading=_heading(found),
        crumbs=crumbs_of(ask, PROPOSALS),
        study=ask.study,
        found=found,
        content=found.body,
        harm=read_value(Harm, found.body) if one.kind == "harm" and one.new else None,
        editor=EDITORS[one.kind],
        language=setting.languages[0],
        titles={f"{kind}/{slug}": title for kind, pairs in setting.choices.items() for slug, title in pairs},
        states=STATES,
        may_decide=_may_decide(ask, one.kind),
        who_decides="the lead of the study" if one.kind == "study" else "an expert or the lead of the study",
        slug=one.slug if one.new else "",
    )
