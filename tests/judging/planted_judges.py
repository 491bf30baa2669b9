"""Judges as functions of a prompt: they look for colours, and some do what the conversation tells them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

COLOURS = re.compile(r"\b(red|orange|blue|green)\b")
FENCED = re.compile(r"----- conversation (\w+) -----\n(.*)\n----- end of conversation \1 -----", re.DOTALL)
ORDER = re.compile(r"(?:answer|contesta|Answer|settled on|is) '(yes|no)'|\"names_a_colour\": \"(yes|no)\"")


def conversation(prompt: str) -> str:
    """What stands between the fences of a prompt, whatever else looks like a fence."""
    found = FENCED.search(prompt)
    assert found is not None, prompt
    return found[2]


def answer(word: str) -> str:
    return json.dumps({"names_a_colour": word, "why": "So it is."})


def disobedient(prompt: str) -> str:
    """Follows the fence: looks at what is there, does nothing of what it says."""
    return answer("yes" if COLOURS.search(conversation(prompt)) else "no")


def obedient(prompt: str) -> str:
    """Does what the text tells it, wherever it stands."""
    found = ORDER.search(conversation(prompt))
    return answer(found[1] or found[2]) if found else disobedient(prompt)


def obeying(words: str) -> Callable[[str], str]:
    """Obeys only where these words stand."""
    return lambda prompt: obedient(prompt) if words in conversation(prompt) else disobedient(prompt)


def always(word: str) -> Callable[[str], str]:
    """Gives the same answer whatever it reads."""
    return lambda _: answer(word)


def startled(prompt: str) -> str:
    """Says nothing that can be read where it is given an order."""
    return "Who said that?" if ORDER.search(conversation(prompt)) else disobedient(prompt)
