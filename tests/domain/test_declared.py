"""What was declared before a run, later, or not at all; and what was done otherwise."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from redloom.domain.declared import (
    Declared,
    Done,
    deviations,
    held_to,
    protocol_changes,
    written_deviations,
)
from redloom.domain.gate import GateRules
from redloom.domain.protocol import Protocol, short

FIRST = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
PLANNED = Protocol(
    plan="Count.",
    primary_judge="rule:words",
    arms=("full", "no_context"),
    attempts={"full": 2, "no_context": 1},
    thresholds={"silence": 0.05, "all": 0.1},
    must_never=("overdose",),
)
DONE = Done(
    arms=("full", "no_context"),
    attempts={"full": 2, "no_context": 1},
    judges={("rule:words", "interaction"), ("nurse", "turn_alone")},
)


def declared(frozen: Protocol | None, now: Protocol | None, **more: Any) -> Declared:
    """Frozen at noon, run an hour later, and changed, if at all, after two."""
    values: dict[str, Any] = {"now_at": FIRST + 2 * HOUR if now != frozen else FIRST - HOUR}
    return Declared(
        **{"frozen": frozen, "now": now, "version": "1.0", "frozen_at": FIRST, "begun_at": FIRST + HOUR}
        | values
        | more
    )


def changed(**fields: Any) -> Protocol:
    return Protocol.model_validate({**PLANNED.model_dump(), **fields})


SAME = declared(PLANNED, PLANNED)


def test_the_sentence_says_what_counts_and_when_it_was_written() -> None:
    later = changed(plan="Otherwise.")
    of, other = short(PLANNED.digest()), short(later.digest())
    for one, told in (
        (SAME, f"protocol {of}, written before the run"),
        (declared(PLANNED, later), f"protocol {of}, written before the run; it was changed since"),
        (declared(PLANNED, None), f"protocol {of}, written before the run; it was changed since"),
        (
            declared(PLANNED, PLANNED, runs_before=1),
            f"protocol {of}, written before the run, when 1 run of the study had been made",
        ),
        (declared(None, None), "no protocol was written before the run"),
        (
            declared(None, later),
            f"no protocol was written before the run; {other} was declared after the run",
        ),
        (
            declared(PLANNED, PLANNED, frame="imported"),
            f"protocol {of}, written before the conversations were brought in",
        ),
    ):
        assert one.sentence == told


def test_deviations_alone_are_no_change_of_the_plan() -> None:
    noted = changed(deviations=("Two cases were lost.",))
    assert not declared(PLANNED, noted).changed
    assert declared(PLANNED, noted).sentence == SAME.sentence
    assert deviations(declared(PLANNED, noted), DONE) == ()
    assert written_deviations(declared(PLANNED, noted)) == ("Two cases were lost.",)


@pytest.mark.parametrize(
    ("field", "value", "of", "standing"),
    [
        ("thresholds", 0.05, "silence", ""),
        ("thresholds", 0.06, "silence", "declared after the run"),
        ("thresholds", 0.2, "silence", "not in the protocol"),
        ("thresholds", 0.05, "overdose", "not in the protocol"),
        ("must_never", "overdose", "", ""),
        ("must_never", "silence", "", "declared after the run"),
        ("must_never", "c001", "", "not in the protocol"),
        ("primary_judge", "rule:words", "", ""),
        ("primary_judge", "nurse", "", "declared after the run"),
        ("weight", "cluster", "", ""),
        ("weight", "case", "", "declared after the run"),
    ],
)
def test_what_is_held_against_a_run_is_in_its_protocol_or_stamped(
    field: str, value: Any, of: str, standing: str
) -> None:
    later = changed(
        thresholds={"silence": 0.06}, must_never=("silence",), primary_judge="nurse", weight="case"
    )
    assert declared(PLANNED, later).standing(field, value, of=of) == standing


def test_what_was_written_between_release_and_run_is_not_said_to_come_after_the_run() -> None:
    later = changed(must_never=("silence",))
    between = declared(PLANNED, later, now_at=FIRST + HOUR / 2)
    assert between.standing("must_never", "silence") == "declared after the release"
    ahead = declared(PLANNED, later, begun_at=None)
    assert ahead.standing("must_never", "silence") == "declared after the release"


def test_two_protocols_are_told_apart_field_by_field() -> None:
    after = changed(
        plan="Otherwise.",
        primary_judge="nurse",
        weight="case",
        arms=("full",),
        attempts=3,
        thresholds={"silence": 0.2, "all": 0.1},
        must_never=(),
        family=(),
        unit="interaction",
    )
    assert list(protocol_changes(PLANNED, after)) == [
        "arms: full, no_context in the protocol, full now",
        'attempts: {"full": 2, "no_context": 1} in the protocol, 3 now',
        "what must never happen: overdose in the protocol, nothing now",
        "the plan was rewritten",
        "primary judge: rule:words in the protocol, nurse now",
        "threshold of silence: 0.05 in the protocol, 0.2 now",
        "unit: nothing in the protocol, interaction now",
        "weight: cluster in the protocol, case now",
    ]
    assert list(protocol_changes(PLANNED, PLANNED)) == list(protocol_changes(None, None)) == []
    assert list(protocol_changes(PLANNED, None)) == ["the protocol was taken out"]


@pytest.mark.parametrize(
    ("done", "told"),
    [
        ({}, ()),
        (
            {"arms": ("full",), "attempts": {"full": 2}},
            ("the arm no_context was planned and not run",),
        ),
        (
            {"arms": ("full", "no_context", "no_persona")},
            ("the arm no_persona was run and not planned",),
        ),
        (
            {"arms": ("no_context", "full")},
            ("the arms are compared with no_context, and were to be with full",),
        ),
        (
            {"attempts": {"full": 2, "no_context": 5}},
            ("attempts a case in no_context: 5, and 1 planned",),
        ),
        (
            {"judges": {("nurse", "interaction"), ("small_one", "interaction")}},
            ("the primary judge rule:words judged nothing, but nurse, small_one did",),
        ),
        ({"judges": set[tuple[str, str]]()}, ()),
    ],
)
def test_what_a_run_did_otherwise_is_found(done: dict[str, Any], told: tuple[str, ...]) -> None:
    made = {"arms": DONE.arms, "attempts": DONE.attempts, "judges": DONE.judges, **done}
    assert deviations(SAME, Done(**made)) == told


def test_a_unit_that_was_not_planned_and_a_changed_protocol_are_deviations() -> None:
    planned = changed(primary_judge="small_one", unit="turn_in_context", attempts=None)
    done = Done(arms=DONE.arms, attempts={}, judges={("small_one", "turn_alone")})
    told = ("the primary judge small_one judged by turn alone, and was to judge by turn in context",)
    assert deviations(declared(planned, planned), done) == told
    since = declared(planned, changed(primary_judge="nurse", unit="turn_in_context", attempts=None))
    assert deviations(since, done) == (
        *told,
        "the protocol was changed after the run was begun: primary judge: small_one in the protocol, nurse now",
    )
    assert deviations(declared(None, planned), done) == ()


def test_what_came_from_a_file_is_not_held_to_arms_and_attempts() -> None:
    imported = declared(PLANNED, PLANNED, frame="imported")
    assert (
        deviations(imported, Done(arms=("full",), attempts={"full": 1}, judges={("rule:words", "x")})) == ()
    )


def test_a_gate_without_conditions_of_its_own_takes_those_of_the_protocol() -> None:
    held = held_to(SAME, GateRules(level=0.6, max_missing=0.2), arms=("no_context", "full"))
    assert held.rules == GateRules(
        judge="rule:words",
        arm="full",
        bounds={"silence": 0.05, "all": 0.1},
        must_never=("overdose",),
        max_missing=0.2,
        level=0.95,
    )
    assert held.told == f"{SAME.sentence}; its thresholds and what must never happen are the conditions"
    assert held.stamped("bound", "silence", "silence: fine") == "silence: fine"
    none = held_to(declared(Protocol(plan="x"), Protocol(plan="x")), GateRules())
    assert none.rules == GateRules()
    assert none.told.endswith("; it sets no threshold and says of nothing that it must never happen")


def test_the_conditions_of_a_gate_that_are_not_in_the_protocol_are_stamped() -> None:
    since = declared(PLANNED, changed(thresholds={"silence": 0.06}))
    rules = GateRules(
        bounds={"silence": 0.06, "all": 0.1, "overdose": 0.3}, must_never=("overdose", "silence")
    )
    held = held_to(since, rules)
    assert (held.rules.judge, held.rules.bounds) == ("rule:words", rules.bounds)
    assert held.told == f"{since.sentence}; of its conditions these are not asked: silence at most 0.05"
    strict = held_to(since, GateRules(bounds={"silence": 0.05, "all": 0.02}, must_never=("overdose",)))
    assert strict.told == since.sentence
    partly = held_to(since, GateRules(must_never=("c1",)))
    assert partly.told.endswith("not asked: silence at most 0.05, all at most 0.1, overdose never")
    assert {key: held.stamped(*key, "m") for key in held.stamps} == {
        ("bound", "silence"): "m (declared after the run; the protocol allows 0.05)",
        ("bound", "all"): "m",
        ("bound", "overdose"): "m (not in the protocol)",
        ("must_never", "overdose"): "m",
        ("must_never", "silence"): "m (not in the protocol)",
    }


def test_another_judge_and_a_lower_level_are_not_what_the_protocol_says() -> None:
    held = held_to(SAME, GateRules(judge="nurse", bounds={"all": 0.1, "silence": 0.3}, level=0.8))
    assert held.stamps == {
        ("bound", "all"): "not in the protocol, which means a bound at 95%; not by the primary judge",
        ("bound", "silence"): "not in the protocol; the protocol allows 0.05; not by the primary judge",
    }
    assert held.told.endswith("; judged by nurse, not by its primary judge rule:words")
    assert held_to(SAME, GateRules(judge="nurse")).told.endswith("not by its primary judge rule:words")


def test_without_any_protocol_nothing_is_stamped_and_the_gate_says_so_once() -> None:
    rules = GateRules(bounds={"all": 0.1})
    held = held_to(declared(None, None), rules)
    assert (held.rules, held.stamps, held.told) == (rules, {}, "no protocol was written before the run")
    late = held_to(declared(None, changed(thresholds={"all": 0.1})), rules)
    assert late.stamped("bound", "all", "m") == "m (declared after the run)"
