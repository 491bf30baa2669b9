"""Having drafts written in the background: begun, looked at, stopped; what was written stays whatever happens.

A batch is told by the history of its study: the entry it begins with says what was asked for, an entry for each answer
what became of it, and a last one why it ended before its end. While somebody writes it they hold it as a run is held, so
that whoever looks next knows one whose process ended.
"""

from __future__ import annotations

import asyncio
import datetime
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from redloom.design.generation import read_turns
from redloom.domain.case import Case
from redloom.domain.interaction import Message
from redloom.domain.run import Budget
from redloom.domain.target import Target
from redloom.errors import (
    InputError,
    RedloomError,
    RejectedError,
    StoreError,
    TargetError,
    UnknownNameError,
    first_of,
)
from redloom.ids import time_of
from redloom.report.words import plural
from redloom.services.background import CLOSING_SECONDS, Background
from redloom.services.exploring import key_of
from redloom.services.generating import Draft, Shown, Wanted, draft_case, target_of
from redloom.services.ordering import check_new, free_case
from redloom.services.remembering import study_of
from redloom.services.targets import connected
from redloom.services.workspace import Workspace
from redloom.storage.case_lines import Line
from redloom.storage.locks import hold_run, is_held
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.base import Client, Request
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience, Tries

AT_ONCE = 4
"""Requests in flight, where the target does not say how many it takes."""
LOOKED_AT = 500
"""Entries of the history among which the newest batches are looked for."""

