"""A folder with a database of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDLOOM_DB", f"sqlite:///{tmp_path / 'redloom.db'}")
    monkeypatch.setenv("REDLOOM_USER", "tester")
    return tmp_path
