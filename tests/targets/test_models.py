"""Where the weights of embedded models come from; nothing is fetched here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from redloom.errors import InputError, SetupError
from redloom.targets import models

CONTENT = b"weights"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    """A package in the environment that holds these bytes as the weights of 'tiny'."""
    source = tmp_path / "package" / "tiny.gguf"
    source.parent.mkdir()
    right = hashlib.sha256(CONTENT).hexdigest()
    tiny = replace(models.MODELS["smollm2"], name="tiny", file="tiny.gguf", sha256=right)
    monkeypatch.setitem(models.MODELS, "tiny", tiny)
    monkeypatch.setenv("REDLOOM_MODELS", str(tmp_path / "cache"))

    def write(content: bytes) -> Path:
        source.write_bytes(content)
        monkeypatch.setattr(models, "_in_environment", lambda model: source)
        return source

    return write


def test_a_pull_keeps_the_weights_whose_hash_is_right(
    weights: Callable[[bytes], Path], tmp_path: Path
) -> None:
    weights(CONTENT)
    assert models.pull("tiny") == tmp_path / "cache" / "tiny.gguf"
    assert models.find("tiny").read_bytes() == CONTENT


def test_a_second_pull_fetches_nothing(weights: Callable[[bytes], Path]) -> None:
    source = weights(CONTENT)
    models.pull("tiny")
    source.unlink()
    assert models.pull("tiny").read_bytes() == CONTENT


def test_weights_with_another_hash_are_refused_and_nothing_is_kept(
    weights: Callable[[bytes], Path], tmp_path: Path
) -> None:
    weights(b"something else")
    with pytest.raises(SetupError, match=r"SHA-256 .* expected .* Nothing was kept"):
        models.pull("tiny")
    assert list((tmp_path / "cache").iterdir()) == []


def test_kept_weights_that_were_changed_are_replaced(
    weights: Callable[[bytes], Path], tmp_path: Path
) -> None:
    weights(CONTENT)
    models.pull("tiny").write_bytes(b"changed")
    assert models.pull("tiny").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["tiny.gguf"]


def test_an_unknown_model_is_told_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="did you mean 'smollm2'"):
        models.find("smolm2")


def test_a_model_that_is_not_there_is_told_with_the_command_that_fetches_it(
    weights: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_in_environment", lambda model: None)
    with pytest.raises(SetupError, match="'redloom models pull tiny'"):
        models.find("tiny")
