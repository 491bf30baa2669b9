"""Who stands behind a harm, and who disagrees with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from redloom.errors import InputError
from redloom.services import defining
from redloom.services.defining import Opened
from redloom.services.sorting import open_sorting, write_why
from redloom.web.asking import Answer, Ask, See
from redloom.web.crumbs import crumbs_of, opened_in
from redloom.web.editors import RUBRIC
from redloom.web.fields import Editor, Local, Part
from redloom.web.routes.editing import NOTHING, EditPage, by_field, setting_of

DISSENT = Editor(
    (
        Part(
            "Your disagreement",
            (
                Local(
                    "definition", "How you would define it", "Leave it empty where the definition is right."
                ),
            ),
        ),
        Part(
            "Your questions",
            (RUBRIC,),
            "Where you would ask something else. Those who judge can then use yours too, and reports show both numbers.",
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DissentPage(EditPage):
    """The editor of a disagreement."""

    template: ClassVar[str] = "dissent.html.j2"
    number: int
    """Of the version it is about."""
    by: str = ""
    reason: str = ""


def endorse(ask: Ask) -> Answer:
    """Stand behind a version of a harm: the one that was on the page."""
    by, base = ask.form.text("by") or ask.person.name, ask.form.text("base")
    slug = ask.parts["slug"]
    newest = defining.endorse(
        ask.workspace, ask.study, slug, by=by, why=ask.form.text("why"), about=base or None
    )
    return See(f"/studies/{ask.study}/harms/{slug}", "endorsed" if newest else "endorsed-before")


def uphold(ask: Ask) -> Answer:
    """Say that a disagreement with an earlier version holds for the newest one."""
    slug = ask.parts["slug"]
    defining.uphold_dissent(ask.workspace, ask.study, slug, ask.form.text("dissent"))
    return See(f"/studies/{ask.study}/harms/{slug}", "upheld")


def disagree(ask: Ask) -> Answer:
    """The editor of a disagreement, with the rubric there is, and with what was sorted as its reason."""
    opened = _opened(ask)
    page = _page(ask, opened, {"rubric": opened.newest.definition.content()["rubric"]})
    if sorting := ask.query.text("sorting"):
        kept = open_sorting(ask.workspace, ask.study, opened.slug, sorting)
        return replace(page, by=kept.sorting.by, reason=write_why(kept))
    return page


def dissent(ask: Ask) -> Answer:
    """Record a disagreement; with a version that came meanwhile, somebody looks at it first."""
    opened = _opened(ask)
    about = opened.version(ask.form.text("base"))
    rubric = about.definition.content()["rubric"]
    given = DISSENT.take(ask.form, {"rubric": rubric}, setting_of(ask))
    body = {name: value for name, value in given.items() if name != "rubric" or value != rubric}
    body |= {"by": ask.form.text("by"), "why": ask.form.text("why")}
    try:
        if about.digest != opened.newest.digest:
            raise InputError(
                f"version {opened.newest.number} came while you wrote, by {opened.newest.author}; "
                "look whether you still disagree, then record it: nothing of yours is lost"
            )
        defining.dissent(ask.workspace, ask.study, opened.slug, body)
    except InputError as error:
        return _page(ask, opened, {"rubric": rubric, **given}, error)
    return See(f"/studies/{ask.study}/harms/{opened.slug}", "dissented")


def _opened(ask: Ask) -> Opened:
    return defining.open_definition(ask.workspace, ask.study, "harm", ask.parts["slug"])


def _page(
    ask: Ask, opened: Opened, content: Mapping[str, Any], error: InputError | None = None
) -> DissentPage:
    issues = error.issues if error else ()
    return DissentPage(
        heading=f"Disagree with {opened.title}",
        crumbs=crumbs_of(ask, *opened_in(opened)),
        status=422 if error else 200,
        kind="harm",
        slug=opened.slug,
        number=opened.newest.number,
        editor=DISSENT,
        content=content,
        setting=setting_of(ask),
        base=opened.newest.digest,
        issues=tuple(issues),
        by_field=by_field(DISSENT, issues),
        personal=NOTHING,
        by=ask.form.text("by"),
        reason=ask.form.text("why"),
    )
