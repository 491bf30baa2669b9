"""Commands that look after the database."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from redloom.cli.output import AsJson, note, plural, print_json

FROM = Annotated[
    str, typer.Argument(metavar="FROM", help="Database to copy: sqlite:///PATH or postgresql://...")
]
TO = Annotated[str, typer.Argument(metavar="TO", help="An empty database.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Look after the database: upgrade, check, copy.", no_args_is_help=True)
    for command in (upgrade, check, copy):
        group.command()(command)
    app.add_typer(group, name="db")


def _url() -> str:
    from redloom.settings import read_settings

    return read_settings(os.environ).database


def upgrade(as_json: AsJson = False) -> None:
    """Bring the database to this version's schema, in one transaction; make a copy first.

    Example: redloom --db postgresql://redloom@db.example.org/redloom db upgrade
    """
    from redloom.services.databases import upgrade_database

    done = upgrade_database(_url())
    if as_json:
        print_json(done)
    elif done.before == done.now:
        print(f"{done.database}: schema {done.now}, as this version wants it")
    else:
        print(f"{done.database}: schema {done.before} -> {done.now}")


def check(as_json: AsJson = False) -> None:
    """Compute every digest again and follow every link; status 1 where something is wrong.

    Example: redloom db check
    """
    from redloom.services.databases import check_database

    done = check_database(_url())
    if as_json:
        print_json(done)
    else:
        for problem in done.problems:
            print(problem)
        whole = "whole" if not done.problems else plural(len(done.problems), "problem")
        print(
            f"{done.database}: {whole}; schema {done.schema}, {plural(done.definitions, 'version')} of definitions, "
            f"{plural(done.releases, 'release')}"
        )
    if done.problems:
        raise typer.Exit(1)


def copy(source: FROM, target: TO, as_json: AsJson = False) -> None:
    """Copy a whole database into an empty one, of either kind; digests are computed again before it is kept.

    Example: redloom db copy sqlite:///redloom.db postgresql://redloom@db.example.org/redloom
    """
    from redloom.services.databases import copy_database

    def show(table: str, rows: int) -> None:
        if rows % 100_000 == 0:
            note(f"{table}: {rows} rows")

    done = copy_database(source, target, on_progress=show)
    if as_json:
        print_json(done)
    else:
        rows = ", ".join(f"{n} {table.replace('_', ' ')}" for table, n in done.rows.items() if n)
        print(f"{done.source} -> {done.target}: {rows or 'nothing was there'}")
        print(
            f"{plural(done.definitions, 'version')} of definitions and {plural(done.releases, 'release')} "
            "have the same digests"
        )
