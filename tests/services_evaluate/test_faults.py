"""What goes wrong around a run: endpoints that misbehave, keys, disks, clocks, hostile answers."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import random
import re
import sys
import time
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from evaluate_support import (
    Answer,
    Loopback,
    Received,
    chatting,
    command,
    completion,
    opened,
    resume,
    rows,
    serving,
    several,
    single,
    start,
    study_text,
)
from redloom.domain.run import Budget
from redloom.errors import (
    InputError,
    MalformedError,
    SetupError,
    StoreError,
    TargetError,
    UnavailableError,
)
from redloom.report import words
from redloom.report.words import LONGEST_SHOWN, plural
from redloom.services.reporting import write_report
from redloom.services.runs import list_runs
from redloom.services.workspace import Workspace
from redloom.targets import patience
from redloom.targets.transport import MAX_ANSWER, Transport, retry_after

pytestmark = pytest.mark.filterwarnings("error")


def declared(server: Loopback, **more: Any) -> dict[str, Any]:
    return {"targets": {"mock": {"system": "openai:mock", "base_url": server.url + "/v1", **more}}}


def number(received: Received) -> int:
    """The number of the case that a prompt is of."""
    return int(received.said.partition("#")[2].partition(":")[0])


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
    assert f"the first {LONGEST_SHOWN:,} of 5,000,000 characters; a report as .json has all of it" in page
    assert len(page) < LONGEST_SHOWN + 100_000
    assert rows(tmp_path, "select count(*) from judgement where state = 'ok'") == [
        (2 * (len(NAMES) - len(failed)),)
    ]


def test_a_page_of_many_long_replies_stays_one_that_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "MOST_SHOWN", 3 * LONGEST_SHOWN)
    with (
        serving(chatting(lambda _: "x" * 2 * LONGEST_SHOWN)) as server,
        opened(tmp_path, study_text(single(20), **declared(server))) as workspace,
    ):
        start(workspace, "mock")
        report = read_report(workspace, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    cut = Counter(re.findall(r"the first ([\d,]+) of 40,000 characters", page))
    assert cut.total() == 20 and set(cut) == {"20,000", "500"} and cut["20,000"] <= 3
    replies = [case["transcripts"][0]["turns"][0]["reply"] for case in report["cases"]]
    assert {len(reply) for reply in replies} == {2 * LONGEST_SHOWN}


def sent(url: str, secrets: Mapping[str, str] | None = None) -> Any:
    """What one request to an address gives."""

    async def whole() -> Any:
        transport = Transport(timeout=5, secrets=secrets or {})
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


def test_a_key_that_stands_in_a_broken_header_is_not_quoted() -> None:
    with raw(OK + b"sk-very-secret\r\n\r\n") as url, pytest.raises(UnavailableError) as caught:
        sent(url, {"WARD_KEY": "sk-very-secret"})
    assert "***" in str(caught.value) and "sk-very-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


# Retry-After.

ABSURD: list[Mapping[str, str]] = [
    *(
        {"Retry-After": value}
        for value in (
            "-1",
            "-1e30",
            "1e30",
            "1e999",
            "nan",
            "inf",
            "",
            "soon",
            "5; 7",
            "0x10",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Fri, 31 Dec 2999 23:59:59 GMT",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            "Mon, 00 Foo 0000 99:99:99 +9999",
            "9" * 5000,
        )
    ),
    CIMultiDict([("Retry-After", "1e30"), ("Retry-After", "2"), ("Retry-After", "soon")]),
    {"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT", "Date": "yesterday"},
    {"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT", "Date": "Mon, 01 Jan 0001 00:00:00 +2359"},
]


def test_no_retry_after_however_absurd_holds_a_run_up_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LONGEST_TOLD_PAUSE", 0.02)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.02)
    asked: Counter[int] = Counter()

    def answer(received: Received) -> Answer | str:
        asked[case := number(received)] += 1
        status = (429, 503)[case % 2]
        return "Hi" if asked[case] > 1 else Answer(status=status, headers=ABSURD[case])

    with (
        serving(chatting(answer)) as server,
        opened(tmp_path, study_text(single(len(ABSURD)), **declared(server))) as workspace,
    ):
        began = time.monotonic()
        done = start(workspace, "mock")
        assert time.monotonic() - began < 10
    assert done.states == {"completed": len(ABSURD)}
    assert rows(tmp_path, "select distinct tries, requests, error from attempt") == [(2, 2, None)]


@given(st.text() | st.floats().map(str) | st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S} GMT"))
def test_whatever_stands_in_a_retry_after_is_a_pause_or_nothing(value: str) -> None:
    pause = retry_after(value, now=0.0)
    assert pause is None or 0.0 <= pause < float("inf")


# Clocks.


def jumping() -> Iterator[float]:
    """A clock that somebody sets forward and back by years."""
    for turn in count():
        yield 1.8e9 + (-1) ** turn * 3e8 + turn


def test_a_clock_that_jumps_changes_no_order_no_duration_and_no_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = jumping()
    monkeypatch.setattr(time, "time", lambda: next(now))
    told = {"Date": "Tue, 24 Nov 2026 00:00:00 GMT", "Retry-After": "Tue, 24 Nov 2026 00:00:01 GMT"}
    moments: list[float] = []
    late = False

    def answer(received: Received) -> Answer | str:
        if late:
            moments.append(time.monotonic())
        return Answer(status=429, headers=told) if len(moments) == 1 else f"reply to {received.said}"

    with serving(chatting(answer)) as server:
        with opened(tmp_path, study_text(several(4), **declared(server))) as workspace:
            done = start(workspace, "mock", concurrency=2, budget=Budget(seconds=60, requests=8))
            assert (done.state, done.requests) == ("stopped", 8)
            assert "8 requests" in str(done.message)
        late = True
        monkeypatch.setattr(time, "time", lambda: 1e9)  # a restart with a flat battery
        with opened(tmp_path) as workspace:
            assert resume(workspace, concurrency=1).states == {"completed": 4}
        assert 1 <= moments[-1] - moments[0] < 10
        assert len(server.chats) == 13
    said = rows(
        tmp_path,
        "select group_concat(text, ' ') from (select * from turn order by interaction, id) group by interaction",
    )
    assert {tuple(re.findall(r"\.(\d):", text)) for (text,) in said} == {("0", "1", "2")}
    assert rows(tmp_path, "select 1 from turn where latency_ms not between 0 and 10000") == []
    assert rows(
        tmp_path,
        "select count(*) from turn t join turn p on p.id = t.parent where p.interaction = t.interaction",
    ) == [(8,)]


@pytest.mark.parametrize("year", [1971, 2999])
def test_runs_of_another_century_are_listed_in_the_order_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    (tmp_path / "script.json").write_text("{}")
    with opened(tmp_path, study_text(single(2))) as workspace:
        first = start(workspace, "scripted:script.json").run
        moment = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
        monkeypatch.setattr(Workspace, "now", lambda self: moment)
        second = start(workspace, "scripted:script.json", judges=("rule:refusal",)).run
        assert [one.run for one in list_runs(workspace)] == [second, first]
        assert resume(workspace).run == second
        assert read_report(workspace, tmp_path)["report"]["run"] == second


# Keys and budgets.


def everything(folder: Path) -> bytes:
    """All that stands in the files of a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_key_that_is_revoked_in_the_middle_stops_the_run_and_is_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-very-secret-123"
    monkeypatch.setenv("WARD_KEY", key)
    served = count()
    well = False

    def refused(received: Received) -> Answer:
        said = f"no longer valid: {received.headers['Authorization']}"
        return Answer(status=401, body={"error": {"message": said}}, headers={"X-Key": key})

    def answer(received: Received) -> Answer:
        if received.path.endswith("/models"):
            return refused(received) if next(served) > 20 and not well else Answer(body={"data": []})
        return Answer(body=completion("Hi")) if well or next(served) <= 20 else refused(received)

    with (
        serving(answer) as server,
        opened(
            tmp_path,
            study_text(single(40), **declared(server, key_env="WARD_KEY")),
            environment=os.environ,
        ) as workspace,
    ):
        child = command(tmp_path, "run", "clinic", "--target", "mock", "--concurrency", "4")
        out, err = child.communicate(timeout=30)
        assert child.returncode == 3, err
        told = err.strip().splitlines()[-1]
        assert re.fullmatch(
            r"redloom: \S+ answered 401: no longer valid: Bearer \*\*\*; 20 of 40 attempts are done. "
            r"Go on with: redloom resume \w+",
            told,
        ), told
        asked = len(server.chats)
        assert 21 <= asked <= 24
        assert rows(tmp_path, "select sum(requests) from attempt") == [(asked,)]
        assert rows(tmp_path, "select state, count(*) from attempt group by 1 order by 1") == [
            ("claimed", asked - 20),
            ("completed", 20),
        ]
        with pytest.raises(SetupError, match="refuses the key in WARD_KEY") as caught:
            resume(workspace)
        report = read_report(workspace, tmp_path)
        assert key not in out + err + str(caught.value)
        assert b"no longer valid" in everything(tmp_path) and key.encode() not in everything(tmp_path)
        assert any("20 of 40 attempts are done" in notice["text"] for notice in report["report"]["notices"])
        well = True
        assert resume(workspace).states == {"completed": 40}
    assert len(server.chats) == asked + 20
    assert rows(tmp_path, "select sum(requests) from attempt") == [(asked + 20,)]


