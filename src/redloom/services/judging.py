"""Judging a run: by rules, by models, by people; never by calling the target again."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

from redloom.datasets.selection import sample
from redloom.domain.case import Case
from redloom.domain.harm import Harm
from redloom.domain.interaction import Interaction, Turn
from redloom.domain.judge import Judge, Unit
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.rendering import Frame, Frames
from redloom.domain.rubric import Rubric
from redloom.domain.run import Budget
from redloom.domain.target import Target
from redloom.errors import BudgetSpentError, InputError, Issue, RedloomError, first_of, unknown
from redloom.ids import IdSource
from redloom.judging.general import GENERAL_NAME, general_rubric
from redloom.judging.model import ModelJudge
from redloom.judging.prompt import PROMPT_VERSION, Brief
from redloom.judging.rules import PhraseRule, RefusalRule
from redloom.judging.units import excerpts
from redloom.services.finding import find_run
from redloom.services.studies import load_judges, load_study
from redloom.services.targets import connected, resolve_target
from redloom.services.workspace import Workspace
from redloom.storage.repositories.runs import StoredAttempt, StoredRun
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.base import Client
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience, Stopped

CHUNK = 200
READ_AHEAD = 64
REFUSAL = "rule:refusal"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judging pass made."""

    run: str
    judge: str
    states: Mapping[str, int]
    """State of judgement -> how many were made."""
    conversations: int
    message: str | None = None


class InlineRules:
    """Rule judges that need nothing but the conversation."""

    def __init__(self, refusals: Sequence[RefusalRule], phrases: Mapping[str, Judge], ids: IdSource) -> None:
        self._refusals, self._phrases, self._ids = refusals, phrases, ids
        self._made: dict[tuple[str, str], PhraseRule] = {}

    def __bool__(self) -> bool:
        return bool(self._refusals or self._phrases)

    def instruments(self, frames: Frames) -> list[Instrument]:
        """Every instrument that may be used on these definitions."""
        found = [rule.instrument for rule in self._refusals]
        for name, definition in self._phrases.items():
            found += [
                self._phrase(name, harm).instrument for harm in definition.harms or frames.slugs("harm")
            ]
        return found

    def rules(self, frames: Frames, case: Case) -> Iterator[RefusalRule | PhraseRule]:
        """The rules that judge conversations of this case."""
        yield from self._refusals
        harm = frames.harm(case)
        for name, definition in self._phrases.items():
            if harm is not None and (not definition.harms or harm[0] in definition.harms):
                yield self._phrase(name, harm[0])

    def judge(self, frames: Frames, case: object, turns: Sequence[Turn]) -> list[Judgement]:
        """All judgements on one conversation."""
        if not turns:
            return []
        assert isinstance(case, Case)
        language = frames.frame(case).language
        return [
            judgement
            for rule in self.rules(frames, case)
            for judgement in rule.judge(turns, self._ids, language)
        ]

    def _phrase(self, name: str, harm: str) -> PhraseRule:
        key = (name, harm)
        if key not in self._made:
            self._made[key] = PhraseRule(name, self._phrases[name], harm)
        return self._made[key]


def inline_rules(
    unit: UnitOfWork,
    study: str,
    names: Sequence[str],
    ids: IdSource,
    *,
    unit_of_judgement: Unit | None = None,
) -> InlineRules:
    """The rule judges of these names (``rule:refusal``, ``rule:NAME``); raises InputError for others.

    ``unit_of_judgement`` comes before the unit that a judge declares.
    """
    declared = {slug: j for slug, j in load_judges(unit, study).items() if j.by == "rule"}
    refusals: list[RefusalRule] = []
    phrases: dict[str, Judge] = {}
    for name in names:
        if name == REFUSAL:
            refusals.append(RefusalRule(unit_of_judgement or "interaction"))
            continue
        slug = name.removeprefix("rule:")
        if slug not in declared:
            raise InputError(unknown("rule judge", name, [REFUSAL, *(f"rule:{s}" for s in declared)]))
        chosen = {"unit": unit_of_judgement} if unit_of_judgement else {}
        phrases[slug] = declared[slug].model_copy(update=chosen)
    return InlineRules(refusals, phrases, ids)


