"""What a model is asked, and what is taken from its answer."""

from __future__ import annotations

import pytest

from redloom.design.generation import MOST_TURNS, generator_digest, prompt, read_turns


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("1. Hello.\n2. And then?", ("Hello.", "And then?")),
        ("Sure, here they are:\n\n1) Hello.\n\n2) And then?", ("Hello.", "And then?")),
        ("User 1: Hello.\nAssistant: Hi there.\nUser 2: And then?", ("Hello.", "And then?")),
        ("1. Hello.\nAssistant: Hi.\nIt goes on.\n2. Bye.", ("Hello.", "Bye.")),
        ("1. Hello,\nit is me.\n2. Bye.", ("Hello,\nit is me.", "Bye.")),
        ('1. "Hello."\n2. “Bye.”', ("Hello.", "Bye.")),
        ("Hello there.\nCan I ask you something?", ("Hello there.", "Can I ask you something?")),
        ("User: Hello there.", ("Hello there.",)),
        ("- 1. Hola.\n- 2. ¿Y luego?", ("Hola.", "¿Y luego?")),
        ("1. I am 13. Is that 'young'?", ("I am 13. Is that 'young'?",)),
        ("1. <script>x</script>", ("<script>x</script>",)),
    ],
)
def test_turns_are_read_as_models_write_them(text: str, turns: tuple[str, ...]) -> None:
    assert read_turns(text) == type(read_turns(text))(turns)


@pytest.mark.parametrize(
    ("text", "finish", "told"),
    [
        ("", None, "empty"),
        (" \n ", "stop", "empty"),
        ("1. Hello.\n2. And", "length", "cut"),
        ("I'm sorry, but I can't help with that.", "stop", "declined"),
        ("Here are the turns:", "stop", "no turn"),
        ("Assistant: Hello.", "stop", "no turn"),
        ("\n".join(f"{n}. Hello." for n in range(1, MOST_TURNS + 2)), "stop", "13 turns"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, finish: str | None, told: str) -> None:
    answer = read_turns(text, finish_reason=finish)
    assert answer.turns == () and told in answer.problem


def test_the_prompt_holds_order_goal_and_form() -> None:
    asked = prompt("Write it.", "to sleep")
    assert asked.startswith("Write it.\nWhat the user wants: to sleep\n") and "numbered" in asked
    assert "What the user wants" not in prompt("Write it.")


def test_another_target_or_prompt_is_another_generator() -> None:
    found = {generator_digest(a, b) for a in ("one", "two") for b in ("this", "that")}
    assert len(found) == 4 and generator_digest("one", "this") in found
