"""Runs and their reports."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

from redloom.errors import UnknownNameError
from redloom.services.execution import Executed
from redloom.services.reporting import write_html
from redloom.services.runs import list_runs
from redloom.services.showing import name_study
from redloom.web.asking import Answer, Ask, Document, Page

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'"
"""A report is one file with its style inside, and without any script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage(Page):
    """All runs of a study."""

    template: ClassVar[str] = "runs.html.j2"
    moment: ClassVar[str] = "runs"
    study: str
    runs: tuple[Executed, ...]


def runs(ask: Ask) -> Answer:
    """All runs, newest first."""
    found = tuple(list_runs(ask.workspace, ask.study))
    title = name_study(ask.workspace, ask.study).title
    return RunsPage(heading="Runs", crumbs=((title, f"/studies/{ask.study}"),), study=ask.study, runs=found)


def report(ask: Ask) -> Answer:
    """The report of a run, as ``redloom report`` writes it; raises UnknownNameError for a run of another study."""
    known = [run.run for run in list_runs(ask.workspace, ask.study)]
    name = ask.parts["run"]
    if name not in known:
        raise UnknownNameError("run", name, known)
    written = io.StringIO()
    write_html(ask.workspace, name, written)
    return Document(content=written.getvalue(), headers={"Content-Security-Policy": REPORT_POLICY})
