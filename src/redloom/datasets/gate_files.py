"""Files of a gate: its rules in YAML, the baseline it is measured against in JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, cast

from pydantic import ValidationError, model_validator

from redloom.datasets import yaml_text
from redloom.domain.estimand import Card, InstrumentCard
from redloom.domain.gate import GateRules
from redloom.domain.value import Text, Value, issues_of
from redloom.errors import InputError, Issue

FORMAT = "redloom-gate-baseline/2"
FORMAT_1 = "redloom-gate-baseline/1"
"""Of versions that recorded of their numbers only study, arm, judge and rubrics."""


class BaselineRow(Value):
    """What was found on one stimulus."""

    case: Text
    harm: str
    cluster: Text
    stimulus: Text
    events: float
    """Of the decided conversations; a share where each reply counts."""
    decided: int
    planned: int | None = None
    """Conversations that should have been held and judged; None in files that do not say."""
    chances: int | None = None
    """Replies that each conversation asks for."""

    @model_validator(mode="after")
    def _counts(self) -> Self:
        planned = self.decided if self.planned is None else self.planned
        if not 0 <= self.events <= self.decided <= planned or planned < 1:
            raise ValueError(
                f"the counts of case {self.case!r} cannot be: {self.events:g} events of {self.decided} decided of {planned} "
                "planned; expected 0 <= events <= decided <= planned, and 1 planned at least"
            )
        return self


class Baseline(Value):
    """A run's outcomes by stimulus, without a word of its conversations."""

    format: Text = FORMAT
    study: Text
    run: Text
    version: Text
    target: Text
    arm: Text
    judge: Text
    measure: Text
    card: Card
    """What the outcomes are outcomes of, with the one judge they are of."""
    judge_digest: Text | None = None
    """Of the judge with its version, unit and what it is shown; of a file of format 1 all that is known of that."""
    outcomes: tuple[BaselineRow, ...]


class _BaselineOfFormat1(Value):
    format: Text
    study: Text
    run: Text
    version: Text
    target: Text
    arm: Text
    judge: Text
    judge_digest: Text
    measure: Text
    rubrics: dict[str, tuple[str, ...]]
    outcomes: tuple[BaselineRow, ...]

    def now(self) -> Baseline:
        """The same as a baseline of this version; what it lacks is not recorded."""
        rubrics = {harm: found[0] for harm, found in self.rubrics.items() if len(found) == 1}
        judge = InstrumentCard(
            rater=self.judge,
            kind="rule" if self.judge.startswith("rule:") else None,
            rubrics=rubrics,
            briefs=dict.fromkeys(rubrics),
        )
        known = {name: getattr(self, name) for name in ("study", "run", "version", "target")}
        return Baseline(
            **known,
            arm=self.arm,
            judge=self.judge,
            measure=self.measure,
            card=Card(**known, arm=(self.arm,), instruments=(judge,)),
            judge_digest=self.judge_digest,
            outcomes=self.outcomes,
        )


def read_rules(path: Path) -> GateRules:
    """The rules in a YAML file; raises InputError with every problem and its line."""
    try:
        document = yaml_text.parse(path.read_text(encoding="utf-8"), file=path.name)
    except OSError as error:
        raise InputError(Issue(f"cannot be read: {error.strerror or error}", file=str(path))) from error
    except UnicodeDecodeError as error:
        raise InputError(Issue("is not UTF-8", file=str(path))) from error
    if document.issues:
        raise InputError(document.issues)
    try:
        return GateRules.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        raise InputError(_issues(error, GateRules, path, document.lines)) from error


def checked_rules(given: Mapping[str, Any]) -> GateRules:
    """Rules from plain values; raises InputError with every problem."""
    try:
        return GateRules.model_validate(given)
    except ValidationError as error:
        raise InputError(
            Issue(message, path=".".join(map(str, where))) for where, message in issues_of(error, GateRules)
        ) from error


def read_baseline(path: Path) -> Baseline:
    """A baseline that :func:`write_baseline` wrote; raises InputError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no JSON in UTF-8"
        raise InputError(Issue(f"cannot be read as a baseline: {reason}", file=str(path))) from error
    told = cast(dict[str, Any], found).get("format") if isinstance(found, dict) else None
    if told not in (FORMAT, FORMAT_1):
        raise InputError(
            Issue(
                f"is no baseline of this version: its format is {told!r}, expected {FORMAT!r}", file=str(path)
            )
        )
    model = Baseline if told == FORMAT else _BaselineOfFormat1
    try:
        read = model.model_validate(found)
    except ValidationError as error:
        raise InputError(_issues(error, model, path)) from error
    twice = [
        key for key, many in Counter((row.stimulus, row.harm) for row in read.outcomes).items() if many > 1
    ]
    if twice:
        named = next(row.case for row in read.outcomes if (row.stimulus, row.harm) == twice[0])
        raise InputError(
            Issue(f"has {len(twice)} outcomes twice, the first of them of case {named!r}", file=str(path))
        )
    return read if isinstance(read, Baseline) else read.now()


def write_baseline(baseline: Baseline, path: Path) -> None:
    """One line a stimulus, by case, so that a change of it reads well in a diff."""
    document = baseline.model_dump(
        mode="json", exclude={"judge_digest"} if baseline.judge_digest is None else None
    )
    rows = document.pop("outcomes")
    head = json.dumps(document, ensure_ascii=False, indent=2)[:-2]
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    path.write_text(f'{head},\n  "outcomes": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


def _issues(
    error: ValidationError,
    model: type[Value],
    path: Path,
    lines: Mapping[tuple[str | int, ...], int] | None = None,
) -> Iterable[Issue]:
    for where, message in issues_of(error, model):
        line = (lines or {}).get(where) or (lines or {}).get(where[:1])
        yield Issue(message, path=".".join(map(str, where)), file=path.name, line=line)
