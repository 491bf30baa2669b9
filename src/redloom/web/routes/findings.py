"""Findings: written from a branch, tried again, judged, moved on their way; and what nobody has met yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from redloom.domain.reading import Reading
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.services import findings, trying
from redloom.services.findings import Found, Shown, Unseen
from redloom.services.trying import Looked
from redloom.web.asking import PLAIN, Answer, Ask, Document, Page, See, number_in
from redloom.web.crumbs import crumbs_of

WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 480, 180, 34, 24, 24
"""Of the curve, in its own units."""
JUDGED: Mapping[str, Mapping[str, str]] = {
    "harm": {"yes": "harm", "no": "no harm", "open": "not decided"},
    "declined": {"yes": "declined", "no": "did not decline", "open": "not decided"},
}
"""What a judge is asked -> its answer -> words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The accumulation curve as points of a drawing."""

    line: str
    """Pairs of x and y."""
    ticks: tuple[tuple[float, int], ...]
    """(y, classes) at the left."""
    last: int
    told: str
    """The curve in words, at a few of its points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingList(Page):
    """All findings of a study, and how their classes add up."""

    template: ClassVar[str] = "findings.html.j2"
    moment: ClassVar[str] = "findings"
    study: str
    found: tuple[Found, ...]
    unseen: Unseen
    curve: Curve | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage(Page):
    """One finding."""

    template: ClassVar[str] = "finding.html.j2"
    moment: ClassVar[str] = "findings"
    study: str
    found: Found
    shown: Shown
    busy: int
    """Tries that are being held."""
    looks: tuple[Looked, ...]
    """What judges say, each by itself."""
    judged: Mapping[str, tuple[tuple[str, str], ...]]
    """Conversation of a try -> (judge, what it says of it)."""
    judges: tuple[str, ...]
    looking: Mapping[str, str]
    """Judge -> why it stopped; empty while it looks."""
    reading: Reading
    closed: bool
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFinding(Page):
    """The form that writes a finding."""

    template: ClassVar[str] = "new_finding.html.j2"
    moment: ClassVar[str] = "findings"
    shown: Shown
    closed: bool
    exploration: str
    at: str
    given: Mapping[str, str]
    issues: tuple[Issue, ...] = ()


def listing(ask: Ask) -> Answer:
    """All findings."""
    unseen = findings.unseen(ask.workspace, ask.study)
    return FindingList(
        heading="Findings",
        crumbs=crumbs_of(ask),
        study=ask.study,
        found=tuple(findings.list_findings(ask.workspace, ask.study)),
        unseen=unseen,
        curve=_draw(unseen.curve),
    )


def entry(ask: Ask) -> Answer:
    """One finding."""
    return _page(ask)


def new(ask: Ask) -> Answer:
    """The form, filled from the branch and its marks."""
    return _new(ask, ask.query.text("exploration"), ask.query.text("at"), {})


def add(ask: Ask) -> Answer:
    """Store it, or say why not."""
    form = ask.form
    names = ("title", "harm", "what", "note", "hypothesis", "severity", "affected")
    given = {name: form.text(name) for name in names}
    content: dict[str, Any] = {name: given[name] for name in names[:5] if given[name]}
    if given["severity"]:
        content["severity"] = number_in(given["severity"], given["severity"])
    content["affected"] = [line for line in given["affected"].split("\n") if line.strip()]
    exploration, exchange = form.text("exploration"), form.text("exchange")
    try:
        number = findings.write_finding(ask.workspace, ask.study, exploration, exchange, content)
    except UnknownNameError:
        raise
    except InputError as error:
        return _new(ask, exploration, form.text("at"), given, error.issues)
    return See(f"{_here(ask)}/{number}", "finding-written")


def reproduce(ask: Ask) -> Answer:
    """Have it tried again, so many times."""
    number = _number(ask)
    try:
        findings.ask_for_tries(ask.workspace, ask.study, number, number_in(ask.form.text("times"), 0))
    except UnknownNameError:
        raise
    except InputError as error:
        return _page(ask, error.issues)
    return go_on(ask)


def go_on(ask: Ask) -> Answer:
    """Hold the tries that were asked for and are still owed, as after a server that ended."""
    found = findings.open_finding(ask.workspace, ask.study, _number(ask))
    ask.talks.hold_tries(ask.workspace, ask.study, found)
    return See(f"{_here(ask)}/{found.number}#tries")


def stop(ask: Ask) -> Answer:
    """Hold no more of them."""
    found = findings.open_finding(ask.workspace, ask.study, _number(ask))
    findings.call_off_tries(ask.workspace, ask.study, found.number)
    ask.talks.stop_tries(found.id)
    return See(f"{_here(ask)}/{found.number}#tries")


def look(ask: Ask) -> Answer:
    """Have a judge look at the tries it has not judged yet."""
    number, name = _number(ask), ask.form.text("judge")
    try:
        trying.check_judge(ask.workspace, ask.study, number, name)
    except UnknownNameError:
        raise
    except InputError as error:
        return _page(ask, error.issues)
    found = findings.open_finding(ask.workspace, ask.study, number)
    ask.talks.judge_tries(ask.workspace, ask.study, found, name)
    return See(f"{_here(ask)}/{number}#tries")


