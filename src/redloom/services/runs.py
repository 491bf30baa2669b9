"""Starting, resuming, cancelling and listing runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from redloom.domain.arm import parse_arm
from redloom.domain.refusal import REFUSAL_VERSION
from redloom.domain.rendering import RENDERER_VERSION, Frames, Rendering, unrealisable
from redloom.domain.run import Budget, RunSpec
from redloom.domain.target import Target
from redloom.engine.plan import Estimate, estimate
from redloom.errors import InputError, Issue
from redloom.ids import readable_id
from redloom.services.execution import Executed, Operation, execute, render_for, told
from redloom.services.finding import find_run, get_release
from redloom.services.program import program_version
from redloom.services.releases import ReleaseOptions, working_release
from redloom.services.rules import inline_rules
from redloom.services.targets import connected, resolve_target
from redloom.services.workspace import Workspace
from redloom.storage.repositories.releases import StoredRelease
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.base import CONCURRENCY, Client, split_system, unsuitable
from redloom.targets.source import source_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a new run is."""

    target: str
    base_url: str | None = None
    arms: tuple[str, ...] = ("full",)
    attempts: Mapping[str, int] = field(default_factory=lambda: {"": 1})
    """Attempts by arm; under ``""`` for the arms not named."""
    seed: int = 0
    selection: ReleaseOptions = field(default_factory=lambda: ReleaseOptions(provisional=True))
    """For a run without a version: which cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that could be started: what it is and what it will take."""

    spec: RunSpec
    estimate: Estimate
    cases: int
    stimuli: int
    concurrency: int
    """Requests at once, unless the run says otherwise."""
    seconds: float | None
    """At one second a reply; None for a model in this process, which is as quick as the machine."""


async def start_run(
    workspace: Workspace, study: str, version: str | None, options: RunOptions, operation: Operation
) -> Executed:
    """Execute a new run; without a version, over the study as it is now, frozen as a provisional release."""
    with workspace.begin() as unit:
        target = resolve_target(unit, study, options.target, base_url=options.base_url)
        arms, attempts = _arms(options, target)
        if version is not None:
            get_release(unit, study, version)
        rules = inline_rules(unit, study, operation.judges, workspace.ids)
    _check_budget(operation.budget, target)
    async with connected(workspace, target) as client:
        problems = unsuitable(options.target, target.delivery, client.capabilities)
        if problems:
            raise InputError(Issue(problem) for problem in problems)
        release = _release(workspace, study, version, options)
        spec = _spec(study, release, options, target, arms, attempts)
        recorded = {
            "judges": tuple(dict.fromkeys(operation.judges)),
            "renderer": RENDERER_VERSION,
            "refusal_wording": REFUSAL_VERSION,
            "program": program_version(),
            "code": source_digest(target.system, workspace.settings.home),
        }
        spec = spec.model_copy(update=recorded)
        name = readable_id(workspace.now(), os.urandom(4))
        with workspace.begin() as unit:
            _check_histories(unit, study, release, spec, client)
            study_id = unit.study_id(study)
            unit.runs.add(name, study_id=study_id, release_id=release.id, spec=spec, at=workspace.now())
        return await execute(workspace, name, client, rules, operation)


def prepare_run(
    workspace: Workspace,
    study: str,
    version: str | None,
    options: RunOptions,
    *,
    concurrency: int | None = None,
) -> Prepared:
    """What a run would be and take; nothing is sent, and no run is made."""
    with workspace.begin() as unit:
        target = resolve_target(unit, study, options.target, base_url=options.base_url)
    arms, attempts = _arms(options, target)
    release = _release(workspace, study, version, options)
    spec = _spec(study, release, options, target, arms, attempts)
    with workspace.begin() as unit:
        releases = unit.releases(study)
        frames = Frames(releases.definitions(release.id))

        def renderings() -> Iterator[Mapping[str, Rendering]]:
            for _, _, case in releases.distinct(release.id):
                frame = frames.frame(case)
                yield {arm: render_for(frame, spec, arm) for arm in spec.arms}

        found = estimate(spec, renderings())
        kind, _ = split_system(target.system)
        at_once = concurrency or target.limits.concurrency or CONCURRENCY.get(kind, 8)
        return Prepared(
            spec=spec,
            estimate=found,
            cases=release.manifest.cases,
            stimuli=releases.stimuli(release.id),
            concurrency=at_once,
            seconds=None if kind == "local" else found.requests / at_once,
        )


