"""Exploring: beginning, saying something, marking what one sees, turning a branch into a case. It yields no rate."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redloom.domain.arm import parse_arm
from redloom.domain.case import Case, CaseProvenance
from redloom.domain.context import Context
from redloom.domain.exploration import MOST_LANES, Exchange, Exploration, Lane, Mark, Tree
from redloom.domain.harm import Harm
from redloom.domain.interaction import Turn
from redloom.domain.interaction_type import InteractionType
from redloom.domain.persona import Persona
from redloom.domain.rendering import Frame, Rendering, render, unrealisable
from redloom.domain.scenario import Scenario
from redloom.domain.study import Study
from redloom.domain.value import in_language, read_value
from redloom.errors import InputError, Issue, UnknownNameError, unknown
from redloom.ids import is_slug, time_of
from redloom.services.loading import load_study
from redloom.services.targets import open_to_guests, resolve_target
from redloom.services.workspace import Workspace
from redloom.storage.repositories.explorations import StoredExploration, StoredMark
from redloom.storage.unit_of_work import UnitOfWork

ABANDONED_SECONDS = 10
"""A reply whose process has not been heard of for so long is not waited for any more."""
LONGEST_MESSAGE = 100_000
ARMS: tuple[str, ...] = ("full", "no_context", "no_persona", "no_context+no_persona")
"""What an exploration can leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What an exploration can begin with."""

    scenarios: tuple[tuple[str, str], ...]
    """(slug, title)."""
    targets: tuple[tuple[str, str], ...]
    """(name, system behind it)."""
    harms: tuple[tuple[str, str], ...]
    """(slug, title)."""
    arms: tuple[str, ...] = ARMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An exploration in a list."""

    id: str
    title: str
    first: str
    """How its first message begins; empty where nothing was said."""
    systems: tuple[str, ...]
    moves: int
    marks: int
    author: str
    at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A mark on a reply."""

    id: str
    exchange: str
    mark: Mark
    author: str
    at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """An exploration with all that was said in it."""

    id: str
    study: str
    body: Exploration
    author: str
    at: datetime.datetime
    frame: Frame
    harm: Harm | None
    tree: Tree
    marks: tuple[Seen, ...]
    harms: Mapping[str, str]
    """Slug -> title of all that the study defines."""
    whats: tuple[str, ...]
    """What went wrong elsewhere in this study, in the words of others."""

    @property
    def newest(self) -> str:
        """The exchange that was made last, whoever made it; zeros before the first."""
        found = (e.id for move in self.tree.moves.values() for e in move.exchanges.values())
        return max(found, default=bytes(16)).hex()

    @property
    def waiting(self) -> bool:
        """Some reply is on its way."""
        return any(e.state == "asked" for move in self.tree.moves.values() for e in move.exchanges.values())


def choices(workspace: Workspace, study: str) -> Choices:
    """The scenarios and systems of a study."""
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
    language = now.head.languages[0]
    return Choices(
        scenarios=tuple((slug, in_language(one.title, language)) for slug, one in now.scenarios.items()),
        targets=tuple((slug, one.system) for slug, one in now.targets.items()),
        harms=tuple((slug, one.title) for slug, one in now.harms.items()),
    )


def begin(
    workspace: Workspace,
    study: str,
    *,
    scenario: str | None,
    targets: Sequence[str],
    arm: str = "full",
    hypothesis: str = "",
    guest: bool = False,
) -> str:
    """The id of a new exploration; raises InputError with every problem. A ``guest`` may not name every system."""
    issues: list[Issue] = []
    names = list(dict.fromkeys(targets))
    if not 1 <= len(names) <= MOST_LANES:
        issues.append(Issue(f"{len(names)} systems are chosen; expected 1 to {MOST_LANES}", path="targets"))
    with workspace.begin() as unit:
        now = load_study(unit, study, cases=False)
        if scenario is not None and scenario not in now.scenarios:
            issues.append(Issue(unknown("scenario", scenario, now.scenarios), path="scenario"))
        lanes: list[Lane] = []
        for name in names[:MOST_LANES]:
            if guest and not open_to_guests(name, now.targets):
                issues.append(Issue(f"{name!r} is no system of this study", path="targets"))
                continue
            try:
                target = resolve_target(unit, study, name)
                why = unrealisable(parse_arm(arm), target.delivery)
            except InputError as error:
                issues += [Issue(one.message, path="targets") for one in error.issues]
                continue
            if why is not None:
                issues.append(Issue(f"{name}: {why}", path="arm"))
            lanes.append(Lane(name=name, target=target, interaction=workspace.ids.new().hex()))
        if issues:
            raise InputError(issues)
        found = now.scenarios.get(scenario or "")
        body = Exploration(
            scenario=scenario,
            scenario_digest=found.content_digest() if found else None,
            arm=parse_arm(arm),
            language=found.language if found else now.head.languages[0],
            hypothesis=hypothesis or (found.hypothesis if found else ""),
            lanes=tuple(lanes),
        )
        key = workspace.ids.new()
        unit.explorations.add(key, unit.study_id(study), body, workspace.who)
        return key.hex()


def list_explorations(
    workspace: Workspace, study: str, *, before: str | None = None, most: int | None = None
) -> list[Listed]:
    """The explorations of a study, newest first; those begun ``before`` another, so many at most."""
    key = None if before is None else key_of("exploration", before)
    with workspace.begin() as unit:
        study_id = unit.study_id(study)
        found = unit.explorations.page(study_id, before=key, most=most)
        since = found[-1].id if found else b""
        moves = unit.explorations.count_moves(study_id, since=since)
        first = unit.explorations.first_words(study_id, since=since)
        marks = unit.explorations.marks(study_id, since=since)
        now = load_study(unit, study, cases=False)
    many: dict[bytes, int] = {}
    for one in marks:
        many[one.exploration] = many.get(one.exploration, 0) + 1
    return [
        Listed(
            id=one.id.hex(),
            title=_title(now, one.body),
            first=first.get(one.id, ""),
            systems=tuple(lane.name for lane in one.body.lanes),
            moves=moves.get(one.id, 0),
            marks=many.get(one.id, 0),
            author=one.author,
            at=time_of(one.id),
        )
        for one in found
    ]


def open_exploration(workspace: Workspace, study: str, id: str, *, live: Collection[bytes] = ()) -> Explored:
    """An exploration with its tree; ``live`` are exchanges that this process waits for."""
    settle_abandoned(workspace, live=live)
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, id)
        exchanges = unit.explorations.exchanges(stored)
        everywhere = unit.explorations.marks(stored.study_id)
        now = load_study(unit, study, cases=False)
    frame = frame_of(now, stored.body, ())
    return Explored(
        id=id,
        study=study,
        body=stored.body,
        author=stored.author,
        at=time_of(stored.id),
        frame=frame,
        harm=now.harms.get(frame.scenario.harm) if frame.scenario else None,
        tree=Tree(exchanges),
        marks=tuple(
            Seen(
                id=one.id.hex(),
                exchange=one.exchange.hex(),
                mark=one.body,
                author=one.author,
                at=time_of(one.id),
            )
            for one in everywhere
            if one.exploration == stored.id
        ),
        harms={slug: one.title for slug, one in now.harms.items()},
        whats=tuple(sorted({one.body.what for one in everywhere if one.body.what})),
    )


def newer_moves(workspace: Workspace, study: str, id: str, seen: str) -> dict[str, str]:
    """Message -> who sent it, for those that came after an exchange, oldest first."""
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, id)
        return {
            move.hex(): who for move, who in unit.explorations.newer(stored.id, key_of("reply", seen)).items()
        }


def find_exploration(unit: UnitOfWork, study: str, id: str) -> StoredExploration:
    """The exploration of a study; raises UnknownNameError."""
    found = unit.explorations.get(key_of("exploration", id))
    if found is None or found.study_id != unit.study_id(study):
        raise UnknownNameError("exploration", id, None)
    return found


def key_of(what: str, id: str) -> bytes:
    """The bytes of an id in hexadecimal; raises UnknownNameError for what is none."""
    try:
        key = bytes.fromhex(id)
    except ValueError:
        key = b""
    if len(key) != 16:
        raise UnknownNameError(what, id[:40], None)
    return key


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was stored, and the exchanges that wait for replies to it."""

    move: bytes
    exchanges: tuple[bytes, ...]