End = Literal["stopped", "failed"]
State = Literal["running", "done", "interrupted"] | End
ENDS: Mapping[End, str] = {
    "stopped": "stopped having drafts written",
    "failed": "could not have drafts written",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of one request of a batch."""

    key: str
    title: str
    case: Line | None
    """The draft as it is now; None where none was stored, or where it is gone."""
    slug: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Drafts that somebody had a model write at one time."""

    id: str
    who: str
    at: datetime.datetime
    target: str
    system: str
    total: int
    answered: tuple[Answered, ...]
    """In the order the answers came."""
    state: State
    why: str
    """Why it ended before its end."""

    @property
    def left(self) -> int:
        """Requests that were not answered."""
        return self.total - len(self.answered)

    @property
    def stored(self) -> int:
        """Drafts that were stored."""
        return sum(bool(one.slug) for one in self.answered)


class Drafting:
    """The batches that this process has written."""

    def __init__(self) -> None:
        self._background = Background("redloom-drafting")
        self._live: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def is_live(self, batch: str) -> bool:
        """Whether this process has it written now."""
        return batch in self._live

    def start(self, workspace: Workspace, study: str, shown: Shown) -> str:
        """Send what was shown, one request after another; gives back the batch's id at once."""
        id = begin(workspace, study, shown)
        work = self._write(workspace, study, id, shown)
        with self._lock:  # it may end at once
            self._live[id] = asyncio.run_coroutine_threadsafe(work, self._background.running())
        return id

    def stop(self, batch: str) -> bool:
        """Send nothing more of it and give up what is in flight; False where this process does not write it."""
        task, loop = self._live.get(batch), self._background.loop
        if task is None or loop is None:
            return False
        # After its first step, so that none ends unseen.
        loop.call_soon_threadsafe(loop.call_soon, task.cancel)
        return self.wait(batch, seconds=CLOSING_SECONDS)

    def wait(self, batch: str, *, seconds: float) -> bool:
        """Whether it ended within the time."""
        end = time.monotonic() + seconds
        while batch in self._live:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def close(self) -> None:
        """Stop everything."""
        for batch in tuple(self._live):
            self.stop(batch)
        self._background.close(asyncio.sleep(0))

    async def _write(self, workspace: Workspace, study: str, id: str, shown: Shown) -> None:
        try:
            await write(workspace, study, id, shown)
        except (RedloomError, asyncio.CancelledError):
            pass  # the batch says it
        finally:
            with self._lock:
                del self._live[id]


def begin(workspace: Workspace, study: str, shown: Shown) -> str:
    """Keep what is asked for, as the beginning of a batch; gives its id. Nothing is sent yet."""
    id = workspace.ids.new()
    asked = {
        "target": shown.target,
        "system": shown.system,
        "shown": shown.digest,
        "wanted": [[one.key, one.title] for one in shown.wanted],
    }
    what = f"asked {shown.system} for {plural(len(shown.wanted), 'draft')}"
    with workspace.begin() as unit:
        study_id = unit.study_id(study)
        detail = {"drafts": asked}
        unit.studies.record(study_id, id=id, who=workspace.who, what=what, why="", detail=detail)
    return id.hex()


async def write(
    workspace: Workspace,
    study: str,
    batch: str,
    shown: Shown,
    *,
    base_url: str | None = None,
    on_draft: Callable[[Draft], None] | None = None,
) -> list[Draft]:
    """Send what was shown, store every usable answer as a draft when it comes, and tell what became of each.

    Ends early where the target turns requests away for good. Cancelled, it keeps what came. Raises RedloomError where
    the target cannot be asked at all.
    """
    drafts: list[Draft] = []

    def keep(draft: Draft) -> None:
        drafts.append(draft)
        if on_draft is not None:
            on_draft(draft)

    with hold_run(workspace.database, f"drafts-{batch}"):
        try:
            target = target_of(workspace, study, shown.target, base_url)
            async with connected(workspace, target) as client:
                await _Desk(workspace, study, batch, shown, target, client).write(keep)
        except asyncio.CancelledError:
            _end(workspace, study, batch, "stopped", "")
            raise
        except (RedloomError, BaseExceptionGroup) as failed:
            error = first_of(failed) if isinstance(failed, BaseExceptionGroup) else failed
            if isinstance(error, RedloomError) and not isinstance(error, StoreError):
                _end(workspace, study, batch, "failed", str(error))
            raise error from (None if error is failed else failed)
    return drafts


class _Desk:
    """One batch while it is written: several at once take from the same pile."""

    def __init__(
        self, workspace: Workspace, study: str, batch: str, shown: Shown, target: Target, client: Client
    ) -> None:
        self._workspace, self._study, self._batch = workspace, study, batch
        self._shown, self._target, self._client = shown, target, client
        self._pile = iter(shown.wanted)
        self._refused = False
        places = target.limits.concurrency or AT_ONCE
        self._patience = Patience(
            limits=target.limits,
            prices=None,
            concurrency=places,
            meter=Meter(Budget(), time.monotonic),
            jitter=random.Random(),
        )
        self._hands = min(places, AT_ONCE, len(shown.wanted))

    async def write(self, keep: Callable[[Draft], None]) -> None:
        """All of the pile, unless the target turns requests away for good."""

        async def take() -> None:
            for one in self._pile:
                keep(await self._draft(one))
                if self._refused:
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(self._hands):
                group.create_task(take())

    async def _draft(self, one: Wanted) -> Draft:
        request = Request(
            messages=(Message("user", one.prompt),),
            system=self._shown.instruction,
            max_tokens=self._shown.max_tokens,
        )
        try:
            reply = await self._patience.ask(self._client.reply, request, Tries())
        except TargetError as error:
            if isinstance(error, RejectedError) and not self._refused:
                self._refused = True
                _end(self._workspace, self._study, self._batch, "failed", str(error))
            return self._told(Draft(key=one.key, case="", turns=(), problem=str(error)))
        read = read_turns(reply.text, finish_reason=reply.finish_reason)
        if read.problem:
            return self._told(Draft(key=one.key, case="", turns=(), problem=read.problem))
        case = draft_case(one, self._target, self._workspace.who, read.turns, len(reply.text))
        try:
            slug = self._store(one, case)
        except InputError as error:
            return self._told(Draft(key=one.key, case="", turns=read.turns, problem=str(error)))
        return Draft(key=one.key, case=slug, turns=read.turns, problem="")

    def _store(self, one: Wanted, case: Case) -> str:
        workspace, study = self._workspace, self._study
        with workspace.begin() as unit:
            slug = free_case(unit, study, one.key)
            check_new(study_of(workspace, unit, study), cases={slug: case})
            how: dict[str, Any] = {"author": workspace.who, "origin": "model", "why": ""}
            unit.definitions(study).put("case", [(slug, case)], at=workspace.now(), **how)
            what = f"had {case.provenance.source} write the draft {slug}"
            self._record(unit, what, "", {"key": one.key, "case": slug})
        return slug

    def _told(self, draft: Draft) -> Draft:
        """A draft that was not stored, kept with the reason."""
        with self._workspace.begin() as unit:
            what = f"had {self._target.system} write for {draft.key}; nothing was stored"
            self._record(unit, what, draft.problem, {"key": draft.key})
        return draft

    def _record(self, unit: UnitOfWork, what: str, why: str, detail: Mapping[str, str]) -> None:
        _record(self._workspace, unit, self._study, self._batch, what, why, detail)


def look(workspace: Workspace, study: str, batch: str, *, live: bool = False) -> Batch:
    """How far a batch is; ``live`` where this process writes it. Raises UnknownNameError."""
    with workspace.begin() as unit:
        study_id, id = unit.study_id(study), key_of("batch of drafts", batch)
        entries = unit.studies.told_of(study_id, id, "batch")
        if not entries or "drafts" not in (entries[0]["detail"] or {}):
            raise UnknownNameError("batch of drafts", batch[:40], None)
        asked: dict[str, Any] = entries[0]["detail"]["drafts"]
        titles: dict[str, str] = dict(asked["wanted"])
        told = [entry for entry in entries[1:] if "key" in entry["detail"]]
        slugs = [entry["detail"].get("case", "") for entry in told]
        lines = unit.definitions(study).lines.named([slug for slug in slugs if slug])
    answered = tuple(
        Answered(
            key=entry["detail"]["key"],
            title=titles.get(entry["detail"]["key"], ""),
            slug=slug,
            case=lines.get(slug),
            problem=entry["why"],
        )
        for entry, slug in zip(told, slugs, strict=True)
    )
    end = next((entry for entry in entries[1:] if "end" in entry["detail"]), None)
    state: State = "done"
    if end is not None:
        state = end["detail"]["end"]
    elif len(answered) < len(titles):
        running = live or is_held(workspace.database, f"drafts-{batch}")
        state = "running" if running else "interrupted"
    return Batch(
        id=batch,
        who=entries[0]["who"],
        at=time_of(id),
        target=asked["target"],
        system=asked["system"],
        total=len(titles),
        answered=answered,
        state=state,
        why=end["why"] if end is not None else "",
    )


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch as a list shows it."""

    id: str
    who: str
    at: datetime.datetime
    what: str


def list_batches(workspace: Workspace, study: str, *, most: int = 5) -> list[Begun]:
    """The newest batches, newest first, of those that are not long ago."""
    with workspace.begin() as unit:
        entries = unit.studies.history(unit.study_id(study), most=LOOKED_AT)
    found = [entry for entry in entries if "drafts" in (entry["detail"] or {})]
    return [Begun(e["id"].hex(), e["who"], time_of(e["id"]), e["what"]) for e in found[:most]]


def _end(workspace: Workspace, study: str, batch: str, end: End, why: str) -> None:
    with workspace.begin() as unit:
        _record(workspace, unit, study, batch, ENDS[end], why, {"end": end})


def _record(
    workspace: Workspace,
    unit: UnitOfWork,
    study: str,
    batch: str,
    what: str,
    why: str,
    detail: Mapping[str, str],
) -> None:
    unit.studies.record(
        unit.study_id(study),
        id=workspace.ids.new(),
        who=workspace.who,
        what=what,
        why=why,
        detail={"batch": batch, **detail},
    )
