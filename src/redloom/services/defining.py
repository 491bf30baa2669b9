"""Looking at one definition with its history, changing it, standing behind it, disagreeing with it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redloom.domain.harm import Dissent, Endorsement, Harm
from redloom.domain.study import COLLECTIONS, KINDS, StudyHead, describe_change, problems
from redloom.domain.value import Definition, Path, in_language, issue_at, read_value
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import is_slug
from redloom.services.loading import load_judges, load_study, load_targets
from redloom.services.remembering import study_of
from redloom.services.rules import REFUSAL, RULES, rule_name
from redloom.services.studies import named_by
from redloom.services.taxonomies import crosswalk_issues
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredVersion, in_force, to_value
from redloom.storage.repositories.definitions import Definitions
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.registry import KINDS as TARGETS

ORIGIN = "web"
"""Where versions made here say they come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A definition in a list."""

    kind: str
    slug: str
    title: str
    number: int
    author: str
    at: datetime.datetime
    definition: Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a definition."""

    number: int
    digest: str
    author: str
    origin: str
    why: str
    at: datetime.datetime
    definition: Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A definition with all that is known of it."""

    study: str
    kind: str
    slug: str
    title: str
    definition: Definition
    """The newest version, people's acts about it included."""
    versions: tuple[Version, ...]
    """Newest first."""
    used_by: tuple[Entry, ...]
    """The definitions that name it."""

    @property
    def newest(self) -> Version:
        """The version in force."""
        return self.versions[0]

    def version(self, digest: str) -> Version:
        """The version of that digest; the one in force where there is none."""
        return next((one for one in self.versions if one.digest == digest), self.newest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A disagreement with a version that is no longer in force, of somebody who said nothing of the newest one."""

    id: str
    number: int
    """Of that version."""
    author: str
    dissent: Dissent


@dataclass(frozen=True, slots=True)
class Saved:
    """A version that was stored, or that was there already."""

    slug: str
    number: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """One field that differs: its path, what is stored, what was given."""

    path: str
    stored: Any
    given: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile:
    """Nothing was stored: somebody else stored a version after the one that was edited."""

    slug: str
    stored: Version
    changes: tuple[Changed, ...]
    """Where what was given differs from what is stored now."""


def title_of(slug: str, definition: Definition, language: str | None) -> str:
    """What people call a definition; its slug where it has no title."""
    return in_language(getattr(definition, "title", None), language) or slug


def begin_study(workspace: Workspace, slug: str, content: Mapping[str, Any]) -> None:
    """Begin a study of that name with nothing in it but what it says of itself; raises InputError with every problem."""
    issues: list[Issue] = []
    if not is_slug(slug):
        issues.append(_no_slug(slug))
    try:
        head = read_value(StudyHead, content)
    except InputError as error:
        raise InputError([*issues, *error.issues]) from error
    with workspace.begin() as unit:
        if slug in unit.studies.slugs():
            issues.append(Issue(f"there is a study {slug!r} already; choose another short name", path="slug"))
        if issues:
            raise InputError(issues)
        unit.studies.add(slug, workspace.now())
        unit.definitions(slug).put(
            "study", [(slug, head)], author=workspace.who, origin=ORIGIN, why="", at=workspace.now()
        )
        record(workspace, unit, slug, "began the study", "")


def list_definitions(workspace: Workspace, study: str, kind: str) -> list[Entry]:
    """The definitions of a kind, in the order they came."""
    with workspace.begin() as unit:
        language = _language(unit, study)
        return [_entry(version, language) for version in unit.definitions(study).heads(kind)]


def list_raters(workspace: Workspace, study: str) -> list[tuple[str, str]]:
    """(name that verdicts stand under, what it is) of the judges, the systems and the rule for refusals."""
    with workspace.begin() as unit:
        judges = [
            (rule_name(slug), "a rule") if judge.by == "rule" else (slug, "a model")
            for slug, judge in load_judges(unit, study).items()
        ]
        systems = [(slug, "a system") for slug in load_targets(unit, study)]
        return [*judges, *systems, (REFUSAL, "a rule: full refusals")]


def open_definition(workspace: Workspace, study: str, kind: str, slug: str) -> Opened:
    """One definition with its versions and what rests on it; raises UnknownNameError."""
    with workspace.begin() as unit:
        language = _language(unit, study)
        stored = unit.definitions(study)
        versions = versions_of(stored, kind, slug)
        if not versions:
            raise UnknownNameError(kind.replace("_", " "), slug, stored.slugs(kind))
        definition = versions[0].definition
        if kind != "case":
            whole = study_of(workspace, unit, study)
            definition = whole.head if kind == "study" else whole.collection(kind)[slug]
        used_by = [
            _entry(head, language)
            for name in COLLECTIONS
            if name != "cases" and kind != "case"
            for head in stored.heads(COLLECTIONS[name].kind)
            if (kind, slug) in named_by(head.definition)
        ]
        return Opened(
            study=study,
            kind=kind,
            slug=slug,
            title=title_of(slug, definition, language),
            definition=definition,
            versions=tuple(versions),
            used_by=tuple(used_by),
        )


def versions_of(stored: Definitions, kind: str, slug: str) -> list[Version]:
    """All versions of one definition, newest first; none where there is no such definition."""
    return [_version(found) for found in reversed(stored.versions(kind, slug))]


def compare_versions(opened: Opened, before: int, after: int) -> list[Changed]:
    """Field by field what changed between two versions; raises UnknownNameError for a number there is not."""
    found = {version.number: version for version in opened.versions}
    for number in (before, after):
        if number not in found:
            raise UnknownNameError(f"version of {opened.slug}", str(number), [str(n) for n in sorted(found)])
    return list(_differences(found[before].definition, found[after].definition))


def save_definition(
    workspace: Workspace,
    study: str,
    kind: str,
    slug: str,
    content: Mapping[str, Any],
    *,
    base: str | None,
    why: str = "",
) -> Saved | Meanwhile:
    """Store a new version of a definition, made from the one with the digest ``base`` (None: there was none).

    Raises InputError with every problem it has in itself or brings to the study; problems that were there before are
    not its fault and not told.
    """
    check_slug(slug)
    definition = read_value(model_of(kind), content)
    with workspace.begin(changing=study) as unit:
        done = store_definition(
            workspace, unit, study, kind, slug, definition, base=base, author=workspace.who, why=why
        )
        if isinstance(done, Saved) and done.changed:
            what = f"{'added' if base is None else 'changed'} {kind.replace('_', ' ')} {slug}"
            record(workspace, unit, study, what, why)
        return done


def check_slug(slug: str) -> None:
    """Raise InputError where this is no short name."""
    if not is_slug(slug):
        raise InputError(_no_slug(slug))


def model_of(kind: str) -> type[Definition]:
    """The class of a kind of definition."""
    return StudyHead if kind == "study" else COLLECTIONS[KINDS[kind]]


def store_definition(
    workspace: Workspace,
    unit: UnitOfWork,
    study: str,
    kind: str,
    slug: str,
    definition: Definition,
    *,
    base: str | None,
    author: str,
    why: str,
) -> Saved | Meanwhile:
    """As :func:`save_definition`, within a transaction, by an author, and without a line in the history."""
    stored = unit.definitions(study)
    head = stored.head(kind, slug)
    if head is None and base is not None:
        raise InputError(
            f"{kind.replace('_', ' ')} {slug!r} was taken out of the study; copy what you wrote and add it anew"
        )
    if head is not None and head.digest == definition.content_digest():
        return Saved(slug, head.number, False)
    if head is not None and head.digest != base:
        return Meanwhile(
            slug=slug,
            stored=_version(head),
            changes=tuple(_differences(head.definition, definition)),
        )
    check_in_study(unit, study, kind, slug, definition)
    [(_, number)] = stored.put(
        kind, [(slug, definition)], author=author, origin=ORIGIN, why=why, at=workspace.now()
    )
    return Saved(slug, number, True)


def endorse(
    workspace: Workspace, study: str, slug: str, *, by: str, why: str = "", about: str | None = None
) -> bool:
    """Record that somebody stands behind a version of a harm concept, by its digest or the newest.

    Gives whether that is the newest one.
    """
    body = {"by": by, "why": why}
    return _act(workspace, study, slug, "endorsements", Endorsement, body, about=about)


def dissent(workspace: Workspace, study: str, slug: str, body: Mapping[str, Any]) -> None:
    """Record a disagreement with the newest version of a harm concept; see :class:`Dissent`."""
    _act(workspace, study, slug, "dissent", Dissent, body)


def earlier_dissent(workspace: Workspace, study: str, slug: str) -> tuple[Earlier, ...]:
    """The disagreements with earlier versions of a harm that nobody has said anything of since; raises UnknownNameError."""
    with workspace.begin() as unit:
        return _earlier(unit, study, slug)


def count_earlier_dissent(unit: UnitOfWork, study: str) -> dict[str, int]:
    """Harm -> how many disagreements with earlier versions wait for a word, for those that have any."""
    stored = unit.definitions(study)
    disputed = {name for name, _ in stored.all_facts("dissent", subject="harm")}
    counts = {name: len(_earlier(unit, study, name)) for name in sorted(disputed & set(stored.slugs("harm")))}
    return {name: many for name, many in counts.items() if many}


def uphold_dissent(workspace: Workspace, study: str, slug: str, id: str) -> None:
    """Say that a disagreement with an earlier version holds for the newest one too; raises UnknownNameError."""
    with workspace.begin(changing=study) as unit:
        known = {one.id: one for one in _earlier(unit, study, slug)}
        if id not in known:
            raise UnknownNameError("disagreement with an earlier version", id[:40], known)
        found = known[id]
        body = found.dissent.model_dump(mode="json", exclude_defaults=True)
        said, number = store_act(workspace, unit, study, slug, "dissent", Dissent, body, author=workspace.who)
        what = f"said that the dissent of {said.by} from version {found.number} of harm {slug} holds for version {number}"
        record(workspace, unit, study, what, "")


def _earlier(unit: UnitOfWork, study: str, slug: str) -> tuple[Earlier, ...]:
    stored = unit.definitions(study)
    head = stored.head("harm", slug)
    if head is None:
        raise UnknownNameError("harm", slug, stored.slugs("harm"))
    numbers = {version.digest: version.number for version in stored.versions("harm", slug)}
    return tuple(
        Earlier(
            id=fact.id.hex(),
            number=numbers[fact.about],
            author=fact.author,
            dissent=to_value(Dissent, fact.body, what=f"dissent from {slug}"),
        )
        for fact in in_force(stored.facts_of(head.definition_id, "dissent"))
        if fact.about != head.digest
    )


def _act(
    workspace: Workspace,
    study: str,
    slug: str,
    name: str,
    model: type[Dissent] | type[Endorsement],
    body: Mapping[str, Any],
    about: str | None = None,
) -> bool:
    with workspace.begin(changing=study) as unit:
        said, version = store_act(
            workspace, unit, study, slug, name, model, body, author=workspace.who, about=about
        )
        verb = "dissented from" if name == "dissent" else "endorsed"
        record(
            workspace, unit, study, f"{verb} harm {slug}, version {version.number}, as {said.by}", said.why
        )
        head = unit.definitions(study).head("harm", slug)
        return head is not None and head.digest == version.digest


def store_act(
    workspace: Workspace,
    unit: UnitOfWork,
    study: str,
    slug: str,
    name: str,
    model: type[Dissent] | type[Endorsement],
    body: Mapping[str, Any],
    *,
    author: str,
    about: str | None = None,
) -> tuple[Dissent | Endorsement, StoredVersion]:
    """Store an act about a version of a harm, the newest for None, without a line in the history; gives both."""
    said = read_value(model, body)
    stored = unit.definitions(study)
    versions = stored.versions("harm", slug)
    if not versions:
        raise UnknownNameError("harm", slug, stored.slugs("harm"))
    version = versions[-1] if about is None else next((v for v in versions if v.digest == about), None)
    if version is None:
        raise InputError(f"harm {slug!r} has no such version; look at its page again")
    content = said.model_dump(mode="json", exclude_defaults=True)
    read_value(
        Harm, {**version.definition.content(), name: [content]}, under=(name, 0)
    )  # its severities, say
    row = {"id": workspace.ids.new(), "definition_id": version.definition_id, "kind": name}
    stored.add_facts([{**row, "about": version.digest, "body": content, "author": author, "why": ""}])
    return said, version


def check_in_study(unit: UnitOfWork, name: str, kind: str, slug: str, definition: Definition) -> None:
    """Raise InputError with the problems that the study has with this definition and had not before."""
    study = load_study(unit, name, cases=False)
    systems, rules, cases = None, None, None
    if isinstance(definition, StudyHead):
        systems, rules, cases = TARGETS, RULES, unit.definitions(name).slugs("case")
    known = set(problems(study, systems=systems, rules=rules, cases=cases))
    if kind == "study":
        changed = study.model_copy(update={"head": definition})
    else:
        name = KINDS[kind]
        changed = study.model_copy(update={name: {**getattr(study, name), slug: definition}})
    own: Path = () if kind == "study" else (KINDS[kind], slug)
    found = problems(changed, systems=systems, rules=rules, cases=cases)
    issues = [
        issue_at(path[len(own) :] if path[: len(own)] == own else path, message)
        for path, message in found
        if (path, message) not in known
    ]
    if kind == "harm":
        before = study.harms.get(slug)
        issues += crosswalk_issues(definition.content(), before.content() if before else {})
    if issues:
        raise InputError(issues)


def _no_slug(slug: str) -> Issue:
    told = f"{slug!r} is no short name: letters, digits, '-', '_' and '.'; at most 120 characters"
    return Issue(told, path="slug")


def _differences(before: Definition, after: Definition) -> Iterable[Changed]:
    return (Changed(*found) for found in describe_change(before.content(), after.content()))


def _language(unit: UnitOfWork, study: str) -> str:
    head = unit.definitions(study).head("study", study)
    assert head is not None and isinstance(head.definition, StudyHead)
    return head.definition.languages[0]


def _entry(version: StoredVersion, language: str) -> Entry:
    return Entry(
        kind=version.kind,
        slug=version.slug,
        title=title_of(version.slug, version.definition, language),
        number=version.number,
        author=version.author,
        at=version.created_at,
        definition=version.definition,
    )


def _version(found: StoredVersion) -> Version:
    return Version(
        number=found.number,
        digest=found.digest,
        author=found.author,
        origin=found.origin,
        why=found.why,
        at=found.created_at,
        definition=found.definition,
    )


def record(workspace: Workspace, unit: UnitOfWork, study: str, what: str, why: str) -> None:
    """A line in the history of the study."""
    unit.studies.record(unit.study_id(study), id=workspace.ids.new(), who=workspace.who, what=what, why=why)
