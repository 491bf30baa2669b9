"""Writing definitions: the editor, what was wrong with what it sent, and two who write the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from redloom.domain.scenario import DIMENSIONS
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import slugify
from redloom.services import defining, proposals
from redloom.services.defining import Meanwhile, Opened
from redloom.services.evidence import mark_personal, tell_personal
from redloom.services.showing import name_study
from redloom.services.sorting import open_sorting, with_examples
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.crumbs import crumbs_of, listed, opened_in
from redloom.web.editors import ADDRESSES, COLLECTED, EDITORS, KINDS
from redloom.web.fields import Editor, Setting
from redloom.web.merging import Meeting, MergePage, carried, settle


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPage(Page):
    """The editor of a definition, with what was wrong with what was sent."""

    template: ClassVar[str] = "edit.html.j2"
    moment: ClassVar[str] = "define"
    kind: str
    slug: str
    """Empty for a new one."""
    editor: Editor
    content: Mapping[str, Any]
    setting: Setting
    base: str
    why: str = ""
    issues: tuple[Issue, ...] = ()
    by_field: Mapping[str, str]
    """Field -> what is wrong there."""
    chosen_slug: str = ""
    personal: Mapping[str, Sequence[tuple[str, str]]] = field(
        default_factory=dict[str, Sequence[tuple[str, str]]]
    )
    """Field -> its text in pieces, each with what it looks like, where something looks personal."""
    proposing: bool = False
    """Nothing is changed until somebody who may define accepts it."""


Show = Callable[[Sequence[Issue], Mapping[str, Sequence[tuple[str, str]]]], Page]
"""The page again, with what is wrong and what looks personal."""


def edit(ask: Ask) -> Answer:
    """The editor of a definition; what was sorted on a harm can stand in it as examples."""
    opened = open_asked(ask)
    content: Mapping[str, Any] = opened.newest.definition.content()
    if opened.kind == "harm" and (sorting := ask.query.text("sorting")):
        content = with_examples(open_sorting(ask.workspace, ask.study, opened.slug, sorting), content)
    return editor_page(ask, opened.kind, opened, content)


def save(ask: Ask) -> Answer:
    """Store what the editor sent, or say why not."""
    opened = open_asked(ask)
    kind, base = opened.kind, ask.form.text("base")
    if "given" in ask.form:
        return _save_settled(ask, opened)
    content = EDITORS[kind].take(ask.form, _made_from(opened, base), setting_of(ask))
    return store_version(
        ask,
        opened,
        content,
        base,
        lambda issues, personal: editor_page(ask, kind, opened, content, issues=issues, personal=personal),
    )


def draft(ask: Ask) -> Answer:
    """The editor of a change that is to be proposed."""
    opened = open_asked(ask)
    return editor_page(ask, opened.kind, opened, opened.newest.definition.content(), proposing=True)


def propose(ask: Ask) -> Answer:
    """Store a change that is proposed, or say why not."""
    opened = open_asked(ask)
    base = ask.form.text("base")
    content = EDITORS[opened.kind].take(ask.form, _made_from(opened, base), setting_of(ask))
    return store_proposal(ask, opened.kind, opened, opened.slug, content, base)


def new(ask: Ask) -> Answer:
    """The editor of a definition there is not yet; the address may say what is known of it."""
    known = {name: value for name, value in ask.query.items if name in DIMENSIONS and value}
    return editor_page(ask, kind_of(ask)[0], None, known, proposing=not ask.person.may("define"))


def add(ask: Ask) -> Answer:
    """Store a new definition, or propose it where somebody may no more; or say why not."""
    kind, _, _ = kind_of(ask)
    content = EDITORS[kind].take(ask.form, {}, setting_of(ask))
    slug = ask.form.text("slug") or slugify(str(content.get("title", "")))
    if not ask.person.may("define"):
        return store_proposal(ask, kind, None, slug, content, None)
    return store_new(ask, kind, slug, content)


def store_new(ask: Ask, kind: str, slug: str, content: Mapping[str, Any]) -> Answer:
    """Store a new definition, or say why not."""

    def show(issues: Sequence[Issue], personal: Mapping[str, Sequence[tuple[str, str]]] = {}) -> Page:
        return editor_page(ask, kind, None, content, issues=issues, personal=personal, chosen_slug=slug)

    personal = personal_in(ask, kind, content)
    if personal:
        return show(tell_personal(personal), personal)
    try:
        done = defining.save_definition(
            ask.workspace, ask.study, kind, slug, content, base=None, why=ask.form.text("why")
        )
    except InputError as error:
        return show(error.issues)
    if isinstance(done, Meanwhile):
        return show([Issue(f"there is one with the short name {slug!r} already", path="slug")])
    return See(_address(ask, kind, slug), "saved" if done.changed else "same")


def open_asked(ask: Ask) -> Opened:
    """The definition that the address names; the charter where it names none."""
    if "collection" not in ask.parts:
        return defining.open_definition(ask.workspace, ask.study, "study", ask.study)
    return defining.open_definition(ask.workspace, ask.study, kind_of(ask)[0], ask.parts["slug"])


def kind_of(ask: Ask) -> tuple[str, str, str]:
    """Kind, and the words for many and for one; raises UnknownNameError for an address there is not."""
    collection = ask.parts.get("collection", "")
    if collection not in COLLECTED:
        raise UnknownNameError("part of a study", collection, KINDS)
    return COLLECTED[collection]


def setting_of(ask: Ask) -> Setting:
    """What editors know of the study."""
    choices = {
        kind: [(e.slug, e.title) for e in defining.list_definitions(ask.workspace, ask.study, kind)]
        for kind, _, _ in KINDS.values()
    }
    return Setting(languages=name_study(ask.workspace, ask.study).languages, choices=choices)


def editor_page(
    ask: Ask,
    kind: str,
    opened: Opened | None,
    content: Mapping[str, Any],
    *,
    proposing: bool = False,
    issues: Sequence[Issue] = (),
    chosen_slug: str = "",
    personal: Mapping[str, Sequence[tuple[str, str]]] = {},
) -> EditPage:
    """The editor with a content in it; ``opened`` is None for a definition there is not yet."""
    return EditPage(
        heading=_heading(kind, opened, proposing=proposing),
        crumbs=crumbs_of(ask, *(opened_in(opened) if opened else listed(kind))),
        status=422 if issues else 200,
        kind=kind,
        slug=opened.slug if opened else "",
        editor=EDITORS[kind],
        content=content,
        setting=setting_of(ask),
        base=ask.form.text("base") or (opened.newest.digest if opened else ""),
        why=ask.form.text("why"),
        issues=tuple(issues),
        by_field=by_field(EDITORS[kind], issues),
        chosen_slug=chosen_slug,
        personal=personal,
        proposing=proposing,
    )


def by_field(editor: Editor, issues: Sequence[Issue]) -> dict[str, str]:
    """What is wrong, under the field it is about."""
    found: dict[str, str] = {}
    paths = sorted((one.path for one in editor.fields()), key=len, reverse=True)
    for issue in issues:
        place = issue.path.replace("[", ".").replace("]", "")
        field = next((p for p in paths if place == p or place.startswith(p + ".")), place)
        found[field] = f"{found[field]}; {issue.message}" if field in found else issue.message
    return found


def _save_settled(ask: Ask, opened: Opened) -> Answer:
    """Store what was made of two changes; or show them again."""
    meeting = carried(ask.form, opened)
    settled = settle(ask.form, meeting, setting_of(ask))

    def show(issues: Sequence[Issue], personal: Mapping[str, Sequence[tuple[str, str]]]) -> Page:
        return _meeting_page(ask, opened, meeting, typed=settled.typed, issues=issues)

    if settled.issues:
        return show(settled.issues, {})
    return store_version(ask, opened, settled.content, meeting.seen, show)


def store_version(ask: Ask, opened: Opened, content: Mapping[str, Any], base: str, show: Show) -> Answer:
    """Store a new version, or show why not; or the two changes where somebody else stored one meanwhile."""
    personal = personal_in(ask, opened.kind, content)
    if personal:
        return show(tell_personal(personal), personal)
    why = ask.form.text("why")
    try:
        done = defining.save_definition(
            ask.workspace, ask.study, opened.kind, opened.slug, content, base=base, why=why
        )
    except InputError as error:
        return show(error.issues, {})
    if isinstance(done, Meanwhile):
        now = defining.open_definition(ask.workspace, ask.study, opened.kind, opened.slug)
        meeting = Meeting.of(now, made_from=base, seen=now.newest.digest, given=content)
        return _meeting_page(ask, now, meeting, met=True)
    return See(_address(ask, opened.kind, opened.slug), "saved" if done.changed else "same")


def _meeting_page(
    ask: Ask,
    opened: Opened,
    meeting: Meeting,
    *,
    typed: Mapping[str, Any] | None = None,
    issues: Sequence[Issue] = (),
    met: bool = False,
) -> MergePage:
    return MergePage.of(
        ask,
        meeting,
        heading=_heading(opened.kind, opened),
        crumbs=crumbs_of(ask, *opened_in(opened)),
        setting=setting_of(ask),
        typed=typed,
        issues=issues,
        by_field=by_field(EDITORS[opened.kind], issues),
        given_words="yours",
        met=met,
        button="Save",
    )


def store_proposal(
    ask: Ask,
    kind: str,
    opened: Opened | None,
    slug: str,
    content: Mapping[str, Any],
    base: str | None,
    show: Show | None = None,
) -> Answer:
    """Store a proposed change, or with the base None a proposed definition; or show why not."""
    personal = personal_in(ask, kind, content)
    try:
        if personal:
            raise InputError(tell_personal(personal))
        why = ask.form.text("why")
        id = proposals.propose(ask.workspace, ask.study, kind, slug, content, base=base, why=why)
    except InputError as error:
        if show is not None:
            return show(error.issues, personal)
        return editor_page(
            ask,
            kind,
            opened,
            content,
            proposing=True,
            issues=error.issues,
            chosen_slug="" if opened else slug,
            personal=personal,
        )
    return See(f"/studies/{ask.study}/proposals/{id}", "proposed")


def _heading(kind: str, opened: Opened | None, *, proposing: bool = False) -> str:
    one = "charter" if kind == "study" else COLLECTED[ADDRESSES[kind]][2]
    if opened is None:
        return f"Propose a new {one}" if proposing else f"A new {one}"
    name = "the charter" if kind == "study" else opened.title
    return f"Propose a change of {name}" if proposing else f"Edit {name}"


def _address(ask: Ask, kind: str, slug: str) -> str:
    return f"/studies/{ask.study}" + ("" if kind == "study" else f"/{ADDRESSES[kind]}/{slug}")


def _made_from(opened: Opened, base: str) -> Mapping[str, Any]:
    """The content that an edit began with."""
    return opened.version(base).definition.content()


def personal_in(ask: Ask, kind: str, content: Mapping[str, Any]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """What looks personal in a piece of evidence, unless it was said that it may stay."""
    return {} if kind != "evidence" or "stay" in ask.form else mark_personal(content)
