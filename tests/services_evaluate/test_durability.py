"""Killed, interrupted, out of disk: what was stored stays, and a resume asks for nothing else."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import (
    Answer,
    Loopback,
    Received,
    change,
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
    until,
)
from redloom.domain.interaction import Turn
from redloom.domain.run import Outcome, Record, Used, WorkItem
from redloom.errors import StoreError
from redloom.storage.database import Database
from redloom.storage.ledger import SqlLedger

CONCURRENCY = 4


def declared(server: Loopback, **more: Any) -> dict[str, Any]:
    return {"targets": {"mock": {"system": "openai:mock", "base_url": server.url + "/v1", **more}}}


def keys(received: Sequence[Received]) -> list[str]:
    """The key of the newest prompt of every chat request."""
    found = (re.search(r"#(\S+):", one.said) for one in received)
    return [match[1] for match in found if match is not None]


def stored(folder: Path) -> set[str]:
    """The keys of the prompts whose reply is stored."""
    return {
        match[1]
        for (text,) in rows(folder, "select text from turn")
        if (match := re.search(r"#(\S+):", text))
    }


def begin(folder: Path, *more: str, before: str = "") -> Any:
    return command(
        folder, "run", "clinic", "--target", "mock", "--concurrency", str(CONCURRENCY), *more, before=before
    )


def slow(received: Received) -> Answer:
    return Answer(body=completion(f"reply to {received.said}"), delay=0.01)


@pytest.mark.parametrize("after", [1, 23, 50])
def test_a_killed_run_goes_on_from_the_last_stored_turns(tmp_path: Path, after: int) -> None:
    with (
        serving(chatting(slow)) as server,
        opened(tmp_path, study_text(several(20), **declared(server))) as workspace,
    ):
        child = begin(tmp_path)
        until(lambda: len(server.chats) >= after)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=10)
        kept, sent_before = stored(tmp_path), len(server.chats)
        assert sent_before < 60
        done = resume(workspace, concurrency=CONCURRENCY)
        again = keys(server.chats[sent_before:])
    assert done.states == {"completed": 20}
    assert not kept & set(again)
    counts = Counter(keys(server.chats))
    assert len(counts) == 60
    assert max(counts.values()) <= 2
    assert sum(count - 1 for count in counts.values()) <= CONCURRENCY
    assert rows(tmp_path, "select count(*) from interaction") == [(20,)]
    assert rows(
        tmp_path, "select distinct count(*), count(distinct text) from turn group by interaction"
    ) == [(3, 3)]


def test_a_conversation_that_goes_on_carries_the_replies_it_had(tmp_path: Path) -> None:
    with (
        serving(chatting(slow)) as server,
        opened(tmp_path, study_text(several(4), **declared(server))) as workspace,
    ):
        child = begin(tmp_path)
        until(lambda: len(server.chats) >= 9)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=10)
        resume(workspace)
        for one in server.chats:
            messages = one.body["messages"]
            users = [m["content"] for m in messages if m["role"] == "user"]
            replies = [m["content"] for m in messages if m["role"] == "assistant"]
            assert replies == [f"reply to {text}" for text in users[:-1]]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 3)])
def test_a_signal_stops_a_run_cleanly_and_the_message_names_the_command_that_goes_on(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with (
        serving(chatting(slow)) as server,
        opened(tmp_path, study_text(several(20), **declared(server))) as workspace,
    ):
        child = begin(tmp_path)
        until(lambda: len(server.chats) >= 20)
        child.send_signal(number)
        out, err = child.communicate(timeout=10)
        sent = len(server.chats)
        assert child.returncode == status, err
        assert sent < 60
        assert len(stored(tmp_path)) == sent
        ((run, state, message),) = rows(tmp_path, "select name, state, message from run")
        assert state == "stopped"
        assert f"Go on with: redloom resume {run}" in message
        assert (
            f"interrupted; {rows(tmp_path, 'select count(*) from attempt where state = ?', 'completed')[0][0]} of 20"
            in err
        )
        assert f"redloom resume {run}" in err
        assert f"run {run}: stopped" in out
        assert ("Stopping: waiting for " in err) and err.count("Ctrl-C again") == 1
        assert "Traceback" not in err
        assert resume(workspace).states == {"completed": 20}
    assert set(Counter(keys(server.chats)).values()) == {1}


def test_a_second_signal_gives_up_what_is_in_flight(tmp_path: Path) -> None:
    hold = threading.Event()

    def answer(received: Received) -> Answer:
        late = "#000" not in received.said
        return Answer(body=completion("Hi"), hold=hold if late else None)

    with (
        serving(chatting(answer)) as server,
        opened(tmp_path, study_text(single(9), **declared(server))) as workspace,
    ):
        child = begin(tmp_path)
        until(lambda: len(server.chats) >= CONCURRENCY + 1)
        child.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert child.poll() is None
        for _ in range(5):  # the first gives up what is in flight, the others are not heard
            child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=10)
        assert (child.returncode, "redloom resume" in err, "Traceback" in err) == (130, True, False), err
        assert stored(tmp_path) == {"000"}
        hold.set()
        assert resume(workspace).states == {"completed": 9}
    assert Counter(keys(server.chats))["000"] == 1


class Sessions:
    """An application that keeps its conversations: each session knows what was said in it."""

    def __init__(self) -> None:
        self.said: dict[str, list[str]] = {}

    def __call__(self, received: Received) -> Answer:
        if received.path == "/new":
            name = f"s{len(self.said)}"
            self.said[name] = []
            return Answer(body={"id": name})
        if received.method == "GET":
            return Answer(body={})
        said = self.said[received.body["session"]]
        said.append(received.body["q"])
        return Answer(body={"answer": f"reply {len(said)}"}, delay=0.01)


def test_an_application_with_sessions_begins_its_conversations_again_and_the_abandoned_stay(
    tmp_path: Path,
) -> None:
    sessions = Sessions()
    with serving(sessions) as server:
        http = {
            "url": server.url + "/say",
            "body": {"session": "{session}", "q": "{message}"},
            "reply": "answer",
            "session": {"url": server.url + "/new", "body": {}, "id": "id"},
        }
        mock = {"system": "http:mock", "http": http, "delivery": {"context": {"how": "said_by_user"}}}
        with opened(tmp_path, study_text(several(6), targets={"mock": mock})) as workspace:
            child = begin(tmp_path)
            until(lambda: rows(tmp_path, "select count(*) from turn")[0][0] >= 6)
            child.send_signal(signal.SIGKILL)
            child.communicate(timeout=10)
            open_ones = rows(tmp_path, "select interaction from attempt where state = 'claimed'")
            before = rows(tmp_path, "select * from turn")
            assert open_ones
            done = resume(workspace)
    assert done.states == {"completed": 6}
    assert set(before) <= set(rows(tmp_path, "select * from turn"))
    assert rows(tmp_path, "select count(*) from interaction") == [(6 + len(open_ones),)]
    ended = rows(
        tmp_path, "select i.ended_by from interaction i where i.id not in (select interaction from attempt)"
    )
    assert ended == [(None,)] * len(open_ones)
    final = rows(
        tmp_path, "select a.interaction, t.reply from attempt a join turn t using (interaction) order by t.id"
    )
    replies: dict[bytes, list[str]] = {}
    for interaction, reply in final:
        replies.setdefault(interaction, []).append(reply)
    assert list(replies.values()) == [["reply 1", "reply 2", "reply 3"]] * 6


BROKEN = "create trigger broken_{table} before {what} on {table} begin select raise(abort, 'the disk is full'); end"


def breaking(folder: Path, after: int, *triggers: tuple[str, str]) -> Any:
    """An endpoint that breaks the database while it answers its ``after``-th request."""
    count = 0

    def answer(received: Received) -> str:
        nonlocal count
        count += 1
        if count == after:
            for table, what in triggers:
                change(folder, BROKEN.format(table=table, what=what))
        return "Hi"

    return chatting(answer)


@pytest.mark.parametrize(
    "triggers", [[("turn", "insert")], [("turn", "insert"), ("run", "update")]], ids=["turns", "everything"]
)
def test_a_database_that_fails_stops_the_run_and_loses_nothing(
    tmp_path: Path, triggers: list[tuple[str, str]]
) -> None:
    with (
        serving(breaking(tmp_path, 12, *triggers)) as server,
        opened(tmp_path, study_text(several(10), **declared(server))) as workspace,
    ):
        with pytest.raises(StoreError) as caught:
            start(workspace, "mock", concurrency=CONCURRENCY)
        ((run,),) = rows(tmp_path, "select name from run")
        assert "the disk is full" in str(caught.value)
        assert str(caught.value).endswith(f"Go on with: redloom resume {run}")
        kept, sent = stored(tmp_path), len(server.chats)
        assert 12 <= sent <= 12 + CONCURRENCY
        assert len(kept) >= 12 - CONCURRENCY
        for table, _ in triggers:
            change(tmp_path, f"drop trigger broken_{table}")
        assert resume(workspace).states == {"completed": 10}
        assert not kept & set(keys(server.chats[sent:]))
    assert rows(tmp_path, "select distinct count(*) from turn group by interaction") == [(3,)]


def test_a_database_that_fails_is_exit_status_3_on_the_command_line(tmp_path: Path) -> None:
    with (
        serving(breaking(tmp_path, 5, ("turn", "insert"), ("run", "update"))) as server,
        opened(tmp_path, study_text(single(20), **declared(server))),
    ):
        child = begin(tmp_path)
        _, err = child.communicate(timeout=20)
    assert child.returncode == 3
    last = err.strip().splitlines()[-1]
    assert re.fullmatch(
        r"redloom: the database .* failed: the disk is full.* Go on with: redloom resume \w+", last
    )
    assert "Traceback" not in err


def test_a_full_disk_stops_the_run_and_a_resume_with_room_asks_only_for_what_is_missing(
    tmp_path: Path,
) -> None:
    """No file of the process may grow beyond a limit, as on a full disk."""
    reply = "x" * 4000
    with serving(chatting(lambda _: reply)) as server:
        with opened(tmp_path, study_text(single(300), **declared(server))):
            pass
        limit = max(path.stat().st_size for path in tmp_path.glob("redloom.db*")) + 400_000
        before = f"import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
        child = begin(tmp_path, before=before)
        _, err = child.communicate(timeout=30)
        assert child.returncode == 3, err
        assert "Go on with: redloom resume" in err and "Traceback" not in err
        kept, sent = stored(tmp_path), len(server.chats)
        assert 10 < len(kept) < 300
        assert sent - len(kept) <= CONCURRENCY
        with opened(tmp_path) as workspace:
            assert resume(workspace).states == {"completed": 300}
        assert not kept & set(keys(server.chats[sent:]))


def record(reply: str, number: int) -> Record:
    interaction = number.to_bytes(16, "big")
    turn = Turn(id=interaction, interaction=interaction, parent=None, text="Hi", reply=reply)
    return Record(
        item=WorkItem(f"sha256:{number:064x}", "full", 0, 1),
        interaction=interaction,
        starts=True,
        known=False,
        used=Used(requests=1, tries=1),
        turns=(turn,),
        outcome=Outcome(state="completed", ended_by="script_end"),
    )


def test_the_ledger_commits_whatever_waits_together_and_returns_only_then(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        start(workspace, script_target(tmp_path))
        commits: list[int] = []

        class Counting(SqlLedger):
            def _commit(self, records: list[Record]) -> None:
                super()._commit(records)
                commits.append(len(records))

        async def write() -> None:
            async with Counting(workspace.database, 1, {}) as ledger:

                async def one(number: int) -> None:
                    await ledger.write(record("Hi", number))
                    found = rows(tmp_path, "select 1 from turn where id = ?", number.to_bytes(16, "big"))
                    assert found == [(1,)]

                await asyncio.gather(*(one(number) for number in range(1, 41)))

        asyncio.run(write())
    assert sum(commits) == 40
    assert len(commits) < 10


def test_what_no_database_can_hold_ends_the_run_instead_of_blocking_it(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        start(workspace, script_target(tmp_path))

        async def write() -> None:
            async with SqlLedger(workspace.database, 1, {}) as ledger:
                await ledger.write(record("half a \ud83d", 1))

        started = time.monotonic()
        with pytest.raises(UnicodeEncodeError):
            asyncio.run(asyncio.wait_for(write(), 5))
        assert time.monotonic() - started < 4
    assert rows(tmp_path, "select count(*) from turn") == [(1,)]


def script_target(folder: Path) -> str:
    (folder / "script.json").write_text("{}")
    return "scripted:script.json"


def test_a_batch_that_fails_stores_none_of_its_records(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        start(workspace, script_target(tmp_path))
        change(tmp_path, BROKEN.format(table="attempt", what="insert"))

        async def write() -> None:
            async with SqlLedger(workspace.database, 1, {}) as ledger:
                for _ in range(2):
                    with pytest.raises(StoreError, match="the disk is full"):
                        await ledger.write(record("Hi", 1))

        asyncio.run(write())
    assert rows(tmp_path, "select count(*) from turn") == [(1,)]


def test_a_run_held_by_a_process_that_was_killed_is_free_again(tmp_path: Path) -> None:
    with (
        serving(chatting(slow)) as server,
        opened(tmp_path, study_text(single(20), **declared(server))) as workspace,
    ):
        child = begin(tmp_path)
        until(lambda: len(server.chats) >= 5)
        assert list(tmp_path.glob("*.lock"))
        with pytest.raises(StoreError, match="is being executed by another process"):
            resume(workspace)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate(timeout=10)
        assert resume(workspace).states == {"completed": 20}
        assert not list(tmp_path.glob("*.lock"))


def test_the_database_is_whole_after_a_kill(tmp_path: Path) -> None:
    with serving(chatting(slow)) as server, opened(tmp_path, study_text(several(20), **declared(server))):
        child = begin(tmp_path)
        until(lambda: len(server.chats) >= 15)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=10)
        assert rows(tmp_path, "pragma integrity_check") == [("ok",)]
        Database(f"sqlite:///{tmp_path / 'redloom.db'}").close()
        assert rows(tmp_path, "select state from run") == [("running",)]
