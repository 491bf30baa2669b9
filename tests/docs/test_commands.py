"""The commands of the tutorial and the how-to pages, run in order in an empty folder."""

from __future__ import annotations

import io
import os
import shlex
import socket
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from redloom.cli import main

from .pages import PAGES, RUN, Block, blocks, commands, lacking, plain


class Reader:
    """Somebody who follows a page."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._scratch, self._folder, self._number = folder, folder, 0
        self._patch = monkeypatch
        self._port: tuple[str, str] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        marks = block.marks
        if "skip" in marks:
            return
        if "folder" in marks:
            self._number += 1
            self._go(self._scratch / f"folder-{self._number}", make=True)
        if "server" in marks:
            self._serve(*marks["server"].split())
        text = self._mine(block.text, marks)
        if block.language == "console":
            self._call_all(block)
        elif "contains" in marks:
            there = [plain(line) for line in (self._folder / marks["contains"]).read_text().splitlines()]
            assert lacking(tuple(text.splitlines()), "\n".join(there)) is None, (block.name, there)
        elif "insert" in marks:
            name, _, line = marks["insert"].partition(" after ")
            self._insert(self._folder / name, line, text)
        elif "append" in marks:
            path = self._folder / marks["append"]
            path.write_text(path.read_text() + text)
        elif "file" in marks:
            (self._folder / marks["file"]).write_text(text)

    def close(self) -> None:
        """Stop what was started."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def _go(self, folder: Path, *, make: bool = False) -> None:
        if make:
            folder.mkdir()
        self._folder = folder
        self._patch.chdir(folder)

    def _mine(self, text: str, marks: dict[str, str]) -> str:
        if "with" in marks:
            old, _, new = marks["with"].partition(" -> ")
            assert old in text
            text = text.replace(old, new)
        return text.replace(*self._port) if self._port else text

    def _insert(self, path: Path, line: str, text: str) -> None:
        lines = path.read_text().splitlines(keepends=True)
        at = next(number for number, one in enumerate(lines) if one.startswith(line))
        path.write_text("".join([*lines[: at + 1], text, *lines[at + 1 :]]))

    def _serve(self, name: str, port: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = (port, str(free.getsockname()[1]))
        script = self._folder / name
        script.write_text(script.read_text().replace(*self._port))
        self._server = subprocess.Popen([sys.executable, script])
        for _ in range(200):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", int(self._port[1]))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{name} does not answer")

    def _call_all(self, block: Block) -> None:
        marks = block.marks
        slip = marks.get("typo")
        if slip:
            name, _, change = slip.partition(" ")
            path, (old, new) = self._folder / name, change.split(" -> ")
            right = path.read_text()
            path.write_text(right.replace(old, new, 1))
        todo = commands(block)
        typed = marks.get("input", "").replace("|", "\n") + "\n" if "input" in marks else ""
        for number, command in enumerate(todo):
            last = number == len(todo) - 1
            status, printed = self._call(self._mine(command.line, marks), typed)
            expected = int(marks.get("status", 0)) if last else 0
            assert status == expected, f"{block.name}: $ {command.line}\n{printed}"
            shown = tuple(self._mine(line, {}) for line in command.shown)
            missing = lacking(shown, printed)
            assert missing is None, f"{block.name}: $ {command.line}\nnot printed: {missing}\n{printed}"
        if slip:
            path.write_text(right)

    def _call(self, line: str, typed: str) -> tuple[int, str]:
        words = shlex.split(line)
        if words[0] == "cd":
            self._go(self._folder / words[1])
            return 0, ""
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._patch.setenv(name, value)
            return 0, ""
        assert words[0] == "redloom", f"the test cannot run {line!r}"
        both = io.StringIO()
        self._patch.setattr(sys, "stdin", io.StringIO(typed))
        with redirect_stdout(both), redirect_stderr(both):
            try:
                main(words[1:])
                status = 0
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else 0
        return status, both.getvalue()


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_do_what_it_says(page, tmp_path, monkeypatch):
    for name in ("REDLOOM_DB", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REDLOOM_USER", "reader")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    reader = Reader(tmp_path, monkeypatch)
    try:
        for block in blocks(page):
            reader.follow(block)
    finally:
        reader.close()
        sys.modules.pop("app", None)
    assert os.environ.get("REDLOOM_DB") == before.get("REDLOOM_DB")


SKIPPED = [block for page in RUN for block in blocks(page) if "skip" in block.marks]


@pytest.mark.parametrize("block", SKIPPED, ids=lambda block: block.name)
def test_a_block_that_is_not_run_names_commands_there_are(block):
    """What cannot be run here is at least a command line that the parser takes."""
    import typer.main

    from redloom.cli import app

    for command in commands(block):
        words = shlex.split(command.line)
        if words[0] != "redloom":
            continue
        root = typer.main.get_command(app)
        name, rest = words[1], words[2:]
        found = root.commands[name]
        if hasattr(found, "commands"):
            found, rest = found.commands[rest[0]], rest[1:]
        found.make_context(name, rest)
    pytest.skip(block.marks["skip"])


def test_every_console_block_is_on_a_page_that_is_run():
    elsewhere = [page for page in PAGES if page not in RUN]
    assert [b.name for page in elsewhere for b in blocks(page) if b.language == "console"] == []
