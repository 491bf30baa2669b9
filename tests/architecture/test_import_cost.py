"""Looking at the package or its help loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "alembic", "covertable", "jinja2", "numpy", "scipy", "sqlalchemy", "xllamacpp", "yaml")
REPORT = f"import json; sys.stderr.write(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"


def _loaded(code: str) -> tuple[list[str], str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys\n{code}\n{REPORT}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stderr), done.stdout


def test_the_probe_sees_what_is_loaded() -> None:
    assert _loaded("import redloom.storage.database")[0] != []


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert _loaded("import redloom")[0] == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["apply", "--help"], ["run", "--help"], ["report", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "from redloom.cli import main\n"
        f"try:\n    main({arguments!r})\n"
        "except SystemExit as end:\n    assert not end.code"
    )
    loaded, printed = _loaded(code)
    assert loaded == []
    assert "Usage: redloom" in printed
