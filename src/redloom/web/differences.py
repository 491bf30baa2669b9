"""What differs, in words: the name of a place, a value to read, and two texts with their difference marked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any, cast

from markupsafe import Markup, escape

from redloom.web.editors import EDITORS

MOST_WORDS = 2_000
"""Longer texts are shown without marks: finding them would take too long."""
LITTLE = 0.3
"""The share of words in common below which two texts are two."""


def label_of(kind: str, path: str) -> str:
    """What a place of a definition is called on the screen: the label of its field, and what is deeper as it is."""
    place = path.replace("[", ".").replace("]", "")
    editor = EDITORS.get(kind)
    for field in sorted(editor.fields() if editor else (), key=lambda one: -len(one.path)):
        if place == field.path or place.startswith(field.path + "."):
            return field.label + "".join(f", {_part(one)}" for one in place[len(field.path) :].split(".")[1:])
    return ", ".join(_part(one) for one in place.split("."))


def _part(name: str) -> str:
    return f"row {int(name) + 1}" if name.isdecimal() and len(name) < 6 else _name(name)


def plain(value: Any) -> str:
    """A value of a definition's content as one reads it; several things stand one a line."""
    if isinstance(value, list):
        several = cast(list[Any], value)
        return "\n".join(plain(one) if isinstance(one, str) else _in_a_line(one) for one in several)
    if isinstance(value, dict):
        return "\n".join(
            f"{_name(name)}: {_in_a_line(one)}" for name, one in cast(dict[str, Any], value).items()
        )
    return _in_a_line(value)


def _in_a_line(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_in_a_line(one) for one in cast(list[Any], value))
    if isinstance(value, dict):
        return "; ".join(
            f"{_name(name)}: {_in_a_line(one)}" for name, one in cast(dict[str, Any], value).items()
        )
    return str(value)


def _name(name: str) -> str:
    return name.replace("_", " ")


def tell_apart(old: Any, new: Any) -> tuple[Markup, Markup]:
    """Two values as text, with the words marked that only the one has; everything in them is escaped.

    Where they have little in common nothing is marked: all of it is another text.
    """
    before, after = plain(old), plain(new)
    here, there = (re.findall(r"\S+\s*|\s+", text) for text in (before, after))
    if None in (old, new) or max(len(here), len(there)) > MOST_WORDS:
        return _text([(before, False)]), _text([(after, False)])
    found = SequenceMatcher(None, [word.strip() for word in here], [word.strip() for word in there])
    steps = found.get_opcodes()
    alike = sum(b - a for kind, a, b, _, _ in steps if kind == "equal")
    marked = alike >= LITTLE * min(len(here), len(there))
    return (
        _text(("".join(here[a:b]), marked and kind != "equal") for kind, a, b, _, _ in steps),
        _text(("".join(there[c:d]), marked and kind != "equal") for kind, _, _, c, d in steps),
    )


def _text(pieces: Iterable[tuple[str, bool]]) -> Markup:
    parts = (_marked(text) if marked else escape(text) for text, marked in pieces)
    return Markup("<p>{}</p>").format(Markup("").join(parts))


def _marked(text: str) -> Markup:
    """The text as a mark that has no space at its ends."""
    inner = text.strip()
    if not inner:
        return escape(text)
    before, _, after = text.partition(inner)
    return Markup("{}<mark>{}</mark>{}").format(before, inner, after)
