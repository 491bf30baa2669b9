"""``--json``: every command that reports has it, and then stdout is one JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from evaluate_support import rows
from redloom.cli import app
from redloom.targets import models

from .conftest import Declare, Redloom

WITHOUT = {
    ("init",): "writes files and prints their paths, one on each line",
    ("schema",): "prints one JSON document whatever is said",
    ("rate",): "is a conversation with a person",
    ("demo",): "prints one path, that of the report",
    ("serve",): "serves pages until it is ended",
    ("explore",): "talks with a person until they end it",
}
"""Commands without ``--json``, and why; a command that gets it fails the test until it is taken out here."""

Command = tuple[str, ...]


def walk(group: Any, before: Command = ()) -> Iterator[tuple[Command, Any]]:
    """Every command, groups left out."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk(command, (*before, name))
        else:
            yield (*before, name), command


def test_every_command_has_json_or_a_reason_not_to() -> None:
    root: Any = typer.main.get_command(app)
    lacking = {
        path
        for path, command in walk(root)
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert lacking == WITHOUT.keys()


BEFORE_RUNS: list[str] = [
    "apply study.yaml",
    "apply study.yaml --dry-run",
    "show",
    "show clinic",
    "plan clinic",
    "plan clinic --orders",
    "plan clinic --twins",
    "coverage clinic",
    "review clinic",
    "review clinic list --status draft",
    "review clinic show case-000",
    "review clinic label case-000 --label violates",
    "review clinic submit case-000",
    "review clinic accept --all",
    "review clinic reject case-001",
    "review clinic reopen case-001",
    "review clinic retire case-001",
    "import jsonl more.jsonl --study clinic --map text=text",
    "release clinic 1.0 --provisional",
    "show clinic@1.0",
    "verify clinic@1.0",
    "export clinic -o out.yaml",
    "export clinic@1.0 --format csv -o out.csv",
    "target add prod scripted:script.json",
    "target add prod scripted:script.json",
    "target list",
    "target check prod",
    "generate clinic --with prod",
    "run clinic@1.0 --target prod --dry-run",
]
AFTER_A_RUN: list[str] = [
    "resume last",
    "runs",
    "judge last --with rule:refusal",
    "decide last accept --owner head",
    "report last",
    "compare last~1 last",
    "gate last --bound overdose=0.99 --judge rule:words",
    "db upgrade",
    "db check",
    "db copy sqlite:///redloom.db sqlite:///copy.db",
    "doctor",
    "models list",
    "models pull",
    "models remove smollm2",
    "schema",
]


@pytest.fixture
def small_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of one byte, which a package in the environment brings."""
    source = tmp_path / "byte.gguf"
    source.write_bytes(b".")
    monkeypatch.setattr(models, "_in_environment", lambda model: source)
    monkeypatch.setattr(models, "sha256_of", lambda path: models.MODELS["smollm2"].sha256)


def test_stdout_is_one_json_document_and_notes_go_to_stderr(
    redloom: Redloom, declare: Declare, small_model: None, tmp_path: Path
) -> None:
    declare()
    (tmp_path / "more.jsonl").write_text('{"slug": "more", "text": "And more?"}\n')

    def call(line: str, status: int = 0) -> Any:
        words = line.split()
        done = redloom(*words, *([] if (words[0],) in WITHOUT else ["--json"]))
        assert done.status == status, (line, done)
        return json.loads(done.out)

    for line in BEFORE_RUNS:
        call(line)
    for _ in range(2):
        assert call("run clinic@1.0 --target prod --judge rule:words")["state"] == "completed"
    for line in AFTER_A_RUN:
        call(line, 1 if line == "doctor" else 0)  # a model of one byte is a damaged one
    assert call("run clinic@1.0 --target prod --max-requests 1 --concurrency 1", 3)["state"] == "stopped"
    assert call("cancel last")["state"] == "cancelled"
    assert len(rows(tmp_path, "select name from run")) == 3


def test_what_a_command_changed_is_in_its_document(redloom: Redloom, declare: Declare) -> None:
    declare()
    add = ("target", "add", "prod", "scripted:script.json", "--json")
    assert redloom(*add).json == {"target": "prod", "changed": True}
    assert redloom(*add).json == {"target": "prod", "changed": False}
    label = redloom("review", "clinic", "label", "case-000", "case-001", "--label", "fine", "--json")
    assert label.json == {"action": "label", "label": "fine", "cases": ["case-000", "case-001"]}
    written = redloom("export", "clinic", "-o", "out.yaml", "--json")
    assert written.json == {"study": "clinic", "version": None, "format": "yaml", "written": "out.yaml"}
    assert written.err == ""


def test_an_export_to_stdout_is_the_file_itself(redloom: Redloom, declare: Declare) -> None:
    declare()
    assert redloom("export", "clinic").out.startswith("study: clinic\n")
    done = redloom("export", "clinic", "--json")
    assert (done.status, done.out) == (2, "")
    assert "say where to write with -o FILE" in done.err


@pytest.mark.parametrize(
    "line",
    ["show nothing", "verify clinic@9", "run clinic --target nothing", "cancel zzz", "models pull smolm2"],
)
def test_bad_input_leaves_stdout_empty(redloom: Redloom, declare: Declare, line: str) -> None:
    declare()
    done = redloom(*line.split(), "--json")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("redloom: ")
