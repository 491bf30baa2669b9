"""What the environment says, read once and passed in."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the database is, who acts, where named files are looked for."""

    database: str = "sqlite:///redloom.db"
    who: str = "unknown"
    """Goes to the history with every change."""
    home: Path = Path()


def read_settings(environment: Mapping[str, str], *, database: str | None = None) -> Settings:
    """Settings from ``REDLOOM_DB`` and ``REDLOOM_USER``; ``database`` comes before both."""
    return Settings(
        database=database or environment.get("REDLOOM_DB") or "sqlite:///redloom.db",
        who=environment.get("REDLOOM_USER") or _login(),
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
