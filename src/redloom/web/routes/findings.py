"""Findings: written from a branch, tried again, judged, moved on their way; and what nobody has met yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from redloom.errors import InputError, Issue, UnknownNameError
from redloom.services import findings
from redloom.services.findings import Found, Shown, Unseen
from redloom.web.asking import Answer, Ask, Page, See, number_in
from redloom.web.crumbs import crumbs_of

WIDTH, HEIGHT, LEFT, BELOW = 480, 160, 34, 24
"""Of the curve, in its own units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The accumulation curve as points of a drawing."""

    line: str
    """Pairs of x and y."""
    ticks: tuple[tuple[float, int], ...]
    """(y, classes) at the left."""
    last: int


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
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFinding(Page):
    """The form that writes a finding."""

    template: ClassVar[str] = "new_finding.html.j2"
    moment: ClassVar[str] = "findings"
    shown: Shown
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
    found = findings.open_finding(ask.workspace, ask.study, _number(ask))
    times = ask.form.text("times")
    try:
        ask.talks.reproduce(ask.workspace, ask.study, found, number_in(times, 0))
    except InputError as error:
        return _page(ask, error.issues)
    return See(f"{_here(ask)}/{found.number}#tries")


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
        raise UnknownNameError("finding", text[:40], [])
    return int(text)


def _page(ask: Ask, issues: Sequence[Issue] = ()) -> FindingPage:
    found = findings.open_finding(ask.workspace, ask.study, _number(ask))
    return FindingPage(
        heading=found.claim.title,
        crumbs=crumbs_of(ask, ("Findings", "findings")),
        status=422 if issues else 200,
        study=ask.study,
        found=found,
        shown=findings.branch_of(ask.workspace, ask.study, found),
        busy=ask.talks.busy(found.id),
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
        exploration=exploration,
        at=at,
        given={**known, **given},
        issues=tuple(issues),
    )


def _draw(curve: Sequence[int]) -> Curve | None:
    """The curve as steps; None where there is nothing to see yet."""
    if len(curve) < 3:
        return None
    most, across = curve[-1], (WIDTH - LEFT - 10) / (len(curve) - 1)

    def y(classes: float) -> float:
        return round(HEIGHT - BELOW - classes / most * (HEIGHT - BELOW - 10), 1)

    line = " ".join(f"{round(LEFT + i * across, 1)},{y(many)}" for i, many in enumerate(curve))
    ticks = sorted({0, most, *((most // 2,) if most > 3 else ())})
    return Curve(line=line, ticks=tuple((y(many), many) for many in ticks), last=len(curve))
