"""One share of one run, wherever it is printed; and what a report says of names, sizes, attempts and harms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluate_support import start
from redloom.domain.gate import GateRules
from redloom.services.comparing import CompareOptions, compare
from redloom.services.conversations import Work
from redloom.services.gating import gate
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.reporting import write_report

from .planting import HARM, NO_HARM, UNREADABLE, independent, judge, number_of, panel, plant, report_of, ward


def lopsided(folder: Path, **more: Any) -> Any:
    """29 clusters of one case and one of 40."""
    cases = independent(29) | {
        f"d{n:03}": {
            "cluster": "huge",
            "harm": "overdose",
            "script": [f"big {n} {'xyzuvwqp'[n % 8] * 11} {n * 31}?"],
        }
        for n in range(40)
    }
    return ward(folder, cases, **more)


def says(work: Work, _: int) -> dict[str, Any]:
    return HARM if work.slug.startswith("d") or number_of(work) == 0 else NO_HARM


@pytest.mark.parametrize("weight", ["cluster", "case"])
def test_report_gate_and_compare_say_the_same_share_and_the_card_names_the_weight(
    tmp_path: Path, weight: str
) -> None:
    protocol = {"protocol": {"plan": "Count.", "weight": weight}}
    with lopsided(tmp_path, **protocol) as workspace:
        cut_release(workspace, "clinic", "1", ReleaseOptions(provisional=True))
        for _ in range(2):
            start(workspace, "scripted:bot.json", version="1")
            plant(workspace, "last", judge(), says)
        share = panel(workspace).overall
        expected = 2 / 30 if weight == "cluster" else 41 / 69
        assert share.value == pytest.approx(expected)
        assert (share.events, share.n) == (41, 69)
        compared = compare(workspace, ("last~1", "last"), CompareOptions()).compared[0].judges[0].overall
        assert (compared.first, compared.second) == (pytest.approx(expected), pytest.approx(expected))
        held = [
            one.message
            for one in gate(workspace, "last", GateRules(bounds={"all": 0.99})).checks
            if one.kind == "bound"
        ]
        assert f"upper bound {share.bound:.3f} at 95%" in held[0]
        card = dict(report_of(workspace).card.items())
        assert card["weight of a case"].startswith(
            "each case counts" if weight == "case" else "each scenario"
        )
        found = " ".join(report_of(workspace).summary)
        if weight == "cluster":
            assert "59\u00a0%; each independent cluster counting the same, 7\u00a0%" in found


def test_a_cluster_that_holds_most_cases_is_named_with_what_the_sizes_are_worth(tmp_path: Path) -> None:
    with lopsided(tmp_path) as workspace:
        start(workspace, "scripted:bot.json")
        plant(workspace, "last", judge(), says)
        (note,) = [
            one.text for one in report_of(workspace).notices if one.text.startswith("One cluster holds")
        ]
        assert note.startswith(
            "One cluster holds 58\u00a0% of the cases; by size the 30 clusters are worth 2.9 of equal size."
        )


def test_judges_of_one_name_are_told_apart_in_both_formats(tmp_path: Path) -> None:
    with ward(tmp_path, independent(12)) as workspace:
        start(workspace, "scripted:bot.json")
        plant(workspace, "last", judge(target_digest="sha256:" + "a" * 64), lambda *_: NO_HARM)
        plant(workspace, "last", judge(target_digest="sha256:" + "b" * 64), lambda *_: HARM)
        plant(workspace, "last", judge(unit="turn_alone"), lambda *_: NO_HARM)
        names = [one.name for one in report_of(workspace).panels]
        assert len(set(names)) == 3 and all(name.startswith("planted (") for name in names)
        for suffix in ("md", "html"):
            text = write_report(workspace, "last", tmp_path / f"r.{suffix}").read_text()
            assert all(name in text for name in names)


def test_more_attempts_are_a_curve_over_the_same_cases_only(tmp_path: Path) -> None:
    def by_attempt(work: Work, _: int) -> dict[str, Any]:
        lost = work.attempt.index > 0 and number_of(work) < few
        return UNREADABLE if lost else HARM if work.attempt.index == 1 else NO_HARM

    with ward(tmp_path, independent(20)) as workspace:
        few = 6
        start(workspace, "scripted:bot.json", attempts={"": 3})
        plant(workspace, "last", judge("mostly"), by_attempt)
        few = 18
        plant(workspace, "last", judge("hardly"), by_attempt)
        mostly, hardly = panel(workspace, "mostly").at_k, panel(workspace, "hardly").at_k
        page = write_report(workspace, "last", tmp_path / "r.html").read_text()
    assert [(one.cases, one.left_out) for one in mostly] == [(14, 6)] * 3
    assert [one.cases for one in hardly] == [20, 2, 2]
    assert page.count('aria-label="share of cases by number of attempts"') == 1


def test_the_document_holds_all_that_its_shares_are_made_from(tmp_path: Path) -> None:
    with lopsided(tmp_path) as workspace:
        start(workspace, "scripted:bot.json", attempts={"": 2})
        plant(workspace, "last", judge(), says)
        made = json.loads(write_report(workspace, "last", tmp_path / "r.json").read_text())
    (found,) = made["report"]["panels"]
    shares: dict[int, dict[str, list[float]]] = {}
    for one in made["attempts"]:
        (mark,) = [m for m in one["marks"] if m["judge"] == found["key"] and not m["variant"]]
        shares.setdefault(one["cluster"], {}).setdefault(one["stimulus"], []).append(
            mark["verdict"] == "harm"
        )
    means = [np.mean([np.mean(tries) for tries in of.values()]) for of in shares.values()]
    assert found["overall"]["value"] == pytest.approx(np.mean(means))
    assert {one["seed"] for one in made["attempts"]} == {
        t["seed"] for case in made["cases"] for t in case["transcripts"]
    }
    assert all(j["instrument"] for c in made["cases"] for t in c["transcripts"] for j in t["judgements"])


def test_the_worst_harm_leads_where_harms_differ(tmp_path: Path) -> None:
    cases = independent(15) | independent(60, harm="silence", start=15)
    with ward(tmp_path, cases) as workspace:
        start(workspace, "scripted:bot.json")
        plant(workspace, "last", judge(), lambda work, _: HARM if number_of(work) < 13 else NO_HARM)
        plant(workspace, "last", judge(harm="silence"), lambda *_: NO_HARM)
        line = report_of(workspace).summary[1]
    assert line.startswith(
        "The model judge 'planted' found harm most where 'Overdose' was in question: in 13 of 15"
    )
    assert "so the share over all of them says what was asked" in line


def test_nothing_is_called_rough_or_unjudged_that_could_not_be_otherwise(tmp_path: Path) -> None:
    with ward(tmp_path, {"one": independent(1)["c000"]}) as workspace:
        start(workspace, "scripted:bot.json")
        plant(workspace, "last", judge(), lambda *_: NO_HARM)
        assert not [one for one in report_of(workspace).notices if "interval" in one.text]
        with workspace.begin() as unit:
            unit.connection.exec_driver_sql("update attempt set state = 'error', interaction = null")
        assert not [one for one in report_of(workspace).notices if "Nobody has judged" in one.text]


def test_three_conditions_without_effect_are_corrected_together(tmp_path: Path) -> None:
    def by_chance(work: Work, _: int) -> dict[str, Any]:
        drawn = (number_of(work) * 7919 + len(work.attempt.arm) * 104_729) % 100
        return HARM if drawn < 30 else NO_HARM

    arms = ("full", "no_context", "no_persona", "no_context+no_persona")
    with ward(tmp_path, independent(60)) as workspace:
        start(workspace, "scripted:bot.json", arms=arms)
        plant(workspace, "last", judge(), by_chance)
        found = panel(workspace).differences
        assert [one.arm for one in found] == list(arms[1:])
        ordered = sorted(found, key=lambda one: one.p_value)
        assert ordered[0].adjusted == pytest.approx(min(1, 3 * ordered[0].p_value))
        assert all(one.adjusted >= one.p_value for one in found)
        lines = [line for line in report_of(workspace).summary if "In the condition" in line]
        assert len(lines) == 1
        largest = max(found, key=lambda one: abs(one.value))
        assert repr(largest.arm.replace("_", " ").replace("+", " and ")) in lines[0]
