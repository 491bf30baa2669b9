"""Whole conversations from JSONL, one a line; every problem with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from redloom.datasets.tabular import MAX_PROBLEMS, json_objects
from redloom.domain.interaction import Role
from redloom.domain.value import LANGUAGE
from redloom.errors import InputError, Issue, nearest, unknown

FIELDS = ("messages", "id", "harm", "scenario", "cluster", "language")
"""What a column can be mapped to; ``tag:NAME`` keeps one as a tag. Columns of these names need no mapping."""
ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
}
"""Who speaks, in the words of the field's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One line of the file."""

    line: int
    id: str
    exchanges: tuple[tuple[str | None, str], ...]
    """What the user said (None where the system spoke first) and the reply."""
    system: str | None
    unanswered: bool
    """The last word is the user's; it is left out, since there is no reply to judge."""
    harm: str | None
    scenario: str | None
    cluster: str | None
    language: str | None
    tags: Mapping[str, str]


def read_conversations(
    path: Path, *, mapping: Mapping[str, str], known: Mapping[str, frozenset[str]]
) -> Iterator[Conversation]:
    """Every conversation of a JSONL file, streamed; ``mapping`` is field -> column.

    ``messages`` is a list of objects with ``role`` (or ``from``) and ``content`` (or ``value``, ``text``). ``known`` are
    the slugs of scenarios and harms that lines may name. Raises InputError at the end, with every problem.
    """
    issues: list[Issue] = []
    seen: dict[str, int] = {}
    any_line = False
    for line, row in json_objects(path, issues):
        if not any_line:
            _check_mapping(path, mapping, row)
            any_line = True
        found = _conversation(path, line, row, {**{name: name for name in FIELDS}, **mapping}, known)
        if isinstance(found, list):
            issues += found
        elif found.id in seen:
            message = f"the id {found.id!r} stands here a second time; the first is in line {seen[found.id]}"
            issues.append(Issue(message, file=path.name, line=line))
        else:
            seen[found.id] = line
            if not issues:
                yield found
        if len(issues) >= MAX_PROBLEMS:
            issues.append(Issue(f"stopped after {MAX_PROBLEMS} problems", file=path.name))
            break
    if not any_line and not issues:
        issues.append(Issue("has no lines", file=path.name))
    if issues:
        raise InputError(issues)


def _check_mapping(path: Path, mapping: Mapping[str, str], row: Mapping[str, Any]) -> None:
    issues: list[Issue] = []
    for field, column in mapping.items():
        if field not in FIELDS and not field.startswith("tag:"):
            close = nearest(field, FIELDS)
            hint = f"did you mean {close!r}?" if close else f"expected one of {', '.join(FIELDS)} or tag:NAME"
            issues.append(Issue(f"--map {field}={column}: unknown field {field!r}; {hint}"))
        if column not in row:
            issues.append(Issue(f"--map {field}={column}: {unknown('column', column, row)}", file=path.name))
    if mapping.get("messages", "messages") not in row and not issues:
        columns = ", ".join(repr(name) for name in row)
        issues.append(
            Issue(f"no column holds the conversation; say --map messages=COLUMN (columns: {columns})")
        )
    if issues:
        raise InputError(issues)


def _conversation(
    path: Path,
    line: int,
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    known: Mapping[str, frozenset[str]],
) -> Conversation | list[Issue]:
    issues: list[Issue] = []

    def problem(message: str, field: str) -> None:
        issues.append(Issue(message, path=columns[field], file=path.name, line=line))

    def text(field: str) -> str | None:
        value = row.get(columns[field])
        return None if value in (None, "") else str(value)

    def in_messages(message: str) -> None:
        problem(message, "messages")

    system, exchanges, unanswered = _exchanges(row.get(columns["messages"]), in_messages)
    for field in ("scenario", "harm"):
        named = text(field)
        if named is not None and named not in known[field]:
            problem(unknown(field, named, known[field]), field)
    if text("scenario") is not None and text("harm") is not None:
        problem("a conversation names a scenario, which has its harm, or a harm, not both", "harm")
    language = text("language")
    if language is not None and LANGUAGE.fullmatch(language) is None:
        problem(f"{language!r} is not a language code such as 'en' or 'pt-BR'", "language")
    if not exchanges and not issues:
        problem("no reply of the system is in it", "messages")
    if issues:
        return issues
    return Conversation(
        line=line,
        id=text("id") or str(line),
        exchanges=tuple(exchanges),
        system=system,
        unanswered=unanswered,
        harm=text("harm"),
        scenario=text("scenario"),
        cluster=text("cluster"),
        language=language,
        tags={
            field[4:]: str(row[column])
            for field, column in columns.items()
            if field.startswith("tag:") and row.get(column) not in (None, "")
        },
    )


def _exchanges(
    value: Any, problem: Callable[[str], None]
) -> tuple[str | None, list[tuple[str | None, str]], bool]:
    """System prompt, exchanges, and whether the user has the last word; messages of one speaker in a row are joined."""
    if not isinstance(value, list):
        problem("expected a list of messages with 'role' and 'content'")
        return None, [], False
    system: list[str] = []
    said: list[str] = []
    exchanges: list[tuple[str | None, str]] = []
    last: Role | None = None
    for number, message in enumerate(cast(list[Any], value), start=1):
        read = _message(message)
        if isinstance(read, str):
            problem(f"message {number}: {read}")
            continue
        role, content = read
        if role == "system":
            system.append(content)
            continue
        if role == "user":
            said.append(content)
        elif last == "assistant" and exchanges:
            asked, reply = exchanges[-1]
            exchanges[-1] = (asked, f"{reply}\n\n{content}")
        else:
            exchanges.append(("\n\n".join(said) if said else None, content))
            said = []
        last = role
    return "\n\n".join(system) or None, exchanges, bool(said)


def _message(message: Any) -> tuple[Role, str] | str:
    if not isinstance(message, dict):
        return "expected an object with 'role' and 'content'"
    fields = cast(dict[str, Any], message)
    role = fields.get("role", fields.get("from"))
    content = next((fields[name] for name in ("content", "value", "text") if name in fields), None)
    if not isinstance(role, str) or role.lower() not in ROLES:
        return f"the role {role!r} is not one of {', '.join(ROLES)}"
    if isinstance(content, list):  # parts, as chat completions have them
        parts = [cast(dict[str, Any], p) for p in cast(list[Any], content) if isinstance(p, dict)]
        if len(parts) != len(cast(list[Any], content)) or not all(
            isinstance(p.get("text"), str) for p in parts
        ):
            return "its content has parts that are not text"
        content = "\n".join(p["text"] for p in parts)
    if not isinstance(content, str):
        return "its content is not a text"
    return ROLES[role.lower()], content
