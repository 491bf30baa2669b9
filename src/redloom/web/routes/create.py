"""Test conversations: the list, one of them, writing them, and deciding on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from redloom.domain.case import STATUSES
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
from redloom.services.cases import ACTIONS, VALIDITY, label_validity, review, review_matching
from redloom.services.showing import name_study
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.crumbs import crumbs_of
from redloom.web.editors import EDITORS
from redloom.web.routes import define, editing

SORTS: Mapping[str, str] = {"newest": "newest first", "oldest": "oldest first", "name": "by name"}
FILTERS = ("status", "harm", "language", "origin", "scenario")
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

    def to(self, **changes: str) -> str:
        """The list with another state, order or place."""
        asked = {"q": self.query.text, **{name: getattr(self.query, name) for name in FILTERS}}
        given = {**asked, "sort": "" if self.sort == "newest" else self.sort, **changes}
        words = urlencode({name: value for name, value in given.items() if value})
        return f"/studies/{self.study}/cases" + (f"?{words}" if words else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CasesPage(Page):
    """The list of test conversations."""

    template: ClassVar[str] = "cases.html.j2"
    moment: ClassVar[str] = "cases"
    study: str
    found: CaseTable
    place: Place
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
    language: str
    may_review: bool


def listing(ask: Ask) -> Answer:
    """The test conversations that match."""
    sort = ask.query.text("sort")
    sort = sort if sort in SORTS else "newest"
    query = _query(ask.query)
    after, before = ask.query.text("after"), ask.query.text("before")
    found = list_page(
        ask.workspace, ask.study, query, sort=cast(Sort, sort), after="" if before else after, before=before
    )
    return CasesPage(
        heading="Test conversations",
        crumbs=crumbs_of(ask),
        study=ask.study,
        found=found,
        place=Place(ask.study, query, sort),
        may_write=ask.person.may("write"),
        may_review=ask.person.may("review"),
    )


def decide_on_several(ask: Ask) -> Answer:
    """Move those that were chosen, or all that match, to a review state."""
    action, why = ask.form.text("action"), ask.form.text("why")
    where = f"/studies/{ask.study}/cases"
    if ask.form.text("all"):
        moved = review_matching(ask.workspace, ask.study, action, _query(ask.form), why=why)
    else:
        moved = review(ask.workspace, ask.study, action, ask.form.all("case"), why=why)
    return See(where, DONE[action] if moved else "unmoved")


def entry(ask: Ask) -> Answer:
    """One test conversation."""
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
    """Move one to a review state; from the queue one goes on to the next."""
    slug, action = ask.parts["slug"], ask.form.text("action")
    review(ask.workspace, ask.study, action, [slug], why=ask.form.text("why"))
    root = f"/studies/{ask.study}"
    return See(f"{root}/review" if ask.form.text("queue") else f"{root}/cases/{slug}", DONE[action])


def label(ask: Ask) -> Answer:
    """Record what somebody thinks it tests."""
    slug = ask.parts["slug"]
    label_validity(ask.workspace, ask.study, slug, ask.form.text("label"), why=ask.form.text("why"))
    return See(f"/studies/{ask.study}/cases/{slug}", "labelled")


def queue(ask: Ask) -> Answer:
    """The next one that waits, after the one that was skipped."""
    found = next_waiting(ask.workspace, ask.study, after=ask.query.text("after"))
    return QueuePage(
        heading="Review" if found is None else f"Review: {found.view.slug}",
        crumbs=crumbs_of(ask),
        study=ask.study,
        found=found,
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


def _query(form: Any) -> LineQuery:
    return LineQuery(text=form.text("q"), **{name: form.text(name) for name in FILTERS})
