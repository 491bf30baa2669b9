"""What every definition shares: frozen fields, a slug, a content digest, references by slug."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from redloom.errors import InputError, Issue, nearest
from redloom.ids import digest, is_slug

Path = tuple[str | int, ...]
V = TypeVar("V", bound=BaseModel)


class Value(BaseModel):
    """Frozen fields, nothing beyond the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def _check_slug(text: str) -> str:
    if not is_slug(text):
        raise ValueError(
            f"{text!r} is not a slug: letters, digits, '-', '_' and '.', starting with a letter or digit, "
            "at most 120 characters"
        )
    return text


Slug = Annotated[str, AfterValidator(_check_slug)]
Text = Annotated[str, StringConstraints(min_length=1)]
LANGUAGE = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
Language = Annotated[str, StringConstraints(pattern=LANGUAGE.pattern)]
LocalText = Text | dict[Language, Text]
"""One text, or the same text in several languages by language code."""


def in_language(text: LocalText | None, language: str | None) -> str:
    """``text`` in ``language``; else its first language; empty for None."""
    if text is None:
        return ""
    if isinstance(text, str):
        return text
    if language is not None and language in text:
        return text[language]
    base = (language or "").split("-")[0]
    return text.get(base) or next(iter(text.values()))


class Reference(NamedTuple):
    """One definition named by another: ``path`` is where in the naming one."""

    kind: str
    slug: str
    path: Path


class Definition(Value):
    """A thing a study defines, under a slug, in immutable versions."""

    kind: ClassVar[str]
    beside_content: ClassVar[frozenset[str]] = frozenset()
    """Fields that are not part of the version: people's acts about it, or how it is operated."""

    def content(self) -> dict[str, Any]:
        """The version's own fields as JSON values; a field at its default is left out."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude=set(self.beside_content))

    def beside(self) -> dict[str, Any]:
        """The fields that stand beside the content, as JSON values."""
        if not self.beside_content:
            return {}
        return self.model_dump(mode="json", exclude_defaults=True, include=set(self.beside_content))

    def content_digest(self) -> str:
        """The digest of the version's own fields. The slug is not one of them."""
        return digest({"kind": self.kind, **self.content()})

    def references(self) -> Iterator[Reference]:
        """The definitions that this one rests on."""
        return iter(())


