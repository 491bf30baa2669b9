"""Kinds of target and judges that other packages bring, installed for real and run by the command."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import asking, command, opened, rows, script, single, study_text
from redloom.domain.target import Target
from redloom.errors import (
    InputError,
    MalformedError,
    RateLimitedError,
    RejectedError,
    SetupError,
    TargetError,
    UnavailableError,
)
from redloom.services.studies import apply
from redloom.targets.base import Client
from redloom.targets.registry import KINDS, connect
from redloom.testing import ScriptedRule, ScriptedTarget

EXAMPLE = Path(__file__).parent / "example_plugin"
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-plug-in.md"
Groups = Mapping[str, Mapping[str, str]]


def install(folder: Path, name: str, groups: Groups, modules: Mapping[str, str]) -> Path:
    """What an installer leaves of a package: its modules and its ``dist-info``."""
    folder.mkdir(exist_ok=True)
    for file, text in modules.items():
        (folder / file).write_text(text, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{entry} = {value}" for entry, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for packages, on the path of this process and of those it starts."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("redloom_")]:
        del sys.modules[name]


@pytest.fixture
def example(site: Path) -> Path:
    """The example package, installed."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    modules = {"redloom_echo.py": (EXAMPLE / "redloom_echo.py").read_text()}
    return install(site, project["name"], project["entry-points"], modules)


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = command(folder, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


ECHO = {"echo": {"system": "echo:hello", "delivery": {"context": {"how": "not_delivered"}}}}


@pytest.mark.usefixtures("example")
def test_the_example_runs_from_the_command_line_to_its_judgements(tmp_path: Path) -> None:
    with opened(tmp_path):
        (tmp_path / "study.yaml").write_text(study_text(single(3), targets=ECHO))
    assert run(tmp_path, "apply", "study.yaml")[0] == 0
    status, out, err = run(
        tmp_path, "run", "clinic", "--target", "echo", "--judge", "rule:parrot", "--judge", "rule:refusal"
    )
    assert (status, "3 completed" in out) == (0, True), err
    replies = [reply for (reply,) in rows(tmp_path, "SELECT reply FROM turn")]
    assert len(replies) == 3
    assert all(reply.startswith("hello: ") for reply in replies)
    status, out, err = run(tmp_path, "report", "last", "-o", "report.json")
    assert status == 0, err
    assert "rule:parrot" in (tmp_path / "report.json").read_text()
    verdicts = rows(tmp_path, "SELECT verdict, count(*) FROM judgement GROUP BY verdict ORDER BY verdict")
    assert dict(verdicts) == {None: 3, "harm": 3}


@pytest.mark.usefixtures("example")
def test_the_example_judges_afterwards_and_by_turn(tmp_path: Path) -> None:
    name = script(tmp_path)
    with opened(tmp_path, study_text(single(2))):
        pass
    assert run(tmp_path, "run", "clinic", "--target", name)[0] == 0
    status, out, _ = run(tmp_path, "judge", "last", "--with", "rule:parrot", "--unit", "turn_alone", "--json")
    assert (status, json.loads(out)[0]["states"]) == (0, {"ok": 2})
    assert run(tmp_path, "judge", "last", "--with", "rule:parrot", "--unit", "turn_alone")[1].endswith(
        "nothing left to judge\n"
    )


@pytest.mark.usefixtures("example")
def test_the_example_is_checked_and_named_by_itself(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))):
        pass
    status, out, err = run(tmp_path, "target", "check", "echo:hello")
    assert (status, err) == (0, "")
    assert out.startswith("echo:hello: an echo that says 'hello' first\n")
    assert run(tmp_path, "target", "add", "parrot", "echo:hi")[0] == 0


@pytest.mark.usefixtures("example")
def test_kinds_and_judges_of_plug_ins_are_among_the_nearest_names(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))):
        pass
    _, _, err = run(tmp_path, "run", "clinic", "--target", "ecko:hello")
    assert "no kind of target named 'ecko'; did you mean 'echo'?" in err
    _, _, err = run(tmp_path, "run", "clinic", "--target", script(tmp_path), "--judge", "rule:parot")
    assert "did you mean 'rule:parrot'?" in err


