"""Judging a run: by rules or by models; never by calling the target again."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from redloom.domain.brief import brief_digest
from redloom.domain.harm import Harm
from redloom.domain.judge import Judge, Unit
from redloom.domain.judgement import Instrument, Judgement, JudgingPass
from redloom.domain.rendering import Frame, Frames
from redloom.domain.rubric import Rubric
from redloom.domain.run import Budget
from redloom.domain.target import Target
from redloom.errors import (
    BudgetSpentError,
    FailingError,
    InputError,
    Issue,
    RedloomError,
    RejectedError,
    StoppedError,
    StoreError,
    first_of,
)
from redloom.judging.general import GENERAL_NAME, general_rubric
from redloom.judging.model import ModelJudge
from redloom.judging.probe import probe_instrument
from redloom.judging.prompt import PROMPT_VERSION, Brief
from redloom.judging.units import excerpts
from redloom.report.data import Probed
from redloom.services.conversations import Work, drawn, pieces
from redloom.services.finding import find_run
from redloom.services.loading import load_judges, load_study
from redloom.services.probing import probe_judge
from redloom.services.program import program_version
from redloom.services.rules import Judged, inline_rules, judge_by_rules, rule_name
from redloom.services.targets import connected, resolve_target
from redloom.services.workspace import Workspace
from redloom.storage.ledger import Place
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience, Stopped
from redloom.targets.source import source_digest

CHUNK = 200
READ_AHEAD = 64
REFUSAL = "rule:refusal"
FAILED, AGAIN = ("error",), ("error", "unparseable", "refused")
"""States of judgements that are tried again, and those that are where somebody asks for it."""


Task = tuple[Work, Instrument, Brief, frozenset[bytes | None]]
"""A conversation to be judged with an instrument, and the turns that it judged before."""


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
    again: bool = False
    """Also where the answer could not be read, or was refused; a verdict that there is stays."""
    probe: bool = False
    """First ask a model judge about planted conversations that give it orders."""
    concurrency: int | None = None
    budget: Budget = field(default_factory=Budget)
    on_progress: Callable[[int, int], None] | None = None
    on_probe: Callable[[int, int], None] | None = None


def check_judges(workspace: Workspace, run_name: str, names: Sequence[str]) -> None:
    """Raise InputError for every name that is no judge of the run's study, before any of them judges."""
    issues: list[Issue] = []
    with workspace.begin() as unit:
        study = unit.studies.slug_of(find_run(unit, run_name).study_id)
        for name in names:
            try:
                if resolve_judge(unit, study, name) is None:
                    inline_rules(unit, study, [rule_name(name)], workspace.ids)
            except InputError as error:
                issues += error.issues
    if issues:
        raise InputError(issues)


def resolve_judge(
    unit: UnitOfWork, study: str, name: str, base_url: str | None = None
) -> tuple[Judge, Target] | None:
    """A model judge with its target; None for a rule."""
    declared = load_judges(unit, study).get(name)
    if name.startswith("rule:") or (declared is not None and declared.by == "rule"):
        return None
    definition = declared or Judge(by="model", target=name)
    return definition, resolve_target(unit, study, definition.target or name, base_url=base_url)