def say(workspace: Workspace, study: str, id: str, text: str | None, *, after: str | None) -> Sent:
    """Store a message to every system (None: they are asked to open).

    ``after`` is the move it answers; a second one after the same is a branch. Raises InputError.
    """
    text = None if text is None else text.strip()
    if text == "":
        raise InputError(Issue("nothing was written; expected a message", path="text"))
    if text is not None and len(text) > LONGEST_MESSAGE:
        raise InputError(
            Issue(
                f"the message has {len(text):,} characters; expected at most {LONGEST_MESSAGE:,}", path="text"
            )
        )
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, id)
        tree = Tree(unit.explorations.exchanges(stored))
        parents = _parents(tree, stored, after)
        workspace.ids.rise_above(
            max((e.id for m in tree.moves.values() for e in m.exchanges.values()), default=b"\0" * 16)
        )
        move = workspace.ids.new()
        made = [
            Exchange(
                id=workspace.ids.new(),
                move=move,
                lane=lane,
                parent=parent,
                text=text,
                state="asked",
                partial=None,
                error=None,
                author=workspace.who,
            )
            for lane, parent in parents.items()
        ]
        unit.explorations.ask(stored.id, made, workspace.now())
        return Sent(move, tuple(one.id for one in made))


def _parents(tree: Tree, stored: StoredExploration, after: str | None) -> Mapping[int, bytes | None]:
    """Lane -> the exchange that is answered; lanes whose last reply failed are left out."""
    if after is None:
        return dict.fromkeys(range(len(stored.body.lanes)))
    move = tree.moves.get(key_of("message", after))
    if move is None:
        raise UnknownNameError("message", after, None)
    if any(one.state == "asked" for one in move.exchanges.values()):
        raise InputError("a reply is still on its way; wait for it, or stop it")
    found = {lane: one.id for lane, one in move.exchanges.items() if one.turn is not None}
    if not found:
        raise InputError("no system replied to that message, so nothing can follow it; send it again instead")
    return found


