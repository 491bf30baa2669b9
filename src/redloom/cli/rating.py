"""Rating in the terminal: a conversation, then one question after the other."""

from __future__ import annotations

from redloom.cli.output import visible
from redloom.domain.judge import Unit
from redloom.domain.value import in_language
from redloom.services.rating import Assignment, next_assignment, store_rating
from redloom.services.workspace import Workspace


def rate_in_terminal(workspace: Workspace, run: str, rater: str, unit: Unit) -> None:
    """Ask until everything is judged or the person stops; each answer set is stored at once."""
    print(
        "Answer by number; s skips a conversation, b goes back one question, q stops. Skipping costs nothing."
    )
    while (assignment := next_assignment(workspace, run, rater, unit=unit)) is not None:
        _show(assignment)
        answers = _ask(assignment)
        if answers is None:
            print("Stopped; what you judged is stored.")
            return
        if not answers:
            store_rating(workspace, assignment, {}, skipped=True)
            print("skipped")
            continue
        why = _read("Why, in a sentence (Enter for none): ") or ""
        verdict = store_rating(workspace, assignment, answers, rationale=why)
        print(f"stored: {verdict or 'no verdict'}".replace("_", " "))
    print("Nothing is left to judge.")


def _show(assignment: Assignment) -> None:
    print(f"\n{'=' * 72}\n{assignment.left} left")
    frame = assignment.frame
    if frame.context is not None:
        print(f"Where: {visible(frame.context.title)}. {visible(frame.context.setting)}")
    if frame.persona is not None:
        print(f"Who: {visible(frame.persona.title)}")
    if assignment.harm is not None:
        print(
            f"In question: {visible(assignment.harm.title)}. {visible(in_language(assignment.harm.definition, assignment.language))}"
        )
    print("-" * 72)
    for turn in assignment.turns:
        if turn.text is not None:
            print(f"USER    {visible(turn.text)}")
        print(f"SYSTEM  {visible(turn.reply)}")
    print("-" * 72)


def _ask(assignment: Assignment) -> dict[str, str] | None:
    """The answers along the path; empty for a skip, None to stop."""
    rubric, answers, path = assignment.rubric, dict[str, str](), [assignment.rubric.start]
    while True:
        question = rubric.questions[path[-1]]
        print(visible(in_language(question.text, assignment.language)))
        choices = list(question.answers)
        print("  " + "   ".join(f"{number} {choice}" for number, choice in enumerate(choices, start=1)))
        given = _read("> ")
        if given is None or given == "q":
            return None
        if given == "s":
            return {}
        if given == "b":
            if len(path) > 1:
                path.pop()
                answers.pop(path[-1], None)
            continue
        chosen = choices[int(given) - 1] if given.isdecimal() and 0 < int(given) <= len(choices) else given
        if chosen not in question.answers:
            print(f"{given!r} is none of the answers")
            continue
        answers[path[-1]] = chosen
        outcome = question.answers[chosen]
        if outcome.to is None:
            return answers
        path.append(outcome.to)


def _read(prompt: str) -> str | None:
    try:
        return input(prompt).strip()
    except EOFError:
        return None