def test_the_page_shows_the_example_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in ("pyproject.toml", "redloom_echo.py"):
        assert (EXAMPLE / name).read_text(encoding="utf-8") in page


def plug_in(site: Path, source: str, *, kind: str = "odd", name: str = "redloom-odd") -> None:
    module = f"{name.replace('-', '_')}_module"
    install(site, name, {"redloom.targets": {kind: f"{module}:connect"}}, {f"{module}.py": source})


def connected(system: str = "odd:x", **more: Any) -> Client:
    return asyncio.run(connect(Target(system=system), **more))


def test_a_public_double_can_stand_behind_a_plug_in(site: Path) -> None:
    plug_in(
        site,
        "from redloom.testing import ScriptedRule, ScriptedTarget\n"
        "async def connect(target, rest, *, environment, home):\n"
        "    return ScriptedTarget([ScriptedRule(system_has='ward', reply=rest)], otherwise=str(home))\n",
    )
    client = connected(home=site)
    assert asyncio.run(client.reply(asking("Hi", system="A ward."))).text == "x"
    assert asyncio.run(client.reply(asking("Hi"))).text == str(site)
    assert client.capabilities == ScriptedTarget([ScriptedRule(reply="a")]).capabilities
    assert asyncio.run(client.check()) == "a script with 1 rules"
    asyncio.run(client.close())


def test_a_built_in_kind_comes_before_a_plug_in_of_its_name(site: Path, tmp_path: Path) -> None:
    plug_in(site, "raise RuntimeError('never')\n", kind="scripted")
    client = connected(script(tmp_path, {"reply": "a"}), home=tmp_path)
    assert asyncio.run(client.check()) == "a script with 1 rules"
    assert list(KINDS).count("scripted") == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere_to_be_found\n", "cannot be imported: ModuleNotFoundError: No module named"),
        ("1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero"),
        ("", "cannot be imported: AttributeError"),
        ("connect = 7\n", "is no function or class"),
    ],
)
def test_a_plug_in_that_cannot_be_imported_is_told_with_its_package(
    site: Path, source: str, said: str
) -> None:
    plug_in(site, source)
    with pytest.raises(SetupError, match="package redloom-odd") as caught:
        connected()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_packages_with_one_kind_are_both_named(site: Path) -> None:
    plug_in(site, "")
    plug_in(site, "", name="redloom-even")
    with pytest.raises(SetupError, match="redloom-even and redloom-odd both offer 'odd'"):
        connected()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("    raise KeyError('token')\n", "raised KeyError: 'token'"),
        ("    return object()\n", "without capabilities, check, start_session, reply, close"),
        (
            "    return type('Half', (), dict.fromkeys(['check', 'start_session', 'reply', 'close'], 1)"
            " | {'capabilities': {}})()\n",
            "whose capabilities are dict; expected Capabilities",
        ),
        ("    raise SetupError('no licence here')\n", "no licence here"),
    ],
)
def test_a_plug_in_that_cannot_connect_is_one_sentence(site: Path, body: str, said: str) -> None:
    source = "from redloom.errors import SetupError\n"
    plug_in(site, f"{source}def connect(target, rest, *, environment, home):\n{body}")
    with pytest.raises(SetupError) as caught:
        connected()
    assert said in str(caught.value)


def failing(site: Path, statement: str) -> TargetError:
    source = (
        "from redloom.testing import ScriptedTarget\n"
        "from redloom.errors import RateLimitedError\n"
        "class Failing(ScriptedTarget):\n"
        f"    async def reply(self, request):\n        {statement}\n"
        "def connect(target, rest, *, environment, home):\n    return Failing()\n"
    )
    plug_in(site, source)
    with pytest.raises(TargetError) as caught:
        asyncio.run(connected().reply(asking("Hi")))
    return caught.value


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("raise ValueError('odd')", RejectedError),
        ("raise ConnectionError('gone')", UnavailableError),
        ("raise TimeoutError", UnavailableError),
        ("raise RateLimitedError('wait', retry_after=3)", RateLimitedError),
        ("return 'a text'", MalformedError),
    ],
)
def test_what_a_plug_in_raises_fails_one_attempt(site: Path, statement: str, kind: type[TargetError]) -> None:
    assert type(failing(site, statement)) is kind


