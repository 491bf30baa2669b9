"""``redloom serve``: the workbench in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from redloom.cli.output import note, workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8137,
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    at: Annotated[
        str, typer.Option("--at", help="The https address that others use; opens to invited only.")
    ] = "",
    certificate: Annotated[Path | None, typer.Option("--certificate", help="TLS certificate, PEM.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its key, PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy at that address does TLS and passes requests on.")
    ] = False,
) -> None:
    """Open the workbench for a browser on this machine, or with --at for people who were invited; Ctrl-C ends it.

    Example: redloom serve
    """
    from redloom.web.server import Serving, run_server

    def ready(address: str, link: str) -> None:
        note(f"The workbench is at {address}  (Ctrl-C ends it)")
        if link:
            note(f"Come in once with this link, and invite the others from the page People: {link}")

    serving = Serving(
        host=host, port=port, at=at, certificate=certificate, key=key, behind_proxy=behind_proxy
    )
    serving.check()
    with workspace(make=True) as found:
        run_server(found, serving, on_ready=ready)
