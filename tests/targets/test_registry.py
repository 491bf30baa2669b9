"""From ``kind:rest`` to a connected client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from evaluate_support import script
from redloom.domain.target import Target
from redloom.errors import InputError
from redloom.targets.registry import connect


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
