"""How a person wants replies shown: kept for them, study by study, and shown to nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redloom.domain.reading import Reading
from redloom.domain.value import read_value
from redloom.errors import InputError, Issue, unknown
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace


def reading_of(workspace: Workspace, study: str, person: str) -> Reading:
    """What a person chose; everything open where they chose nothing."""
    with workspace.begin() as unit:
        return unit.people.reading(unit.study_id(study), person) or Reading()


def choose_reading(workspace: Workspace, study: str, person: str, given: Mapping[str, Any]) -> None:
    """Keep what a person chooses from now on; raises InputError with every problem."""
    chosen = read_value(Reading, given)
    with workspace.begin() as unit:
        harms = load_study(unit, study, cases=False).harms
        issues = [
            Issue(unknown("harm", one, harms), path="harms") for one in chosen.harms if one not in harms
        ]
        if chosen.keep == "harms" and not chosen.harms:
            issues.append(Issue("no harm is chosen; choose one, or keep all replies closed", path="harms"))
        if issues:
            raise InputError(issues)
        unit.people.choose_reading(unit.study_id(study), person, chosen)
