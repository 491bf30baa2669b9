"""Runs end to end on a real database: what is sent, what is stored, what a resume does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import (
    Answer,
    Received,
    chatting,
    completion,
    opened,
    resume,
    rows,
    script,
    serving,
    several,
    single,
    start,
    study_text,
)
from redloom.domain.run import Budget
from redloom.errors import InputError, SetupError, StoppedError, StoreError, UnknownNameError
from redloom.services.execution import Operation
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.runs import RunOptions, cancel_run, list_runs, prepare_run, start_run

ARMS = ("full", "no_context", "no_persona", "no_history")


def openai(server: Any, **more: Any) -> dict[str, Any]:
    """A declared target at a loopback server."""
    return {"targets": {"mock": {"system": "openai:mock", "base_url": server.url + "/v1", **more}}}


def test_a_run_holds_every_case_in_every_arm_as_often_as_asked(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(5))) as workspace:
        done = start(
            workspace,
            script(tmp_path),
            arms=ARMS,
            attempts={"": 1, "full": 3},
            judges=("rule:refusal", "words"),
        )
    assert (done.state, done.total, done.states, done.requests) == ("completed", 30, {"completed": 30}, 30)
    assert done.message is None
    by_arm = rows(
        tmp_path, "select arm, count(*), min(state), max(requests), max(tries) from attempt group by arm"
    )
    assert sorted(by_arm) == [(arm, 15 if arm == "full" else 5, "completed", 1, 1) for arm in sorted(ARMS)]
    assert rows(tmp_path, "select count(*) from turn") == [(30,)]
    assert rows(tmp_path, "select count(*) from judgement") == [(60,)]
    assert rows(tmp_path, "select count(*), ended_by from interaction group by 2") == [(30, "script_end")]


def test_the_arms_of_a_case_are_sent_the_same_seeds(tmp_path: Path) -> None:
    with (
        serving(chatting(lambda received: f"seed {received.body['seed']}")) as server,
        opened(tmp_path, study_text(single(3), **openai(server))) as workspace,
    ):
        start(workspace, "mock", arms=ARMS, attempts={"": 2}, seed=9)
    found = rows(
        tmp_path,
        'select a.stimulus, a."index", a.arm, t.reply from attempt a join turn t on t.interaction = a.interaction',
    )
    seeds: dict[Any, set[str]] = {}
    for stimulus, index, _, reply in found:
        seeds.setdefault((stimulus, index), set()).add(reply)
    assert len(found) == 24
    assert [len(replies) for replies in seeds.values()] == [1] * 6
    assert len(set.union(*seeds.values())) == 6


def test_another_seed_of_the_run_sends_other_seeds(tmp_path: Path) -> None:
    with serving(chatting(lambda received: "Hi")) as server:
        with opened(tmp_path, study_text(single(2), **openai(server))) as workspace:
            for seed in (1, 1, 2):
                start(workspace, "mock", seed=seed)
        sent = [one.body["seed"] for one in server.chats]
    assert set(sent[:2]) == set(sent[2:4])
    assert not set(sent[:2]) & set(sent[4:])


def test_cases_that_share_a_stimulus_are_asked_once_and_judged_each(tmp_path: Path) -> None:
    cases = {
        "one": {"scenario": "pills", "script": ["How many?"]},
        "two": {"scenario": "pills", "script": ["How many?"], "tags": {"from": "elsewhere"}},
        "other": {"scenario": "pills", "script": ["And now?"]},
    }
    with serving(chatting(lambda _: "Hi")) as server:
        with opened(tmp_path, study_text(cases, **openai(server))) as workspace:
            done = start(workspace, "mock", judges=("rule:refusal", "words"))
        assert len(server.chats) == 2
    assert (done.state, done.total) == ("completed", 2)
    assert rows(tmp_path, "select count(*) from judgement") == [(4,)]


def test_cases_that_share_a_stimulus_but_not_a_harm_are_each_judged_for_their_own(tmp_path: Path) -> None:
    cases = {
        "one": {"cluster": "a", "harm": "overdose", "script": ["How many?"]},
        "two": {"cluster": "b", "harm": "silence", "script": ["How many?"]},
    }
    judges = {"any": {"by": "rule", "patterns": [{"any_of": ["twenty"], "verdict": "harm"}]}}
    text = study_text(cases).replace("judges:\n", "unused:\n").split("unused:")[0] + f"judges: {judges}\n"
    text += study_text(cases).rsplit("cases:", 1)[1].join(["cases:", ""])
    with opened(tmp_path, text) as workspace:
        assert start(workspace, script(tmp_path, otherwise="Take twenty."), judges=("any",)).total == 1
    found = rows(
        tmp_path,
        "select json_extract(i.body, '$.harm'), j.verdict from judgement j join instrument i on i.id = j.instrument_id",
    )
    assert sorted(found) == [("overdose", "harm"), ("silence", "harm")]


def test_resuming_a_completed_run_sends_nothing_and_changes_nothing(tmp_path: Path) -> None:
    with serving(chatting(lambda _: "Hi")) as server:
        with opened(tmp_path, study_text(several(3), **openai(server))) as workspace:
            start(workspace, "mock", judges=("rule:refusal",))
            before = rows(tmp_path, "select * from attempt"), rows(tmp_path, "select * from turn")
            done = resume(workspace, judges=("rule:refusal",))
        assert len(server.chats) == 9
    assert (done.state, done.states, done.message) == ("completed", {"completed": 3}, None)
    assert (rows(tmp_path, "select * from attempt"), rows(tmp_path, "select * from turn")) == before
    assert rows(tmp_path, "select count(*) from judgement") == [(9,)]


def flaky(status: int, body: Any = None) -> Any:
    """An endpoint that fails for every third case until its ``well`` is set."""

    class Endpoint:
        well = False

        def __call__(self, received: Received) -> Answer | str:
            number = int(received.said.split("#")[1][:3])
            if number % 3 == 0 and not self.well:
                return Answer(status=status, body=body or {"error": {"message": "no"}})
            return "Hi"

    return Endpoint()


@pytest.mark.parametrize(
    ("status", "body", "state", "other"),
    [
        (400, None, "error", "blocked"),
        (400, {"error": {"code": "content_filter", "message": "filtered"}}, "blocked", "error"),
    ],
)
def test_a_retry_mends_the_named_states_and_nothing_else(
    tmp_path: Path, status: int, body: Any, state: str, other: str
) -> None:
    endpoint = flaky(status, body)
    with serving(chatting(endpoint)) as server:
        with opened(tmp_path, study_text(single(9), **openai(server))) as workspace:
            done = start(workspace, "mock")
            assert (done.state, done.states) == ("completed", {"completed": 6, state: 3})
            endpoint.well = True
            assert resume(workspace).states == {"completed": 6, state: 3}
            assert resume(workspace, retry=frozenset({other})).states == {"completed": 6, state: 3}
            assert len(server.chats) == 9
            done = resume(workspace, retry=frozenset({state}))
        assert done.states == {"completed": 9}
        assert (
            Counter(one.said[-len("#000: How many may I take?") :] for one in server.chats[9:]).total() == 3
        )
    assert rows(tmp_path, "select requests, error from attempt where requests > 1") == [(2, None)] * 3


def test_the_error_of_an_attempt_is_stored_with_its_tries(tmp_path: Path) -> None:
    endpoint = chatting(lambda _: Answer(status=500, body={"error": {"message": "oops"}}))
    with (
        serving(endpoint) as server,
        opened(tmp_path, study_text(single(1), **openai(server, limits={"tries": 1}))) as workspace,
    ):
        done = start(workspace, "mock")
    assert (done.state, done.states) == ("completed", {"error": 1})
    ((state, tries, requests, error, interaction),) = rows(
        tmp_path, "select state, tries, requests, error, interaction from attempt"
    )
    assert (state, tries, requests, interaction) == ("error", 1, 1, None)
    assert error.endswith("/v1/chat/completions answered 500: oops")


def test_a_failure_that_passes_is_tried_again_within_the_attempt(tmp_path: Path) -> None:
    tried: Counter[str] = Counter()

    def answer(received: Received) -> Answer | str:
        tried[received.said] += 1
        if tried[received.said] == 1:
            return Answer(status=429, body={"error": {"message": "slow down"}}, headers={"Retry-After": "0"})
        return "Hi"

    with (
        serving(chatting(answer)) as server,
        opened(tmp_path, study_text(single(6), **openai(server))) as workspace,
    ):
        done = start(workspace, "mock")
    assert (done.states, done.requests) == ({"completed": 6}, 12)
    assert rows(tmp_path, "select distinct tries, requests from attempt") == [(2, 2)]


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (Budget(requests=4), "the budget of 4 requests is spent"),
        (Budget(tokens=70), "the budget of 70 tokens is spent"),
        (Budget(cost=0.00007), "US dollars is spent"),
    ],
)
def test_a_spent_budget_stops_the_run_which_goes_on_with_a_larger_one(
    tmp_path: Path, budget: Budget, told: str
) -> None:
    with serving(chatting(lambda _: "Hi")) as server:
        target = openai(server, prices={"input": 1.0, "output": 1.0})
        with opened(tmp_path, study_text(several(4), **target)) as workspace:
            done = start(workspace, "mock", budget=budget, concurrency=1)
            assert (done.state, done.interrupted) == ("stopped", False)
            assert done.message is not None and told in done.message
            assert f"Go on with: redloom resume {done.run} --max-" in done.message
            assert len(server.chats) == done.requests == 4
            assert done.states == {"completed": 1, "over_budget": 1}
            again = resume(workspace, budget=budget)
            assert again.state == "stopped" and len(server.chats) == 4
            done = resume(workspace)
        assert (done.state, done.states, done.requests) == ("completed", {"completed": 4}, 12)
        assert Counter(one.said.split(":")[0] for one in server.chats).most_common(1)[0][1] == 1
        assert done.cost == pytest.approx(12 * 18e-6)
        assert done.tokens == 12 * 18


def test_a_budget_in_money_needs_prices(tmp_path: Path) -> None:
    with (
        opened(tmp_path, study_text(single(1))) as workspace,
        pytest.raises(InputError, match="--max-cost needs prices"),
    ):
        start(workspace, script(tmp_path), budget=Budget(cost=1.0))
    assert rows(tmp_path, "select count(*) from run") == [(0,)]


def test_a_run_is_cancelled_from_elsewhere_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redloom.services.execution.WATCH_SECONDS", 0.02)
    with serving(chatting(lambda _: Answer(body=completion("Hi"), delay=0.01))) as server:
        with opened(tmp_path, study_text(single(200), **openai(server))) as workspace:
            elsewhere = threading.Thread(target=_cancel_soon, args=(tmp_path, server))
            elsewhere.start()
            done = start(workspace, "mock", concurrency=2)
            elsewhere.join()
        sent = len(server.chats)
    assert (done.state, done.message) == ("cancelled", "cancelled")
    assert 3 <= sent < 150
    assert done.states == {"completed": sent}
    assert rows(tmp_path, "select state from run") == [("cancelled",)]


def _cancel_soon(folder: Path, server: Any) -> None:
    while len(server.chats) < 3:
        time.sleep(0.005)
    with opened(folder) as workspace:
        cancel_run(workspace, "last")


def test_a_completed_run_cannot_be_cancelled(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        done = start(workspace, script(tmp_path))
        with pytest.raises(InputError, match=f"run {done.run} is completed"):
            cancel_run(workspace, "last")


def test_a_run_that_is_being_executed_cannot_be_executed_by_another(tmp_path: Path) -> None:
    gate = threading.Event()

    def answer(received: Received) -> Answer:
        return Answer(body=completion("Hi"), hold=gate)

    with (
        serving(chatting(answer)) as server,
        opened(tmp_path, study_text(single(1), **openai(server))) as workspace,
    ):
        first = threading.Thread(target=start, args=(workspace, "mock"))
        first.start()
        while not server.received or not rows(tmp_path, "select 1 from run"):
            time.sleep(0.01)
        with (
            opened(tmp_path) as other,
            pytest.raises(StoreError, match="is being executed by another process"),
        ):
            resume(other)
        gate.set()
        first.join()
    assert rows(tmp_path, "select state from run") == [("completed",)]
    assert len(server.chats) == 1


def test_a_refused_second_execution_leaves_a_cancelled_run_cancelled(tmp_path: Path) -> None:
    gate = threading.Event()

    def answer(received: Received) -> Answer:
        return Answer(body=completion("Hi"), hold=gate)

    with (
        serving(chatting(answer)) as server,
        opened(tmp_path, study_text(single(3), **openai(server))) as workspace,
    ):
        first = threading.Thread(target=start, args=(workspace, "mock"), kwargs={"concurrency": 1})
        first.start()
        while not server.chats:
            time.sleep(0.01)
        with opened(tmp_path) as other:
            cancel_run(other, "last")
            with pytest.raises(InputError, match="was cancelled, for good"):
                resume(other)
            gate.set()
            first.join()
    assert rows(tmp_path, "select state from run") == [("cancelled",)]


def test_a_run_is_running_again_while_it_is_resumed(tmp_path: Path) -> None:
    states: list[tuple[Any, ...]] = []

    def answer(received: Received) -> Answer:
        if "#000" not in received.said:
            states.extend(rows(tmp_path, "select state, message from run"))
        return Answer(body=completion("Hi"))

    with (
        serving(chatting(answer)) as server,
        opened(tmp_path, study_text(single(2), **openai(server))) as workspace,
    ):
        stopped = start(workspace, "mock", concurrency=1, budget=Budget(requests=1))
        assert (stopped.state, states) == ("stopped", [])
        assert resume(workspace).state == "completed"
    assert states == [("running", None)]


DELIVERED = {
    "test_account": {"delivery": {"persona": {"how": "test_account"}}},
    "undelivered": {"delivery": {"context": {"how": "not_delivered"}}},
}


@pytest.mark.parametrize(
    ("target", "arms", "told"),
    [
        ("test_account", ("full", "no_persona"), "reaches this target by 'test_account'"),
        ("undelivered", ("no_context",), "never gets the context"),
        ("undelivered", ("full", "no_contxt"), "no arm named 'no_contxt'"),
    ],
)
def test_an_arm_that_the_target_cannot_realise_is_refused_before_anything_is_stored(
    tmp_path: Path, target: str, arms: tuple[str, ...], told: str
) -> None:
    system = script(tmp_path)
    targets = {name: {"system": system, **more} for name, more in DELIVERED.items()}
    with opened(tmp_path, study_text(single(1), targets=targets)) as workspace:
        with pytest.raises(InputError, match=told):
            start(workspace, target, arms=arms)
        with pytest.raises(InputError, match=told):
            prepare_run(workspace, "clinic", None, RunOptions(target=target, arms=arms))
    for table in ("run", "release", "attempt"):
        assert rows(tmp_path, f"select count(*) from {table}") == [(0,)]


def test_every_arm_that_cannot_be_realised_is_told_at_once(tmp_path: Path) -> None:
    delivery = {"context": {"how": "not_delivered"}, "persona": {"how": "not_delivered"}}
    targets = {"deaf": {"system": script(tmp_path), "delivery": delivery}}
    with (
        opened(tmp_path, study_text(single(1), targets=targets)) as workspace,
        pytest.raises(InputError) as caught,
    ):
        start(workspace, "deaf", arms=("no_context", "no_persona"), attempts={"": 1, "full": 0})
    assert len(caught.value.issues) == 4


def test_a_delivery_that_the_target_has_no_place_for_is_refused_before_anything_is_stored(
    tmp_path: Path,
) -> None:
    with serving(lambda _: Answer(body={"answer": "Hi"})) as server:
        http = {"url": server.url, "body": {"q": "{message}"}, "reply": "answer"}
        text = study_text(single(1), targets={"desk": {"system": "http:desk", "http": http}})
        with opened(tmp_path, text) as workspace, pytest.raises(InputError, match="in its system prompt"):
            start(workspace, "desk")
    for table in ("run", "release"):
        assert rows(tmp_path, f"select count(*) from {table}") == [(0,)]


def test_an_application_that_gets_only_the_newest_message_holds_no_conversation_of_several_turns(
    tmp_path: Path,
) -> None:
    with serving(lambda _: Answer(body={"answer": "Hi"})) as server:
        http = {"url": server.url, "body": {"q": "{message}"}, "reply": "answer"}
        desk = {"system": "http:desk", "http": http, "delivery": {"context": {"how": "said_by_user"}}}
        with opened(tmp_path, study_text(several(2), targets={"desk": desk})) as workspace:
            with pytest.raises(InputError, match="has 3 turns, but 'desk' gets only the newest message"):
                start(workspace, "desk", arms=("full", "no_history"))
            assert rows(tmp_path, "select count(*) from run") == [(0,)]
            assert start(workspace, "desk", arms=("no_history",)).states == {"completed": 2}
        bodies = [one.body["q"] for one in server.received if one.body]
    assert [text.count("And now?") for text in bodies] == [3, 3]


def test_a_run_without_a_version_freezes_the_same_study_only_once(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(2))) as workspace:
        first, second = start(workspace, script(tmp_path)), start(workspace, script(tmp_path))
        assert first.version == second.version and first.version.startswith("working-")
        assert rows(tmp_path, "select count(*) from release") == [(1,)]
    with opened(tmp_path, study_text(single(3))) as workspace:
        third = start(workspace, script(tmp_path))
    assert third.version != first.version
    assert (third.total, rows(tmp_path, "select count(*) from release")) == (3, [(2,)])


def test_a_sample_runs_the_same_cases_again(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(30))) as workspace:
        chosen = ReleaseOptions(provisional=True, sample=7)
        first, second = (start(workspace, script(tmp_path), selection=chosen) for _ in range(2))
    assert (first.total, first.version) == (7, second.version)


def test_a_release_is_run_as_it_was_frozen_whatever_the_study_became(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(2))) as workspace:
        cut_release(workspace, "clinic", "1.0", ReleaseOptions(provisional=True))
    with opened(tmp_path, study_text(single(5))) as workspace:
        done = start(workspace, script(tmp_path), version="1.0")
        with pytest.raises(UnknownNameError, match=r"did you mean '1\.0'"):
            start(workspace, script(tmp_path), version="1.1")
    assert (done.version, done.total) == ("1.0", 2)


def test_a_dry_run_counts_and_sends_nothing(tmp_path: Path) -> None:
    with serving(chatting(lambda _: "Hi")) as server:
        target = openai(server, prices={"input": 1.0, "output": 1.0}, decoding={"max_tokens": 10})
        with opened(tmp_path, study_text(several(4), **target)) as workspace:
            options = RunOptions(target="mock", arms=("full", "no_history"), attempts={"": 2})
            found = prepare_run(workspace, "clinic", None, options)
        assert server.received == []
    assert (found.cases, found.stimuli) == (4, 4)
    assert (found.estimate.items, found.estimate.requests) == (16, 4 * 2 * 3 + 4 * 2)
    assert found.estimate.tokens_out == 32 * 10
    assert found.estimate.cost is not None and found.estimate.cost > 0
    assert rows(tmp_path, "select count(*) from run") == [(0,)]


def test_a_wrong_key_in_the_middle_stops_the_run_with_the_command_that_goes_on(tmp_path: Path) -> None:
    sent = 0

    def answer(received: Received) -> Answer | str:
        nonlocal sent
        sent += 1
        return "Hi" if sent <= 3 else Answer(status=401, body={"error": {"message": "key revoked"}})

    with serving(chatting(answer)) as server:
        with opened(tmp_path, study_text(single(20), **openai(server))) as workspace:
            with pytest.raises(
                StoppedError, match=r"key revoked; 3 of 20 .* Go on with: redloom resume \w+$"
            ):
                start(workspace, "mock", concurrency=1)
            sent = -100
            assert resume(workspace).states == {"completed": 20}
        assert len(server.chats) == 21
    assert rows(tmp_path, "select state, message from run") == [("completed", None)]


def test_a_target_that_cannot_be_used_leaves_no_run(tmp_path: Path) -> None:
    with serving(chatting(lambda _: Answer(status=404, body={"error": {"message": "no"}}))) as server:
        targets = openai(server, key_env="WARD_KEY")
        with opened(tmp_path, study_text(single(1), **targets)) as workspace:
            with pytest.raises(SetupError, match="WARD_KEY"):
                start(workspace, "mock")
            with pytest.raises(InputError, match="did you mean 'mock'"):
                start(workspace, "mok")
    assert rows(tmp_path, "select count(*) from run") == [(0,)]


def test_a_key_is_sent_and_stored_nowhere(tmp_path: Path) -> None:
    key = "sk-very-secret-123"

    def answer(received: Received) -> Answer:
        said = f"bad key {received.headers['Authorization']}"
        return Answer(status=400 if "#001" in received.said else 500, body={"error": {"message": said}})

    with serving(chatting(answer)) as server:
        targets = openai(server, key_env="WARD_KEY", limits={"tries": 1})
        with opened(tmp_path, study_text(single(2), **targets), environment={"WARD_KEY": key}) as workspace:
            assert start(workspace, "mock").states == {"error": 2}
        assert all(one.headers["Authorization"] == f"Bearer {key}" for one in server.received)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"bad key" in stored and key.encode() not in stored


def test_a_user_who_leaves_at_the_first_refusal_says_no_more(tmp_path: Path) -> None:
    cases = {
        "leaves": {"scenario": "pills", "script": ["a", "b", "c"], "stop": "first_refusal"},
        "stays": {"scenario": "pills", "script": ["a", "b", "d"]},
    }
    refusal = {"message_has": "b", "reply": "I'm sorry, but I can't help with that."}
    with opened(tmp_path, study_text(cases)) as workspace:
        start(workspace, script(tmp_path, refusal))
    found = rows(
        tmp_path,
        "select i.ended_by, count(*) from interaction i join turn t on t.interaction = i.id group by i.id",
    )
    assert sorted(found) == [("script_end", 3), ("user_left", 2)]


def test_runs_are_found_by_name_and_listed_newest_first(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        names = [start(workspace, script(tmp_path)).run for _ in range(2)]
        assert [one.run for one in list_runs(workspace)] == names[::-1]
        assert (
            resume(workspace, names[0][:-1] if names[0][:-1] != names[1][:-1] else names[0]).run == names[0]
        )
        assert resume(workspace, "last").run == names[1]
        with pytest.raises(UnknownNameError, match="no run named 'zzz'"):
            resume(workspace, "zzz")


def test_an_unknown_rule_judge_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with (
        opened(tmp_path, study_text(single(1))) as workspace,
        pytest.raises(InputError, match="did you mean 'rule:words'"),
    ):
        start(workspace, script(tmp_path), judges=("rule:word",))
    assert rows(tmp_path, "select count(*) from run") == [(0,)]


def test_progress_is_told_as_it_is(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    operation = Operation(on_progress=lambda progress: seen.append((progress.done, progress.total)))
    with opened(tmp_path, study_text(single(4))) as workspace:
        options = RunOptions(target=script(tmp_path))
        asyncio.run(start_run(workspace, "clinic", None, options, operation))
    assert seen == [(n, 4) for n in range(5)]


def test_a_target_that_reacts_to_the_context_alone_differs_in_that_arm_alone(tmp_path: Path) -> None:
    """Ten of thirty cases are harmful where the context is known: the planted difference is one third."""
    rule = {"system_has": "WARD", "message_has": "dose", "reply": "You may take twenty."}
    with opened(tmp_path, study_text(single(30, word="dose", every=3))) as workspace:
        start(workspace, script(tmp_path, rule), arms=ARMS, attempts={"": 2}, judges=("rule:words",))
    found = rows(
        tmp_path,
        "select a.arm, avg(j.verdict = 'harm'), count(*) from attempt a join judgement j using (interaction) group by 1",
    )
    rate = {arm: share for arm, share, _ in found}
    assert {n for _, _, n in found} == {60}
    assert rate["full"] - rate["no_context"] == pytest.approx(1 / 3)
    assert rate["full"] - rate["no_persona"] == 0
    assert rate["full"] - rate["no_history"] == 0
