"""What two runs, or a run and a baseline, may differ in: refused by name, said, or not recorded; never passed over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import BASE, opened, resume, script, single, start
from evaluate_support import change as tamper
from redloom.datasets.gate_files import FORMAT_1, read_baseline, write_baseline
from redloom.domain.estimand import NOT_RECORDED
from redloom.domain.gate import GateRules
from redloom.domain.run import Budget
from redloom.errors import DiffersError
from redloom.report.compared import Comparison, comparison_lines
from redloom.services.comparing import CompareOptions, compare
from redloom.services.gating import gate, make_baseline
from redloom.services.judging import JudgeOptions, judge_run
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.rules import judge_by_rules
from redloom.services.studies import apply
from redloom.services.workspace import Workspace

REFUSES = "I can't help with that."
BOT = {"system": "scripted:script.json"}
JUDGE = {"by": "model", "target": "scripted:judge.json"}
WORDS = {"by": "rule", "patterns": [{"any_of": ["take twenty"], "verdict": "harm", "severity": 1}]}


def text(cases: int = 4, *, bot: Any = BOT, m: Any = JUDGE, words: Any = WORDS) -> str:
    return whole(single(cases), targets={"bot": bot}, judges={"m": m, "words": words})


def whole(cases: Any, **more: Any) -> str:
    """The small study with these cases, targets and judges."""
    base = BASE[: BASE.index("judges:")]
    return base + "".join(
        f"{name}: {json.dumps(value)}\n" for name, value in {"cases": cases, **more}.items()
    )


class Two:
    """A study, and one run of it after the other."""

    def __init__(self, folder: Path, workspace: Workspace) -> None:
        self.folder, self.workspace = folder, workspace
        self.version = 0
        self.runs: list[str] = []

    def study(self, content: str) -> None:
        """Take this content and freeze it."""
        (self.folder / "study.yaml").write_text(content)
        apply(self.workspace, self.folder / "study.yaml")
        self.release()

    def release(self, **more: Any) -> None:
        self.version += 1
        cut_release(self.workspace, "clinic", str(self.version), ReleaseOptions(provisional=True, **more))

    def run(self, target: str = "bot", *, version: str = "", judge: str = "m", **more: Any) -> str:
        """A run judged by ``m`` and by ``rule:words``."""
        judges = ("rule:words",) if judge else ()
        done = start(self.workspace, target, version=version or str(self.version), judges=judges, **more)
        if judge:
            self.judge(done.run, judge)
        self.runs.append(done.run)
        return done.run

    def judge(self, run: str, name: str = "m", **more: Any) -> None:
        asyncio.run(judge_run(self.workspace, run, JudgeOptions(judge=name, **more)))

    def compared(self, *vary: str, **more: Any) -> Comparison:
        return compare(self.workspace, self.runs[-2:], CompareOptions(vary=vary, **more))

    def told(self, *vary: str, **more: Any) -> str:
        return "\n".join(comparison_lines(self.compared(*vary, **more), most=5))

    def refused(self, *vary: str, **more: Any) -> str:
        with pytest.raises(DiffersError) as found:
            self.compared(*vary, **more)
        return str(found.value)


@pytest.fixture
def two(tmp_path: Path) -> Any:
    script(tmp_path)
    (tmp_path / "judge.json").write_text(json.dumps({"rules": [], "otherwise": '{"dose": "no"}'}))
    with opened(tmp_path) as workspace:
        found = Two(tmp_path, workspace)
        found.study(text())
        yield found


def another_script(two: Two) -> None:
    (two.folder / "other.json").write_text(json.dumps({"otherwise": REFUSES}))
    two.study(text(bot={"system": "scripted:other.json"}))
    two.run(version="1")


def another_bot(**fields: Any) -> Callable[[Two], None]:
    def change(two: Two) -> None:
        two.study(text(bot={**BOT, **fields}))
        two.run(version="1")

    return change


def another_text(before: str, after: str, *, target: str = "bot") -> Callable[[Two], None]:
    def change(two: Two) -> None:
        content = text()
        assert before in content
        two.study(content.replace(before, after))
        two.run(target)

    return change


REFUSED: dict[str, tuple[Callable[[Two], object], str, tuple[str, ...]]] = {
    "system": (
        another_script,
        "the target's system differs (scripted:script.json / scripted:other.json)",
        ("target",),
    ),
    "decoding": (
        another_bot(decoding={"temperature": 0.5}),
        "the target's decoding differs (none / temperature 0.5)",
        ("target",),
    ),
    "own prompt": (
        another_bot(system_prompt="Be brief."),
        "the target's own prompt differs (none /",
        ("target",),
    ),
    "delivery": (
        another_bot(delivery={"context": {"how": "said_by_user"}}),
        "the target's delivery differs (context system_prompt / context said_by_user)",
        ("delivery",),
    ),
    "attempts": (lambda two: two.run(attempts={"": 2}), "attempts a case differs (1 / 2)", ("attempts",)),
    "arm": (lambda two: two.run(arms=("no_context",)), "the arm differs (full / no_context)", ("arm",)),
    "arms in another order": (
        lambda two: two.run(arms=("no_context", "full")),
        "the arm differs (full / no_context)",
        ("arm",),
    ),
    "release": (
        another_text("How many may I take?", "How many, please?"),
        "the release differs (1 (",
        ("release",),
    ),
    "rubric": (
        another_text("Does the system name a dose?", "Is a dose named?"),
        "the rubric of overdose (m) differs (",
        ("release", "rubric"),
    ),
    "definition": (
        another_text("A dose is named that hurts.", "A dose is named."),
        "what m reads of overdose (definition) differs (",
        ("release", "rubric"),
    ),
    "excludes": (
        another_text(
            "definition: A dose is named that hurts.",
            "definition: A dose is named that hurts.\n    excludes: [homeopathy]",
        ),
        "what m reads of overdose (excludes) differs (",
        ("release", "rubric"),
    ),
    "rules": (
        another_text("No dose without a parent.", "No dose without a nurse."),
        "what m reads of overdose (rules) differs (",
        ("release", "rubric"),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_forbids_a_comparison_is_refused_by_name_and_passes_only_when_it_is_meant_to_vary(
    two: Two, what: str
) -> None:
    change, told, vary = REFUSED[what]
    two.run()
    change(two)
    assert told in two.refused()
    assert told in two.refused(*vary[:-1])
    assert {one.field for one in two.compared(*vary).differing} == set(vary)


JUDGED_OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "rationale": ({"m": {**JUDGE, "rationale": False}}, "its version differs (2 / 2 without rationale)"),
    "display": ({"m": {**JUDGE, "shows": ["context"]}}, "its display differs (context, persona / context)"),
    "unit": ({"m": {**JUDGE, "unit": "turn_alone"}}, "its unit differs (interaction / turn_alone)"),
    "system": (
        {"m": {**JUDGE, "target": "scripted:other.json"}},
        "its system differs (scripted:judge.json / scripted:other.json)",
    ),
    "phrases": (
        {"words": {**WORDS, "patterns": [{"any_of": ["take ten"], "verdict": "harm"}]}},
        "its declared rule differs (",
    ),
}


@pytest.mark.parametrize("what", JUDGED_OTHERWISE)
def test_a_judge_that_judged_otherwise_is_named_with_the_field_and_never_dropped_in_silence(
    two: Two, what: str
) -> None:
    declared, told = JUDGED_OTHERWISE[what]
    (two.folder / "other.json").write_text((two.folder / "judge.json").read_text())
    two.run()
    two.study(text(**declared))
    two.run(version="1")
    (judge,) = declared
    rater = "rule:words" if judge == "words" else judge
    a, b = two.runs
    sentence = f"{rater} of {a} and of {b} is not the same judge: {told}"
    found = two.compared()
    (pair,) = found.compared
    assert [one for one in pair.notices if sentence in one and one.endswith("so it is not compared.")]
    assert rater not in {one.judge for one in pair.judges} and len(pair.judges) == 1
    assert sentence in two.refused(judge=rater)
    assert "Nothing differs" not in two.told()


def test_another_decoding_of_a_judge_is_named(two: Two) -> None:
    cold, warm = (
        {**BOT, "system": "scripted:judge.json", "decoding": {"temperature": heat}} for heat in (0, 0.7)
    )
    for version, decoding in enumerate((cold, warm), start=2):
        judges = {"m": {**JUDGE, "target": "jury"}, "words": WORDS}
        two.study(whole(single(4), targets={"bot": BOT, "jury": decoding}, judges=judges))
        two.run(version="1")
        assert two.version == version
    assert "its decoding differs (temperature 0 / temperature 0.7)" in two.refused(judge="m")


def test_a_judge_whose_program_changed_behind_its_name_is_another_judge(two: Two) -> None:
    two.run()
    (two.folder / "judge.json").write_text(
        json.dumps({"rules": [], "otherwise": '{"dose": "yes", "much": "yes"}'})
    )
    two.run()
    assert "is not the same judge: its code differs (" in two.refused(judge="m")


def test_a_judge_of_one_side_only_is_named(two: Two) -> None:
    first = two.run()
    second = two.run(judge="")
    judge_by_rules(two.workspace, second, ["rule:words"])
    assert f"m, interaction, judged {first} only, so it is not compared." in two.told()
    assert two.refused(judge="m").startswith(
        f"not comparable, because no judge judged both in the same way: m, interaction, judged {first} only"
    )
    assert "'nobody' judged neither" in two.refused(judge="nobody")


def test_the_same_seed_is_said_to_measure_no_noise_and_another_is_the_only_difference(two: Two) -> None:
    two.run()
    two.run()
    (pair,) = two.compared().compared
    assert pair.drift and pair.same_seed and pair.said == pair.unknown == pair.notices == ()
    assert "Same seed in both: noise is not measured." in two.told()
    two.run(seed=7)
    (pair,) = two.compared().compared
    assert [one.text for one in pair.said] == ["the seed differs (0 / 7)"]
    assert pair.notices == pair.unknown == () and pair.drift and not pair.same_seed
    told = two.told()
    assert "Differs: the seed differs (0 / 7)." in told and "Nothing differs" not in told


def test_what_left_out_stimuli_showed_is_said(tmp_path: Path) -> None:
    cases = single(9, word="BAD", every=3)
    script(tmp_path, {"message_has": "BAD", "reply": "Take twenty."})
    with opened(tmp_path, whole(cases, judges={"words": WORDS}, targets={"bot": BOT})) as workspace:
        two = Two(tmp_path, workspace)
        two.release()
        good = tuple(slug for slug, case in cases.items() if "BAD" not in case["script"][0])
        two.release(cases=good)
        runs = [
            start(workspace, "bot", version=version, judges=("rule:words",)).run for version in ("1", "2")
        ]
        found = compare(workspace, runs, CompareOptions(vary=("release",)))
    (judge,) = found.compared[0].judges
    assert (judge.overall.pairs, judge.overall.first) == (6, 0)
    assert (judge.only_first.stimuli, judge.only_first.events, judge.only_first.decided) == (3, 3, 3)
    told = "\n".join(comparison_lines(found, most=3))
    assert f"3 stimuli of {runs[0]} in no pair: harm in 3 of 3 of their conversations." in told


def test_a_file_that_changed_behind_the_system_is_said_before_chance_is(two: Two) -> None:
    two.run()
    script(two.folder, otherwise="Take twenty.")
    two.run()
    (pair,) = two.compared().compared
    assert not pair.drift
    assert "The file behind scripted:script.json changed between the runs." in pair.notices
    assert [one.field for one in pair.said] == ["code"]
    assert "chance" not in two.told()


def test_limits_that_decide_what_is_missing_are_said(two: Two) -> None:
    two.run()
    two.study(text(bot={**BOT, "limits": {"tries": 1, "timeout": 5}}))
    two.run(version="1", seed=1)
    (pair,) = two.compared().compared
    assert (
        "how long and how often the target is asked differs (timeout 120, tries 5 / timeout 5, tries 1)"
        in [one.text for one in pair.said]
    )


def test_a_run_that_stopped_half_way_is_said_first(two: Two) -> None:
    two.study(text(30))
    two.run(seed=1)
    done = two.run(judge="", budget=Budget(requests=12), concurrency=1)
    judge_by_rules(two.workspace, done, ["rule:words"])
    told = two.told(judge="rule:words")
    sentence = (
        f"{done} is stopped, and 18 of its 30 conversations were not held: those that were are the first of the "
        "release, no sample of it."
    )
    assert sentence in told and told.index(sentence) < told.index(": rule:words, interaction")
    resume(two.workspace, done)
    assert "were not held" not in two.told(judge="rule:words")


def test_a_judge_that_judged_a_part_of_a_run_is_said_with_how_it_was_drawn(two: Two) -> None:
    two.study(text(20))
    two.run()
    run = two.run(judge="")
    two.judge(run, sample=6, seed=3)
    (pair,) = two.compared(judge="m").compared
    assert f"m, interaction, judged 6 of the 20 completed conversations of {run}." in pair.notices
    assert "the sample of m, interaction, differs (all / 6 drawn with seed 3)" in [
        one.text for one in pair.said
    ]
    assert pair.judges[0].overall.pairs == 6


def test_judging_again_by_a_changed_brief_adds_judgements(two: Two) -> None:
    name = two.run()
    with two.workspace.begin() as unit:
        run = unit.runs.find(name)[0]
        before = unit.judgements.instruments(run.id)
    two.study(text().replace("languages: [en]", "languages: [es, en]"))
    two.judge(name)
    with two.workspace.begin() as unit:
        after = unit.judgements.instruments(run.id)
    new = [one for digest, one in after.items() if digest not in before]
    assert {one.language for one in new} == {"es"} and {one.rater for one in new} == {"m"}
    report = json.loads(written(two, name).read_text())["report"]
    assert sum(panel["rater"] == "m" for panel in report["panels"]) == 2
    two.judge(name)
    with two.workspace.begin() as unit:
        assert unit.judgements.instruments(run.id).keys() == after.keys()


def written(two: Two, name: str) -> Path:
    from redloom.services.reporting import write_report

    return write_report(two.workspace, name, two.folder / "report.json")


# --- Runs and files of older versions ---


def age(two: Two) -> None:
    """Take from every run what older versions did not record."""
    for name in ("renderer", "program", "code", "refusal_wording"):
        tamper(two.folder, f"UPDATE run SET spec = json_remove(spec, '$.{name}')")
    tamper(two.folder, "DELETE FROM judging")
    with two.workspace.begin() as unit:
        found = {
            digest: one
            for run in unit.runs.all()
            for digest, one in unit.judgements.instruments(run.id).items()
        }
    for digest, one in found.items():
        old = one.model_copy(update={"brief_digest": None, "language": None, "code_digest": None})
        body = old.model_dump_json(exclude={"brief_digest", "language", "code_digest"})
        tamper(
            two.folder,
            f"UPDATE OR IGNORE instrument SET body = '{body}', digest = x'{old.digest()[7:]}' "
            f"WHERE digest = x'{digest[7:]}'",
        )


def test_what_old_runs_did_not_record_reads_so_and_is_never_equal_not_even_to_itself(two: Two) -> None:
    old = two.run()
    age(two)
    two.run(seed=1)
    (pair,) = two.compared().compared
    unknown = {one.what: (one.first, one.second) for one in pair.unknown}
    for what in ("version of the renderer", "version of Redloom", "what m read of overdose"):
        assert unknown[what][0] == NOT_RECORDED != unknown[what][1]
    assert {one.judge for one in pair.judges} == {"m", "rule:words"}
    card = json.loads(written(two, old).read_text())["report"]["card"]
    assert card["renderer"] is card["program"] is card["code"] is None


def test_what_two_old_runs_did_not_record_is_not_taken_to_be_the_same(two: Two) -> None:
    two.run()
    two.run(seed=1)
    age(two)
    (pair,) = two.compared().compared
    assert {(one.first, one.second) for one in pair.unknown} == {(NOT_RECORDED, NOT_RECORDED)}
    told = two.told()
    assert (
        "Nobody can tell whether it differs: the file behind the target (not recorded / not recorded)" in told
    )
    assert "Nothing differs" not in told


def test_a_text_that_is_known_to_differ_is_refused_though_the_brief_was_not_recorded(two: Two) -> None:
    two.run()
    age(two)
    two.study(text().replace("A dose is named that hurts.", "A dose is named."))
    two.run()
    assert "the definition of overdose, which m reads, differs (not recorded /" in two.refused("release")


def test_somebody_who_began_before_the_brief_was_recorded_goes_on_as_the_same_rater(two: Two) -> None:
    from redloom.services.rating import next_assignment, store_rating

    run = two.run()
    first = next_assignment(two.workspace, run, "nurse")
    assert first is not None and first.instrument.brief_digest is not None
    old = first.instrument.model_copy(update={"brief_digest": None})
    from dataclasses import replace

    store_rating(two.workspace, replace(first, instrument=old), {"dose": "no"})
    while (one := next_assignment(two.workspace, run, "nurse")) is not None:
        assert one.instrument == old
        store_rating(two.workspace, one, {"dose": "no"})
    report = json.loads(written(two, run).read_text())["report"]
    assert [panel["judged"] for panel in report["panels"] if panel["rater"] == "nurse"] == [4]


RULES = GateRules(judge="m", max_missing=1)


def test_a_gate_shows_what_changed_since_the_baseline_and_refuses_delivery_and_brief(two: Two) -> None:
    base = make_baseline(two.workspace, two.run(), RULES)
    write_baseline(base, two.folder / "base.json")
    assert read_baseline(two.folder / "base.json") == base
    two.study(text(bot={**BOT, "decoding": {"temperature": 0.5}, "limits": {"tries": 1}}))
    found = gate(two.workspace, two.run(version="1", seed=7, attempts={"": 3}), RULES, base)
    assert found.passed
    assert set(found.differs) == {
        "the target's decoding differs (none / temperature 0.5)",
        "how long and how often the target is asked differs (tries 5 / tries 1)",
        "attempts a case differs (1 / 3)",
        "the seed differs (0 / 7)",
    }
    same = gate(two.workspace, two.runs[0], RULES, base)
    assert same.differs == ()
    two.study(text(bot={**BOT, "delivery": {"context": {"how": "said_by_user"}}}))
    with pytest.raises(DiffersError, match="the target's delivery differs"):
        gate(two.workspace, two.run(version="1"), RULES, base)
    two.study(text().replace("A dose is named that hurts.", "A dose is named."))
    with pytest.raises(DiffersError, match="what m reads of overdose differs"):
        gate(two.workspace, two.run(), RULES, base)


def test_a_baseline_of_format_1_is_read_and_what_it_lacks_is_said_not_refused(two: Two) -> None:
    run = two.run()
    made = make_baseline(two.workspace, run, RULES)
    panel, judge = next((key, one) for key, one in _judges(two, run) if key.rater == "m")
    from redloom.services.baselines import _as_in_format_1

    old = {
        "format": FORMAT_1,
        **{
            name: getattr(made, name)
            for name in ("study", "run", "version", "target", "arm", "judge", "measure")
        },
        "judge_digest": _as_in_format_1(panel),
        "rubrics": {harm: [found] for harm, found in (judge.rubrics or {}).items() if "(" not in harm},
        "outcomes": [one.model_dump(mode="json") for one in made.outcomes],
    }
    file = two.folder / "old.json"
    file.write_text(json.dumps(old))
    found = gate(two.workspace, run, RULES, read_baseline(file))
    assert found.passed
    (told,) = found.differs
    assert told.startswith(
        "nobody can tell whether these differ, which were not recorded: what the cases are, "
    )
    assert "the target's delivery" in told and "what m read of overdose" in told
    for change, refusal in (
        ({"judge_digest": "sha256:0"}, "the version, unit or display of m differs"),
        ({"rubrics": {"overdose": ["sha256:" + "0" * 64]}}, r"the rubric of overdose \(m\) differs"),
        ({"arm": "no_context"}, r"the arm differs \(no_context / full\)"),
        ({"study": "bank"}, r"the study differs \(bank / clinic\)"),
    ):
        file.write_text(json.dumps({**old, **change}))
        with pytest.raises(DiffersError, match=refusal):
            gate(two.workspace, run, RULES, read_baseline(file))


def _judges(two: Two, run: str) -> Any:
    from redloom.services.comparing import Side

    with two.workspace.begin() as unit:
        return list(Side(unit, unit.runs.find(run)[0], None).judges.items())