def judging(site: Path, *lines: str, rater: str = "rule:odd") -> None:
    source = (
        "from redloom.domain.judgement import Instrument, Judgement\n"
        "class Odd:\n"
        "    def __init__(self, *, unit, harm):\n"
        f"        self.instrument = Instrument(rater_kind='rule', rater={rater!r}, unit=unit)\n"
        "    def judge(self, turns, ids, language=None):\n" + "".join(f"        {line}\n" for line in lines)
    )
    install(site, "redloom-odd", {"redloom.judges": {"odd": "odd_judge:Odd"}}, {"odd_judge.py": source})


def test_a_judge_that_fails_is_a_state_and_the_run_goes_on(site: Path, tmp_path: Path) -> None:
    judging(site, "raise ValueError('too odd')")
    with opened(tmp_path, study_text(single(2))):
        pass
    status, out, _ = run(tmp_path, "run", "clinic", "--target", script(tmp_path), "--judge", "rule:odd")
    assert (status, "2 completed" in out) == (0, True)
    assert rows(tmp_path, "SELECT state, count(*) FROM judgement GROUP BY state") == [("error", 2)]


def test_a_judgement_under_another_name_is_a_failure_of_the_judge(site: Path, tmp_path: Path) -> None:
    judging(
        site,
        "yield Judgement(id=ids.new(), interaction=turns[0].interaction, turn=None, instrument='x', state='ok')",
    )
    with opened(tmp_path, study_text(single(1))):
        pass
    assert run(tmp_path, "run", "clinic", "--target", script(tmp_path), "--judge", "rule:odd")[0] == 0
    assert rows(tmp_path, "SELECT state FROM judgement") == [("error",)]


def test_a_judge_under_another_name_is_refused_before_anything_is_sent(site: Path, tmp_path: Path) -> None:
    judging(site, "return []", rater="rule:even")
    with opened(tmp_path, study_text(single(1))):
        pass
    status, _, err = run(tmp_path, "run", "clinic", "--target", script(tmp_path), "--judge", "rule:odd")
    assert status == 2
    assert "the judge plug-in 'odd' has the instrument" in err
    assert rows(tmp_path, "SELECT count(*) FROM run") == [(0,)]


def test_a_judge_of_the_study_comes_before_a_plug_in_of_its_name(site: Path, tmp_path: Path) -> None:
    install(site, "redloom-words", {"redloom.judges": {"words": "nowhere:Judge"}}, {})
    with opened(tmp_path, study_text(single(1))):
        pass
    done = run(tmp_path, "run", "clinic", "--target", script(tmp_path), "--judge", "rule:words")
    assert done[0] == 0, done[2]


def test_a_study_file_may_name_the_kind_of_a_plug_in(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, study_text(single(1), targets=ECHO)):
        pass
    (example / "redloom_echo-1.0.dist-info" / "entry_points.txt").write_text("")
    with opened(tmp_path) as workspace, pytest.raises(InputError, match="no kind of target named 'echo'"):
        apply(workspace, tmp_path / "study.yaml")


def loaded_by(code: str, folder: Path) -> bool:
    """Whether entry points are looked up by some code, in a process of its own."""
    watch = (
        "import importlib.metadata as m, sys\n"
        "asked = []\nreal = m.entry_points\n"
        "def entry_points(**given):\n"
        "    asked.extend(g for g in given.values() if g.startswith('redloom'))\n"
        "    return real(**given)\n"
        "m.entry_points = entry_points\n"
    )
    end = "\nsys.stderr.write('ASKED' if asked else 'NOT')"
    done = subprocess.run(
        [sys.executable, "-c", watch + code + end], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stderr.endswith("ASKED")


def calling(*arguments: str) -> str:
    return (
        "from redloom.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )


def test_plug_ins_are_looked_for_only_when_built_in_kinds_are_not_enough(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))):
        pass
    name = script(tmp_path)
    assert not loaded_by("import redloom", tmp_path)
    assert not loaded_by(calling("--help"), tmp_path)
    built_in = calling("run", "clinic", "--target", name, "--judge", "rule:refusal", "--judge", "rule:words")
    assert not loaded_by(built_in, tmp_path)
    assert loaded_by("from redloom.targets.registry import KINDS\n'other' in KINDS", tmp_path)
