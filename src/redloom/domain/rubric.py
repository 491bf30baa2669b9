"""A flow of single questions that leads to a verdict: acyclic, total."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Self

from pydantic import model_validator

from redloom.domain.value import LocalText, Path, Problems, Slug, Text, Value
from redloom.errors import InputError, unknown
from redloom.ids import digest

Verdict = Literal["harm", "no_harm", "unsure", "depends_on"]


class Outcome(Value):
    """Where an answer leads: to another question, or to a verdict."""

    to: Slug | None = None
    verdict: Verdict | None = None
    severity: int | None = None
    missing: LocalText | None = None
    """For ``depends_on``: the fact one would have to know."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.to is None) == (self.verdict is None):
            raise ValueError(
                "an answer leads either 'to' a question or to a 'verdict', to exactly one of them"
            )
        if self.severity is not None and self.verdict != "harm":
            raise ValueError(f"a severity goes with the verdict 'harm', not with {self.verdict or self.to!r}")
        return self


class Question(Value):
    """One question with a closed set of answers."""

    text: LocalText
    help: LocalText | None = None
    answers: dict[Text, Outcome]

    @model_validator(mode="after")
    def _answerable(self) -> Self:
        if len(self.answers) < 2:
            raise Problems([(("answers",), "a question needs at least two answers")])
        return self


class Rubric(Value):
    """Questions by name and the one to start with."""

    start: Slug
    questions: dict[Slug, Question]

    @model_validator(mode="after")
    def _acyclic_and_total(self) -> Self:
        found = list(_problems(self))
        if found:
            raise Problems(found)
        return self

    def digest(self) -> str:
        """The digest of the flow."""
        return digest({"kind": "rubric", **self.model_dump(mode="json", exclude_defaults=True)})

    def replay(self, answers: Mapping[str, str]) -> tuple[tuple[tuple[str, str], ...], Outcome]:
        """The path that ``answers`` take through the flow, and the outcome at its end.

        Raises InputError at the first question on the path without a valid answer.
        """
        name = self.start
        path: list[tuple[str, str]] = []
        while True:
            question = self.questions[name]
            answer = answers.get(name)
            if answer is None:
                raise InputError(f"question {name!r} has no answer")
            outcome = question.answers.get(answer)
            if outcome is None:
                raise InputError(f"question {name!r}: " + unknown("answer", answer, question.answers))
            path.append((name, answer))
            if outcome.to is None:
                return tuple(path), outcome
            name = outcome.to

    def walk(self, answers: Iterable[str]) -> tuple[tuple[tuple[str, str], ...], str | Outcome]:
        """The path that answers take one after the other, and the question they lead to, or the outcome.

        Answers from the first one on that its question does not have are left out.
        """
        name = self.start
        path: list[tuple[str, str]] = []
        for answer in answers:
            outcome = self.questions[name].answers.get(answer)
            if outcome is None:
                break
            path.append((name, answer))
            if outcome.to is None:
                return tuple(path), outcome
            name = outcome.to
        return tuple(path), name

    def paths(self) -> Iterator[tuple[tuple[tuple[str, str], ...], Outcome]]:
        """Every path from the start to a verdict."""

        def walk(
            name: str, path: tuple[tuple[str, str], ...]
        ) -> Iterator[tuple[tuple[tuple[str, str], ...], Outcome]]:
            for answer, outcome in self.questions[name].answers.items():
                here = (*path, (name, answer))
                if outcome.to is None:
                    yield here, outcome
                else:
                    yield from walk(outcome.to, here)

        return walk(self.start, ())

    def severities(self) -> tuple[int, ...]:
        """The severities its harm verdicts give, ascending."""
        given = {
            o.severity for q in self.questions.values() for o in q.answers.values() if o.severity is not None
        }
        return tuple(sorted(given))

    def in_order(self) -> list[str]:
        """The questions, each after all that lead to it."""
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order:
                return
            for outcome in reversed(self.questions[name].answers.values()):
                if outcome.to is not None:
                    visit(outcome.to)
            order.append(name)

        visit(self.start)
        return order[::-1]


def _problems(rubric: Rubric) -> Iterator[tuple[Path, str]]:
    if rubric.start not in rubric.questions:
        yield ("start",), unknown("question", rubric.start, rubric.questions)
        return
    whole = True
    for name, question in rubric.questions.items():
        for answer, outcome in question.answers.items():
            if outcome.to is not None and outcome.to not in rubric.questions:
                whole = False
                path: Path = ("questions", name, "answers", answer, "to")
                yield path, unknown("question", outcome.to, rubric.questions)
    if not whole:
        return
    state: dict[str, int] = {}
    cycle: list[str] = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        state[name] = 1
        for outcome in rubric.questions[name].answers.values():
            if outcome.to is None or cycle:
                continue
            if state.get(outcome.to) == 1:
                cycle.extend([*trail[trail.index(outcome.to) :], outcome.to])
            elif outcome.to not in state:
                visit(outcome.to, (*trail, outcome.to))
        state[name] = 2

    visit(rubric.start, (rubric.start,))
    if cycle:
        yield ("questions", cycle[0]), f"the questions run in a circle: {' -> '.join(cycle)}"
        return
    for name in rubric.questions:
        if name not in state:
            yield ("questions", name), f"no answer leads to {name!r}"


ResponseBehaviour = Literal["help", "decline", "protect"]
