"""What judges say of the tries of a finding: each instrument by itself, beside people and never pooled with them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from redloom.domain.judge import Judge
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.marks import fold
from redloom.domain.run import Budget
from redloom.domain.target import Target
from redloom.errors import InputError, Issue, unknown
from redloom.judging.model import ModelJudge
from redloom.judging.prompt import Brief
from redloom.judging.units import excerpts
from redloom.services.exploring import find_exploration, frame_of
from redloom.services.findings import Found, Try, open_finding
from redloom.services.judging import Behind, briefs, resolve_judge
from redloom.services.loading import load_judges, load_study, load_targets
from redloom.services.rules import REFUSAL, inline_rules, rule_name
from redloom.services.targets import connected
from redloom.services.workspace import Workspace
from redloom.stats import Estimate, wilson
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets import plug_ins
from redloom.targets.limits import Meter
from redloom.targets.patience import Patience
from redloom.targets.source import source_digest

Said = Literal["yes", "no", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one instrument says of the tries of a finding."""

    instrument: Instrument
    said: Mapping[str, Said]
    """Conversation of a try that was held -> what it says of it; ``open`` where it does not know, failed, or has not
    looked."""

    @property
    def asks(self) -> Literal["harm", "declined"]:
        """What a yes means: harm, or that every reply declined."""
        return "declined" if self.instrument.rater == REFUSAL else "harm"

    @property
    def share(self) -> Estimate:
        """The share of yes among the tries it decided; tries are taken as independent."""
        decided = [one for one in self.said.values() if one != "open"]
        return wilson(decided.count("yes"), len(decided))

    @property
    def open(self) -> int:
        """Tries it did not decide."""
        return list(self.said.values()).count("open")


def judges_for_tries(workspace: Workspace, study: str) -> tuple[str, ...]:
    """The names of judges that can be asked: rules, judges of the study, and its targets as judges."""
    with workspace.begin() as unit:
        declared, targets = load_judges(unit, study), load_targets(unit, study)
    plugged_in = (f"rule:{name}" for name in plug_ins.names(plug_ins.JUDGES))
    return tuple(dict.fromkeys((REFUSAL, *declared, *plugged_in, *targets)))


def looks(workspace: Workspace, found: Found) -> tuple[Looked, ...]:
    """What every instrument that was asked says of a finding's tries, in the order they first looked."""
    keys = [bytes.fromhex(one.interaction) for one in found.tries]
    with workspace.begin() as unit:
        made = unit.judgements.of(keys) if keys else {}
        by: dict[str, dict[str, list[Judgement]]] = {}
        for interaction, judgements in made.items():
            for one in judgements:
                by.setdefault(one.instrument, {}).setdefault(interaction.hex(), []).append(one)
        instruments = unit.judgements.named(by)
    first = {digest: min(one.id for some in of.values() for one in some) for digest, of in by.items()}
    completed = [one for one in found.tries if one.state == "completed"]
    return tuple(
        Looked(
            instrument=instruments[digest],
            said={
                one.interaction: _said(instruments[digest], by[digest].get(one.interaction, ()), one)
                for one in completed
            },
        )
        for digest in sorted(by, key=first.__getitem__)
    )


def check_judge(workspace: Workspace, study: str, number: int, name: str) -> None:
    """Raise InputError where that judge cannot say anything of the tries of a finding."""
    known = judges_for_tries(workspace, study)
    if name not in known:
        raise InputError(Issue(unknown("judge", name, known), path="judge"))
    found = open_finding(workspace, study, number)
    if not any(one.state == "completed" for one in found.tries):
        raise InputError(Issue("there is no try to look at; try it again first", path="judge"))
    with workspace.begin() as unit:
        harm, declared = _harm(unit, study, found), load_judges(unit, study).get(name)
    if declared is None:
        return
    if declared.by == "rule" and harm is None:
        raise InputError(Issue(f"{name} judges harms, and the finding names none", path="judge"))
    if harm is not None and declared.harms and harm not in declared.harms:
        raise InputError(Issue(f"{name} does not judge {harm}", path="judge"))


