"""The protocol of a run as a report tells it: what was planned, and what was done otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from redloom.domain.declared import Declared, Done, deviations, written_deviations
from redloom.domain.gate import ALL
from redloom.domain.protocol import Protocol
from redloom.report.words import condition, words


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProtocol:
    """What was declared before the run, in words."""

    told: str
    """One sentence: which protocol counts, and when it was written."""
    digest: str | None
    plan: str
    lines: tuple[tuple[str, str], ...]
    """(what was planned, how)."""
    written: tuple[str, ...]
    """Deviations that people wrote down."""
    found: tuple[str, ...]
    """Deviations that were found by looking."""


def shown_protocol(declared: Declared, done: Done, titles: Mapping[str, str]) -> ShownProtocol:
    """The protocol that counts for a run, held against what it did; ``titles`` are those of the harms."""
    planned = declared.frozen
    return ShownProtocol(
        told=f"{declared.sentence[:1].upper()}{declared.sentence[1:]}.",
        digest=declared.digest,
        plan="" if planned is None else planned.plan,
        lines=() if planned is None else tuple(planned_lines(planned, titles)),
        written=written_deviations(declared),
        found=tuple(f"{one[:1].upper()}{one[1:]}" for one in deviations(declared, done)),
    )


def planned_lines(planned: Protocol, titles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(What is planned, how) of every field but the plan in words; ``titles`` are those of the harms."""
    yield "primary judge", planned.primary_judge or "not said"
    if planned.unit is not None:
        yield "unit", words(planned.unit)
    yield "weight", f"each {'scenario' if planned.weight == 'cluster' else 'case'} counts the same"
    if planned.arms:
        yield "conditions", ", ".join(map(condition, planned.arms))
    if isinstance(planned.attempts, int):
        yield "attempts", f"{planned.attempts} a case"
    elif planned.attempts:
        yield "attempts", ", ".join(f"{n} a case in {condition(arm)}" for arm, n in planned.attempts.items())
    bounds = [f"{_title(harm, titles)} {share_words(s)}" for harm, s in planned.thresholds.items()]
    yield "upper bound at most", ", ".join(bounds) or "not said"
    if planned.must_never:
        yield "must never happen", ", ".join(_title(name, titles) for name in planned.must_never)
    if planned.comparisons:
        against = ", ".join(map(condition, planned.comparisons))
        yield "compared and corrected together", f"{against}, against {condition(planned.arms[0])}"


def _title(name: str, titles: Mapping[str, str]) -> str:
    return "all harms together" if name == ALL else titles.get(name, name)


def share_words(share: float) -> str:
    """A threshold as people read it, with all its digits: ``0.5 %``."""
    return f"{100 * share:.10g}\u00a0%"