class Problems(ValueError):
    """What does not hold inside a value: for each problem the path to it and a sentence."""

    def __init__(self, found: Iterable[tuple[Path, str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(message for _, message in self.found))


KINDS_OF_VALUE: Mapping[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "date_from_datetime_inexact": "a date such as 2026-01-31",
    "date_from_datetime_parsing": "a date such as 2026-01-31",
    "date_parsing": "a date such as 2026-01-31",
    "date_type": "a date such as 2026-01-31",
    "dict_type": "a mapping",
    "finite_number": "a number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of common size",
    "int_type": "a whole number",
    "model_type": "a mapping of fields",
    "string_type": "a text",
    "tuple_type": "a list",
}
"""What is expected where pydantic reports an error of that type: the value ``is not`` this."""

SENTENCES: Mapping[str, str] = {
    "greater_than": "{value} is too small; expected more than {gt:g}",
    "greater_than_equal": "{value} is too small; expected at least {ge:g}",
    "less_than": "{value} is too large; expected less than {lt:g}",
    "less_than_equal": "{value} is too large; expected at most {le:g}",
    "missing": "{name!r} is missing",
    "string_pattern_mismatch": "{value} is not a language code such as 'en' or 'pt-BR'",
    "string_too_short": "is empty; expected a text",
    "too_short": "has too few entries; expected at least {min_length}",
}
"""The sentence for other types of error; ``value`` and ``name`` stand beside what pydantic gives as context."""


def issues_of(error: ValidationError, model: type[BaseModel], *, prefix: Path = ()) -> list[tuple[Path, str]]:
    """Each problem pydantic found, as a path and one plain sentence with the nearest valid name."""
    kinds: dict[Path, list[str]] = {}
    values: dict[Path, Any] = {}
    found: dict[Path, list[str]] = {}
    for item in error.errors(include_url=False):
        location = tuple(part for part in item["loc"] if not _is_union_label(part))
        if location[-1:] == ("[key]",):
            location = location[:-1]
        expected = KINDS_OF_VALUE.get(item["type"])
        if expected is not None:
            kinds.setdefault(prefix + location, []).append(expected)
            values[prefix + location] = item["input"]
            found.setdefault(prefix + location, [])
            continue
        for path, message in _sentences(item, location, model):
            found.setdefault(prefix + path, []).append(message)
    inner = {where[:length] for where in found for length in range(len(where))}
    told: list[tuple[Path, str]] = []
    for where, messages in found.items():
        if where in kinds and not messages and not (where in inner and isinstance(values[where], dict)):
            messages = [_not_of(values[where], kinds[where], _fields_at(model, where[len(prefix) :]))]
        if messages:
            told.append((where, ", or ".join(dict.fromkeys(messages))))
    return told


def read_value(model: type[V], content: Any, *, under: Path = ()) -> V:
    """The value that plain JSON values stand for. Raises InputError with every problem, its path without ``under``."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = issues_of(error, model)
        raise InputError(
            issue_at(path[len(under) :] if path[: len(under)] == under else path, message)
            for path, message in found
        ) from error


def _sentences(item: Any, location: Path, model: type[BaseModel]) -> Iterator[tuple[Path, str]]:
    """Path and sentence of one error that is not about the kind of a value."""
    kind, value = item["type"], item["input"]
    context: Mapping[str, Any] = item.get("ctx") or {}
    name = location[-1] if location else ""
    if kind == "value_error":
        raised = context.get("error")
        if isinstance(raised, Problems):
            yield from ((location + path, message) for path, message in raised.found)
        else:
            message = str(raised if raised is not None else item["msg"])
            yield location + _leading_path(message, model, location), message
    elif kind == "extra_forbidden":
        known = _fields_at(model, location[:-1])
        close = nearest(str(name), known)
        meant = f"; did you mean {close!r}?" if close else f"; expected one of {', '.join(sorted(known))}"
        yield location, f"unknown field {name!r}{meant if known else ''}"
    elif kind in ("literal_error", "enum"):
        expected = str(context.get("expected", ""))
        close = nearest(str(value), expected.replace("'", "").replace(" or ", ", ").split(", "))
        yield (
            location,
            f"{shown(value)} is not one of {expected}" + (f"; did you mean {close!r}?" if close else ""),
        )
    elif kind in SENTENCES:
        yield location, SENTENCES[kind].format(**{**context, "value": shown(value), "name": name})
    else:
        yield location, f"{shown(value)} is not right here: {item['msg'][:1].lower()}{item['msg'][1:]}"


def _not_of(value: Any, kinds: Iterable[str], fields: Sequence[str]) -> str:
    """That ``value`` is none of what was expected, and how to write it if that is plain."""
    names = list(dict.fromkeys(kinds))
    if "a number" in names and "a whole number" in names:
        names.remove("a whole number")
    expected = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    if value is None:
        return f"is empty; expected {expected}"
    plain = isinstance(value, str | int | float)
    if names == ["a mapping of fields"] and fields:
        expected += f" ({', '.join(fields[:6])}{', ...' if len(fields) > 6 else ''})"
    if names == ["a list"] and plain:
        return f"{shown(value)} is not a list; write [{value if isinstance(value, str) else shown(value)}]"
    if "a mapping of fields" in names and plain:
        return f"expected {expected}, not a single value"  # where fields belong somebody may have put a key
    hint = "; quote it to make it a text" if "a text" in names and plain else ""
    return f"{shown(value)} is not {expected}{hint}"


def _leading_path(message: str, model: type[BaseModel], location: Path) -> Path:
    """The path with which a message about a whole definition begins, such as ``rubric`` or ``dissent[0].rubric``."""
    if location:
        return ()
    first = re.match(r"[a-z_]+(\[\d+\])?(\.[a-z_]+(\[\d+\])?)*(?=:? )", message)
    parts = re.findall(r"[a-z_]+|\d+", first[0]) if first else []
    path: Path = tuple(int(part) if part.isdigit() else part for part in parts)
    current: Any = model
    for part in path:
        current = _at(current, part)
    return () if current is None else path


def _is_union_label(part: str | int) -> bool:
    return isinstance(part, str) and (
        part in ("str", "bool", "int", "float", "Range")
        or part.startswith(("dict[", "constrained-int", "constrained-str", "function-", "tuple["))
    )


def shown(value: Any) -> str:
    """``value`` in a message: a text in quotes, anything else as in JSON, cut where it is long; None is 'nothing'."""
    if value is None:
        return "nothing"
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fields_at(model: type[BaseModel], location: Path) -> list[str]:
    """The field names of the model that stands at ``location`` inside ``model``."""
    current: Any = model
    for part in location:
        current = _at(current, part)
    found = _model_in(current)
    return [] if found is None else list(found.model_fields)


def _at(annotation: Any, part: str | int) -> Any:
    """The annotation of what stands at ``part`` in a value so annotated; None where nothing can."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1] if isinstance(part, str) else None
    if get_origin(annotation) is tuple:
        return arguments[0] if isinstance(part, int) else None
    return next((found for one in arguments if (found := _at(one, part)) is not None), None)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def join_path(parts: Path) -> str:
    """``harms.shaming.levels[0]`` for the parts of a path."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def issue_at(parts: Path, message: str, *, file: str = "", line: int | None = None) -> Issue:
    """An issue whose path is given in parts."""
    return Issue(message, path=join_path(parts), file=file, line=line)
