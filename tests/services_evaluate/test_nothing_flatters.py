"""Whatever is missing, copied or added: no bound falls and no state gets better, in no output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redloom.domain.gate import GateRules
from redloom.domain.judgement import Judgement
from redloom.domain.marks import fold
from redloom.report.data import Panel, Rate
from redloom.services.checks import bound_check, missing_check, never_check, step_check, unpaired_check
from redloom.services.measuring import measure_panel
from redloom.services.observing import CaseFacts, Observation, PanelKey
from redloom.services.outcomes import Basis, cells_of, tally
from redloom.services.pairing import change, pair
from redloom.services.rates import measure_rate

JUDGES = {
    unit: PanelKey("model", f"m-{unit}", "1", None, None, unit, ()) for unit in ("interaction", "turn_alone")
}
VALID = ("harm", "no_harm")
OTHER = ("unsure", "depends_on", "unparseable", "refused", "error", "skipped", None)
"""None: there is no judgement."""


@dataclass(frozen=True)
class Talk:
    """One conversation: where it stands, and what each judge says of each unit."""

    cluster: int
    stimulus: int
    harm: str
    arm: str
    index: int
    said: tuple[tuple[str, str | None], ...]
    """(judge, verdict, state or None), the turn judge's by turn."""
    state: str = "completed"


@st.composite
def runs(draw: st.DrawFn) -> list[Talk]:
    """Two conditions, some clusters with some stimuli, one or two attempts, conversations of one to three turns."""
    found: list[Talk] = []
    stimulus = 0
    for cluster in range(draw(st.integers(2, 7))):
        for _ in range(draw(st.integers(1, 3))):
            stimulus += 1
            turns, harm = draw(st.integers(1, 3)), draw(st.sampled_from(("h", "g")))
            for arm in ("full", "no_context"):
                for index in range(draw(st.integers(1, 2))):
                    verdicts = draw(st.lists(st.sampled_from(VALID), min_size=turns + 1, max_size=turns + 1))
                    said = (("interaction", verdicts[0]), *(("turn_alone", v) for v in verdicts[1:]))
                    found.append(Talk(cluster, stimulus, harm, arm, index, said))
    return found


def observed(talks: Sequence[Talk]) -> list[Observation]:
    return [_observation(one) for one in talks]


def _observation(talk: Talk) -> Observation:
    facts = CaseFacts(
        slug=f"c{talk.stimulus}",
        stimulus=f"s{talk.stimulus}",
        cluster=talk.cluster,
        cluster_name=f"k{talk.cluster}",
        near=talk.cluster,
        harm=talk.harm,
        context=f"x{talk.stimulus % 2}",
        persona="p",
        interaction_type="t",
        language="en",
        expected="help",
        tags={},
    )
    marks = {}
    for judge, key in JUDGES.items():
        ours = [said for name, said in talk.said if name == judge]
        made = [_judgement(n, said) for n, said in enumerate(ours) if said is not None]
        if made and talk.state == "completed":
            marks[(key, "")] = fold(made, expected=len(ours))
    turns = sum(name == "turn_alone" for name, _ in talk.said)
    return Observation(facts, talk.arm, talk.index, talk.state, None, 1, marks, chances=turns)


def _judgement(number: int, said: str) -> Judgement:
    valid = said in ("harm", "no_harm", "unsure", "depends_on")
    fields: dict[str, Any] = {"state": "ok", "verdict": said} if valid else {"state": said}
    turn = bytes([number]) * 16
    return Judgement(id=turn, interaction=b"i" * 16, turn=turn, instrument="x", **fields)


def panel(talks: Sequence[Talk], judge: str) -> Panel:
    return measure_panel(JUDGES[judge], observed(talks), ["full", "no_context"], {}, [])


def rates(found: Panel) -> dict[str, Rate]:
    rows = {"overall": found.overall, **{f"arm {one.arm}": one.rate for one in found.by_arm}}
    rows |= {f"harm {one.label}": one for one in found.by_harm}
    return rows | {f"{b.by} {one.label}": one for b in found.breakdowns for one in b.rates}


def replaced(talks: Sequence[Talk], at: int, unit: int, state: str | None) -> list[Talk]:
    one = talks[at % len(talks)]
    said = list(one.said)
    said[unit % len(said)] = (said[unit % len(said)][0], state)
    return [replace(one, said=tuple(said)) if each is one else each for each in talks]


def gate_states(talks: Sequence[Talk], baseline: Sequence[Talk], judge: str) -> dict[str, bool]:
    """Name of a condition -> whether it holds."""
    key, rules = JUDGES[judge], GateRules()

    def found(rows: Sequence[Talk], by_harm: bool = False, harm: str | None = None) -> Any:
        mine = [one for one in observed(rows) if one.arm == "full" and harm in (None, one.case.harm)]
        return tally(cells_of(mine), Basis(panel=key, measure="harm"), by_harm=by_harm)

    checks = [
        *(
            bound_check(f"all {share}", found(talks), share, level=0.95, weight=weight)
            for share in (0.3, 0.6, 0.9)
            for weight in ("cluster", "case")
        ),
        *(never_check(harm, found(talks, harm=harm)) for harm in ("h", "g")),
        *(
            missing_check(name, found(talks), allowed=allowed)
            for name, allowed in (("none", 0), ("some", 0.2))
        ),
    ]
    sides = [found(rows, by_harm=True).outcomes for rows in (baseline, talks)]
    step = step_check("all", change(*sides, level=0.9), 0.0)
    decided_again = unpaired_check(pair(*sides), rules)
    return {
        **{f"{one.kind} {one.name}": one.passed for one in checks},
        "baseline": step.passed and decided_again.passed,
    }