def test_a_budget_counts_every_request_however_it_ended_and_over_every_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the endpoint's answers fail, so that the budget ends among tries."""
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.05)
    asked: Counter[int] = Counter()

    def answer(received: Received) -> Answer | str:
        asked[case := number(received)] += 1
        return Answer(status=500) if case % 2 and asked[case] < 3 else "Hi"

    with (
        serving(chatting(answer)) as server,
        opened(tmp_path, study_text(single(30), **declared(server))) as workspace,
    ):
        for most in (7, 19, 33):
            done = start(workspace, "mock", budget=Budget(requests=7)) if most == 7 else None
            done = done or resume(workspace, budget=Budget(requests=most))
            assert (done.state, done.requests, len(server.chats)) == ("stopped", most, most)
            assert f"the budget of {most} requests is spent" in str(done.message)
        report = read_report(workspace, tmp_path)
        ((arm,),) = [report["report"]["arms"]]
        assert sum(arm["states"].values()) == arm["planned"] == 30
        done = resume(workspace)
    assert (done.states, done.requests) == ({"completed": 30}, len(server.chats))
    assert len(server.chats) == 15 + 15 * 3


# Disks.


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_database_file_that_is_taken_away_in_the_middle_is_rescued_beside_its_place(
    tmp_path: Path, replaced: bool
) -> None:
    place = tmp_path / "redloom.db"

    def answer(received: Received) -> str:
        if number(received) == 5:
            place.rename(tmp_path / "taken.db") if replaced else place.unlink()
            if replaced:
                place.write_bytes(b"")
        return "Hi"

    with serving(chatting(answer)) as server:
        with (
            opened(tmp_path, study_text(single(12), **declared(server))) as workspace,
            pytest.raises(StoreError, match="deleted, moved or replaced") as caught,
        ):
            start(workspace, "mock", concurrency=1)
        assert "Everything that was committed is in 'redloom.db.rescued' beside it" in str(caught.value)
        asked = len(server.chats)
        assert 5 < asked < 9
        for rest in tmp_path.glob("redloom.db*"):
            if rest.name != "redloom.db.rescued":
                rest.unlink()
        (tmp_path / "redloom.db.rescued").rename(place)
        server.answer = chatting(lambda _: "Hi")
        with opened(tmp_path) as workspace:
            assert resume(workspace).states == {"completed": 12}
        assert len(server.chats) == 12


