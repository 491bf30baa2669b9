"""Getting the replies of an exploration: in a thread of its own, told while they come, stored whatever happens.

A reply on its way is a row with the state ``asked``; what has come of it is kept every second, and with it that somebody
still waits. When it ends, the row moves to its final state and the turn is stored, in one transaction. A process that
ends before leaves the row, and whoever looks next gives it the state ``interrupted`` with what was kept.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from redloom.domain.exploration import Exchange, ExchangeState, Tree
from redloom.domain.interaction import Message, Turn
from redloom.domain.rendering import Rendering
from redloom.domain.run import Budget
from redloom.domain.target import Target
from redloom.engine.conversation import End, Open, Say, messages, next_step
from redloom.errors import BlockedError, RedloomError, StoreError, first_of
from redloom.ids import IdSource
from redloom.services.background import CLOSING_SECONDS, Background
from redloom.services.exploring import find_exploration, render_lane, turn_of
from redloom.services.findings import Found, add_try
from redloom.services.loading import load_study, load_targets
from redloom.services.trying import judge_tries
from redloom.services.workspace import Workspace
from redloom.storage.repositories.explorations import StoredExploration
from redloom.targets.base import Client, Reply, Request, reply_in_parts
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience, Tries
from redloom.targets.registry import connect

KEEP_SECONDS = 1.0
MOST_CLIENTS = 4
"""Connected systems that are kept for the next message."""
TRIES_AT_ONCE = 2


@dataclass(slots=True)
class Live:
    """A reply on its way."""

    parts: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """What has come of it."""
        return "".join(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """One message about to be sent."""

    workspace: Workspace
    study: str
    stored: StoredExploration
    exchange: Exchange
    sent: str | None
    target: Target
    request: Request
    rendering: Rendering
    """The user's side of the whole branch."""


