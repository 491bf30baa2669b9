"""Evidence: bringing in a table of it, and what a release would have caught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from redloom.errors import InputError, Issue
from redloom.services.evidence import Catch, Caught, catch, import_evidence
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.crumbs import crumbs_of
from redloom.web.routes.editing import personal_of

STATES: Mapping[Caught, str] = {"caught": "caught", "near": "near", "not": "not caught"}
"""What a state is called."""
EVIDENCE = ("Evidence", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePage(Page):
    """Where a table of evidence is pasted or uploaded."""

    template: ClassVar[str] = "evidence_import.html.j2"
    moment: ClassVar[str] = "define"
    study: str
    pasted: str = ""
    why: str = ""
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtPage(Page):
    """All evidence against a release."""

    template: ClassVar[str] = "caught.html.j2"
    moment: ClassVar[str] = "define"
    study: str
    found: Catch
    states: Mapping[Caught, str]


def caught(ask: Ask) -> Answer:
    """Which evidence a release would have caught."""
    return CaughtPage(
        heading="What would a release have caught?",
        crumbs=crumbs_of(ask, EVIDENCE),
        study=ask.study,
        found=catch(ask.workspace, ask.study, ask.query.text("release")),
        states=STATES,
    )


def table(ask: Ask) -> Answer:
    """Where a table of evidence is pasted or uploaded."""
    return TablePage(heading="Bring in a table of evidence", crumbs=crumbs_of(ask, EVIDENCE), study=ask.study)


def bring_in(ask: Ask) -> Answer:
    """Store the evidence of a table, or say what is wrong with it, all at once."""
    form = ask.form
    text, why = form.text("file") or form.text("pasted"), form.text("why")
    try:
        import_evidence(ask.workspace, ask.study, text, origin="web", personal=personal_of(form), why=why)
    except InputError as error:
        return TablePage(
            heading="Bring in a table of evidence",
            crumbs=crumbs_of(ask, EVIDENCE),
            study=ask.study,
            status=422,
            pasted=text,
            why=why,
            issues=error.issues,
        )
    return See(f"/studies/{ask.study}/evidence", "brought_in")