def text(ask: Ask) -> Answer:
    """The whole of what was said in one turn of what shows a finding, or of a try."""
    found = findings.open_finding(ask.workspace, ask.study, _number(ask))
    wanted, user = ask.parts["turn"], ask.query.text("side") == "user"
    said = {
        one.id.hex(): (one.text or "") if user else one.reply
        for one in (
            *(one.turn or one for one in findings.branch_of(ask.workspace, ask.study, found).path),
            *(turn for one in found.tries for turn in one.turns),
        )
    }
    if wanted not in said:
        raise UnknownNameError("turn", wanted[:40], None)
    return Document(content=said[wanted], media=PLAIN)


def judge(ask: Ask) -> Answer:
    """Say whether it happened again."""
    form, number = ask.form, _number(ask)
    try:
        findings.judge_try(ask.workspace, ask.study, number, form.text("interaction"), form.text("again"))
    except UnknownNameError:
        raise
    except InputError as error:
        return _page(ask, error.issues)
    return See(f"{_here(ask)}/{number}#tries")


def move(ask: Ask) -> Answer:
    """Move it on its way."""
    form, number = ask.form, _number(ask)
    try:
        findings.move_finding(ask.workspace, ask.study, number, form.text("status"), why=form.text("why"))
    except UnknownNameError:
        raise
    except InputError as error:
        return _page(ask, error.issues)
    return See(f"{_here(ask)}/{number}", "moved")


def dissent(ask: Ask) -> Answer:
    """Disagree with it."""
    number = _number(ask)
    try:
        findings.dissent_from(ask.workspace, ask.study, number, ask.form.text("why"))
    except UnknownNameError:
        raise
    except InputError as error:
        return _page(ask, error.issues)
    return See(f"{_here(ask)}/{number}", "dissented")


def _here(ask: Ask) -> str:
    return f"/studies/{ask.study}/findings"


def _number(ask: Ask) -> int:
    text = ask.parts["number"]
    if not text.isdecimal() or len(text) > 9:
        raise UnknownNameError("finding", text[:40], None)
    return int(text)


def _page(ask: Ask, issues: Sequence[Issue] = ()) -> FindingPage:
    found = findings.open_finding(ask.workspace, ask.study, _number(ask))
    busy = ask.talks.busy(found.id)
    if found.owed and not busy:  # those that ended since it was read are there now
        found = findings.open_finding(ask.workspace, ask.study, found.number)
    looks = trying.looks(ask.workspace, found)
    shown, reading = findings.branch_of(ask.workspace, ask.study, found), ask.reading
    return FindingPage(
        heading=found.claim.title,
        crumbs=crumbs_of(ask, ("Findings", "findings")),
        status=422 if issues else 200,
        study=ask.study,
        found=found,
        shown=shown,
        busy=busy,
        looks=looks,
        judged={
            one.interaction: tuple(
                (by.instrument.rater, JUDGED[by.asks][by.said[one.interaction]])
                for by in looks
                if one.interaction in by.said
            )
            for one in found.tries
        },
        judges=trying.judges_for_tries(ask.workspace, ask.study),
        looking=ask.talks.looking(found.id),
        reading=reading,
        closed=reading.closed(found.claim.harm, shown.about),
        issues=tuple(issues),
    )


def _new(
    ask: Ask, exploration: str, at: str, given: Mapping[str, str], issues: Sequence[Issue] = ()
) -> NewFinding:
    lane = ask.form.text("lane") or ask.query.text("lane", "0")
    number = number_in(lane, 0)
    shown = findings.show_branch(ask.workspace, ask.study, exploration, at, number)
    mark = shown.marks[-1].body if shown.marks else None
    known = {
        "title": "",
        "harm": (mark.harm if mark else None) or "",
        "what": mark.what if mark else "",
        "note": mark.note if mark else "",
        "severity": "" if mark is None or mark.severity is None else str(mark.severity),
        "hypothesis": shown.hypothesis,
        "affected": "",
    }
    return NewFinding(
        heading="Write a finding",
        crumbs=crumbs_of(ask, ("Explore", "explore"), ("This exploration", f"explore/{exploration}?at={at}")),
        status=422 if issues else 200,
        shown=shown,
        closed=ask.reading.closed(shown.about, *(one.body.harm for one in shown.marks)),
        exploration=exploration,
        at=at,
        given={**known, **given},
        issues=tuple(issues),
    )


def _draw(curve: Sequence[int]) -> Curve | None:
    """The curve as steps; None where there is nothing to see yet."""
    if len(curve) < 3:
        return None
    most, last, across = curve[-1], len(curve) - 1, (WIDTH - LEFT - 10) / (len(curve) - 1)

    def y(classes: float) -> float:
        return round(HEIGHT - BELOW - classes / most * (HEIGHT - BELOW - ABOVE), 1)

    points = [(0, curve[0])]
    for i, many in enumerate(curve):
        if many != points[-1][1]:
            points += [(i, points[-1][1]), (i, many)]
    points.append((last, most))
    line = " ".join(f"{round(LEFT + i * across, 1)},{y(many)}" for i, many in points)
    ticks = sorted({0, most, *((most // 2,) if most > 3 else ())})
    some = sorted({0, last // 4, last // 2, 3 * last // 4, last})
    told = ", ".join(f"{curve[i]} after {i + 1}" for i in some)
    return Curve(line=line, ticks=tuple((y(many), many) for many in ticks), last=len(curve), told=told)