def frame_of(study: Study, body: Exploration, said: Sequence[str]) -> Frame:
    """What an exploration is rendered from, ``said`` being what the user wrote so far."""
    case = Case.model_construct(scenario=body.scenario, script=tuple(said), language=body.language)
    scenario: Scenario | None = study.scenarios.get(body.scenario or "")
    if scenario is None:
        return Frame(case)
    contexts: Mapping[str, Context] = study.contexts
    personas: Mapping[str, Persona] = study.personas
    kinds: Mapping[str, InteractionType] = study.interaction_types
    return Frame(
        case,
        scenario,
        contexts.get(scenario.context),
        personas.get(scenario.persona),
        kinds.get(scenario.interaction_type),
    )


def render_lane(study: Study, body: Exploration, lane: int, said: Sequence[str]) -> Rendering:
    """What the system of a lane gets: the same as a case with these messages would give it."""
    target = body.lanes[lane].target
    frame = frame_of(study, body, said)
    return render(frame, arm=body.arm, delivery=target.delivery, system_prompt=target.system_prompt)


def settle_abandoned(workspace: Workspace, *, live: Collection[bytes] = ()) -> int:
    """Give replies whose process ended their final state, with what had come of them; gives how many."""
    before = workspace.now() - datetime.timedelta(seconds=ABANDONED_SECONDS)
    with workspace.begin() as unit:
        waiting = [one for one in unit.explorations.abandoned(before) if one[1] not in live]
        for key, exchange in waiting:
            stored = unit.explorations.get(key)
            assert stored is not None
            found = next(one for one in unit.explorations.exchanges(stored) if one.id == exchange)
            turn = turn_of(stored, found, found.text, found.partial, "interrupted") if found.partial else None
            told = "the server ended before the reply was complete"
            unit.explorations.settle(key, exchange, "interrupted", turn, told)
        return len(waiting)


