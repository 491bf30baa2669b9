"""Judging by rules: as conversations come, and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from redloom.domain.case import Case
from redloom.domain.interaction import Turn
from redloom.domain.judge import Judge, Unit
from redloom.domain.judgement import Instrument, Judgement, JudgingPass
from redloom.domain.rendering import Frames
from redloom.errors import InputError, unknown
from redloom.ids import IdSource
from redloom.judging.registry import PluggedInRule, Rule
from redloom.judging.rules import PhraseRule, RefusalRule
from redloom.services.conversations import drawn, pieces
from redloom.services.finding import find_run
from redloom.services.loading import load_judges
from redloom.services.program import program_version
from redloom.services.workspace import Workspace
from redloom.storage.unit_of_work import UnitOfWork
from redloom.targets import plug_ins
from redloom.targets.source import code_digest

if TYPE_CHECKING:
    from redloom.report.data import Probed  # a run starts without it

REFUSAL = "rule:refusal"
RULES = plug_ins.Offered(("refusal",), plug_ins.JUDGES)
"""The rule judges there are besides those that a study declares, without their ``rule:``."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judging pass made."""

    run: str
    judge: str
    states: Mapping[str, int]
    """State of judgement -> how many were made."""
    conversations: int
    message: str | None = None
    probed: Probed | None = None


class InlineRules:
    """Rule judges that need nothing but the conversation."""

    def __init__(
        self,
        refusals: Sequence[RefusalRule],
        phrases: Mapping[str, Judge],
        plugged_in: Mapping[str, Callable[[str | None], Rule]],
        ids: IdSource,
    ) -> None:
        """``plugged_in`` make the rule of a plug-in for the slug of a harm, None for a case without one."""
        self._refusals, self._phrases, self._plugged_in, self._ids = refusals, phrases, plugged_in, ids
        self._made: dict[tuple[str, str], PhraseRule] = {}
        self._made_by_plug_ins: dict[tuple[str, str | None], Rule] = {}

    def __bool__(self) -> bool:
        return bool(self._refusals or self._phrases or self._plugged_in)

    def instruments(self, frames: Frames) -> list[Instrument]:
        """Every instrument that may be used on these definitions."""
        found = [rule.instrument for rule in self._refusals]
        for name, definition in self._phrases.items():
            found += [
                self._phrase(name, harm).instrument for harm in definition.harms or frames.slugs("harm")
            ]
        for name in self._plugged_in:
            found += [self._by_plug_in(name, harm).instrument for harm in (*frames.slugs("harm"), None)]
        return found

    def rules(self, frames: Frames, case: Case) -> Iterator[Rule]:
        """The rules that judge conversations of this case."""
        harm = frames.harm(case)
        return self.for_harm(None if harm is None else harm[0])

    def for_harm(self, harm: str | None) -> Iterator[Rule]:
        """The rules that judge conversations about a harm; None where they are about none."""
        yield from self._refusals
        for name, definition in self._phrases.items():
            if harm is not None and (not definition.harms or harm in definition.harms):
                yield self._phrase(name, harm)
        for name in self._plugged_in:
            yield self._by_plug_in(name, harm)

    def judge(self, frames: Frames, case: object, turns: Sequence[Turn]) -> list[Judgement]:
        """All judgements on one conversation."""
        if not turns:
            return []
        assert isinstance(case, Case)
        language = frames.frame(case).language
        return [
            judgement
            for rule in self.rules(frames, case)
            for judgement in rule.judge(turns, self._ids, language)
        ]

    def _phrase(self, name: str, harm: str) -> PhraseRule:
        key = (name, harm)
        if key not in self._made:
            self._made[key] = PhraseRule(name, self._phrases[name], harm)
        return self._made[key]

    def _by_plug_in(self, name: str, harm: str | None) -> Rule:
        key = (name, harm)
        if key not in self._made_by_plug_ins:
            self._made_by_plug_ins[key] = self._plugged_in[name](harm)
        return self._made_by_plug_ins[key]


