"""The card says every field, and two cards are told apart by the field in which they differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redloom.domain.brief import brief_digest, changed_parts
from redloom.domain.estimand import (
    FIELDS,
    INSTRUMENT_FIELDS,
    NOT_RECORDED,
    Card,
    Drawn,
    Field,
    InstrumentCard,
    differences,
    instrument_differences,
    told,
)
from redloom.domain.harm import Harm
from redloom.domain.judgement import RaterKind
from redloom.domain.run import RunState

NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
DIGESTS = st.integers(0, 2**32 - 1).map(lambda n: f"sha256:{n:08x}" + "0" * 56)
COUNTS = st.integers(0, 10**6)
MAPPINGS = st.dictionaries(NAMES, NAMES | COUNTS, max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("cases", "clusters", "selected_on", "leaving", "seed", "renderer"), COUNTS),
    **dict.fromkeys(("planned", "completed", "left", "judged", "of"), COUNTS),
    **dict.fromkeys(("decoding", "delivery", "limits"), MAPPINGS),
    **dict.fromkeys(("rubrics", "briefs"), st.dictionaries(NAMES, DIGESTS, min_size=1, max_size=2)),
    **dict.fromkeys(("release", "target_digest", "system_digest", "own_prompt", "http"), DIGESTS),
    "frame": st.sampled_from(["release", "provisional", "exploration"]),
    "state": st.sampled_from(RunState.__args__),
    "arm": st.lists(st.sampled_from(["full", "no_context", "no_context+no_history"]), min_size=1).map(tuple),
    "attempts": st.fixed_dictionaries({"full": st.integers(1, 99)}),
    "unit": st.sampled_from(["turn_alone", "turn_in_context", "interaction"]),
    "shows": st.sampled_from([(), ("context",), ("persona",), ("context", "persona")]),
    "passes": st.lists(
        st.just(Drawn()) | st.builds(Drawn, sample=COUNTS, seed=COUNTS), min_size=1, max_size=2
    ).map(tuple),
}
OF_CARD = {"rater", "kind", "instruments"}


def values(field: Field, kind: type[Card] | type[InstrumentCard]) -> st.SearchStrategy[Any]:
    if field.name == "program" and kind is InstrumentCard:
        return st.lists(NAMES, min_size=1, max_size=2).map(tuple)
    return VALUES.get(field.name, NAMES)


ANY = "sha256:" + "0" * 64
INSTRUMENT = InstrumentCard(
    rater="m",
    kind="model",
    version="2",
    unit="interaction",
    shows=("context",),
    system_digest=ANY,
    system="openai:x",
    decoding={"temperature": 0.5},
    rule="",
    code="",
    language="en",
    rubrics={"overdose": ANY},
    briefs={"overdose": ANY},
    passes=(Drawn(),),
    program=("1.0",),
    judged=60,
    of=60,
    first="2026-11-01 10:00 UTC",
    last="2026-11-01 11:00 UTC",
)
CARD = Card(
    **dict.fromkeys(("run", "study", "version", "target", "system", "base_url", "code"), "x"),
    **dict.fromkeys(("refusal_wording", "program", "started", "finished"), "x"),
    **dict.fromkeys(("cases", "clusters", "selected_on", "leaving", "seed", "renderer"), 1),
    **dict.fromkeys(("planned", "completed", "left"), 1),
    **dict.fromkeys(("release", "target_digest", "own_prompt", "http"), ANY),
    **{name: {"a": 1} for name in ("decoding", "delivery", "limits")},
    **dict.fromkeys(("cluster_rule", "missing_rule", "aggregation"), "1"),
    frame="release",
    weight="cluster/1",
    driver="script",
    state="completed",
    arm=("full",),
    attempts={"full": 1},
    instruments=(INSTRUMENT,),
)


def lines(card: Card | InstrumentCard) -> Any:
    return card.told() if isinstance(card, InstrumentCard) else dict(card.items())


def test_every_field_of_a_card_has_a_name_a_label_and_an_effect() -> None:
    assert {one.name for one in FIELDS} == Card.model_fields.keys() - OF_CARD
    assert {one.name for one in INSTRUMENT_FIELDS} == InstrumentCard.model_fields.keys() - OF_CARD
    assert len({one.label for one in FIELDS}) == len(FIELDS)
    assert all(one.effect == "forbids" for one in (*FIELDS, *INSTRUMENT_FIELDS) if one.vary)


@given(
    st.data(),
    st.sampled_from([(Card, one) for one in FIELDS] + [(InstrumentCard, one) for one in INSTRUMENT_FIELDS]),
)
def test_a_field_that_changes_changes_a_line_and_is_the_one_that_is_named(data: Any, which: Any) -> None:
    kind, field = which
    one = values(field, kind)
    first = data.draw(one)
    second = data.draw(one.filter(lambda value: value != first))
    whole: Any = CARD if kind is Card else INSTRUMENT
    card, changed = (whole.model_copy(update={field.name: value}) for value in (first, second))
    assert lines(changed) != lines(card)
    found = list((differences if kind is Card else instrument_differences)(card, changed))
    if field.name in ("rubrics", "briefs"):
        assert found == []
        return
    covered = field.name in ("system", "decoding", "base_url", "own_prompt", "http", "delivery")
    assert [(one.field, one.known) for one in found] == ([] if covered else [(field, True)])
    if covered:  # the digest of the whole goes with it
        whole = "target_digest" if kind is Card else "system_digest"
        changed = changed.model_copy(update={whole: "sha256:" + "f" * 64})
        found = list((differences if kind is Card else instrument_differences)(card, changed))
        assert [(one.field, one.known) for one in found] == [(field, True)]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_what_is_not_recorded_is_neither_equal_nor_different(field: Field) -> None:
    card = CARD
    old = card.model_copy(update={field.name: None})
    for pair in ((card, old), (old, card), (old, old)):
        found = [one for one in differences(*pair) if one.field == field]
        parts = ("system", "base_url", "own_prompt", "http", "decoding", "delivery")
        if field.name in parts:  # the digest of the whole says that they are the same
            assert found == []
        else:
            assert [one.known for one in found] == [False]
            assert NOT_RECORDED in (found[0].first, found[0].second)
    assert dict(old.items())[field.heading or field.label.removeprefix("the ")] == NOT_RECORDED


def test_a_card_is_the_same_as_itself_where_all_is_recorded() -> None:
    assert all(value is not None for value in CARD.model_dump().values())
    assert list(differences(CARD, CARD)) == list(instrument_differences(INSTRUMENT, INSTRUMENT)) == []
    assert Card.model_validate_json(CARD.model_dump_json()) == CARD


def test_values_are_told_in_words() -> None:
    assert told(None) == "not recorded"
    assert told("") == told({}) == told(()) == "none"
    assert told("sha256:" + "ab" * 32) == "abababab"
    assert told({"temperature": 0.5, "stop": ["x"]}) == "temperature 0.5, stop x"
    assert told((Drawn(), Drawn(sample=6, seed=2))) == "all, 6 drawn with seed 2"


def harm(**more: Any) -> Harm:
    rubric = {
        "start": "q",
        "questions": {
            "q": {"text": "Is it?", "answers": {"yes": {"verdict": "harm"}, "no": {"verdict": "no_harm"}}}
        },
    }
    told: dict[str, Any] = {
        "title": "Overdose",
        "definition": {"en": "A dose that hurts.", "es": "Una dosis que hace daño."},
        "rubric": rubric,
        "rules": [{"when": {"age": {"max": 15}}, "require": "No dose."}],
    }
    return Harm.model_validate({**told, **more})


def digest_of(found: Harm, *, kind: RaterKind = "model", **more: Any) -> str:
    given: dict[str, Any] = {"version": "2", "shows": ("context", "persona"), "language": "en", **more}
    return brief_digest(found.rubric, found, kind=kind, **given)


RUBRIC = harm().rubric.model_dump(mode="json")
RUBRIC["questions"]["q"]["text"] = "Is it so?"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"title": "Doses"}, ["title"]),
        ({"definition": {"en": "Any dose.", "es": "Una dosis que hace daño."}}, ["definition"]),
        ({"includes": ("pills",)}, ["includes"]),
        ({"excludes": ("homeopathy",)}, ["excludes"]),
        ({"rules": ()}, ["rules"]),
        ({"rubric": RUBRIC}, []),
    ],
)
def test_all_that_a_model_reads_of_a_harm_is_in_the_brief(change: dict[str, Any], parts: list[str]) -> None:
    assert digest_of(harm(**change)) != digest_of(harm())
    found = changed_parts(harm(), harm(**change), kind="model", shows=("persona",), language="en")
    assert found == parts


def test_how_it_is_put_is_in_the_brief() -> None:
    assert len({digest_of(harm()), digest_of(harm(), version="3"), digest_of(harm(), language="es")}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"background": "Long ago."},
        {"sources": ("a paper",)},
        {"definition": {"en": "A dose that hurts.", "es": "Cualquier dosis."}},
        {"examples": ({"text": "Take ten.", "why": "too many"},)},
    ],
)
def test_what_a_model_does_not_read_is_not_in_the_brief(change: dict[str, Any]) -> None:
    assert digest_of(harm(**change)) == digest_of(harm())
    assert changed_parts(harm(), harm(**change), kind="model", shows=("persona",), language="en") == []


def test_people_read_examples_and_no_rules_and_a_judge_that_is_shown_no_user_reads_no_rules() -> None:
    example = harm(examples=({"text": "Take ten.", "why": "too many"},))
    rules = harm(rules=())
    assert digest_of(example, kind="person") != digest_of(harm(), kind="person")
    assert digest_of(rules, kind="person") == digest_of(harm(), kind="person")
    assert digest_of(rules, shows=("context",)) == digest_of(harm(), shows=("context",))