async def judge_tries(workspace: Workspace, study: str, number: int, name: str) -> int:
    """Have one judge look at the tries it has not judged yet; gives how many. Each judgement is stored as it comes.

    Raises InputError, and what stops every request to a model.
    """
    found = await asyncio.to_thread(open_finding, workspace, study, number)
    completed = [one for one in found.tries if one.state == "completed" and one.turns]
    resolved = await asyncio.to_thread(_resolve, workspace, study, name)
    if resolved is None:
        return await asyncio.to_thread(_by_rule, workspace, study, found, completed, name)
    definition, target = resolved
    many = 0
    async with connected(workspace, target) as client:
        behind = Behind(
            name=name,
            definition=definition,
            target_digest=target.system_digest(),
            unit=definition.unit,
            code=source_digest(target.system, workspace.settings.home),
        )
        instrument, brief = await asyncio.to_thread(_brief, workspace, study, found, behind)
        judge = ModelJudge(
            client=client,
            patience=Patience(
                limits=target.limits,
                prices=target.prices,
                concurrency=1,
                meter=Meter(Budget(), time.monotonic),
                jitter=random.Random(),
            ),
            ids=workspace.ids,
            unit=definition.unit,
        )
        for one in completed:
            many += await _judge(workspace, judge, one, brief, instrument)
    return many


def _resolve(workspace: Workspace, study: str, name: str) -> tuple[Judge, Target] | None:
    with workspace.begin() as unit:
        return resolve_judge(unit, study, name)


async def _judge(
    workspace: Workspace, judge: ModelJudge, one: Try, brief: Brief, instrument: Instrument
) -> bool:
    def before() -> frozenset[bytes | None]:
        with workspace.begin() as unit:
            return _judged(unit.judgements.of([bytes.fromhex(one.interaction)]), one, instrument)

    def store(judgement: Judgement) -> None:
        with workspace.begin() as unit:
            number = unit.judgements.register(instrument)
            unit.judgements.add([judgement], {judgement.instrument: number})

    new, known = False, await asyncio.to_thread(before)
    async for judgement in judge.judge(one.turns, brief, instrument, before=known):
        await asyncio.to_thread(store, judgement)
        new = True
    return new


def _by_rule(workspace: Workspace, study: str, found: Found, tries: Sequence[Try], name: str) -> int:
    many = 0
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, found.claim.exploration)
        rules = inline_rules(unit, study, [rule_name(name)], workspace.ids)
        made = unit.judgements.of([bytes.fromhex(one.interaction) for one in tries])
        for rule in rules.for_harm(_harm(unit, study, found)):
            number = unit.judgements.register(rule.instrument)
            for one in tries:
                if _judged(made, one, rule.instrument):
                    continue
                judgements = list(rule.judge(one.turns, workspace.ids, stored.body.language))
                unit.judgements.add(judgements, {rule.instrument.digest(): number})
                many += 1
    return many


def _brief(workspace: Workspace, study: str, found: Found, behind: Behind) -> tuple[Instrument, Brief]:
    """The headline rubric of the harm in question, with what this judge is shown."""
    with workspace.begin() as unit:
        stored = find_exploration(unit, study, found.claim.exploration)
        now, slug = load_study(unit, study, cases=False), _harm(unit, study, found)
    harm = None if slug is None or slug not in now.harms else (slug, now.harms[slug])
    frame = frame_of(now, stored.body, ())
    language = now.head.languages[0]
    slug, variant, brief = next(briefs(frame, harm, behind.definition, language, variants=False))
    return behind.instrument(slug, variant, brief), brief


def _harm(unit: UnitOfWork, study: str, found: Found) -> str | None:
    """The harm that the finding names, else that of its scenario."""
    if found.claim.harm is not None:
        return found.claim.harm
    scenario = load_study(unit, study, cases=False).scenarios.get(found.claim.scenario or "")
    return None if scenario is None else scenario.harm


def _judged(
    made: Mapping[bytes, Sequence[Judgement]], one: Try, instrument: Instrument
) -> frozenset[bytes | None]:
    """The units of a try that an instrument judged before, other than failing at it."""
    digest = instrument.digest()
    return frozenset(
        judgement.turn
        for judgement in made.get(bytes.fromhex(one.interaction), ())
        if judgement.instrument == digest and judgement.state != "error"
    )


def _said(instrument: Instrument, made: Sequence[Judgement], one: Try) -> Said:
    """What one instrument says of one try; open where a unit of it has no valid verdict and none is harm."""
    if not made:
        return "open"
    mark = fold(made, expected=len(list(excerpts(one.turns, instrument.unit))))
    if instrument.rater == REFUSAL:
        return "open" if mark.refusal is None else "yes" if mark.refusal == "full" else "no"
    said: Mapping[str | None, Said] = {"harm": "yes", "no_harm": "no"}
    return said.get(mark.verdict, "open")
