"""Getting the replies of an exploration: in a thread of its own, told while they come, stored whatever happens.

A reply on its way is a row with the state ``asked``; what has come of it is kept every second, and with it that somebody
still waits. When it ends, the row moves to its final state and the turn is stored, in one transaction. A process that
ends before leaves the row, and whoever looks next gives it the state ``interrupted`` with what was kept.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from redloom.domain.exploration import Exchange, ExchangeState, Tree
from redloom.domain.finding import MOST_TRIES
from redloom.domain.interaction import Message, Turn
from redloom.domain.rendering import Rendering
from redloom.domain.run import Budget
from redloom.domain.target import Target
from redloom.engine.conversation import End, Open, Say, messages, next_step
from redloom.errors import BlockedError, InputError, Issue, RedloomError, StoreError, first_of
from redloom.ids import IdSource
from redloom.services.background import CLOSING_SECONDS, Background
from redloom.services.exploring import find_exploration, render_lane, turn_of
from redloom.services.findings import Found, add_try
from redloom.services.loading import load_study, load_targets
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
        self._trying: dict[str, int] = {}
        self._trials: set[asyncio.Task[None]] = set()

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
        """How many tries of a finding are still to be held."""
        return self._trying.get(finding, 0)

    def reproduce(self, workspace: Workspace, study: str, found: Found, times: int) -> None:
        """Hold the user's side of a finding's branch again, so many times; gives back at once."""
        if not 1 <= times <= MOST_TRIES:
            raise InputError(
                Issue(f"{times} tries are too few or too many; expected 1 to {MOST_TRIES}", path="times")
            )
        self._trying[found.id] = self.busy(found.id) + times
        running = self._background.running()
        running.call_soon_threadsafe(self._begin_tries, workspace, study, found, times)

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

    def _begin_tries(self, workspace: Workspace, study: str, found: Found, times: int) -> None:
        task = asyncio.get_running_loop().create_task(self._try(workspace, study, found, times))
        self._trials.add(task)
        task.add_done_callback(self._trials.discard)

    async def _try(self, workspace: Workspace, study: str, found: Found, times: int) -> None:
        """Two tries at a time, each stored when it ends."""
        places = asyncio.Semaphore(TRIES_AT_ONCE)

        async def one() -> None:
            async with places:
                try:
                    await self._hold_again(workspace, study, found)
                finally:
                    self._trying[found.id] -= 1

        await asyncio.gather(*(one() for _ in range(times)), return_exceptions=True)

    async def _hold_again(self, workspace: Workspace, study: str, found: Found) -> None:
        claim = found.claim
        exchange = bytes.fromhex(claim.exchange)
        asking = await asyncio.to_thread(_prepare, workspace, study, claim.exploration, exchange)
        interaction, turns, error = workspace.ids.new(), list[Turn](), None
        try:
            client = await self._client(asking)
            await _hold(client, asking, workspace.ids, interaction, turns)
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
        while len(self._clients) > MOST_CLIENTS and len(self._live) <= 1:
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
            reply, text = Reply(text=step.reply), None
        else:
            request = replace(base, messages=messages(turns, step))
            reply, text = await patience.ask(client.reply, request, Tries()), step.text
        parent = turns[-1].id if turns else None
        turns.append(
            Turn(
                id=ids.new(),
                interaction=interaction,
                parent=parent,
                text=text,
                reply=reply.text,
                finish_reason=reply.finish_reason,
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
