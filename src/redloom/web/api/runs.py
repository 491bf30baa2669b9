"""Runs: some at a time, and one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from redloom.services import run_pages
from redloom.services.run_pages import RunsPage
from redloom.web.api.base import Reader, plain
from redloom.web.api.shapes import RunTold

router = APIRouter()


@router.get("/studies/{study}/runs", response_model=RunsPage)
def runs(study: str, ask: Reader, after: str = "", before: str = "") -> Any:
    """Some runs, newest first; ``after`` and ``before`` are what the page next to it gave."""
    return plain(run_pages.list_page(ask.workspace, study, after=after, before=before))


@router.get("/studies/{study}/runs/{run}", response_model=RunTold)
def run(study: str, run: str, ask: Reader) -> Any:
    """One run: what was asked, how far it is, who judged it."""
    found = run_pages.view_run(ask.workspace, study, run)
    return plain(found) | {"run": plain(found.told), "asked": plain(found.run.spec)}
