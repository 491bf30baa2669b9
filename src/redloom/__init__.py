"""Redloom: define harm in context, create documented cases, judge whole interactions.

    import redloom

    with redloom.open("sqlite:///redloom.db") as workspace:
        redloom.apply(workspace, "study.yaml")
        done = redloom.run(workspace, "school-health", target="local:smollm2", judges=["rule:refusal"])
        redloom.write_report(workspace, done.run, "report.html")

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redloom.errors import (
    BudgetSpentError,
    InputError,
    RedloomError,
    SetupError,
    StoppedError,
    StoreError,
    TargetError,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from redloom.services.execution import Executed
    from redloom.services.rules import Judged
    from redloom.services.studies import Applied
    from redloom.services.workspace import Workspace

__all__ = [
    "BudgetSpentError",
    "InputError",
    "RedloomError",
    "SetupError",
    "StoppedError",
    "StoreError",
    "TargetError",
    "apply",
    "judge",
    "open",
    "resume",
    "run",
    "write_report",
]


def open(database: str | None = None, *, who: str | None = None) -> AbstractContextManager[Workspace]:
    """A workspace over ``database`` (else ``REDLOOM_DB``, else ``sqlite:///redloom.db``), for ``who``."""
    from dataclasses import replace

    from redloom.services.workspace import open_workspace
    from redloom.settings import read_settings

    settings = read_settings(os.environ, database=database)
    return open_workspace(replace(settings, who=who) if who else settings)


def apply(workspace: Workspace, file: str | Path, *, why: str = "") -> Applied:
    """Declare what a study file says; gives what changed. Raises InputError with every problem at once."""
    from redloom.services.studies import apply as apply_file

    return apply_file(workspace, Path(file), why=why)


def run(
    workspace: Workspace,
    study: str,
    *,
    target: str,
    arms: Sequence[str] = ("full",),
    attempts: int | Mapping[str, int] = 1,
    judges: Sequence[str] = (),
    seed: int = 0,
    concurrency: int | None = None,
) -> Executed:
    """Run ``STUDY@VERSION``, or the study as it is now (provisional), to its end; blocks.

    ``judges`` are rule judges such as ``rule:refusal``. Raises StoppedError or StoreError with the command that goes on.
    """
    from redloom.services.blocking import wait_for
    from redloom.services.execution import Operation
    from redloom.services.runs import RunOptions, start_run

    slug, _, version = study.partition("@")
    given = {"": attempts} if isinstance(attempts, int) else attempts
    options = RunOptions(target=target, arms=tuple(arms), attempts=given, seed=seed)
    operation = Operation(judges=tuple(judges), concurrency=concurrency)
    return wait_for(start_run(workspace, slug, version or None, options, operation))


def resume(workspace: Workspace, run: str, *, concurrency: int | None = None) -> Executed:
    """Go on with a run by its name or ``last``; executes what has no final state; blocks."""
    from redloom.services.blocking import wait_for
    from redloom.services.execution import Operation
    from redloom.services.runs import resume_run

    return wait_for(resume_run(workspace, run, Operation(concurrency=concurrency)))


def judge(workspace: Workspace, run: str, *, judge: str, sample: int | None = None) -> Judged:
    """Judge a run's conversations without calling the target again; blocks."""
    from redloom.services.blocking import wait_for
    from redloom.services.judging import JudgeOptions, judge_run

    return wait_for(judge_run(workspace, run, JudgeOptions(judge=judge, sample=sample)))


def write_report(workspace: Workspace, run: str, file: str | Path) -> Path:
    """Write the report of a run as ``.html``, ``.md`` or ``.json``; gives its path."""
    from redloom.services import reporting

    return reporting.write_report(workspace, run, Path(file))