def test_a_report_that_finds_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text("{}")
    with opened(tmp_path, study_text(single(2))) as workspace:
        start(workspace, "scripted:script.json")
        for name in ("report.html", "report.md", "report.json"):
            path = tmp_path / name
            path.write_text("before")
            (tmp_path / f"{name}.part").symlink_to("/dev/full")
            with pytest.raises(InputError, match="cannot be written: No space left on device"):
                write_report(workspace, "last", path)
            assert (path.read_text(), (tmp_path / f"{name}.part").exists()) == ("before", False)


# An endpoint that fails now and then.

Key = tuple[str, str]
"""A case and an arm: one prompt."""


class Weather:
    """10 % 429, 5 % 500, 2 % cut-off JSON, 2 % no answer: each request a draw by its prompt and its number."""

    def __init__(self, *, pause: str, timeout: float) -> None:
        self.asked: Counter[Key] = Counter()
        self.drawn: Counter[str] = Counter()
        self.good: set[Key] = set()
        """Prompts of which a whole answer was sent."""
        self.over = False
        """The weather has become better, but not for every seventh case."""
        self._pause, self._timeout = pause, timeout

    def __call__(self, received: Received) -> Answer | str:
        case = number(received)
        arm = "full" if any("WARD" in m["content"] for m in received.body["messages"]) else "no_context"
        key = (f"case-{case:03}", arm)
        self.asked[key] += 1
        what = self._draw(key)
        self.drawn[what] += 1
        whole = completion(f"Ask a nurse, {case}.")
        match what:
            case "429":
                return Answer(status=429, body={"error": {}}, headers={"Retry-After": self._pause})
            case "500":
                return Answer(status=500, body={"error": {"message": "oops"}})
            case "half":
                return Answer(body=json.dumps(whole).encode()[:40])
            case "dropped":
                return Answer(body=whole, cut_off=True)
            case "hang":
                return Answer(body=whole, delay=2 * self._timeout)
            case _:
                self.good.add(key)
                return Answer(body=whole)

    def _draw(self, key: Key) -> str:
        case, arm = key
        if self.over:
            return "500" if int(case.removeprefix("case-")) % 7 == 0 else "good"
        draw = random.Random(f"4 {case} {arm} {self.asked[key]}").random()
        shares = (("429", 0.10), ("500", 0.15), ("half", 0.16), ("dropped", 0.17), ("hang", 0.19))
        return next((name for name, below in shares if draw < below), "good")


