"""Systems on which nothing has an effect: nothing is printed as one; and systems with a planted effect, which is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import opened, start, study_text
from redloom.services.workspace import Workspace

from .planting import SCENARIO, panel, report_of

BOT = '''
import hashlib, re

def u(*k):
    return int.from_bytes(hashlib.sha256("|".join(map(str, k)).encode()).digest()[:6], "big") / 2**48

def iid(messages, system="", seed=None):
    """Nothing matters: one reply of five is harmful."""
    said = messages[-1]["content"]
    return "HARM" if u(seed, len(messages), system, said) < 0.2 else "fine"

def blind(messages, system="", seed=None):
    """Case rates from 0 to .9, drawn anew in every condition; the context has no effect."""
    k = int(re.search(r"opening (\\d+)", messages[0]["content"])[1]) % 10
    return "HARM" if u(seed, system, messages[0]["content"]) < k / 10 else "fine"

def shy(messages, system="", seed=None):
    """Declines three replies of ten at random."""
    said = messages[-1]["content"]
    return "I'm sorry, I can't help with that." if u(seed, len(messages), system, said) < 0.3 else "Of course."

def context_only(messages, system="", seed=None):
    return "HARM" if "WARD" in system else "fine"

def persona_only(messages, system="", seed=None):
    return "HARM" if any("twelve" in m["content"] for m in messages) else "fine"

def context_and_persona(messages, system="", seed=None):
    return "HARM" if "WARD" in system and any("twelve" in m["content"] for m in messages) else "fine"

def context_protects(messages, system="", seed=None):
    return "fine" if "WARD" in system else "HARM"
'''
JUDGE = {"by": "rule", "patterns": [{"any_of": ["HARM"], "verdict": "harm"}], "unit": "interaction"}


def open_ward(folder: Path, cases: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    (folder / "bot.py").write_text(BOT)
    monkeypatch.chdir(folder)
    scenarios = "".join(
        f"  {one['scenario']}: {json.dumps({'title': one['scenario'], **SCENARIO})}\n"
        for one in cases.values()
    )
    text = study_text(cases).replace("scenarios:\n", "scenarios:\n" + scenarios)
    return opened(folder, text.replace("judges:\n", f"judges:\n  harm-words: {json.dumps(JUDGE)}\n"))


def talks(count: int, *turns: str) -> dict[str, Any]:
    return {
        f"c{n:03}": {"scenario": f"s{n}", "script": [f"opening {n} {'abcdefgh'[n % 8] * 9}", *turns]}
        for n in range(count)
    }


def judged(workspace: Workspace, bot: str, judge: str = "rule:harm-words", **more: Any) -> Any:
    start(workspace, f"python:bot:{bot}", judges=(judge,), **more)
    return panel(workspace, judge)


def differences(workspace: Workspace, bot: str, *arms: str, **more: Any) -> dict[str, Any]:
    found = judged(workspace, bot, arms=("full", *arms), **more)
    return {one.arm: one for one in found.differences}


def effects(workspace: Workspace) -> list[str]:
    return [
        line
        for line in report_of(workspace).summary
        if " higher than in " in line or " lower than in " in line
    ]


def test_more_replies_are_more_chances_and_no_effect_of_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ward(tmp_path, talks(60, "and then?", "and what else?"), monkeypatch) as workspace:
        found = differences(workspace, "iid", "no_history")["no_history"]
        rates = {one.arm: one.rate.value for one in panel(workspace, "rule:harm-words").by_arm}
        assert (
            rates["full"] - rates["no_history"] > 0.1
        )  # the artefact is there, and is not told as an effect
        assert (found.value, found.unequal, found.p_value) == (None, 60, None)
        assert "more replies are more chances" in found.reason
        assert effects(workspace) == []
        assert any(
            "no effect of the condition 'no history' is told" in one for one in report_of(workspace).summary
        )


def test_a_turn_that_vanishes_with_the_persona_is_no_effect_of_the_persona(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = talks(60, "{me}", "and then?")
    for one in cases.values():
        one["slots"] = {"me": "persona.disclosure"}
    with open_ward(tmp_path, cases, monkeypatch) as workspace:
        found = differences(workspace, "iid", "no_persona")["no_persona"]
        assert (found.value, found.unequal) == (None, 60)
        assert effects(workspace) == []


def test_redrawing_alone_is_no_effect_of_the_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_ward(tmp_path, talks(40), monkeypatch) as workspace:
        found = differences(workspace, "blind", "no_context", attempts={"": 3})["no_context"]
        assert found.low <= 0 <= found.high
        assert not found.clear
        (line,) = effects(workspace)
        assert "the interval includes 0, so no difference is possible too" in line
        assert "chance" not in line


def test_refusals_are_counted_by_the_reply_so_that_long_conversations_are_like_short_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ward(tmp_path, talks(60, "and then?", "and what else?"), monkeypatch) as workspace:
        found = judged(workspace, "shy", "rule:refusal", arms=("full", "no_history"))
        assert (found.overall.counts, found.overall.n) == ("reply", 180)
        assert found.overall.value == pytest.approx(0.3, abs=0.09)
        (difference,) = found.differences
        assert difference.low <= 0 <= difference.high


@pytest.mark.parametrize(
    ("bot", "expected"),
    [
        ("context_only", {"no_context": 1, "no_persona": 0, "no_context+no_persona": 1}),
        ("persona_only", {"no_context": 0, "no_persona": 1, "no_context+no_persona": 1}),
        ("context_and_persona", {"no_context": 1, "no_persona": 1, "no_context+no_persona": 1}),
        ("context_protects", {"no_context": -1, "no_persona": 0, "no_context+no_persona": -1}),
    ],
)
def test_a_planted_effect_is_found_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bot: str, expected: dict[str, int]
) -> None:
    with open_ward(tmp_path, talks(40), monkeypatch) as workspace:
        found = differences(workspace, bot, *expected)
        assert {arm: one.value for arm, one in found.items()} == expected
        assert {arm for arm, one in found.items() if one.clear} == {arm for arm, d in expected.items() if d}


def test_unequal_attempts_do_not_tilt_the_count_of_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ward(tmp_path, talks(400), monkeypatch) as workspace:
        found = differences(workspace, "iid", "no_context", attempts={"full": 4, "no_context": 1})[
            "no_context"
        ]
        # one reply of five in both: .2 * .8 either way
        assert found.only_full / 400 == pytest.approx(0.16, abs=0.04)
        assert found.only_arm / 400 == pytest.approx(0.16, abs=0.04)
        assert found.only_full - found.only_arm == pytest.approx(400 * found.value, abs=1e-6)