async def judge_run(workspace: Workspace, run_name: str, options: JudgeOptions) -> Judged:
    """Judge the completed conversations of a run that this judge has not judged yet."""
    with workspace.begin() as unit:
        run = find_run(unit, run_name)
        found = resolve_judge(unit, unit.studies.slug_of(run.study_id), options.judge, options.base_url)
    if found is None:
        rule = [rule_name(options.judge)]
        return judge_by_rules(
            workspace,
            run.name,
            rule,
            unit_of_judgement=options.unit,
            sample=options.sample,
            seed=options.seed,
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
        judge = ModelJudge(
            client=client, patience=patience, ids=workspace.ids, unit=options.unit or definition.unit
        )
        plan = _ModelPlan(workspace, run, definition, options, target)
        return await plan.judge(judge)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What is behind a model judge, whatever it is asked."""

    name: str
    """Of the judge."""
    definition: Judge
    target_digest: str
    unit: Unit
    code: str
    """Digest of the file behind its system; empty where there is none."""

    def instrument(self, harm: str | None, variant: str, brief: Brief) -> Instrument:
        """What the judge is with one brief."""
        version, shows = _version(brief.rationale), self.definition.shows
        return Instrument(
            rater_kind="model",
            rater=self.name,
            version=version,
            target_digest=self.target_digest,
            harm=harm or GENERAL_NAME,
            rubric_digest=brief.rubric.digest(),
            variant=variant,
            unit=self.unit,
            shows=shows,
            brief_digest=brief_digest(
                brief.rubric,
                brief.harm,
                kind="model",
                version=version,
                shows=shows,
                language=brief.language,
            ),
            language=brief.language,
            code_digest=self.code or None,
        )


def _version(rationale: bool) -> str:
    return PROMPT_VERSION + ("" if rationale else " without rationale")


class _ModelPlan:
    """What one model judge does on one run."""

    def __init__(
        self,
        workspace: Workspace,
        run: StoredRun,
        definition: Judge,
        options: JudgeOptions,
        target: Target,
    ) -> None:
        self._workspace, self._run, self._definition = workspace, run, definition
        self._options, self._target = options, target
        self._unit: Unit = options.unit or definition.unit
        self._behind = Behind(
            name=options.judge,
            definition=definition,
            target_digest=target.system_digest(),
            unit=self._unit,
            code=source_digest(target.system, workspace.settings.home),
        )
        self._numbers: dict[str, int] = {}
        self._states: dict[str, int] = {}
        self._conversations = 0
        self._place = Place(workspace.database)
        with workspace.begin() as unit:
            self._frames = Frames(unit.releases(run.study_id).definitions(run.release_id))
            self._language = load_study(unit, run.spec.study, cases=False).head.languages[0]
            self._chosen = self._sample(unit)

    async def judge(self, judge: ModelJudge) -> Judged:
        """All of it, so many at once; what was judged is stored as it comes."""
        patience, stop = judge.patience, judge.patience.stop
        work = asyncio.Queue[Task | None](patience.concurrency * 2)
        failure: BaseException | None = None
        probed: Probed | None = None
        total = await asyncio.to_thread(lambda: sum(1 for _ in self._todo()))
        storing = asyncio.Lock()
        todo, reading = self._todo(), threading.Lock()

        def read() -> list[Task]:
            with reading:
                return list(islice(todo, READ_AHEAD))

        async def produce() -> None:
            while not stop.asked and (batch := await asyncio.to_thread(read)):
                for one in batch:
                    await work.put(one)
            for _ in range(patience.concurrency):
                await work.put(None)

        async def consume() -> None:
            while (one := await work.get()) is not None:
                if stop.asked:
                    continue
                talk, instrument, brief, before = one
                made: list[Judgement] = []
                try:
                    async for found in judge.judge(talk.interaction.turns, brief, instrument, before=before):
                        made.append(found)
                        patience.note(found.rationale if found.state == "error" else None)
                except (BudgetSpentError, RejectedError) as error:
                    stop.ask(error)  # what the others have in flight is still read and stored
                except Stopped:
                    pass
                finally:
                    if made:
                        async with storing:
                            await asyncio.to_thread(self._store, made, instrument)
                self._conversations += not stop.asked
                self._tell(total)

        try:
            if self._options.probe:
                probed = await self._probe(judge)
            await asyncio.to_thread(self._note_pass)
            self._tell(total)
            async with asyncio.TaskGroup() as workers:
                workers.create_task(produce())
                for _ in range(patience.concurrency):
                    workers.create_task(consume())
        except* RedloomError as group:
            failure = first_of(group)
        finally:
            with reading:
                todo.close()
        failure = failure or stop.reason
        message = None
        if isinstance(failure, (BudgetSpentError, FailingError)):
            message = f"stopped: {failure}; call judge again to go on"
        elif failure is not None:
            raise self._stopped(failure)
        return Judged(self._run.name, self._options.judge, self._states, self._conversations, message, probed)

    async def _probe(self, judge: ModelJudge) -> Probed:
        found = self._definition
        return await probe_judge(
            self._workspace,
            judge,
            probe_instrument(
                self._options.judge,
                _version(found.rationale),
                self._behind.target_digest,
                self._unit,
                found.shows,
            ),
            rationale=found.rationale,
            language=self._language,
            on_progress=self._options.on_probe,
        )

    def _stopped(self, failure: BaseException) -> BaseException:
        """What is raised: where something was judged before, that it is stored, and the command that goes on."""
        again = f"what was judged is stored. Go on with: redloom judge {self._run.name} --with {self._options.judge}"
        if isinstance(failure, StoreError):
            told: RedloomError = StoreError(f"{failure}; {again}")
        elif isinstance(failure, RejectedError) and self._states:
            told = StoppedError(f"{failure}; {again}")
        else:
            return failure
        told.__cause__ = failure
        return told

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
            instrument = self._behind.instrument(slug, variant, brief)
            before = work.judged(instrument.digest(), again=AGAIN if self._options.again else FAILED)
            if any(excerpt.turn not in before for excerpt in excerpts(work.interaction.turns, self._unit)):
                yield work, instrument, brief, before

    def _note_pass(self) -> None:
        """Store what this judge is given of the run."""
        target, options = self._target, self._options
        made = JudgingPass(
            judge=options.judge,
            unit=self._unit,
            target_digest=self._behind.target_digest,
            system=target.system,
            decoding=target.decoding.model_dump(mode="json", exclude_defaults=True),
            sample=options.sample,
            seed=options.seed,
            program=program_version(),
            at=self._workspace.now(),
        )
        with self._workspace.begin() as unit:
            unit.judgements.add_pass(self._run.id, id=self._workspace.ids.new(), made=made)

    def _store(self, made: Iterable[Judgement], instrument: Instrument) -> None:
        digest = instrument.digest()
        found = list(made)
        with self._workspace.begin() as unit:
            if digest not in self._numbers:
                self._numbers[digest] = unit.judgements.register(instrument)
            unit.judgements.add(found, self._numbers)
        self._place.check()
        for judgement in found:
            self._states[judgement.state] = self._states.get(judgement.state, 0) + 1

    def _sample(self, unit: UnitOfWork) -> frozenset[str] | None:
        if self._options.sample is None:
            return None
        return drawn(unit, self._run, self._frames, size=self._options.sample, seed=self._options.seed)
