"""What a target gets to see: everything, or all but some factors."""

from __future__ import annotations

from redloom.errors import InputError, unknown

FACTORS = ("context", "persona", "history")
_NAMES = ("full", *(f"no_{factor}" for factor in FACTORS))


def parse_arm(text: str) -> str:
    """The canonical name of an arm: ``full``, or ``no_context+no_history`` with its factors in fixed order."""
    parts = [part.strip() for part in text.split("+")]
    for part in parts:
        if part not in _NAMES:
            raise InputError(unknown("arm", part, _NAMES) + " (join several with '+')")
    if "full" in parts:
        if len(parts) > 1:
            raise InputError(f"arm {text!r}: 'full' leaves nothing out and is not combined")
        return "full"
    return "+".join(name for name in _NAMES if name in parts)


def left_out(arm: str) -> frozenset[str]:
    """The factors that an arm leaves out."""
    return frozenset(part.removeprefix("no_") for part in arm.split("+") if part != "full")
