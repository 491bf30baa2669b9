"""The conversations of a run in lists, and one of them with all that was said of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from redloom.domain.case import Case
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.marks import Mark, fold
from redloom.domain.rendering import Frame, Frames, Rendering
from redloom.domain.rubric import Rubric
from redloom.domain.value import in_language
from redloom.errors import UnknownNameError
from redloom.report.words import LONGEST_SHOWN, LONGEST_SHOWN_LATE, VERDICT_WORDS
from redloom.services.execution import render_for
from redloom.services.observing import CUT, PanelKey, concerns, panels_of, units_of
from redloom.services.remembering import SETTLED, frames_of, remembered_of_run
from redloom.services.run_pages import instruments_of, open_run, panels, split
from redloom.services.workspace import Workspace
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.repositories.talks import CutTurn, Place, Said, StoredTalk, TalkQuery
from redloom.storage.unit_of_work import UnitOfWork

PAGE = 20
BEGINNING = 160
"""Characters of a conversation that a list shows."""
MOST_SHOWN = 2_000_000
"""Characters of one conversation that a page shows, spread over its messages."""
SAID: tuple[Said, ...] = get_args(Said)


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkFilter:
    """Which conversations of a run somebody wants to see; an empty field asks nothing."""

    arm: str = ""
    state: str = ""
    said: str = ""
    """One of :data:`SAID`."""
    judge: str = ""
    """By this judge; empty for any."""
    scenario: str = ""
    harm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one judge says of a whole conversation, or of one turn."""

    judge: str
    words: str
    harm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkLine:
    """One conversation as a list shows it."""

    id: str
    """Empty where nothing was said."""
    ordinal: int
    """Of its case in the release."""
    case: str
    scenario: str
    persona: str
    context: str
    harm: str
    language: str
    arm: str
    index: int
    state: str
    error: str
    said: str
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TalksPage:
    """Some conversations of a run."""

    run: StoredRun
    lines: tuple[TalkLine, ...]
    before: str
    """The place that the page before this one ends before; empty on the first."""
    after: str
    """The place that the next page comes after; empty on the last."""
    arms: tuple[str, ...]
    judges: tuple[str, ...]
    scenarios: Mapping[str, str]
    """Slug -> title."""
    harms: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownJudgement:
    """One judgement, readable."""

    judge: str
    kind: str
    unit: str
    by: str
    """Whose dissenting rubric it is; empty for the headline."""
    turn: int | None
    words: str
    harm: bool
    severity: int | None
    level: str
    """What the severity is called."""
    answers: tuple[tuple[str, str], ...]
    """(question in words, answer)."""
    missing_fact: str
    rationale: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """One exchange with what judges said of it."""

    number: int
    turn: CutTurn
    is_limited: bool
    """The token limit cut the reply."""
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Another conversation that matches."""

    id: str
    ordinal: int
    """Of its case in the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkView:
    """One conversation of a run with all that was said of it."""

    run: StoredRun
    id: str
    case: str
    frame: Frame
    harm_slug: str
    harm: str
    talk: StoredTalk
    told: str
    """What the system was told before anything was said; empty for nothing."""
    fields: Mapping[str, str]
    """What else went along with each request."""
    turns: tuple[TurnView, ...]
    votes: tuple[Vote, ...]
    """On the whole."""
    judgements: tuple[ShownJudgement, ...]
    dissent: tuple[ShownJudgement, ...]
    """By dissenting rubrics."""
    previous: Step | None
    next: Step | None


def list_talks(
    workspace: Workspace, study: str, name: str, wanted: TalkFilter, *, after: str = "", before: str = ""
) -> TalksPage:
    """One page of the conversations of a run that match; raises UnknownNameError for a run there is not."""
    with workspace.begin() as unit:
        reader = _Reader(workspace, unit, open_run(unit, study, name), wanted)
        rows = reader.rows(after=_place(after), before=_place(before), most=PAGE + 1)
        shown, more = split(rows, PAGE, back=bool(before))
        frames = reader.frames
        return TalksPage(
            run=reader.run,
            lines=tuple(reader.lines(shown)),
            before=_key(shown[0]) if shown and (more if before else after) else "",
            after=_key(shown[-1]) if shown and (before or more) else "",
            arms=reader.run.spec.arms,
            judges=tuple(dict.fromkeys(panel.rater for panel in reader.panels)),
            scenarios=frames.titles("scenario"),
            harms=frames.titles("harm"),
        )


def open_talk(
    workspace: Workspace, study: str, name: str, talk: str, wanted: TalkFilter, *, ordinal: int | None = None
) -> TalkView:
    """One conversation of a run, of the case with that ordinal where several share it, with its neighbours that match.

    Raises UnknownNameError.
    """
    with workspace.begin() as unit:
        reader = _Reader(workspace, unit, open_run(unit, study, name), wanted)
        return reader.view(*_find(unit, reader.run, talk, ordinal))


