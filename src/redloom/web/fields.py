"""The fields of the editors: how a definition is put to people, and read back from what they send.

Each kind of field takes its place in the JSON content of a definition (``norms.must``), shows the value there, and
reads it from a form. What was not touched comes back as it was, so that saving an unchanged form makes no version.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from redloom.domain.merging import look_up, put
from redloom.web.asking import Form, number_in

SPARE_ROWS = 2
"""Empty rows at the end of every table; saving brings more."""
LONGEST_NUMBER = 16
"""Characters; what is longer is a word, since JSON would not keep all its digits."""
Offers = Sequence[tuple[str, Sequence[tuple[str, str]]]]
"""The id of each list of proposals, with its (value, words)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an editor knows of the study besides the definition."""

    languages: tuple[str, ...]
    choices: Mapping[str, Sequence[tuple[str, str]]]
    """Kind of definition -> (slug, title) of all there are."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an editor."""

    shape: ClassVar[str]
    """The macro of ``fields.html.j2`` that draws it."""

    path: str
    label: str
    help: str = ""
    needed: bool = False

    @property
    def name(self) -> str:
        """In the form."""
        return self.path

    def shown(self, value: Any) -> str:
        """The value as it stands in the field."""
        return "" if value is None else str(value)

    def offers(self, setting: Setting) -> Offers:
        """What its inputs propose; anything else can stand there too."""
        return ()

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        """The value that was sent; None where nothing stands there."""
        raise NotImplementedError

    def settle(self, given: Any, before: Any) -> Any:
        """``before`` wherever ``given`` is the same but for what a form cannot keep: space around a text."""
        return settled(given, before, str.strip)


@dataclass(frozen=True, slots=True)
class Line(Field):
    """One line of text."""

    shape = "line"

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        return form.text(self.name) or None


@dataclass(frozen=True, slots=True)
class Area(Line):
    """Paragraphs."""

    shape = "area"


@dataclass(frozen=True, slots=True)
class Day(Line):
    """A date."""

    shape = "day"


@dataclass(frozen=True, slots=True)
class Lines(Field):
    """A list, one entry a line."""

    shape = "lines"

    def settle(self, given: Any, before: Any) -> Any:
        return settled(given, before, one_line)

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        return [line.strip() for line in form.text(self.name).split("\n") if line.strip()] or None


@dataclass(frozen=True, slots=True)
class Local(Field):
    """A text in the languages of the study."""

    shape = "local"

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        given = {code: form.text(f"{self.name}:{code}") for code in languages_of(before, setting)}
        return local(given, before, setting)


@dataclass(frozen=True, slots=True)
class Choice(Field):
    """One of a few words."""

    shape = "choice"
    options: tuple[tuple[str, str], ...] = ()
    """(value, words)."""

    def offered(self, setting: Setting) -> Sequence[tuple[str, str]]:
        """What can be chosen."""
        return self.options

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        return form.text(self.name) or None


@dataclass(frozen=True, slots=True)
class LanguageChoice(Choice):
    """One of the study's languages."""

    def offered(self, setting: Setting) -> Sequence[tuple[str, str]]:
        return [(code, code) for code in setting.languages]


@dataclass(frozen=True, slots=True)
class Pick(Choice):
    """One definition of a kind."""

    kind: str = ""

    def offered(self, setting: Setting) -> Sequence[tuple[str, str]]:
        return setting.choices.get(self.kind, ())


@dataclass(frozen=True, slots=True)
class Checks(Choice):
    """Several of a few words."""

    shape = "checks"

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        chosen = set(form.all(self.name))
        kept = [value for value in cast(list[str], before or []) if value in chosen]
        return [*kept, *(value for value, _ in self.offered(setting) if value in chosen - set(kept))] or None


@dataclass(frozen=True, slots=True)
class Picks(Checks):
    """Several definitions of a kind."""

    kind: str = ""

    def offered(self, setting: Setting) -> Sequence[tuple[str, str]]:
        return setting.choices.get(self.kind, ())


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    label: str
    wide: bool = False
    local: bool = False
    """A text in every language of the study."""
    options: tuple[tuple[str, str], ...] = ()
    offers: str = ""
    """The id of the list of proposals that an input has; anything else can stand there too."""


@dataclass(frozen=True, slots=True)
class Table(Field):
    """A list of small values, a row each, with empty rows for more."""

    shape = "table"
    columns: tuple[Column, ...] = ()

    def settle(self, given: Any, before: Any) -> Any:
        return settled(given, before, one_line)

    def rows(self, value: Any, setting: Setting) -> list[dict[str, str]]:
        """The cells of every row by the name of the input after its number."""
        return [self._cells(entry, setting) for entry in cast(list[Any], value or [])]

    def inputs(self, value: Any, setting: Setting) -> list[tuple[Column, str, str]]:
        """(column, language or empty, heading) of every input of a row."""
        codes = languages_of(value, setting, self.columns)
        return [
            (column, code, f"{column.label} ({code})" if code and len(codes) > 1 else column.label)
            for column in self.columns
            for code in (codes if column.local else ("",))
        ]

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        earlier = cast(list[Any], before or [])
        found: list[Any] = []
        for number in _numbers(form, self.name):
            old = earlier[number] if number < len(earlier) else None
            cells = {
                _input(column.name, code): form.text(f"{self.name}:{number}:{_input(column.name, code)}")
                for column, code, _ in self.inputs(before, setting)
            }
            if any(cells.values()):
                found.append(self._entry(cells, old, before, setting))
        return self.whole(found)

    def whole(self, entries: list[Any]) -> Any:
        """The value that the entries make."""
        return entries or None

    def _cells(self, entry: Any, setting: Setting) -> dict[str, str]:
        cells: dict[str, str] = {}
        for column in self.columns:
            value = entry.get(column.name)
            if column.local:
                for code, text in as_languages(value, setting).items():
                    cells[_input(column.name, code)] = text
            else:
                cells[column.name] = "" if value is None else str(value)
        return cells

    def _entry(self, cells: Mapping[str, str], old: Any, before: Any, setting: Setting) -> Any:
        entry: dict[str, Any] = {}
        for column in self.columns:
            if column.local:
                codes = languages_of(before, setting, self.columns)
                given = {code: cells[_input(column.name, code)] for code in codes}
                value = local(given, None if old is None else old.get(column.name), setting)
            else:
                value = cells[column.name] or None
            if value is not None:
                entry[column.name] = value
        return entry


