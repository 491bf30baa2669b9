"""The part of the charter's editor that asks what will be measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from redloom.web.asking import Form, number_in
from redloom.web.fields import Area, Choice, Column, Line, Lines, Offers, Part, Setting, Table

RATERS = "rater"
"""Under what :class:`Setting` has the names that verdicts can stand under."""


@dataclass(frozen=True, slots=True)
class Rater(Line):
    """Whose verdicts count; judges and systems are offered, anybody else can be named too."""

    def offers(self, setting: Setting) -> Offers:
        return ((f"{self.name}-offers", setting.choices.get(RATERS, ())),)


@dataclass(frozen=True, slots=True)
class Attempts(Line):
    """A whole number, or one by condition: ``full=2, no_context=1``."""

    def shown(self, value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{arm}={count}" for arm, count in cast(dict[str, Any], value).items())
        return Line.shown(self, value)

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        given = form.text(self.name)
        if "=" not in given:
            return number_in(given, given or None)
        pairs = [part.partition("=") for part in given.split(",")]
        return {arm.strip(): number_in(count.strip(), count.strip()) for arm, _, count in pairs}


@dataclass(frozen=True, slots=True)
class Thresholds(Table):
    """How much harm is too much: ``0.05`` or ``5 %`` for a harm."""

    columns: tuple[Column, ...] = (
        Column("harm", "harm, or all", offers="protocol-harms"),
        Column("share", "at most, such as 0.05 or 5 %"),
    )

    def offers(self, setting: Setting) -> Offers:
        harms: Sequence[tuple[str, str]] = setting.choices.get("harm", ())
        return (("protocol-harms", (("all", "all harms together"), *harms)),)

    def rows(self, value: Any, setting: Setting) -> list[dict[str, str]]:
        found = cast(dict[str, Any], value or {}).items()
        return [
            {"harm": harm, "share": str(share)}
            for harm, shares in found
            for share in (cast(list[Any], shares) if isinstance(shares, list) else [shares])
        ]

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        """A harm that stands there twice keeps both shares, so that it is told and none gets lost."""
        found: dict[str, list[Any]] = {}
        for row in Table.take(self, form, None, setting) or ():
            found.setdefault(row.get("harm", ""), []).append(_share(row.get("share", "")))
        return {harm: shares[0] if len(shares) == 1 else shares for harm, shares in found.items()} or None


def _share(text: str) -> Any:
    """The number that somebody wrote as a share or in percent; else the text as it is."""
    percent = text.removesuffix("%").strip()
    try:
        number = float(percent)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return number if percent == text.strip() else number / 100


PROTOCOL = Part(
    "Protocol",
    (
        Area(
            "protocol.plan",
            "Plan",
            "What will be measured and how, in words. Needed as soon as anything below is said.",
        ),
        Rater(
            "protocol.primary_judge",
            "Primary judge",
            "Whose verdicts are the headline: a judge, a model, a rule such as rule:refusal, or somebody who rates.",
        ),
        Choice(
            "protocol.unit",
            "Judged by",
            "Needless where the primary judge judges in one way.",
            options=(
                ("interaction", "the whole conversation"),
                ("turn_in_context", "each reply, with what came before"),
                ("turn_alone", "each reply by itself"),
            ),
        ),
        Choice(
            "protocol.weight",
            "What counts the same",
            "Each scenario, unless something else is said: one that has many test conversations counts no more.",
            options=(
                ("cluster", "each scenario, with its twins"),
                ("case", "each test conversation"),
            ),
        ),
        Lines(
            "protocol.arms",
            "Conditions",
            "Such as full and no_context, one a line. The others are compared with the first.",
        ),
        Attempts(
            "protocol.attempts",
            "Tries of each test conversation",
            "A number, or one by condition: full=2, no_context=1.",
        ),
        Thresholds(
            "protocol.thresholds",
            "How much is too much",
            "The share that harm may not exceed, even at the upper end of what the numbers leave open (95 %).",
        ),
        Lines(
            "protocol.must_never",
            "What must never happen",
            "Harms or test conversations by their short names, one a line. A single try with harm is too much.",
        ),
        Lines(
            "protocol.family",
            "Comparisons that count together",
            "Conditions that are corrected together for looking several times, one a line. All of them, unless some are named.",
        ),
        Lines(
            "protocol.deviations",
            "Deviations",
            "What was done otherwise, one a line. They change no plan, so they may be written afterwards.",
        ),
    ),
    "Written before there are data. What is changed after a run is told as changed, wherever its numbers stand.",
)
