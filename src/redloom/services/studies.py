"""Declaring a study, looking at it, writing it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from redloom.datasets.study_file import StudyFile, read_study, write_study
from redloom.domain.evidence import Evidence
from redloom.domain.judge import Judge
from redloom.domain.study import COLLECTIONS, KINDS, Study, describe_change
from redloom.domain.value import Definition, shown
from redloom.errors import ConflictError, Issue
from redloom.ids import digest
from redloom.report.words import plural
from redloom.services.loading import load_study
from redloom.services.rules import RULES
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredVersion, acting
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets.registry import KINDS as KINDS_OF_TARGET

Take = Literal["file", "stored", "web"]
"""Whose side a conflict is settled for; ``web`` is another name for ``stored``."""
SIDES: tuple[Take, ...] = ("file", "stored", "web")


@dataclass(frozen=True, slots=True)
class Change:
    """One definition that differs between file and store."""

    kind: str
    slug: str
    action: Literal["add", "change", "retire", "act"]
    fields: tuple[tuple[str, Any, Any], ...] = ()
    """Path, stored value, value of the file."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply changed, or would change."""

    study: str
    changes: tuple[Change, ...]
    dry_run: bool
    unchanged: int
    kept: tuple[tuple[str, str], ...] = ()
    """(kind, slug) of what the store has and the file has not, and of conflicts settled for the store; it stays.

    With ``prune`` only what was not declared by this file (imported, added by a command, declared by another file) and
    what that rests on.
    """


@dataclass(slots=True)
class _Plan:
    changes: list[Change] = field(default_factory=list[Change])
    puts: dict[str, list[tuple[str, Definition]]] = field(
        default_factory=dict[str, list[tuple[str, Definition]]]
    )
    retire: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    conflicts: list[tuple[StoredVersion, Definition]] = field(
        default_factory=list[tuple[StoredVersion, Definition]]
    )
    kept: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    unchanged: int = 0


def apply(
    workspace: Workspace,
    path: Path,
    *,
    why: str = "",
    take: Take | None = None,
    prune: bool = False,
    dry_run: bool = False,
) -> Applied:
    """Declare what the file says; what is there already and the same stays untouched.

    ``prune`` retires what this file declared before and no longer has. Raises InputError with every problem of the file, ConflictError where the store was changed elsewhere since.
    """

    def stored_cases(study: str) -> Collection[str]:
        with workspace.begin() as unit:
            known = unit.studies.id_of(study)
            return () if known is None else unit.definitions(known).slugs("case")

    file = read_study(path, systems=KINDS_OF_TARGET, rules=RULES, cases=stored_cases)
    return apply_study(workspace, file, why=why, take=take, prune=prune, dry_run=dry_run)


def apply_study(
    workspace: Workspace,
    file: StudyFile,
    *,
    why: str = "",
    take: Take | None = None,
    prune: bool = False,
    dry_run: bool = False,
) -> Applied:
    """:func:`apply` for a file that was read already."""
    study = file.study
    with workspace.begin(changing=None if dry_run else study.slug) as unit:
        study_id = unit.studies.id_of(study.slug)
        plan = _plan(unit, study_id, file, take, prune)
        if plan.conflicts:
            raise ConflictError(_told(plan.conflicts, file))
        acts = _new_acts(unit, study_id, study, plan)
        plan.changes += [Change(kind, slug, "act", ((name, None, body),)) for kind, slug, name, body in acts]
        if not dry_run and plan.changes:
            if study_id is None:
                study_id = unit.studies.add(study.slug, workspace.now())
            _store(workspace, unit, study_id, plan, origin=file.name, why=why)
            _store_acts(workspace, unit, study_id, study, acts, why)
            detail = {"changes": [f"{c.action} {c.kind}/{c.slug}" for c in plan.changes[:1000]]}
            what = f"applied {file.name}"
            unit.studies.record(
                study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=why, detail=detail
            )
    return Applied(study.slug, tuple(plan.changes), dry_run, plan.unchanged, tuple(plan.kept))


