"""Exploring by hand: talking in a scenario's frame, branching, marking, promoting. No page of it shows a rate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import quote

from redloom.domain.exploration import Move
from redloom.domain.reading import Reading
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import slugify
from redloom.services import exploring
from redloom.services.exploring import Choices, Explored, Listed, Promotion, Seen
from redloom.web.asking import PLAIN, Answer, Ask, Document, Page, See, Stream, number_in
from redloom.web.crumbs import crumbs_of

LOOK_SECONDS = 0.05
LISTED = 50
"""Explorations on one page."""
EMBEDDED = ("local:smollm2", "the small model on this machine")
ARM_WORDS: Mapping[str, str] = {
    "full": "everything",
    "no_context": "everything but the context",
    "no_persona": "everything but what the user says of themself",
    "no_context+no_persona": "neither context nor user",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreList(Page):
    """All explorations of a study, and the form that begins one."""

    template: ClassVar[str] = "explore.html.j2"
    moment: ClassVar[str] = "explore"
    study: str
    found: tuple[Listed, ...]
    older: str
    """The address of those begun before the last of them; empty where there are none."""
    later: bool
    """There are some begun after the first of them."""
    choices: Choices
    systems: tuple[tuple[str, str], ...]
    arm_words: Mapping[str, str]
    given: Mapping[str, Any]
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class Newer:
    """Messages that came while somebody looked elsewhere."""

    words: str
    to: str
    """The end of the branch of the last of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkPage(Page):
    """One branch of an exploration, with its frame and its tree beside it."""

    template: ClassVar[str] = "talk.html.j2"
    moment: ClassVar[str] = "explore"
    study: str
    explored: Explored
    path: tuple[Move, ...]
    at: str
    """The move the branch ends with; empty at the beginning."""
    siblings: Mapping[str, tuple[tuple[str, str], ...]]
    """Move -> (end of the branch, words) of the others that answer the same."""
    tree: tuple[tuple[int, Move, str, bool], ...]
    """(depth, move, end of its branch, whether nothing else follows the move before it)."""
    marks: Mapping[str, tuple[Seen, ...]]
    """Exchange -> its marks."""
    asks_opening: bool
    """The system should speak first."""
    arm: str
    reading: Reading
    closed: frozenset[str]
    """Exchanges whose replies wait until this person opens them."""
    newer: Newer | None
    """What came since this person looked last, elsewhere in the tree."""
    look: int
    """How often this page was looked at while the reply comes: an address that changes is loaded anew."""
    text: str = ""
    given: Mapping[str, str] = field(default_factory=dict[str, str])
    """What was sent as a mark and not taken."""
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotePage(Page):
    """The form that makes a test conversation out of a branch."""

    template: ClassVar[str] = "promote.html.j2"
    moment: ClassVar[str] = "explore"
    script: tuple[str, ...]
    at: str
    scenarios: tuple[tuple[str, str], ...]
    systems: tuple[str, ...]
    given: Mapping[str, str]
    by_field: Mapping[str, str]
    issues: tuple[Issue, ...] = ()


def listing(ask: Ask) -> Answer:
    """All explorations."""
    scenario = ask.query.text("scenario")
    return _list(ask, {"scenario": scenario, "arm": "full", "hypothesis": "", "targets": []})


def begin(ask: Ask) -> Answer:
    """Begin one."""
    form = ask.form
    given = {name: form.text(name) for name in ("scenario", "arm", "hypothesis")}
    try:
        made = exploring.begin(
            ask.workspace,
            ask.study,
            scenario=given["scenario"] or None,
            targets=form.all("targets"),
            arm=given["arm"] or "full",
            hypothesis=given["hypothesis"],
            guest=ask.person.invited,
        )
    except InputError as error:
        return _list(ask, {**given, "targets": form.all("targets")}, error.issues)
    return See(f"/studies/{ask.study}/explore/{made}", "explored")


def talk(ask: Ask) -> Answer:
    """One branch."""
    return _talk(ask, _open(ask))


def say(ask: Ask) -> Answer:
    """Send a message; the page shows the replies as they come."""
    text = None if "open" in ask.form else ask.form.text("text")
    after = ask.form.text("after") or None
    try:
        sent = exploring.say(ask.workspace, ask.study, ask.parts["id"], text, after=after)
    except UnknownNameError:
        raise
    except InputError as error:
        return _talk(ask, _open(ask), text=text or "", at=after, issues=error.issues)
    ask.talks.ask(ask.workspace, ask.study, ask.parts["id"], sent.exchanges)
    seen = ask.form.text("seen")
    return See(f"{_here(ask)}?at={sent.move.hex()}{f'&seen={quote(seen)}' if seen else ''}#end")


