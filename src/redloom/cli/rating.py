"""Rating in the terminal: a conversation, then one question after the other."""

from __future__ import annotations

from typing import Literal

from redloom.cli.output import visible
from redloom.domain.harm import Harm
from redloom.domain.judge import Unit
from redloom.domain.rubric import Outcome
from redloom.domain.value import in_language
from redloom.services.rating import Assignment, Rated, next_assignment, store_rating
from redloom.services.workspace import Workspace

HELP = (
    "Answer by number; b goes back, also to the conversation before; s skips this one; ? shows what counts as harm; "
    "q stops. Skipping costs nothing."
)
Command = Literal["back", "skip", "stop"]
_COMMANDS: dict[str, Command] = {"b": "back", "s": "skip", "q": "stop"}


def rate_in_terminal(workspace: Workspace, run: str, rater: str, unit: Unit) -> None:
    """Ask until everything is judged or the person stops; each answer set is stored at once."""
    print(HELP)
    before: tuple[Assignment, Rated] | None = None
    revised: Rated | None = None
    assignment = next_assignment(workspace, run, rater, unit=unit)
    while assignment is not None:
        _show(assignment, again=revised is not None)
        given = _judge(assignment)
        if given == "stop":
            print("Stopped; what you judged is stored.")
            return
        if given == "back":
            if before is None:
                print("There is no conversation before this one.")
            else:
                assignment, revised = before
                before = None
            continue
        answers, why = ({}, "") if given == "skip" else given
        rated = store_rating(
            workspace,
            assignment,
            answers,
            rationale=why,
            skipped=given == "skip",
            supersedes=revised.id if revised else None,
        )
        print("skipped" if given == "skip" else f"stored: {_words(rated.verdict, rated.severity)}")
        before, revised = (assignment, rated), None
        assignment = next_assignment(workspace, run, rater, unit=unit)
    print("Nothing is left to judge.")


def _show(assignment: Assignment, *, again: bool) -> None:
    print(f"\n{'=' * 72}\n{'once more' if again else f'{assignment.left} left'}")
    frame = assignment.frame
    if frame.context is not None:
        print(f"Where: {visible(frame.context.title)}. {visible(frame.context.setting)}")
    if frame.persona is not None:
        print(f"Who: {visible(frame.persona.title)}")
    if assignment.harm is not None:
        definition = visible(in_language(assignment.harm.definition, assignment.language))
        print(f"In question: {visible(assignment.harm.title)}. {definition}")
    print("-" * 72)
    for turn in assignment.turns:
        if turn.text is not None:
            print(f"USER    {visible(turn.text)}")
        print(f"SYSTEM  {visible(turn.reply) or '(an empty reply)'}")
    print("-" * 72)


def _judge(assignment: Assignment) -> tuple[dict[str, str], str] | Command:
    """The answers along the path and the reason in a sentence, or what else the person wants."""
    rubric = assignment.rubric
    answers, path = dict[str, str](), [rubric.start]
    while True:
        given = _ask(assignment, path[-1])
        if given == "back":
            if len(path) == 1:
                return "back"
            path.pop()
            answers.pop(path[-1], None)
            continue
        if isinstance(given, str):
            return given
        answers[path[-1]] = given[0]
        outcome = rubric.questions[path[-1]].answers[given[0]]
        if outcome.to is not None:
            path.append(outcome.to)
            continue
        why = _why(outcome)
        if why == "stop":
            return "stop"
        if why != "back":
            return answers, why[0]
        answers.pop(path[-1], None)


def _ask(assignment: Assignment, name: str) -> tuple[str] | Command:
    """The answer to one question, or what else the person wants."""
    question = assignment.rubric.questions[name]
    choices = list(question.answers)
    print(visible(in_language(question.text, assignment.language)))
    if question.help:
        print(f"  ({visible(in_language(question.help, assignment.language))})")
    while True:
        print("  " + "   ".join(f"{number} {choice}" for number, choice in enumerate(choices, start=1)))
        given = _read("> ")
        if given in _COMMANDS:
            return _COMMANDS[given]
        if given == "?":
            _explain(assignment.harm, assignment.language)
            continue
        chosen = choices[int(given) - 1] if given.isdecimal() and 0 < int(given) <= len(choices) else given
        if chosen in question.answers:
            return (chosen,)
        print(f"{given!r} is none of the answers. {HELP}")


def _why(outcome: Outcome) -> tuple[str] | Literal["back", "stop"]:
    """The reason, empty for none, or what else the person wants."""
    told = f"That is: {_words(outcome.verdict, outcome.severity)}."
    while True:
        given = _read(f"{told} Why, in a sentence (Enter for none, b to go back): ")
        if given in ("b", "q"):
            return "back" if given == "b" else "stop"
        if not given.isdecimal():
            return (given,)
        print(f"{given!r} is an answer's number, and the questions are over; nothing was stored yet.")


def _explain(harm: Harm | None, language: str) -> None:
    if harm is None:
        print("No harm is defined for this conversation; the questions are general ones.")
        return
    print(visible(in_language(harm.definition, language)))
    for title, entries in (("Includes", harm.includes), ("Excludes", harm.excludes)):
        for entry in entries:
            print(f"  {title}: {visible(in_language(entry, language))}")
    for title, examples in (("Is one", harm.examples), ("Is none", harm.counter_examples)):
        for example in examples:
            print(f"  {title}: {visible(in_language(example.text, language))} ({visible(example.why)})")


def _words(verdict: str | None, severity: int | None) -> str:
    told = (verdict or "no verdict").replace("_", " ")
    return told if severity is None else f"{told}, severity {severity}"


def _read(prompt: str) -> str:
    """What was typed; ``q`` at the end of the input and on Ctrl-C."""
    try:
        return input(prompt).strip()
    except EOFError:
        return "q"
    except KeyboardInterrupt:
        print()
        return "q"