def judge_by_rules(
    workspace: Workspace, run_name: str, names: Sequence[str], *, unit_of_judgement: Unit | None = None
) -> Judged:
    """Judge every completed conversation that these rules have not judged yet."""
    states: dict[str, int] = {}
    conversations = 0
    with workspace.begin() as unit:
        run = find_run(unit, run_name)
        study = unit.studies.slug_of(run.study_id)
        rules = inline_rules(unit, study, names, workspace.ids, unit_of_judgement=unit_of_judgement)
        frames = Frames(unit.releases(run.study_id).definitions(run.release_id))
        numbers = {i.digest(): unit.judgements.register(i) for i in rules.instruments(frames)}
        for piece in pieces(unit, run, frames):
            made: list[Judgement] = []
            now: set[tuple[bytes, str]] = set()
            for work in piece:
                before = len(made)
                for rule in rules.rules(frames, work.case):
                    key = (work.interaction.id, rule.instrument.digest())
                    if key[1] not in work.judged_by and key not in now:
                        now.add(key)
                        made += rule.judge(work.interaction.turns, workspace.ids, work.frame.language)
                conversations += len(made) > before
            unit.judgements.add(made, numbers)
            for judgement in made:
                states[judgement.state] = states.get(judgement.state, 0) + 1
    return Judged(run_name, ", ".join(names), states, conversations)


@dataclass(frozen=True, slots=True)
class Work:
    """One completed conversation of a run, with what judges need."""

    attempt: StoredAttempt
    case: Case
    slug: str
    frame: Frame
    interaction: Interaction
    judgements: Sequence[Judgement]

    @property
    def judged_by(self) -> frozenset[str]:
        """Instruments that judged it with a state other than error."""
        return frozenset(j.instrument for j in self.judgements if j.state != "error")

    def judged(self, instrument: str) -> frozenset[bytes | None]:
        """The turns that an instrument judged with a state other than error; None for the whole of it."""
        return frozenset(j.turn for j in self.judgements if j.instrument == instrument and j.state != "error")


Task = tuple[Work, Instrument, Brief, frozenset[bytes | None]]
"""A conversation to be judged with an instrument, and the turns that it judged before."""


def pieces(
    unit: UnitOfWork, run: StoredRun, frames: Frames, *, chosen: frozenset[str] | None = None
) -> Iterator[list[Work]]:
    """The completed conversations of a run by case, some hundreds at a time.

    Cases that share a stimulus share its conversations: each conversation comes once for each such case.
    ``chosen`` keeps only conversations whose hex id is in it.
    """
    releases = unit.releases(run.study_id)
    after = -1
    while True:
        cases = list(releases.cases(run.release_id, after=after, most=CHUNK))
        if not cases:
            return
        after = cases[-1][0].ordinal
        by_stimulus: dict[str, list[StoredAttempt]] = {}
        for attempt in unit.runs.attempts(run.id, [released.stimulus for released, _ in cases]):
            key = attempt.interaction
            if attempt.state == "completed" and key is not None and (chosen is None or key.hex() in chosen):
                by_stimulus.setdefault(attempt.stimulus, []).append(attempt)
        ids = [a.interaction for group in by_stimulus.values() for a in group if a.interaction is not None]
        talks = unit.runs.interactions(ids)
        judged = unit.judgements.of(ids)
        found: list[Work] = []
        for released, case in cases:
            frame = frames.frame(case)
            for attempt in by_stimulus.get(released.stimulus, ()):
                key = cast(bytes, attempt.interaction)
                found.append(Work(attempt, case, released.slug, frame, talks[key], judged.get(key, ())))
        if found:
            yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """How a model judges a run."""

    judge: str
    """A judge of the study, a target of the study, or ``kind:rest``."""
    unit: Unit | None = None
    base_url: str | None = None
    sample: int | None = None
    """Only so many conversations, drawn by hash."""
    seed: int = 0
    variants: bool = True
    """Judge dissenting rubrics too."""
    concurrency: int | None = None
    budget: Budget = field(default_factory=Budget)
    on_progress: Callable[[int, int], None] | None = None


