"""Targets: naming, declaring, trying them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redloom.domain.target import Target, system_problem
from redloom.errors import InputError, unknown
from redloom.ids import is_slug
from redloom.services.loading import load_targets
from redloom.services.workspace import Workspace
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.base import Client
from redloom.targets.checking import Aspect, names_model, try_out
from redloom.targets.declared import read_target
from redloom.targets.registry import KINDS, connect


def resolve_target(unit: UnitOfWork, study: str, name: str, *, base_url: str | None = None) -> Target:
    """A target of the study by its slug, or the one that ``kind:rest`` names by itself."""
    stored = load_targets(unit, study)
    if name in stored:
        found = stored[name]
    elif ":" in name:
        _check_system(name)
        found = Target(system=name)
    else:
        raise InputError(
            unknown(f"target of {study}", name, stored)
            + "; a target is one of the study's, or kind:rest such as 'local:smollm2' or 'openai:gpt-4o-mini'"
        )
    return found.model_copy(update={"base_url": base_url}) if base_url else found


@asynccontextmanager
async def connected(workspace: Workspace, target: Target) -> AsyncGenerator[Client]:
    """The target's client, checked; closed afterwards."""
    client = await connect(target, environment=workspace.environment, home=workspace.settings.home)
    try:
        await client.check()
        yield client
    finally:
        await client.close()


def open_to_guests(name: str, declared: Collection[str]) -> bool:
    """Whether somebody who came by a link may name this target: one of the study's, or an embedded model.

    Other kinds run code of this machine, read its files, or use its keys.
    """
    kind, _, rest = name.partition(":")
    return name in declared or (kind == "local" and is_slug(rest))


def _check_system(system: str) -> None:
    problem = system_problem(system, KINDS)
    if problem is not None:
        raise InputError(f"target {problem}")


def add_target(workspace: Workspace, study: str, name: str, target: Target, *, why: str = "") -> bool:
    """Declare a target; True where it is new or was changed."""
    _check_system(target.system)
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        head = stored.head("target", name)
        known = load_targets(unit, study).get(name)
        if known == target:
            return False
        if head is None or head.digest != target.content_digest():
            stored.put(
                "target",
                [(name, target)],
                author=workspace.who,
                origin="command",
                why=why,
                at=workspace.now(),
            )
        if target.beside():
            fact = {
                "id": workspace.ids.new(),
                "definition_id": stored.ids("target")[name],
                "kind": "operations",
                "about": target.content_digest(),
                "body": target.beside(),
                "author": workspace.who,
                "why": why,
            }
            stored.add_facts([fact])
        study_id = unit.study_id(study)
        what = f"declared target {name}"
        unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why)
        return True


def declare_target(
    workspace: Workspace, study: str, name: str, fields: Mapping[str, Any], *, why: str = ""
) -> bool:
    """:func:`add_target` out of fields as a person gave them; raises InputError with every problem."""
    target = read_target(name, fields, environment=workspace.environment)
    return add_target(workspace, study, name, target, why=why)


def list_targets(workspace: Workspace, study: str) -> dict[str, Target]:
    """The targets a study declares."""
    with workspace.begin() as unit:
        return load_targets(unit, study)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of a target."""

    name: str
    found: str
    aspects: tuple[Aspect, ...]
    requests: int
    """How many were sent to find it out."""
    seconds: float
    """For one short request."""


async def check_target(
    workspace: Workspace, study: str, name: str, *, base_url: str | None = None
) -> Checked:
    """What works with a target, by a few short requests; raises a RedloomError where it cannot be used."""
    with workspace.begin() as unit:
        target = resolve_target(unit, study, name, base_url=base_url)
    client = await connect(target, environment=workspace.environment, home=workspace.settings.home)
    try:
        found = await client.check()
        tried = await try_out(client, names_model=names_model(target), clock=time.perf_counter)
        return Checked(name, found, tried.aspects, tried.requests, tried.seconds)
    finally:
        await client.close()
