"""``scripted:FILE``: replies by declared rules, for tests and rehearsals."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from redloom.domain.value import issue_at, issues_of
from redloom.errors import InputError, Issue
from redloom.targets.base import CONCURRENCY, Capabilities, Reply, Request


class ScriptedRule(BaseModel):
    """A reply, and what must stand in the request for it to be given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reply: str
    message_has: str = ""
    """In the newest user message."""
    system_has: str = ""
    history_has: str = ""
    """In any earlier message."""
    at_turn: int | None = None
    """The number of user messages so far."""

    def fits(self, request: Request) -> bool:
        """Whether the request has all of it."""
        users = [m.content for m in request.messages if m.role == "user"]
        newest = users[-1] if users else ""
        earlier = "\n".join(m.content for m in request.messages[:-1])
        return (
            self.message_has in newest
            and self.system_has in request.system
            and self.history_has in earlier
            and self.at_turn in (None, len(users))
        )


class Script(BaseModel):
    """Rules tried in order; the last word is ``otherwise``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    rules: tuple[ScriptedRule, ...] = ()
    otherwise: str = "I see."
    pause: float = Field(default=0.0, ge=0, le=10)
    """Seconds between the words of a reply that is streamed."""


class ScriptedClient:
    """A target that reacts to declared words only."""

    def __init__(self, script: Script) -> None:
        self._script = script

    @classmethod
    def load(cls, path: Path) -> ScriptedClient:
        """The rules of a JSON file ``{"rules": [{"system_has": ..., "reply": ...}], "otherwise": ...}``."""
        try:
            value = from_json(path.read_bytes())
        except OSError as error:
            raise InputError(Issue(f"cannot be read: {error.strerror or error}", file=str(path))) from error
        except ValueError as error:
            raise InputError(Issue(f"not readable as JSON: {error}", file=path.name)) from error
        try:
            return cls(Script.model_validate(value))
        except ValidationError as error:
            found = issues_of(error, Script)
            raise InputError(issue_at(place, text, file=path.name) for place, text in found) from error

    @property
    def capabilities(self) -> Capabilities:
        """Everything but sessions and schemas."""
        return Capabilities(concurrency=CONCURRENCY["scripted"])

    async def check(self) -> str:
        """How many rules there are."""
        return f"a script with {len(self._script.rules)} rules"

    async def start_session(self, request: Request) -> str | None:
        """None."""
        return None

    async def reply(self, request: Request) -> Reply:
        """The reply of the first rule that fits."""
        for rule in self._script.rules:
            if rule.fits(request):
                return Reply(text=rule.reply, finish_reason="stop")
        return Reply(text=self._script.otherwise, finish_reason="stop")

    async def stream(self, request: Request, on_part: Callable[[str], None]) -> Reply:
        """The same reply, word by word."""
        reply = await self.reply(request)
        for word in re.findall(r"\S+\s*|\s+", reply.text):
            on_part(word)
            await asyncio.sleep(self._script.pause)
        return reply

    async def close(self) -> None:
        """Nothing to give back."""
