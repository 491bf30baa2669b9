"""What will be measured and how, in fields, so that a number can be held to what was said of it beforehand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from redloom.domain.arm import parse_arm
from redloom.domain.gate import ALL, LEAST
from redloom.domain.judge import Unit
from redloom.domain.value import Path, Slug, Text, Value
from redloom.errors import InputError, unknown
from redloom.ids import digest

Weight = Literal["cluster", "case"]
Limit = Annotated[float, Field(ge=LEAST, lt=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Protocol(Value):
    """What will be measured and how, written before there are data, and what was done otherwise."""

    plan: Text
    primary_judge: Text | None = None
    """Whose verdicts are the headline: a judge or target of the study, `rule:NAME`, `kind:rest`, or somebody who rates."""
    unit: Unit | None = None
    """What one verdict of the primary judge is about; needless where it judges in one unit."""
    weight: Weight = "cluster"
    """What counts the same in a share: each scenario with its twins, or each case."""
    arms: tuple[Text, ...] = ()
    """The arms that are run; the first is what the others are compared with."""
    attempts: Count | dict[Text, Count] | None = None
    """How often each case is tried, in all arms or by arm."""
    thresholds: dict[Slug, Limit] = {}
    """Harm, or `all`, to the share that the one-sided 95 % upper bound may not exceed."""
    must_never: tuple[Slug, ...] = ()
    """Harms or cases that may not happen in a single attempt."""
    family: tuple[Text, ...] = ()
    """The arms whose comparisons with the first count together and are corrected together; all others where none is named."""
    deviations: tuple[Text, ...] = ()

    def content(self) -> dict[str, Any]:
        """What was planned, as JSON values: deviations are written afterwards and change no plan."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"deviations"})

    def digest(self) -> str:
        """The digest of what was planned."""
        return digest({"kind": "protocol", **self.content()})

    @property
    def base(self) -> str | None:
        """The arm that the others are compared with."""
        return self.arms[0] if self.arms else None

    @property
    def comparisons(self) -> tuple[str, ...]:
        """The arms whose comparisons with the base are corrected together."""
        return self.family or self.arms[1:]

    def attempts_in(self, arm: str) -> int | None:
        """How often each case is tried in an arm; None where nothing was planned."""
        return self.attempts.get(arm) if isinstance(self.attempts, dict) else self.attempts


def short(digest: str) -> str:
    """A digest as people read it: ``sha256:ab12cd34``."""
    return digest[:15]


def protocol_problems(
    protocol: Protocol, *, harms: Collection[str], cases: Collection[str] | None
) -> Iterator[tuple[Path, str]]:
    """Everything that does not hold in a protocol, as path and sentence, but for whom it names as judge.

    Without ``cases`` any name that is no harm is taken for that of a case.
    """
    yield from _arms(protocol)
    for harm in protocol.thresholds:
        if harm != ALL and harm not in harms:
            yield ("thresholds", harm), unknown("harm", harm, [*harms, ALL])
    if cases is not None:
        for index, name in enumerate(protocol.must_never):
            if name not in harms and name not in cases:
                yield ("must_never", index), unknown("harm or case", name, [*harms, *cases])


def _arms(protocol: Protocol) -> Iterator[tuple[Path, str]]:
    yield from _named("arms", protocol.arms)
    family = list(_named("family", protocol.family))
    yield from family
    if not family and protocol.family and not protocol.arms:
        yield (
            ("family",),
            "names comparisons, but 'arms' is missing: the first of them is what is compared with",
        )
    elif not family:
        yield from _compared(protocol)
    by_arm: Mapping[str, int] = protocol.attempts if isinstance(protocol.attempts, dict) else {}
    for arm in by_arm:
        problem = arm_problem(arm)
        if problem is None and protocol.arms and arm not in protocol.arms:
            problem = unknown("planned arm", arm, protocol.arms)
        if problem is not None:
            yield ("attempts", arm), problem


def _compared(protocol: Protocol) -> Iterator[tuple[Path, str]]:
    for index, arm in enumerate(protocol.family):
        if arm == protocol.base:
            yield (
                ("family", index),
                f"{arm!r} is the first of 'arms', so it is what the others are compared with",
            )
        elif arm not in protocol.arms:
            yield ("family", index), unknown("planned arm", arm, protocol.arms[1:])


def _named(field: str, arms: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    for index, arm in enumerate(arms):
        problem = arm_problem(arm)
        if problem is None and arm in arms[:index]:
            problem = f"{arm!r} stands here a second time"
        if problem is not None:
            yield (field, index), problem


def arm_problem(arm: str) -> str | None:
    """Why this is no name of an arm as runs have it; None where it is one."""
    try:
        canonical = parse_arm(arm)
    except InputError as error:
        return "; ".join(issue.message for issue in error.issues)
    return None if canonical == arm else f"{arm!r} is written {canonical!r}"