class Talks:
    """The replies that this process waits for."""

    def __init__(self) -> None:
        self._background = Background("redloom-talks")
        self._live: dict[bytes, Live] = {}
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._clients: dict[str, Client] = {}
        self._connecting: dict[str, asyncio.Lock] = {}
        self._lock = threading.Lock()
        self._trying: dict[str, set[str]] = {}
        self._looking: dict[tuple[str, str], str] = {}
        self._trials: dict[asyncio.Task[None], str] = {}

    @property
    def live(self) -> frozenset[bytes]:
        """The exchanges that wait for a reply."""
        return frozenset(self._live)

    def look(self, exchange: bytes) -> Live | None:
        """What has come of a reply; None once it is stored."""
        return self._live.get(exchange)

    def ask(self, workspace: Workspace, study: str, exploration: str, exchanges: Sequence[bytes]) -> None:
        """Send stored messages to their systems; gives back at once."""
        loop = self._background.running()
        for one in exchanges:
            self._live[one] = Live()
            loop.call_soon_threadsafe(self._start, one, self._hold(workspace, study, exploration, one))

    def stop(self, exchanges: Sequence[bytes]) -> None:
        """Take these replies as they are; gives back when they are stored."""
        if self._background.loop is not None:
            self._background.loop.call_soon_threadsafe(self._cancel, exchanges)
            self.wait(exchanges, seconds=CLOSING_SECONDS)

    def busy(self, finding: str) -> int:
        """How many tries of a finding this process is still to hold."""
        return len(self._trying.get(finding, ()))

    def hold_tries(self, workspace: Workspace, study: str, found: Found) -> None:
        """Hold the user's side of a finding's branch again for each try that is owed; gives back at once."""
        with self._lock:
            trying = self._trying.setdefault(found.id, set())
            todo = [one for one in found.owed if one not in trying]
            trying.update(todo)
        if todo:
            self._background.running().call_soon_threadsafe(self._begin_tries, workspace, study, found, todo)

    def judge_tries(self, workspace: Workspace, study: str, found: Found, name: str) -> None:
        """Have a judge look at the tries of a finding; gives back at once, and what fails is told by ``looking``."""
        with self._lock:
            if self._looking.get((found.id, name)) == "":
                return
            self._looking[found.id, name] = ""
        work = self._judge_tries(workspace, study, found, name)
        self._background.running().call_soon_threadsafe(self._begin_judging, found.id, work)

    def looking(self, finding: str) -> Mapping[str, str]:
        """Judge -> why it stopped, empty while it still looks at the tries of a finding."""
        return {name: told for (of, name), told in tuple(self._looking.items()) if of == finding}

    def stop_tries(self, finding: str) -> None:
        """Hold no more tries of a finding; those on their way are given up."""
        if self._background.loop is not None:
            self._background.loop.call_soon_threadsafe(self._cancel_tries, finding)

    def wait(self, exchanges: Sequence[bytes], *, seconds: float) -> bool:
        """Whether these replies were stored within the time."""
        end = time.monotonic() + seconds
        while any(one in self._live for one in exchanges):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def close(self) -> None:
        """Stop everything and give the connections back."""
        self.stop(tuple(self._live))
        self._background.close(self._disconnect())

    def _start(self, exchange: bytes, holding: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[exchange] = asyncio.get_running_loop().create_task(holding)
        task.add_done_callback(lambda _: self._forget(exchange))

    def _begin_tries(self, workspace: Workspace, study: str, found: Found, todo: Sequence[str]) -> None:
        task = asyncio.get_running_loop().create_task(self._try(workspace, study, found, todo))
        self._trials[task] = found.id
        task.add_done_callback(lambda done: self._end_tries(done, todo))

    def _begin_judging(self, finding: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._trials[task] = finding
        task.add_done_callback(self._trials.pop)

    async def _judge_tries(self, workspace: Workspace, study: str, found: Found, name: str) -> None:
        told: str | None = "it stopped, and did not say why"
        try:
            await judge_tries(workspace, study, found.number, name)
            told = None
        except RedloomError as failed:
            told = str(failed) or told
        except asyncio.CancelledError:
            told = None
            raise
        finally:
            if told is None:
                self._looking.pop((found.id, name), None)
            else:
                self._looking[found.id, name] = told

    def _end_tries(self, done: asyncio.Task[None], todo: Sequence[str]) -> None:
        self._trying[self._trials.pop(done)].difference_update(todo)

    def _cancel_tries(self, finding: str | None = None) -> None:
        for task, of in self._trials.items():
            if finding in (None, of):
                task.cancel()

    async def _try(self, workspace: Workspace, study: str, found: Found, todo: Sequence[str]) -> None:
        """Two tries at a time, each stored when it ends."""
        places = asyncio.Semaphore(TRIES_AT_ONCE)

        async def one(interaction: str) -> None:
            async with places:
                await self._hold_again(workspace, study, found, bytes.fromhex(interaction))
                self._trying[found.id].discard(interaction)

        await asyncio.gather(*map(one, todo), return_exceptions=True)

    async def _hold_again(self, workspace: Workspace, study: str, found: Found, interaction: bytes) -> None:
        """One try to its end; where the database fails it stays owed."""
        claim = found.claim
        exchange = bytes.fromhex(claim.exchange)
        turns, error = list[Turn](), None
        try:
            asking = await asyncio.to_thread(_prepare, workspace, study, claim.exploration, exchange)
            client = await self._client(asking)
            await _hold(client, asking, workspace.ids, interaction, turns)
        except StoreError:
            raise
        except RedloomError as failed:
            error = str(failed)

        def store() -> None:
            with workspace.begin() as unit:
                add_try(unit, workspace, bytes.fromhex(found.id), interaction, turns, error)

        await asyncio.to_thread(store)

    def _cancel(self, exchanges: Sequence[bytes]) -> None:
        """Cancel after the first step of each task, so that none ends unseen."""
        for one in exchanges:
            if one in self._tasks:
                asyncio.get_running_loop().call_soon(self._tasks[one].cancel)

    def _forget(self, exchange: bytes) -> None:
        self._live.pop(exchange, None)
        self._tasks.pop(exchange, None)

    async def _hold(self, workspace: Workspace, study: str, exploration: str, exchange: bytes) -> None:
        """One reply from its request to its end, whatever the end is."""
        live = self._live[exchange]
        asking: _Asking | None = None
        try:
            asking = await asyncio.to_thread(_prepare, workspace, study, exploration, exchange)
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(_keep(asking, live))
                reply = await self._reply(asking, live)
                keeping.cancel()
            await _settle(asking, live, "answered", reply, None)
        except asyncio.CancelledError:
            if asking is not None:
                await _settle(asking, live, "stopped", None, None)
            else:
                await _shielded(_store_bare, workspace, exploration, exchange, "stopped", None)
        except BaseExceptionGroup as group:
            await _fail(asking, live, first_of(group))
        except RedloomError as error:
            if asking is None and not isinstance(error, StoreError):
                await _shielded(_store_bare, workspace, exploration, exchange, "error", str(error))
            await _fail(asking, live, error)

    async def _reply(self, asking: _Asking, live: Live) -> Reply:
        client = await self._client(asking)
        if client.capabilities.stateful:
            client_request = await _in_session(client, asking)
        else:
            client_request = asking.request

        async def call(request: Request) -> Reply:
            live.parts.clear()
            return await reply_in_parts(client, request, live.parts.append)

        return await _patience(asking.target).ask(call, client_request, Tries())

    async def _client(self, asking: _Asking) -> Client:
        """A connected client, kept for the next message."""
        key = asking.target.model_dump_json()
        async with self._connecting.setdefault(key, asyncio.Lock()):
            found = self._clients.pop(key, None)
            if found is None:
                workspace = asking.workspace
                found = await connect(
                    asking.target, environment=workspace.environment, home=workspace.settings.home
                )
            self._clients[key] = found
        while len(self._clients) > MOST_CLIENTS and len(self._live) <= 1 and not self._trials:
            oldest = next(iter(self._clients))
            await self._clients.pop(oldest).close()
        return found

    async def _disconnect(self) -> None:
        for task in self._trials:
            task.cancel()
        for client in self._clients.values():
            await client.close()
        self._clients.clear()


def _prepare(workspace: Workspace, study: str, exploration: str, exchange: bytes) -> _Asking:
    """What is sent for one exchange: the path before it, rendered as a case with these messages would be."""
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, exploration)
        exchanges = unit.explorations.exchanges(stored)
        now = load_study(unit, study, cases=False)
        operated: Mapping[str, Target] = load_targets(unit, study)
    found = next(one for one in exchanges if one.id == exchange)
    before = Tree(exchanges).before(found)
    typed = [one.text for one in (*before, found) if one.text is not None]
    rendering = render_lane(now, stored.body, found.lane, typed)
    sent = None if found.text is None else rendering.turns[-1]
    lane = stored.body.lanes[found.lane]
    declared = operated.get(lane.name)
    target = lane.target
    if declared is not None and declared.system_digest() == target.system_digest():
        target = declared  # with its limits and the name of its key as they are now
    turns = [one.turn for one in before if one.turn is not None]
    request = Request(
        messages=messages(turns, Say(sent)),
        system=rendering.system,
        fields=rendering.fields,
        seed=int.from_bytes(exchange[-4:], "big") & 0x7FFFFFFF,
    )
    return _Asking(
        workspace=workspace,
        study=study,
        stored=stored,
        exchange=found,
        sent=sent,
        target=target,
        request=request,
        rendering=rendering,
    )


def _patience(target: Target) -> Patience:
    """The target's own limits, for one conversation."""
    return Patience(
        limits=target.limits,
        prices=None,
        concurrency=1,
        meter=Meter(Budget(), time.monotonic),
        jitter=random.Random(),
    )


async def _hold(
    client: Client, asking: _Asking, ids: IdSource, interaction: bytes, turns: list[Turn]
) -> None:
    """The user's side of a branch held from its beginning; ``turns`` grows as replies come."""
    patience, rendering = _patience(asking.target), asking.rendering
    base = Request(
        messages=(), system=rendering.system, fields=rendering.fields, seed=secrets.randbelow(2**31)
    )
    if client.capabilities.stateful:
        base = replace(base, session=await patience.ask(client.start_session, base, Tries()))
    while True:
        step = next_step(rendering, turns, is_refusal=lambda _: False)
        if isinstance(step, End):
            return
        if isinstance(step, Open):
            reply, text, took = Reply(text=step.reply), None, None
        else:
            request = replace(base, messages=messages(turns, step))
            started = time.monotonic()
            reply, text = await patience.ask(client.reply, request, Tries()), step.text
            took = round((time.monotonic() - started) * 1000)
        parent = turns[-1].id if turns else None
        turns.append(
            Turn(
                id=ids.new(),
                interaction=interaction,
                parent=parent,
                text=text,
                reply=reply.text,
                finish_reason=reply.finish_reason,
                latency_ms=took,
                tokens_in=reply.tokens_in,
                tokens_out=reply.tokens_out,
            )
        )


async def _in_session(client: Client, asking: _Asking) -> Request:
    """A system that keeps the conversation itself is led there anew: the user's messages of the branch, in order."""
    session = await client.start_session(replace(asking.request, messages=()))
    request = replace(asking.request, session=session)
    said: list[Message] = []
    for message in asking.request.messages[:-1]:
        said.append(message)
        if message.role == "user":
            await client.reply(replace(request, messages=tuple(said)))
    return request


async def _keep(asking: _Asking, live: Live) -> None:
    """Store what has come, and that somebody waits, every second."""
    while True:
        await asyncio.sleep(KEEP_SECONDS)
        await asyncio.to_thread(_store_partial, asking, live.text)


def _store_partial(asking: _Asking, text: str) -> None:
    workspace = asking.workspace
    with workspace.begin() as unit:
        unit.explorations.wait(asking.stored.id, asking.exchange.id, text, workspace.now())


async def _fail(asking: _Asking | None, live: Live, error: BaseException) -> None:
    """Give an exchange its end where the system failed; a database that fails leaves it for the next who looks."""
    if asking is None or isinstance(error, StoreError):
        return
    if not isinstance(error, RedloomError):
        raise error
    state: ExchangeState = "blocked" if isinstance(error, BlockedError) else "error"
    await _settle(asking, live, state, None, str(error))


async def _settle(
    asking: _Asking, live: Live, state: ExchangeState, reply: Reply | None, error: str | None
) -> None:
    await _shielded(_store_end, asking, live.text, state, reply, error)


async def _shielded(function: Callable[..., None], *given: Any) -> None:
    """Run it in a thread to its end, whoever cancels meanwhile."""
    await asyncio.shield(asyncio.to_thread(function, *given))


def _store_bare(
    workspace: Workspace, exploration: str, exchange: bytes, state: ExchangeState, error: str | None
) -> None:
    """The end of an exchange of which nothing was sent."""
    with workspace.begin() as unit:
        unit.explorations.settle(bytes.fromhex(exploration), exchange, state, None, error)


def _store_end(
    asking: _Asking, text: str, state: ExchangeState, reply: Reply | None, error: str | None
) -> None:
    turn = None
    if reply is not None or text:
        said = reply.text if reply is not None else text
        reason = reply.finish_reason if reply is not None else state
        turn = turn_of(asking.stored, asking.exchange, asking.sent, said, reason)
        if reply is not None:
            turn = replace(turn, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out)
    with asking.workspace.begin() as unit:
        unit.explorations.settle(asking.stored.id, asking.exchange.id, state, turn, error)