ATTEMPTS = """
select d.slug, a.arm, a.state, a.tries, a.requests, a.error from attempt a
join release_case c on c.stimulus = a.stimulus
join definition_version v on v.id = c.version_id join definition d on d.id = v.definition_id
"""
TRIES = 2


def check_counts(folder: Path, server: Loopback, weather: Weather, prompts: int) -> Counter[tuple[str, str]]:
    """What the database says is what the server saw; gives arm and state -> attempts."""
    found = {(slug, arm): rest for slug, arm, *rest in rows(folder, ATTEMPTS)}
    assert len(found) == prompts
    assert {key: requests for key, (_, _, requests, _) in found.items()} == dict(weather.asked)
    assert sum(weather.asked.values()) == len(server.chats)
    for key, (state, tries, requests, error) in found.items():
        assert state == ("completed" if key in weather.good else "error"), key
        assert 1 <= tries <= TRIES and tries <= requests
        assert (error is None) == (state == "completed")
    return Counter((arm, state) for (_, arm), (state, *_) in found.items())


def check_report(workspace: Workspace, folder: Path, counts: Counter[tuple[str, str]]) -> None:
    """Every format says how many there are of each state in each arm, and what the denominators leave out."""
    whole = read_report(workspace, folder)
    report = whole["report"]
    shown = Counter((t["arm"], t["state"]) for case in whole["cases"] for t in case["transcripts"])
    assert shown == counts
    failed = sum(n for (_, state), n in counts.items() if state == "error")
    notice = f"{failed:,} of {plural(counts.total(), 'attempt')} yielded no conversation"
    assert any(one["text"].startswith(notice) for one in report["notices"])
    (panel,) = report["panels"]
    for arm, judged in zip(report["arms"], panel["by_arm"], strict=True):
        name = arm["arm"]
        assert arm["states"] == {state: n for (of, state), n in counts.items() if of == name}
        assert arm["planned"] == sum(arm["states"].values())
        assert judged["arm"] == name and judged["decided"] == judged["of"] == counts[name, "completed"]
        assert arm["tries"] == TRIES
    rate = panel["overall"]
    assert rate["n"] == counts["full", "completed"]
    missed = counts["full", "error"]
    assert rate["missing"] == {"attempts": {"error": missed} if missed else {}, "judgements": {}}
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text(encoding="utf-8")
        assert notice in text, name
        for arm in report["arms"]:
            line = ", ".join(f"{n} {state}" for state, n in arm["states"].items())
            assert line in text, (name, line)


def weathered(folder: Path, cases: int, *, timeout: float, pause: str, concurrency: int) -> Weather:
    """A run through bad weather, and its resume in a better one."""
    weather = Weather(pause=pause, timeout=timeout)
    limits = {"tries": TRIES, "timeout": timeout}
    with (
        serving(chatting(weather)) as server,
        opened(folder, study_text(single(cases), **declared(server, limits=limits))) as workspace,
    ):
        arms = ("full", "no_context")
        done = start(workspace, "mock", arms=arms, concurrency=concurrency, judges=("rule:refusal",))
        counts = check_counts(folder, server, weather, 2 * cases)
        assert (done.state, done.total, done.requests) == ("completed", 2 * cases, len(server.chats))
        check_report(workspace, folder, counts)
        failed = {key for key in weather.asked if key not in weather.good}
        broken = {key for key in failed if int(key[0].removeprefix("case-")) % 7 == 0}
        assert failed > broken
        assert all(weather.drawn[kind] for kind in ("429", "500", "half", "dropped", "hang"))

        weather.over = True
        before = Counter(weather.asked)
        child = command(folder, "resume", done.run, "--retry", "error", "--judge", "rule:refusal")
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        assert f"run {done.run}: completed; {2 * cases - len(broken)} completed" in out
        assert set(weather.asked - before) == failed
        after = check_counts(folder, server, weather, 2 * cases)
        assert sum(n for (_, state), n in after.items() if state == "error") == len(broken)
        check_report(workspace, folder, after)
    return weather


def test_a_run_through_an_endpoint_that_fails_now_and_then_accounts_for_every_prompt(tmp_path: Path) -> None:
    weathered(tmp_path, 100, timeout=1.0, pause="0", concurrency=64)


@pytest.mark.slow
def test_five_thousand_prompts_through_an_endpoint_that_fails_are_all_accounted_for(tmp_path: Path) -> None:
    began = time.monotonic()
    weather = weathered(tmp_path, 2500, timeout=1.0, pause="1", concurrency=64)
    total = sum(weather.asked.values())
    print(f"{time.monotonic() - began:.0f} s, {total} requests, {dict(weather.drawn)}", file=sys.stderr)
    assert time.monotonic() - began < 240
