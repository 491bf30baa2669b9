"""What every definition shares: frozen fields, a slug, a content digest, references by slug."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from redloom.errors import Issue, nearest
from redloom.ids import digest, is_slug


class Value(BaseModel):
    """Frozen fields, nothing beyond the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _check_slug(text: str) -> str:
    if not is_slug(text):
        raise ValueError(
            f"{text!r} is not a slug: letters, digits, '-', '_' and '.', starting with a letter or digit, "
            "at most 120 characters"
        )
    return text


Slug = Annotated[str, AfterValidator(_check_slug)]
Text = Annotated[str, StringConstraints(min_length=1)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
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
    path: tuple[str | int, ...]


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


def issues_of(
    error: ValidationError, model: type[BaseModel], *, prefix: tuple[str | int, ...] = ()
) -> list[tuple[tuple[str | int, ...], str]]:
    """Each problem pydantic found, as a path and one plain sentence with the nearest valid name."""
    found: dict[tuple[str | int, ...], str] = {}
    mappings: set[tuple[str | int, ...]] = set()
    for item in error.errors(include_url=False):
        location = tuple(part for part in item["loc"] if not _is_union_label(part))
        if location[-1:] == ("[key]",):
            location = location[:-1]
        kind, value = item["type"], item["input"]
        context: Mapping[str, Any] = item.get("ctx") or {}
        if kind == "extra_forbidden":
            known = _fields_at(model, location[:-1])
            close = nearest(str(location[-1]), known)
            meant = f"; did you mean {close!r}?" if close else f"; expected one of {', '.join(sorted(known))}"
            message = f"unknown field {location[-1]!r}{meant}" if known else f"unknown field {location[-1]!r}"
        elif kind == "missing":
            message = f"{location[-1]!r} is missing"
        elif kind in ("literal_error", "enum"):
            expected = str(context.get("expected", ""))
            close = nearest(str(value), expected.replace("'", "").replace(" or ", ", ").split(", "))
            message = f"{value!r} is not one of {expected}" + (f"; did you mean {close!r}?" if close else "")
        elif kind == "string_pattern_mismatch":
            message = f"{value!r} is not a language code such as 'en' or 'pt-BR'"
        elif kind == "value_error":
            message = str(context.get("error", item["msg"]))
        else:
            message = f"{_short(value)}: {item['msg'][:1].lower()}{item['msg'][1:]}"
        where = prefix + location
        found[where] = _either(found[where], message, value) if where in found else message
        if kind == "string_type" and isinstance(value, dict):
            mappings.add(where)
    inner = {where[:length] for where in found for length in range(len(where))}
    return [(where, message) for where, message in found.items() if where not in mappings & inner]


def _either(one: str, other: str, value: Any) -> str:
    """Two complaints about the same value that could have been of two kinds."""
    lead = f"{_short(value)}: input should be "
    if one.startswith(lead) and other.startswith(lead):
        return f"{one} or {other.removeprefix(lead)}"
    return f"{one}, or {other}"


def _is_union_label(part: str | int) -> bool:
    return isinstance(part, str) and (
        part in ("str", "bool", "int", "float", "Range")
        or part.startswith(("dict[", "constrained-str", "function-", "tuple["))
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _fields_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
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


def join_path(parts: tuple[str | int, ...]) -> str:
    """``harms.shaming.levels[0]`` for the parts of a path."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def issue_at(parts: tuple[str | int, ...], message: str, *, file: str = "", line: int | None = None) -> Issue:
    """An issue whose path is given in parts."""
    return Issue(message, path=join_path(parts), file=file, line=line)
