"""The estimand card of a run: what it records of itself, and how its judges judged."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from redloom.domain.estimand import (
    AGGREGATION,
    CLUSTER_RULE,
    MISSING_RULE,
    WEIGHTS,
    Card,
    Drawn,
    InstrumentCard,
)
from redloom.domain.interaction import FINAL_STATES
from redloom.domain.judge import Shown, Unit
from redloom.domain.judgement import Instrument, JudgingPass, RaterKind
from redloom.domain.run import RunSpec
from redloom.domain.study import StudyHead
from redloom.domain.target import Delivery
from redloom.domain.value import Definition
from redloom.ids import digest
from redloom.judging.general import GENERAL_NAME
from redloom.services.observing import Observation, PanelKey, panels_of
from redloom.services.protocols import weight_of
from redloom.services.rules import REFUSAL
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork

Definitions = Mapping[tuple[str, str], Definition]


def card_of(
    unit: UnitOfWork,
    run: StoredRun,
    observations: Sequence[Observation],
    definitions: Definitions,
    judges: Iterable[InstrumentCard],
) -> Card:
    """The card of the arms that ``observations`` are of."""
    spec = run.spec
    arms = tuple(arm for arm in spec.arms if any(one.arm == arm for one in observations))
    manifest = unit.releases(run.study_id).by_id(run.release_id).manifest
    facts = list({one.case.slug: one.case for one in observations}.values())
    recorded: dict[str, Any] = {
        "run": run.name,
        "study": spec.study,
        "frame": spec.frame,
        "version": spec.version,
        "release": spec.release_digest,
        "cases": manifest.cases,
        "clusters": len({one.cluster for one in facts}),
        "selected_on": sum(one.selected for one in facts),
        "target": spec.target_name,
        "system": spec.target.system,
        **_counting(run, definitions),
        "arm": arms,
        "started": _told(run.created_at),
        "finished": "" if run.finished_at is None else _told(run.finished_at),
        "state": run.state,
        "planned": len(observations),
        "completed": sum(one.state == "completed" for one in observations),
        "left": sum(one.state not in FINAL_STATES for one in observations),
    }
    if spec.frame != "imported":
        recorded |= _asked(spec, arms) | {"leaving": sum(one.leaves for one in facts)}
    return Card(**recorded, instruments=tuple(judges))


def judges_of(
    unit: UnitOfWork,
    run: StoredRun,
    observations: Sequence[Observation],
    instruments: Mapping[str, Instrument],
) -> dict[PanelKey, InstrumentCard]:
    """How each judge judged what ``observations`` are of; people first, then models, then rules."""
    panels, passes = panels_of(instruments), unit.judgements.passes(run.id)
    spans = unit.judgements.spans(run.id)
    grouped: dict[PanelKey, dict[str, Instrument]] = {}
    for number, one in instruments.items():
        grouped.setdefault(panels[number], {})[number] = one
    order = {"person": 0, "model": 1, "rule": 2}
    ordered = sorted(grouped, key=lambda key: (order[key.kind], key.rater, key.unit, key.short))
    return {
        key: InstrumentCard(
            **_declared(key, grouped[key].values()),
            **_given(run.spec, key, passes),
            **_done(key, grouped[key].values(), observations),
            **_dates([spans[number] for number in grouped[key] if number in spans]),
        )
        for key in ordered
    }


def _counting(run: StoredRun, definitions: Definitions) -> dict[str, Any]:
    """How numbers are made of verdicts: of this version, but for the weight, which the protocol may declare."""
    head = cast(StudyHead, definitions[("study", run.spec.study)])
    return {
        "weight": WEIGHTS[weight_of(run, head.protocol)],
        "cluster_rule": CLUSTER_RULE,
        "missing_rule": MISSING_RULE,
        "aggregation": AGGREGATION,
    }


def _asked(spec: RunSpec, arms: Sequence[str]) -> dict[str, Any]:
    """How the system was asked."""
    target = spec.target
    http = None if target.http is None else target.http.model_dump(mode="json")
    return {
        "target_digest": spec.target_digest,
        "base_url": _address(target.base_url),
        "own_prompt": digest(target.system_prompt) if target.system_prompt else "",
        "http": "" if http is None else digest(http),
        "decoding": dict(_flat(target.decoding.model_dump(mode="json", exclude_defaults=True))),
        "delivery": {
            **_delivered("context", target.delivery.context),
            **_delivered("persona", target.delivery.persona),
        },
        "code": spec.code,
        "limits": target.limits.model_dump(mode="json", exclude_none=True),
        "attempts": {arm: spec.attempts[arm] for arm in arms},
        "refusal_wording": spec.refusal_wording,
        "driver": "script",
        "seed": spec.seed,
        "renderer": spec.renderer,
        "program": spec.program,
    }


def _address(url: str | None) -> str:
    """Where the system is, without name, password and query, which may hold a key."""
    if not url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _delivered(factor: str, delivery: Delivery) -> dict[str, str]:
    more = {"template": delivery.template, "field": delivery.field}
    return {factor: delivery.how, **{f"{factor}.{name}": text for name, text in more.items() if text}}


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(cast(dict[str, Any], value), f"{before}{name}.")
        else:
            yield before + name, value


def _declared(key: PanelKey, instruments: Collection[Instrument]) -> dict[str, Any]:
    """What the instruments themselves say; a model's older ones say neither language nor code nor brief."""
    model = key.kind == "model"
    about = {_about(one): one for one in instruments}
    read = {name: one for name, one in about.items() if key.kind != "rule" and name}
    plugged_in = key.kind == "rule" and key.rater != REFUSAL and key.rule_digest is None
    known = "" if not model or key.language is not None else None
    return {
        "rater": key.rater,
        "kind": cast(RaterKind, key.kind),
        "version": key.version,
        "unit": cast(Unit, key.unit),
        "shows": cast(tuple[Shown, ...], key.shows),
        "system_digest": key.target_digest or "",
        "rule": key.rule_digest or "",
        "code": key.code_digest or (None if plugged_in else known),
        "language": key.language if model else "",
        "rubrics": {name: one.rubric_digest or "" for name, one in sorted(read.items())},
        "briefs": {name: one.brief_digest for name, one in sorted(read.items())},
    }


