"""Looking at what a study defines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from redloom.domain.harm import Harm
from redloom.domain.rubric import Outcome, Rubric
from redloom.domain.scenario import DIMENSIONS
from redloom.domain.value import read_value
from redloom.services import defining, proposals
from redloom.services.case_pages import Line, cases_of
from redloom.services.defining import Changed, Earlier, Entry, Opened
from redloom.services.ordering import count_planned
from redloom.services.sorting import Kept, list_sortings
from redloom.services.space import Map, draw
from redloom.web.asking import Answer, Ask, Page, number_in
from redloom.web.crumbs import crumbs_of, listed, opened_in
from redloom.web.editors import EDITORS
from redloom.web.fields import Editor
from redloom.web.routes.editing import kind_of, open_asked, setting_of

TOLD: Mapping[str, str] = {
    "context": "Where and why people use the system. The same reply can be fine in one place and harmful in another.",
    "persona": "Kinds of people who use the system, with what matters about them. None is a real person.",
    "interaction_type": "What somebody is up to with the system, and how long the conversation goes.",
    "harm": "What counts as harm here: its limits, examples on both sides, and the questions that decide.",
    "scenario": "One place, one user, one way of talking and one harm together, and what a good system would do.",
    "evidence": "What happened or was said outside, and the harms and scenarios that follow from it.",
}
"""Kind -> what a list of it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Page):
    """All definitions of a kind."""

    template: ClassVar[str] = "listing.html.j2"
    moment: ClassVar[str] = "define"
    collection: str
    one: str
    told: str
    """What stands in this list, for whoever comes here first."""
    entries: tuple[Entry, ...]
    may_define: bool
    may_propose: bool


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
    earlier: tuple[Earlier, ...]


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
    opened: Opened
    before: int
    after: int
    changes: tuple[Changed, ...]


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
    levels: Mapping[int, str]
    """Severity -> what it is called."""
    draft: str = ""
    """The rubric as the form carries it, where it is not the one in force."""
    base: str = ""
    """The version that a draft was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPage(Page):
    """The declared space, two parts against each other."""

    template: ClassVar[str] = "map.html.j2"
    moment: ClassVar[str] = "map"
    found: Map
    dimensions: tuple[str, ...] = DIMENSIONS
    may_propose: bool
    strength: int
    """Of the plan that is drawn; 0 for none."""
    planned: Mapping[tuple[str, str], int]
    """(row, column) -> planned scenarios that nothing covers yet."""


def listing(ask: Ask) -> Answer:
    """All definitions of a kind."""
    kind, many, one = kind_of(ask)
    entries = defining.list_definitions(ask.workspace, ask.study, kind)
    return Listing(
        heading=many,
        crumbs=crumbs_of(ask),
        collection=ask.parts["collection"],
        one=one,
        told=TOLD.get(kind, ""),
        entries=tuple(entries),
        may_define=ask.person.may("define"),
        may_propose=ask.person.may("propose"),
    )


def entry(ask: Ask) -> Answer:
    """One definition."""
    kind, _, one = kind_of(ask)
    opened = defining.open_definition(ask.workspace, ask.study, kind, ask.parts["slug"])
    setting = setting_of(ask)
    given: dict[str, Any] = {
        "heading": opened.title,
        "crumbs": crumbs_of(ask, *listed(kind)),
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
        earlier = defining.earlier_dissent(ask.workspace, ask.study, opened.slug)
        return HarmPage(harm=opened.definition, sortings=sortings, earlier=earlier, **given)
    if kind == "scenario":
        lines, many = cases_of(ask.workspace, ask.study, opened.slug)
        return ScenarioPage(lines=tuple(lines), many=many, may_write=ask.person.may("write"), **given)
    return EntryPage(**given)


def history(ask: Ask) -> Answer:
    """The versions of a definition, or of the charter."""
    opened = open_asked(ask)
    newest = opened.newest.number
    after = number_in(ask.query.text("after"), newest)
    before = number_in(ask.query.text("before"), max(1, after - 1))
    changes = defining.compare_versions(opened, before, after) if before != after else []
    return HistoryPage(
        heading=f"Versions of {'the charter' if opened.kind == 'study' else opened.title}",
        crumbs=crumbs_of(ask, *opened_in(opened)),
        opened=opened,
        before=before,
        after=after,
        changes=tuple(changes),
    )


def try_rubric(ask: Ask) -> Answer:
    """A rubric on a text that somebody pasted: the next question, or the verdict."""
    opened = defining.open_definition(ask.workspace, ask.study, "harm", ask.parts["slug"])
    assert isinstance(opened.definition, Harm)
    rubric = opened.definition.rubric
    drafted = "draft" in ask.form
    if drafted:
        rubric = read_value(Rubric, ask.form.json("draft"))
    given, back = ask.form.all("answer"), ask.form.text("back")
    answers = given[: number_in(back, 0)] if back else [*given, *ask.form.all("next")]
    page = try_page(ask, opened, rubric, answers)
    if not drafted:
        return page
    return replace(page, draft=json.dumps(as_json(rubric)), base=ask.form.text("base"))


def as_json(rubric: Rubric) -> dict[str, Any]:
    """A rubric as a form carries it."""
    return rubric.model_dump(mode="json", exclude_defaults=True)


def try_page(ask: Ask, opened: Opened, rubric: Rubric, answers: Sequence[str]) -> TryPage:
    """A rubric with some of its questions answered."""
    harm = opened.definition
    assert isinstance(harm, Harm)
    path, then = rubric.walk(answers)
    return TryPage(
        heading=f"Try the questions of {opened.title}",
        crumbs=crumbs_of(ask, *opened_in(opened)),
        study=ask.study,
        slug=opened.slug,
        language=setting_of(ask).languages[0],
        rubric=rubric,
        said=ask.form.text("said"),
        path=path,
        asked=then if isinstance(then, str) else "",
        outcome=None if isinstance(then, str) else then,
        levels={level.value: level.label for level in harm.severity.levels} if harm.severity else {},
    )


def scenario_map(ask: Ask) -> Answer:
    """The declared space."""
    rows, columns = ask.query.text("rows", "persona"), ask.query.text("columns", "harm")
    found = draw(ask.workspace, ask.study, rows=rows, columns=columns)
    strength = number_in(ask.query.text("plan"), 0)
    planned = count_planned(ask.workspace, ask.study, strength, rows=rows, columns=columns)
    return MapPage(
        heading="Map of scenarios",
        crumbs=crumbs_of(ask),
        found=found,
        may_propose=ask.person.may("propose"),
        strength=strength,
        planned=planned,
    )
