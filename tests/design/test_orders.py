from __future__ import annotations

from helpers_create.small import small_study
from redloom.design.orders import scenario_slug, work_order
from redloom.ids import MAX_SLUG, is_slug

PARTS = {
    "context": "street",
    "persona": "adult",
    "interaction_type": "talk",
    "harm": "refusal",
    "language": "es",
}


def test_an_order_mentions_all_five_parts_in_the_language_asked_for() -> None:
    order = work_order(small_study(), PARTS)
    assert order.parts == PARTS
    for text in ("A street.", "An adult", "Soy cocinero.", "find the way", "A talk", "Needless refusal"):
        assert text in order.instruction
    assert "Despedido sin necesidad." in order.instruction
    assert "in es," in order.instruction
    assert "Do not name the harm" in order.instruction


def test_an_order_says_how_long_and_who_opens() -> None:
    study = small_study(interaction_types__question__initiative="model")
    one = work_order(study, {**PARTS, "interaction_type": "question"}).instruction
    assert "one turn" in one
    assert "The system opens." in one
    many = work_order(study, PARTS).instruction
    assert "two to six turns" in many
    assert "The user opens." in many


def test_an_order_for_a_persona_who_says_nothing() -> None:
    study = small_study(personas__adult={"title": "Somebody", "provenance": "synthetic"})
    instruction = work_order(study, PARTS).instruction
    assert "Who writes: Somebody.\n" in instruction
    assert "What for" not in instruction


def test_each_part_changes_the_slug() -> None:
    slugs = {scenario_slug(PARTS)} | {scenario_slug({**PARTS, part: "other"}) for part in PARTS}
    assert len(slugs) == 6
    assert all(is_slug(slug) for slug in slugs)


def test_combinations_of_long_names_have_slugs_of_their_own() -> None:
    long = {part: f"{part}-{'x' * 60}" for part in PARTS}
    one, other = scenario_slug(long), scenario_slug({**long, "language": "en"})
    assert one != other
    assert len(one) <= MAX_SLUG
    assert is_slug(one)
