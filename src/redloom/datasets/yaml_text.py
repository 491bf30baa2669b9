"""YAML 1.2 (core schema) as plain values with the line of every path; every problem is an Issue.

Only mappings with string keys, lists, strings, numbers, booleans and null come out. Duplicate keys,
tags, endless aliases, deep nesting and numbers that JSON cannot carry are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from redloom.errors import InputError, Issue

Path = tuple[str | int, ...]
MAX_VALUES = 2_000_000
MAX_REPEATED = 10_000
"""Lists and mappings that aliases may repeat."""
MAX_DEPTH = 40
MAX_INTEGER = 2**53 - 1
"""The largest integer that canonical JSON carries (RFC 8785)."""

_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"~|null|Null|NULL|")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class _Loader(yaml.CSafeLoader):
    """Knows no implicit types: scalars are told apart by :func:`plain_scalar`."""

    yaml_implicit_resolvers = {}


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or 1.2 would take for something other than a string."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if re.search("[\x85\u2028\u2029]", text):
        style = '"'  # YAML 1.1 takes these for line breaks, which only an escape survives
    elif "\n" in text and not re.search(r"[ \t]\n|^[\s]|\t", text):
        style = "|"
    elif not isinstance(plain_scalar(text), str):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _represent_text)


@dataclass(frozen=True, slots=True)
class Positioned:
    """A parsed document: its value, the line of every path, and what is wrong with single values."""

    value: Any
    lines: Mapping[Path, int]
    issues: tuple[Issue, ...] = ()


def parse(text: str, *, file: str = "", unsaid: frozenset[str] = frozenset()) -> Positioned:
    """The value of a YAML document and the line of every path in it.

    No issue repeats what stands under a key of ``unsaid``.
    A key given twice, a tag and a number out of range are ``issues`` of the result, so that a reader can list them
    with its own. Raises InputError where there is no document to speak of.
    """
    try:
        _check_depth(text, file)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.problem, error.context) if part)
        raise InputError(
            Issue(f"not readable as YAML: {what}", file=file, line=mark.line + 1 if mark else None)
        ) from error
    except yaml.YAMLError as error:
        raise InputError(Issue(f"not readable as YAML: {str(error).splitlines()[0]}", file=file)) from error
    if node is None:
        return Positioned(None, {})
    build = _Build(file, unsaid)
    value = build.value(node, ())
    return Positioned(value, build.lines, tuple(build.issues))


def _check_depth(text: str, file: str) -> None:
    """Refuse deep nesting before nodes are made: making them is recursive in C and would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH + 1:
                line = event.start_mark.line + 1 if event.start_mark else None
                raise InputError(
                    Issue(f"the document is deeper than {MAX_DEPTH} levels", file=file, line=line)
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def dump(value: Any) -> str:
    """A YAML document that :func:`parse` reads back to the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def plain_scalar(text: str) -> Any:
    """What an unquoted scalar stands for in the core schema."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        if text[:2] in ("0o", "0x"):
            return int(text, 0)
        return int(text) if len(text) <= 40 else float(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


class _Build:
    def __init__(self, file: str, unsaid: frozenset[str]) -> None:
        self.file, self.unsaid = file, unsaid
        self.lines: dict[Path, int] = {}
        self.issues: list[Issue] = []
        self.count = 0
        self.repeated = 0
        self._met: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._bound(node, line, len(path))
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            if node.tag not in ("tag:yaml.org,2002:str", "!"):
                self._tagged(node, line)
            return node.value if node.style else self._plain(node.value, line, path)
        if isinstance(node, yaml.SequenceNode):
            if node.tag != "tag:yaml.org,2002:seq":
                self._tagged(node, line)
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)
        if node.tag != "tag:yaml.org,2002:map":
            self._tagged(node, line)
        return self._mapping(node, path)

    def _bound(self, node: yaml.Node, line: int, depth: int) -> None:
        """Refuse what only an alias that repeats itself, or nobody, would write."""
        self.count += 1
        if not isinstance(node, yaml.ScalarNode):
            self.repeated += id(node) in self._met
            self._met.add(id(node))
        limit = ""
        if depth > MAX_DEPTH:
            limit = f"is deeper than {MAX_DEPTH} levels"
        elif self.count > MAX_VALUES:
            limit = f"has more than {MAX_VALUES} values"
        elif self.repeated > MAX_REPEATED:
            limit = f"repeats more than {MAX_REPEATED} lists and mappings"
        if limit:
            message = f"the document {limit}; is an alias repeating itself?"
            raise InputError(Issue(message, file=self.file, line=line))

    def _plain(self, text: str, line: int, path: Path) -> Any:
        value = plain_scalar(text)
        if isinstance(value, str | bool) or value is None:
            return value
        if math.isinf(value) if isinstance(value, float) else abs(value) > MAX_INTEGER:
            short = text if len(text) <= 40 else text[:37] + "..."
            if self.unsaid.intersection(path):
                short = "this"
            message = f"{short} is a number that JSON cannot carry; quote it to keep it as text"
            where = ".".join(map(str, path))
            self.issues.append(Issue(message, path=where, file=self.file, line=line))
            return text
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.issues.append(Issue("a key must be plain text", file=self.file, line=line))
                continue
            if key_node.tag not in ("tag:yaml.org,2002:str", "!"):
                self._tagged(key_node, line)
            key = key_node.value
            here = (*path, key)
            if key in found:
                first = self.lines[here]
                message = f"{key!r} stands here a second time; the first is in line {first}"
                where = ".".join(map(str, here))
                self.issues.append(Issue(message, path=where, file=self.file, line=line))
                continue
            self.lines[here] = line
            found[key] = self.value(child, here)
        return found

    def _tagged(self, node: yaml.Node, line: int) -> None:
        self.issues.append(Issue(f"tag {node.tag!r} is not allowed", file=self.file, line=line))