def rule_name(name: str) -> str:
    """The name of a rule with its ``rule:``."""
    return name if name.startswith("rule:") else f"rule:{name}"


def inline_rules(
    unit: UnitOfWork,
    study: str,
    names: Sequence[str],
    ids: IdSource,
    *,
    unit_of_judgement: Unit | None = None,
) -> InlineRules:
    """The rule judges of these names (``rule:refusal``, ``rule:NAME``); raises InputError for others.

    A judge of the study comes before a plug-in of the same name.
    ``unit_of_judgement`` comes before the unit that a judge declares.
    """
    declared = {slug: j for slug, j in load_judges(unit, study).items() if j.by == "rule"}
    refusals: list[RefusalRule] = []
    phrases: dict[str, Judge] = {}
    plugged_in: dict[str, Callable[[str | None], Rule]] = {}
    for name in names:
        if name == REFUSAL:
            refusals.append(RefusalRule(unit_of_judgement or "turn_alone"))
            continue
        slug = name.removeprefix("rule:")
        if slug not in declared:
            plugged_in[slug] = _from_plug_in(slug, name, declared, unit_of_judgement or "interaction")
            continue
        chosen = {"unit": unit_of_judgement} if unit_of_judgement else {}
        phrases[slug] = declared[slug].model_copy(update=chosen)
    return InlineRules(refusals, phrases, plugged_in, ids)


def _from_plug_in(
    slug: str, name: str, declared: Mapping[str, Judge], unit: Unit
) -> Callable[[str | None], Rule]:
    """What makes the rule of a plug-in for a harm; raises InputError where no package offers it."""
    function: Any = plug_ins.load(plug_ins.JUDGES, slug)
    if function is None:
        known = dict.fromkeys(("refusal", *declared, *plug_ins.names(plug_ins.JUDGES)))
        raise InputError(unknown("rule judge", name, [f"rule:{one}" for one in known]))
    made = partial(PluggedInRule.make, slug, function, unit, code=code_digest(function) or None)
    made(harm=None)
    return lambda harm: made(harm=harm)


def judge_by_rules(
    workspace: Workspace,
    run_name: str,
    names: Sequence[str],
    *,
    unit_of_judgement: Unit | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Judged:
    """Judge every completed conversation, or a sample of them, that these rules have not judged yet."""
    states: dict[str, int] = {}
    conversations = 0
    with workspace.begin() as unit:
        run = find_run(unit, run_name)
        study = unit.studies.slug_of(run.study_id)
        rules = inline_rules(unit, study, names, workspace.ids, unit_of_judgement=unit_of_judgement)
        frames = Frames(unit.releases(run.study_id).definitions(run.release_id))
        numbers = {i.digest(): unit.judgements.register(i) for i in rules.instruments(frames)}
        given = {"sample": sample, "seed": seed, "program": program_version(), "at": workspace.now()}
        for rater, of in sorted({(one.rater, one.unit) for one in rules.instruments(frames)}):
            made_now = JudgingPass.model_validate({"judge": rater, "unit": of, **given})
            unit.judgements.add_pass(run.id, id=workspace.ids.new(), made=made_now)
        chosen = None if sample is None else drawn(unit, run, frames, size=sample, seed=seed)
        for piece in pieces(unit, run, frames, chosen=chosen):
            made: list[Judgement] = []
            now: set[tuple[bytes, str]] = set()
            for work in piece:
                before = len(made)
                for rule in rules.rules(frames, work.case):
                    key = (work.interaction.id, rule.instrument.digest())
                    if key[1] not in work.judged_by and key not in now:
                        now.add(key)
                        made += rule.judge(work.interaction.turns, workspace.ids, work.frame.language)
                conversations += len(made) > before
            unit.judgements.add(made, numbers)
            for judgement in made:
                states[judgement.state] = states.get(judgement.state, 0) + 1
    return Judged(run_name, ", ".join(names), states, conversations)
