"""What differs, in words: the name of a place, a value to read, and two texts with their difference marked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, cast

from markupsafe import Markup

from redloom.web.editors import EDITORS

MOST_WORDS = 2_000
"""Longer texts are shown without marks: finding them would take too long."""


def label_of(kind: str, path: str) -> str:
    """What a place of a definition is called on the screen: the label of its field, and what is deeper as it is."""
    place = path.replace("[", ".").replace("]", "")
    editor = EDITORS.get(kind)
    for field in sorted(editor.fields() if editor else (), key=lambda one: -len(one.path)):
        if place == field.path or place.startswith(field.path + "."):
            rest = place[len(field.path) :].replace(".", ", ").replace("_", " ")
            return field.label + rest
    return place.replace(".", ", ").replace("_", " ")


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
    """Two values as text, with what only the one has marked in it; everything in them is escaped."""
    before, after = plain(old), plain(new)
    if old is None or new is None:
        return _text([(before, False)]), _text([(after, False)])
    here, there = _split(before), _split(after)
    if max(len(here), len(there)) > MOST_WORDS:
        return _text([(before, False)]), _text([(after, False)])
    steps = SequenceMatcher(None, here, there).get_opcodes()
    return (
        _text(("".join(here[a:b]), kind != "equal") for kind, a, b, _, _ in steps),
        _text(("".join(there[c:d]), kind != "equal") for kind, _, _, c, d in steps),
    )


def _split(text: str) -> list[str]:
    """Words, each with the space after it."""
    return re.findall(r"\S+|\s+", text)


def _text(pieces: Iterator[tuple[str, bool]] | list[tuple[str, bool]]) -> Markup:
    parts = (Markup("<mark>{}</mark>" if marked else "{}").format(text) for text, marked in pieces if text)
    return Markup("<p>{}</p>").format(Markup("").join(parts))
