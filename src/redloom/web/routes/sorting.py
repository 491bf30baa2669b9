"""Sorting replies on a harm, step by step; nothing is kept in between but in the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

from redloom.domain.harm import Harm
from redloom.domain.rubric import Rubric
from redloom.domain.sorting import MOST_REPLIES
from redloom.errors import InputError, Issue
from redloom.services import sorting
from redloom.services.defining import Opened, open_definition
from redloom.services.showing import name_study
from redloom.services.sorting import Kept, Laid, Reply
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.crumbs import crumbs_of

Step = Literal["choose", "sort", "answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SortPage(Page):
    """One step of sorting."""

    template: ClassVar[str] = "sort.html.j2"
    moment: ClassVar[str] = "define"
    step: Step
    held: tuple[Reply, ...] = ()
    """What there is to sort of this study's conversations."""
    pasted: str = ""
    laid: tuple[Laid, ...] = ()
    by: str = ""
    base: str
    rubric: Rubric
    language: str
    most: int = MOST_REPLIES
    issues: tuple[Issue, ...] = ()
    by_field: Mapping[str, str]
    closed: bool
    """This person wants replies about the harm closed until they open them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedPage(Page):
    """What somebody sorted, beside what the definition says."""

    template: ClassVar[str] = "sorted.html.j2"
    moment: ClassVar[str] = "define"
    here: str
    """The address of the harm."""
    kept: Kept
    closed: bool
    language: str
    may_define: bool


def choose(ask: Ask) -> Answer:
    """Where the replies come from."""
    page = _page(ask, _opened(ask), "choose")
    return replace(page, held=tuple(sorting.held_replies(ask.workspace, ask.study, ask.parts["slug"])))


def sort(ask: Ask) -> Answer:
    """The next step with what was said so far; at the last it is kept."""
    opened, step = _opened(ask), ask.form.text("step")
    page = _page(ask, opened, "sort")
    laid = _laid(ask, page.rubric)
    try:
        if step in ("held", "pasted"):
            return replace(page, laid=_begin(ask, page.rubric, step))
        if step in ("answer", "keep"):
            sorting.check(page.by, laid)
        if step == "keep":
            slug, base = opened.slug, page.base
            id = sorting.keep(ask.workspace, ask.study, slug, base=base, by=page.by, laid=laid)
            return See(f"{_harm(ask)}/sort/{id}", "sorted")
    except InputError as error:
        return _wrong(ask, page, laid, error)
    return replace(page, laid=laid, step="answer" if step == "answer" else "sort")


def result(ask: Ask) -> Answer:
    """What somebody sorted."""
    kept = sorting.open_sorting(ask.workspace, ask.study, ask.parts["slug"], ask.parts["id"])
    page = _page(ask, _opened(ask), "choose")
    return SortedPage(
        heading=f"Replies sorted as {kept.sorting.by}",
        crumbs=page.crumbs,
        here=_harm(ask),
        kept=kept,
        closed=page.closed,
        language=page.language,
        may_define=ask.person.may("define"),
    )


def _begin(ask: Ask, rubric: Rubric, step: str) -> tuple[Laid, ...]:
    if step == "pasted":
        found: Sequence[Reply] = sorting.pasted_replies(ask.form.text("pasted"))
    else:
        found = sorting.held_replies(ask.workspace, ask.study, ask.parts["slug"])
    return tuple(sorting.lay(one.text, one.source, "", "", rubric, {}) for one in found)


def _laid(ask: Ask, rubric: Rubric) -> tuple[Laid, ...]:
    """The replies that the form carries, with all that was said of them."""
    form, found = ask.form, list[Laid]()
    for number in range(MOST_REPLIES):
        text = form.text(f"text:{number}")
        if not text:
            break
        answers = {name: form.text(f"answer:{number}:{name}") for name in rubric.questions}
        answers = {name: answer for name, answer in answers.items() if answer}
        sort = form.text(f"sorted:{number}")
        source = form.text(f"source:{number}") or "pasted"
        reason = form.text(f"reason:{number}")
        found.append(sorting.lay(text, source, sort, reason, rubric, answers))
    return tuple(found)


def _wrong(ask: Ask, page: SortPage, laid: tuple[Laid, ...], error: InputError) -> SortPage:
    """The step again, with all that is wrong; one that has no replies yet begins again."""
    by_field = {issue.path: issue.message for issue in error.issues}
    page = replace(page, status=422, issues=tuple(error.issues), by_field=by_field, laid=laid)
    if laid:
        return page
    held = tuple(sorting.held_replies(ask.workspace, ask.study, ask.parts["slug"]))
    return replace(page, step="choose", held=held, pasted=ask.form.text("pasted"))


def _page(ask: Ask, opened: Opened, step: Step) -> SortPage:
    found = name_study(ask.workspace, ask.study)
    base = ask.form.text("base")
    about = next((version for version in opened.versions if version.digest == base), opened.newest)
    return SortPage(
        heading=f"Sort replies on {opened.title}",
        crumbs=crumbs_of(ask, ("Harms", "harms"), (opened.title, f"harms/{opened.slug}")),
        step=step,
        base=about.digest,
        rubric=cast(Harm, about.definition).rubric,
        language=found.languages[0],
        by=ask.form.text("by"),
        by_field={},
        closed=ask.reading.closed(ask.parts["slug"]),
    )


def _opened(ask: Ask) -> Opened:
    return open_definition(ask.workspace, ask.study, "harm", ask.parts["slug"])


def _harm(ask: Ask) -> str:
    return f"/studies/{ask.study}/harms/{ask.parts['slug']}"