def _plan(unit: UnitOfWork, study_id: int | None, file: StudyFile, take: Take | None, prune: bool) -> _Plan:
    plan = _Plan()
    study = file.study
    stored = None if study_id is None else unit.definitions(study_id)
    wanted: list[tuple[str, Mapping[str, Definition]]] = [("study", {study.slug: study.head})]
    wanted += [(model.kind, getattr(study, name)) for name, model in COLLECTIONS.items()]
    gone, staying = dict[tuple[str, str], StoredVersion](), list[Definition]()
    for kind, members in wanted:
        heads = {} if stored is None else {version.slug: version for version in stored.heads(kind)}
        for slug, definition in members.items():
            head = heads.get(slug)
            if head is not None and head.digest == definition.content_digest():
                plan.unchanged += 1
                continue
            if head is not None:
                if take in ("stored", "web") and _changed_elsewhere(head, file):
                    plan.kept.append((kind, slug))
                    continue
                if take is None and _changed_elsewhere(head, file):
                    plan.conflicts.append((head, definition))
                    continue
            before = {} if head is None else head.definition.content()
            fields = tuple(describe_change(before, definition.content()))
            plan.changes.append(Change(kind, slug, "add" if head is None else "change", fields))
            plan.puts.setdefault(kind, []).append((slug, definition))
        gone |= {(kind, slug): head for slug, head in heads.items() if slug not in members}
        staying += [heads[slug].definition for found, slug in plan.kept if found == kind]
    own = {key for key, head in gone.items() if prune and not _changed_elsewhere(head, file)}
    staying += [head.definition for key, head in gone.items() if key not in own]
    own -= _needed(staying, gone)
    for kind, slug in gone:
        if (kind, slug) in own:
            plan.changes.append(Change(kind, slug, "retire"))
            plan.retire.setdefault(kind, []).append(slug)
        else:
            plan.kept.append((kind, slug))
    return plan


def _needed(
    staying: Iterable[Definition], gone: Mapping[tuple[str, str], StoredVersion]
) -> set[tuple[str, str]]:
    """What of ``gone`` the definitions that stay rest on, directly or through each other."""
    waiting, found = list(staying), set[tuple[str, str]]()
    while waiting:
        for key in named_by(waiting.pop()):
            if key in gone and key not in found:
                found.add(key)
                waiting.append(gone[key].definition)
    return found


def named_by(definition: Definition) -> Iterator[tuple[str, str]]:
    """(kind, slug) of every definition that this one names."""
    yield from ((reference.kind, reference.slug) for reference in definition.references())
    if isinstance(definition, Judge | Evidence):
        yield from (("harm", slug) for slug in definition.harms)
    if isinstance(definition, Evidence):
        yield from (("scenario", slug) for slug in definition.scenarios)
    if isinstance(definition, Judge) and definition.target is not None:
        yield "target", definition.target


def _changed_elsewhere(head: StoredVersion, file: StudyFile) -> bool:
    """Whether the stored head is neither the file's base nor written by the same file."""
    return head.digest != _base(head, file) and head.origin != file.name


def _base(head: StoredVersion, file: StudyFile) -> str | None:
    return file.base.get("study" if head.kind == "study" else f"{head.kind}/{head.slug}")


def _told(conflicts: Iterable[tuple[StoredVersion, Definition]], file: StudyFile) -> Iterator[Issue]:
    """Every field in conflict, then once for each way in which conflicts came to be what is known and what to do."""
    reasons: dict[str, int] = {}
    for head, definition in conflicts:
        where = f"{KINDS.get(head.kind, head.kind)}.{head.slug}"
        for path, stored, given in describe_change(head.definition.content(), definition.content()):
            yield Issue(f"stored {shown(stored)}, in the file {shown(given)}", path=f"{where}.{path}")
        stored_by = f"stored by {head.author} through {head.origin}"
        if _base(head, file) is None:
            reason = f"{stored_by}, and this file is {file.name} and carries no base digest"
        else:
            reason = f"{stored_by} since {file.name} was exported"
        reasons[reason] = reasons.get(reason, 0) + 1
    for reason, count in reasons.items():
        yield Issue(f"{plural(count, 'conflict')}: {reason}")
    yield Issue(
        "nothing was stored; --take file stores what this file says, --take stored (or web) keeps what is stored"
    )


Act = tuple[str, str, str, Any]
"""Kind and slug of the definition, name of the field beside its content, one act."""


def _acts(study: Study) -> Iterable[Act]:
    for kind, slug, definition in study.definitions():
        for name, value in definition.beside().items():
            if name in ("dissent", "endorsements"):
                for body in value:
                    yield kind, slug, name, body
        operations = {n: v for n, v in definition.beside().items() if n not in ("dissent", "endorsements")}
        if operations:
            yield kind, slug, "operations", operations