missing_verdicts = given(
    runs(), st.integers(0, 10_000), st.integers(0, 5), st.sampled_from(OTHER), st.sampled_from(sorted(JUDGES))
)


@settings(max_examples=15)
@missing_verdicts
def test_a_verdict_that_goes_missing_lowers_no_bound_and_betters_no_state(
    talks: list[Talk], at: int, unit: int, state: str | None, judge: str
) -> None:
    nothing_gets_better(talks, at, unit, state, judge)


@pytest.mark.slow
@settings(max_examples=600)
@missing_verdicts
def test_the_same_on_many_runs(talks: list[Talk], at: int, unit: int, state: str | None, judge: str) -> None:
    nothing_gets_better(talks, at, unit, state, judge)


def nothing_gets_better(talks: list[Talk], at: int, unit: int, state: str | None, judge: str) -> None:
    after = replaced(talks, at, unit, state)
    before_panel, after_panel = panel(talks, judge), panel(after, judge)
    mine, theirs = rates(before_panel), rates(after_panel)
    assert mine.keys() == theirs.keys()
    for name, rate in mine.items():
        now = theirs[name]
        assert now.bound is not None and rate.bound is not None, name
        assert now.bound >= rate.bound - 1e-12, name
        assert now.highest >= rate.highest - 1e-12, name  # type: ignore[operator]
        assert now.undecided >= rate.undecided, name
    for one, other in zip(before_panel.differences, after_panel.differences, strict=True):
        assert other.lowest is not None and one.lowest is not None
        assert other.lowest <= one.lowest + 1e-12
        assert other.highest >= one.highest - 1e-12  # type: ignore[operator]
    before_gate, after_gate = gate_states(talks, talks, judge), gate_states(after, talks, judge)
    assert {name for name, holds in after_gate.items() if holds} <= {
        name for name, holds in before_gate.items() if holds
    }


@settings(max_examples=40)
@given(runs(), runs(), st.integers(0, 10_000), st.integers(0, 5), st.sampled_from(OTHER))
def test_a_comparison_says_nothing_better_once_a_verdict_is_missing(
    talks: list[Talk], more: list[Talk], at: int, unit: int, state: str | None
) -> None:
    pool = {(one.stimulus, one.index): one for one in talks if one.arm == "full"}
    other = {(one.stimulus, one.index): one for one in more if one.arm == "full"}
    # the same stimuli on both sides, with verdicts of their own
    first = list(pool.values())
    second = [
        replace(
            one,
            said=tuple(
                (j, s) for (j, _), (_, s) in zip(one.said, _cycled(other, n, len(one.said)), strict=True)
            ),
        )
        for n, one in enumerate(first)
    ]
    after = replaced(second, at, unit, state)
    order = {"better": 0, "no change": 1, "open": 2, "worse": 2}
    for key in JUDGES.values():
        sides = [
            tally(cells_of(observed(rows)), Basis(panel=key, measure="harm"), by_harm=True).outcomes
            for rows in (first, second, after)
        ]
        whole, lacking = (change(sides[0], side, level=0.95) for side in sides[1:])
        assert order[lacking.verdict] >= order[whole.verdict]
        assert lacking.highest >= whole.highest - 1e-12  # type: ignore[operator]


def _cycled(other: dict[tuple[int, int], Talk], n: int, length: int) -> list[tuple[str, str | None]]:
    said = list(other.values())[n % len(other)].said
    return [said[i % len(said)] for i in range(length)]


@settings(max_examples=30)
@given(runs(), st.sampled_from(sorted(JUDGES)), st.sampled_from(("cluster", "case")), st.data())
def test_a_copy_of_a_case_changes_nothing(
    talks: list[Talk], judge: str, weight: Any, data: st.DataObject
) -> None:
    copied = data.draw(st.sampled_from(sorted({one.stimulus for one in talks})))
    rows = observed(talks)
    copies = [
        replace(one, case=replace(one.case, slug="copy", tags={}))
        for one in rows
        if one.case.slug == f"c{copied}"
    ]
    basis = Basis(panel=JUDGES[judge], measure="harm", weight=weight)
    assert measure_rate("all", cells_of([*rows, *copies]), basis) == measure_rate(
        "all", cells_of(rows), basis
    )


@settings(max_examples=10)
@given(runs(), st.integers(0, 10_000), st.sampled_from(sorted(JUDGES)), st.sampled_from(("cluster", "case")))
def test_an_event_more_never_lowers_a_bound(talks: list[Talk], at: int, judge: str, weight: Any) -> None:
    basis = Basis(panel=JUDGES[judge], measure="harm", weight=weight)
    clean = [replace(one, said=tuple((j, "no_harm") for j, _ in one.said)) for one in talks]
    last = 0.0
    order = sorted(range(len(clean)), key=lambda n: (n * 7919 + at) % 10_007)
    for n in order:
        clean[n] = replace(clean[n], said=tuple((j, "harm") for j, _ in clean[n].said))
        now = measure_rate("all", cells_of(observed(clean)), basis).bound
        assert now is not None and now >= last - 1e-12
        last = now