def check_judges(workspace: Workspace, run_name: str, names: Sequence[str]) -> None:
    """Raise InputError for every name that is no judge of the run's study, before any of them judges."""
    issues: list[Issue] = []
    with workspace.begin() as unit:
        study = unit.studies.slug_of(find_run(unit, run_name).study_id)
        for name in names:
            try:
                if _resolve(unit, study, name) is None:
                    inline_rules(unit, study, [_rule_name(name)], workspace.ids)
            except InputError as error:
                issues += error.issues
    if issues:
        raise InputError(issues)


def _resolve(
    unit: UnitOfWork, study: str, name: str, base_url: str | None = None
) -> tuple[Judge, Target] | None:
    """A model judge with its target; None for a rule."""
    declared = load_judges(unit, study).get(name)
    if name.startswith("rule:") or (declared is not None and declared.by == "rule"):
        return None
    definition = declared or Judge(by="model", target=name)
    return definition, resolve_target(unit, study, definition.target or name, base_url=base_url)


def _rule_name(name: str) -> str:
    return name if name.startswith("rule:") else f"rule:{name}"


async def judge_run(workspace: Workspace, run_name: str, options: JudgeOptions) -> Judged:
    """Judge the completed conversations of a run that this judge has not judged yet."""
    with workspace.begin() as unit:
        run = find_run(unit, run_name)
        found = _resolve(unit, unit.studies.slug_of(run.study_id), options.judge, options.base_url)
    if found is None:
        return judge_by_rules(
            workspace, run.name, [_rule_name(options.judge)], unit_of_judgement=options.unit
        )
    definition, target = found
    async with connected(workspace, target) as client:
        patience = Patience(
            limits=target.limits,
            prices=target.prices,
            concurrency=options.concurrency or target.limits.concurrency or client.capabilities.concurrency,
            meter=Meter(options.budget, time.monotonic),
            jitter=random.Random(options.seed),
        )
        plan = _ModelPlan(workspace, run, definition, options, target.system_digest())
        return await plan.judge(client, patience)


def briefs(
    frame: Frame, harm: tuple[str, Harm] | None, definition: Judge, language: str | None, *, variants: bool
) -> Iterator[tuple[str | None, str, Brief]]:
    """(harm slug, variant, brief) for the headline rubric and every dissenting one."""
    shown = set(definition.shows)
    context = frame.context if "context" in shown else None
    persona = frame.persona if "persona" in shown else None

    def brief(rubric: Rubric, concept: Harm | None) -> Brief:
        return Brief(
            rubric=rubric,
            harm=concept,
            context=context,
            persona=persona,
            language=language,
            rationale=definition.rationale,
        )

    if harm is None:
        yield None, "", brief(general_rubric(), None)
        return
    slug, concept = harm
    yield slug, "", brief(concept.rubric, concept)
    for dissent in concept.dissent if variants else ():
        if dissent.rubric is not None:
            changed = {"definition": dissent.definition} if dissent.definition is not None else {}
            yield slug, dissent.by, brief(dissent.rubric, concept.model_copy(update=changed))


