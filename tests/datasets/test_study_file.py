"""Reading study.yaml: every problem at once, each in one sentence with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from helpers_create.generated import documents
from helpers_create.small import DOCUMENT, set_at, small_document, small_study, to_study, write_document
from redloom.datasets.study_file import TOP_LEVEL, read_study, study_schema, write_study
from redloom.domain.study import Study
from redloom.errors import InputError, Issue
from redloom.services.starter import example

HEAD = "study: s\ntitle: T\nlanguages: [en]\n"


def _issues(path: Path) -> list[Issue]:
    with pytest.raises(InputError) as caught:
        read_study(path)
    assert str(caught.value) == "\n".join(str(issue) for issue in caught.value.issues)
    return list(caught.value.issues)


def _of_text(folder: Path, text: str) -> list[Issue]:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return _issues(path)


def _back(folder: Path, study: Study) -> Study:
    path = folder / "study.yaml"
    path.write_text(write_study(study), encoding="utf-8")
    return read_study(path).study


def test_a_file_says_what_the_document_says(tmp_path: Path) -> None:
    found = read_study(write_document(tmp_path / "study.yaml", small_document()))
    assert found.study == small_study()
    assert found.name == "study.yaml"
    assert found.base == {}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(documents())
def test_any_study_comes_back_from_its_file(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    study = to_study(document)
    back = _back(tmp_path_factory.mktemp("study"), study)
    assert back == study
    assert back.content_digest() == study.content_digest()
    for kind, slug, definition in study.definitions():
        assert back.collection(kind)[slug].content_digest() == definition.content_digest()
        assert back.collection(kind)[slug].beside() == definition.beside()


def test_answers_keep_their_order(tmp_path: Path) -> None:
    answers = {name: {"verdict": "no_harm"} for name in ("z", "no", "a", "yes", "1", "M")}
    study = small_study(harms__harm__rubric__questions__any__answers=answers)
    back = _back(tmp_path, study).harms["harm"].rubric.questions["any"].answers
    assert list(back) == ["z", "no", "a", "yes", "1", "M"]


def test_a_written_file_carries_the_digests_it_was_written_from(tmp_path: Path) -> None:
    study = small_study()
    path = tmp_path / "study.yaml"
    path.write_text(write_study(study), encoding="utf-8")
    base = dict(read_study(path).base)
    assert base.pop("study") == study.head.content_digest()
    assert base == {f"{kind}/{slug}": d.content_digest() for kind, slug, d in study.definitions()}


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        (
            "study: s\n  title: [x\n",
            2,
            "",
            "not readable as YAML: mapping values are not allowed in this context",
        ),
        ("", None, "", "expected a mapping with 'study', 'title', 'languages', ..."),
        ("- a\n- b\n", None, "", "expected a mapping with 'study', 'title', 'languages', ..."),
        ("just text", None, "", "expected a mapping with 'study', 'title', 'languages', ..."),
        (HEAD + "title: U\n", 4, "title", "'title' stands here a second time; the first is in line 2"),
        (HEAD + "persnas: {}\n", 4, "", "unknown key 'persnas'; did you mean 'personas'?"),
        (HEAD + "zzz: {}\n", 4, "", f"unknown key 'zzz'; expected one of {', '.join(TOP_LEVEL)}"),
        (
            HEAD + "charter:\n  purpse: x\n",
            5,
            "charter.purpse",
            "unknown field 'purpse'; did you mean 'purpose'?",
        ),
        (HEAD + "contexts: [a]\n", 4, "contexts", "expected a mapping of slug to fields"),
        (
            HEAD + "contexts:\n  a b: {}\n",
            5,
            "contexts",
            "'a b' is not a slug: letters, digits, '-', '_' and '.', starting with a letter or digit",
        ),
        (
            "study: a b\ntitle: T\nlanguages: [en]\n",
            1,
            "study",
            "'a b' is not a slug: letters, digits, '-', '_' and '.', starting with a letter or digit",
        ),
        ("study:\ntitle: T\nlanguages: [en]\n", 1, "study", "'study' is missing: the slug of this study"),
        (
            "study: 12\ntitle: T\nlanguages: [en]\n",
            1,
            "study",
            "12 is not a text; quote it to make it a slug",
        ),
        ("study: s\ntitle: T\nlanguages: en\n", 3, "languages", "'en' is not a list; write [en]"),
        ("title: T\nlanguages: [en]\n", None, "", "'study' is missing: the slug of this study"),
        ("study: s\nlanguages: [en]\n", None, "title", "'title' is missing"),
        (
            "study: s\ntitle: T\nlanguages: []\n",
            3,
            "languages",
            "has too few entries; expected at least 1",
        ),
        (
            "study: s\ntitle: T\nlanguages: [english]\n",
            3,
            "languages[0]",
            "'english' is not a language code such as 'en' or 'pt-BR'",
        ),
        (
            "study: s\ntitle: 1\nlanguages: [en]\n",
            2,
            "title",
            "1 is not a text or a mapping; quote it to make it a text",
        ),
        (HEAD + "include: a.yaml\n", 4, "include", "expected a list of file names"),
        (HEAD + "include: [../a.yaml]\n", 4, "include", "'../a.yaml' is outside the folder of study.yaml"),
        (
            HEAD + "include: [/etc/hostname]\n",
            4,
            "include",
            "'/etc/hostname' is outside the folder of study.yaml",
        ),
        (
            HEAD + "include: [sub/../../a.yaml]\n",
            4,
            "include",
            "'sub/../../a.yaml' is outside the folder of study.yaml",
        ),
        (HEAD + "personas:\n  p:\n    title: P\n    provenance: !secret x\n", 7, "personas.p.provenance", ""),
        (
            HEAD + "personas:\n  p:\n    title: P\n    provenance: synthetic\n    attributes: {n: 1e999}\n",
            8,
            "personas.p.attributes.n",
            "1e999 is a number that JSON cannot carry; quote it to keep it as text",
        ),
        (HEAD + "personas:\n  p:\n    title: P\n", 5, "personas.p.provenance", "'provenance' is missing"),
        (HEAD + "personas:\n  p:\n", 5, "personas.p.title", "'title' is missing"),
    ],
    ids=lambda value: ascii(value[-24:]) if isinstance(value, str) else str(value),
)
def test_each_problem_has_one_message_with_its_place(
    tmp_path: Path, text: str, line: int | None, path: str, message: str
) -> None:
    issue = _of_text(tmp_path, text)[0]
    if message:
        assert issue == Issue(message, path=path, file="study.yaml", line=line)
    else:
        assert (issue.line, issue.message) == (line, "tag '!secret' is not allowed")


def _at(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    set_at(document, path, value)


def test_all_problems_are_listed_at_once_with_their_lines(tmp_path: Path) -> None:
    document = small_document()
    _at(document, ("personas", "adult", "provenance"), "syntetic")
    _at(document, ("personas", "adult", "titel"), "x")
    _at(document, ("harms", "refusal", "broader"), ["harn"])
    _at(document, ("harms", "refusal", "severity", "levels", 1, "value"), 5)
    _at(document, ("scenarios", "street", "context"), "sreet")
    _at(document, ("scenarios", "desk", "persona"), "adult")
    _at(document, ("evidence", "letter", "date"), "yesterday")
    _at(document, ("cases", "street-1", "scenario"), "streets")
    _at(document, ("charter", "ownr"), "x")
    path = write_document(tmp_path / "study.yaml", document)
    lines = path.read_text(encoding="utf-8").splitlines()
    found = _issues(path)
    wanted = {
        "charter.ownr": ("unknown field 'ownr'; did you mean 'owner'?", "ownr: x"),
        "personas.adult.provenance": ("'syntetic' is not one of", "provenance: syntetic"),
        "personas.adult.titel": ("unknown field 'titel'; did you mean 'title'?", "titel: x"),
        "harms.refusal.rubric": ("rubric gives severity 2; expected 1, 5", "rubric:"),
        "evidence.letter.date": ("'yesterday' is not a date such as 2026-01-31", "date: yesterday"),
        "scenarios.street.context": ("no context named 'sreet'; did you mean 'street'?", "context: sreet"),
        "cases.street-1.scenario": (
            "no scenario named 'streets'; did you mean 'street'?",
            "scenario: streets",
        ),
    }
    assert {issue.path for issue in found} == wanted.keys()
    for issue in found:
        message, line = wanted[issue.path]
        assert issue.file == "study.yaml"
        assert message in issue.message
        assert issue.line is not None
        assert lines[issue.line - 1].strip() == line


def test_names_that_are_not_there_are_listed_beside_definitions_that_are_wrong(tmp_path: Path) -> None:
    document = small_document()
    _at(document, ("personas", "adult", "titel"), "x")
    _at(document, ("scenarios", "street", "context"), "sreet")
    _at(document, ("harms", "refusal", "broader"), ["harn"])
    _at(document, ("cases", "street-1", "scenario"), "streets")
    path = write_document(tmp_path / "study.yaml", document)
    lines = path.read_text(encoding="utf-8").splitlines()
    found = {issue.path: (issue.message, lines[(issue.line or 0) - 1].strip()) for issue in _issues(path)}
    assert found == {
        "personas.adult.titel": ("unknown field 'titel'; did you mean 'title'?", "titel: x"),
        "scenarios.street.context": ("no context named 'sreet'; did you mean 'street'?", "context: sreet"),
        "harms.refusal.broader[0]": ("no harm named 'harn'; did you mean 'harm'?", "- harn"),
        "cases.street-1.scenario": (
            "no scenario named 'streets'; did you mean 'street'?",
            "scenario: streets",
        ),
    }


def test_a_misspelt_collection_brings_no_crowd_of_unknown_names(tmp_path: Path) -> None:
    document = small_document()
    document["personnas"] = document.pop("personas")
    found = _issues(write_document(tmp_path / "study.yaml", document))
    assert [issue.message for issue in found] == ["unknown key 'personnas'; did you mean 'personas'?"]


def test_a_duplicate_key_hides_no_other_problem(tmp_path: Path) -> None:
    text = HEAD + "title: U\npersonas:\n  p:\n    title: P\n    provenance: synthtic\n"
    assert [issue.line for issue in _of_text(tmp_path, text)] == [4, 8]


def test_files_are_put_together(tmp_path: Path) -> None:
    document = small_document(include=["parts/harms.yaml", "rest.yaml"])
    (tmp_path / "parts").mkdir()
    write_document(
        tmp_path / "parts" / "harms.yaml", {"harms": document.pop("harms"), "include": ["more.yaml"]}
    )
    write_document(tmp_path / "parts" / "more.yaml", {"personas": document.pop("personas")})
    write_document(
        tmp_path / "rest.yaml", {"cases": document.pop("cases"), "scenarios": document.pop("scenarios")}
    )
    assert read_study(write_document(tmp_path / "study.yaml", document)).study == small_study()


def test_a_slug_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    document = small_document(include=["more.yaml"])
    (tmp_path / "more.yaml").write_text("# more\npersonas:\n  adult: {title: A, provenance: synthetic}\n")
    path = write_document(tmp_path / "study.yaml", document)
    first = path.read_text(encoding="utf-8").splitlines().index("  adult:") + 1
    assert _issues(path) == [
        Issue(
            f"'adult' stands here a second time; the first is in study.yaml:{first}",
            path="personas.adult",
            file="more.yaml",
            line=3,
        )
    ]


def test_a_problem_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("\n\npersonas:\n  p: {title: P, provenance: lived}\n")
    (issue,) = _of_text(tmp_path, HEAD + "include: [more.yaml]\n")
    assert (issue.file, issue.line, issue.path) == ("more.yaml", 4, "personas.p.provenance")
    assert str(issue).startswith("more.yaml:4: personas.p.provenance: 'lived' is not one of")


def test_the_head_belongs_in_the_first_file(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("title: U\nstudy: t\n")
    found = _of_text(tmp_path, HEAD + "include: [more.yaml]\n")
    assert [(i.file, i.line, i.message) for i in found] == [
        ("more.yaml", 1, "'title' belongs in the file that includes this one"),
        ("more.yaml", 2, "'study' belongs in the file that includes this one"),
    ]


def test_files_include_each_other_in_no_circle(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("include: [b.yaml]\n")
    (tmp_path / "b.yaml").write_text("include: [a.yaml]\n")
    (issue,) = _of_text(tmp_path, HEAD + "include: [a.yaml]\n")
    assert (issue.file, issue.message) == ("a.yaml", "the files include each other in a circle")


def test_a_file_does_not_include_itself(tmp_path: Path) -> None:
    (issue,) = _of_text(tmp_path, HEAD + "include: [study.yaml]\n")
    assert issue.message == "the files include each other in a circle"


def test_a_link_out_of_the_folder_is_outside_it(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.yaml").write_text("contexts: {}\n")
    (inner / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (issue,) = _of_text(inner, HEAD + "include: [link.yaml]\n")
    assert issue.message == "'link.yaml' is outside the folder of study.yaml"


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    (issue,) = _issues(tmp_path / "none.yaml")
    assert (issue.message, issue.file) == (
        "cannot be read: No such file or directory",
        str(tmp_path / "none.yaml"),
    )


def test_a_missing_included_file_brings_no_crowd_of_unknown_names(tmp_path: Path) -> None:
    document = small_document(include=["gone.yaml"])
    del document["personas"]
    (issue,) = _issues(write_document(tmp_path / "study.yaml", document))
    assert issue.message == "cannot be read: No such file or directory"


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    (issue,) = _issues(tmp_path)
    assert issue.message.startswith("cannot be read")


def test_a_file_in_another_encoding_is_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"study: s\ntitle: caf\xe9\nlanguages: [en]\n")
    assert _issues(path) == [
        Issue("byte 0xe9 is not UTF-8; save the file as UTF-8", file="study.yaml", line=2)
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode())
    assert read_study(path).study.slug == "s"


@pytest.mark.parametrize("name", ["starter", "school_health"])
def test_the_examples_come_back_from_one_file(tmp_path: Path, name: str) -> None:
    study = read_study(example(name) / "study.yaml").study
    assert _back(tmp_path, study) == study


def test_the_schema_takes_what_the_reader_takes() -> None:
    schema = study_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(DOCUMENT)) == []
    for wrong in ({"personnas": {}}, {"charter": {"ownr": "x"}}, {"languages": []}):
        assert list(validator.iter_errors({**DOCUMENT, **wrong})) != []
    assert set(schema["properties"]) == set(TOP_LEVEL)


def _line_of(path: Path, issue: Issue) -> str:
    assert issue.line is not None
    return path.read_text(encoding="utf-8").splitlines()[issue.line - 1].strip()


@pytest.mark.parametrize(
    ("at", "value", "where", "line"),
    [
        (("how", "answers", "kindly"), {"to": "askd"}, "how.answers.kindly.to", "to: askd"),
        (("how", "answers", "kindly"), {"to": "how"}, "how", "how:"),
        (("how", "answers"), {"only": {"verdict": "unsure"}}, "how.answers", "answers:"),
        (
            ("how", "answers", "kindly"),
            {"verdict": "harm", "severity": "two"},
            "how.answers.kindly.severity",
            "severity: two",
        ),
    ],
)
def test_a_problem_of_a_rubric_is_told_with_the_nearest_line(
    tmp_path: Path, at: tuple[str, ...], value: Any, where: str, line: str
) -> None:
    document = set_at(small_document(), ("harms", "refusal", "rubric", "questions", *at), value)
    path = write_document(tmp_path / "study.yaml", document)
    (issue,) = _issues(path)
    assert issue.path == f"harms.refusal.rubric.questions.{where}"
    assert _line_of(path, issue) == line


@pytest.mark.parametrize(
    "given",
    [
        "sk-SECRET-99",
        "[SECRET]",
        "{SECRET: 1}",
        "9" * 60,
        "!!int 12SECRET",
        '"SECRET key"',
        "|\n      SECRET key",
    ],
)
def test_a_key_in_place_of_its_name_is_never_repeated(tmp_path: Path, given: str) -> None:
    found = _of_text(tmp_path, HEAD + f"targets:\n  t:\n    system: openai:x\n    key_env: {given}\n")
    told = "\n".join(map(str, found))
    assert "targets.t.key_env: key_env names an environment variable" in told
    assert "SECRET" not in told
    assert "999" not in told


@pytest.mark.parametrize(
    "text", ["targets:\n  key_env: sk-SECRET\n", "targets:\n  t: sk-SECRET\n", "key_env: sk-SECRET\n"]
)
def test_a_key_in_the_wrong_place_is_not_repeated_either(tmp_path: Path, text: str) -> None:
    assert "SECRET" not in "\n".join(map(str, _of_text(tmp_path, HEAD + text)))


def test_kinds_of_target_are_checked_where_they_are_given(tmp_path: Path) -> None:
    document = small_document(targets__system__system="opanai:x", judges__phrases__target="locl:smollm2")
    document["targets"]["bare"] = {"system": "gpt-4o"}
    path = write_document(tmp_path / "study.yaml", document)
    assert read_study(path).study.targets["system"].system == "opanai:x"
    with pytest.raises(InputError) as caught:
        read_study(path, systems=("openai", "local"))
    assert {issue.path: issue.message for issue in caught.value.issues} == {
        "targets.system.system": "'opanai:x': no kind of target named 'opanai'; did you mean 'openai'?",
        "targets.bare.system": "'gpt-4o' is not of the form kind:rest, such as 'openai:gpt-4o-mini' or 'local:smollm2'",
        "judges.phrases.target": "'locl:smollm2': no kind of target named 'locl'; did you mean 'local'?",
    }
    assert all(issue.line for issue in caught.value.issues)


def test_a_wrong_head_hides_no_problem_of_the_rest(tmp_path: Path) -> None:
    document = small_document(languages="en", scenarios__street__context="sreet")
    document["cases"]["street-1"]["script"] = ["{persona.age}"]
    found = _issues(write_document(tmp_path / "study.yaml", document))
    assert [issue.path for issue in found] == [
        "languages",
        "scenarios.street.context",
        "cases.street-1.script[0]",
    ]
