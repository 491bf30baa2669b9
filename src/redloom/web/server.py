"""The application behind a socket of this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable

from redloom.errors import SetupError
from redloom.services.workspace import Workspace

HOST = "127.0.0.1"


def run_server(workspace: Workspace, *, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve the workbench on the loopback until a signal ends it; ``on_ready`` gets its address.

    Raises SetupError where the extra is missing or the port is taken.
    """
    try:
        import uvicorn

        from redloom.web.app import create_app
    except ImportError as error:
        raise SetupError("the workbench needs the extra: pip install 'redloom[web]'") from error
    with _listening(port) as listening:
        number = listening.getsockname()[1]
        origins = frozenset(f"http://{host}:{number}" for host in (HOST, "localhost"))
        app = create_app(workspace, origins=origins)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off"
        )
        on_ready(f"http://{HOST}:{number}")
        uvicorn.Server(config).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise SetupError(
            f"port {port} of {HOST} cannot be used: {error.strerror or error}; name another with --port, or 0 for a free one"
        ) from error
