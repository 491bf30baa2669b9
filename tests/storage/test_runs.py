"""Stored runs, attempts, conversations and judgements, always of one run among two of two studies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.domain.interaction import Turn
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.run import Outcome, Record, RunSpec, Used, WorkItem
from redloom.domain.target import Target
from redloom.errors import StoreError
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.studies import apply_study
from redloom.services.workspace import Workspace
from redloom.storage.ledger import SqlLedger
from redloom.storage.locks import hold_run
from redloom.storage.tables import run as run_table

STIMULI = [f"sha256:{n:064x}" for n in range(10)]


def _spec(study: str, **changes: Any) -> RunSpec:
    target = Target(system="openai:x")
    values: dict[str, Any] = {
        "study": study,
        "version": "1",
        "release_digest": "sha256:1",
        "frame": "provisional",
        "target_name": "system",
        "target": target,
        "target_digest": target.system_digest(),
        "attempts": {"full": 1},
    }
    return RunSpec.model_validate({**values, **changes})


@pytest.fixture
def two(workspace: Workspace) -> tuple[int, int]:
    """Two runs of two studies with alike names: ``aaa1`` and ``aaa2``."""
    numbers: list[int] = []
    for index, slug in enumerate(("one", "two"), start=1):
        apply_study(workspace, StudyFile(to_study(small_document(study=slug)), "f.yaml"))
        release = cut_release(workspace, slug, "1", ReleaseOptions(provisional=True))
        with workspace.begin() as unit:
            study = unit.study_id(slug)
            at = workspace.now()
            spec = _spec(slug)
            number = unit.runs.add(f"aaa{index}", study_id=study, release_id=release.id, spec=spec, at=at)
            numbers.append(number)
    return numbers[0], numbers[1]


def _record(
    workspace: Workspace,
    stimulus: str,
    *,
    arm: str = "full",
    index: int = 0,
    state: Any = "completed",
    error: str | None = None,
    replies: Sequence[str] = ("r",),
    **used: Any,
) -> Record:
    interaction = workspace.ids.new()
    turns: list[Turn] = []
    for reply in replies:
        parent = turns[-1].id if turns else None
        turn = Turn(id=workspace.ids.new(), interaction=interaction, parent=parent, text="t", reply=reply)
        turns.append(turn)
    return Record(
        item=WorkItem(stimulus, arm, index, 0),
        interaction=interaction,
        starts=True,
        known=False,
        used=Used(tries=1, requests=len(turns), **used),
        turns=tuple(turns),
        outcome=Outcome(state=state, ended_by="script_end", error=error),
    )


def _write(
    workspace: Workspace, run: int, records: Sequence[Record], instruments: dict[str, int] | None = None
) -> None:
    async def write() -> None:
        async with SqlLedger(workspace.database, run, instruments or {}) as ledger:
            await asyncio.gather(*(ledger.write(record) for record in records))

    asyncio.run(write())


def test_runs_are_found_by_the_beginning_of_their_name(workspace: Workspace, two: tuple[int, int]) -> None:
    with workspace.begin() as unit:
        assert [run.name for run in unit.runs.find("aaa1")] == ["aaa1"]
        assert [run.name for run in unit.runs.find("aaa")] == ["aaa2", "aaa1"]
        assert [run.name for run in unit.runs.find("last")] == ["aaa2"]
        assert [run.name for run in unit.runs.find("last~1")] == ["aaa1"]
        assert unit.runs.find("last~2") == unit.runs.find("last~x") == []
        for nothing in ("b", "%", "a_a", "AAA\\"):
            assert unit.runs.find(nothing) == []


def test_runs_are_those_of_the_study(workspace: Workspace, two: tuple[int, int]) -> None:
    with workspace.begin() as unit:
        assert [run.name for run in unit.runs.all(unit.study_id("one"))] == ["aaa1"]
        assert [run.name for run in unit.runs.all()] == ["aaa2", "aaa1"]
        (run,) = unit.runs.all(unit.study_id("two"))
        assert (run.id, run.spec, run.state, run.message, run.finished_at) == (
            two[1],
            _spec("two"),
            "running",
            None,
            None,
        )


def test_a_run_moves_alone(workspace: Workspace, two: tuple[int, int]) -> None:
    with workspace.begin() as unit:
        unit.runs.set_state(two[0], "stopped", "the key was wrong", workspace.now())
        second, first = unit.runs.all()
        assert (first.state, first.message, first.spec) == ("stopped", "the key was wrong", _spec("one"))
        assert first.finished_at is not None
        assert (second.state, second.message, second.spec) == ("running", None, _spec("two"))


def test_attempts_states_and_what_was_spent_are_those_of_the_run(
    workspace: Workspace, two: tuple[int, int]
) -> None:
    a, b, c = STIMULI[:3]
    first = [
        _record(workspace, a, tokens_in=10, tokens_out=1, cost=0.5),
        _record(workspace, a, index=1, state="error", tokens_in=20, tokens_out=2, cost=0.25),
        _record(workspace, b, arm="no_context", tokens_in=40, tokens_out=4, cost=0.125),
    ]
    _write(workspace, two[0], first)
    _write(
        workspace, two[1], [_record(workspace, a, tokens_in=999, tokens_out=999, cost=99.0, state="blocked")]
    )
    with workspace.begin() as unit:
        found = unit.runs.attempts(two[0], [a, c])
        assert [(x.stimulus, x.arm, x.index, x.state, x.ended_by) for x in found] == [
            (a, "full", 0, "completed", "script_end"),
            (a, "full", 1, "error", "script_end"),
        ]
        assert [x.interaction for x in found] == [record.interaction for record in first[:2]]
        assert found[0].used == first[0].used
        assert unit.runs.states(two[0]) == {
            "full": {"completed": 1, "error": 1},
            "no_context": {"completed": 1},
        }
        assert unit.runs.states(two[1]) == {"full": {"blocked": 1}}
        spent = unit.runs.spent(two[0])
        assert (spent.requests, spent.tokens_in, spent.tokens_out) == (3, 70, 7)
        assert spent.cost == pytest.approx(0.875, abs=1e-9)


def test_nothing_spent_is_zero(workspace: Workspace, two: tuple[int, int]) -> None:
    _write(workspace, two[1], [_record(workspace, STIMULI[0], tokens_in=5, tokens_out=5, cost=1.0)])
    with workspace.begin() as unit:
        spent = unit.runs.spent(two[0])
        assert (spent.requests, spent.tokens_in, spent.tokens_out, spent.cost) == (0, 0, 0, 0.0)


def test_the_commonest_errors_of_a_run_are_counted(workspace: Workspace, two: tuple[int, int]) -> None:
    ends = [("error", "late"), ("error", "boom"), ("blocked", "boom"), ("completed", None), ("error", None)]
    found = [
        _record(workspace, STIMULI[n], state=state, error=error) for n, (state, error) in enumerate(ends)
    ]
    _write(workspace, two[0], found)
    _write(workspace, two[1], [_record(workspace, STIMULI[0], state="error", error="late")])
    with workspace.begin() as unit:
        assert unit.runs.errors(two[0], most=9) == [("boom", 2), ("no reason was stored", 1), ("late", 1)]
        assert unit.runs.errors(two[0], most=1) == [("boom", 2)]
        assert unit.runs.errors(two[1], most=9) == [("late", 1)]


def test_conversations_have_their_turns_first_to_last(workspace: Workspace, two: tuple[int, int]) -> None:
    one = _record(workspace, STIMULI[0], replies=("a", "b", "c"))
    other = _record(workspace, STIMULI[0], replies=("x",))
    _write(workspace, two[0], [one])
    _write(workspace, two[1], [other])
    assert one.interaction is not None and other.interaction is not None
    with workspace.begin() as unit:
        found = unit.runs.interactions([one.interaction, b"\0" * 16])
        assert found.keys() == {one.interaction}
        assert found[one.interaction].turns == one.turns
        assert found[one.interaction].ended_by == "script_end"


def test_replies_are_counted_without_openings_that_the_case_sets(
    workspace: Workspace, two: tuple[int, int]
) -> None:
    talk = workspace.ids.new()

    def turn(text: str | None, reply: str, **more: Any) -> Turn:
        return Turn(id=workspace.ids.new(), interaction=talk, parent=None, text=text, reply=reply, **more)

    said = (
        turn(None, ""),
        turn(None, "asked to open", latency_ms=3, finish_reason="max_tokens"),
        turn("a", " \t\n\r ", finish_reason="length"),
        turn("b", "c", finish_reason="stop"),
        turn("d", "e"),
    )
    one, other = _record(workspace, STIMULI[0]), _record(workspace, STIMULI[1], replies=("", "x"))
    _write(workspace, two[0], [replace(one, interaction=talk, turns=said), other])
    assert other.interaction is not None
    with workspace.begin() as unit:
        found = unit.runs.reply_counts([talk, other.interaction, b"\0" * 16], {"length", "max_tokens"})
        assert found == {talk: (4, 2, 1), other.interaction: (2, 0, 1)}


def test_every_character_is_kept_but_nul_which_is_shown(workspace: Workspace, two: tuple[int, int]) -> None:
    every = "".join(map(chr, [*range(1, 0x300), 0x200B, 0x202E, 0xFEFF, 0xFFFD, 0x1F600, 0x10FFFF]))
    one = _record(workspace, STIMULI[0], replies=(every, "a\0b"), error="c\0d", state="error")
    _write(workspace, two[0], [one])
    assert one.interaction is not None
    with workspace.begin() as unit:
        kept, shown = unit.runs.interactions([one.interaction])[one.interaction].turns
        assert (kept.reply, shown.reply) == (every, "a\u2400b")
        assert unit.runs.errors(two[0], most=1) == [("c\u2400d", 1)]


def _instrument(rater: str) -> Instrument:
    return Instrument(rater_kind="rule", rater=rater)


def _judgement(workspace: Workspace, record: Record, instrument: Instrument, **changes: Any) -> Judgement:
    assert record.interaction is not None
    values: dict[str, Any] = {"state": "ok", "verdict": "harm", **changes}
    return Judgement(
        id=workspace.ids.new(),
        interaction=record.interaction,
        turn=None,
        instrument=instrument.digest(),
        **values,
    )


def test_judgements_are_those_of_the_conversations_and_instruments_those_of_the_run(
    workspace: Workspace, two: tuple[int, int]
) -> None:
    one, other = _record(workspace, STIMULI[0]), _record(workspace, STIMULI[0])
    _write(workspace, two[0], [one])
    _write(workspace, two[1], [other])
    a, b = _instrument("a"), _instrument("b")
    details: dict[str, Any] = {
        "answers": (("z", "no"), ("a", "yes")),
        "confidence": 0.5,
        "rationale": "so",
        "severity": 2,
        "refusal": "partial",
    }
    mine = _judgement(workspace, one, a, **details)
    theirs = _judgement(workspace, other, b, state="unparseable", verdict=None, raw="?")
    with workspace.begin() as unit:
        numbers = {x.digest(): unit.judgements.register(x) for x in (a, b)}
        assert unit.judgements.register(a) == numbers[a.digest()]
        unit.judgements.add([mine, theirs], numbers)
        assert one.interaction is not None and other.interaction is not None
        assert unit.judgements.of([one.interaction]) == {one.interaction: [mine]}
        assert unit.judgements.of([other.interaction]) == {other.interaction: [theirs]}
        assert unit.judgements.instruments(two[0]) == {a.digest(): a}
        assert unit.judgements.instruments(two[1]) == {b.digest(): b}


def test_a_revision_takes_the_place_of_what_it_names_and_both_stay(
    workspace: Workspace, two: tuple[int, int]
) -> None:
    record, a = _record(workspace, STIMULI[0]), _instrument("a")
    _write(workspace, two[0], [record])
    first = _judgement(workspace, record, a)
    beside = _judgement(workspace, record, a, verdict="unsure")
    second = _judgement(workspace, record, a, verdict="no_harm")
    with workspace.begin() as unit:
        number = unit.judgements.register(a)
        unit.judgements.add([first, beside], {a.digest(): number})
        unit.judgements.revise(second, number, supersedes=first.id)
        assert record.interaction is not None
        assert unit.judgements.of([record.interaction]) == {record.interaction: [beside, second]}
        count = unit.connection.exec_driver_sql("SELECT count(*) FROM judgement").scalar()
        assert count == 3


def test_a_run_is_held_by_one_at_a_time(workspace: Workspace) -> None:
    with hold_run(workspace.database, "aaa1"):
        with (
            pytest.raises(StoreError, match="run aaa1 is being executed by another process"),
            hold_run(workspace.database, "aaa1"),
        ):
            pass
        with hold_run(workspace.database, "aaa2"):
            pass
    with hold_run(workspace.database, "aaa1"):
        pass


def test_a_run_whose_spec_was_changed_from_outside_is_one_sentence(
    workspace: Workspace, two: tuple[int, int]
) -> None:
    with workspace.begin() as unit:
        body = _spec("one").model_dump(mode="json")
        body["target"]["key_env"] = "no name"
        unit.connection.execute(run_table.update().where(run_table.c.id == two[0]).values(spec=body))
        with pytest.raises(StoreError, match="the spec of run aaa1"):
            unit.runs.all()
