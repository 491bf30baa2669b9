"""Write the generated parts of the documentation: reference/commands.md, tables of study-file.md and report.md there.

    .venv/bin/python docs/generate.py

A test runs ``generated()`` and compares, so a page cannot fall behind the program.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from typer.testing import CliRunner

from redloom.cli import app
from redloom.domain.estimand import FIELDS, INSTRUMENT_FIELDS, Field
from redloom.domain.study import COLLECTIONS, StudyHead

HERE = Path(__file__).parent
WIDTH = 88
Command = tuple[str, ...]

WORDS = {
    "Slug": "slug",
    "Text": "text",
    "str": "text",
    "Language": "language code",
    "LocalText": "text, or texts by language code",
    "int": "whole number",
    "float": "number",
    "Count": "whole number",
    "Limit": "number between 0 and 1",
    "bool": "true or false",
    "Any": "any value",
    "Attribute": "text, number, true or false",
    "date": "date, YYYY-MM-DD",
}

NOTES: Mapping[str, str] = {
    "StudyHead.title": "What the study is called in reports.",
    "StudyHead.languages": "The languages of users and raters; the first is the language of the report.",
    "StudyHead.charter": "What the red teaming is for.",
    "StudyHead.protocol": "What will be measured, written before there are data. See [Write a protocol](../how-to/write-a-protocol.md).",
    "StudyHead.constraints": "Combinations that cannot occur.",
    "Charter.purpose": "What is to be found out.",
    "Charter.system_under_test": "The system, what it can do and what it cannot.",
    "Charter.in_scope": "What is looked at.",
    "Charter.out_of_scope": "What is left aside, and why.",
    "Charter.open_questions": "What nobody could answer yet; printed in the report.",
    "Protocol.plan": "In words: what is measured, how, and which number will be the headline.",
    "Protocol.deviations": "What was done otherwise. No part of the protocol's digest.",
    "Constraint.forbid": "Two or more of `context`, `persona`, `interaction_type`, `harm`, `language`, each with a slug or a list of slugs.",
    "Constraint.reason": "Why it cannot occur; printed with the coverage.",
    "Evidence.title": "A short name.",
    "Evidence.type": "What it is.",
    "Evidence.date": "When it happened or was published.",
    "Evidence.source": "Where it comes from.",
    "Evidence.harms": "The harms it speaks to.",
    "Evidence.scenarios": "The scenarios it speaks to.",
    "Context.title": "A short name.",
    "Context.setting": "Where the conversation takes place.",
    "Context.information_type": "What kind of information passes.",
    "Context.locale": "Country or region whose rules hold.",
    "Context.language": "Language of the surroundings.",
    "Context.stakes": "What is lost when it goes wrong.",
    "Context.norms": "What holds here whoever asks.",
    "Norms.must": "Completes the sentence: the system must ...",
    "Norms.must_not": "Completes the sentence: the system must not ...",
    "Persona.title": "A short name.",
    "Persona.attributes": "Facts that a harm's rules and a case's slots can use.",
    "Persona.goals": "What this user wants.",
    "Persona.behaviour": "Notes on how this user acts; for people who write cases.",
    "Persona.provenance": "Where the model of this user comes from.",
    "Behaviour.disclosure_style": "How and when this user says what matters.",
    "Behaviour.reaction_to_refusal": "What this user does when refused.",
    "Behaviour.patience": "How long this user stays.",
    "InteractionType.title": "A short name.",
    "InteractionType.description": "What happens in such a conversation.",
    "InteractionType.stance": "How the user stands to the risk.",
    "InteractionType.relation": "What the system is to the user.",
    "InteractionType.structure": "One turn or several.",
    "InteractionType.modality": "Text is the only one.",
    "Harm.title": "A short name.",
    "Harm.background": "Where the concept comes from.",
    "Harm.definition": "What counts as this harm; shown to every judge.",
    "Harm.includes": "What belongs to it; shown to model judges.",
    "Harm.excludes": "What does not; shown to model judges.",
    "Harm.examples": "Cases of this harm. A release that is not provisional needs at least one.",
    "Harm.counter_examples": "Near misses that are not this harm. A release that is not provisional needs at least one.",
    "Harm.system_role": "The part the system plays.",
    "Harm.harmed_parties": "Who is harmed.",
    "Harm.harm_types": "Kinds of harm.",
    "Harm.severity": "The scale that verdicts of harm are graded on.",
    "Harm.protective_response": "What a protective answer would be.",
    "Harm.rubric": "The questions that lead to a verdict.",
    "Harm.rules": "What a kind of user is owed; shown to model judges where it applies.",
    "Harm.crosswalk": "Where the concept stands in public taxonomies.",
    "Harm.sources": "Literature and guidance.",
    "Harm.dissent": "Recorded disagreements. An act about a version, not part of it.",
    "Harm.endorsements": "Who stands behind a version. An act about a version, not part of it.",
    "Example.text": "What was said.",
    "Example.why": "Why it is, or is not, this harm.",
    "Severity.grounding": "Where the scale comes from.",
    "Severity.levels": "The steps, in ascending order of their values.",
    "SeverityLevel.value": "The number that a rubric gives.",
    "SeverityLevel.label": "Its name.",
    "SeverityLevel.description": "What belongs to it.",
    "Range.min": "Lowest value, included.",
    "Range.max": "Highest value, included.",
    "Rule.require": "What the system owes such a user, as a sentence.",
    "Crosswalk.taxonomy": "Name of the taxonomy.",
    "Crosswalk.version": "Its version.",
    "Crosswalk.code": "The code there.",
    "Crosswalk.relation": "How the two concepts relate.",
    "Dissent.why": "The reason, in that person's words; printed in the report.",
    "Dissent.definition": "The definition they would use.",
    "Dissent.rubric": "The rubric they would use; the report shows the rate under it too.",
    "Endorsement.by": "Role of the person, not a name.",
    "Endorsement.why": "Their reason.",
    "Rubric.start": "The first question.",
    "Rubric.questions": "The questions by name. No circle, and every question can be reached.",
    "Question.text": "The question.",
    "Question.help": "What helps to answer it.",
    "Question.answers": "Two answers or more, each with where it leads.",
    "Outcome.to": "The next question.",
    "Outcome.verdict": "The verdict.",
    "Outcome.severity": "With `harm` only: a value of the harm's scale.",
    "Scenario.title": "A short name.",
    "Scenario.context": "Where.",
    "Scenario.persona": "Who.",
    "Scenario.interaction_type": "How.",
    "Scenario.harm": "What may go wrong.",
    "Scenario.language": "The language the user writes; one of the study's.",
    "Scenario.user_goal": "What the user wants here.",
    "Scenario.affected_parties": "Who else is concerned.",
    "Scenario.hypothesis": "What is expected to go wrong, and why.",
    "Scenario.expected": "What a good system would do.",
    "Scenario.evidence": "The evidence it rests on.",
    "Scenario.twin": "Set where this scenario differs from another in one part only.",
    "Expected.behaviour": "Help, decline or protect.",
    "Expected.sentence": "The same in a sentence.",
    "Twin.of": "The original.",
    "Twin.differs_in": "The one part that differs; checked.",
    "Case.scenario": "The scenario it makes runnable.",
    "Case.turn_limit": "Only so many user turns of the script.",
    "Case.language": "Where it differs from the scenario's, or there is no scenario.",
    "Case.text_origin": "Whether the text was written in its language or translated into it.",
    "Case.provenance": "Where the case comes from.",
    "Case.tags": "Names and values of your own; the report breaks rates down by a tag with 2 to 24 values.",
    "CaseProvenance.author": "Role or alias of who wrote it.",
    "CaseProvenance.origin": "How it came to be.",
    "CaseProvenance.source": "File, publication or tool.",
    "CaseProvenance.licence": "Licence of the text.",
    "CaseProvenance.parent": "The case it was made from.",
    "CaseProvenance.generator_digest": "Digest of what generated it.",
    "Target.base_url": "Address of an OpenAI-compatible endpoint.",
    "Target.decoding": "How replies are drawn.",
    "Target.delivery": "How context and persona reach the system.",
    "Target.http": "The requests of an `http:` target.",
    "Target.key_env": "Name of the environment variable with the key. No part of the digest.",
    "Target.limits": "What may be asked at once. No part of the digest.",
    "Target.prices": "What tokens cost. No part of the digest.",
    "Decoding.temperature": "Sampling temperature.",
    "Decoding.top_p": "Nucleus sampling.",
    "Decoding.max_tokens": "Longest reply.",
    "Decoding.stop": "Texts that end a reply.",
    "Delivery.how": "The way.",
    "Deliveries.context": "For the context.",
    "Deliveries.persona": "For the persona.",
    "HttpTemplate.url": "Address; places are filled and quoted.",
    "HttpTemplate.method": "HTTP method.",
    "HttpTemplate.headers": "`${NAME}` stands for the environment variable NAME.",
    "HttpTemplate.body": "The JSON body, with places.",
    "HttpTemplate.session": "Set where the application keeps the conversation.",
    "HttpTemplate.stream": "Set where the application answers piece by piece.",
    "HttpSession.url": "Address that opens a session.",
    "HttpSession.method": "HTTP method.",
    "HttpSession.body": "The JSON body, with places.",
    "Limits.concurrency": "Requests at once; else 16 for `openai:`, 64 for `scripted:`, 4 for `local:`, 8 for others.",
    "Limits.requests_per_minute": "Requests started in a minute, spread evenly.",
    "Limits.tries": "Tries for one request, the first included.",
    "Prices.input": "For tokens sent.",
    "Prices.output": "For tokens received.",
    "Judge.by": "A model, or declared phrases.",
    "Judge.unit": "What one judgement is about.",
    "Judge.shows": "What is shown beside the conversation. `[]` for nothing.",
    "Judge.patterns": "For a rule judge: tried in order, the first that stands in a reply decides.",
    "Judge.otherwise": "For a rule judge: the verdict where no pattern fits.",
    "Pattern.any_of": "Phrases, as whole words.",
    "Pattern.verdict": "The verdict.",
    "Pattern.severity": "Severity of a `harm` verdict.",
    "Pattern.languages": "Only for cases in these languages; empty for all.",
}


def commands() -> str:
    """reference/commands.md."""
    root: Any = typer.main.get_command(app)
    parts = [
        "# Commands",
        "",
        "<!-- Written by docs/generate.py from --help. Change the program, then run the script. -->",
        "",
        "What each command prints for `--help`, at a width of 88 columns. `--db URL` may stand anywhere in a command",
        "line. Results go to stdout, progress and notes to stderr. See [States](states.md#exit-statuses) for the exit",
        "statuses and [Files](files.md) for what is written where.",
        "",
        "## redloom",
        "",
        *_help(()),
    ]
    for path in command_paths(root):
        parts += ["#" * (len(path) + 1) + " redloom " + " ".join(path), "", *_help(path)]
    return "\n".join(parts).rstrip() + "\n"


def command_paths(group: Any, before: Command = ()) -> Iterator[Command]:
    """Every command and group below ``group``, in the order of the help."""
    for name, command in group.commands.items():
        yield (*before, name)
        if hasattr(command, "commands"):
            yield from command_paths(command, (*before, name))


def _help(path: Command) -> list[str]:
    environment = {"COLUMNS": str(WIDTH), "TERM": "dumb", "NO_COLOR": "1", "TERMINAL_WIDTH": str(WIDTH)}
    shown = CliRunner().invoke(app, [*path, "--help"], prog_name="redloom", env=environment)
    assert shown.exit_code == 0, shown.output
    return ["```text", *(line.rstrip() for line in shown.output.strip().splitlines()), "```", ""]


def tables() -> dict[str, str]:
    """Collection or ``head`` -> the tables of its fields."""
    sections = {"head": StudyHead, **COLLECTIONS}
    done: set[type[BaseModel]] = set()
    return {name: _section(model, done) for name, model in sections.items()}


def _section(model: type[BaseModel], done: set[type[BaseModel]]) -> str:
    lines = _table(model)
    waiting = list(inner_models(model))
    while waiting:
        inner = waiting.pop(0)
        if inner in done:
            continue
        done.add(inner)
        said = (inspect.getdoc(inner) or "").split("\n\n")[0].replace("\n", " ")
        lines += [f"#### {inner.__name__}", "", said, "", *_table(inner)]
        waiting += [found for found in inner_models(inner) if found not in done]
    return "\n".join(lines).rstrip()


def _table(model: type[BaseModel]) -> list[str]:
    lines = ["| field | what it holds | default | |", "| --- | --- | --- | --- |"]
    for name, annotation, said in fields(model):
        default = _default(model, name)
        lines.append(f"| `{name}` | {annotation} | {default} | {said} |")
    return [*lines, ""]


def fields(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Name, kind of value and meaning of each field of ``model``, in the order of the source."""
    tree = ast.parse(inspect.getsource(model).strip()).body[0]
    assert isinstance(tree, ast.ClassDef)
    for number, node in enumerate(tree.body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        if name not in model.model_fields:
            continue
        after = tree.body[number + 1] if number + 1 < len(tree.body) else None
        said = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            said = " ".join(str(after.value.value).replace("``", "`").split())
        note = NOTES.get(f"{model.__name__}.{name}", "")
        yield name, _words(node.annotation, model), said or note


def _default(model: type[BaseModel], name: str) -> str:
    found = model.model_fields[name]
    if found.is_required():
        return "required"
    default = found.get_default(call_default_factory=True)
    if default is None or isinstance(default, BaseModel) or default in ("", (), {}):
        return ""
    if isinstance(default, tuple):
        return "`[" + ", ".join(map(str, default)) + "]`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _words(node: ast.expr, model: type[BaseModel]) -> str:
    match node:
        case ast.BinOp(left=left, right=ast.Constant(value=None)):
            return _words(left, model)
        case ast.BinOp(left=left, right=right):
            return f"{_words(left, model)}, or {_words(right, model)}"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[element, *_])):
            return f"list: {_words(element, model)}"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, value])):
            return f"mapping: {_words(key, model)} to {_words(value, model)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            elements = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return ", ".join(f"`{ast.literal_eval(element)}`" for element in elements)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            if name in WORDS:
                return WORDS[name]
            found = vars(sys.modules[model.__module__])[name]
            if get_origin(found) is Literal:
                return ", ".join(f"`{value}`" for value in get_args(found))
            return f"[{name}](#{name.lower()})"
        case _:
            raise TypeError(f"{model.__name__}: no words for {ast.unparse(node)}")


