"""What a target sees of a case: one pure function of case, scenario parts, arm and delivery."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from redloom.domain.arm import left_out
from redloom.domain.case import Case
from redloom.domain.context import Context
from redloom.domain.harm import Harm
from redloom.domain.interaction_type import InteractionType
from redloom.domain.persona import Persona
from redloom.domain.scenario import Scenario
from redloom.domain.target import Deliveries, Delivery, How
from redloom.domain.value import Definition, in_language
from redloom.ids import digest

RENDERER_VERSION = 1

_WITHIN_REACH: Mapping[str, frozenset[How]] = {
    "context": frozenset({"system_prompt", "request_field", "said_by_user"}),
    "persona": frozenset({"system_prompt", "request_field", "profile", "said_by_user"}),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """A case with the definitions it is rendered from; parts are None where a case has no scenario yet."""

    case: Case
    scenario: Scenario | None = None
    context: Context | None = None
    persona: Persona | None = None
    interaction_type: InteractionType | None = None

    @property
    def language(self) -> str | None:
        """The language the user writes in."""
        return self.case.language or (self.scenario.language if self.scenario else None)

    @property
    def model_opens(self) -> bool:
        """Whether the system speaks first."""
        by_type = self.interaction_type is not None and self.interaction_type.initiative == "model"
        return by_type or self.case.opening is not None


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a target is given: system prompt, opening, user turns, request fields."""

    system: str
    """Empty for none."""
    opening: str | None
    """What the system is taken to have said first."""
    asks_opening: bool
    """The system is asked to open, with no user message before."""
    turns: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    stop: str = "script_end"
    limited: bool = False
    """The turn limit cut the script."""


def render(frame: Frame, *, arm: str, delivery: Deliveries, system_prompt: str = "") -> Rendering:
    """What the target is given in ``arm``; ``system_prompt`` is the target's own and stays in every arm."""
    out = left_out(arm)
    case, language = frame.case, frame.language
    system, before, fields = [system_prompt] if system_prompt else [], list[str](), dict[str, str]()
    says_persona = False
    if frame.context is not None and "context" not in out:
        _deliver(
            delivery.context,
            _context_text(delivery.context, frame.context, language),
            "context",
            system,
            before,
            fields,
        )
    if frame.persona is not None and "persona" not in out:
        placed = any(source == "persona.disclosure" for source in case.slots.values())
        says_persona = delivery.persona.how == "said_by_user"
        if not (says_persona and placed):
            _deliver(
                delivery.persona,
                _persona_text(delivery.persona, frame.persona, language),
                "persona",
                system,
                before,
                fields,
            )
    turns = [_fill(turn, frame if says_persona else None, case, language) for turn in case.script]
    whole = [turn for turn in turns if turn]
    turns = whole[: case.turn_limit]
    limited = len(whole) > len(turns)
    if before:
        turns = ["\n\n".join([*before, *turns[:1]]), *turns[1:]]
    opening, asks_opening = case.opening, frame.model_opens and case.opening is None
    if "history" in out and turns:
        turns, opening, asks_opening = ["\n\n".join(turns)], None, False
    return Rendering(
        system="\n\n".join(system),
        opening=opening,
        asks_opening=asks_opening,
        turns=tuple(turns),
        fields=fields,
        stop=case.stop,
        limited=limited,
    )


def unrealisable(arm: str, delivery: Deliveries) -> str | None:
    """Why a target with this delivery cannot realise ``arm``; None where it can."""
    for factor in sorted(left_out(arm) & {"context", "persona"}):
        how: How = getattr(delivery, factor).how
        if how == "not_delivered":
            return f"the target never gets the {factor} (delivery 'not_delivered'), so leaving it out changes nothing"
        if how not in _WITHIN_REACH[factor]:
            return f"the {factor} reaches this target by {how!r}, which cannot be taken away for one conversation"
    return None


def _deliver(
    delivery: Delivery, text: str, factor: str, system: list[str], before: list[str], fields: dict[str, str]
) -> None:
    if not text:
        return
    match delivery.how:
        case "system_prompt":
            system.append(text)
        case "said_by_user":
            before.append(text)
        case "request_field" | "profile":
            fields[delivery.field or factor] = text
        case "test_account" | "not_delivered":
            pass


def _context_text(delivery: Delivery, context: Context, language: str | None) -> str:
    told = in_language(context.deployment_text, language)
    if not told:
        told = f"{context.setting} You are {context.recipient_role}. You talk with {context.sender_role}."
        told += "".join(f" You must {norm}." for norm in context.norms.must)
        told += "".join(f" You must not {norm}." for norm in context.norms.must_not)
    values: dict[str, Any] = {
        "deployment_text": told,
        "title": context.title,
        "setting": context.setting,
        "sender_role": context.sender_role,
        "recipient_role": context.recipient_role,
        "information_type": context.information_type,
        "transmission_principle": context.transmission_principle,
        "stakes": context.stakes,
    }
    return _template(delivery.template or "{deployment_text}", values)


