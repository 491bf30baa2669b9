"""What was declared before a run, what was declared later, and what was done otherwise."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from redloom.domain.gate import GateRules
from redloom.domain.protocol import Protocol, Weight, short
from redloom.domain.run import FrameKind
from redloom.domain.study import describe_change

Standing = Literal["", "declared after the run", "declared after the release", "not in the protocol"]
"""How something that is held against a run stands to its protocol; empty where it is in it."""
ABSENT: Standing = "not in the protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What counts as declared for a run: the protocol that was frozen with its cases, beside the one of today.

    For a release, before there is a run, ``begun_at`` is None.
    """

    frozen: Protocol | None
    now: Protocol | None
    now_at: datetime.datetime
    """When the protocol of today was written."""
    version: str
    frozen_at: datetime.datetime
    begun_at: datetime.datetime | None
    frame: FrameKind = "release"
    runs_before: int = 0
    """Runs of the study that had been made when the frozen protocol was written."""
    judge_since: str = ""
    """How the primary judge differs from the one that was declared when the protocol was frozen; empty where it does not."""

    @property
    def digest(self) -> str | None:
        """Of the protocol that counts."""
        return None if self.frozen is None else self.frozen.digest()

    @property
    def changed(self) -> bool:
        """Whether the protocol of today plans something else."""
        return (None if self.now is None else self.now.digest()) != self.digest

    @property
    def later(self) -> Standing:
        """How what only the protocol of today says stands to the run, or to the release."""
        in_between = self.begun_at is None or self.now_at <= self.begun_at
        return "declared after the release" if in_between else "declared after the run"

    @property
    def sentence(self) -> str:
        """``protocol sha256:ab12cd34, written before the run``, and what has to be said beside it."""
        when = "before the conversations were brought in" if self.frame == "imported" else "before the run"
        if self.frozen is None:
            later = f"; {short(self.now.digest())} was {self.later}" if self.now else ""
            return f"no protocol was written {when}{later}"
        told = f"protocol {short(self.frozen.digest())}, written {when}"
        if self.runs_before:
            runs = "1 run" if self.runs_before == 1 else f"{self.runs_before:,} runs"
            told += f", when {runs} of the study had been made"
        told += "; it was changed since" if self.changed else ""
        return told + (f"; {self.judge_since}" if self.judge_since else "")

    def standing(self, field: str, value: Any, *, of: str = "") -> Standing:
        """How a value of a field stands to the protocol: of a mapping the one ``of`` a key, of a list an entry."""
        if _says(self.frozen, field, value, of):
            return ""
        return self.later if _says(self.now, field, value, of) else ABSENT


def _says(protocol: Protocol | None, field: str, value: Any, of: str) -> bool:
    if protocol is None:
        return False
    found: Any = getattr(protocol, field)
    if isinstance(found, dict):
        return cast(dict[str, Any], found).get(of) == value
    return value in found if isinstance(found, tuple) else found == value


def protocol_changes(before: Protocol | None, after: Protocol | None) -> Iterator[str]:
    """Field by field, in plain sentences, what two protocols plan otherwise."""
    if before is None or after is None:
        if before is not after:
            yield "the protocol was taken out" if after is None else "there was no protocol"
        return
    for path, old, new in describe_change(before.content(), after.content()):
        name, _, key = path.partition(".")
        what = f"{_WORDS.get(name, name)} {f'of {key}' if key else ''}".strip()
        if name == "plan":
            yield "the plan was rewritten"
        else:
            yield f"{what}: {_shown(old, name)} in the protocol, {_shown(new, name)} now"


_WORDS: Mapping[str, str] = {
    "primary_judge": "primary judge",
    "thresholds": "threshold",
    "must_never": "what must never happen",
    "family": "comparisons that count together",
}