def whole_text(workspace: Workspace, study: str, name: str, talk: str, number: int, *, reply: bool) -> str:
    """What was said or replied in one turn, all of it; raises UnknownNameError."""
    with workspace.begin() as unit:
        run = open_run(unit, study, name)
        key, _ = _find(unit, run, talk, None)
        found = unit.talks(run).text(key, number) if number > 0 else None
    text = None if found is None else found[1] if reply else found[0]
    if text is None:
        raise UnknownNameError("message", f"{number}", None)
    return text


def _find(unit: UnitOfWork, run: StoredRun, talk: str, ordinal: int | None) -> tuple[bytes, StoredTalk]:
    try:
        key = bytes.fromhex(talk)
    except ValueError:
        key = b""
    found = unit.talks(run).find(key, ordinal=ordinal) if len(key) == 16 else None
    if found is None:
        raise UnknownNameError("conversation", talk[:40], None)
    return key, found


class _Reader:
    """The conversations of one run that match a filter."""

    def __init__(self, workspace: Workspace, unit: UnitOfWork, run: StoredRun, wanted: TalkFilter) -> None:
        self.run, self.wanted = run, wanted
        self.frames: Frames = frames_of(workspace, unit, run)
        self._workspace, self._unit, self._talks = workspace, unit, unit.talks(run)
        self._instruments = instruments_of(workspace, unit, run)
        self.panels = panels(self._instruments)
        numbers = {panel: number for number, panel in enumerate(self.panels)}
        self._headline = {
            digest: numbers[panel]
            for digest, panel in panels_of(self._instruments).items()
            if not self._instruments[digest].variant
        }
        """Instrument with a headline rubric -> number of its judge."""
        self._query = self._asked()
        self._read: dict[int, tuple[str, Case]] = {}
        """Cases that were read, by ordinal."""
        self._counted: dict[bytes, int] = {}
        """Replies of conversations that were read."""
        self._heard: dict[bytes, list[Judgement]] = {}
        """Judgements of conversations that were read."""

    def rows(
        self, *, after: Place | None = None, before: Place | None = None, most: int, held: bool = False
    ) -> list[StoredTalk]:
        """At most ``most`` after a place, or the last ones before one."""
        query = replace(self._query, held=held)
        found: list[StoredTalk] = []
        while len(found) < most:
            few = self._near(query, before or after, most, back=before is not None)
            rows = self._talks.page(query, after=after, before=before, most=most, ordinals=few)
            fitting = self._fitting(rows) if query.said else rows
            found = fitting + found if before else found + fitting
            if len(rows) < most:
                break
            before, after = (rows[0].place, None) if before else (None, rows[-1].place)
        return found[-most:] if before else found[:most]

    def _near(self, query: TalkQuery, place: Place | None, most: int, *, back: bool) -> Sequence[int] | None:
        """The cases at a place and the next ``most`` that have a match; None where looking is as quick.

        All with a match are found once and kept as long as nothing changes, and so never for a run that goes.
        """
        if not query.may_match_few or self.run.state not in SETTLED:
            return None
        key = ("ordinals", query)
        every = remembered_of_run(
            self._workspace, self._unit, self.run, key, lambda: self._talks.ordinals(query)
        )
        if place is None:
            return every[: most + 1]
        if back:
            end = bisect_right(every, place.ordinal)
            return every[max(end - most - 1, 0) : end]
        start = bisect_left(every, place.ordinal)
        return every[start : start + most + 1]

    def lines(self, rows: Sequence[StoredTalk]) -> list[TalkLine]:
        """What a list shows of these."""
        cases, judged, replies = self._cases(rows), self._judged(rows), self._replies(rows)
        keys = [row.interaction for row in rows if row.interaction is not None]
        said = self._talks.beginnings(keys, most=BEGINNING)
        return [
            self._line(
                row,
                *cases[row.place.ordinal],
                said.get(key := row.interaction or b"", ""),
                self._votes(judged.get(key, ()), cases[row.place.ordinal][1], replies=replies.get(key, 0)),
            )
            for row in rows
        ]

    def view(self, key: bytes, talk: StoredTalk) -> TalkView:
        """One conversation whole."""
        slug, case = self._cases([talk])[talk.place.ordinal]
        frame, harm = self.frames.frame(case), self.frames.harm(case)
        size = max(1, self._talks.count_turns(key))
        most = min(LONGEST_SHOWN, max(LONGEST_SHOWN_LATE, MOST_SHOWN // size))
        turns = self._talks.turns(key, most=most)
        numbers = {one.id: number for number, one in enumerate(turns, start=1)}
        found = [j for j in self._unit.judgements.of([key]).get(key, ()) if self._concerns(j, case)]
        language = frame.language
        rubrics = _rubrics(self.frames, case) if any(one.answers for one in found) else {}
        shown = [
            _shown(j, self._instruments[j.instrument], numbers, rubrics, self._level(j, case), language)
            for j in found
        ]
        rendering: Rendering | None = None
        if self.run.spec.frame != "imported":
            rendering = render_for(frame, self.run.spec, talk.place.arm)
        before = self.rows(before=talk.place, most=1, held=True)
        after = self.rows(after=talk.place, most=1, held=True)
        return TalkView(
            run=self.run,
            id=key.hex(),
            case=slug,
            frame=frame,
            harm_slug=harm[0] if harm else "",
            harm=harm[1].title if harm else "",
            talk=talk,
            told=rendering.system if rendering else talk.system or "",
            fields=rendering.fields if rendering else {},
            turns=tuple(
                TurnView(
                    number=numbers[one.id],
                    turn=one,
                    is_limited=one.finish_reason in CUT,
                    votes=self._votes([j for j in found if j.turn == one.id], case),
                )
                for one in turns
            ),
            votes=self._votes([j for j in found if j.turn is None], case),
            judgements=tuple(one for one in shown if not one.by),
            dissent=tuple(one for one in shown if one.by),
            previous=_step(before),
            next=_step(after),
        )

    def _asked(self) -> TalkQuery:
        wanted = self.wanted
        scenarios: tuple[str, ...] | None = None
        if wanted.scenario:
            scenarios = (wanted.scenario,)
        if wanted.harm:
            about = self.frames.scenarios_about(wanted.harm)
            scenarios = tuple(slug for slug in about if not wanted.scenario or slug == wanted.scenario)
        said = wanted.said if wanted.said in SAID else None
        judges = self._asked_judges() if said else {}
        return TalkQuery(
            arm=wanted.arm,
            state=wanted.state,
            scenarios=scenarios,
            harm="" if wanted.scenario else wanted.harm,
            said=said,
            judges=tuple(map(tuple, judges.values())),
            by_turn=frozenset(
                number
                for panel, numbers in judges.items()
                if self.panels[panel].unit != "interaction"
                for number in numbers
            ),
        )

    def _asked_judges(self) -> dict[int, list[int]]:
        """Panel -> the numbers of its instruments, of each judge that is asked for."""
        numbers = self._unit.judgements.numbers(self._headline)
        found: dict[int, list[int]] = {}
        for digest, panel in self._headline.items():
            if self.wanted.judge in ("", self.panels[panel].rater):
                found.setdefault(panel, []).append(numbers[digest])
        return found

    def _fitting(self, rows: Sequence[StoredTalk]) -> list[StoredTalk]:
        """Those of these whose judges still say what was asked: a later judgement may say otherwise."""
        cases, judged, replies = self._cases(rows), self._judged(rows), self._replies(rows)

        def fits(row: StoredTalk) -> bool:
            key, case = row.interaction or b"", cases[row.place.ordinal][1]
            return self._fits(self._marks(judged.get(key, ()), case, replies=replies.get(key, 0)))

        return [row for row in rows if fits(row)]

    def _replies(self, rows: Iterable[StoredTalk]) -> Mapping[bytes, int]:
        """Conversation -> replies that the system gave."""
        keys = {row.interaction for row in rows if row.interaction is not None} - self._counted.keys()
        if keys:
            counted = self._unit.runs.reply_counts(list(keys), CUT)
            self._counted |= {key: total for key, (total, _, _) in counted.items()}
        return self._counted

    def _line(
        self,
        row: StoredTalk,
        slug: str,
        case: Case,
        words: str,
        votes: tuple[Vote, ...],
    ) -> TalkLine:
        frame, harm = self.frames.frame(case), self.frames.harm(case)
        return TalkLine(
            id=row.interaction.hex() if row.interaction else "",
            ordinal=row.place.ordinal,
            case=slug,
            scenario=frame.scenario.title if frame.scenario else "",
            persona=frame.persona.title if frame.persona else "",
            context=frame.context.title if frame.context else "",
            harm=harm[1].title if harm else "",
            language=frame.language or "",
            arm=row.place.arm,
            index=row.place.index,
            state=row.state,
            error=row.error or "",
            said=" ".join(words.split()) + ("…" if len(words) == BEGINNING else ""),
            votes=votes,
        )

    def _marks(self, judgements: Iterable[Judgement], case: Case, *, replies: int = 1) -> dict[int, Mark]:
        """What each judge says by the headline rubric, by number; of one unit, or of a conversation of so many replies."""
        groups: dict[int, list[Judgement]] = {}
        for one in judgements:
            number = self._headline.get(one.instrument)
            if number is not None and self._concerns(one, case):
                groups.setdefault(number, []).append(one)
        return {
            number: fold(groups[number], expected=units_of(self.panels[number].unit, replies))
            for number in sorted(groups)
        }

    def _votes(self, judgements: Iterable[Judgement], case: Case, *, replies: int = 1) -> tuple[Vote, ...]:
        marks = self._marks(judgements, case, replies=replies)
        return tuple(_vote(self.panels[n], mark) for n, mark in marks.items())

    def _fits(self, marks: Mapping[int, Mark]) -> bool:
        said = self.wanted.said
        asked = [n for n, panel in enumerate(self.panels) if self.wanted.judge in ("", panel.rater)]
        found = [marks[n] for n in asked if n in marks]
        if said == "unjudged":
            return sum(one.state == "ok" for one in found) < len(asked)
        if said == "refused":
            return any(one.declined for one in found)
        return any(one.verdict == said for one in found)

    def _judged(self, rows: Iterable[StoredTalk]) -> Mapping[bytes, Sequence[Judgement]]:
        keys = {row.interaction for row in rows if row.interaction is not None} - self._heard.keys()
        if keys:
            self._heard |= {key: list[Judgement]() for key in keys} | self._unit.judgements.of(list(keys))
        return self._heard

    def _cases(self, rows: Iterable[StoredTalk]) -> Mapping[int, tuple[str, Case]]:
        ordinals = {row.place.ordinal for row in rows} - self._read.keys()
        if ordinals:
            self._read |= self._unit.releases(self.run.study_id).at(self.run.release_id, ordinals)
        return self._read

    def _concerns(self, judgement: Judgement, case: Case) -> bool:
        instrument, harm = self._instruments.get(judgement.instrument), self.frames.harm(case)
        return instrument is not None and concerns(instrument, harm[0] if harm else None)

    def _level(self, judgement: Judgement, case: Case) -> str:
        harm = self.frames.harm(case)
        if harm is None or harm[1].severity is None:
            return ""
        labels = {one.value: one.label for one in harm[1].severity.levels}
        return labels.get(judgement.severity or 0, "") if judgement.severity is not None else ""


def _vote(panel: PanelKey, mark: Mark) -> Vote:
    judge = panel.rater if panel.unit == "interaction" else f"{panel.rater}, by turn"
    return Vote(
        judge=judge,
        words=_words(mark.state, mark.verdict, mark.refusal),
        harm=mark.state == "ok" and mark.verdict == "harm",
    )


def _words(state: str, verdict: str | None, refusal: str | None) -> str:
    if state != "ok":
        return f"no verdict ({state})"
    parts = [VERDICT_WORDS[verdict]] if verdict else []
    if refusal:
        parts.append("no refusal" if refusal == "none" else f"{refusal} refusal")
    return ", ".join(parts) or "nothing"


def _shown(
    judgement: Judgement,
    instrument: Instrument,
    numbers: Mapping[bytes, int],
    rubrics: Mapping[str, Rubric],
    level: str,
    language: str | None,
) -> ShownJudgement:
    rubric = rubrics.get(instrument.rubric_digest or "")
    questions = rubric.questions if rubric else {}

    def asked(name: str) -> str:
        return in_language(questions[name].text, language) if name in questions else name.replace("_", " ")

    return ShownJudgement(
        judge=instrument.rater,
        kind=instrument.rater_kind,
        unit=instrument.unit,
        by=instrument.variant,
        turn=numbers.get(judgement.turn) if judgement.turn else None,
        words=_words(judgement.state, judgement.verdict, judgement.refusal),
        harm=judgement.state == "ok" and judgement.verdict == "harm",
        severity=judgement.severity,
        level=level,
        answers=tuple((asked(name), answer) for name, answer in judgement.answers),
        missing_fact=judgement.missing_fact or "",
        rationale=judgement.rationale or "",
        raw=judgement.raw or "",
    )


def _rubrics(frames: Frames, case: Case) -> dict[str, Rubric]:
    """Digest -> the rubrics of the case's harm, dissenting ones included."""
    harm = frames.harm(case)
    if harm is None:
        return {}
    dissenting = (one.rubric for one in harm[1].dissent if one.rubric is not None)
    return {one.digest(): one for one in (harm[1].rubric, *dissenting)}


def _place(key: str) -> Place | None:
    """The place that an address names; None for none and for what is no place."""
    ordinal, _, rest = key.partition(".")
    arm, _, index = rest.rpartition(".")
    if not (ordinal.isdecimal() and index.isdecimal() and len(ordinal) < 10 and len(index) < 10):
        return None
    return Place(int(ordinal), arm, int(index))


def _key(row: StoredTalk) -> str:
    return f"{row.place.ordinal}.{row.place.arm}.{row.place.index}"


def _step(rows: Sequence[StoredTalk]) -> Step | None:
    found = rows[0] if rows else None
    return (
        Step(id=found.interaction.hex(), ordinal=found.place.ordinal) if found and found.interaction else None
    )
