"""The protocol that counts for a run or a release, and the one that a study has."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from redloom.domain.declared import Declared, Done
from redloom.domain.judge import UNITS, Judge
from redloom.domain.protocol import Protocol, Weight, short
from redloom.domain.study import StudyHead
from redloom.domain.target import Target
from redloom.domain.value import Definition
from redloom.report.protocol import planned_lines
from redloom.report.words import plural
from redloom.storage.mapping import StoredVersion
from redloom.storage.repositories.releases import StoredRelease
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork


def protocol_of(unit: UnitOfWork, run: StoredRun) -> Declared:
    """What was declared for a run: the protocol in its release, frozen before its data, beside the one of today."""
    return _declared(unit, run.study_id, unit.releases(run.study_id).by_id(run.release_id), run)


def weight_of(run: StoredRun, planned: Protocol | None) -> Weight:
    """What counts the same in the shares of a run: of a file each conversation, since they are shares of that file."""
    if run.spec.frame == "imported":
        return "case"
    return "cluster" if planned is None else planned.weight


def protocol_in(unit: UnitOfWork, study: str, release: StoredRelease) -> Declared:
    """What is declared for the runs of a release."""
    return _declared(unit, unit.study_id(study), release, None)


def done_in(unit: UnitOfWork, run: StoredRun) -> Done:
    """What a run did, to be held against its protocol."""
    instruments = unit.judgements.instruments(run.id).values()
    return Done(
        arms=run.spec.arms,
        attempts=run.spec.attempts,
        judges={(one.rater, one.unit) for one in instruments if not one.variant},
    )


def _declared(unit: UnitOfWork, study_id: int, release: StoredRelease, run: StoredRun | None) -> Declared:
    versions = _versions(unit, study_id)
    frozen = next((p for version, p in versions if version.digest == release.manifest.study_head), None)
    now = versions[-1][1]
    written = None if frozen is None else _first_of(versions, frozen).created_at
    others = [] if written is None else unit.runs.all(study_id)
    return Declared(
        frozen=frozen,
        now=now,
        now_at=(versions[-1][0] if now is None else _first_of(versions, now)).created_at,
        version=release.version,
        frozen_at=release.created_at,
        begun_at=None if run is None else run.created_at,
        frame="release" if run is None else run.spec.frame,
        runs_before=sum(written is not None and one.created_at < written for one in others),
        judge_since=""
        if run is None or frozen is None
        else _judge_since(unit, run, frozen, release.created_at),
    )


def _judge_since(unit: UnitOfWork, run: StoredRun, frozen: Protocol, at: datetime.datetime) -> str:
    """How the primary judge of a run differs from the one that was declared when its protocol was frozen."""
    name = frozen.primary_judge or ""
    used = [
        one for one in unit.judgements.instruments(run.id).values() if one.rater == name and not one.variant
    ]
    judge = _at(unit, run.study_id, "judge", name.removeprefix("rule:"), at)
    if not used or (judge is None and all(one.rater_kind != "model" for one in used)):
        return ""
    changed: set[str] = set()
    if isinstance(judge, Judge) and judge.by == "rule":
        known = {judge.model_copy(update={"unit": one}).content_digest() for one in UNITS}
        changed |= {"its phrases" for one in used if one.rule_digest not in known}
    else:
        target = judge.target if isinstance(judge, Judge) and judge.target else name
        system = _at(unit, run.study_id, "target", target, at)
        there = system if isinstance(system, Target) else Target(system=target) if ":" in target else None
        models = [one for one in used if one.rater_kind == "model"]
        if there is None or any(one.target_digest != there.system_digest() for one in models):
            changed.add("its system")
        if isinstance(judge, Judge) and any(one.shows != judge.shows for one in models):
            changed.add("what it is shown")
    if not changed:
        return ""
    return (
        f"the primary judge {name} is not the one that the protocol was frozen with: {' and '.join(sorted(changed))} "
        "changed since"
    )


def _at(unit: UnitOfWork, study_id: int, kind: str, slug: str, at: datetime.datetime) -> Definition | None:
    """A definition as it was declared at a time; None where it was not."""
    versions = [one for one in unit.definitions(study_id).versions(kind, slug) if one.created_at <= at]
    return versions[-1].definition if versions else None


def _versions(unit: UnitOfWork, study_id: int) -> list[tuple[StoredVersion, Protocol | None]]:
    """Every version of what the study says of itself, oldest first, with its protocol."""
    stored = unit.definitions(study_id).versions("study", unit.studies.slug_of(study_id))
    return [(one, one.definition.protocol) for one in stored if isinstance(one.definition, StudyHead)]


def _first_of(versions: list[tuple[StoredVersion, Protocol | None]], protocol: Protocol) -> StoredVersion:
    """The version with which a protocol was first written."""
    wanted = protocol.digest()
    return next(one for one, there in versions if there is not None and there.digest() == wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyProtocol:
    """What a study's protocol says at a glance."""

    sentence: str
    """``Protocol sha256:ab12cd34: primary judge rule:x, 2 thresholds``."""
    brief: str
    """The same for a list of what a study needs."""
    digest: str | None
    complete: bool
    """Whether it says whose verdicts count and what they are held to."""
    other_runs: int
    """Runs that were made under another protocol, or under none."""
    plan: str
    lines: tuple[tuple[str, str], ...]
    """(what is planned, how)."""
    deviations: tuple[str, ...]


def study_protocol(unit: UnitOfWork, study: str, titles: Mapping[str, str]) -> StudyProtocol:
    """The protocol of a study as it is now; ``titles`` are those of its harms."""
    study_id = unit.study_id(study)
    versions = _versions(unit, study_id)
    digests = {one.digest: None if there is None else there.digest() for one, there in versions}
    now = versions[-1][1]
    digest = None if now is None else now.digest()
    heads = {release.id: release.manifest.study_head for release in unit.releases(study).all()}
    runs = [run for run in unit.runs.all(study_id) if run.spec.frame != "imported"]
    others = sum(digests.get(heads[run.release_id]) != digest for run in runs)
    return StudyProtocol(
        sentence=_sentence(now, others),
        brief=_brief(now, others),
        digest=digest,
        complete=now is not None and not _lacking(now),
        other_runs=others,
        plan="" if now is None else now.plan,
        lines=() if now is None else tuple(planned_lines(now, titles)),
        deviations=() if now is None else now.deviations,
    )


def _lacking(now: Protocol) -> list[str]:
    judge = [] if now.primary_judge else ["primary judge"]
    return [*judge, *([] if now.thresholds or now.must_never else ["threshold"])]


def _brief(now: Protocol | None, other_runs: int) -> str:
    if now is None:
        return "No protocol is written"
    since = f", written or changed after {plural(other_runs, 'run')}" if other_runs else ""
    lacking = " and no ".join(_lacking(now))
    told = f"names no {lacking}" if lacking else "says whose verdicts count and what is too much"
    return f"The protocol {told}{since}"


def _sentence(now: Protocol | None, other_runs: int) -> str:
    were = f"{plural(other_runs, 'run')} {'was' if other_runs == 1 else 'were'} made"
    if now is None:
        return "No protocol is written" + (f"; {were} under one that was taken out" if other_runs else "")
    told = f"Protocol {short(now.digest())}: "
    told += f"primary judge {now.primary_judge}" if now.primary_judge else "no primary judge"
    told += f", {plural(len(now.thresholds), 'threshold')}"
    told += f", {len(now.must_never)} that must never happen" if now.must_never else ""
    return told + (f"; {were} before it was written or changed" if other_runs else "")
