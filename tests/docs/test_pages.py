"""The documentation says all there is: commands, options, fields, states, statuses, variables; and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
import yaml

from redloom import cli, errors
from redloom.cli import app
from redloom.datasets.study_file import TOP_LEVEL, study_schema
from redloom.domain.case import STATUSES
from redloom.domain.interaction import AttemptState, EndedBy
from redloom.domain.judgement import JudgementState
from redloom.domain.rendering import _WITHIN_REACH
from redloom.domain.rubric import Verdict
from redloom.domain.run import FrameKind, RunState
from redloom.domain.study import COLLECTIONS
from redloom.domain.target import How
from redloom.targets.registry import KINDS

from .pages import DOCS, PAGES, ROOT, blocks, lacking, text_of


@cache
def generator() -> Any:
    """The script ``docs/generate.py`` as a module."""
    place = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert place is not None and place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_generated_pages_are_up_to_date():
    for path, text in generator().generated().items():
        assert path.read_text(encoding="utf-8") == text, "run .venv/bin/python docs/generate.py"


def test_every_command_is_documented():
    page = text_of("reference/commands.md")
    root: Any = typer.main.get_command(app)
    for path in generator().command_paths(root):
        assert f"# redloom {' '.join(path)}\n" in page


def test_every_command_is_used_on_a_page_besides_the_reference():
    everything = "\n".join(text_of(page) for page in PAGES if page != "reference/commands.md")
    root: Any = typer.main.get_command(app)
    groups = {"target", "models"}
    unused = [
        path for path in generator().command_paths(root) if f"redloom {' '.join(path)}" not in everything
    ]
    assert [path for path in unused if path[0] not in groups or len(path) > 1] == []


def test_every_top_level_key_is_documented():
    page = text_of("reference/study-file.md")
    assert [key for key in TOP_LEVEL if f"| `{key}` |" not in page] == []
    assert set(study_schema()["properties"]) == set(TOP_LEVEL)


def _models():
    found = generator()
    seen, waiting = [], [found.StudyHead, *COLLECTIONS.values()]
    while waiting:
        model = waiting.pop()
        if model not in seen:
            seen.append(model)
            waiting += found.inner_models(model)
    return seen


def test_every_field_of_the_study_file_has_words():
    page, found = text_of("reference/study-file.md"), generator()
    used = set()
    for model in _models():
        listed = {name: said for name, _, said in found.fields(model)}
        assert set(listed) == set(model.model_fields)
        assert [name for name, said in listed.items() if not said] == [], model
        assert all(f"| `{name}` |" in page for name in listed)
        used |= {f"{model.__name__}.{name}" for name in listed}
    assert set(found.NOTES) - used == set()


def test_every_state_is_documented():
    page = text_of("reference/states.md")
    names = {*STATUSES}
    for closed in (AttemptState, EndedBy, RunState, JudgementState, Verdict, FrameKind):
        names |= set(get_args(closed))
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_exit_status_is_documented():
    page = text_of("reference/states.md")
    sources = "".join(path.read_text() for path in Path(inspect.getfile(cli)).parent.glob("*.py"))
    sources += inspect.getdoc(errors) or ""
    raised = set(re.findall(r"(?:typer\.Exit|SystemExit)\((\d+)", sources)) | {"0", "2", "3", "130"}
    assert [status for status in sorted(raised) if f"| {status} |" not in page] == []


def test_every_kind_of_target_and_way_of_delivery_is_documented():
    page = text_of("reference/targets.md")
    assert [kind for kind in KINDS if f"## {kind}\n" not in page] == []
    assert [how for how in get_args(How) if f"| `{how}` |" not in page] == []


def test_the_table_of_what_arms_can_be_realised_is_right():
    page = text_of("how-to/compare-with-and-without-context.md")
    for how in get_args(How):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{how}` |"))
        told = [cell.strip().startswith("yes") for cell in row.split("|")[2:4]]
        assert told == [how in _WITHIN_REACH["context"], how in _WITHIN_REACH["persona"]]


def test_every_environment_variable_is_documented():
    page = text_of("reference/files.md")
    source = "".join(path.read_text() for path in (ROOT / "src" / "redloom").rglob("*.py"))
    read = set(re.findall(r'"((?:REDLOOM|OPENAI)_[A-Z_]+)"', source))
    assert read and [name for name in sorted(read) if f"| `{name}` |" not in page] == []


def _anchor(title: str) -> str:
    plain = re.sub(r"[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)).lower()
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", plain)).strip("-")


def _anchors(page: str) -> set[str]:
    text = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    return {_anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", address):
            continue
        name, _, anchor = address.partition("#")
        goal = (DOCS / page).parent / name if name else DOCS / page
        assert goal.is_file(), address
        if anchor:
            assert anchor in _anchors(goal.resolve().relative_to(DOCS).as_posix()), address


def test_the_navigation_has_every_page():
    settings = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]

    def pages(entries):
        for entry in entries:
            for value in entry.values():
                if isinstance(value, str):
                    yield value
                else:
                    yield from pages(value)

    assert sorted(pages(settings["nav"])) == PAGES
    assert settings["theme"]["font"] is False


@pytest.mark.parametrize("page", PAGES)
def test_pages_load_nothing_from_other_hosts(page):
    text = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    assert not re.findall(r"!\[[^\]]*\]\(https?:|<(?:img|script|link|iframe)\b", text)


EXAMPLES = [b for page in PAGES for b in blocks(page) if b.language in ("yaml", "json")]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.name)
def test_examples_parse(block):
    if block.language == "json":
        json.loads(block.text)
    else:
        assert yaml.safe_load(block.text) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if page != "reference/commands.md"])
def test_command_lines_in_the_text_name_commands_and_options_there_are(page):
    root: Any = typer.main.get_command(app)
    known = dict.fromkeys(generator().command_paths(root))
    for line in re.findall(
        r"`redloom ([a-z][^`]*)`|^(?:\$ )?redloom ([a-z][^\n]*)$", text_of(page), re.MULTILINE
    ):
        words = (line[0] or line[1]).split()
        path = tuple(words[:2]) if tuple(words[:2]) in known else tuple(words[:1])
        assert path in known, words
        found = root
        for name in path:
            found = found.commands[name]
        options = {
            flag for parameter in found.params for flag in (*parameter.opts, *parameter.secondary_opts)
        }
        given = {re.split(r"[=,.;:]", word)[0] for word in words if word.startswith("--")}
        assert given - options - {"--db", "--help", "--max-", "--version"} == set(), (page, words)


def test_a_line_that_was_not_printed_is_noticed():
    printed = "one\nrun 2v1a054nd8: completed; 3 completed\nlast"
    assert lacking(("one", "...", "run 2v1zzzzzzz: completed; 3 completed"), printed) is None
    assert lacking(("run 2v1zzzzzzz: completed; 4 completed",), printed) is not None
    assert lacking(("last", "one"), printed) == "one"
    assert lacking(("run ... 3 completed",), printed) is None
    assert lacking(("on",), printed) == "on"


@pytest.mark.skipif(importlib.util.find_spec("zensical") is None, reason="zensical is not installed here")
def test_the_site_builds(tmp_path):
    settings = (ROOT / "zensical.toml").read_text()
    (tmp_path / "zensical.toml").write_text(settings)
    (tmp_path / "docs").symlink_to(DOCS)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=tmp_path, check=True)