def _persona_text(delivery: Delivery, persona: Persona, language: str | None) -> str:
    said = in_language(persona.disclosure, language)
    values: dict[str, Any] = {"disclosure": said, "title": persona.title, **persona.attributes}
    if delivery.how == "system_prompt" and not delivery.template:
        return f"The user says of themself: {said}" if said else ""
    return _template(delivery.template or "{disclosure}", values)


def _template(template: str, values: Mapping[str, Any]) -> str:
    """``{name}`` replaced by its value; every other brace stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), template)


def _fill(turn: str, frame: Frame | None, case: Case, language: str | None) -> str:
    """A turn with its declared slots filled, or emptied when the persona is not said by the user."""
    if not case.slots:
        return turn
    values: dict[str, str] = {}
    for name, source in case.slots.items():
        persona = frame.persona if frame else None
        if persona is None:
            values[name] = ""
        elif source == "persona.disclosure":
            values[name] = in_language(persona.disclosure, language)
        else:
            values[name] = str(persona.attributes.get(source.removeprefix("persona.attributes."), ""))
    filled = _template(turn, values)
    return re.sub(r"[ \t]{2,}", " ", filled).strip() if filled != turn else turn


_TITLED = (Scenario, Context, Persona, InteractionType, Harm)


class Frames:
    """The frames and stimulus digests of many cases over the same definitions."""

    def __init__(self, definitions: Mapping[tuple[str, str], Definition]) -> None:
        """``definitions`` by (kind, slug)."""
        self.definitions = definitions
        self._digests: dict[tuple[str, str], str] = {}
        self._titles: dict[str, Mapping[str, str]] = {}

    def slugs(self, kind: str) -> list[str]:
        """The slugs of a kind."""
        return [slug for found, slug in self.definitions if found == kind]

    def titles(self, kind: str) -> Mapping[str, str]:
        """Slug -> title of the definitions of a kind that has titles."""
        if kind not in self._titles:
            self._titles[kind] = {
                slug: found.title
                for (kind_of, slug), found in self.definitions.items()
                if kind_of == kind and isinstance(found, _TITLED)
            }
        return self._titles[kind]

    def scenarios_about(self, harm: str) -> list[str]:
        """The slugs of the scenarios that are about a harm."""
        return [
            slug for (_, slug), d in self.definitions.items() if isinstance(d, Scenario) and d.harm == harm
        ]

    def frame(self, case: Case) -> Frame:
        """The case with the parts of its scenario."""
        if case.scenario is None:
            return Frame(case)
        scenario = cast(Scenario, self.definitions[("scenario", case.scenario)])
        return Frame(
            case,
            scenario,
            cast(Context, self.definitions[("context", scenario.context)]),
            cast(Persona, self.definitions[("persona", scenario.persona)]),
            cast(InteractionType, self.definitions[("interaction_type", scenario.interaction_type)]),
        )

    def stimulus(self, case: Case) -> str:
        """The digest of all that can change what a target sees, whatever the target and the arm."""
        frame = self.frame(case)
        scenario = frame.scenario
        return digest(
            {
                "renderer": RENDERER_VERSION,
                "driver": "script",
                "script": list(case.script),
                "slots": case.slots,
                "opening": case.opening,
                "turn_limit": case.turn_limit,
                "stop": case.stop,
                "language": frame.language,
                "model_opens": frame.model_opens,
                "context": self._digest("context", scenario.context) if scenario else None,
                "persona": self._digest("persona", scenario.persona) if scenario else None,
            }
        )

    def harm(self, case: Case) -> tuple[str, Harm] | None:
        """Slug and concept of the harm the case is about; None for a case that names none."""
        slug = case.harm
        if case.scenario is not None:
            slug = cast(Scenario, self.definitions[("scenario", case.scenario)]).harm
        return None if slug is None else (slug, cast(Harm, self.definitions[("harm", slug)]))

    def cluster(self, case: Case) -> str:
        """The cluster a release names for a case: the declared one, else the scenario that it is a twin of in the end."""
        return case.cluster if case.cluster is not None else self.original(case.scenario or "")

    def original(self, scenario: str) -> str:
        """The scenario at the end of the chain of twins; itself where it is no twin."""
        seen = {scenario}
        while True:
            twin = cast(Scenario, self.definitions[("scenario", scenario)]).twin
            if twin is None or twin.of in seen:
                return scenario
            scenario = twin.of
            seen.add(scenario)

    def _digest(self, kind: str, slug: str) -> str:
        key = (kind, slug)
        if key not in self._digests:
            self._digests[key] = self.definitions[key].content_digest()
        return self._digests[key]
