"""Cases from CSV and JSONL, a row at a time; every problem with its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, cast

from pydantic import ValidationError

from redloom.datasets.writing import plain
from redloom.domain.case import Case
from redloom.domain.value import issues_of, join_path
from redloom.errors import InputError, Issue, nearest, unknown
from redloom.ids import is_slug, slugify

TableFormat = Literal["csv", "jsonl"]

FIELDS = ("slug", "text", "turns", "scenario", "cluster", "harm", "language", "opening", "before")
"""What a column can be mapped to; ``tag:NAME`` keeps one as a tag. ``before`` is text put before ``text``,
such as the context string of a contextual behaviour; ``turns`` is a JSON list of user turns."""
SEPARATORS: Mapping[str, str] = {",": "comma", ";": "semicolon", "\t": "tab"}
"""What may stand between the columns of a table, by its name."""
MAX_PROBLEMS = 200
MAX_FIELD = 16 * 1024 * 1024


def detect(path: Path) -> TableFormat:
    """The format by the file's ending; raises InputError."""
    name = path.name.removesuffix(".gz")
    for ending, found in ((".csv", "csv"), (".tsv", "csv"), (".jsonl", "jsonl"), (".ndjson", "jsonl")):
        if name.endswith(ending):
            return cast(TableFormat, found)
    raise InputError(f"{path.name}: cannot tell the format by its name; say 'csv' or 'jsonl'")


def find_separator(path: Path, wanted: Iterable[str]) -> str:
    """What separates the columns: that under which the header has most of the ``wanted`` ones, else several at all.

    A comma where nothing tells, and where the file cannot be read; a tab for a ``.tsv`` file.
    """
    candidates = list(SEPARATORS)
    if path.name.removesuffix(".gz").endswith(".tsv"):
        candidates = ["\t", ",", ";"]
    names = set(wanted)

    def fit(separator: str) -> tuple[int, bool]:
        with suppress(OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error), _open(path) as file:
            header = next(csv.reader(file, strict=True, delimiter=separator), list[str]())
            return len(names.intersection(header)), len(header) > 1
        return 0, False

    return max(candidates, key=fit)


def read_cases(
    path: Path,
    *,
    table: TableFormat,
    mapping: Mapping[str, str],
    known: Mapping[str, frozenset[str]],
    licence: str = "",
    source: str = "",
    separator: str = ",",
) -> Iterator[tuple[str, Case]]:
    """(slug, case) of every row, streamed; ``mapping`` is field -> column.

    Columns named ``tag:NAME``, as an export writes them, are tags without being mapped. ``known`` are the slugs of
    scenarios and harms that rows may name; ``separator`` stands between the columns of a csv. Raises InputError at the end, with every
    problem up to ``MAX_PROBLEMS``, or at once when the mapping is off.
    """
    issues: list[Issue] = []
    seen: dict[str, int] = {}
    checked = False
    for line, row in _rows(path, table, frozenset(mapping.values()), separator, issues):
        if not checked:
            _check_mapping(path, mapping, row)
            if table == "csv":
                named = [name for name in row if name.startswith("tag:") and name not in mapping.values()]
                mapping = {**{name: name for name in named}, **mapping}
            checked = True
        found = _case(row, mapping, line, path, licence, source, known)
        if isinstance(found, list):
            issues += found
        else:
            slug, case = found
            if slug in seen:
                message = f"{slug!r} stands here a second time; the first is in line {seen[slug]}"
                issues.append(Issue(message, path=mapping.get("slug", ""), file=path.name, line=line))
            else:
                seen[slug] = line
                if not issues:
                    yield slug, case
        if len(issues) >= MAX_PROBLEMS:
            break
    if len(issues) >= MAX_PROBLEMS:
        issues.append(Issue(f"stopped after {MAX_PROBLEMS} problems", file=path.name))
    if not checked and not issues:
        issues.append(Issue("has no rows", file=path.name))
    if issues:
        raise InputError(issues)


