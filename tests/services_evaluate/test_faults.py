"""What goes wrong around a run: endpoints that misbehave, keys, disks, clocks, hostile answers."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import (
    Answer,
    Loopback,
    Received,
    chatting,
    completion,
    opened,
    rows,
    serving,
    single,
    start,
    study_text,
)
from redloom.errors import MalformedError, TargetError, UnavailableError
from redloom.services.reporting import write_report
from redloom.services.workspace import Workspace
from redloom.targets.transport import MAX_ANSWER, Transport

pytestmark = pytest.mark.filterwarnings("error")


def declared(server: Loopback, **more: Any) -> dict[str, Any]:
    return {"targets": {"mock": {"system": "openai:mock", "base_url": server.url + "/v1", **more}}}


def number(received: Received) -> int:
    """The number of the case that a prompt is of."""
    return int(received.said.partition("#")[2][:3])


def read_report(workspace: Workspace, folder: Path) -> dict[str, Any]:
    """The JSON report of the newest run; the other forms are written too."""
    for suffix in ("html", "md"):
        write_report(workspace, "last", folder / f"report.{suffix}")
    return json.loads(write_report(workspace, "last", folder / "report.json").read_text(encoding="utf-8"))


# Hostile answers.


def packed(size: int) -> bytes:
    """A gzip stream of so many MiB of zeros; a thousandth of that in bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + block * size


def said(text: bytes) -> bytes:
    """A chat completion whose text stands in its JSON like this."""
    return b'{"choices": [{"message": {"role": "assistant", "content": "' + text + b'"}}]}'


GZIP = {"Content-Encoding": "gzip"}
LONG = "x" * 5_000_000
HOSTILE: dict[str, tuple[Answer, str]] = {
    "five megabytes": (Answer(body=completion(LONG)), ""),
    "above the limit": (Answer(body=said(b"x" * MAX_ANSWER)), "more than 16 MiB"),
    "invalid utf-8": (Answer(body=said(b"\xff\xfe\x80")), "something that is not JSON"),
    "half a character": (Answer(body=said(b"half \\ud800 of it")), "something that is not JSON"),
    "a nul": (Answer(body=said(b"a\\u0000b")), ""),
    "control characters": (Answer(body=completion("\x1b[2J\x9b\u202e<script>alert(1)</script>")), ""),
    "nested": (Answer(body=b"[" * 200_000), "something that is not JSON"),
    "nested objects": (Answer(body=b'{"choices":' * 50_000), "something that is not JSON"),
    "a page": (Answer(body=b"<!doctype html><p>Sorry</p>"), "something that is not JSON"),
    "nothing": (Answer(body=b""), "something that is not JSON"),
    "null": (Answer(body=None), "without choices"),
    "no choices": (Answer(body={"choices": []}), "without choices"),
    "a number": (Answer(body=completion(7)), "content that is not text"),
    "cut off": (Answer(body=completion("Hi"), cut_off=True), "cannot be reached"),
    "a bomb": (Answer(body=packed(1024), headers=GZIP), "more than 16 MiB"),
    "not packed": (Answer(body=completion("Hi"), headers=GZIP), "cannot be reached"),
    "an endless way": (
        Answer(body=b"", status=307, headers={"Location": "completions"}),
        "cannot be reached",
    ),
    "huge numbers": (Answer(body=completion("Hi", usage={"prompt_tokens": 10**400})), ""),
}
NAMES = list(HOSTILE)


def test_whatever_an_endpoint_answers_is_a_state_of_that_attempt(tmp_path: Path) -> None:
    def answer(received: Received) -> Answer:
        return HOSTILE[NAMES[number(received)]][0]

    with (
        serving(chatting(answer)) as server,
        opened(
            tmp_path, study_text(single(len(NAMES)), **declared(server, limits={"tries": 1}))
        ) as workspace,
    ):
        done = start(workspace, "mock", judges=("rule:refusal", "rule:words"))
        report = read_report(workspace, tmp_path)
    told = {name: why for name, (_, why) in HOSTILE.items()}
    failed = [name for name, why in told.items() if why]
    assert (done.state, done.states) == (
        "completed",
        {"completed": len(NAMES) - len(failed), "error": len(failed)},
    )
    shown = {case["slug"]: case["transcripts"][0] for case in report["cases"]}
    for place, name in enumerate(NAMES):
        talk = shown[f"case-{place:03}"]
        if told[name]:
            assert (talk["state"], talk["turns"]) == ("error", []), name
            assert told[name] in talk["error"], name
        else:
            assert (talk["state"], talk["error"], len(talk["turns"])) == ("completed", None, 1), name
    replies = {name: shown[f"case-{NAMES.index(name):03}"]["turns"] for name in NAMES}
    assert replies["five megabytes"][0]["reply"] == LONG
    assert replies["a nul"][0]["reply"] == "a␀b"
    ((arm,),) = [report["report"]["arms"]]
    assert arm["states"] == done.states
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert rows(tmp_path, "select count(*) from judgement where state = 'ok'") == [
        (2 * (len(NAMES) - len(failed)),)
    ]


def sent(url: str) -> Any:
    """What one request to an address gives."""

    async def whole() -> Any:
        transport = Transport(timeout=5, secrets={})
        try:
            return await transport.send("POST", url, headers={}, body={})
        finally:
            await transport.close()

    return asyncio.run(whole())


@pytest.mark.parametrize("body", [packed(1024), packed(1024)[10:-4]], ids=["gzip", "deflate"])
def test_a_bomb_is_refused_without_the_memory_it_would_take(body: bytes) -> None:
    kind = "gzip" if body[:2] == b"\x1f\x8b" else "deflate"
    with serving(lambda _: Answer(body=body, headers={"Content-Encoding": kind})) as server:
        tracemalloc.start()
        try:
            with pytest.raises(MalformedError, match="more than 16 MiB"):
                sent(server.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 * MAX_ANSWER


@contextmanager
def raw(answer: bytes) -> Generator[str]:
    """A server that answers every connection with these bytes and closes it."""
    import socket
    import threading

    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x00\xff",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        OK + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nHi",
        OK + b"Content-Length: 99999999999999999999\r\n\r\n{",
        OK + b"Content-Length: 500\r\n\r\n{",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
        OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::bad\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_what_is_no_answer_of_http_is_a_failure_of_that_request(answer: bytes) -> None:
    with raw(answer) as url, pytest.raises(TargetError) as caught:
        sent(url)
    assert isinstance(caught.value, (UnavailableError, MalformedError))
    assert caught.value.retryable
