"""What this machine has, and what it lacks."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from redloom.cli.output import AsJson, plural, print_json, visible


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also compute the hash of the weights, and import the extras.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what this machine has, what is missing and how to get it; status 1 where something is broken.

    Versions, database, embedded model, extras, and whether keys are set; a key itself is never shown.

    Example: redloom doctor
    """
    from redloom.services.doctor import examine
    from redloom.settings import read_settings

    done = examine(read_settings(os.environ), os.environ, deep=deep)
    if as_json:
        print_json({"broken": bool(done.problems), "findings": done.findings})
    else:
        for one in done.findings:
            todo = f"; {one.todo}" if one.todo else ""
            print(visible(f"{one.state:<8} {one.about}: {one.found}{todo}"))
        print(plural(done.problems, "problem") if done.problems else "nothing is broken")
    if done.problems:
        raise typer.Exit(1)
