"""``redloom serve``: the workbench in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from redloom.cli.output import note, workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8137,
) -> None:
    """Open the workbench for a browser on this machine; Ctrl-C ends it.

    Example: redloom serve
    """
    from redloom.web.server import run_server

    with workspace(make=True) as found:
        run_server(
            found, port=port, on_ready=lambda url: note(f"The workbench is at {url}  (Ctrl-C ends it)")
        )