async def resume_run(workspace: Workspace, name: str, operation: Operation) -> Executed:
    """Execute what is left of a run, with new limits where given, judged by the rules it began with and any named now."""
    with workspace.begin() as unit:
        run = find_run(unit, name)
        study = unit.studies.slug_of(run.study_id)
        if run.state == "cancelled":
            raise InputError(f"run {run.name} was cancelled, for good; start a new run")
        if run.spec.frame == "imported":
            raise InputError(
                f"run {run.name} was imported from a file, so nothing of it can be executed; judge or rate it"
            )
        operation = replace(operation, judges=tuple(dict.fromkeys((*run.spec.judges, *operation.judges))))
        rules = inline_rules(unit, study, operation.judges, workspace.ids)
    _check_budget(operation.budget, run.spec.target)
    async with connected(workspace, run.spec.target) as client:
        return await execute(workspace, run.name, client, rules, operation)


def list_runs(workspace: Workspace, study: str | None = None) -> list[Executed]:
    """All runs, newest first."""
    with workspace.begin() as unit:
        study_id = None if study is None else unit.study_id(study)
        return [told(unit, run) for run in unit.runs.all(study_id)]


def cancel_run(workspace: Workspace, name: str) -> Executed:
    """Stop a run for good, wherever it is executed; what was finished stays."""
    with workspace.begin() as unit:
        run = find_run(unit, name)
        if run.state == "completed":
            raise InputError(f"run {run.name} is completed; there is nothing to cancel")
        unit.runs.set_state(run.id, "cancelled", "cancelled", workspace.now())
        return told(unit, find_run(unit, run.name))


def _arms(options: RunOptions, target: Target) -> tuple[tuple[str, ...], dict[str, int]]:
    issues: list[Issue] = []
    arms: list[str] = []
    for text in options.arms:
        try:
            arm = parse_arm(text)
        except InputError as error:
            issues += error.issues
            continue
        reason = unrealisable(arm, target.delivery)
        if reason is not None:
            issues.append(Issue(f"arm {arm!r} cannot be realised on {options.target!r}: {reason}"))
        arms.append(arm)
    attempts: dict[str, int] = {}
    for arm in dict.fromkeys(arms):
        attempts[arm] = options.attempts.get(arm, options.attempts.get("", 1))
    for name, count in options.attempts.items():
        if name and name not in arms:
            issues.append(Issue(f"--attempts names the arm {name!r}, which is not among {', '.join(arms)}"))
        if count < 1:
            issues.append(Issue(f"attempts {count}: expected at least 1"))
    if issues:
        raise InputError(issues)
    return tuple(attempts), attempts


def _check_budget(budget: Budget, target: Target) -> None:
    if budget.cost is not None and target.prices is None:
        raise InputError(
            f"--max-cost needs prices: declare them for the target {target.system!r} (prices: input, output)"
        )


def _release(workspace: Workspace, study: str, version: str | None, options: RunOptions) -> StoredRelease:
    if version is None:
        return working_release(workspace, study, options.selection)
    with workspace.begin() as unit:
        return get_release(unit, study, version)


def _spec(
    study: str,
    release: StoredRelease,
    options: RunOptions,
    target: Target,
    arms: tuple[str, ...],
    attempts: dict[str, int],
) -> RunSpec:
    return RunSpec(
        study=study,
        version=release.version,
        release_digest=release.digest,
        frame="provisional" if release.manifest.provisional else "release",
        target_name=options.target,
        target=target,
        target_digest=target.system_digest(),
        arms=arms,
        attempts=attempts,
        seed=options.seed,
    )


def _check_histories(
    unit: UnitOfWork, study: str, release: StoredRelease, spec: RunSpec, client: Client
) -> None:
    """Refuse conversations that the target cannot hold."""
    able = client.capabilities
    if able.history and able.opens:
        return
    releases = unit.releases(study)
    frames = Frames(releases.definitions(release.id))
    for released, case in releases.cases(release.id):
        for arm in spec.arms:
            rendering = render_for(frames.frame(case), spec, arm)
            if rendering.asks_opening and not able.opens:
                raise InputError(
                    f"case {released.slug!r}: {spec.target_name!r} cannot speak first; give the case an 'opening'"
                )
            if len(rendering.turns) > 1 and not able.history:
                raise InputError(
                    f"case {released.slug!r} has {len(rendering.turns)} turns, but {spec.target_name!r} gets only the newest "
                    "message: use {messages} or a session in its template, or run the arm no_history alone"
                )
