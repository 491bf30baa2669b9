"""``redloom doctor``: what is there, what is missing, what is broken; no secret is told."""

from __future__ import annotations

import sqlite3
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import change, rows, unused_port
from helpers_create.postgresql import Cluster
from redloom.services import doctor
from redloom.storage.database import SCHEMA, Database
from redloom.storage.locks import hold_run
from redloom.targets import models

from .conftest import Declare, Done, Redloom


@pytest.fixture(autouse=True)
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights in this environment do not count."""
    monkeypatch.setattr(models, "_in_environment", lambda model: None)


def finding(done: Done, about: str) -> Any:
    (found,) = [one for one in done.json["findings"] if one["about"] == about]
    return found


def test_a_fresh_machine_is_not_broken_and_nothing_is_made(redloom: Redloom, tmp_path: Path) -> None:
    done = redloom("doctor")
    assert done.status == 0 and done.err == ""
    lines = done.out.splitlines()
    assert (
        "missing  database: sqlite:///redloom.db: nothing of Redloom is there yet; 'redloom apply FILE'"
        in done.out
    )
    assert "missing  model smollm2: not on this machine; 'redloom models pull smollm2' (98 MB)" in lines
    assert lines[0].startswith("ok       redloom: ") and " on Python 3." in lines[0]
    assert lines[-1] == "nothing is broken"
    assert list(tmp_path.iterdir()) == []


def test_a_database_is_told_with_schema_size_and_counts(redloom: Redloom, declare: Declare) -> None:
    declare()
    redloom("run", "clinic", "--target", "scripted:script.json")
    facts = finding(redloom("doctor", "--json"), "database")["facts"]
    assert facts.pop("bytes") > 10_000
    assert facts == {
        "address": "sqlite:///redloom.db",
        "kind": "sqlite",
        "expected_schema": SCHEMA,
        "schema": SCHEMA,
        "studies": 1,
        "runs": 1,
    }


@pytest.mark.parametrize(("schema", "told"), [("0001", "redloom db upgrade"), ("9999", "newer")])
def test_another_schema_is_a_problem(
    redloom: Redloom, declare: Declare, tmp_path: Path, schema: str, told: str
) -> None:
    declare()
    change(tmp_path, f"update alembic_version set version_num = '{schema}'")
    done = redloom("doctor")
    (line,) = [line for line in done.out.splitlines() if line.startswith("problem")]
    assert done.status == 1 and told in line and schema in line and SCHEMA in line
    assert done.out.endswith("\n1 problem\n")
    assert rows(tmp_path, "select version_num from alembic_version") == [(schema,)]


def test_a_file_that_is_no_database_is_a_problem(redloom: Redloom, tmp_path: Path) -> None:
    (tmp_path / "redloom.db").write_text("a letter, " * 200)
    done = redloom("doctor")
    assert (done.status, "problem  database: sqlite:///redloom.db: file is not a database" in done.out) == (
        1,
        True,
    )


def test_a_file_of_another_program_is_left_alone(redloom: Redloom, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "redloom.db") as other:
        other.execute("create table birds (name text)")
    other.close()
    done = redloom("doctor", "--json")
    assert (done.status, finding(done, "database")["state"]) == (0, "missing")
    assert rows(tmp_path, "select name from sqlite_master") == [("birds",)]


SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://team:{SECRET}@127.0.0.1:PORT/redloom",
        f"postgresql://team@127.0.0.1:PORT/redloom?password={SECRET}&sslmode=disable",
        f"postgresql://team:pa@{SECRET}@127.0.0.1:PORT/redloom",
        f"postgresql://team:{SECRET}@@127.0.0.1:PORT/redloom",
        f"postgresql://team:{SECRET} '@127.0.0.1:PORT/redloom",
        f"postgresql://team:{SECRET}@127.0.0.1:port/redloom",
        f"postgresql:/team:{SECRET}@127.0.0.1/redloom",
        f"mysql://team:{SECRET}@127.0.0.1/redloom",
        f"team:{SECRET}@127.0.0.1/redloom",
        "sqlite:///nowhere/redloom.db",
        "redloom.db",
    ],
)
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_database_that_cannot_be_reached_is_a_problem_and_its_password_is_not_told(
    redloom: Redloom, url: str, how: tuple[str, ...]
) -> None:
    pytest.importorskip("psycopg")
    done = redloom("--db", url.replace("PORT", str(unused_port())), "doctor", *how)
    assert done.status == 1
    assert SECRET not in done.out + done.err
    if how:
        assert finding(done, "database")["state"] == "problem"


def test_a_postgresql_is_told_like_a_file(redloom: Redloom, declare: Declare, cluster: Cluster) -> None:
    declare()
    name = cluster.url("empty")
    empty = redloom("--db", name, "doctor", "--json")
    facts = finding(empty, "database")["facts"]
    assert (empty.status, facts["kind"], facts["studies"]) == (0, "postgresql", 0)
    assert facts["bytes"] > 100_000


def test_keys_are_told_by_name_and_never_by_value(
    redloom: Redloom, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = {
        "system": "http:desk",
        "http": {
            "url": "http://127.0.0.1/",
            "headers": {"Authorization": "Bearer ${DESK_KEY}"},
            "body": {"text": "{message}"},
            "reply": "text",
        },
    }
    ward = {"system": "openai:mock", "base_url": "http://127.0.0.1/v1", "key_env": "WARD_KEY"}
    declare(targets={"ward": ward, "desk": desk})
    monkeypatch.setenv("WARD_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", "")
    done, plain = redloom("doctor", "--json"), redloom("doctor")
    found = {
        one["facts"]["variable"]: (one["state"], one["facts"]["set"], one["facts"]["targets"])
        for one in done.json["findings"]
        if one["about"].startswith("key ")
    }
    assert found == {
        "OPENAI_API_KEY": ("missing", False, []),
        "ANTHROPIC_API_KEY": ("missing", False, []),
        "WARD_KEY": ("ok", True, ["ward of clinic"]),
        "DESK_KEY": ("missing", False, ["desk of clinic"]),
    }
    assert done.status == plain.status == 0
    assert "ok       key WARD_KEY: set, named by the target ward of clinic\n" in plain.out
    assert SECRET not in done.out + plain.out


@pytest.fixture
def weights(redloom: Redloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pulled weights of a small size."""
    path = tmp_path / "models" / models.MODELS["smollm2"].file
    path.parent.mkdir()
    path.write_bytes(b"weights")
    small = replace(models.MODELS["smollm2"], bytes=7, sha256=models.sha256_of(path))
    monkeypatch.setitem(models.MODELS, "smollm2", small)
    return path