def json_objects(path: Path, issues: list[Issue]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of a JSONL file; what is wrong joins ``issues``."""
    return _rows(path, "jsonl", frozenset(), ",", issues)


def _rows(
    path: Path, table: TableFormat, wanted: frozenset[str], separator: str, issues: list[Issue]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row); whatever ends the reading before the end of the file joins ``issues``."""
    try:
        with _open(path) as file:
            if table == "csv":
                yield from _csv_rows(file, path, wanted, separator, issues)
            else:
                yield from _json_rows(file, path, issues)
    except (OSError, EOFError, zlib.error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        issues.append(Issue(f"cannot be read: {reason}", file=str(path)))
    except UnicodeDecodeError as error:
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        issues.append(Issue(message, file=path.name, line=_undecodable_line(path)))


def _undecodable_line(path: Path) -> int | None:
    """The first line that is not UTF-8; text is decoded in blocks, whose errors do not tell."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(cast(IO[bytes], gzip.open(path, "rb")), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _csv_rows(
    file: IO[str], path: Path, wanted: frozenset[str], separator: str, issues: list[Issue]
) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(file, strict=True, delimiter=separator)
    try:
        header = next(reader, None)
        if header is None:
            issues.append(Issue("is empty; expected a line of column names", file=path.name))
            return
        doubled = sorted(name for name in wanted if header.count(name) > 1)
        issues += [
            Issue(f"more than one column is named {name!r}", file=path.name, line=1) for name in doubled
        ]
        start = reader.line_num + 1
        for values in reader:
            if values and len(values) != len(header):
                fields = "1 field" if len(values) == 1 else f"{len(values)} fields"
                message = f"has {fields}; expected {len(header)} ({', '.join(header)})"
                issues.append(Issue(message, file=path.name, line=start))
            elif values:
                yield start, dict(zip(header, values, strict=True))
            if len(issues) >= MAX_PROBLEMS:
                return
            start = reader.line_num + 1
    except csv.Error as error:
        issues.append(Issue(f"not readable as CSV: {error}", file=path.name, line=reader.line_num))


def _json_rows(file: IO[str], path: Path, issues: list[Issue]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(file, start=1):
        if len(issues) >= MAX_PROBLEMS:
            return
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except ValueError as error:
            issues.append(Issue(f"not readable as JSON: {error}", file=path.name, line=number))
            continue
        except RecursionError:
            issues.append(Issue("is nested too deeply", file=path.name, line=number))
            continue
        if not isinstance(value, dict):
            issues.append(Issue("expected a JSON object", file=path.name, line=number))
            continue
        if "\\u" in text and not _is_unicode(value):
            issues.append(
                Issue("holds half of a surrogate pair, which is no character", file=path.name, line=number)
            )
            continue
        yield number, cast(dict[str, Any], value)


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_mapping(path: Path, mapping: Mapping[str, str], row: Mapping[str, Any]) -> None:
    issues: list[Issue] = []
    for field, column in mapping.items():
        if field not in FIELDS and not field.startswith("tag:"):
            close = nearest(field, FIELDS)
            hint = f"did you mean {close!r}?" if close else f"expected one of {', '.join(FIELDS)} or tag:NAME"
            issues.append(Issue(f"--map {field}={column}: unknown field {field!r}; {hint}"))
        if column not in row:
            issues.append(Issue(f"--map {field}={column}: {unknown('column', column, row)}", file=path.name))
    if "text" not in mapping and "turns" not in mapping:
        columns = ", ".join(repr(name) for name in row)
        issues.append(Issue(f"no column is mapped to the prompt; say --map text=COLUMN (columns: {columns})"))
    if issues:
        raise InputError(issues)


def _case(
    row: Mapping[str, Any],
    mapping: Mapping[str, str],
    line: int,
    path: Path,
    licence: str,
    source: str,
    known: Mapping[str, frozenset[str]],
) -> tuple[str, Case] | list[Issue]:
    values = {field: row[column] for field, column in mapping.items() if row.get(column) not in (None, "")}
    issues: list[Issue] = []

    def problem(message: str, field: str) -> None:
        issues.append(Issue(message, path=mapping.get(field, field), file=path.name, line=line))

    script = _script(values, problem)
    given = values.get("slug")
    slug = slugify(str(given)) if given is not None else f"{slugify(path.name.split('.')[0])}-{line}"
    if not is_slug(slug):
        problem(f"{given!r} cannot be made a slug", "slug")
        slug = "0"
    body: dict[str, Any] = {
        "script": ["-"] if script is None else script,
        "provenance": {"origin": "imported", "source": source or path.name},
    }
    if licence:
        body["provenance"]["licence"] = licence
    for field in ("scenario", "harm"):
        if field in values:
            body[field] = str(values[field])
            if body[field] not in known[field]:
                problem(unknown(field, body[field], known[field]), field)
    if "language" in values:
        body["language"] = str(values["language"])
    if "opening" in values:
        body["opening"] = str(values["opening"])
    if "cluster" in values:
        body["cluster"] = slugify(str(values["cluster"])) or slug
    elif "scenario" not in body:
        body["cluster"] = slug
    tags = {
        field[4:]: plain(str(value)) if mapping[field].startswith("tag:") else str(value)
        for field, value in values.items()
        if field.startswith("tag:")
    }
    if tags:
        body["tags"] = tags
    try:
        case = Case.model_validate(body)
    except ValidationError as error:
        issues += [Issue(m, path=join_path(p), file=path.name, line=line) for p, m in issues_of(error, Case)]
        return issues
    return issues or (slug, case)


def _script(values: Mapping[str, Any], problem: Any) -> list[str] | None:
    """The user's turns; None where a problem was told."""
    if "turns" in values:
        turns = values["turns"]
        if isinstance(turns, str):
            try:
                turns = json.loads(turns)
            except ValueError:
                problem("expected a JSON list of user turns", "turns")
                return None
        if not isinstance(turns, list) or not all(isinstance(t, str) for t in cast(list[Any], turns)):
            problem("expected a list of texts, the user's turns", "turns")
            return None
        return cast(list[str], turns)
    text = values.get("text")
    if text is None:
        problem("the prompt is empty", "text")
        return None
    if not isinstance(text, str):
        problem(f"expected a text, not {type(text).__name__}", "text")
        return None
    before = values.get("before")
    return [f"{before}\n\n{text}" if before else text]
