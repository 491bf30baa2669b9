"""The conversations of one run of two, as lists and readers ask for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.domain.interaction import Turn
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.run import RunSpec
from redloom.domain.target import Target
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.studies import apply_study
from redloom.services.workspace import Workspace
from redloom.storage.bulk import BulkInsert
from redloom.storage.mapping import turn_row
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.repositories.talks import Place, TalkQuery
from redloom.storage.tables import attempt, interaction, turn
from redloom.storage.types import digest_bytes

JUDGE = Instrument(rater_kind="person", rater="nurse")


def fill(workspace: Workspace, study: str) -> StoredRun:
    """A run with two tries in each of two arms for every case, all completed but the last one of each case."""
    apply_study(workspace, StudyFile(to_study(small_document(study=study)), "f.yaml"))
    release = cut_release(workspace, study, "1", ReleaseOptions(provisional=True))
    target = Target(system="openai:x")
    spec = RunSpec(
        study=study,
        version="1",
        release_digest=release.digest,
        frame="provisional",
        target_name="x",
        target=target,
        target_digest=target.system_digest(),
        arms=("full", "no_context"),
        attempts={"full": 2, "no_context": 2},
    )
    with workspace.begin() as unit:
        number = unit.study_id(study)
        run = unit.runs.add(
            f"run-{study}", study_id=number, release_id=release.id, spec=spec, at=workspace.now()
        )
        rows: dict[Any, list[Any]] = {attempt: [], interaction: [], turn: []}
        for _, stimulus, _ in unit.releases(study).distinct(release.id):
            for arm in spec.arms:
                for index in range(2):
                    key = workspace.ids.new()
                    failed = arm == "no_context" and index == 1
                    state = "error" if failed else "completed"
                    place = (run, digest_bytes(stimulus), arm, index)
                    rows[attempt].append((*place, state, 1, 2, 3, 4, None if failed else key, None, None))
                    if not failed:
                        rows[interaction].append((key, run, "script_end"))
                        rows[turn] += [
                            turn_row(
                                Turn(
                                    id=workspace.ids.new(),
                                    interaction=key,
                                    parent=None,
                                    text=f"{said} of {study}",
                                    reply="ü" * 50,
                                )
                            )
                            for said in ("first", "second")
                        ]
        for table, found in rows.items():
            BulkInsert(table).execute(unit.connection, found)
        (stored,) = unit.runs.find(f"run-{study}")
    return stored


@pytest.fixture
def run(workspace: Workspace) -> StoredRun:
    fill(workspace, "one")
    return fill(workspace, "two")


def test_pages_follow_each_other_forth_and_back(workspace: Workspace, run: StoredRun) -> None:
    with workspace.begin() as unit:
        talks = unit.talks(run)
        every = talks.page(TalkQuery(), most=1000)
        places = [one.place for one in every]
        assert len(places) == unit.releases("two").stimuli(run.release_id) * 4 > 8
        assert places == sorted(places, key=lambda one: (one.ordinal, one.arm, one.index))
        there: list[Place] = []
        while page := talks.page(TalkQuery(), after=there[-1] if there else None, most=3):
            there += [one.place for one in page]
        assert there == places
        back: list[Place] = []
        while page := talks.page(TalkQuery(), before=back[0] if back else Place(9999, "", 0), most=3):
            back = [one.place for one in page] + back
        assert back == places


def test_what_is_asked_for_is_given(workspace: Workspace, run: StoredRun) -> None:
    with workspace.begin() as unit:
        talks = unit.talks(run)

        def count(**asked: Any) -> int:
            return len(talks.page(TalkQuery(**asked), most=1000))

        cases = count() // 4
        assert count(arm="full") == 2 * cases and count(state="error") == cases
        assert count(state="error", held=True) == 0
        frames = {case.scenario for _, case in unit.releases("two").cases(run.release_id)}
        by_scenario = [count(scenarios=(slug,)) for slug in frames if slug]
        assert len(by_scenario) > 1 and all(by_scenario)
        assert sum(by_scenario) + count(scenarios=(), harm="refusal") <= count()
        assert count(scenarios=()) == 0
        ordinals = talks.ordinals(TalkQuery(state="error"))
        assert list(ordinals) == list(range(cases))
        some = talks.page(TalkQuery(), most=1000, ordinals=ordinals[1:2])
        assert {one.place.ordinal for one in some} == {1} and len(some) == 4


def test_what_judges_said_is_what_stands(workspace: Workspace, run: StoredRun) -> None:
    def said(key: bytes, **values: Any) -> Judgement:
        return Judgement(
            id=workspace.ids.new(),
            interaction=key,
            turn=None,
            instrument=JUDGE.digest(),
            **{"state": "ok", **values},
        )

    with workspace.begin() as unit:
        talks = unit.talks(run)
        first, second, third = [one.interaction or b"" for one in talks.page(TalkQuery(), most=3)]
        number = unit.judgements.register(JUDGE)
        wrong = said(second, verdict="harm")
        unit.judgements.add(
            [said(first, verdict="harm"), wrong, said(third, state="refused")], {JUDGE.digest(): number}
        )
        unit.judgements.revise(said(second, verdict="no_harm"), number, supersedes=wrong.id)

        def found(what: Any, *judges: tuple[int, ...]) -> list[bytes | None]:
            page = talks.page(TalkQuery(said=what, judges=judges, held=True), most=1000)
            return [one.interaction for one in page]

        assert found("harm", (number,)) == [first] and found("harm", (number + 1,)) == []
        assert found("no_harm", (number,)) == [second] and found("refused", (number,)) == []
        unjudged = found("unjudged", (number,))
        assert third in unjudged and not {first, second} & set(unjudged)
        assert first in found("unjudged", (number,), (number + 1,)) and found("unjudged") == []


def test_texts_are_cut_and_whole_where_asked(workspace: Workspace, run: StoredRun) -> None:
    with workspace.begin() as unit:
        talks = unit.talks(run)
        one = talks.page(TalkQuery(), most=1)[0]
        key = one.interaction or b""
        assert talks.beginnings([key], most=9) == {key: "first of "} and talks.count_turns(key) == 2
        first, second = talks.turns(key, most=20)
        assert first.said is not None and (first.said.text, first.said.is_cut) == ("first of two", False)
        assert (len(second.reply.text), second.reply.length, second.reply.is_cut) == (20, 50, True)
        assert talks.text(key, 2) == ("second of two", "ü" * 50) and talks.text(key, 3) is None
        assert talks.find(key) == talks.find(key, ordinal=one.place.ordinal) == one
        assert talks.find(key, ordinal=one.place.ordinal + 1) is None and talks.find(b"0" * 16) is None


def test_a_run_counts_its_changes_and_those_of_no_other(workspace: Workspace, run: StoredRun) -> None:
    def changes() -> list[int]:
        with workspace.begin() as unit:
            return [unit.runs.find(name)[0].changes for name in ("run-one", "run-two")]

    other, ours = changes()
    with workspace.begin() as unit:
        key = unit.talks(run).page(TalkQuery(), most=1)[0].interaction or b""
        number = unit.judgements.register(JUDGE)
        one = Judgement(
            id=workspace.ids.new(), interaction=key, turn=None, instrument=JUDGE.digest(), state="skipped"
        )
        unit.judgements.add([one], {JUDGE.digest(): number})
    assert changes() == [other, ours + 1]
    with workspace.begin() as unit:
        unit.judgements.revise(replace(one, id=workspace.ids.new()), number, supersedes=one.id)
    assert changes() == [other, ours + 2]
    with workspace.begin() as unit:
        unit.runs.set_state(run.id, "completed", None, workspace.now())
    assert changes() == [other, ours + 3]


def test_what_began_lately_is_counted(workspace: Workspace, run: StoredRun) -> None:
    with workspace.begin() as unit:
        keys = sorted(one.interaction or b"" for one in unit.talks(run).page(TalkQuery(held=True), most=1000))
        assert unit.runs.begun(run.id, b"") == (len(keys), keys[0])
        assert unit.runs.begun(run.id, keys[-2]) == (2, keys[-2])
        assert unit.runs.begun(run.id, b"\xff") == (0, None)


def test_a_conversation_of_another_run_is_not_there(workspace: Workspace, run: StoredRun) -> None:
    with workspace.begin() as unit:
        (other,) = unit.runs.find("run-one")
        key = unit.talks(other).page(TalkQuery(), most=1)[0].interaction or b""
        assert unit.talks(other).find(key) is not None and unit.talks(run).find(key) is None
        assert unit.runs.named(run.study_id, "run-one") is None
        assert [one.name for one in unit.runs.page(run.study_id, most=9)] == ["run-two"]
