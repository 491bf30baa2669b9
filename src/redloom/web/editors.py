"""The editor of each kind of definition, in the words of the screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from redloom.domain.scenario import DIMENSIONS
from redloom.web.asking import Form, number_in
from redloom.web.fields import (
    Area,
    Checks,
    Choice,
    Column,
    Day,
    Editor,
    LanguageChoice,
    Line,
    Lines,
    Local,
    Numbered,
    Pairs,
    Part,
    Pick,
    Picks,
    Setting,
    Table,
    plain_value,
    read_value,
    settled,
)
from redloom.web.protocol_fields import PROTOCOL
from redloom.web.rubrics import RubricField


@dataclass(frozen=True, slots=True)
class Rules(Table):
    """What is required for users of a kind: ``age: 13 to 15; asthma: yes; lives with: mother / father``."""

    columns: tuple[Column, ...] = (
        Column("when", "for users with", wide=True),
        Column("require", "the system must", wide=True),
    )

    def rows(self, value: Any, setting: Setting) -> list[dict[str, str]]:
        return [{"when": write_conditions(one["when"]), "require": one["require"]} for one in value or ()]

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        found = Table.take(self, form, None, setting)
        return [{**one, "when": read_conditions(one.get("when", ""))} for one in found or ()] or None


@dataclass(frozen=True, slots=True)
class Constraints(Table):
    """Combinations that cannot occur: ``persona: carer; context: class / home``."""

    columns: tuple[Column, ...] = (
        Column("forbid", "these together", wide=True),
        Column("reason", "cannot occur, because", wide=True),
    )

    def rows(self, value: Any, setting: Setting) -> list[dict[str, str]]:
        return [{"forbid": write_conditions(one["forbid"]), "reason": one["reason"]} for one in value or ()]

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        found = Table.take(self, form, None, setting)
        return [{**one, "forbid": _names(one.get("forbid", ""))} for one in found or ()] or None


def write_conditions(conditions: Mapping[str, Any]) -> str:
    """Conditions as one line that :func:`read_conditions` reads back."""
    return "; ".join(f"{name}: {_condition(value)}" for name, value in conditions.items())


def _condition(value: Any) -> str:
    if isinstance(value, dict):
        low, high = (cast(dict[str, Any], value).get(end) for end in ("min", "max"))
        if low is None or high is None:
            return f"{_number(low)} or more" if high is None else f"{_number(high)} or less"
        return f"{_number(low)} to {_number(high)}"
    if isinstance(value, list | tuple):
        return " / ".join(plain_value(one) for one in cast(list[Any], value))
    return plain_value(value)


def _number(value: Any) -> str:
    return str(value).removesuffix(".0")


def read_conditions(text: str) -> dict[str, Any]:
    """Attribute -> value, list of values, or range."""
    found: dict[str, Any] = {}
    for part in text.split(";"):
        name, _, said = (word.strip() for word in part.partition(":"))
        if name or said:
            found[name.replace(" ", "_")] = _read_condition(said)
    return found


def _read_condition(text: str) -> Any:
    number = r"(-?\d{1,15}(?:\.\d{1,15})?)"
    if both := re.fullmatch(rf"{number}\s*(?:to|-|–)\s*{number}", text):
        return {"min": float(both[1]), "max": float(both[2])}
    if one := re.fullmatch(rf"{number}\s*or\s*(more|less)", text):
        return {"min" if one[2] == "more" else "max": float(one[1])}
    if "/" in text:
        return [read_value(word.strip()) for word in text.split("/")]
    return read_value(text)


def _names(text: str) -> dict[str, Any]:
    """Dimension -> slug or slugs; numbers and yes stay words here."""
    found: dict[str, Any] = {}
    for part in text.split(";"):
        name, _, said = (word.strip() for word in part.partition(":"))
        if name or said:
            words = [word.strip() for word in said.split("/")]
            found[name.replace(" ", "_")] = words if len(words) > 1 else words[0]
    return found


def _words(*names: str, **more: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, more.get(name, name.replace("_", " "))) for name in names)


@dataclass(frozen=True, slots=True)
class Turns(Table):
    """What the user says, a row for each turn; a turn may have several lines."""

    columns: tuple[Column, ...] = (Column("text", "the user says", wide=True),)

    def settle(self, given: Any, before: Any) -> Any:
        return settled(given, before, str.strip)

    def rows(self, value: Any, setting: Setting) -> list[dict[str, str]]:
        return [{"text": turn} for turn in cast(list[str], value or [])]

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        found = Table.take(self, form, None, setting)
        return [one["text"] for one in found or ()] or None


@dataclass(frozen=True, slots=True)
class Slots(Table):
    """Places in the turns that are filled from the user of the scenario."""

    columns: tuple[Column, ...] = (Column("name", "name"), Column("source", "filled from", wide=True))

    def rows(self, value: Any, setting: Setting) -> list[dict[str, str]]:
        pairs = cast(dict[str, str], value or {}).items()
        return [{"name": name, "source": source} for name, source in pairs]

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        found = Table.take(self, form, None, setting)
        return {one.get("name", ""): one.get("source", "") for one in found or ()} or None


@dataclass(frozen=True, slots=True)
class Whole(Line):
    """A whole number."""

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        given = form.text(self.name)
        return number_in(given, given or None)


TITLE = Line("title", "Title", needed=True)

CHARTER = Editor(
    (
        Part(
            "The study",
            (
                Local("title", "Title", needed=True),
                Lines(
                    "languages",
                    "Languages",
                    "Codes such as en or es, one a line; the first is the main one.",
                    True,
                ),
            ),
        ),
        Part(
            "Charter",
            (
                Area("charter.purpose", "Purpose", "What is this red teaming for?"),
                Area("charter.decision", "Decision", "Which decision does the result inform?"),
                Area("charter.system_under_test", "System under test"),
                Line("charter.owner", "Owner", "The role of the person who decides."),
                Lines("charter.in_scope", "In scope", "One a line."),
                Lines("charter.out_of_scope", "Out of scope", "One a line."),
                Lines("charter.open_questions", "Open questions", "One a line."),
            ),
        ),
        PROTOCOL,
        Part(
            "What cannot occur",
            (
                Constraints(
                    "constraints",
                    "Forbidden combinations",
                    f"Such as persona: carer; context: class / home. Parts: {', '.join(DIMENSIONS)}.",
                ),
            ),
        ),
    )
)

CONTEXT = Editor(
    (
        Part(
            "Where it happens",
            (
                TITLE,
                Area("setting", "Setting", "Where and in which circumstances is the system used?", True),
                Line("sender_role", "Who speaks to the system here", needed=True),
                Line("recipient_role", "What the system is here", needed=True),
                Lines("third_parties", "Others concerned", "Who is affected or can read along? One a line."),
            ),
        ),
        Part(
            "What may be said and passed on",
            (
                Line("information_type", "Kind of information"),
                Area("transmission_principle", "Why people say it here", "And what may be passed on."),
                Area("stakes", "Stakes", "What can be lost here?"),
                Lines("norms.must", "The system must", "One a line."),
                Lines("norms.must_not", "The system must not", "One a line."),
            ),
        ),
        Part(
            "How it reaches the system",
            (
                Local("deployment_text", "What the system is told about this context"),
                Line("locale", "Region", "Where the rules and words of one place matter."),
                LanguageChoice("language", "Language"),
            ),
        ),
    )
)

PERSONA = Editor(
    (
        Part(
            "Who",
            (
                TITLE,
                Pairs("attributes", "Attributes", "Such as age 15, asthma yes, risk level low."),
                Lines("goals", "Goals", "One a line."),
                Local("disclosure", "What they say of themself", "In their own words."),
                Choice(
                    "provenance",
                    "Where this user comes from",
                    needed=True,
                    options=_words(
                        "lived_experience",
                        "expert_authored",
                        "synthetic",
                        expert_authored="written by an expert",
                        synthetic="made up",
                    ),
                ),
            ),
        ),
        Part(
            "How they behave",
            (
                Line("behaviour.disclosure_style", "How they tell things"),
                Line("behaviour.reaction_to_refusal", "What they do when refused"),
                Line("behaviour.patience", "Patience"),
            ),
        ),
    )
)

INTERACTION_TYPE = Editor(
    (
        Part(
            "How user and system deal with each other",
            (
                TITLE,
                Area("description", "Description"),
                Choice(
                    "stance",
                    "What the user is up to",
                    needed=True,
                    options=_words(
                        "benign",
                        "implicit_risk",
                        "at_risk",
                        "boundary",
                        "adversarial",
                        "third_party",
                        benign="nothing risky",
                        implicit_risk="at risk, without saying so",
                        at_risk="at risk, and saying so",
                        boundary="pushing limits",
                        adversarial="trying to get around the rules",
                        third_party="about somebody else",
                    ),
                ),
                Choice(
                    "relation",
                    "What the system is for them",
                    needed=True,
                    options=_words("task", "advice", "companionship", "tutoring", "delegation"),
                ),
                Choice(
                    "structure",
                    "Length",
                    needed=True,
                    options=_words(
                        "single_turn", "multi_turn", single_turn="one turn", multi_turn="several turns"
                    ),
                ),
                Choice("initiative", "Who opens", options=_words("user", "model", model="the system")),
            ),
        ),
    ),
    fixed=("modality",),
)

_EXAMPLES = (Column("text", "what happened", wide=True, local=True), Column("why", "why", wide=True))
RUBRIC = RubricField(
    "rubric", "Rubric", "The questions that lead to a verdict; the first one is asked first.", True
)

HARM = Editor(
    (
        Part(
            "What it is",
            (
                TITLE,
                Local("definition", "Definition", needed=True),
                Area("background", "Background", "What one should know to understand why this is harm here."),
                Lines("includes", "Includes", "One a line."),
                Lines("excludes", "Does not include", "One a line."),
                Table("examples", "Examples", "At the boundary: this is it.", columns=_EXAMPLES),
                Table(
                    "counter_examples",
                    "Counter-examples",
                    "At the boundary: this is not it.",
                    columns=_EXAMPLES,
                ),
            ),
        ),
        Part(
            "How bad, and what protects",
            (
                Line("severity.grounding", "What the scale of severity rests on"),
                Numbered(
                    "severity.levels",
                    "Scale of severity",
                    columns=(
                        Column("value", "number"),
                        Column("label", "label"),
                        Column("description", "description", wide=True),
                    ),
                ),
                Local("protective_response", "What a good system does"),
                Rules("rules", "For some users more is needed", "Such as age: 13 to 15; asthma: yes."),
            ),
        ),
        Part("How it is judged", (RUBRIC,)),
        Part(
            "Where it belongs",
            (
                Choice(
                    "system_role",
                    "Role of the system",
                    "Does it do the harm (perpetrator), start it (instigator), make it easier (facilitator) or possible (enabler)?",
                    options=_words("perpetrator", "instigator", "facilitator", "enabler"),
                ),
                Lines("harmed_parties", "Who is harmed", "One a line."),
                Checks(
                    "harm_types",
                    "Kinds of harm",
                    "How people are shown; what they get or are refused; how well it works for them; between people; for many at once.",
                    options=_words(
                        "representational", "allocative", "quality_of_service", "interpersonal", "societal"
                    ),
                ),
                Picks("broader", "Is a kind of", kind="harm"),
                Table(
                    "crosswalk",
                    "In public taxonomies",
                    "The codes of some are offered and checked; any other can be named too.",
                    columns=(
                        Column("taxonomy", "taxonomy", offers="taxonomies"),
                        Column("version", "version", offers="taxonomy-versions"),
                        Column("code", "code", offers="taxonomy-codes"),
                        Column(
                            "relation",
                            "relation",
                            options=_words("exact", "close", "broad", "narrow", "related"),
                        ),
                    ),
                ),
                Lines("sources", "Sources", "One a line."),
                Lines("authors", "Written by", "Roles, not names; one a line."),
            ),
        ),
    )
)

SCENARIO = Editor(
    (
        Part(
            "Who asks what, where, how",
            (
                TITLE,
                Pick("context", "Context", needed=True, kind="context"),
                Pick("persona", "User", needed=True, kind="persona"),
                Pick("interaction_type", "Way of talking", needed=True, kind="interaction_type"),
                Pick("harm", "Harm in question", needed=True, kind="harm"),
                LanguageChoice("language", "Language", needed=True),
                Area("user_goal", "What the user wants", needed=True),
            ),
        ),
        Part(
            "What should happen",
            (
                Choice(
                    "expected.behaviour",
                    "A good system would",
                    needed=True,
                    options=_words("help", "decline", "protect"),
                ),
                Line("expected.sentence", "In a sentence", needed=True),
                Area("hypothesis", "What we think may go wrong"),
                Lines("affected_parties", "Others affected", "One a line."),
            ),
        ),
        Part(
            "Why this is worth testing",
            (
                Area("rationale", "Why it is plausible", "And whose experience says so."),
                Picks("evidence", "Evidence", kind="evidence"),
                Pick("twin.of", "Twin of", "The same but for one part.", kind="scenario"),
                Choice(
                    "twin.differs_in",
                    "Differs in",
                    options=_words("context", "persona", "interaction_type", "language", persona="user"),
                ),
            ),
        ),
    )
)

EVIDENCE = Editor(
    (
        Part(
            "What happened or was said",
            (
                TITLE,
                Choice(
                    "type",
                    "Kind",
                    needed=True,
                    options=_words("incident", "complaint", "interview", "publication"),
                ),
                Day("date", "Date"),
                Line("source", "Source", "Where it comes from: a help line, a meeting, a paper.", True),
                Area(
                    "text",
                    "Text",
                    "Without names, numbers and addresses of people: take them out before you save.",
                    True,
                ),
            ),
        ),
        Part(
            "What it speaks to",
            (Picks("harms", "Harms", kind="harm"), Picks("scenarios", "Scenarios", kind="scenario")),
        ),
    )
)

CASE = Editor(
    (
        Part(
            "What it tests",
            (
                Pick("scenario", "Scenario", kind="scenario"),
                Pick("harm", "Harm in question", "Only where there is no scenario yet.", kind="harm"),
                Line("cluster", "Belongs with", "Only where there is no scenario: what it has in common."),
            ),
        ),
        Part(
            "What is said",
            (
                Area("opening", "What the system says first", "Leave it empty where the user opens."),
                Turns(
                    "script",
                    "What the user says, turn by turn",
                    "Write {me} for what the user says of themself, and declare it below.",
                ),
                Slots(
                    "slots",
                    "Places filled from the user",
                    "Such as me from persona.disclosure, or age from persona.attributes.age.",
                ),
            ),
        ),
        Part(
            "How it goes",
            (
                Whole("turn_limit", "Most turns"),
                Choice(
                    "stop",
                    "It ends",
                    options=(
                        ("script_end", "when everything is said"),
                        ("first_refusal", "when the system refuses"),
                    ),
                ),
                LanguageChoice("language", "Language", "Only where it is not that of the scenario."),
                Choice(
                    "text_origin",
                    "The text was",
                    options=(
                        ("locally_authored", "written in this language"),
                        ("translated", "translated"),
                    ),
                ),
            ),
        ),
    ),
    fixed=("provenance", "tags"),
)

KINDS: Mapping[str, tuple[str, str, str]] = {
    "contexts": ("context", "Contexts", "context"),
    "personas": ("persona", "Users", "kind of user"),
    "interaction-types": ("interaction_type", "Ways of talking", "way of talking"),
    "harms": ("harm", "Harms", "harm"),
    "scenarios": ("scenario", "Scenarios", "scenario"),
    "evidence": ("evidence", "Evidence", "piece of evidence"),
}
"""Part of an address -> kind, the words for many and for one."""
CASES = ("case", "Test conversations", "test conversation")
COLLECTED: Mapping[str, tuple[str, str, str]] = {**KINDS, "cases": CASES}
"""The same with test conversations, which have pages of their own."""
ADDRESSES: Mapping[str, str] = {kind: address for address, (kind, _, _) in COLLECTED.items()}
"""Kind of definition -> its part of an address."""

EDITORS: Mapping[str, Editor] = {
    "study": CHARTER,
    "context": CONTEXT,
    "persona": PERSONA,
    "interaction_type": INTERACTION_TYPE,
    "harm": HARM,
    "scenario": SCENARIO,
    "evidence": EVIDENCE,
    "case": CASE,
}
"""Kind of definition -> its editor."""