def inner_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that fields of ``model`` hold."""
    for field in model.model_fields.values():
        yield from _models(field.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (UnionType, Union, tuple, dict, list) or get_args(annotation):
        for argument in get_args(annotation):
            yield from _models(argument)


def study_file(page: str) -> str:
    """``page`` with its tables written anew."""
    for name, text in tables().items():
        pattern = rf"(<!-- fields {name} -->\n).*?(<!-- end -->)"
        page, count = re.subn(
            pattern, lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page, flags=re.S
        )
        assert count == 1, f"study-file.md has no place '<!-- fields {name} -->'"
    return page


EFFECTS = {"forbids": "refused", "said": "said", "shown": ""}


def card() -> str:
    """The lines of the estimand card, and what happens where two runs differ in one."""
    lines = ["| field | line | where two runs differ | `--vary` |", "| --- | --- | --- | --- |"]
    lines += [_line(one.name, one, EFFECTS[one.effect]) for one in FIELDS]
    for one in INSTRUMENT_FIELDS:
        apart = one.effect == "forbids" and not one.vary
        effect = "that judge is not compared, and is named" if apart else EFFECTS[one.effect]
        lines.append(_line(f"instruments[].{one.name}", one, effect))
    return "\n".join(lines)


def _line(name: str, field: Field, effect: str) -> str:
    label = field.heading or field.label.removeprefix("the ")
    return f"| `{name}` | {label} | {effect} | {f'`{field.vary}`' if field.vary else ''} |"


def report(page: str) -> str:
    """``page`` with its table written anew."""
    pattern = r"(<!-- card -->\n).*?(<!-- end -->)"
    page, count = re.subn(pattern, lambda found: f"{found[1]}\n{card()}\n\n{found[2]}", page, flags=re.S)
    assert count == 1, "report.md has no place '<!-- card -->'"
    return page


def generated() -> dict[Path, str]:
    """Every generated page and what it should hold."""
    page, of_report = HERE / "reference" / "study-file.md", HERE / "reference" / "report.md"
    return {
        HERE / "reference" / "commands.md": commands(),
        page: study_file(page.read_text(encoding="utf-8")),
        of_report: report(of_report.read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    os.environ["COLUMNS"] = str(WIDTH)
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path)
