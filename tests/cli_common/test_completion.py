"""Shell completion: the script prints, and completing is quick."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import json, sys
from redloom.cli import main
try:
    main()
finally:
    heavy = ("aiohttp", "alembic", "jinja2", "numpy", "redloom.domain", "scipy", "sqlalchemy", "xllamacpp", "yaml")
    sys.stderr.write(json.dumps([name for name in heavy if name in sys.modules]))
"""


def complete(words: str) -> tuple[list[str], list[str]]:
    """What is offered for the last word, and which heavy modules were loaded for it."""
    environment = {
        **os.environ,
        "_REDLOOM_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), json.loads(done.stderr)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("redloom re", {"review", "release", "resume", "report"}),
        ("redloom models ", {"list", "pull", "remove"}),
        ("redloom run --max", {"--max-cost", "--max-tokens", "--max-requests", "--max-time"}),
    ],
)
def test_commands_and_options_are_completed_without_loading_anything_heavy(
    words: str, offered: set[str]
) -> None:
    found, loaded = complete(words)
    assert set(found) == offered
    assert loaded == []


@pytest.fixture
def bash() -> str:
    found = shutil.which("bash")
    if found is None:
        pytest.skip("no bash is installed here")
    return found


COMMAND = f'"{sys.executable}" -m redloom'


def test_the_script_for_bash_is_printed_and_can_be_read_by_it(bash: str) -> None:
    shown = subprocess.run([bash, "-c", f"{COMMAND} --show-completion; true"], capture_output=True, text=True)
    assert "complete -o default -F _redloom_completion redloom" in shown.stdout, shown.stderr
    use = f'{shown.stdout}\nCOMP_WORDS=(redloom doc); COMP_CWORD=1; redloom() {{ {COMMAND} "$@"; }}\n'
    call = "_redloom_completion redloom; echo ${COMPREPLY[@]}"
    script = use.replace("_REDLOOM_COMPLETE=complete_bash $1", f"_REDLOOM_COMPLETE=complete_bash {COMMAND}")
    done = subprocess.run([bash, "-c", script + call], capture_output=True, text=True)
    assert done.stdout == "doctor\n", done.stderr


def test_installing_writes_into_the_home_folder_only(bash: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [bash, "-c", f"{COMMAND} --install-completion; true"], env=environment, capture_output=True, text=True
    )
    assert "completion installed" in done.stdout, done.stderr
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert ".bashrc" in written and len(written) == 2