def _shown(value: Any, field: str) -> str:
    if value is None:
        return "cluster" if field == "weight" else "nothing"
    if isinstance(value, list):
        return ", ".join(cast(list[str], value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a run did."""

    arms: tuple[str, ...]
    attempts: Mapping[str, int]
    """By arm."""
    judges: Collection[tuple[str, str]]
    """(rater, unit) of everybody whose verdicts there are."""


def deviations(declared: Declared, done: Done) -> tuple[str, ...]:
    """What was done otherwise than the frozen protocol says, found by looking; and how it was changed since."""
    if declared.frozen is None:
        return ()
    found = [] if declared.frame == "imported" else list(_run_otherwise(declared.frozen, done))
    found += _judged_otherwise(declared.frozen, done)
    found += [declared.judge_since] if declared.judge_since else []
    since = protocol_changes(declared.frozen, declared.now)
    after = "the run was begun" if declared.later == "declared after the run" else "it was frozen"
    return (*found, *(f"the protocol was changed after {after}: {change}" for change in since))


def _run_otherwise(planned: Protocol, done: Done) -> Iterator[str]:
    if planned.arms:
        for arm in done.arms:
            if arm not in planned.arms:
                yield f"the arm {arm} was run and not planned"
        for arm in planned.arms:
            if arm not in done.arms:
                yield f"the arm {arm} was planned and not run"
        if done.arms[0] != planned.base and planned.base in done.arms:
            yield f"the arms are compared with {done.arms[0]}, and were to be with {planned.base}"
    for arm in done.arms:
        wanted, made = planned.attempts_in(arm), done.attempts.get(arm)
        if wanted is not None and made != wanted:
            yield f"attempts a case in {arm}: {made}, and {wanted} planned"


def _judged_otherwise(planned: Protocol, done: Done) -> Iterator[str]:
    judge = planned.primary_judge
    if judge is None or not done.judges:
        return
    units = sorted({unit for rater, unit in done.judges if rater == judge})
    if not units:
        others = ", ".join(sorted({rater for rater, _ in done.judges}))
        yield f"the primary judge {judge} judged nothing, but {others} did"
    elif planned.unit is not None and planned.unit not in units:
        by, wanted = units[0].replace("_", " "), planned.unit.replace("_", " ")
        yield f"the primary judge {judge} judged by {by}, and was to judge by {wanted}"


def written_deviations(declared: Declared) -> tuple[str, ...]:
    """What people wrote of it, in the protocol that was frozen or in the one of today."""
    both = [p.deviations for p in (declared.frozen, declared.now) if p is not None]
    return tuple(dict.fromkeys(one for deviations in both for one in deviations))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTo:
    """The rules a gate holds a run to, and how they stand to its protocol."""

    rules: GateRules
    told: str
    """One sentence: where the conditions come from."""
    stamps: Mapping[tuple[str, str], str]
    """(kind of check, its name) -> what has to be said beside its message."""
    weight: Weight = "cluster"
    """What counts the same in a share."""
    broken: str = ""
    """Why the conditions, being the protocol's own, cannot be held to what it was frozen for; empty where they can."""

    def stamped(self, kind: str, name: str, message: str) -> str:
        """A check's message with what has to be said beside it."""
        stamp = self.stamps.get((kind, name))
        return f"{message} ({stamp})" if stamp else message


def held_to(declared: Declared, rules: GateRules, *, arms: Collection[str] = ()) -> HeldTo:
    """The rules of a gate, with those of the frozen protocol where they leave something open.

    Rules without bounds and without anything that must never happen take both from the protocol. ``arms`` are those
    there are to choose from.
    """
    planned = declared.frozen
    own = bool(rules.bounds or rules.must_never)
    stamps = dict(_stamps(declared, rules)) if own and (planned or declared.now) else {}
    if planned is None:
        return HeldTo(rules=rules, told=declared.sentence, stamps=stamps)
    found: dict[str, Any] = {}
    if rules.judge is None and planned.primary_judge is not None:
        found = {"judge": planned.primary_judge, "unit": rules.unit or planned.unit}
    if rules.arm is None and planned.base in arms:
        found["arm"] = planned.base
    told = declared.sentence
    if not own:
        conditions = {"bounds": dict(planned.thresholds), "must_never": planned.must_never}
        found |= {**conditions, "level": max(rules.level, _LEVEL)}
        told += f"; {_FROM_IT if any(conditions.values()) else _NONE_IN_IT}"
    elif unasked := list(_unasked(planned, rules)):
        told += f"; of its conditions these are not asked: {', '.join(unasked)}"
    told += "".join(f"; {one}" for one in _looked_elsewhere(planned, rules, arms))
    if _by_another(planned, rules):
        told += f"; judged by {rules.judge}, not by its primary judge {planned.primary_judge}"
    rules = rules.model_copy(update=found)
    elsewhere = "; ".join(_looked_elsewhere(planned, rules, arms))
    broken = "" if own or _by_another(planned, rules) else declared.judge_since or elsewhere
    return HeldTo(rules=rules, told=told, stamps=stamps, weight=planned.weight, broken=broken)


def _unasked(planned: Protocol, rules: GateRules) -> Iterator[str]:
    for harm, share in planned.thresholds.items():
        if rules.bounds.get(harm, 1) > share or rules.level < _LEVEL:
            yield f"{harm} at most {share:g}"
    yield from (f"{name} never" for name in planned.must_never if name not in rules.must_never)


_FROM_IT = "its thresholds and what must never happen are the conditions"
_NONE_IN_IT = "it sets no threshold and says of nothing that it must never happen"
_LEVEL: float = GateRules.model_fields["level"].default
"""That the bounds of a protocol are meant at."""


def _by_another(planned: Protocol | None, rules: GateRules) -> bool:
    primary = None if planned is None else planned.primary_judge
    return primary is not None and rules.judge is not None and rules.judge != primary


def _looked_elsewhere(planned: Protocol, rules: GateRules, arms: Collection[str]) -> Iterator[str]:
    """In which other arm or unit than planned the conditions are asked."""
    if planned.base is not None and rules.arm not in (None, planned.base):
        yield f"asked in the arm {rules.arm}, not in {planned.base} as planned"
    elif planned.base is not None and arms and planned.base not in arms:
        yield f"the arm {planned.base}, of which its conditions are, was not run"
    if planned.unit is not None and rules.unit not in (None, planned.unit):
        yield f"judged by {rules.unit}, not by {planned.unit} as planned"


def _whose(declared: Declared, rules: GateRules) -> str:
    if _by_another(declared.frozen, rules):
        return "not by the primary judge"
    return "not by the primary judge as it was when the protocol was frozen" if declared.judge_since else ""


def _stamps(declared: Declared, rules: GateRules) -> Iterator[tuple[tuple[str, str], str]]:
    allowed = {} if declared.frozen is None else declared.frozen.thresholds
    whose = _whose(declared, rules)
    for harm, share in rules.bounds.items():
        stamp: str = declared.standing("thresholds", share, of=harm)
        if stamp and harm in allowed:
            stamp += f"; the protocol allows {allowed[harm]:g}"
        elif not stamp and rules.level < _LEVEL:
            stamp = f"{ABSENT}, which means a bound at {_LEVEL:.0%}"
        yield ("bound", harm), "; ".join(part for part in (stamp, whose) if part)
    for name in rules.must_never:
        standing = declared.standing("must_never", name)
        yield ("must_never", name), "; ".join(part for part in (standing, whose) if part)
