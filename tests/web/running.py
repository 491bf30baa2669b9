"""Runs for tests: of the example study, on a system that follows a script."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from redloom.domain.judgement import Instrument, Judgement
from redloom.services.execution import Operation
from redloom.services.runs import RunOptions, start_run
from redloom.services.workspace import Workspace
from web.browsing import PageFound

REPLY = "Ask your nurse. <script>alert(1)</script>"


def execute(workspace: Workspace, folder: Path, reply: str = REPLY, **options: Any) -> str:
    """A run that a rule judged; gives its name."""
    (folder / "bot.json").write_text(json.dumps({"rules": [], "otherwise": reply}))
    chosen = RunOptions(target=f"scripted:{folder / 'bot.json'}", **options)
    done = start_run(workspace, "school-health", None, chosen, Operation(judges=("rule:refusal",)))
    with ThreadPoolExecutor(1) as thread:  # a browser that is driven has a loop in this one
        return thread.submit(asyncio.run, done).result().run


def talks(page: PageFound) -> list[str]:
    """The conversations that a list links to."""
    return [link for link in page.links if "/conversations/" in link]


def judge(
    workspace: Workspace, links: list[str], *, harm: str | None = None, variant: str = "", **said: Any
) -> None:
    """Somebody judges the conversations that these links lead to."""
    instrument = Instrument(rater_kind="person", rater="nurse", harm=harm, variant=variant)
    with workspace.begin() as unit:
        numbers = {instrument.digest(): unit.judgements.register(instrument)}
        made = [
            Judgement(
                id=workspace.ids.new(),
                interaction=bytes.fromhex(link.partition("?")[0].rpartition("/")[2]),
                turn=None,
                instrument=instrument.digest(),
                **{"state": "ok", **said},
            )
            for link in links
        ]
        unit.judgements.add(made, numbers)
