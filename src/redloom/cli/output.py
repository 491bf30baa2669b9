"""What commands print: results on stdout, progress on stderr."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from redloom.services.workspace import Workspace

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Why = Annotated[str, typer.Option("--why", help="Goes to the history.")]


@contextmanager
def workspace(*, make: bool = False) -> Generator[Workspace]:
    """The workspace that the environment names; its database is made only where ``make`` says so."""
    from redloom.services.workspace import open_workspace
    from redloom.settings import read_settings

    with open_workspace(read_settings(os.environ), make=make) as found:
        yield found


def split_version(name: str) -> tuple[str, str | None]:
    """``STUDY@VERSION`` or ``STUDY``."""
    study, at, version = name.partition("@")
    return study, version if at else None


def print_json(value: Any) -> None:
    """One JSON document."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write("\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    dump: Any = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_defaults=True)
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset | set | tuple):
        return list(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table; text that a model or file wrote is printed as it is, without control characters."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(visible("" if cell is None else str(cell))) for cell in row))
    Console().print(table)


def visible(text: str) -> str:
    """``text`` without control characters, so that nothing in it can steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 case``, ``2 cases``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def note(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr)


def stopping(in_flight: int) -> str:
    """What is said when somebody asks for a stop."""
    waits = (
        f"waiting for {in_flight} replies in flight" if in_flight != 1 else "waiting for one reply in flight"
    )
    return f"Stopping: {waits}; Ctrl-C again gives up what is in flight."


@contextmanager
def interruptible(goes_on: str) -> Generator[None]:
    """Ctrl-C ends the command with one line that says what is kept, and status 130."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"Stopped; {goes_on}.")
        raise typer.Exit(130) from None


def this_command() -> str:
    """How this command is called from here: its path, where a shell would not find it by name."""
    found = shutil.which("redloom")
    own = Path(sys.argv[0])
    return "redloom" if found and own.exists() and Path(found).samefile(own) else str(own)


class Steps:
    """Steps that follow each other, the bar of one taking the place of the bar before."""

    def __init__(self) -> None:
        self._what = ""
        self._bar: Bar | None = None

    def show(self, what: str, done: int, total: int) -> None:
        """Show how far a step is."""
        if self._bar is None or what != self._what:
            self.close()
            self._what, self._bar = what, Bar(what, 0)
        self._bar.update(done, total)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Bar:
    """A progress bar on a terminal; elsewhere a line now and then. Always on stderr."""

    SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, what: str, total: int, *, done: int = 0) -> None:
        self._what, self._started = what, time.monotonic()
        self._said = self._started
        self._before: int | None = None
        self._last_line = ""
        self._bar: Any = None
        self._task: Any = None
        if sys.stderr.isatty():
            self._start(total)
        elif total:
            note(f"{what}: {done}/{total}")

    def _start(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[beside]}"),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._what, total=total, beside="")
        self._bar.start()

    def update(self, done: int, total: int, beside: str = "") -> None:
        """Show how far it is."""
        if self._before is None:
            self._before = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, beside=beside)
            return
        now = time.monotonic()
        if now - self._said >= self.SECONDS_BETWEEN_LINES or done == total > 0:
            self._said = now
            elapsed = now - self._started
            new = done - self._before
            left = f", about {elapsed / new * (total - done):.0f} s left" if new > 0 and done < total else ""
            note(f"{self._what}: {done}/{total}{' ' + beside if beside else ''}{left}")

    def say(self, text: str) -> None:
        """A line above the bar; the same line is said once."""
        if text == self._last_line:
            return
        self._last_line = text
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            note(text)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
