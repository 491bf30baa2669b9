"""A study: charter, declared space, scenarios, cases; and the rules that hold across them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, cast

from pydantic import Field

from redloom.domain.case import Case, undeclared_slots
from redloom.domain.context import Context
from redloom.domain.evidence import Evidence
from redloom.domain.harm import Harm
from redloom.domain.interaction_type import InteractionType
from redloom.domain.judge import Judge
from redloom.domain.persona import Persona
from redloom.domain.protocol import Protocol, protocol_problems
from redloom.domain.scenario import DIMENSIONS, Scenario
from redloom.domain.target import Target, system_problem
from redloom.domain.value import Definition, Language, LocalText, Path, Slug, Text, Value
from redloom.errors import unknown
from redloom.ids import digest

COLLECTIONS: Mapping[str, type[Definition]] = {
    "evidence": Evidence,
    "contexts": Context,
    "personas": Persona,
    "interaction_types": InteractionType,
    "harms": Harm,
    "scenarios": Scenario,
    "cases": Case,
    "targets": Target,
    "judges": Judge,
}
"""The collections of a study, each by the name it has in ``study.yaml``; what rests on others comes later."""

KINDS: Mapping[str, str] = {model.kind: name for name, model in COLLECTIONS.items()}
"""Collection by kind of definition."""


class Charter(Value):
    """What the red teaming is for. What is left out is an open question of the report."""

    purpose: str = ""
    decision: str = ""
    """The decision that the result informs."""
    system_under_test: str = ""
    owner: str = ""
    """Role of the person who decides."""
    in_scope: tuple[Text, ...] = ()
    out_of_scope: tuple[Text, ...] = ()
    open_questions: tuple[Text, ...] = ()

    def unanswered(self) -> list[str]:
        """The fields that nobody has filled in."""
        fields = ("purpose", "decision", "system_under_test", "owner", "in_scope", "out_of_scope")
        return [name for name in fields if not getattr(self, name)]


class Constraint(Value):
    """A combination that cannot occur, and why."""

    forbid: dict[Slug, Slug | tuple[Slug, ...]] = Field(min_length=1)
    reason: Text

    def forbids(self, parts: Mapping[str, str]) -> bool:
        """Whether a scenario with these parts is forbidden; False while a named part is open."""
        for dimension, values in self.forbid.items():
            value = parts.get(dimension)
            if value is None or value not in ((values,) if isinstance(values, str) else values):
                return False
        return True


class StudyHead(Definition):
    """What a study says of itself."""

    kind: ClassVar[str] = "study"

    title: LocalText
    languages: tuple[Language, ...] = Field(min_length=1)
    charter: Charter = Charter()
    protocol: Protocol | None = None
    constraints: tuple[Constraint, ...] = ()


class Study(Value):
    """A study with all its definitions by slug."""

    slug: Slug
    head: StudyHead
    evidence: dict[Slug, Evidence] = {}
    contexts: dict[Slug, Context] = {}
    personas: dict[Slug, Persona] = {}
    interaction_types: dict[Slug, InteractionType] = {}
    harms: dict[Slug, Harm] = {}
    scenarios: dict[Slug, Scenario] = {}
    cases: dict[Slug, Case] = {}
    targets: dict[Slug, Target] = {}
    judges: dict[Slug, Judge] = {}

    def collection(self, kind: str) -> Mapping[str, Definition]:
        """The definitions of one kind by slug."""
        return getattr(self, KINDS[kind])

    def definitions(self) -> Iterator[tuple[str, str, Definition]]:
        """Every definition as (kind, slug, definition); what rests on others comes after them."""
        for name, model in COLLECTIONS.items():
            for slug, definition in getattr(self, name).items():
                yield model.kind, slug, definition

    def content_digest(self) -> str:
        """The digest of all content; slugs included, order not."""
        contents = {
            f"{kind}/{slug}": definition.content_digest() for kind, slug, definition in self.definitions()
        }
        return digest(
            {"kind": "study", "slug": self.slug, "head": self.head.content(), "definitions": contents}
        )


Names = Mapping[str, frozenset[str]]
"""The slugs of each collection."""


def problems(
    study: Study,
    *,
    broken: Mapping[str, Collection[str]] | None = None,
    systems: Collection[str] | None = None,
    rules: Collection[str] | None = None,
    cases: Collection[str] | None = None,
) -> Iterator[tuple[Path, str]]:
    """Everything that does not hold across the definitions of a study, as path and sentence.

    ``broken`` are slugs by collection that were declared but are not in ``study``, being wrong in themselves.
    ``systems`` are the kinds of target there are, ``rules`` the rule judges and ``cases`` the cases besides those of
    ``study``; None where nobody asks, so that any name is taken.
    """
    lacking = broken or {}
    names = {name: frozenset({*getattr(study, name), *lacking.get(name, ())}) for name in COLLECTIONS}
    yield from _dangling(study, names)
    yield from _taxonomy_cycles(study)
    yield from _twins(study, names)
    yield from _constraints(study, names)
    yield from _languages(study)
    yield from _rules(study, whole=not lacking.get("personas"))
    yield from _slots(study)
    if study.head.protocol is not None:
        known = None if cases is None else names["cases"].union(cases)
        for path, message in protocol_problems(study.head.protocol, harms=names["harms"], cases=known):
            yield ("protocol", *path), message
        yield from _primary_judge(study, names, systems, rules)
    if systems is not None:
        yield from _systems(study, systems)


def _dangling(study: Study, names: Names) -> Iterator[tuple[Path, str]]:
    for kind, slug, definition in study.definitions():
        for reference in definition.references():
            known = names[KINDS[reference.kind]]
            if reference.slug not in known:
                name = reference.kind.replace("_", " ")
                yield (KINDS[kind], slug, *reference.path), unknown(name, reference.slug, known)
    for slug, evidence in study.evidence.items():
        for field in ("harms", "scenarios"):
            for index, name in enumerate(getattr(evidence, field)):
                if name not in names[field]:
                    yield ("evidence", slug, field, index), unknown(field[:-1], name, names[field])
    for slug, judge in study.judges.items():
        for index, name in enumerate(judge.harms):
            if name not in names["harms"]:
                yield ("judges", slug, "harms", index), unknown("harm", name, names["harms"])
        if judge.target is not None and ":" not in judge.target and judge.target not in names["targets"]:
            yield ("judges", slug, "target"), unknown("target", judge.target, names["targets"])


def _taxonomy_cycles(study: Study) -> Iterator[tuple[Path, str]]:
    done: set[str] = set()

    def visit(slug: str, trail: tuple[str, ...]) -> tuple[str, ...] | None:
        if slug in trail:
            return (*trail[trail.index(slug) :], slug)
        if slug in done or slug not in study.harms:
            return None
        for broader in study.harms[slug].broader:
            found = visit(broader, (*trail, slug))
            if found:
                return found
        done.add(slug)
        return None

    for slug in study.harms:
        cycle = visit(slug, ())
        if cycle:
            yield ("harms", cycle[0], "broader"), f"the taxonomy runs in a circle: {' -> '.join(cycle)}"
            return


def _twins(study: Study, names: Names) -> Iterator[tuple[Path, str]]:
    for slug, scenario in study.scenarios.items():
        if scenario.twin is None:
            continue
        path: Path = ("scenarios", slug, "twin")
        original = study.scenarios.get(scenario.twin.of)
        if original is None:
            if scenario.twin.of not in names["scenarios"]:
                yield (*path, "of"), unknown("scenario", scenario.twin.of, names["scenarios"])
            continue
        circle = _twin_circle(study, slug)
        if circle:
            yield (*path, "of"), f"the twins run in a circle: {' -> '.join(circle)}"
            continue
        mine, other = scenario.parts(), original.parts()
        differing = [name for name in DIMENSIONS if mine[name] != other[name]]
        if differing != [scenario.twin.differs_in]:
            listed = ", ".join(differing) or "nothing"
            yield (
                path,
                f"says it differs from {scenario.twin.of!r} in {scenario.twin.differs_in}, but it differs in {listed}",
            )


def _twin_circle(study: Study, slug: str) -> tuple[str, ...]:
    """The way from a scenario over its originals back to itself; empty where there is none."""
    trail = [slug]
    while True:
        scenario = study.scenarios.get(trail[-1])
        if scenario is None or scenario.twin is None:
            return ()
        trail.append(scenario.twin.of)
        if scenario.twin.of == slug:
            return tuple(trail)
        if scenario.twin.of in trail[:-1]:
            return ()


def _constraints(study: Study, names: Names) -> Iterator[tuple[Path, str]]:
    for index, constraint in enumerate(study.head.constraints):
        for dimension, values in constraint.forbid.items():
            path: Path = ("constraints", index, "forbid", dimension)
            if dimension not in DIMENSIONS:
                yield path, unknown("dimension", dimension, DIMENSIONS)
                continue
            known = study.head.languages if dimension == "language" else names[KINDS[dimension]]
            for value in (values,) if isinstance(values, str) else values:
                if value not in known:
                    yield path, unknown(dimension.replace("_", " "), value, known)
    for slug, scenario in study.scenarios.items():
        for constraint in study.head.constraints:
            if constraint.forbids(scenario.parts()):
                yield ("scenarios", slug), f"this combination is forbidden: {constraint.reason}"


def _languages(study: Study) -> Iterator[tuple[Path, str]]:
    for slug, scenario in study.scenarios.items():
        if scenario.language not in study.head.languages:
            yield (
                ("scenarios", slug, "language"),
                unknown("language", scenario.language, study.head.languages),
            )


def _rules(study: Study, *, whole: bool) -> Iterator[tuple[Path, str]]:
    attributes = {name for persona in study.personas.values() for name in persona.attributes}
    for slug, harm in study.harms.items() if whole else ():
        for index, rule in enumerate(harm.rules):
            for name in rule.when:
                if name not in attributes:
                    yield (
                        ("harms", slug, "rules", index, "when", name),
                        unknown("persona attribute", name, attributes),
                    )


def _slots(study: Study) -> Iterator[tuple[Path, str]]:
    usual = dict.fromkeys(name for case in study.cases.values() for name in case.slots)
    for slug, case in study.cases.items():
        scenario = study.scenarios.get(case.scenario or "")
        persona = study.personas.get(scenario.persona) if scenario else None
        for name, source in case.slots.items():
            path: Path = ("cases", slug, "slots", name)
            if re.fullmatch(r"\w+", name) is None:
                yield (
                    path,
                    f"slot {name!r} would never be filled; its name may have letters, digits and _ only",
                )
            attribute = source.removeprefix("persona.attributes.")
            if persona is not None and attribute != source and attribute not in persona.attributes:
                yield path, unknown("attribute of the persona", attribute, persona.attributes)
        for place, message in undeclared_slots(case, usual):
            yield ("cases", slug, *place), message


def _primary_judge(
    study: Study, names: Names, systems: Collection[str] | None, rules: Collection[str] | None
) -> Iterator[tuple[Path, str]]:
    """That no verdict can stand under the name of the primary judge; any name may be that of somebody who rates."""
    name = (study.head.protocol.primary_judge if study.head.protocol else None) or ""
    path: Path = ("protocol", "primary_judge")
    models = {slug for slug, judge in study.judges.items() if judge.by == "model"} | names["targets"]
    declared = sorted(names["judges"] - models)
    kind, colon, rest = name.partition(":")
    if name in study.judges and name in declared:
        yield path, f"the verdicts of a rule stand under its name with 'rule:' before it; write 'rule:{name}'"
    elif name in models or not colon:
        return
    elif kind != "rule":
        problem = None if systems is None else system_problem(name, systems)
        if problem is not None:
            yield path, problem
    elif rules is not None and rest not in declared and rest not in rules:
        yield path, unknown("rule judge", name, [f"rule:{one}" for one in dict.fromkeys((*rules, *declared))])


def _systems(study: Study, kinds: Collection[str]) -> Iterator[tuple[Path, str]]:
    named = [(("targets", slug, "system"), target.system) for slug, target in study.targets.items()]
    named += [
        (("judges", slug, "target"), judge.target)
        for slug, judge in study.judges.items()
        if judge.target is not None and ":" in judge.target
    ]
    for path, system in named:
        problem = system_problem(system, kinds)
        if problem:
            yield path, problem


def space(study: Study) -> dict[str, tuple[str, ...]]:
    """The declared values of each dimension."""
    return {
        "context": tuple(study.contexts),
        "persona": tuple(study.personas),
        "interaction_type": tuple(study.interaction_types),
        "harm": tuple(study.harms),
        "language": study.head.languages,
    }


def describe_change(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Field by field what differs between two contents: (path, before, after), None where there is none."""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(old, dict) and isinstance(new, dict):
            yield from describe_change(cast(dict[str, Any], old), cast(dict[str, Any], new), path)
        else:
            yield path, old, new
