"""The questions of a harm on a page of their own: changed, seen as a flow, tried, and only then stored or proposed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from redloom.domain.harm import Harm
from redloom.domain.rubric import Rubric
from redloom.domain.value import read_value
from redloom.errors import InputError, Issue
from redloom.services.defining import Opened
from redloom.web.asking import Answer, Ask, Page
from redloom.web.crumbs import crumbs_of, opened_in
from redloom.web.editors import RUBRIC
from redloom.web.fields import Editor, Part
from redloom.web.routes import define, editing
from redloom.web.routes.define import as_json
from redloom.web.routes.editing import NOTHING, EditPage, Personal, by_field, open_asked, setting_of

QUESTIONS = Editor((Part("The questions", (RUBRIC,)),))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionsPage(EditPage):
    """The editor of a harm's questions, with the flow that they make."""

    template: ClassVar[str] = "questions.html.j2"
    rubric: Rubric | None
    """As it stands in the form; None where it is not one yet."""
    stored: bool
    """It is what is in force."""
    language: str


def edit(ask: Ask) -> Answer:
    """The questions as they are in force."""
    opened = _opened(ask)
    return _page(ask, opened, opened.newest.definition.content(), stored=True)


def send(ask: Ask) -> Answer:
    """The flow of what was sent, the same put to a conversation, or a new version or proposal of it."""
    if "given" in ask.form:
        return editing.save(_in_harms(ask))
    opened, way, base = _opened(ask), ask.form.text("way"), ask.form.text("base")
    before = opened.version(base).definition.content()
    if way == "back":
        content = {**before, "rubric": as_json(read_value(Rubric, ask.form.json("draft")))}
        return _page(ask, opened, content)
    content = {**before, **QUESTIONS.take(ask.form, before, setting_of(ask))}
    if way in ("look", "try"):
        try:
            harm = read_value(Harm, content)
        except InputError as error:
            return _page(ask, opened, content, issues=error.issues)
        if way == "look":
            return _page(ask, opened, content)
        draft = json.dumps(as_json(harm.rubric))
        return replace(define.try_page(ask, opened, harm.rubric, ()), draft=draft, base=base)

    def show(issues: Sequence[Issue], _: Personal) -> Page:
        return _page(ask, opened, content, issues=issues)

    store = editing.store if ask.person.may("define") else editing.store_proposal
    return store(ask, "harm", opened, content, show=show)


def _opened(ask: Ask) -> Opened:
    return open_asked(_in_harms(ask))


def _in_harms(ask: Ask) -> Ask:
    return replace(ask, parts={**ask.parts, "collection": "harms"})


def _page(
    ask: Ask,
    opened: Opened,
    content: Mapping[str, Any],
    *,
    issues: Sequence[Issue] = (),
    stored: bool = False,
) -> QuestionsPage:
    setting = setting_of(ask)
    try:
        rubric = read_value(Harm, content).rubric
    except InputError:
        rubric = None
    return QuestionsPage(
        heading=f"The questions of {opened.title}",
        crumbs=crumbs_of(ask, *opened_in(opened)),
        status=422 if issues else 200,
        kind="harm",
        slug=opened.slug,
        editor=QUESTIONS,
        content=content,
        setting=setting,
        base=ask.form.text("base") or opened.newest.digest,
        why=ask.form.text("why"),
        issues=tuple(issues),
        by_field=by_field(QUESTIONS, issues),
        personal=NOTHING,
        proposing=not ask.person.may("define"),
        rubric=rubric,
        stored=stored,
        language=setting.languages[0],
    )
