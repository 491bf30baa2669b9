"""``study.yaml``: reading it with every problem at once, writing it back, its JSON schema."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from redloom.datasets import yaml_text
from redloom.domain.study import COLLECTIONS, Study, StudyHead, problems
from redloom.domain.value import Definition, issue_at, issues_of, shown
from redloom.errors import InputError, Issue, nearest
from redloom.ids import is_slug

HEAD_FIELDS = tuple(StudyHead.model_fields)
TOP_LEVEL = ("study", *HEAD_FIELDS, *COLLECTIONS, "include", "base")
MAX_BYTES = 64 * 1024 * 1024
UNSAID = frozenset({"key_env"})
"""Where somebody may have put a key by mistake: no message repeats what stands there."""

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study as files declare it."""

    study: Study
    name: str
    """The file's name: who wrote a stored version, next to the web."""
    base: Mapping[str, str] = field(default_factory=dict[str, str])
    """``kind/slug`` -> content digest that the file was exported from; empty for one written by hand."""


def read_study(
    path: Path,
    *,
    systems: Collection[str] | None = None,
    rules: Collection[str] | None = None,
    cases: Callable[[str], Collection[str]] | None = None,
) -> StudyFile:
    """The study that ``path`` and the files it includes declare.

    ``systems`` are the kinds of target there are, ``rules`` the rule judges that no study declares; ``cases`` gives the
    cases that a study has besides those of its files. Without them any name is taken. Raises InputError with every
    problem found, each with file, line, path, value and nearest valid name.
    """
    reader = _Reader()
    if not reader.read(path, ()):
        raise InputError(reader.issues)
    study = reader.build(path, systems, rules, cases)
    return StudyFile(study, path.name, reader.base)


def write_study(study: Study) -> str:
    """The study as one YAML document that :func:`read_study` reads back, with base digests."""
    document: dict[str, Any] = {"study": study.slug, **study.head.content()}
    for name in COLLECTIONS:
        members: Mapping[str, Definition] = getattr(study, name)
        if members:
            document[name] = {slug: {**d.content(), **d.beside()} for slug, d in members.items()}
    base = {"study": study.head.content_digest()}
    base |= {f"{kind}/{slug}": definition.content_digest() for kind, slug, definition in study.definitions()}
    document["base"] = base
    return yaml_text.dump(document)


def study_schema() -> dict[str, Any]:
    """The JSON schema of ``study.yaml``, for editors."""
    schema = Study.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs")
    head: dict[str, Any] = definitions.pop("StudyHead")
    properties: dict[str, Any] = {
        "study": {"type": "string", "description": "Slug of the study."},
        **head["properties"],
        **{name: schema["properties"][name] for name in COLLECTIONS},
        "include": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Further files, beside this one.",
        },
        "base": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Written by export.",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Redloom study",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": definitions,
    }


def _any_head(collections: Mapping[str, Any]) -> StudyHead:
    """A head that hides no problem of the rest, and adds none, where the head itself is wrong."""
    languages = {scenario.language for scenario in collections["scenarios"].values()}
    return StudyHead.model_construct(title="", languages=tuple(sorted(languages)), constraints=())


def _no_slug(value: Any) -> str:
    if value is None:
        return "'study' is missing: the slug of this study"
    if not isinstance(value, str):
        return f"{shown(value)} is not a text; quote it to make it a slug"
    return f"{value!r} is not a slug: letters, digits, '-', '_' and '.', starting with a letter or digit"


