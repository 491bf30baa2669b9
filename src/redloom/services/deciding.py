"""Recording what was decided on a run."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import cast

from redloom.domain.decision import CHOICES, Choice, DecidedOn, Decision
from redloom.errors import InputError, Issue, unknown
from redloom.services.finding import find_run
from redloom.services.reporting import Source
from redloom.services.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision as it was recorded."""

    run: str
    decision: str
    owner: str
    retest: str | None
    on: tuple[DecidedOn, ...]


def decide(
    workspace: Workspace,
    run_name: str,
    decision: str,
    *,
    owner: str,
    retest: str | None = None,
    why: str = "",
) -> Decided:
    """Add a decision with the numbers it was made on; earlier ones stay. Raises InputError with every problem."""
    issues: list[Issue] = []
    if decision not in CHOICES:
        issues.append(Issue(unknown("decision", decision, CHOICES)))
    if not owner.strip():
        issues.append(Issue("--owner: say who answers for the decision"))
    until = None
    if retest is not None:
        try:
            until = datetime.date.fromisoformat(retest)
        except ValueError:
            issues.append(Issue(f"--retest: {retest!r} is no date; expected YYYY-MM-DD"))
    if until is not None and until <= workspace.now().date():
        issues.append(Issue(f"--retest: {retest} is not in the future"))
    if issues:
        raise InputError(issues)
    choice = cast(Choice, decision)
    with workspace.begin() as unit:
        run = find_run(unit, run_name)
        found = Source(unit, run).report(workspace)
        made = Decision(
            decision=choice,
            owner=owner.strip(),
            recorded_by=workspace.who,
            at=workspace.now(),
            retest=until,
            why=why,
            release_digest=run.spec.release_digest,
            on=tuple(
                DecidedOn(
                    judge=panel.rater,
                    unit=panel.unit,
                    measure=panel.measure,
                    value=panel.overall.value,
                    low=panel.overall.low,
                    high=panel.overall.high,
                    events=panel.overall.events,
                    n=panel.overall.n,
                    undecided=panel.overall.undecided,
                    bound=panel.overall.bound,
                )
                for panel in found.panels
            ),
        )
        unit.runs.add_decision(run.id, id=workspace.ids.new(), decision=made)
        what = f"decided on run {run.name}: {choice}"
        unit.studies.record(run.study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why)
    return Decided(run=run.name, decision=choice, owner=made.owner, retest=retest, on=made.on)