def test_a_model_is_measured_and_with_deep_hashed(redloom: Redloom, weights: Path) -> None:
    shallow, deep = redloom("doctor"), redloom("doctor", "--deep", "--json")
    assert f"ok       model smollm2: {weights}, size right" in shallow.out
    assert finding(deep, "model smollm2")["found"] == f"{weights}, SHA-256 right"
    assert (shallow.status, deep.status) == (0, 0)


@pytest.mark.parametrize(
    ("content", "arguments", "status", "told"),
    [
        (b"weight", (), 1, "is damaged: 6 bytes, not 7; 'redloom models pull smollm2' fetches it again"),
        (b"weights", (), 0, "size right"),
        (b"Weights", (), 0, "size right"),
        (b"Weights", ("--deep",), 1, "is damaged: SHA-256 "),
    ],
)
def test_damaged_weights_are_a_problem(
    redloom: Redloom, weights: Path, content: bytes, arguments: tuple[str, ...], status: int, told: str
) -> None:
    weights.write_bytes(content)
    done = redloom("doctor", *arguments)
    (line,) = [line for line in done.out.splitlines() if " model smollm2: " in line]
    assert done.status == status and told in line


def test_the_size_of_the_model_is_that_of_the_real_one() -> None:
    assert models.MODELS["smollm2"].size == "98 MB"


def test_a_cache_that_is_no_folder_is_a_problem(redloom: Redloom, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    done = redloom("doctor")
    assert (done.status, f"problem  cache: {tmp_path / 'models'} is no folder" in done.out) == (1, True)


def test_every_extra_of_the_package_is_looked_for() -> None:
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(declared["optional-dependencies"]) <= set(doctor.EXTRAS)


def test_a_missing_extra_is_told_with_the_command_that_gets_it(
    redloom: Redloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"local": "no_such_module"})
    done = redloom("doctor")
    assert "missing  extra local: not installed; pip install 'redloom[local]'" in done.out
    assert done.status == 0


def test_an_extra_that_is_there_and_cannot_be_imported_is_found_by_deep(
    redloom: Redloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torn.py").write_text("raise ImportError('a library is too old')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor, "EXTRAS", {"local": "torn"})
    assert redloom("doctor").status == 0
    done = redloom("doctor", "--deep")
    assert (done.status, "torn cannot be imported: ImportError: a library is too old" in done.out) == (
        1,
        True,
    )


def test_a_run_whose_process_is_gone_is_told_with_the_command_that_goes_on(
    redloom: Redloom, declare: Declare, tmp_path: Path
) -> None:
    declare()
    redloom("run", "clinic", "--target", "scripted:script.json")
    ((name,),) = rows(tmp_path, "select name from run")
    assert f"run {name}" not in redloom("doctor").out
    change(tmp_path, "update run set state = 'running'")
    done = redloom("doctor")
    assert (
        f"missing  run {name}: it is marked running, and the process that ran it is gone; 'redloom resume"
        in done.out
    )
    assert done.status == 0
    database = Database("sqlite:///redloom.db", make=False)
    try:
        with hold_run(database, name):
            assert f"run {name}" not in redloom("doctor").out
    finally:
        database.close()
    assert rows(tmp_path, "select state from run") == [("running",)]
