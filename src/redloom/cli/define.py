"""Commands of the first moment: declare a study and look at it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from redloom.cli.output import (
    AsJson,
    Why,
    note,
    plural,
    print_json,
    print_table,
    split_version,
    visible,
    workspace,
)

if TYPE_CHECKING:
    from redloom.services.studies import Applied


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (init, apply, show, schema):
        app.command()(command)


def init(
    directory: Annotated[Path, typer.Argument(help="Folder to write to; made where it is missing.")],
    template: Annotated[
        str,
        typer.Option("--template", help="starter (one harm, three cases) or bank (six cases, incidents)."),
    ] = "starter",
) -> None:
    """Write a study to start from: study.yaml with comments, .gitignore, a CI example.

    Example: redloom init repair-desk
    """
    from redloom.services.starter import write_starter

    for path in write_starter(directory, template=template):
        print(path)
    there = directory.resolve() == Path.cwd()
    note(
        f"Next: {'' if there else f'cd {shlex.quote(str(directory))}, '}read study.yaml, "
        "then 'redloom apply study.yaml'"
    )


def apply(
    file: Annotated[Path, typer.Argument(help="The study file.")],
    why: Why = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; store nothing.")
    ] = False,
    take: Annotated[
        str, typer.Option("--take", help="Settle conflicts: 'file' or 'stored' ('web' is the same).")
    ] = "",
    prune: Annotated[
        bool, typer.Option("--prune", help="Retire what this file declared before and no longer has.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Declare definitions and cases; what is the same stays untouched.

    Example: redloom apply study.yaml --dry-run
    """
    from redloom.errors import InputError, unknown
    from redloom.services import studies

    if take not in ("", *studies.SIDES):
        raise InputError(unknown("side", take, studies.SIDES))
    with workspace(make=True) as found:
        side: Any = take or None
        done = studies.apply(found, file, why=why, take=side, prune=prune, dry_run=dry_run)
    if as_json:
        print_json(done)
    else:
        _print_applied(done, file.name)


def _print_applied(done: Applied, file: str) -> None:
    from redloom.domain.value import shown

    signs = {"add": "+", "change": "~", "retire": "-", "act": "+"}
    listed = done.changes if done.dry_run else done.changes[:20]
    for change in listed:
        print(f"{signs[change.action]} {change.kind} {change.slug}")
        if change.action == "change":
            for path, before, after in change.fields:
                print(f"    {path}: {visible(shown(before))} -> {visible(shown(after))}")
        elif change.action == "act":
            by = _by(change.fields[0][2])
            print(f"    {change.fields[0][0]}" + (f" by {visible(by)}" if by else ""))
    if len(listed) < len(done.changes):
        print(f"... and {len(done.changes) - len(listed)} more")
    verb = "would change" if done.dry_run else "changed"
    print(f"{done.study}: {len(done.changes)} {verb}, {done.unchanged} unchanged")
    if done.kept:
        named = ", ".join(f"{kind} {slug}" for kind, slug in done.kept[:5])
        more = ", ..." if len(done.kept) > 5 else ""
        note(
            f"kept as stored, beside what {file} says: {plural(len(done.kept), 'definition')} ({named}{more})"
        )


def _by(body: Any) -> str:
    return str(cast(dict[str, Any], body).get("by", "")) if isinstance(body, dict) else ""


def show(
    study: Annotated[str, typer.Argument(help="STUDY or STUDY@VERSION; all studies without it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what is there; with --json the whole study.

    Example: redloom show school-health
    """
    from redloom.services import studies
    from redloom.services.loading import list_studies
    from redloom.services.showing import show_release, whole_study

    slug, version = split_version(study)
    with workspace() as found:
        if not study:
            names = list_studies(found)
            print_json(names) if as_json else print(
                "\n".join(names) or "no study yet; 'redloom init DIR' writes one"
            )
        elif version is not None:
            release = show_release(found, slug, version)
            print_json(release) if as_json else _print_fields(release)
        elif as_json:
            print_json(whole_study(found, slug))
        else:
            _print_overview(studies.overview(found, slug))


def _print_fields(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if isinstance(value, bool):
            print(f"{name.replace('_', ' ')}: {'yes' if value else 'no'}")
        elif value not in (None, "") and not isinstance(value, list | dict):
            print(f"{name.replace('_', ' ')}: {visible(str(value))}")


def _print_overview(found: Any) -> None:
    title = found.title if isinstance(found.title, str) else next(iter(found.title.values()))
    print(f"{found.study}: {visible(title)} ({', '.join(found.languages)})")
    if found.unanswered:
        are = "is" if len(found.unanswered) == 1 else "are"
        print(f"charter: open {are} {', '.join(n.replace('_', ' ') for n in found.unanswered)}")
    print(visible(found.protocol[:1].lower() + found.protocol[1:]))
    print_table(("what", "how many"), [(n.replace("_", " "), c) for n, c in found.counts.items()])
    if found.statuses:
        print("cases: " + ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in found.statuses.items()))
    for harm, who in found.dissent.items():
        print(f"dissent on {harm}: {visible(', '.join(who))}")
    for release in [one for one in found.releases if not one["snapshot"]]:
        stamp = " (provisional)" if release["provisional"] else ""
        print(f"release {release['version']}: {plural(release['cases'], 'case')}{stamp}")
    if snapshots := sum(one["snapshot"] for one in found.releases):
        print(f"beside them: {plural(snapshots, 'snapshot')} of cases that runs and imports froze")
    for run in found.runs[:10]:
        print(f"run {run['run']}: {run['state']}, {run['target']} on {run['version']}")
    if len(found.runs) > 10:
        print(f"and {plural(len(found.runs) - 10, 'run')} before; 'redloom runs' lists them")


def schema() -> None:
    """Print the JSON schema of study.yaml, for editors.

    Example: redloom schema > study.schema.json
    """
    from redloom.datasets.study_file import study_schema

    print_json(study_schema())
    sys.stdout.flush()