def turn_of(
    stored: StoredExploration, exchange: Exchange, sent: str | None, reply: str, reason: str | None
) -> Turn:
    """The turn that an exchange made; ``sent`` is what the system got."""
    return Turn(
        id=exchange.id,
        interaction=bytes.fromhex(stored.body.lanes[exchange.lane].interaction),
        parent=exchange.parent,
        text=sent,
        reply=reply,
        finish_reason=reason,
    )


def mark(workspace: Workspace, study: str, id: str, exchange: str, given: Mapping[str, Any]) -> None:
    """Record what somebody saw in a reply; raises InputError with every problem."""
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, id)
        key = key_of("reply", exchange)
        if key not in {one.id for one in unit.explorations.exchanges(stored)}:
            raise UnknownNameError("reply", exchange, None)
        made = read_value(Mark, given)
        issues = off_scale(made.harm, made.severity, load_study(unit, study, cases=False))
        if not (made.harm or made.what or made.note):
            issues.append(Issue("says nothing; choose a harm, or write what was seen", path="note"))
        if issues:
            raise InputError(issues)
        row = StoredMark(workspace.ids.new(), stored.id, key, made, workspace.who)
        unit.explorations.add_mark(row)


def off_scale(harm: str | None, severity: int | None, study: Study) -> list[Issue]:
    """What is wrong with a harm and a severity on its scale."""
    if harm is None:
        return []
    known = study.harms.get(harm)
    if known is None:
        return [Issue(unknown("harm", harm, study.harms), path="harm")]
    scale = [level.value for level in known.severity.levels] if known.severity else []
    if severity is None or severity in scale:
        return []
    expected = ", ".join(map(str, scale)) or "none, since the harm declares no scale"
    told = f"severity {severity} is not on the scale of {harm}; expected {expected}"
    return [Issue(told, path="severity")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """How a branch becomes a case."""

    slug: str
    scenario: str
    why: str = ""
    """Intent: what the case is for; goes to the history."""
    hypothesis: str = ""


def promote(workspace: Workspace, study: str, id: str, move: str, how: Promotion) -> str:
    """A draft case out of the user's side of a branch; gives its slug. Raises InputError with every problem."""
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, id)
        tree = Tree(unit.explorations.exchanges(stored))
        end = key_of("message", move)
        if end not in tree.moves:
            raise UnknownNameError("message", move, None)
        path = tree.path(end)
        script = [one.text for one in path if one.text is not None]
        definitions = unit.definitions(study)
        scenarios = definitions.slugs("scenario")
        issues: list[Issue] = []
        if not is_slug(how.slug):
            issues.append(
                Issue(f"{how.slug!r} is no short name: letters, digits, '-', '_' and '.'", path="slug")
            )
        elif definitions.head("case", how.slug) is not None:
            issues.append(Issue(f"there is one with the short name {how.slug!r} already", path="slug"))
        if how.scenario not in scenarios:
            issues.append(Issue(unknown("scenario", how.scenario, scenarios), path="scenario"))
        if not script:
            issues.append(
                Issue("the user has said nothing on this branch, so there is no script", path="script")
            )
        if issues:
            raise InputError(issues)
        case = Case(
            scenario=how.scenario,
            script=tuple(script),
            language=stored.body.language,
            provenance=CaseProvenance(
                author=path[-1].author,
                origin="promoted",
                source=f"exploration {id}",
                selected_on=", ".join(lane.name for lane in stored.body.lanes),
                intent=how.why,
                hypothesis=how.hypothesis,
            ),
        )
        definitions.put(
            "case",
            [(how.slug, case)],
            author=workspace.who,
            origin="web",
            why=how.why,
            at=workspace.now(),
        )
        unit.studies.record(
            unit.study_id(study),
            id=workspace.ids.new(),
            who=workspace.who,
            what=f"promoted a branch of an exploration to case {how.slug}",
            why=how.why,
        )
        return how.slug


def _title(study: Study, body: Exploration) -> str:
    scenario = study.scenarios.get(body.scenario or "")
    return in_language(scenario.title, study.head.languages[0]) if scenario else "Without a scenario"
