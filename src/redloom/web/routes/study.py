"""The study page, what comes first where there is none, search, and the glossary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from redloom.services.readiness import Readiness, look_over
from redloom.services.searching import Found, find
from redloom.services.showing import name_studies
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.web.asking import Answer, Ask, Page, See

EXAMPLE = "school_health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble(Page):
    """Why there is nothing else to see."""

    template: ClassVar[str] = "trouble.html.j2"
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Page):
    """What one sees where there are several studies, or none."""

    template: ClassVar[str] = "start.html.j2"
    studies: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage(Page):
    """How far a study is, and what to do next."""

    template: ClassVar[str] = "study.html.j2"
    moment: ClassVar[str] = "study"
    found: Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage(Page):
    """What a search found."""

    template: ClassVar[str] = "search.html.j2"
    query: str
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glossary(Page):
    """The words of the screen, and what they are called elsewhere."""

    template: ClassVar[str] = "glossary.html.j2"
    terms: tuple[tuple[str, str, str], ...]


TERMS: tuple[tuple[str, str, str], ...] = (
    (
        "Context",
        "context",
        "Where and why people use the system: the setting, who is there, what may be passed on, what the system must and must not do.",
    ),
    (
        "User",
        "persona",
        "A kind of person who uses the system: what matters about them and what they say of themself. Not a real person.",
    ),
    (
        "Way of talking",
        "interaction type",
        "What the user is up to and how long it goes: advice, slow disclosure, pushing limits.",
    ),
    (
        "Harm",
        "harm concept",
        "What counts as harm here, with its limits, examples on both sides, how bad it can be and the questions that decide.",
    ),
    (
        "Rubric",
        "rubric",
        "Single questions whose answers lead to a verdict. People and models answer the same ones.",
    ),
    (
        "Scenario",
        "scenario",
        "One context, one user, one way of talking and one harm together, with what a good system would do.",
    ),
    ("Test conversation", "case", "A scenario made ready to run: what the user will say."),
    ("Conversation", "interaction", "What was said between the user's side and the system."),
    ("System", "target", "What is tested, in one version and with its settings."),
    ("Condition", "arm", "What the system gets to see: everything, or for instance not the context."),
    ("Try", "attempt", "One of several times that the same test conversation is held."),
    ("Verdict", "verdict", "Harm, no harm, unsure, or dependent on a fact that is missing."),
    (
        "Dissent",
        "dissent",
        "A disagreement with a harm as it is defined, with its reason and, if wanted, its own questions. Reports show the numbers under each.",
    ),
    ("Endorsement", "endorsement", "Somebody stands behind one version of a harm."),
    (
        "Evidence",
        "evidence",
        "What happened or was said outside: incidents, complaints, interviews, publications.",
    ),
    (
        "Release",
        "release",
        "A set of test conversations that no longer changes, so that numbers about it mean something.",
    ),
    (
        "Exploration",
        "exploration",
        "Talking with a system by hand, with branches. It finds things and yields no rate.",
    ),
    (
        "Finding",
        "finding",
        "A claim about a system with the branch that shows it, and how often it happened again when tried.",
    ),
    ("Twin", "twin", "A scenario that is the same as another but for one part."),
    (
        "User's side",
        "policy",
        "How the user's part of a conversation comes about: written beforehand, or played.",
    ),
    (
        "Time with difficult content",
        "exposure",
        "How long somebody spent with content that can weigh on them.",
    ),
)


def start(ask: Ask) -> Answer:
    """The only study, or the choice among several."""
    found = [
        (slug, one.title)
        for slug, one in name_studies(ask.workspace).items()
        if ask.person.study in (None, slug)
    ]
    if len(found) == 1 and "choose" not in ask.query:
        return See(f"/studies/{found[0][0]}")
    return Start(heading="Studies" if found else "What do you want to test?", studies=tuple(found))


def begin(ask: Ask) -> Answer:
    """Declare the example study."""
    done = apply(ask.workspace, example(EXAMPLE) / "study.yaml", why="the example study")
    return See(f"/studies/{done.study}", "begun")


def overview(ask: Ask) -> Answer:
    """How far the study is."""
    found = look_over(ask.workspace, ask.study)
    return StudyPage(heading=found.title, found=found)


def search(ask: Ask) -> Answer:
    """What holds the words, in every study."""
    query = ask.query.text("q")
    study = ask.person.study or ask.query.text("study") or None
    found = tuple(find(ask.workspace, query, study=study)) if query else ()
    return SearchPage(heading="Search", query=query, found=found)


def glossary(ask: Ask) -> Answer:
    """The words of the screen."""
    del ask
    return Glossary(heading="Words", terms=TERMS)
