"""What a new study starts with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from redloom.errors import InputError, Issue, unknown

TEMPLATES = ("starter", "bank")
"""The examples that a new study can be written from."""
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
      # where no release is published yet: pip install "redloom @ git+https://..." with the address of its repository
      - run: pip install redloom
      - run: redloom apply study.yaml --dry-run
"""


def example(name: str) -> Path:
    """The folder of an example study that ships with the package."""
    return Path(str(files("redloom") / "examples" / name))


def write_starter(directory: Path, *, template: str = TEMPLATES[0]) -> list[Path]:
    """Write a study to start from into ``directory``; refuses where one of its files is there already."""
    if template not in TEMPLATES:
        raise InputError(unknown("template", template, TEMPLATES))
    contents = {
        "study.yaml": (example(template) / "study.yaml").read_text(encoding="utf-8"),
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