def stop(ask: Ask) -> Answer:
    """Take the replies on their way as they are."""
    move = _open(ask).tree.moves.get(exploring.key_of("message", ask.form.text("at")))
    if move is not None:
        ask.talks.stop([one.id for one in move.exchanges.values() if one.state == "asked"])
    return See(f"{_here(ask)}?at={ask.form.text('at')}#end")


def stream(ask: Ask) -> Answer:
    """The replies to one message while they come."""
    move = _open(ask).tree.moves.get(exploring.key_of("message", ask.query.text("move")))
    if move is None:
        raise UnknownNameError("message", ask.query.text("move")[:40], None)
    return Stream(events=_coming(ask, move))


def newer(ask: Ask) -> Answer:
    """What came since somebody looked, for a page that asks now and then."""
    came = exploring.newer_moves(ask.workspace, ask.study, ask.parts["id"], ask.query.text("seen"))
    told = _newer(came, _here(ask)) if came else None
    return Document(content=json.dumps(None if told is None else asdict(told)), media="application/json")


def text(ask: Ask) -> Answer:
    """The whole of a message or of a reply, as it is."""
    stored = _open(ask).tree
    wanted = exploring.key_of("reply", ask.parts["exchange"])
    found = next((e for m in stored.moves.values() for e in m.exchanges.values() if e.id == wanted), None)
    if found is None:
        raise UnknownNameError("reply", ask.parts["exchange"][:40], None)
    said = found.text or "" if ask.query.text("side") == "user" else found.reply
    return Document(content=said, media=PLAIN)


def mark(ask: Ask) -> Answer:
    """Keep what somebody saw in a reply."""
    form, at = ask.form, ask.form.text("at")
    given: dict[str, Any] = {name: form.text(name) for name in ("harm", "what", "note") if form.text(name)}
    severity = form.text("severity")
    if severity:
        given["severity"] = number_in(severity, severity)
    try:
        exploring.mark(ask.workspace, ask.study, ask.parts["id"], form.text("exchange"), given)
    except UnknownNameError:
        raise
    except InputError as error:
        sent = {name: form.text(name) for name in ("exchange", "harm", "what", "severity", "note")}
        return replace(_talk(ask, _open(ask), at=at, issues=error.issues), given=sent)
    return See(f"{_here(ask)}?at={at}#reply-{form.text('exchange')}", "marked")


def promotion(ask: Ask) -> Answer:
    """The form that makes a test conversation."""
    return _promote(ask, {"slug": "", "why": ""})


def promote(ask: Ask) -> Answer:
    """Make it."""
    given = {name: ask.form.text(name) for name in ("slug", "scenario", "why", "hypothesis")}
    given["slug"] = given["slug"] or slugify(f"{given['scenario']}-{ask.form.text('at')[-6:]}")
    try:
        slug = exploring.promote(
            ask.workspace, ask.study, ask.parts["id"], ask.form.text("at"), Promotion(**given)
        )
    except UnknownNameError:
        raise
    except InputError as error:
        return _promote(ask, given, error.issues)
    return See(f"/studies/{ask.study}/cases/{slug}", "promoted")


async def _coming(ask: Ask, move: Move) -> AsyncIterator[str]:
    """Lane -> (anew, text) as JSON, whenever more of it has come, until all are stored.

    The text goes on from what was told of that lane before, or takes its place where it comes ``anew``.
    """
    told: dict[int, str] = {}
    ended: set[int] = set()
    while True:
        found = {lane: ask.talks.look(one.id) for lane, one in move.exchanges.items()}
        now = {lane: live.text for lane, live in found.items() if live is not None}
        if not now:
            yield "end"
            return
        if late := found.keys() - now.keys() - ended:
            stored = (await asyncio.to_thread(_open, ask)).tree.moves[move.id]
            now |= {lane: stored.exchanges[lane].reply for lane in late}
            ended |= late
        more: dict[int, tuple[bool, str]] = {}
        for lane, text in now.items():
            before = told.get(lane)
            anew = before is None or not text.startswith(before)
            if anew or text != before:
                more[lane] = (anew, text if anew else text[len(before or "") :])
        told |= now
        if more:
            yield json.dumps(more)
        await asyncio.sleep(LOOK_SECONDS)


def _open(ask: Ask) -> Explored:
    return exploring.open_exploration(ask.workspace, ask.study, ask.parts["id"], live=ask.talks.live)


def _here(ask: Ask) -> str:
    return f"/studies/{ask.study}/explore/{ask.parts['id']}"


