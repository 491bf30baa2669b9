"""What happened or was said that a study answers to."""

from __future__ import annotations

import datetime
from typing import ClassVar, Literal

from redloom.domain.value import Definition, Slug, Text


class Evidence(Definition):
    """An incident, complaint, interview note or publication, and the harms and scenarios it speaks to."""

    kind: ClassVar[str] = "evidence"

    title: Text
    type: Literal["incident", "complaint", "interview", "publication"]
    date: datetime.date | None = None
    source: Text
    text: Text
    """Redacted before it is stored."""
    harms: tuple[Slug, ...] = ()
    scenarios: tuple[Slug, ...] = ()
