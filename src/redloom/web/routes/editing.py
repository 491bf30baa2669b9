"""Writing definitions: the editor, what was wrong with what it sent, and two who write the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast, get_args

from redloom.domain.scenario import DIMENSIONS
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import slugify
from redloom.services import defining, evidence, proposals
from redloom.services.defining import Opened, Saved
from redloom.services.evidence import mark_personal, take_out_personal, tell_personal
from redloom.services.showing import name_study
from redloom.services.sorting import open_sorting, with_examples
from redloom.web.asking import Action, Answer, Ask, Form, Page, See, Trouble
from redloom.web.crumbs import crumbs_of, listed, opened_in
from redloom.web.editors import ADDRESSES, COLLECTED, EDITORS, KINDS
from redloom.web.fields import Editor, Setting
from redloom.web.merging import Meeting, MergePage, carried, settle
from redloom.web.protocol_fields import RATERS
from redloom.web.rubrics import first_rubric

Personal = Mapping[str, Sequence[tuple[str, str]]]
"""Field -> its text in pieces, each with what it looks like, where something looks personal."""
Show = Callable[[Sequence[Issue], Personal], Page]
"""The page again, with what is wrong and what looks personal."""
NOTHING: Personal = {}
PERSONAL = get_args(evidence.Personal)
NEEDED: Mapping[str, Action] = {"case": "write", "study": "lead"}
"""Kind -> what one must be allowed to store it; for all others to define."""


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
    personal: Personal
    proposing: bool = False
    """Nothing is changed until somebody who may define accepts it."""


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
    if "given" in ask.form:
        return _save_settled(ask, opened)
    return store(ask, opened.kind, opened, _taken(ask, opened))


def draft(ask: Ask) -> Answer:
    """The editor of a change that is to be proposed."""
    opened = open_asked(ask)
    return editor_page(ask, opened.kind, opened, opened.newest.definition.content(), proposing=True)


def propose(ask: Ask) -> Answer:
    """Store a change that is proposed, or say why not."""
    opened = open_asked(ask)
    return store_proposal(ask, opened.kind, opened, _taken(ask, opened))


def new(ask: Ask) -> Answer:
    """The editor of a definition there is not yet; the address may say what is known of it."""
    kind = kind_of(ask)[0]
    known: dict[str, Any] = {name: value for name, value in ask.query.items if name in DIMENSIONS and value}
    if kind == "harm":
        known["rubric"] = first_rubric(name_study(ask.workspace, ask.study).languages[0])
    return editor_page(ask, kind, None, known, proposing=not ask.person.may("define"))


def add(ask: Ask) -> Answer:
    """Store a new definition, or propose it where somebody may no more; or say why not."""
    kind, _, _ = kind_of(ask)
    content = EDITORS[kind].take(ask.form, {}, setting_of(ask))
    slug = ask.form.text("slug") or slugify(str(content.get("title", "")))
    store_it = store if ask.person.may("define") else store_proposal
    return store_it(ask, kind, None, content, slug=slug)


def store(
    ask: Ask,
    kind: str,
    opened: Opened | None,
    content: Mapping[str, Any],
    *,
    slug: str = "",
    show: Show | None = None,
) -> Answer:
    """Store a version, or a new definition as ``slug``; or show the page again with why not.

    Where somebody else stored a version meanwhile, the page has both changes on it.
    """
    if not ask.person.may(NEEDED.get(kind, "define")):
        told = "You may propose this change; somebody who may define stores it."
        return Trouble(heading="That is not yours to do", told=told, status=403)
    slug = opened.slug if opened else slug
    show = show or _again(ask, kind, opened, content, slug=slug)
    content, personal = look_over(ask, kind, content)
    if personal:
        return show(tell_personal(personal), personal)
    base, why = ask.form.text("base") if opened else None, ask.form.text("why")
    try:
        done = defining.save_definition(ask.workspace, ask.study, kind, slug, content, base=base, why=why)
    except InputError as error:
        return show(error.issues, NOTHING)
    if isinstance(done, Saved):
        return See(_address(ask, kind, slug), "saved" if done.changed else "same")
    if opened is None:
        return show([Issue(f"there is one with the short name {slug!r} already", path="slug")], NOTHING)
    now = defining.open_definition(ask.workspace, ask.study, kind, slug)
    meeting = Meeting.of(now, made_from=base or "", seen=now.newest.digest, given=content)
    return _meeting_page(ask, now, meeting, met=True)


def store_proposal(
    ask: Ask,
    kind: str,
    opened: Opened | None,
    content: Mapping[str, Any],
    *,
    slug: str = "",
    show: Show | None = None,
) -> Answer:
    """Store a proposed change, or a proposed definition as ``slug``; or show the page again with why not."""
    slug = opened.slug if opened else slug
    show = show or _again(ask, kind, opened, content, slug=slug, proposing=True)
    content, personal = look_over(ask, kind, content)
    if personal:
        return show(tell_personal(personal), personal)
    base, why = ask.form.text("base") if opened else None, ask.form.text("why")
    try:
        id = proposals.propose(ask.workspace, ask.study, kind, slug, content, base=base, why=why)
    except InputError as error:
        return show(error.issues, NOTHING)
    return See(f"/studies/{ask.study}/proposals/{id}", "proposed")


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
    choices[RATERS] = defining.list_raters(ask.workspace, ask.study)
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
        personal=NOTHING,
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

    def show(issues: Sequence[Issue], _: Personal) -> Page:
        return _meeting_page(ask, opened, meeting, typed=settled.typed, issues=issues)

    if settled.issues:
        return show(settled.issues, NOTHING)
    return store(ask, opened.kind, opened, settled.content, show=show)


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


def _again(
    ask: Ask,
    kind: str,
    opened: Opened | None,
    content: Mapping[str, Any],
    *,
    slug: str,
    proposing: bool = False,
) -> Show:
    """The editor again with what was sent."""
    chosen = "" if opened else slug

    def show(issues: Sequence[Issue], personal: Personal) -> Page:
        page = editor_page(ask, kind, opened, content, proposing=proposing, issues=issues, chosen_slug=chosen)
        return replace(page, personal=personal)

    return show


def _heading(kind: str, opened: Opened | None, *, proposing: bool = False) -> str:
    one = "charter" if kind == "study" else COLLECTED[ADDRESSES[kind]][2]
    if opened is None:
        return f"Propose a new {one}" if proposing else f"A new {one}"
    name = "the charter" if kind == "study" else opened.title
    return f"Propose a change of {name}" if proposing else f"Edit {name}"


def _address(ask: Ask, kind: str, slug: str) -> str:
    return f"/studies/{ask.study}" + ("" if kind == "study" else f"/{ADDRESSES[kind]}/{slug}")


def _taken(ask: Ask, opened: Opened) -> Mapping[str, Any]:
    """What the editor sent, made from the version that it began with."""
    before = opened.version(ask.form.text("base")).definition.content()
    return EDITORS[opened.kind].take(ask.form, before, setting_of(ask))


def personal_of(form: Form) -> evidence.Personal:
    """What is to become of what looks personal, as a form says."""
    return cast(evidence.Personal, given) if (given := form.text("personal")) in PERSONAL else "told"


def look_over(ask: Ask, kind: str, content: Mapping[str, Any]) -> tuple[Mapping[str, Any], Personal]:
    """A content as it is to be stored, and what looks personal in it and is not settled; only evidence is looked over."""
    way = personal_of(ask.form) if kind == "evidence" else "stays"
    if way == "taken_out":
        return take_out_personal(content), NOTHING
    return content, mark_personal(content) if way == "told" else NOTHING
