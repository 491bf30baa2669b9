"""What an answer tells piece by piece: server-sent events, or JSON values by line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

EVENTS = "text/event-stream"
BY_LINE = frozenset(
    f"application/{name}" for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonlines", "json-lines")
)
"""Content types of JSON values that stand one on each line."""
DONE = "[DONE]"
"""What some servers send as the data of their last event."""


async def lines(parts: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The lines of a text that comes in any pieces, without their ends; of any length."""
    held: list[bytes] = []
    async for part in parts:
        *whole, rest = part.split(b"\n")
        for line in whole:
            yield b"".join((*held, line)).removesuffix(b"\r")
            held.clear()
        held.append(rest)
    if any(held):
        yield b"".join(held)


async def data(parts: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The data of each event; one that has several lines of it is told as one, and the last may lack its end."""
    found: list[bytes] = []
    async for line in lines(parts):
        name, _, value = line.partition(b":")
        if name == b"data":
            found.append(value.removeprefix(b" "))
        elif not line and found:
            yield b"\n".join(found)
            found.clear()
    if found:
        yield b"\n".join(found)
