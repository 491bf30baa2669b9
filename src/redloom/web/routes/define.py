"""Looking at what a study defines, and changing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from redloom.domain.harm import Harm
from redloom.domain.rubric import Outcome, Rubric
from redloom.domain.scenario import DIMENSIONS
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import slugify
from redloom.services import defining, proposals
from redloom.services.case_pages import Line, cases_of
from redloom.services.defining import Changed, Entry, Meanwhile, Opened
from redloom.services.evidence import mark_personal, tell_personal
from redloom.services.ordering import count_planned
from redloom.services.showing import name_study
from redloom.services.sorting import Kept, list_sortings, open_sorting, with_examples, write_why
from redloom.services.space import Map, draw
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.editors import COLLECTED, EDITORS, KINDS, RUBRIC
from redloom.web.fields import Editor, Local, Part, Setting

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
            "Your rubric",
            (RUBRIC,),
            "Change the questions to what you would ask. Judges can then use yours too, and reports show both numbers.",
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Page):
    """All definitions of a kind."""

    template: ClassVar[str] = "listing.html.j2"
    moment: ClassVar[str] = "define"
    collection: str
    one: str
    entries: tuple[Entry, ...]
    may_define: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage(Page):
    """One definition."""

    template: ClassVar[str] = "entry.html.j2"
    moment: ClassVar[str] = "define"
    collection: str
    one: str
    opened: Opened
    content: Mapping[str, Any]
    language: str
    titles: Mapping[str, str]
    """``kind/slug`` -> title of what it may name."""
    editor: Editor
    may_define: bool
    may_propose: bool
    proposed: int
    """How many proposals wait for a decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmPage(EntryPage):
    """A harm concept, as an encyclopedia has it."""

    template: ClassVar[str] = "harm.html.j2"
    harm: Harm
    sortings: tuple[Kept, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioPage(EntryPage):
    """A scenario with its test conversations."""

    template: ClassVar[str] = "scenario.html.j2"
    lines: tuple[Line, ...]
    many: int
    """How many it has."""
    may_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage(Page):
    """The versions of a definition, and what changed between two."""

    template: ClassVar[str] = "history.html.j2"
    moment: ClassVar[str] = "define"
    collection: str
    opened: Opened
    before: int
    after: int
    changes: tuple[Changed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPage(Page):
    """The editor of a definition, with what was wrong with what was sent."""

    template: ClassVar[str] = "edit.html.j2"
    moment: ClassVar[str] = "define"
    collection: str
    one: str
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
    meanwhile: Meanwhile | None = None
    chosen_slug: str = ""
    personal: Mapping[str, Sequence[tuple[str, str]]] = field(
        default_factory=dict[str, Sequence[tuple[str, str]]]
    )
    """Field -> its text in pieces, each with what it looks like, where something looks personal."""
    proposing: bool = False
    """Nothing is changed until somebody who may define accepts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DissentPage(EditPage):
    """The editor of a disagreement."""

    template: ClassVar[str] = "dissent.html.j2"
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryPage(Page):
    """A rubric put to a text, question by question; nothing of it is stored."""

    template: ClassVar[str] = "try.html.j2"
    moment: ClassVar[str] = "define"
    study: str
    slug: str
    language: str
    rubric: Rubric
    said: str
    """The conversation that is judged."""
    path: tuple[tuple[str, str], ...]
    """(question, answer) so far."""
    asked: str
    """The question that is next; empty at the end."""
    outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPage(Page):
    """The declared space, two parts against each other."""

    template: ClassVar[str] = "map.html.j2"
    moment: ClassVar[str] = "map"
    found: Map
    dimensions: tuple[str, ...] = DIMENSIONS
    may_define: bool
    strength: int
    """Of the plan that is drawn; 0 for none."""
    planned: Mapping[tuple[str, str], int]
    """(row, column) -> planned scenarios that nothing covers yet."""


def listing(ask: Ask) -> Answer:
    """All definitions of a kind."""
    kind, many, one = _kind(ask)
    entries = defining.list_definitions(ask.workspace, ask.study, kind)
    return Listing(
        heading=many,
        crumbs=crumbs_of(ask),
        collection=ask.parts["collection"],
        one=one,
        entries=tuple(entries),
        may_define=ask.person.may("define"),
    )


def entry(ask: Ask) -> Answer:
    """One definition."""
    kind, _, one = _kind(ask)
    opened = defining.open_definition(ask.workspace, ask.study, kind, ask.parts["slug"])
    setting = setting_of(ask)
    given: dict[str, Any] = {
        "heading": opened.title,
        "crumbs": crumbs_of(ask, listed=True),
        "collection": ask.parts["collection"],
        "one": one,
        "opened": opened,
        "content": {**opened.definition.content(), **opened.definition.beside()},
        "language": setting.languages[0],
        "titles": {f"{k}/{slug}": title for k, pairs in setting.choices.items() for slug, title in pairs},
        "editor": EDITORS[kind],
        "may_define": ask.person.may("define"),
        "may_propose": ask.person.may("propose"),
        "proposed": proposals.count_open(ask.workspace, ask.study, kind, opened.slug),
    }
    if isinstance(opened.definition, Harm):
        sortings = tuple(list_sortings(ask.workspace, ask.study, opened.slug))
        return HarmPage(harm=opened.definition, sortings=sortings, **given)
    if kind == "scenario":
        lines, many = cases_of(ask.workspace, ask.study, opened.slug)
        return ScenarioPage(lines=tuple(lines), many=many, may_write=ask.person.may("write"), **given)
    return EntryPage(**given)


def history(ask: Ask) -> Answer:
    """The versions of a definition."""
    kind, _, _ = _kind(ask)
    opened = defining.open_definition(ask.workspace, ask.study, kind, ask.parts["slug"])
    newest = opened.newest.number
    after = _number(ask.query.text("after"), newest)
    before = _number(ask.query.text("before"), max(1, after - 1))
    changes = defining.compare_versions(opened, before, after) if before != after else []
    return HistoryPage(
        heading=f"Versions of {opened.title}",
        crumbs=(*crumbs_of(ask, listed=True), (opened.title, _address(ask))),
        collection=ask.parts["collection"],
        opened=opened,
        before=before,
        after=after,
        changes=tuple(changes),
    )


def edit(ask: Ask) -> Answer:
    """The editor of a definition; what was sorted on a harm can stand in it as examples."""
    kind, _, one = _kind(ask)
    opened = defining.open_definition(ask.workspace, ask.study, kind, ask.parts["slug"])
    content: Mapping[str, Any] = opened.newest.definition.content()
    if kind == "harm" and (sorting := ask.query.text("sorting")):
        content = with_examples(open_sorting(ask.workspace, ask.study, opened.slug, sorting), content)
    return EditPage(
        heading=f"Edit {opened.title}",
        crumbs=(*crumbs_of(ask, listed=True), (opened.title, _address(ask))),
        collection=ask.parts["collection"],
        one=one,
        slug=opened.slug,
        editor=EDITORS[kind],
        content=content,
        setting=setting_of(ask),
        base=opened.newest.digest,
        by_field={},
    )


def save(ask: Ask) -> Answer:
    """Store what the editor sent, or say why not."""
    kind, _, _ = _kind(ask)
    opened = defining.open_definition(ask.workspace, ask.study, kind, ask.parts["slug"])
    before = _made_from(opened, ask.form.text("base"))
    content = EDITORS[kind].take(ask.form, before, setting_of(ask))
    return store(ask, kind, opened.slug, content, heading=f"Edit {opened.title}")


def draft(ask: Ask) -> Answer:
    """The editor of a change that is to be proposed."""
    kind, _, _ = _kind(ask)
    opened = defining.open_definition(ask.workspace, ask.study, kind, ask.parts["slug"])
    content, base = opened.newest.definition.content(), opened.newest.digest
    heading = f"Propose a change of {opened.title}"
    return replace(editor_page(ask, kind, opened.slug, content, base=base, heading=heading), proposing=True)


def propose(ask: Ask) -> Answer:
    """Store what is proposed, or say why not."""
    kind, _, _ = _kind(ask)
    opened = defining.open_definition(ask.workspace, ask.study, kind, ask.parts["slug"])
    base, why = ask.form.text("base"), ask.form.text("why")
    content = EDITORS[kind].take(ask.form, _made_from(opened, base), setting_of(ask))
    personal = _personal(ask, kind, content)
    try:
        if personal:
            raise InputError(tell_personal(personal))
        id = proposals.propose(ask.workspace, ask.study, kind, opened.slug, content, base=base, why=why)
    except InputError as error:
        heading, issues = f"Propose a change of {opened.title}", error.issues
        page = editor_page(ask, kind, opened.slug, content, base=base, heading=heading, issues=issues)
        return replace(page, proposing=True, personal=personal)
    return See(f"/studies/{ask.study}/proposals/{id}", "proposed")


def new(ask: Ask) -> Answer:
    """The editor of a definition there is not yet; the address may say what is known of it."""
    kind, _, one = _kind(ask)
    known = {name: value for name, value in ask.query.items if name in DIMENSIONS and value}
    return editor_page(ask, kind, "", known, base="", heading=f"A new {one}")


def add(ask: Ask) -> Answer:
    """Store a new definition, or say why not."""
    kind, _, one = _kind(ask)
    content = EDITORS[kind].take(ask.form, {}, setting_of(ask))
    slug = ask.form.text("slug") or slugify(str(content.get("title", "")))
    return store(ask, kind, slug, content, heading=f"A new {one}", fresh=True)


def edit_charter(ask: Ask) -> Answer:
    """The editor of what a study says of itself."""
    opened = defining.open_definition(ask.workspace, ask.study, "study", ask.study)
    content = opened.newest.definition.content()
    return editor_page(
        ask, "study", ask.study, content, base=opened.newest.digest, heading="Edit the charter"
    )


def save_charter(ask: Ask) -> Answer:
    """Store it, or say why not."""
    opened = defining.open_definition(ask.workspace, ask.study, "study", ask.study)
    content = EDITORS["study"].take(ask.form, _made_from(opened, ask.form.text("base")), setting_of(ask))
    return store(ask, "study", ask.study, content, heading="Edit the charter")


def endorse(ask: Ask) -> Answer:
    """Stand behind a harm as it is."""
    by = ask.form.text("by") or ask.person.name
    defining.endorse(ask.workspace, ask.study, ask.parts["slug"], by=by, why=ask.form.text("why"))
    return See(f"/studies/{ask.study}/harms/{ask.parts['slug']}", "endorsed")


def disagree(ask: Ask) -> Answer:
    """The editor of a disagreement, with the rubric there is, and with what was sorted as its reason."""
    opened = defining.open_definition(ask.workspace, ask.study, "harm", ask.parts["slug"])
    page = _dissent_page(ask, opened, {"rubric": opened.newest.definition.content()["rubric"]})
    if sorting := ask.query.text("sorting"):
        kept = open_sorting(ask.workspace, ask.study, opened.slug, sorting)
        return replace(page, by=kept.sorting.by, reason=write_why(kept))
    return page


def dissent(ask: Ask) -> Answer:
    """Record a disagreement."""
    opened = defining.open_definition(ask.workspace, ask.study, "harm", ask.parts["slug"])
    rubric = opened.newest.definition.content()["rubric"]
    given = DISSENT.take(ask.form, {"rubric": rubric}, setting_of(ask))
    body = {name: value for name, value in given.items() if name != "rubric" or value != rubric}
    body |= {"by": ask.form.text("by"), "why": ask.form.text("why")}
    try:
        defining.dissent(ask.workspace, ask.study, opened.slug, body)
    except InputError as error:
        return _dissent_page(ask, opened, {"rubric": rubric, **given}, error)
    return See(f"/studies/{ask.study}/harms/{opened.slug}", "dissented")


def try_rubric(ask: Ask) -> Answer:
    """A rubric on a text that somebody pasted: the next question, or the verdict."""
    opened = defining.open_definition(ask.workspace, ask.study, "harm", ask.parts["slug"])
    assert isinstance(opened.definition, Harm)
    rubric = opened.definition.rubric
    given, back = ask.form.all("answer"), ask.form.text("back")
    path, then = rubric.walk(given[: _number(back, 0)] if back else [*given, *ask.form.all("next")])
    where = f"/studies/{ask.study}/harms/{opened.slug}"
    return TryPage(
        heading=f"Try the questions of {opened.title}",
        crumbs=(*crumbs_of(ask), (KINDS["harms"][1], f"/studies/{ask.study}/harms"), (opened.title, where)),
        study=ask.study,
        slug=opened.slug,
        language=setting_of(ask).languages[0],
        rubric=rubric,
        said=ask.form.text("said"),
        path=path,
        asked=then if isinstance(then, str) else "",
        outcome=None if isinstance(then, str) else then,
    )


def scenario_map(ask: Ask) -> Answer:
    """The declared space."""
    rows, columns = ask.query.text("rows", "persona"), ask.query.text("columns", "harm")
    found = draw(ask.workspace, ask.study, rows=rows, columns=columns)
    strength = _number(ask.query.text("plan"), 0)
    planned = count_planned(ask.workspace, ask.study, strength, rows=rows, columns=columns)
    return MapPage(
        heading="Map of scenarios",
        crumbs=crumbs_of(ask),
        found=found,
        may_define=ask.person.may("define"),
        strength=strength,
        planned=planned,
    )


def _kind(ask: Ask) -> tuple[str, str, str]:
    """Kind, and the words for many and for one; raises UnknownNameError for an address there is not."""
    collection = ask.parts.get("collection", "")
    if collection not in COLLECTED:
        raise UnknownNameError("part of a study", collection, KINDS)
    return COLLECTED[collection]


def crumbs_of(ask: Ask, *, listed: bool = False) -> tuple[tuple[str, str], ...]:
    found = [(name_study(ask.workspace, ask.study).title, f"/studies/{ask.study}")]
    if listed:
        collection = ask.parts["collection"]
        found.append((COLLECTED[collection][1], f"/studies/{ask.study}/{collection}"))
    return tuple(found)


def _address(ask: Ask) -> str:
    return f"/studies/{ask.study}/{ask.parts['collection']}/{ask.parts['slug']}"


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else otherwise


def setting_of(ask: Ask) -> Setting:
    kinds = [kind for kind, _, _ in KINDS.values()]
    choices = {
        kind: [(e.slug, e.title) for e in defining.list_definitions(ask.workspace, ask.study, kind)]
        for kind in kinds
    }
    return Setting(languages=name_study(ask.workspace, ask.study).languages, choices=choices)


def _made_from(opened: Opened, base: str) -> Mapping[str, Any]:
    """The content that an edit began with."""
    for version in opened.versions:
        if version.digest == base:
            return version.definition.content()
    return opened.newest.definition.content()


def editor_page(
    ask: Ask,
    kind: str,
    slug: str,
    content: Mapping[str, Any],
    *,
    base: str,
    heading: str,
    issues: Sequence[Issue] = (),
    meanwhile: Meanwhile | None = None,
    chosen_slug: str = "",
) -> EditPage:
    collection = ask.parts.get("collection", "charter")
    by_field = _by_field(EDITORS[kind], issues)
    return EditPage(
        heading=heading,
        crumbs=crumbs_of(ask, listed="collection" in ask.parts),
        status=409 if meanwhile else 422 if issues else 200,
        collection=collection,
        one=COLLECTED[collection][2] if collection in COLLECTED else "charter",
        slug=slug,
        editor=EDITORS[kind],
        content=content,
        setting=setting_of(ask),
        base=base,
        why=ask.form.text("why"),
        issues=tuple(issues),
        by_field=by_field,
        meanwhile=meanwhile,
        chosen_slug=chosen_slug,
    )


def store(
    ask: Ask, kind: str, slug: str, content: Mapping[str, Any], *, heading: str, fresh: bool = False
) -> Answer:
    base = None if fresh else ask.form.text("base")
    shown = "" if fresh else slug
    if personal := _personal(ask, kind, content):
        issues = tell_personal(personal)
        page = editor_page(
            ask, kind, shown, content, base=base or "", heading=heading, issues=issues, chosen_slug=slug
        )
        return replace(page, personal=personal)
    try:
        done = defining.save_definition(
            ask.workspace, ask.study, kind, slug, content, base=base, why=ask.form.text("why")
        )
    except InputError as error:
        return editor_page(
            ask, kind, shown, content, base=base or "", heading=heading, issues=error.issues, chosen_slug=slug
        )
    if isinstance(done, Meanwhile):
        if fresh:
            taken = Issue(f"there is one with the short name {slug!r} already", path="slug")
            return editor_page(
                ask, kind, "", content, base="", heading=heading, issues=[taken], chosen_slug=slug
            )
        return editor_page(ask, kind, slug, content, base=done.stored.digest, heading=heading, meanwhile=done)
    where = f"/studies/{ask.study}" + ("" if kind == "study" else f"/{ask.parts['collection']}/{slug}")
    return See(where, "saved" if done.changed else "same")


def _personal(ask: Ask, kind: str, content: Mapping[str, Any]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """What looks personal in a piece of evidence, unless it was said that it may stay."""
    return {} if kind != "evidence" or "stay" in ask.form else mark_personal(content)


def _by_field(editor: Editor, issues: Sequence[Issue]) -> dict[str, str]:
    """What is wrong, under the field it is about."""
    found: dict[str, str] = {}
    paths = sorted((one.path for one in editor.fields()), key=len, reverse=True)
    for issue in issues:
        place = issue.path.replace("[", ".").replace("]", "")
        field = next((p for p in paths if place == p or place.startswith(p + ".")), place)
        found[field] = f"{found[field]}; {issue.message}" if field in found else issue.message
    return found


def _dissent_page(
    ask: Ask, opened: Opened, content: Mapping[str, Any], error: InputError | None = None
) -> DissentPage:
    issues = error.issues if error else ()
    return DissentPage(
        heading=f"Disagree with {opened.title}",
        crumbs=((opened.title, f"/studies/{ask.study}/harms/{opened.slug}"),),
        status=422 if error else 200,
        collection="harms",
        one="harm",
        slug=opened.slug,
        editor=DISSENT,
        content=content,
        setting=setting_of(ask),
        base=opened.newest.digest,
        issues=tuple(issues),
        by_field=_by_field(DISSENT, issues),
        by=ask.form.text("by"),
        reason=ask.form.text("why"),
    )