class _Reader:
    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.head: dict[str, Any] = {}
        self.members: dict[str, dict[str, Any]] = {name: {} for name in COLLECTIONS}
        self.places: dict[Place, tuple[str, int]] = {}
        self.base: dict[str, str] = {}
        self.slug: str | None = None
        self.complete = True
        """Whether every file and collection could be read, so that a name that is not there is an unknown one."""

    def read(self, path: Path, trail: tuple[Path, ...]) -> bool:
        """Take in one file and what it includes; False where the file itself says nothing that can be read."""
        if path.resolve() in trail:
            self.issues.append(Issue("the files include each other in a circle", file=path.name))
            return False
        document = self._load(path)
        if document is None:
            self.complete = False
            return False
        for key, value in cast(dict[str, Any], document.value).items():
            line = document.lines.get((key,))
            if key == "include":
                continue
            if key not in TOP_LEVEL:
                close = nearest(key, TOP_LEVEL)
                self.complete &= close not in (*COLLECTIONS, "include")
                hint = f"did you mean {close!r}?" if close else f"expected one of {', '.join(TOP_LEVEL)}"
                self.issues.append(Issue(f"unknown key {key!r}; {hint}", file=path.name, line=line))
            elif key in COLLECTIONS:
                self._collect(path, key, value, document)
            else:
                self._take_head(path, key, value, document, included=bool(trail))
        self._include(path, document, trail)
        return True

    def _load(self, path: Path) -> yaml_text.Positioned | None:
        try:
            if path.stat().st_size > MAX_BYTES:
                self.issues.append(
                    Issue("larger than 64 MiB; import cases with 'redloom import'", file=path.name)
                )
                return None
            document = yaml_text.parse(path.read_text(encoding="utf-8"), file=path.name, unsaid=UNSAID)
        except OSError as error:
            self.issues.append(Issue(f"cannot be read: {error.strerror or error}", file=str(path)))
            return None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
            self.issues.append(Issue(message, file=path.name, line=line))
            return None
        except InputError as error:
            self.issues.extend(error.issues)
            return None
        if not isinstance(document.value, dict):
            self.issues.append(
                Issue("expected a mapping with 'study', 'title', 'languages', ...", file=path.name)
            )
            return None
        self.issues += document.issues
        for place, line in document.lines.items():
            self.places.setdefault(place, (path.name, line))
        return document

    def _take_head(
        self, path: Path, key: str, value: Any, document: yaml_text.Positioned, *, included: bool
    ) -> None:
        line = document.lines.get((key,))
        if included:
            self.issues.append(
                Issue(f"{key!r} belongs in the file that includes this one", file=path.name, line=line)
            )
        elif key == "study":
            if isinstance(value, str) and is_slug(value):
                self.slug = value
            else:
                self.issues.append(Issue(_no_slug(value), path="study", file=path.name, line=line))
        elif key == "base":
            if isinstance(value, dict):
                self.base = {str(k): str(v) for k, v in cast(dict[str, Any], value).items()}
        else:
            self.head[key] = value

    def _collect(self, path: Path, name: str, value: Any, document: yaml_text.Positioned) -> None:
        line = document.lines.get((name,))
        if value is None:
            return
        if not isinstance(value, dict):
            self.complete = False
            self.issues.append(
                Issue("expected a mapping of slug to fields", path=name, file=path.name, line=line)
            )
            return
        for slug, body in cast(dict[str, Any], value).items():
            here = document.lines.get((name, slug))
            if not is_slug(slug):
                message = _no_slug(slug)
                self.issues.append(Issue(message, path=name, file=path.name, line=here))
            elif slug in self.members[name]:
                file, first = self.places[(name, slug)]
                message = f"{slug!r} stands here a second time; the first is in {file}:{first}"
                self.issues.append(Issue(message, path=f"{name}.{slug}", file=path.name, line=here))
            else:
                self.members[name][slug] = body

    def _include(self, path: Path, document: yaml_text.Positioned, trail: tuple[Path, ...]) -> None:
        names: Any = document.value.get("include") or []
        line = document.lines.get(("include",))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in cast(list[Any], names)):
            self.complete = False
            self.issues.append(
                Issue("expected a list of file names", path="include", file=path.name, line=line)
            )
            return
        home = path.parent.resolve()
        for name in cast(list[str], names):
            inner = path.parent / name
            if not inner.resolve().is_relative_to(home):
                self.complete = False
                message = f"{name!r} is outside the folder of {path.name}"
                self.issues.append(Issue(message, path="include", file=path.name, line=line))
            else:
                self.read(inner, (*trail, path.resolve()))

    def build(
        self,
        path: Path,
        systems: Collection[str] | None,
        rules: Collection[str] | None,
        cases: Callable[[str], Collection[str]] | None,
    ) -> Study:
        """The study out of all that was read; raises InputError with every problem."""
        collections: dict[str, dict[str, Definition]] = {}
        broken = {name: set[str]() for name in COLLECTIONS}
        for name, model in COLLECTIONS.items():
            collections[name] = {}
            for slug, body in self.members[name].items():
                try:
                    collections[name][slug] = model.model_validate(body if body is not None else {})
                except ValidationError as error:
                    broken[name].add(slug)
                    self._report(issues_of(error, model, prefix=(name, slug)), path)
        head = None
        if self.slug is None and not any(issue.path == "study" for issue in self.issues):
            self.issues.append(Issue("'study' is missing: the slug of this study", file=path.name))
        try:
            head = StudyHead.model_validate(self.head)
        except ValidationError as error:
            self._report(issues_of(error, StudyHead), path)
        members = cast(dict[str, Any], collections)
        study = Study.model_construct(slug=self.slug or "", head=head or _any_head(members), **members)
        if self.complete:
            names_cases = study.head.protocol is not None and study.head.protocol.must_never
            others = cases(study.slug) if cases is not None and names_cases else None
            found = problems(study, broken=broken, systems=systems, rules=rules, cases=others)
            self._report(found, path)
        if not self.issues:
            return study
        raise InputError(sorted(self.issues, key=lambda issue: (issue.file, issue.line or 0)))

    def _report(self, found: Any, path: Path) -> None:
        for place, message in found:
            file, line = self._place(place, path)
            self.issues.append(issue_at(place, message, file=file, line=line))

    def _place(self, place: Place, path: Path) -> tuple[str, int | None]:
        while place:
            if place in self.places:
                return self.places[place]
            place = place[:-1]
        return path.name, None
