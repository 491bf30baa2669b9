"""Commands that report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from redloom.cli.output import AsJson, workspace


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(report)
    app.command()(demo)


def report(
    name: Annotated[str, typer.Argument(metavar="RUN", help="Name or beginning of it, or 'last'.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file that ends in .html, .md or .json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the report of a run: what was measured, on whom, by whom, how sure.

    Example: redloom report last -o report.html
    """
    from redloom.errors import InputError
    from redloom.services.reporting import write_json, write_report

    with workspace() as found:
        if output is not None:
            print(write_report(found, name, output))
        elif as_json:
            write_json(found, name, sys.stdout)
        else:
            raise InputError(
                "say where to write it with -o report.html (or .md, .json), or --json for the .json on stdout"
            )


def demo(
    directory: Annotated[
        Path, typer.Option("-C", "--directory", help="Where database and report go.")
    ] = Path("demo"),
    sample: Annotated[
        int, typer.Option("--judge-sample", min=0, help="Conversations for the model judge.")
    ] = 12,
) -> None:
    """Run the example study end to end on the embedded model, and write its report.

    Example: redloom demo
    """
    from redloom.cli.demo import run_demo

    run_demo(directory, sample)
