"""``redloom target check``: what works with a target, by few requests, never showing a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import (
    Answer,
    Received,
    chatting,
    command,
    completion,
    opened,
    script,
    serving,
    single,
    study_text,
)
from redloom.services.blocking import wait_for
from redloom.services.targets import Checked, check_target

KEY = "sk-very-secret-123"


def obedient(received: Received) -> Answer | str:
    """A model that does what it is told."""
    if "response_format" in received.body:
        return '{"answer": "yes"}'
    return "Madder." if "madder" in received.body["messages"][0]["content"] else "Hello!"


def check(
    folder: Path,
    reply: Callable[[Received], Answer | str] = obedient,
    *,
    environment: Any = None,
    **target: Any,
) -> tuple[Checked, list[Received]]:
    with serving(chatting(reply)) as server:
        declared = {"mock": {"system": "openai:mock", "base_url": f"{server.url}/v1", **target}}
        with opened(folder, study_text(single(1), targets=declared), environment=environment) as workspace:
            return wait_for(check_target(workspace, "clinic", "mock")), server.received


def states(done: Checked) -> dict[str, str]:
    return {one.what: one.state for one in done.aspects}


def test_a_target_with_which_everything_works(tmp_path: Path) -> None:
    done, received = check(tmp_path, key_env="WARD_KEY", environment={"WARD_KEY": KEY})
    assert states(done) == {
        "answers": "ok",
        "key": "ok",
        "model": "ok",
        "system prompt": "ok",
        "structured output": "ok",
        "streaming": "unknown",
        "rate limits": "unknown",
        "latency": "ok",
    }
    assert done.requests == len(received) == 3
    said = {one.what: one.said for one in done.aspects}
    assert "WARD_KEY" in said["key"]
    assert said["streaming"].startswith("not tried")
    assert 0 < done.seconds < 5
    assert KEY not in repr(done)


def test_a_system_prompt_that_is_not_followed_is_not_known_to_be_honoured(tmp_path: Path) -> None:
    done, _ = check(tmp_path, lambda _: "Hello!")
    assert states(done)["system prompt"] == "unknown"
    assert states(done)["key"] == "unknown"
    assert states(done)["structured output"] == "no"


def test_a_target_that_turns_system_prompts_and_schemas_away_can_still_be_used(tmp_path: Path) -> None:
    def plain(received: Received) -> Answer | str:
        odd = "response_format" in received.body or received.body["messages"][0]["role"] == "system"
        return Answer(status=400, body={"error": {"message": "not here"}}) if odd else "Hello!"

    done, received = check(tmp_path, plain)
    found = states(done)
    assert (found["answers"], found["system prompt"], found["structured output"]) == ("ok", "no", "no")
    assert done.requests == len(received) == 4


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (
            {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "1", "x-request-id": "1"},
            "500 requests (",
        ),
        (
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-input-tokens-limit": "40000",
                "anthropic-ratelimit-tokens-reset": "soon",
            },
            "50 requests, 40000 input tokens (",
        ),
    ],
)
def test_rate_limits_are_read_from_the_headers(tmp_path: Path, headers: dict[str, str], said: str) -> None:
    done, _ = check(tmp_path, lambda _: Answer(body=completion("Hi"), headers=headers))
    found = {one.what: (one.state, one.said) for one in done.aspects}["rate limits"]
    assert found[0] == "ok"
    assert found[1].startswith(said)


def test_an_application_with_a_session_gets_one_for_the_message(tmp_path: Path) -> None:
    def answer(received: Received) -> Answer:
        return Answer(body={"id": "s1", "reply": "Hi"})

    with serving(answer) as server:
        template = {
            "url": f"{server.url}/talk/{{session}}",
            "body": {"text": "{message}"},
            "reply": "reply",
            "session": {"url": f"{server.url}/sessions", "id": "id"},
        }
        declared = {"app": {"system": "http:app", "http": template}}
        with opened(tmp_path, study_text(single(1), targets=declared)) as workspace:
            done = wait_for(check_target(workspace, "clinic", "app"))
    assert [one.path for one in server.received] == ["/talk/", "/sessions", "/talk/s1"]
    assert done.requests == 3
    assert (states(done)["model"], states(done)["system prompt"]) == ("unknown", "no")


def test_a_target_without_a_network_counts_what_it_was_asked(tmp_path: Path) -> None:
    name = script(tmp_path, {"system_has": "madder", "reply": "madder"})
    with opened(tmp_path, study_text(single(1))) as workspace:
        done = wait_for(check_target(workspace, "clinic", name))
    assert (done.requests, states(done)["system prompt"], states(done)["structured output"]) == (
        1,
        "ok",
        "no",
    )


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = command(folder, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_the_command_prints_a_line_for_each_aspect_and_the_requests(tmp_path: Path) -> None:
    name = script(tmp_path)
    with opened(tmp_path, study_text(single(1))):
        pass
    status, out, err = run(tmp_path, "target", "check", name)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{name}: a script with 0 rules"
    assert [line.split()[:3] for line in lines if line.startswith(("streaming", "answers"))] == [
        ["answers", "ok", "says"],
        ["streaming", "unknown", "not"],
    ]
    assert lines[-1] == "1 request sent"
    status, out, err = run(tmp_path, "target", "check", name, "--json")
    found = json.loads(out)
    assert (status, err, found["requests"]) == (0, "", 1)
    assert found["aspects"][0] == {"what": "answers", "state": "ok", "said": "says 'Ask a nurse.'"}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_target_that_cannot_be_used_is_one_sentence_and_status_2(tmp_path: Path, status: int) -> None:
    def refuse(received: Received) -> Answer:
        said = received.headers.get("Authorization", "")
        return Answer(status=status, body={"error": {"message": f"no to {said}"}})

    with serving(chatting(refuse)) as server:
        with opened(tmp_path, study_text(single(1))):
            pass
        ended, out, err = run(
            tmp_path, "target", "check", "openai:mock", "--base-url", f"{server.url}/v1", "--json"
        )
    assert (ended, out) == (2, "")
    assert err.startswith("redloom: ") and len(err.splitlines()) == 1
    assert str(status) in err
