"""From ``kind:rest`` to a connected client."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from evaluate_support import script
from redloom.domain.target import Target
from redloom.errors import InputError, SetupError
from redloom.targets.base import CONCURRENCY
from redloom.targets.registry import KINDS, connect


@pytest.mark.parametrize("system", ["openai", "openai:", ":gpt", "gpt-4o"])
def test_a_name_that_is_not_kind_and_rest_is_refused(system: str) -> None:
    with pytest.raises(InputError, match="not of the form kind:rest"):
        asyncio.run(connect(Target(system=system)))


def test_an_unknown_kind_is_told_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="did you mean 'openai'"):
        asyncio.run(connect(Target(system="opanai:gpt-4o")))


def test_files_are_looked_for_in_the_given_folder(tmp_path: Path) -> None:
    client = asyncio.run(connect(Target(system=script(tmp_path, {"reply": "a"})), home=tmp_path))
    assert asyncio.run(client.check()) == "a script with 1 rules"


def test_a_missing_extra_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai.model", None)
    with pytest.raises(
        SetupError, match=r"'inspect:mockllm/model' needs the extra: pip install 'redloom\[inspect\]'"
    ):
        asyncio.run(connect(Target(system="inspect:mockllm/model")))


def test_anthropic_is_a_kind() -> None:
    target = Target(system="anthropic:mock", base_url="http://127.0.0.1:9")
    client = asyncio.run(connect(target, environment={}))
    assert client.capabilities.concurrency == CONCURRENCY["anthropic"]


def test_every_built_in_kind_is_a_kind_and_others_are_not() -> None:
    assert list(KINDS)[: len(CONCURRENCY)] == list(CONCURRENCY)
    assert all(kind in KINDS for kind in CONCURRENCY)
    assert "nowhere" not in KINDS
    assert len(KINDS) >= len(CONCURRENCY)
