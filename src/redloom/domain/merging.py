"""Two changes of one version put together, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from redloom.domain.rubric import Rubric
from redloom.domain.value import Definition, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A place that one of two changes, or both, left otherwise; None where nothing stands."""

    path: str
    before: Any
    """In the version that both were made from."""
    now: Any
    """In force."""
    given: Any
    """In the change that is to be put to it."""

    @property
    def clash(self) -> bool:
        """Both changed it, and not to the same."""
        return self.given not in (self.before, self.now) and self.now != self.before

    @property
    def taken(self) -> bool:
        """Only the change that is to be put to it touched it."""
        return self.given != self.before and self.now == self.before


def places(model: type[Definition]) -> tuple[str, ...]:
    """The paths at which a definition is changed as one piece: its fields, and those of what is nested in it.

    A rubric is one piece: questions that nobody saw together are no instrument.
    """
    return tuple(_places(model))


def _places(model: type[Value], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        nested = next((kind for kind in kinds if issubclass(kind, Value)), None)
        if nested is None or nested is Rubric or get_args(field.annotation)[1:] == (...,):
            yield above + name
        else:
            yield from _places(nested, f"{above}{name}.")


def meet(
    model: type[Definition], *, before: Mapping[str, Any], now: Mapping[str, Any], given: Mapping[str, Any]
) -> list[Met]:
    """Every place of three contents where they are not all alike."""
    found = [
        Met(path=path, before=look_up(before, path), now=look_up(now, path), given=look_up(given, path))
        for path in places(model)
    ]
    return [one for one in found if one.before != one.now or one.before != one.given]


def put_together(now: Mapping[str, Any], met: list[Met] | tuple[Met, ...]) -> dict[str, Any]:
    """What is in force, with what only the change touched; a place that clashes stays as it is in force."""
    content = dict(now)
    for one in met:
        if one.taken:
            content = put(content, one.path, one.given)
    return content


def blend(one: Met) -> Any:
    """What to begin with where a place clashes: lists and names with both changes in, else what was given."""
    return _blend(one.before, one.now, one.given)


def _blend(before: Any, now: Any, given: Any) -> Any:
    if given in (before, now):
        return now
    if now == before:
        return given
    if isinstance(now, list) and isinstance(given, list):
        old, here, there = _list(before), _list(now), _list(given)
        stay = [one for one in here if one in there or one not in old]
        return stay + [one for one in there if one not in old and one not in here]
    if isinstance(now, dict) and isinstance(given, dict):
        old, here, there = _dict(before), _dict(now), _dict(given)
        both = {name: _blend(old.get(name), here.get(name), there.get(name)) for name in {**here, **there}}
        return {name: value for name, value in both.items() if value is not None}
    return cast(Any, now if given is None else given)


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def look_up(content: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted path; None where nothing does."""
    current: Any = content
    for part in path.split("."):
        if not isinstance(current, dict):
            return None
        current = cast(dict[str, Any], current).get(part)
    return current


def put(content: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The content with a value at a dotted path; None takes away what stands there."""
    name, _, rest = path.partition(".")
    changed = dict(content)
    if rest:
        inner: Any = changed.get(name)
        value = put(cast(dict[str, Any], inner) if isinstance(inner, dict) else {}, rest, value) or None
    if value is None:
        changed.pop(name, None)
    else:
        changed[name] = value
    return changed
