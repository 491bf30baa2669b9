"""Conversations from outside: a run without attempts, which can be judged, rated and reported as a share of its file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from redloom.datasets.conversations import Conversation, read_conversations
from redloom.domain.case import Case, CaseProvenance
from redloom.domain.interaction import Turn
from redloom.domain.run import RunSpec
from redloom.domain.target import Target
from redloom.ids import readable_id, slugify
from redloom.services.releases import IMPORTED, ReleaseOptions, freeze
from redloom.services.workspace import Workspace
from redloom.storage.repositories.runs import Runs

CHUNK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a file of conversations is."""

    study: str
    mapping: Mapping[str, str]
    system: str = ""
    """What answered in it, for people; the file's name where nothing is said."""
    licence: str = ""
    source: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRun:
    """What came in."""

    run: str
    study: str
    conversations: int
    unanswered: int
    """Conversations whose last user turn had no reply, and was left out."""
    without_harm: int
    """Conversations that name no harm: they are judged by the general rubric."""


def import_conversations(workspace: Workspace, path: Path, options: ImportOptions) -> ImportedRun:
    """The conversations of a JSONL file as a run; all of them, or nothing with every problem and its line.

    The file is read twice and never held: its user sides become cases of a release of their own, outside the study's
    cases, and its replies the turns of conversations that no attempt held.
    """
    study = options.study
    with workspace.begin() as unit:
        stored = unit.definitions(study)
        known = {kind: frozenset(stored.slugs(kind)) for kind in ("scenario", "harm")}
        total = unanswered = without = 0
        for one in _read(path, options, known):
            total += 1
            unanswered += one.unanswered
            without += one.harm is None and one.scenario is None
        name = readable_id(workspace.now(), os.urandom(4))
        width = len(str(total))
        members = (
            (_slug(name, number, width, one), _case(one, path, options))
            for number, one in enumerate(_read(path, options, known))
        )
        put = stored.put(
            "case", members, author=workspace.who, origin=path.name, why=options.why, at=workspace.now()
        )
        slugs = {slug for slug, _ in put}
        release = freeze(
            workspace,
            unit,
            study,
            IMPORTED + name,
            dict.fromkeys(slugs, "draft"),
            ReleaseOptions(provisional=True, licence=options.licence, why=options.why),
        )
        stored.retire("case", slugs)
        target = Target(system=f"imported:{path.name}")
        spec = RunSpec(
            study=study,
            version=release.version,
            release_digest=release.digest,
            frame="imported",
            target_name=options.system or path.name,
            target=target,
            target_digest=target.system_digest(),
            attempts={"full": 1},
        )
        study_id = unit.study_id(study)
        run_id = unit.runs.add(name, study_id=study_id, release_id=release.id, spec=spec, at=workspace.now())
        chunk: list[tuple[int, Conversation]] = []
        for number, one in enumerate(_read(path, options, known)):
            chunk.append((number, one))
            if len(chunk) == CHUNK:
                _store(workspace, unit.runs, run_id, chunk)
                chunk = []
        _store(workspace, unit.runs, run_id, chunk)
        unit.runs.set_state(run_id, "completed", None, workspace.now())
        what = f"imported {total} conversations from {path.name} as run {name}"
        unit.studies.record(study_id, id=workspace.ids.new(), who=workspace.who, what=what, why=options.why)
    return ImportedRun(
        run=name, study=study, conversations=total, unanswered=unanswered, without_harm=without
    )


def _read(path: Path, options: ImportOptions, known: Mapping[str, frozenset[str]]) -> Iterator[Conversation]:
    return read_conversations(path, mapping=options.mapping, known=known)


def _slug(run: str, number: int, width: int, one: Conversation) -> str:
    """In the order of the file, and with the id people know it by."""
    return f"{run}.{number:0{width}}.{slugify(one.id)}"[:120].rstrip("-_.")


def _case(one: Conversation, path: Path, options: ImportOptions) -> Case:
    opens = one.exchanges[0][0] is None
    return Case(
        scenario=one.scenario,
        harm=one.harm,
        cluster=slugify(one.cluster) if one.cluster else None if one.scenario else f"c-{slugify(one.id)}",
        opening=(one.exchanges[0][1] or "(an empty message)") if opens else None,
        script=tuple(text for text, _ in one.exchanges if text),
        language=one.language,
        provenance=CaseProvenance(
            origin="imported", source=options.source or path.name, licence=options.licence
        ),
        tags={"id": one.id, **one.tags},
    )


def _store(workspace: Workspace, runs: Runs, run_id: int, chunk: list[tuple[int, Conversation]]) -> None:
    rows: list[tuple[int, bytes, int, str | None]] = []
    turns: list[Turn] = []
    for number, one in chunk:
        key = workspace.ids.new()
        rows.append((number, key, one.line, one.system))
        parent: bytes | None = None
        for text, reply in one.exchanges:
            turn = Turn(
                id=workspace.ids.new(),
                interaction=key,
                parent=parent,
                text=text,
                reply=reply,
                latency_ms=None if text is not None else 0,
            )
            parent = turn.id
            turns.append(turn)
    runs.add_imported(run_id, rows, turns)
