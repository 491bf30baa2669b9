"""Test conversations: the list, one of them, writing them, and deciding on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from redloom.domain.case import STATUSES
from redloom.errors import InputError
from redloom.ids import is_slug
from redloom.services.case_pages import (
    CaseTable,
    LineQuery,
    Sort,
    WholeCase,
    free_slug,
    list_page,
    next_waiting,
    open_case,
)
from redloom.services.cases import ACTIONS, VALIDITY, label_validity, review_matching, review_seen
from redloom.services.showing import name_study
from redloom.web.asking import Answer, Ask, Form, Page, See, number_in
from redloom.web.crumbs import crumbs_of
from redloom.web.editors import EDITORS
from redloom.web.routes import define, editing

SORTS: Mapping[str, str] = {"newest": "newest first", "oldest": "oldest first", "name": "by name"}
FILTERS = ("status", "context", "persona", "interaction_type", "harm", "language", "origin", "scenario")
CHOSEN: Mapping[str, str] = {
    "context": "Context",
    "persona": "User",
    "interaction_type": "Way of talking",
    "harm": "Harm",
    "language": "Language",
    "origin": "Origin",
}
"""Filter that one chooses from a list -> its words on the screen."""
DONE: Mapping[str, str] = {
    "submit": "submitted",
    "accept": "accepted",
    "reject": "rejected",
    "retire": "retired",
    "reopen": "reopened",
}
"""What was done -> the key of what the page says then."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one is in the list."""

    study: str
    query: LineQuery
    sort: str
    after: str = ""
    before: str = ""

    def to(self, **changes: str) -> str:
        """The first page of the list with another state or order, or another page of it."""
        asked = {**self.fields, "after": "", "before": "", **changes}
        words = urlencode({name: value for name, value in asked.items() if value})
        return f"/studies/{self.study}/cases" + (f"?{words}" if words else "")

    @property
    def fields(self) -> Mapping[str, str]:
        """All of it, as a form carries it."""
        return {
            "q": self.query.text,
            **{name: getattr(self.query, name) for name in FILTERS},
            "sort": "" if self.sort == "newest" else self.sort,
            "after": self.after,
            "before": self.before,
        }

    @property
    def narrowed(self) -> int:
        """How many of the filters that one chooses from a list are in force."""
        return sum(bool(getattr(self.query, name)) for name in CHOSEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasesPage(Page):
    """The list of test conversations."""

    template: ClassVar[str] = "cases.html.j2"
    moment: ClassVar[str] = "cases"
    study: str
    found: CaseTable
    place: Place
    did: str = ""
    """What was just done with several: ``accepted`` and so on."""
    moved: int = 0
    left: int = 0
    """How many matched too, and were left since they came or changed after the list was shown."""
    changed: tuple[str, ...] = ()
    """Those that stood in the way of a decision, since they changed after the list was shown."""
    chosen: tuple[str, ...] = ()
    """Those that stay chosen then."""
    why: str = ""
    filters: tuple[tuple[str, str], ...] = tuple(CHOSEN.items())
    sorts: tuple[tuple[str, str], ...] = tuple(SORTS.items())
    statuses: tuple[str, ...] = STATUSES
    actions: tuple[str, ...] = tuple(ACTIONS)
    may_write: bool
    may_review: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage(Page):
    """One test conversation."""

    template: ClassVar[str] = "case.html.j2"
    moment: ClassVar[str] = "cases"
    study: str
    found: WholeCase
    changed: bool = False
    """Somebody decided on the version before this one, which was not taken."""
    why: str = ""
    validity: tuple[str, ...] = VALIDITY
    language: str
    may_write: bool
    may_review: bool
    may_label: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage(Page):
    """One test conversation that waits for a decision, or that none does."""

    template: ClassVar[str] = "queue.html.j2"
    moment: ClassVar[str] = "review"
    study: str
    found: WholeCase | None
    was: str
    """The one that was decided on before; empty for none."""
    language: str
    may_review: bool


def listing(ask: Ask) -> Answer:
    """The test conversations that match."""
    did = ask.query.text("did")
    moved, left = (number_in(ask.query.text(name), 0) for name in ("moved", "left"))
    return replace(
        _list_page(ask, _place(ask.study, ask.query)),
        did=did if did in DONE.values() else "",
        moved=moved,
        left=left,
    )


def decide_on_several(ask: Ask) -> Answer:
    """Move those that were chosen, or all that match, to a review state; where one has changed, none."""
    action, why, place = ask.form.text("action"), ask.form.text("why"), _place(ask.study, ask.form)
    if ask.form.text("all"):
        newest = number_in(ask.form.text("newest"), None)
        if newest is None:
            raise InputError("the form does not say what was shown; open the list again")
        done = review_matching(ask.workspace, ask.study, action, place.query, newest=newest, why=why)
    else:
        seen = dict(_seen(value) for value in ask.form.all("case"))
        done = review_seen(ask.workspace, ask.study, action, seen, why=why)
        if done.changed:
            chosen = tuple(slug for slug in seen if slug not in done.changed)
            page = _list_page(ask, place)
            return replace(page, status=409, changed=done.changed, chosen=chosen, why=why)
    here = {"after": place.after, "before": place.before}
    if not done.moved and not done.left:
        return See(place.to(**here), "unmoved")
    return See(place.to(**here, did=DONE[action], moved=str(done.moved), left=str(done.left or "")))


def _list_page(ask: Ask, place: Place) -> CasesPage:
    after = "" if place.before else place.after
    sort = cast(Sort, place.sort)
    found = list_page(ask.workspace, ask.study, place.query, sort=sort, after=after, before=place.before)
    return CasesPage(
        heading="Test conversations",
        crumbs=crumbs_of(ask),
        study=ask.study,
        found=found,
        place=place,
        may_write=ask.person.may("write"),
        may_review=ask.person.may("review"),
    )


def _seen(value: str) -> tuple[str, str]:
    """(slug, digest that was seen) of what a box of the list sends."""
    slug, _, digest = value.partition(" ")
    return slug, digest


def entry(ask: Ask) -> Answer:
    """One test conversation."""
    return _case_page(ask)


def _case_page(ask: Ask) -> CasePage:
    found = open_case(ask.workspace, ask.study, ask.parts["slug"])
    return CasePage(
        heading=found.view.slug,
        crumbs=crumbs_of(ask, ("Test conversations", "cases")),
        study=ask.study,
        found=found,
        language=name_study(ask.workspace, ask.study).languages[0],
        may_write=ask.person.may("write"),
        may_review=ask.person.may("review"),
        may_label=ask.person.may("propose"),
    )


def decide(ask: Ask) -> Answer:
    """Move one to a review state as it was seen; from the queue one goes on to the next."""
    slug, action, why = ask.parts["slug"], ask.form.text("action"), ask.form.text("why")
    done = review_seen(ask.workspace, ask.study, action, {slug: ask.form.text("seen")}, why=why)
    if done.changed:
        return replace(_case_page(ask), status=409, changed=True, why=why)
    root = f"/studies/{ask.study}"
    return See(
        f"{root}/review?was={slug}" if ask.form.text("queue") else f"{root}/cases/{slug}", DONE[action]
    )


def label(ask: Ask) -> Answer:
    """Record what somebody thinks it tests, as it was seen."""
    slug, why = ask.parts["slug"], ask.form.text("why")
    chosen, seen = ask.form.text("label"), ask.form.text("seen")
    done = label_validity(ask.workspace, ask.study, slug, chosen, seen=seen, why=why)
    if done.changed:
        return replace(_case_page(ask), status=409, changed=True)
    return See(f"/studies/{ask.study}/cases/{slug}", "labelled")


def queue(ask: Ask) -> Answer:
    """The next one that waits, after the one that was skipped."""
    found = next_waiting(ask.workspace, ask.study, after=ask.query.text("after"))
    return QueuePage(
        heading="Review" if found is None else f"Review: {found.view.slug}",
        crumbs=crumbs_of(ask),
        study=ask.study,
        found=found,
        was=was if is_slug(was := ask.query.text("was")) else "",
        language=name_study(ask.workspace, ask.study).languages[0],
        may_review=ask.person.may("review"),
    )


def new(ask: Ask) -> Answer:
    """The editor of one there is not yet."""
    known = {name: value for name, value in ask.query.items if name in ("scenario", "harm") and value}
    return editing.editor_page(ask, "case", None, known)


def add(ask: Ask) -> Answer:
    """Store a new one, or say why not."""
    written: Mapping[str, Any] = {"provenance": {"author": ask.person.name, "origin": "human"}}
    content = EDITORS["case"].take(ask.form, written, editing.setting_of(ask))
    slug = ask.form.text("slug") or free_slug(ask.workspace, ask.study, str(content.get("scenario", "")))
    return editing.store(ask, "case", None, content, slug=slug)


def edit(ask: Ask) -> Answer:
    """The editor of one."""
    return editing.edit(_in_cases(ask))


def save(ask: Ask) -> Answer:
    """Store what the editor sent, or say why not."""
    return editing.save(_in_cases(ask))


def history(ask: Ask) -> Answer:
    """The versions of one."""
    return define.history(_in_cases(ask))


def _in_cases(ask: Ask) -> Ask:
    return replace(ask, parts={**ask.parts, "collection": "cases"})


def _place(study: str, form: Form) -> Place:
    sort = form.text("sort")
    return Place(
        study=study,
        query=LineQuery(text=form.text("q"), **{name: form.text(name) for name in FILTERS}),
        sort=sort if sort in SORTS else "newest",
        after=form.text("after"),
        before=form.text("before"),
    )
