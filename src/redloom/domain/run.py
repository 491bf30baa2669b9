"""A run: what is executed, from what, how often; and what one work item is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from redloom.domain.interaction import AttemptState, EndedBy, Turn
from redloom.domain.judgement import Judgement
from redloom.domain.target import Deliveries, Target
from redloom.domain.value import Slug, Text, Value

FrameKind = Literal["release", "provisional", "imported", "exploration"]
RunState = Literal["running", "completed", "stopped", "cancelled"]


class RunSpec(Value):
    """What a run executes. Limits, budgets and concurrency are no part of it."""

    study: Slug
    version: Text
    release_digest: Text
    frame: FrameKind
    target_name: Text
    target: Target
    target_digest: Text
    arms: tuple[str, ...] = ("full",)
    attempts: dict[str, int]
    """Attempts by arm."""
    seed: int = Field(default=0, ge=0)
    judges: tuple[str, ...] = ()
    """Rules that judge each conversation as it completes, also after a resume; they change nothing that is asked."""
    renderer: int | None = None
    """Version of what renders cases; this and what follows is None in runs of versions that did not record it."""
    refusal_wording: str | None = None
    """Version of the rule that tells a user who leaves at a refusal that there was one."""
    program: str | None = None
    """Version of Redloom that began the run."""
    code: str | None = None
    """Digest of the file behind the target as the run began; empty where there is none that can be read."""

    @property
    def delivery(self) -> Deliveries:
        """How context and persona reach the target."""
        return self.target.delivery

    def items_per_case(self) -> int:
        """Work items of one stimulus."""
        return sum(self.attempts[arm] for arm in self.arms)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One conversation to be held, named by what it is."""

    stimulus: str
    arm: str
    index: int
    """Attempt index, from 0."""
    seed: int
    """The same for every arm, so that arms are paired."""


def item_seed(run_seed: int, stimulus: str, index: int) -> int:
    """The seed of one attempt: the same for all arms of a stimulus, below 2**31."""
    text = f"{run_seed}|{stimulus}|{index}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") & 0x7FFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    state: AttemptState
    ended_by: EndedBy | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What an attempt has used so far."""

    tries: int = 0
    """The most tries that one of its requests took."""
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    """US dollars; None where the target declares no prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is stored at once: a turn, the end of an attempt, or both, with judgements made on the way."""

    item: WorkItem
    interaction: bytes | None
    starts: bool
    """The conversation is new."""
    known: bool
    """The attempt has a row."""
    used: Used
    turns: tuple[Turn, ...] = ()
    outcome: Outcome | None = None
    judgements: tuple[Judgement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may use; None for no limit."""

    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None
    """US dollars."""
    seconds: float | None = None