class _ModelPlan:
    """What one model judge does on one run."""

    def __init__(
        self,
        workspace: Workspace,
        run: StoredRun,
        definition: Judge,
        options: JudgeOptions,
        target_digest: str,
    ) -> None:
        self._workspace, self._run, self._definition = workspace, run, definition
        self._options, self._target = options, target_digest
        self._unit: Unit = options.unit or definition.unit
        self._numbers: dict[str, int] = {}
        self._states: dict[str, int] = {}
        self._conversations = 0
        with workspace.begin() as unit:
            self._frames = Frames(unit.releases(run.study_id).definitions(run.release_id))
            self._language = load_study(unit, run.spec.study, cases=False).head.languages[0]
            self._chosen = self._sample(unit)

    async def judge(self, client: Client, patience: Patience) -> Judged:
        """All of it, so many at once; what was judged is stored as it comes."""
        judge = ModelJudge(client=client, patience=patience, ids=self._workspace.ids, unit=self._unit)
        work = asyncio.Queue[Task | None](patience.concurrency * 2)
        message: str | None = None
        failure: BaseException | None = None
        total = await asyncio.to_thread(lambda: sum(1 for _ in self._todo()))
        self._tell(total)
        storing = asyncio.Lock()
        todo, reading = self._todo(), threading.Lock()

        def read() -> list[Task]:
            with reading:
                return list(islice(todo, READ_AHEAD))

        async def produce() -> None:
            while batch := await asyncio.to_thread(read):
                for one in batch:
                    await work.put(one)
            for _ in range(patience.concurrency):
                await work.put(None)

        async def consume() -> None:
            while (one := await work.get()) is not None:
                talk, instrument, brief, before = one
                made: list[Judgement] = []
                try:
                    async for found in judge.judge(talk.interaction.turns, brief, instrument, before=before):
                        made.append(found)  # noqa: PERF401  kept where a later one raises
                finally:
                    if made:
                        async with storing:
                            await asyncio.to_thread(self._store, made, instrument)
                self._conversations += 1
                self._tell(total)

        try:
            async with asyncio.TaskGroup() as workers:
                workers.create_task(produce())
                for _ in range(patience.concurrency):
                    workers.create_task(consume())
        except* (BudgetSpentError, Stopped) as group:
            message = f"stopped: {first_of(group)}; call judge again to go on"
        except* RedloomError as group:
            failure = first_of(group)
        finally:
            with reading:
                todo.close()
        if failure is not None:
            raise failure
        return Judged(self._run.name, self._options.judge, self._states, self._conversations, message)

    def _tell(self, total: int) -> None:
        if self._options.on_progress is not None:
            self._options.on_progress(self._conversations, total)

    def _todo(self) -> Generator[Task]:
        """What is left to judge; a conversation that cases share comes once for each instrument."""
        found: set[tuple[bytes, str]] = set()
        with self._workspace.begin() as unit:
            for piece in pieces(unit, self._run, self._frames, chosen=self._chosen):
                for work in piece:
                    for one in self._missing(work):
                        key = (work.interaction.id, one[1].digest())
                        if key not in found:
                            found.add(key)
                            yield one

    def _missing(self, work: Work) -> Iterator[Task]:
        harm = self._frames.harm(work.case)
        if harm is not None and self._definition.harms and harm[0] not in self._definition.harms:
            return
        for slug, variant, brief in briefs(
            work.frame, harm, self._definition, self._language, variants=self._options.variants
        ):
            instrument = self._instrument(slug, variant, brief)
            before = work.judged(instrument.digest())
            if any(excerpt.turn not in before for excerpt in excerpts(work.interaction.turns, self._unit)):
                yield work, instrument, brief, before

    def _instrument(self, harm: str | None, variant: str, brief: Brief) -> Instrument:
        return Instrument(
            rater_kind="model",
            rater=self._options.judge,
            version=PROMPT_VERSION + ("" if brief.rationale else " without rationale"),
            target_digest=self._target,
            harm=harm or GENERAL_NAME,
            rubric_digest=brief.rubric.digest(),
            variant=variant,
            unit=self._unit,
            shows=self._definition.shows,
        )

    def _store(self, made: Iterable[Judgement], instrument: Instrument) -> None:
        digest = instrument.digest()
        found = list(made)
        with self._workspace.begin() as unit:
            if digest not in self._numbers:
                self._numbers[digest] = unit.judgements.register(instrument)
            unit.judgements.add(found, self._numbers)
        for judgement in found:
            self._states[judgement.state] = self._states.get(judgement.state, 0) + 1

    def _sample(self, unit: UnitOfWork) -> frozenset[str] | None:
        if self._options.sample is None:
            return None
        every = (w.interaction.id.hex() for piece in pieces(unit, self._run, self._frames) for w in piece)
        return sample(set(every), size=self._options.sample, seed=self._options.seed)
