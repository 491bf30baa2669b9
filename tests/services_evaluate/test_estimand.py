"""Whatever can change a number changes a line of the card of the run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate_support import opened, script, single, start, study_text
from redloom.domain.estimand import Card
from redloom.domain.judgement import Instrument, JudgingPass
from redloom.domain.rendering import Frames
from redloom.domain.run import RunSpec
from redloom.domain.target import Target
from redloom.services import estimand
from redloom.services.judging import JudgeOptions, judge_run
from redloom.services.observing import observe, panels_of
from redloom.services.panels import in_order, names_of

TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)
DIGESTS = st.integers(1, 2**32 - 1).map(lambda n: f"sha256:{n:08x}" + "0" * 56)


class Made:
    """The parts that a card is made of, read from a real run; any of them can be put in the place of another."""

    def __init__(self, unit: Any, run: Any) -> None:
        self.definitions = unit.releases(run.study_id).definitions(run.release_id)
        self.instruments = unit.judgements.instruments(run.id)
        self.run = run
        self.frames = Frames(self.definitions)
        self.manifest = unit.releases(run.study_id).by_id(run.release_id).manifest
        self.passes = unit.judgements.passes(run.id)
        self.spans = unit.judgements.spans(run.id)
        self.observations = list(observe(unit, run, self.frames, self.instruments))

    def lines(self, **other: Any) -> list[tuple[str, str]]:
        return list(self.card(**other).items())

    def card(self, **other: Any) -> Card:
        """The card, with these parts instead."""
        part = SimpleNamespace(**{**vars(self), **other})
        unit: Any = SimpleNamespace(
            releases=lambda _: SimpleNamespace(by_id=lambda _: SimpleNamespace(manifest=part.manifest)),
            judgements=SimpleNamespace(passes=lambda _: part.passes, spans=lambda _: part.spans),
        )
        judges = estimand.judges_of(unit, part.run, part.observations, part.instruments)
        return estimand.card_of(unit, part.run, part.observations, part.definitions, judges.values())

    def with_spec(self, **fields: Any) -> Any:
        spec = RunSpec.model_validate({**self.run.spec.model_dump(), **fields})
        return replace(self.run, spec=spec)

    def with_target(self, **fields: Any) -> Any:
        target = Target.model_validate({**self.run.spec.target.model_dump(), **fields})
        return self.with_spec(target=target.model_dump(), target_digest=target.system_digest())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generator[Made]:
    folder = tmp_path_factory.mktemp("card")
    (folder / "judge.json").write_text(json.dumps({"rules": [], "otherwise": '{"dose": "no"}'}))
    with opened(folder, study_text(single(3))) as workspace:
        name = start(workspace, script(folder), judges=("rule:words",), attempts={"": 2}).run
        asyncio.run(judge_run(workspace, name, JudgeOptions(judge="scripted:judge.json")))
        with workspace.begin() as unit:
            yield Made(unit, unit.runs.find(name)[0])


HTTP = {"url": "http://127.0.0.1/chat", "body": {"q": "{message}"}, "reply": "a"}
OF_TARGET: dict[str, st.SearchStrategy[Any]] = {
    "system": TEXTS.map(lambda rest: f"openai:{rest}"),
    "base_url": TEXTS.map(lambda name: f"http://{name}/v1"),
    "system_prompt": TEXTS,
    "decoding": st.fixed_dictionaries(
        {"temperature": st.floats(0, 2).map(lambda heat: round(heat, 3))},
        optional={"top_p": st.just(0.5), "max_tokens": st.integers(1, 99), "seed": st.just("none")},
    )
    | st.fixed_dictionaries(
        {"extra": st.dictionaries(TEXTS, st.integers(0, 999) | TEXTS, min_size=1, max_size=2)}
    )
    | st.fixed_dictionaries({"stop": st.lists(TEXTS, min_size=1, max_size=2)}),
    "delivery": st.sampled_from(["context", "persona"]).flatmap(
        lambda factor: st.fixed_dictionaries(
            {factor: st.fixed_dictionaries({"how": st.just("request_field")}, optional={"field": TEXTS})}
        )
    )
    | st.fixed_dictionaries(
        {"context": st.fixed_dictionaries({"how": st.just("system_prompt"), "template": TEXTS})}
    ),
    "http": TEXTS.map(lambda path: {**HTTP, "reply": path}),
    "limits": st.fixed_dictionaries({"tries": st.integers(6, 20)})
    | st.fixed_dictionaries({"timeout": st.floats(1, 100).map(lambda seconds: round(seconds, 1))})
    | st.fixed_dictionaries({"concurrency": st.integers(1, 99)})
    | st.fixed_dictionaries({"requests_per_minute": st.integers(1, 99)}),
}
NOT_OF_NUMBERS = {"prices", "key_env"}
OF_SPEC: dict[str, st.SearchStrategy[Any]] = {
    "version": TEXTS,
    "release_digest": DIGESTS,
    "frame": st.sampled_from(["release", "imported"]),
    "target_name": TEXTS,
    "attempts": st.integers(3, 99).map(lambda many: {"full": many}),
    "seed": st.integers(1, 2**31),
    "renderer": st.none() | st.integers(2, 99),
    "refusal_wording": st.none() | TEXTS.filter(lambda text: text != "2"),
    "program": st.none() | TEXTS,
    "code": st.none() | DIGESTS,
}
OF_INSTRUMENT: dict[str, st.SearchStrategy[Any]] = {
    "rater": TEXTS,
    "version": TEXTS.filter(lambda text: text != "2"),
    "target_digest": DIGESTS,
    "rule_digest": DIGESTS,
    "harm": TEXTS,
    "rubric_digest": DIGESTS,
    "variant": TEXTS,
    "unit": st.sampled_from(["turn_alone", "turn_in_context"]),
    "shows": st.sampled_from([(), ("persona",)]),
    "brief_digest": st.none() | DIGESTS,
    "language": st.none() | st.sampled_from(["es", "de"]),
    "code_digest": DIGESTS,
}


def test_the_strategies_know_every_field_there_is() -> None:
    assert OF_TARGET.keys() | NOT_OF_NUMBERS == Target.model_fields.keys()
    assert (
        OF_SPEC.keys() | {"study", "target", "target_digest", "arms", "judges"} == RunSpec.model_fields.keys()
    )
    assert OF_INSTRUMENT.keys() | {"rater_kind"} == Instrument.model_fields.keys()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_field_of_the_target_that_changes_changes_a_line(made: Made, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(OF_TARGET)))
    run = made.with_target(**{name: data.draw(OF_TARGET[name])})
    assert made.lines(run=run) != made.lines()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_field_of_the_run_that_changes_changes_a_line(made: Made, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(OF_SPEC)))
    run = made.with_spec(**{name: data.draw(OF_SPEC[name])})
    assert made.lines(run=run) != made.lines()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_field_of_an_instrument_that_changes_changes_a_line(made: Made, data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(OF_INSTRUMENT)))
    number = next(
        key for key, one in made.instruments.items() if one.rater_kind == "model" and not one.variant
    )
    changed = made.instruments[number].model_copy(update={name: data.draw(OF_INSTRUMENT[name])})
    assert made.lines(instruments={**made.instruments, number: changed}) != made.lines()


def test_cases_found_on_the_system_users_who_leave_and_what_was_not_held_change_a_line(made: Made) -> None:
    first, *rest = made.observations

    def of_case(**fields: Any) -> Any:
        return [replace(one, case=replace(one.case, **fields)) for one in made.observations]

    for changed in (
        of_case(selected=True),
        of_case(leaves=True),
        [replace(first, state="pending"), *rest],
        [replace(first, marks={}), *rest],
    ):
        assert made.lines(observations=changed) != made.lines()


def test_what_a_judge_was_given_changes_a_line(made: Made) -> None:
    (of_model,) = [one for one in made.passes if one.target_digest]
    for fields in (
        {"sample": 5},
        {"sample": 5, "seed": 3},
        {"program": "another"},
        {"system": "openai:x"},
        {"decoding": {"temperature": 0.7}},
    ):
        changed = JudgingPass.model_validate({**of_model.model_dump(), **fields})
        assert made.lines(passes=[changed]) != made.lines(passes=[of_model])
    assert made.lines(passes=[]) != made.lines(passes=[of_model])
    drawn = [of_model.model_copy(update={"sample": 5, "seed": seed}) for seed in (0, 1)]
    assert made.lines(passes=drawn[:1]) != made.lines(passes=drawn[1:])


def test_a_rule_of_counting_that_changes_changes_a_line(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(made.lines())
    assert before["weight of a case"] == "each scenario with its twins counts the same"
    for name in ("CLUSTER_RULE", "MISSING_RULE", "AGGREGATION"):
        with monkeypatch.context() as patched:
            patched.setattr(estimand, name, "2")
            assert dict(made.lines()) != before
    head: Any = SimpleNamespace(protocol=SimpleNamespace(weight="case"))
    after = dict(made.lines(definitions={**made.definitions, ("study", "clinic"): head}))
    assert after["weight of a case"] == "each case counts the same"


def test_an_address_on_the_card_holds_no_password(made: Made) -> None:
    run = made.with_target(base_url="https://me:secret@host:8000/v1?key=secret")
    card = made.card(run=run)
    assert card.base_url == "https://host:8000/v1"
    assert "secret" not in card.model_dump_json()


def test_two_briefs_of_one_harm_are_two_judges_named_by_their_briefs(made: Made) -> None:
    number = next(
        key for key, one in made.instruments.items() if one.rater_kind == "model" and not one.variant
    )
    one = made.instruments[number]
    other = one.model_copy(update={"brief_digest": "sha256:" + "ab" * 32})
    panels = panels_of({**made.instruments, other.digest(): other})
    assert panels[number] != panels[other.digest()]
    assert panels[other.digest()].brief == "abababab"
    assert "brief abababab" in names_of(in_order(panels.values()))[panels[other.digest()]]
    alone = panels_of(made.instruments)
    assert alone[number].brief == "" and len(set(alone.values())) == 2


def test_judges_keep_one_panel_over_harms(made: Made) -> None:
    one = next(one for one in made.instruments.values() if one.rater_kind == "model" and not one.variant)
    other = one.model_copy(update={"harm": "silence", "brief_digest": "sha256:" + "cd" * 32})
    assert len(set(panels_of({"a": one, "b": other}).values())) == 1
    for fields in ({"version": "3"}, {"language": "es"}, {"code_digest": "x"}, {"unit": "turn_alone"}):
        apart = other.model_copy(update=fields)
        assert len(set(panels_of({"a": one, "b": apart}).values())) == 2


def test_a_judgement_of_an_instrument_that_recorded_no_brief_keeps_its_digest() -> None:
    """The digest of one as versions before stored it."""
    old = Instrument(rater_kind="model", rater="m", version="2", harm="overdose", shows=("context",))
    assert old.digest() == "sha256:8f9b0aa9fb66afe0865343c8b95f8f426c0b946b2061e35aa20bc546e2750969"


def test_code_digests_follow_the_file_that_was_loaded(tmp_path: Path) -> None:
    from redloom.targets.callable import CallableClient
    from redloom.targets.source import digest_of, source_digest

    file = tmp_path / "bot_of_a_card.py"
    file.write_text("def reply(messages):\n    return 'one'\n")
    CallableClient.load("bot_of_a_card:reply", tmp_path)
    loaded = source_digest("python:bot_of_a_card:reply", tmp_path)
    assert loaded == digest_of(file) != ""
    file.write_text("def reply(messages):\n    return 'two'\n")
    assert source_digest("python:bot_of_a_card:reply", tmp_path) == loaded
    (tmp_path / "script.json").write_text("{}")
    assert source_digest("scripted:script.json", tmp_path) == digest_of(tmp_path / "script.json")
    assert source_digest("openai:x", tmp_path) == source_digest("scripted:none.json", tmp_path) == ""