def _list(ask: Ask, given: Mapping[str, Any], issues: Sequence[Issue] = ()) -> ExploreList:
    found = exploring.choices(ask.workspace, ask.study)
    before = ask.query.text("before") or None
    listed = exploring.list_explorations(ask.workspace, ask.study, before=before, most=LISTED + 1)
    last = listed[LISTED - 1].id if len(listed) > LISTED else ""
    more = () if any(system == EMBEDDED[0] for _, system in found.targets) else (EMBEDDED,)
    return ExploreList(
        heading="Explore",
        crumbs=crumbs_of(ask),
        status=422 if issues else 200,
        study=ask.study,
        found=tuple(listed[:LISTED]),
        older=f"/studies/{ask.study}/explore?before={last}" if last else "",
        later=before is not None,
        choices=found,
        systems=(*found.targets, *more),
        arm_words=ARM_WORDS,
        given=given,
        issues=tuple(issues),
    )


def _talk(
    ask: Ask, explored: Explored, *, text: str = "", at: str | None = None, issues: Sequence[Issue] = ()
) -> TalkPage:
    tree = explored.tree
    wanted = at if at is not None else ask.query.text("at")
    end = exploring.key_of("message", wanted) if wanted else None if "new" in ask.query else tree.newest()
    if end is not None and end not in tree.moves:
        raise UnknownNameError("message", wanted[:40], None)
    path = tree.path(end)
    frame, reading = explored.frame, ask.reading
    marks: dict[str, list[Seen]] = {}
    for one in explored.marks:
        marks.setdefault(one.exchange, []).append(one)
    about = frame.scenario.harm if frame.scenario else None
    seen = ask.form.text("seen") or ask.query.text("seen")
    came = exploring.newer_moves(ask.workspace, ask.study, explored.id, seen) if seen else {}
    elsewhere = {move: who for move, who in came.items() if bytes.fromhex(move) not in {m.id for m in path}}
    return TalkPage(
        heading=frame.scenario.title if frame.scenario else "Exploration",
        crumbs=crumbs_of(ask, ("Explore", "explore")),
        status=422 if issues else 200,
        study=ask.study,
        explored=explored,
        path=tuple(path),
        at=end.hex() if end else "",
        siblings={one.id.hex(): _siblings(explored, one) for one in path},
        tree=tuple(
            (depth, one, _end(explored, one), one.parent is not None and len(tree.children(one.parent)) == 1)
            for depth, one in tree.walk()
        ),
        marks={key: tuple(found) for key, found in marks.items()},
        asks_opening=frame.model_opens and not path,
        arm=ARM_WORDS.get(explored.body.arm, explored.body.arm),
        reading=reading,
        closed=frozenset(
            one.id.hex()
            for move in path
            for one in move.exchanges.values()
            if reading.closed(about, *(seen.mark.harm for seen in marks.get(one.id.hex(), ())))
        ),
        newer=_newer(elsewhere, _here(ask)) if elsewhere else None,
        look=number_in(ask.query.text("look"), 0),
        text=text,
        issues=tuple(issues),
    )


def _newer(came: Mapping[str, str], here: str) -> Newer:
    people = sorted(set(came.values()))
    who = " and ".join((", ".join(people[:-1]), people[-1]) if len(people) > 1 else people)
    many = "a message" if len(came) == 1 else f"{len(came)} messages"
    return Newer(f"{who} sent {many} here meanwhile.", f"{here}?at={list(came)[-1]}#end")


def _end(explored: Explored, move: Move) -> str:
    return (explored.tree.newest(move.id) or move.id).hex()


def _siblings(explored: Explored, move: Move) -> tuple[tuple[str, str], ...]:
    others = [one for one in explored.tree.children(move.parent) if one.id != move.id]
    return tuple((_end(explored, one), one.text or "the system opens") for one in others)


def _promote(ask: Ask, given: Mapping[str, str], issues: Sequence[Issue] = ()) -> PromotePage:
    explored = _open(ask)
    at = ask.form.text("at") or ask.query.text("at")
    end = exploring.key_of("message", at)
    if end not in explored.tree.moves:
        raise UnknownNameError("message", at[:40], None)
    body = explored.body
    return PromotePage(
        heading="Make a test conversation of this branch",
        crumbs=crumbs_of(
            ask, ("Explore", "explore"), ("This exploration", f"explore/{ask.parts['id']}?at={at}")
        ),
        status=422 if issues else 200,
        script=tuple(one.text for one in explored.tree.path(end) if one.text is not None),
        at=at,
        scenarios=exploring.choices(ask.workspace, ask.study).scenarios,
        systems=tuple(lane.name for lane in body.lanes),
        given={"scenario": body.scenario or "", "hypothesis": body.hypothesis, **given},
        by_field={one.path: one.message for one in issues},
        issues=tuple(issues),
    )
