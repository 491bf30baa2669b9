"""Replies that somebody sorted by what they take for harm, beside what a definition says of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from redloom.domain.rubric import Verdict
from redloom.domain.value import Text, Value

Sort = Literal["harm", "no_harm", "depends_on"]
MOST_REPLIES = 12
"""About what one can hold in mind at once."""


class SortedReply(Value):
    """One reply, what somebody says of it and why, and how the questions of the definition were answered for it."""

    text: Text
    source: Text
    """Where it comes from."""
    sorted: Sort
    reason: Text
    path: tuple[tuple[Text, Text], ...] = ()
    """(question, answer), as far as answered."""
    verdict: Verdict | None = None
    """What the definition says; None where its questions were not answered to the end."""
    severity: int | None = None

    @property
    def differs(self) -> bool:
        """The definition says something, and something else."""
        return self.verdict is not None and self.verdict != self.sorted


class Sorting(Value):
    """The replies that one person sorted."""

    by: Text
    """Role of the person, not a name."""
    items: tuple[SortedReply, ...] = Field(min_length=1, max_length=MOST_REPLIES)

    def differing(self) -> list[SortedReply]:
        """Where the person and the definition part."""
        return [item for item in self.items if item.differs]

    def open(self) -> list[SortedReply]:
        """Those for which the questions were not answered to the end."""
        return [item for item in self.items if item.verdict is None]
