"""A command in a folder of its own, and a study to use it on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import script, single, study_text
from redloom.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Redloom = Callable[..., Done]


@pytest.fixture
def redloom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Redloom:
    """Call a command; gives how it ended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("REDLOOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("REDLOOM_DB", "sqlite:///redloom.db")
    for name in ("ANTHROPIC_API_KEY", "WARD_KEY", "DESK_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Done:
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setenv("REDLOOM_DB", "sqlite:///redloom.db")
            main(arguments)
        found = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, found.out, found.err)

    return run


Declare = Callable[..., None]


@pytest.fixture
def declare(redloom: Redloom, tmp_path: Path) -> Declare:
    """Apply the small study with so many cases, and more top-level keys."""

    def apply(count: int = 2, **more: Any) -> None:
        (tmp_path / "study.yaml").write_text(study_text(single(count), **more), encoding="utf-8")
        script(tmp_path)
        assert redloom("apply", "study.yaml").status == 0

    return apply
