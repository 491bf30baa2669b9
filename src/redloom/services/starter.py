"""What a new study starts with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from redloom.errors import InputError, Issue

_IGNORE = "redloom.db\nredloom.db-*\nreport.html\n"
_WORKFLOW = """\
# Checks the study file on every push. Running it against a target needs a key: see the documentation.
name: redloom
on: [push, pull_request]
jobs:
  study:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install redloom
      - run: redloom apply study.yaml --dry-run
"""


def example(name: str) -> Path:
    """The folder of an example study that ships with the package."""
    return Path(str(files("redloom") / "examples" / name))


def write_starter(directory: Path) -> list[Path]:
    """Write the starter study into ``directory``; refuses where one of its files is there already."""
    contents = {
        "study.yaml": (example("starter") / "study.yaml").read_text(encoding="utf-8"),
        ".gitignore": _IGNORE,
        ".github/workflows/redloom.yml": _WORKFLOW,
    }
    there = [name for name in contents if (directory / name).exists()]
    if there:
        raise InputError(
            Issue("is there already; nothing was written", file=str(directory / name)) for name in there
        )
    written: list[Path] = []
    for name, text in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
