"""The command line: parse, call one service, print."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from redloom.cli import (
    compare,
    create,
    database,
    define,
    doctor,
    evaluate,
    explore,
    generate,
    models,
    report,
    serve,
)
from redloom.cli.output import visible
from redloom.errors import BudgetSpentError, DiffersError, RedloomError, StoppedError, StoreError

app = typer.Typer(
    name="redloom",
    help="Define harm in context, create documented cases, judge whole interactions.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (define, create, explore, generate, evaluate, models, report, compare, serve, database, doctor):
    module.register(app)

STOPPED = (StoreError, StoppedError, BudgetSpentError)


@app.callback(invoke_without_command=True)
def options(
    version: bool = typer.Option(False, "--version", help="Print the version."),
    db: str = typer.Option(
        "",
        "--db",
        metavar="URL",
        help="Database: sqlite:///PATH or postgresql://USER@HOST/NAME; else REDLOOM_DB, else sqlite:///redloom.db.",
    ),
) -> None:
    """Define harm in context, create documented cases, judge whole interactions.

    Exit status: 0 done; 1 done, but a checked condition does not hold; 2 bad input; 3 stopped, can be resumed;
    130 interrupted.
    """
    if version:
        from importlib.metadata import version as installed

        print(f"redloom {installed('redloom')}")
        raise typer.Exit
    if db:
        os.environ["REDLOOM_DB"] = db


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=_database_first(given), prog_name="redloom")
    except RedloomError as error:
        print(f"redloom: {visible(str(error))}", file=sys.stderr)
        status = 1 if isinstance(error, DiffersError) else 3 if isinstance(error, STOPPED) else 2
        raise SystemExit(status) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  nobody reads any more
        raise SystemExit(0) from None


def _database_first(arguments: list[str]) -> list[str]:
    """``--db URL`` may stand anywhere; the parser wants it before the command."""
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--db" and index + 1 < len(arguments):
            return [argument, arguments[index + 1], *arguments[:index], *arguments[index + 2 :]]
        if argument.startswith("--db="):
            return [argument, *arguments[:index], *arguments[index + 1 :]]
    return arguments