@dataclass(frozen=True, slots=True)
class Numbered(Table):
    """A table whose ``number`` column holds whole numbers."""

    number: str = "value"

    def _entry(self, cells: Mapping[str, str], old: Any, before: Any, setting: Setting) -> Any:
        entry = Table._entry(self, cells, old, before, setting)
        given = entry.get(self.number)
        if given is not None:
            entry[self.number] = number_in(given, given)
        return entry


@dataclass(frozen=True, slots=True)
class Pairs(Table):
    """Names with values that are true or false, numbers, or words."""

    columns: tuple[Column, ...] = (Column("name", "name"), Column("value", "value", wide=True))

    def rows(self, value: Any, setting: Setting) -> list[dict[str, str]]:
        return [
            {"name": name, "value": plain_value(found)}
            for name, found in cast(dict[str, Any], value or {}).items()
        ]

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        found = Table.take(self, form, None, setting)
        return {one.get("name", ""): read_value(one.get("value", "")) for one in found or ()} or None


def as_languages(value: Any, setting: Setting) -> dict[str, str]:
    """A text by language; one without a language is in the first."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {setting.languages[0]: value}
    return dict(value)


def languages_of(value: Any, setting: Setting, columns: Sequence[Column] = ()) -> tuple[str, ...]:
    """The study's languages, and any other that the value has."""
    texts: list[Any] = [value]
    if columns:
        texts = [entry.get(c.name) for entry in cast(list[Any], value or []) for c in columns if c.local]
    more = [code for text in texts if isinstance(text, dict) for code in cast(dict[str, str], text)]
    return tuple(dict.fromkeys((*setting.languages, *more)))


def local(given: Mapping[str, str], before: Any, setting: Setting) -> Any:
    """The value of a text that was given by language; without a language where it had none."""
    filled = {code: text for code, text in given.items() if text}
    if not filled:
        return None
    alone = list(filled) == [setting.languages[0]]
    if alone and (isinstance(before, str) or (before is None and len(setting.languages) == 1)):
        return filled[setting.languages[0]]
    order = [*cast(dict[str, str], before)] if isinstance(before, dict) else []
    return {code: filled[code] for code in dict.fromkeys((*order, *filled)) if code in filled}


def _input(name: str, code: str) -> str:
    return f"{name}:{code}" if code else name


def _numbers(form: Form, name: str) -> list[int]:
    """The numbers of the rows that were sent."""
    found: dict[int, None] = {}
    for key, _ in form.items:
        if key.startswith(name + ":"):
            number = key[len(name) + 1 :].split(":")[0]
            if number.isdecimal() and len(number) < 6:
                found.setdefault(int(number))
    return sorted(found)


def plain_value(value: Any) -> str:
    """A value as :func:`read_value` reads it back."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def read_value(text: str) -> bool | int | float | str:
    """What somebody means by a word: yes and no, a number, or the word itself."""
    lower = text.lower()
    if lower in ("true", "yes"):
        return True
    if lower in ("false", "no"):
        return False
    for kind in (int, float) if len(text) <= LONGEST_NUMBER else ():
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and math.isfinite(number):
            return number
    return text


@dataclass(frozen=True, slots=True)
class Part:
    """Fields that stand together under a heading."""

    heading: str
    fields: tuple[Field, ...]
    help: str = ""


@dataclass(frozen=True, slots=True)
class Editor:
    """All fields of one kind of definition."""

    parts: tuple[Part, ...]
    fixed: tuple[str, ...] = field(default=())
    """Content that has no field and stays as it is."""

    def fields(self) -> Iterator[Field]:
        """Every field in order."""
        for part in self.parts:
            yield from part.fields

    def take(self, form: Form, before: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
        """The content that a form stands for; ``before`` is that of the version it was made from."""
        content: dict[str, Any] = {name: before[name] for name in self.fixed if name in before}
        for one in self.fields():
            there = look_up(before, one.path)
            value = one.settle(one.take(form, there, setting), there)
            if value is not None:
                content = put(content, one.path, value)
        return content


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


def settled(given: Any, before: Any, plain: Callable[[str], str]) -> Any:
    """``given`` with every text that is the same under ``plain`` as it stood before."""
    if isinstance(given, str) and isinstance(before, str):
        return before if plain(given) == plain(before) else given
    if isinstance(given, list) and isinstance(before, list):
        there = cast(list[Any], before)
        pairs = zip(cast(list[Any], given), [*there, *[None] * len(cast(list[Any], given))], strict=False)
        return [settled(one, old, plain) for one, old in pairs]
    if isinstance(given, dict) and isinstance(before, dict):
        old = cast(dict[str, Any], before)
        return {name: settled(one, old.get(name), plain) for name, one in cast(dict[str, Any], given).items()}
    return cast(Any, given)
