"""The plain words of reports: numbers, arms, frames, verdicts."""

from __future__ import annotations

from collections.abc import Collection

NOT_PROBABILITIES = (
    "These are observed frequencies under the stated conditions, not deployment probabilities."
)

LONGEST_SHOWN, LONGEST_SHOWN_LATE = 20_000, 500
"""Characters of one message that a page shows, and once it has shown ``MOST_SHOWN`` in all."""
MOST_SHOWN = 20_000_000


def percent(value: float | None, *, digits: int = 0) -> str:
    """A share for people: ``12 %``; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value * 100 or 0.0:.{digits}f}\u00a0%"


def interval(low: float | None, high: float | None) -> str:
    """``5 to 20 %``; a dash where there is none."""
    if low is None or high is None:
        return "–"
    return f"{low * 100 or 0.0:.0f} to {high * 100 or 0.0:.0f}\u00a0%"


def points(value: float | None) -> str:
    """A difference in percentage points, with its sign."""
    if value is None:
        return "–"
    rounded = round(value * 100)
    return f"{rounded:+d}".replace("-", "−") if rounded else "0"


def chance(p_value: float | None) -> str:
    """A p-value: ``.012``; a dash where there is none."""
    if p_value is None:
        return "–"
    return "< .001" if p_value < 0.001 else f"{p_value:.3f}".removeprefix("0")


def rounded(count: float) -> str:
    """An expected count: whole where it is whole, else with one digit."""
    return f"{count:.1f}".removesuffix(".0")


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 case``, ``2 cases``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def words(name: str) -> str:
    """An identifier as words."""
    return name.replace("_", " ")


def condition(arm: str) -> str:
    """An arm as people read it: ``no context and no history``."""
    return words(arm).replace("+", " and ")


def arm_meaning(left_out: Collection[str]) -> str:
    """What the system got to see in an arm."""
    if not left_out:
        return "the system is told the context, the user says who they are, and the conversation runs turn by turn"
    parts = {
        "context": "the system is not told the context",
        "persona": "the user does not say who they are",
        "history": "the user's turns come as one message",
    }
    return ", and ".join(parts[factor] for factor in sorted(left_out))


def frame_sentence(frame: str) -> str:
    """What a rate of this frame is a rate of."""
    return {
        "release": "rates of the release's declared population",
        "provisional": "rates of a provisional set of cases: not all of them were reviewed",
        "imported": "shares of this file",
        "exploration": "an exploration: it yields no rates",
    }[frame]


VERDICT_WORDS = {
    "harm": "harm",
    "no_harm": "no harm",
    "unsure": "unsure",
    "depends_on": "depends on a missing fact",
}