def _about(instrument: Instrument) -> str:
    harm = instrument.harm or ""
    return f"{harm} ({instrument.variant})" if instrument.variant else harm


def _given(spec: RunSpec, key: PanelKey, passes: Sequence[JudgingPass]) -> dict[str, Any]:
    """What was recorded of each time it judged."""
    if key.kind == "person":
        return {"system": "", "decoding": {}, "passes": (), "program": ()}
    ours = [
        one
        for one in passes
        if (one.judge, one.unit, one.target_digest) == (key.rater, key.unit, key.target_digest)
    ]
    drawn = [Drawn(sample=one.sample, seed=0 if one.sample is None else one.seed) for one in ours]
    programs = [one.program for one in ours]
    if key.rater in spec.judges:
        drawn.insert(0, Drawn())
        programs[:0] = [spec.program] if spec.program else []
    found: dict[str, Any] = {
        "passes": tuple(dict.fromkeys(drawn)) or None,
        "program": tuple(dict.fromkeys(programs)) or None,
    }
    if key.kind == "rule":
        return {**found, "system": "", "decoding": {}}
    if ours:
        found |= {"system": ours[-1].system, "decoding": dict(_flat(ours[-1].decoding))}
    return found


def _done(
    key: PanelKey, instruments: Collection[Instrument], observations: Sequence[Observation]
) -> dict[str, Any]:
    """How much of what it could judge it has judged: of a judge of some harms, only their conversations."""
    harms = {one.harm for one in instruments}
    completed = [
        one
        for one in observations
        if one.state == "completed" and (None in harms or (one.case.harm or GENERAL_NAME) in harms)
    ]
    return {"judged": sum((key, "") in one.marks for one in completed), "of": len(completed)}


def _dates(spans: Sequence[tuple[datetime.datetime, datetime.datetime]]) -> dict[str, Any]:
    if not spans:
        return {}
    return {"first": _told(min(first for first, _ in spans)), "last": _told(max(last for _, last in spans))}


def _told(at: datetime.datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
