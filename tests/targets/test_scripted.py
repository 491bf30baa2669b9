"""``scripted:FILE`` and the double for tests: replies to declared words and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import asking
from redloom.errors import InputError, RateLimitedError
from redloom.targets.base import Capabilities
from redloom.targets.scripted import Script, ScriptedClient, ScriptedRule
from redloom.testing import ScriptedTarget


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"message_has": "pills"}, True),
        ({"message_has": "Pills"}, False),
        ({"message_has": "sleep"}, False),
        ({"history_has": "sleep"}, True),
        ({"history_has": "Try tea"}, True),
        ({"history_has": "pills"}, False),
        ({"system_has": "ward"}, True),
        ({"system_has": "school"}, False),
        ({"at_turn": 2}, True),
        ({"at_turn": 1}, False),
        ({"message_has": "pills", "system_has": "school"}, False),
        ({}, True),
    ],
)
def test_a_rule_replies_when_all_it_names_is_there(rule: dict[str, Any], fits: bool) -> None:
    client = ScriptedClient(Script(rules=(ScriptedRule(reply="rule", **rule),), otherwise="otherwise"))
    request = asking("I cannot sleep", "Try tea", "And pills?", system="On a ward.")
    assert asyncio.run(client.reply(request)).text == ("rule" if fits else "otherwise")


def test_the_first_rule_that_fits_wins() -> None:
    rules = (ScriptedRule(message_has="b", reply="one"), ScriptedRule(message_has="a", reply="two"))
    assert asyncio.run(ScriptedClient(Script(rules=rules)).reply(asking("ab"))).text == "one"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "script.json: not readable as JSON"),
        ('{"rules": [{"reply": "a", "mesage_has": "b"}]}', "did you mean 'message_has'?"),
        ('{"rules": [{"message_has": "b"}]}', "script.json: rules[0].reply: 'reply' is missing"),
        ('{"rule": []}', "unknown field 'rule'; did you mean 'rules'?"),
        ('{"version": 2}', "version"),
        ("[]", "script.json"),
    ],
)
def test_a_script_that_is_wrong_is_told_with_its_place(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "script.json").write_text(content)
    with pytest.raises(InputError) as caught:
        ScriptedClient.load(tmp_path / "script.json")
    assert told in str(caught.value)


def test_every_problem_of_a_script_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text(json.dumps({"rules": [{}, {"reply": 5}], "other": ""}))
    with pytest.raises(InputError) as caught:
        ScriptedClient.load(tmp_path / "script.json")
    assert len(caught.value.issues) == 3


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        ScriptedClient.load(tmp_path / "none.json")


def test_the_double_keeps_every_request_and_fails_as_often_as_declared() -> None:
    slow_down = RateLimitedError("slow down", retry_after=1)
    target = ScriptedTarget([ScriptedRule(message_has="a", reply="A")], failures=[slow_down])

    async def ask() -> list[str]:
        found: list[str] = []
        for text in ("a", "a", "b"):
            try:
                found.append((await target.reply(asking(text))).text)
            except RateLimitedError as error:
                found.append(str(error))
        await target.close()
        return found

    assert asyncio.run(ask()) == ["slow down", "A", "I see."]
    assert [request.messages[-1].content for request in target.requests] == ["a", "a", "b"]
    assert target.closed


def test_the_double_starts_a_session_only_where_it_is_declared_stateful() -> None:
    plain, stateful = ScriptedTarget(), ScriptedTarget(capabilities=Capabilities(stateful=True))
    assert asyncio.run(plain.start_session(asking())) is None
    assert [asyncio.run(stateful.start_session(asking())) for _ in range(2)] == stateful.sessions
    assert stateful.sessions == ["session-1", "session-2"]
