"""Releases: all of them, one, two compared, what stands against the next."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from redloom.services import releasing
from redloom.services.releasing import BeforeCutting, Difference, ReleaseLine
from redloom.web.api.base import Leader, Reader, plain
from redloom.web.api.shapes import ReleaseTold

router = APIRouter()


@router.get("/studies/{study}/releases", response_model=list[ReleaseLine])
def releases(study: str, ask: Reader) -> Any:
    """All of them, newest first, what runs and imports froze included."""
    return plain(releasing.list_releases(ask.workspace, study))


@router.get("/studies/{study}/releases/new", response_model=BeforeCutting)
def readiness(study: str, ask: Leader) -> Any:
    """What stands against a release of all test conversations, and what changed since the newest one."""
    return plain(releasing.look_before(ask.workspace, study))


@router.get("/studies/{study}/releases/{version}", response_model=ReleaseTold)
def release(study: str, version: str, ask: Reader) -> Any:
    """One release, with what changed since the one before it."""
    found = releasing.open_release(ask.workspace, study, version)
    splits = [
        {"split": split, "status": status, "cases": many} for (split, status), many in found.splits.items()
    ]
    return plain(found) | {"splits": splits}


@router.get("/studies/{study}/releases/{version}/since/{before}", response_model=Difference)
def compared(study: str, version: str, before: str, ask: Reader) -> Any:
    """What changed from one release to another."""
    return plain(releasing.compare_two(ask.workspace, study, before, version))
