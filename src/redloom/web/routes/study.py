"""The study page, what comes first where there is none, search, and the glossary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from redloom.errors import InputError, Issue
from redloom.ids import slugify
from redloom.services.defining import begin_study
from redloom.services.readiness import Readiness, look_over
from redloom.services.searching import Found, find
from redloom.services.showing import name_studies
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.web.asking import Answer, Ask, Page, See

EXAMPLE = "school_health"
TASKS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "expert": (
        ("Read what counts as harm, sort replies, and say where you disagree", "harms"),
        ("Find on the map what nobody has asked yet", "map"),
        ("Review test conversations, one after another", "review"),
    ),
    "red_teamer": (
        ("Talk with a system, and write down what you find", "explore"),
        ("Take an order for a test conversation, and write it", "orders"),
        ("Try findings of others again", "findings"),
    ),
    "rater": (
        ("Read what counts as harm, and propose a change where it misses something", "harms"),
        ("Read test conversations, and say whether they test what they say", "review"),
        ("Choose how replies that are hard to read are shown to you", "reading"),
    ),
    "viewer": (
        ("Read what counts as harm, and who disagrees", "harms"),
        ("Read the runs and their reports", "runs"),
    ),
}
"""What somebody who was invited can do first: role -> words, and where."""
ASKED: tuple[tuple[str, str, str, str], ...] = (
    ("title", "Title", "", "needed"),
    ("purpose", "What is it for", "What you want to find out, in a sentence or two.", "long"),
    (
        "decision",
        "Which decision depends on it",
        "Such as: whether the assistant may answer at night.",
        "long",
    ),
    ("system_under_test", "Which system is tested", "What it is, where it runs, what it can do.", "long"),
    (
        "languages",
        "Languages",
        "Codes such as en or es, the main one first. Users and raters read the study in these.",
        "needed",
    ),
    (
        "slug",
        "Short name",
        "For files, commands and addresses. Leave it empty to have one made of the title.",
        "",
    ),
)
"""What is asked of a new study: field, words, help, whether it is needed or long."""
FIRST: Mapping[str, tuple[str, str, str]] = {
    "harm": (
        "Say what counts as harm",
        "Read one definition, sort a dozen replies, and see where you part from it.",
        "/harms/shaming",
    ),
    "explore": (
        "Talk with a system",
        "As one of the users, in one of the places. Branch, mark, write down what you find.",
        "/explore",
    ),
    "map": (
        "Find what was not asked yet",
        "See which users, places and harms no test conversation covers, and fill a hole.",
        "/map",
    ),
    "review": ("Read test conversations", "One after another: accept, reject, say why.", "/review"),
    "look": ("Look around", "How far the study is in each of its three moments, and what is missing.", ""),
}
"""What one may do first in the example: key -> words, what it is, where in the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Page):
    """What one sees where there are several studies, or none."""

    template: ClassVar[str] = "start.html.j2"
    studies: tuple[tuple[str, str], ...]
    first: Mapping[str, tuple[str, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStudyPage(Page):
    """The form that begins a study, with what was wrong with what was sent."""

    template: ClassVar[str] = "new_study.html.j2"
    given: Mapping[str, str]
    asked: tuple[tuple[str, str, str, str], ...] = ASKED
    issues: Sequence[Issue] = ()
    wrong: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field -> what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage(Page):
    """How far a study is, and what to do next."""

    template: ClassVar[str] = "study.html.j2"
    moment: ClassVar[str] = "study"
    found: Readiness
    tasks: Mapping[str, tuple[tuple[str, str], ...]]


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
    heading = "Studies" if found else "What do you want to do first?"
    return Start(heading=heading, studies=tuple(found), first=FIRST)


def begin(ask: Ask) -> Answer:
    """Declare the example study, and go where somebody wants to go first."""
    done = apply(ask.workspace, example(EXAMPLE) / "study.yaml", why="the example study")
    _, _, to = FIRST.get(ask.form.text("first"), FIRST["look"])
    return See(f"/studies/{done.study}{to}", "begun")


def new(ask: Ask) -> Answer:
    """The form that begins a study."""
    del ask
    return NewStudyPage(heading="A study of your own", given={"languages": "en"})


def add(ask: Ask) -> Answer:
    """Begin it, or say why not."""
    given = {name: ask.form.text(name) for name, *_ in ASKED}
    slug = given["slug"] or slugify(given["title"]) or "study"
    content: Mapping[str, Any] = {
        "title": given["title"],
        "languages": given["languages"].replace(",", " ").split(),
        "charter": {
            name: given[name] for name in ("purpose", "decision", "system_under_test") if given[name]
        },
    }
    try:
        begin_study(ask.workspace, slug, content)
    except InputError as error:
        wrong = {
            issue.path.partition(".")[0].partition("[")[0]: issue.message for issue in reversed(error.issues)
        }
        return NewStudyPage(
            heading="A study of your own", given=given, issues=error.issues, wrong=wrong, status=422
        )
    return See(f"/studies/{slug}", "study-begun")


def overview(ask: Ask) -> Answer:
    """How far the study is."""
    found = look_over(ask.workspace, ask.study)
    return StudyPage(heading=found.title, found=found, tasks=TASKS)


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
