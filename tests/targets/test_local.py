"""``local:``: the embedded model, loaded in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from pathlib import Path
from unittest import mock

import pytest

from evaluate_support import asking
from redloom.domain.target import Decoding, Limits, Target
from redloom.errors import InputError, SetupError
from redloom.targets import models
from redloom.targets.local import LocalClient

pytestmark = pytest.mark.model


TARGET = Target(
    system="local:smollm2", limits=Limits(concurrency=2), decoding=Decoding(temperature=0.0, max_tokens=16)
)


@pytest.fixture(scope="module")
def client() -> Generator[LocalClient]:
    """The embedded model, loaded once."""
    pytest.importorskip("xllamacpp", reason="needs the extra 'local' (xllamacpp)")
    try:
        models.find("smollm2")
    except SetupError as error:
        pytest.skip(str(error))
    loaded = load()
    yield loaded
    asyncio.run(loaded.close())


def load() -> LocalClient:
    """With one thread: others wait for each other actively, which is slow beside other tests."""
    with mock.patch("os.cpu_count", return_value=1):
        return asyncio.run(LocalClient.load(TARGET, "smollm2", Path()))


def test_the_model_answers_what_it_was_asked_and_counts_its_tokens(client: LocalClient) -> None:
    asked = (asking("Write one word about the sea."), asking("Count from one to ten."))
    sea, numbers = (asyncio.run(client.reply(request)) for request in asked)
    assert sea.text and numbers.text and sea.text != numbers.text
    for reply in (sea, numbers):
        assert reply.tokens_in is not None and reply.tokens_in > 5
        assert reply.tokens_out is not None and 0 < reply.tokens_out <= 16
    assert asyncio.run(client.check()).endswith("is loaded, 2 slots")


def test_a_seed_repeats_a_reply_drawn_at_random(client: LocalClient) -> None:
    request = asking("Say any word.", seed=3, temperature=1.0, max_tokens=6)
    first, second = (asyncio.run(client.reply(request)).text for _ in range(2))
    assert first == second


def test_a_reply_is_no_longer_than_declared(client: LocalClient) -> None:
    reply = asyncio.run(client.reply(asking("Tell a long story.", max_tokens=5)))
    assert (reply.tokens_out, reply.finish_reason) == (5, "length")


def test_answers_keep_to_the_schema_they_are_held_to(client: LocalClient) -> None:
    schema = {
        "type": "object",
        "properties": {"dose": {"type": "string", "enum": ["yes", "no"]}},
        "required": ["dose"],
        "additionalProperties": False,
    }
    asked = [
        asking(f"Does '{text}' name a dose?", schema=schema, max_tokens=60)
        for text in ("Take two.", "Hello.")
    ]

    async def both() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*map(client.reply, asked))]

    for text in asyncio.run(both()):
        assert json.loads(text) in ({"dose": "yes"}, {"dose": "no"})


TASKS = Path("/proc/self/task")


@pytest.mark.skipif(not TASKS.is_dir(), reason="counts threads through /proc")
def test_closing_unloads_the_model_and_ends_its_threads(client: LocalClient) -> None:
    before = len(list(TASKS.iterdir()))
    second = load()
    asyncio.run(second.reply(asking("Hello", max_tokens=2)))
    assert len(list(TASKS.iterdir())) > before
    asyncio.run(second.close())
    assert len(list(TASKS.iterdir())) <= before


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs the extra 'local' (xllamacpp)")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF, but not really")
    target = Target(system="local:broken.gguf")
    with pytest.raises(SetupError, match="cannot be loaded as a model"):
        asyncio.run(LocalClient.load(target, "broken.gguf", tmp_path))
    with pytest.raises(InputError, match="there is no file"):
        asyncio.run(LocalClient.load(target, "none.gguf", tmp_path))
