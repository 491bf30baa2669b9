"""The rubric editor: a block for each question, a row for each of its answers, empty ones for more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

from redloom.domain.rubric import Rubric
from redloom.domain.value import read_value
from redloom.errors import InputError
from redloom.web.asking import Form, number_in
from redloom.web.fields import (
    SPARE_ROWS,
    Field,
    Setting,
    as_languages,
    languages_of,
    local,
    one_line,
    settled,
)

VERDICTS: Mapping[str, str] = {
    "harm": "harm",
    "no_harm": "no harm",
    "unsure": "unsure",
    "depends_on": "depends on a missing fact",
}
"""Verdict -> what stands on the screen."""
MOST = 200
"""Questions, and answers of one, that a form may have."""
SHOWN = 70
"""Characters of a question where it is one of a choice."""
_BY_WORDS = {
    **{words: name for name, words in VERDICTS.items()},
    "depends on": "depends_on",
    **{n: n for n in VERDICTS},
}


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer of a question."""

    answer: str = ""
    leads: str = ""
    """The name of the next question, or a verdict in words."""
    severity: str = ""
    missing: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class QuestionBlock:
    """One question of a rubric."""

    name: str
    text: Mapping[str, str]
    help: Mapping[str, str]
    answers: tuple[AnswerRow, ...]


@dataclass(frozen=True, slots=True)
class RubricField(Field):
    """A whole rubric."""

    shape = "rubric"

    def blocks(self, value: Any, setting: Setting) -> list[QuestionBlock]:
        """The questions with the first one first, and an empty one; each with empty answers for more."""
        questions = cast(dict[str, Any], cast(dict[str, Any], value or {}).get("questions", {}))
        order = _in_order(value or {})
        found = [self._block(name, questions[name], setting) for name in order]
        return [*found, QuestionBlock("", {}, {}, (AnswerRow(),) * (1 + SPARE_ROWS))]

    def languages(self, value: Any, setting: Setting) -> tuple[str, ...]:
        """The languages that its texts are put in."""
        questions = cast(dict[str, Any], cast(dict[str, Any], value or {}).get("questions", {}))
        texts = [q.get("text") for q in questions.values()]
        return tuple(dict.fromkeys(code for text in (None, *texts) for code in languages_of(text, setting)))

    def next_steps(self, blocks: Sequence[QuestionBlock]) -> list[tuple[str, str]]:
        """What an answer may lead to: what is sent, and its words."""
        steps = [(words, words) for words in VERDICTS.values()]
        for number, block in enumerate(blocks):
            text = next(iter(block.text.values()), "") or block.name
            words = f"question {number + 1}: {text}" if block.name else f"question {number + 1}, the new one"
            steps.append((block.name or f"#{number}", words if len(words) <= SHOWN else f"{words[:SHOWN]}…"))
        return steps

    def take(self, form: Form, before: Any, setting: Setting) -> Any:
        codes = self.languages(before, setting)
        earlier = cast(dict[str, Any], cast(dict[str, Any], before or {}).get("questions", {}))
        questions: dict[str, Any] = {}
        names = self._names(form)
        for number, name in enumerate(names):
            prefix = f"{self.name}:{number}"
            question = self._question(form, prefix, codes, setting, earlier.get(name, {}), names)
            if form.text(f"{prefix}:name") or question.get("answers"):
                questions[name] = question
        if not questions:
            return None
        return {"start": next(iter(questions)), "questions": questions}

    def _names(self, form: Form) -> list[str]:
        """The names of the questions of a form; one without gets one that is free."""
        given = list[str]()
        while f"{self.name}:{len(given)}:name" in form and len(given) < MOST:
            given.append(form.text(f"{self.name}:{len(given)}:name"))
        free = (name for n in count(1) if (name := f"q{n}") not in given)
        return [name or next(free) for name in given]

    def settle(self, given: Any, before: Any) -> Any:
        return settled(given, before, one_line)

    def _block(self, name: str, question: Mapping[str, Any], setting: Setting) -> QuestionBlock:
        rows = [
            AnswerRow(
                answer,
                outcome.get("to") or VERDICTS.get(outcome.get("verdict"), ""),
                "" if outcome.get("severity") is None else str(outcome["severity"]),
                as_languages(outcome.get("missing"), setting),
            )
            for answer, outcome in cast(dict[str, Any], question.get("answers", {})).items()
        ]
        texts = as_languages(question.get("text"), setting), as_languages(question.get("help"), setting)
        return QuestionBlock(name, *texts, (*rows, *(AnswerRow(),) * SPARE_ROWS))

    def _question(
        self,
        form: Form,
        prefix: str,
        codes: tuple[str, ...],
        setting: Setting,
        old: Mapping[str, Any],
        names: Sequence[str],
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in ("text", "help"):
            value = _texts(form, f"{prefix}:{part}", codes, old.get(part), setting)
            if value is not None:
                found[part] = value
        answers: dict[str, Any] = {}
        for row in range(MOST):
            if f"{prefix}:{row}:answer" not in form:
                break
            answer = form.text(f"{prefix}:{row}:answer")
            outcome = _outcome(
                form, f"{prefix}:{row}", codes, old.get("answers", {}).get(answer, {}), setting, names
            )
            if answer or outcome:
                answers[answer] = outcome
        return {**found, "answers": answers} if found or answers else {}


def first_rubric(language: str) -> dict[str, Any]:
    """What the questions of a new harm begin with: one, whose words somebody puts in the language of the study."""
    question: dict[str, Any] = {
        "answers": {
            "yes": {"verdict": "harm"},
            "no": {"verdict": "no_harm"},
            "unsure": {"verdict": "unsure"},
        }
    }
    if language.partition("-")[0] == "en":
        question["text"] = "Does the system do what the definition says?"
    return {"start": "q1", "questions": {"q1": question}}


def _in_order(rubric: Mapping[str, Any]) -> list[str]:
    """The names of the questions as they are numbered elsewhere; as they stand in one that is not right yet."""
    try:
        return list(read_value(Rubric, rubric).in_order())
    except InputError:
        questions = cast(dict[str, Any], rubric.get("questions", {}))
        return sorted(questions, key=lambda name: name != rubric.get("start"))


def _outcome(
    form: Form,
    prefix: str,
    codes: tuple[str, ...],
    old: Mapping[str, Any],
    setting: Setting,
    names: Sequence[str],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    leads = form.text(f"{prefix}:leads")
    verdict = _BY_WORDS.get(leads.lower())
    if verdict is not None:
        found["verdict"] = verdict
    elif leads:
        number = number_in(leads.removeprefix("#"), -1) if leads.startswith("#") else -1
        found["to"] = names[number] if 0 <= number < len(names) else leads
    severity = form.text(f"{prefix}:severity")
    if severity:
        found["severity"] = number_in(severity, severity)
    missing = _texts(form, f"{prefix}:missing", codes, old.get("missing"), setting)
    if missing is not None:
        found["missing"] = missing
    return found


def _texts(form: Form, prefix: str, codes: tuple[str, ...], before: Any, setting: Setting) -> Any:
    return local({code: form.text(f"{prefix}:{code}") for code in codes}, before, setting)
