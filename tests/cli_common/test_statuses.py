"""Exit statuses are the documented ones, for every command."""

from __future__ import annotations

import ast
import re
import signal
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

import redloom.cli
from evaluate_support import Answer, change, chatting, command, serving, until
from redloom.cli import app

from .conftest import Declare, Redloom
from .test_json import walk

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "states.md"
TOLD = {int(status) for status in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
BY_COMMAND = {
    (tuple(name.split()), int(status))
    for name, status in re.findall(r"^\| `redloom ([a-z ]+)` \| (\d+) \|", PAGE.read_text(), re.MULTILINE)
}
RAISED_BY_SERVICES = {(("compare",), 1)}
"""(command, status) pairs that come from the class of an error."""
Place = tuple[str, str]


@cache
def functions() -> tuple[dict[Place, ast.FunctionDef], dict[Place, Place]]:
    """(module, name) -> every function of the command line; and what names are imported from where."""
    found: dict[Place, ast.FunctionDef] = {}
    imported: dict[Place, Place] = {}
    for path in Path(redloom.cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                found[path.stem, node.name] = node
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("redloom.cli."):
                module = (node.module or "").rpartition(".")[2]
                imported |= {(path.stem, alias.name): (module, alias.name) for alias in node.names}
    return found, imported


def statuses_in(place: Place, seen: set[Place]) -> set[int]:
    """The statuses that a function, or one of the command line that it calls, ends with."""
    found, imported = functions()
    place = imported.get(place, place)
    if place in seen or place not in found:
        return set()
    seen.add(place)
    statuses: set[int] = set()
    for node in ast.walk(found[place]):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr == "Exit":
            inner = [one for argument in node.args for one in ast.walk(argument)]
            statuses |= {
                one.value for one in inner if isinstance(one, ast.Constant) and isinstance(one.value, int)
            }
        elif isinstance(node.func, ast.Name):
            statuses |= statuses_in((place[0], node.func.id), seen)
    return statuses


def test_every_status_of_every_command_is_documented() -> None:
    root: Any = typer.main.get_command(app)
    ending: set[tuple[tuple[str, ...], int]] = set()
    for path, found in walk(root):
        place = (found.callback.__module__.rpartition(".")[2], found.callback.__name__)
        ending |= {(path, status) for status in statuses_in(place, set()) if status in (1, 3)}
    assert ending | RAISED_BY_SERVICES == BY_COMMAND


def test_the_help_names_every_documented_status(redloom: Redloom) -> None:
    told = redloom("--help").out + redloom.__doc__ if redloom.__doc__ else redloom("--help").out
    callback = " ".join((redloom_help() + told).split())
    assert {0, 1, 2, 3, 130} == TOLD
    assert all(re.search(rf"\b{status}\b", callback) for status in TOLD)


def redloom_help() -> str:
    return redloom.cli.options.__doc__ or ""


def test_status_0_is_done(redloom: Redloom) -> None:
    assert redloom("schema").status == 0


def test_status_1_is_a_condition_that_does_not_hold(
    redloom: Redloom, declare: Declare, tmp_path: Path
) -> None:
    declare()
    redloom("release", "clinic", "1.0", "--provisional")
    assert redloom("verify", "clinic@1.0").status == 0
    change(tmp_path, "update release set digest = zeroblob(32)")
    assert redloom("verify", "clinic@1.0").status == 1


@pytest.mark.parametrize(
    "line", ["sho", "show nothing", "show --jsn", "models pull big", "run clinic --target local:x"]
)
def test_status_2_is_bad_input_or_something_missing(redloom: Redloom, declare: Declare, line: str) -> None:
    declare()
    done = redloom(*line.split())
    assert (done.status, done.out) == (2, "")


def test_status_3_is_stopped_and_the_message_names_the_command(redloom: Redloom, declare: Declare) -> None:
    declare(3)
    done = redloom(
        "run", "clinic", "--target", "scripted:script.json", "--max-requests", "1", "--concurrency", "1"
    )
    assert done.status == 3
    assert "Go on with: redloom resume " in done.err


def test_status_130_is_interrupted(redloom: Redloom, declare: Declare, tmp_path: Path) -> None:
    go = threading.Event()
    with serving(
        chatting(lambda received: Answer(hold=go, body={"choices": [{"message": {"content": "Hi"}}]}))
    ) as server:
        declare(3, targets={"slow": {"system": "openai:mock", "base_url": server.url + "/v1"}})
        child = command(tmp_path, "run", "clinic", "--target", "slow", "--concurrency", "1")
        until(lambda: len(server.chats) > 0)
        child.send_signal(signal.SIGINT)
        go.set()
        _, errors = child.communicate(timeout=30)
        assert child.returncode == 130, errors
        assert "redloom resume " in errors and "Traceback" not in errors
        assert redloom("resume", "last", "--max-requests", "1").status == 3