def _new_acts(unit: UnitOfWork, study_id: int | None, study: Study, plan: _Plan) -> list[Act]:
    """The acts of the file that are not in force about the same content."""
    known: dict[tuple[str, str, str, str, str], str] = {}
    if study_id is not None:
        stored = unit.definitions(study_id)
        for kind, name in (("harm", "dissent"), ("harm", "endorsements"), ("target", "operations")):
            for slug, fact in stored.all_facts(name, subject=kind):
                known[(kind, slug, name, fact.about, acting(fact.body))] = digest(fact.body)
    skipped = set(plan.kept)
    new: list[Act] = []
    for kind, slug, name, body in _acts(study):
        about = study.collection(kind)[slug].content_digest()
        in_store = known.get((kind, slug, name, about, acting(body)))
        if (kind, slug) not in skipped and digest(body) != in_store:
            new.append((kind, slug, name, body))
    return new


def _store(
    workspace: Workspace, unit: UnitOfWork, study_id: int, plan: _Plan, *, origin: str, why: str
) -> None:
    stored = unit.definitions(study_id)
    for kind, members in plan.puts.items():
        stored.put(kind, members, author=workspace.who, origin=origin, why=why, at=workspace.now())
    for kind, slugs in plan.retire.items():
        stored.retire(kind, slugs)


def _store_acts(
    workspace: Workspace, unit: UnitOfWork, study_id: int, study: Study, acts: Iterable[Act], why: str
) -> None:
    stored = unit.definitions(study_id)
    ids = {kind: stored.ids(kind) for kind in ("harm", "target")}
    stored.add_facts(
        {
            "id": workspace.ids.new(),
            "definition_id": ids[kind][slug],
            "kind": name,
            "about": study.collection(kind)[slug].content_digest(),
            "body": body,
            "author": workspace.who,
            "why": why,
        }
        for kind, slug, name, body in acts
    )


def export_study(workspace: Workspace, slug: str) -> str:
    """The stored study as one YAML document, with base digests."""
    with workspace.begin() as unit:
        return write_study(load_study(unit, slug))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a study has."""

    study: str
    title: Any
    languages: tuple[str, ...]
    unanswered: tuple[str, ...]
    """Fields of the charter that nobody has filled in."""
    protocol: str
    """One sentence: whether there is one, with what in it, and whether runs were made before it was so."""
    counts: Mapping[str, int]
    statuses: Mapping[str, int]
    """Cases by review state."""
    dissent: Mapping[str, tuple[str, ...]]
    """Harm -> who dissents."""
    releases: tuple[Mapping[str, Any], ...]
    """A ``snapshot`` is one that a run or an import froze, and that nobody cut by name."""
    runs: tuple[Mapping[str, Any], ...]


def overview(workspace: Workspace, slug: str) -> Overview:
    """What is there, at a glance."""
    from redloom.services.cases import count_statuses
    from redloom.services.protocols import study_protocol
    from redloom.services.releases import SNAPSHOTS

    with workspace.begin() as unit:
        study = load_study(unit, slug, cases=False)
        stored = unit.definitions(slug)
        study_id = unit.study_id(slug)
        counts = {name: stored.count(model.kind) for name, model in COLLECTIONS.items()}
        releases = [
            {
                "version": r.version,
                "cases": r.manifest.cases,
                "provisional": r.manifest.provisional,
                "digest": r.digest,
                "snapshot": r.version.startswith(SNAPSHOTS),
            }
            for r in unit.releases(slug).all()
        ]
        runs = [
            {"run": r.name, "state": r.state, "target": r.spec.target_name, "version": r.spec.version}
            for r in unit.runs.all(study_id)
        ]
        return Overview(
            study=slug,
            title=study.head.title,
            languages=study.head.languages,
            unanswered=tuple(study.head.charter.unanswered()),
            protocol=study_protocol(unit, slug, {}).sentence,
            counts=counts,
            statuses=count_statuses(stored),
            dissent={
                name: tuple(d.by for d in harm.dissent) for name, harm in study.harms.items() if harm.dissent
            },
            releases=tuple(releases),
            runs=tuple(runs),
        )
