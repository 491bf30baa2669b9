"""The application behind a socket: of this machine, or reachable by others under declared conditions."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redloom.errors import InputError, Issue, SetupError
from redloom.services.people import invite
from redloom.services.workspace import Workspace

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where to listen, and how others come in."""

    host: str = LOOPBACK
    port: int = 8137
    at: str = ""
    """The address that people use, such as ``https://redloom.example.org``; with it nothing is open without a link."""
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    """Something else at that address does TLS and passes requests on."""

    def check(self) -> None:
        """Raise InputError where others could come in unseen or unencrypted."""
        issues: list[Issue] = []
        if not _is_loopback(self.host) and not self.at:
            issues.append(
                Issue(
                    f"--host {self.host} lets others in: say with --at which https address they use, and give "
                    "--certificate and --key, or --behind-proxy"
                )
            )
        if self.at and not _is_address(self.at):
            issues.append(
                Issue(f"--at {self.at!r}: expected an address such as 'https://redloom.example.org'")
            )
        if (self.certificate is None) != (self.key is None):
            issues.append(Issue("--certificate and --key go together"))
        if self.at and self.behind_proxy == (self.certificate is not None):
            issues.append(
                Issue("--at goes with --certificate and --key, or with --behind-proxy, one of them")
            )
        if (self.certificate or self.behind_proxy) and not self.at:
            issues.append(Issue("say with --at which https address people use"))
        for name, path in (("--certificate", self.certificate), ("--key", self.key)):
            if path is not None and not path.is_file():
                issues.append(Issue(f"{name}: there is no file {str(path)!r}"))
        if issues:
            raise InputError(issues)


def run_server(workspace: Workspace, serving: Serving, *, on_ready: Callable[[str, str], None]) -> None:
    """Serve the workbench until a signal ends it.

    ``on_ready`` gets its address and, where nothing is open without a link, a link for whoever runs it. Raises
    InputError for conditions that let others in unseen, SetupError where the extra is missing or the port is taken.
    """
    serving.check()
    try:
        import uvicorn

        from redloom.web.app import House, create_app
    except ImportError as error:
        raise SetupError("the workbench needs the extra: pip install 'redloom[web]'") from error
    with _listening(serving) as listening:
        port = listening.getsockname()[1]
        origins = (
            frozenset({serving.at.rstrip("/").lower()})
            if serving.at
            else frozenset(
                f"http://{name}:{port}" for name in {LOOPBACK, "localhost", _in_address(serving.host)}
            )
        )
        house = House(workspace=workspace, origins=origins, public=bool(serving.at))
        app = create_app(house)
        more: dict[str, Any] = {}
        if serving.certificate is not None:
            more = {"ssl_certfile": serving.certificate, "ssl_keyfile": serving.key}
        try:
            config = uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                timeout_graceful_shutdown=5,
                **more,
            )
            config.load()
        except (OSError, ValueError) as error:
            raise SetupError(f"the certificate or its key cannot be used: {error}") from error
        address = serving.at.rstrip("/") or f"http://{_in_address(serving.host)}:{port}"
        link = ""
        if serving.at:
            link = f"{address}/join/{invite(workspace, None, workspace.who, 'lead').secret}"
        on_ready(address, link)
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            house.drafting.close()
            house.talks.close()


def _listening(serving: Serving) -> socket.socket:
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    try:
        listening = socket.create_server((serving.host, serving.port), family=family)
        # Without it the end of every page waits some 40 ms for the other side to confirm its beginning.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise SetupError(
            f"port {serving.port} of {serving.host} cannot be used: {error.strerror or error}; name another with "
            "--port, or 0 for a free one"
        ) from error


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(at: str) -> bool:
    try:
        parts = urlsplit(at)
        return (
            parts.scheme == "https" and bool(parts.hostname) and parts.path in ("", "/") and not parts.query
        )
    except ValueError:
        return False
