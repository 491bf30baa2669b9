"""The commands of the first two moments, from arguments to exit status."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers_create.databases import content, prepare, rows, tamper
from helpers_create.small import small_document, write_document
from redloom.cli import main
from redloom.cli.create import case_table, shorten
from redloom.services import studies
from redloom.services.cases import CaseLine
from redloom.services.workspace import Workspace


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs a command in a folder of its own, against a database of its own."""
    monkeypatch.setenv("REDLOOM_DB", f"sqlite:///{database}")
    monkeypatch.setenv("REDLOOM_USER", "tester")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        code = caught.value.code
        assert "Traceback" not in written.err
        return Done(code if isinstance(code, int) else 0, written.out, written.err)

    return run


def _build(workspace: Workspace, folder: Path) -> None:
    studies.apply(workspace, write_document(folder / "study.yaml", small_document()))


@pytest.fixture(scope="module")
def prepared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(template, tmp_path_factory.mktemp("prepared"), _build)


@pytest.fixture
def study(run: Run, tmp_path: Path) -> str:
    """The small study, its file in the folder that commands run in."""
    write_document(tmp_path / "study.yaml", small_document())
    return "small"


def test_from_nothing_to_a_verified_release(run: Run, tmp_path: Path) -> None:
    started = run("init", "desk")
    assert started.status == 0
    assert started.out.splitlines() == [
        "desk/study.yaml",
        "desk/.gitignore",
        "desk/.github/workflows/redloom.yml",
    ]
    dry = run("apply", "desk/study.yaml", "--dry-run")
    assert (dry.status, run("show").out) == (0, "no study yet; 'redloom init DIR' writes one\n")
    assert run("apply", "desk/study.yaml", "--why", "first").status == 0
    (slug,) = run("show", "--json").json
    assert run("show", slug).status == 0
    assert run("coverage", slug).status == 0
    assert run("review", slug, "accept", "--all").status == 0
    assert run("release", slug, "1.0").status == 0
    verified = run("verify", f"{slug}@1.0")
    assert (verified.status, "as frozen" in verified.out) == (0, True)
    assert (
        run("apply", "desk/study.yaml").out
        == f"{slug}: 0 changed, {run('apply', 'desk/study.yaml', '--json').json['unchanged']} unchanged\n"
    )


def test_a_starter_is_not_written_over(run: Run) -> None:
    run("init", "desk")
    again = run("init", "desk", "--template", "bank")
    assert (again.status, again.out) == (2, "")
    assert again.err.splitlines()[0] == "redloom: desk/study.yaml: is there already; nothing was written"


@pytest.mark.parametrize(
    ("directory", "way"),
    [("desk", "cd desk, "), ("my desk/here", "cd 'my desk/here', "), (".", ""), ("../{here}", "")],
)
def test_what_comes_next_is_told_from_where_one_stands(
    run: Run, tmp_path: Path, directory: str, way: str
) -> None:
    done = run("init", directory.format(here=tmp_path.name), "--template", "bank")
    assert done.status == 0
    assert done.err == f"Next: {way}read study.yaml, then 'redloom apply study.yaml'\n"


def test_an_unknown_template_is_one_sentence(run: Run, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    done = run("init", "desk", "--template", "banc")
    assert (done.status, done.out) == (2, "")
    assert done.err == "redloom: no template named 'banc'; did you mean 'bank'?\n"
    assert sorted(tmp_path.iterdir()) == before


def test_a_tampered_release_fails_its_check(run: Run, study: str, database: Path) -> None:
    run("release", study, "1.0", "--provisional")
    tamper(database, "UPDATE definition_version SET body = replace(body, 'a pie', 'en bus')")
    found = run("verify", f"{study}@1.0", "--json")
    assert found.status == 1
    assert found.json["problems"] == ["case street-1 is not what was frozen"]
    assert "NOT as frozen" in run("verify", f"{study}@1.0").out


BAD = [
    (("apply", "none.yaml"), "none.yaml: cannot be read: No such file or directory"),
    (("apply", "study.yaml", "--take", "fiel"), "no side named 'fiel'; did you mean 'file'?"),
    (("show", "smal"), "no study named 'smal'; did you mean 'small'? Declare it with 'redloom apply FILE'."),
    (("show", "small@1"), "no release of small named '1'; there is none yet"),
    (("plan", "smal"), "no study named 'smal'; did you mean 'small'?"),
    (("coverage", "smal"), "no study named 'smal'"),
    (("review", "small", "shw", "desk-1"), "no action named 'shw'; did you mean 'show'?"),
    (("review", "small", "show", "desk", "stret-1"), "no case named 'stret-1'; did you mean 'street-1'?"),
    (("review", "small", "show"), "name the cases to show, or say --all"),
    (("review", "small", "acept", "--all"), "no action named 'acept'; did you mean 'accept'?"),
    (("review", "small", "accept"), "name the cases to accept, or say --all"),
    (("review", "small", "list", "--status", "drft"), "no review state named 'drft'; did you mean 'draft'?"),
    (
        ("review", "small", "label", "desk-1", "--label", "fin"),
        "no content-validity label named 'fin'; did you mean 'fine'?",
    ),
    (("release", "small", "1.0"), "3 cases are not accepted (desk-1, desk-child-1, street-1)"),
    (("verify", "small"), "'small': say which release, as STUDY@VERSION"),
    (
        ("import", "xls", "a.xls", "--study", "small"),
        "no format named 'xls'; expected one of 'auto', 'conversations', 'csv', 'evidence', 'jsonl'",
    ),
    (("import", "auto", "a.xls", "--study", "small"), "a.xls: cannot tell the format by its name"),
    (
        ("import", "csv", "a.csv", "--study", "small", "--map", "text"),
        "--map 'text' is not of the form FIELD=COLUMN",
    ),
    (("export", "small", "--format", "yml"), "no format named 'yml'; did you mean 'yaml'?"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(row[0]) for row in BAD])
def test_bad_input_is_told_in_a_sentence_with_status_2_and_changes_nothing(
    run: Run, study: str, database: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = content(database)
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("redloom: ")
    assert message in done.err
    assert content(database) == before


@pytest.mark.parametrize(
    "arguments", [("plan", "small", "--strength", "4"), ("nonsense",), ("release", "small"), ("apply",)]
)
def test_wrong_usage_has_status_2(run: Run, study: str, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).status == 2


def test_every_problem_of_a_file_is_on_a_line_of_its_own(run: Run, tmp_path: Path) -> None:
    document = small_document(personas__adult__titel="x", contexts__desk__stake="y")
    done = run("apply", write_document(tmp_path / "study.yaml", document))
    assert done.status == 2
    first, second = done.err.splitlines()
    assert first.startswith("redloom: study.yaml:")
    assert first.endswith(": contexts.desk.stake: unknown field 'stake'; did you mean 'stakes'?")
    assert second.endswith(": personas.adult.titel: unknown field 'titel'; did you mean 'title'?")


def test_a_dry_run_shows_changes_and_stores_nothing(
    run: Run, study: str, database: Path, tmp_path: Path
) -> None:
    before = content(database)
    path = write_document(tmp_path / "study.yaml", small_document(personas__adult__attributes__age=41))
    shown = run("apply", path, "--dry-run")
    assert shown.out.splitlines() == [
        "~ persona adult",
        "    attributes.age: 40 -> 41",
        "small: 1 would change, " + shown.out.split("would change, ")[1].strip(),
    ]
    assert run("apply", path, "--dry-run", "--json").json["changes"][0]["fields"] == [
        ["attributes.age", 40, 41]
    ]
    assert content(database) == before


def test_a_conflict_has_status_2_and_can_be_settled(run: Run, study: str, tmp_path: Path) -> None:
    other = write_document(tmp_path / "other.yaml", small_document(personas__adult__title="x"))
    done = run("apply", other)
    assert done.status == 2
    assert done.err.splitlines() == [
        "redloom: personas.adult.title: stored 'An adult', in the file 'x'",
        "1 conflict: stored by tester through study.yaml, and this file is other.yaml and carries no base digest",
        "nothing was stored; --take file stores what this file says, --take stored (or web) keeps what is stored",
    ]
    assert run("apply", other, "--take", "web").status == 0
    assert run("apply", other, "--take", "stored").err == (
        "kept as stored, beside what other.yaml says: 1 definition (persona adult)\n"
    )
    assert run("show", study, "--json").json["personas"]["adult"]["title"] == "An adult"
    assert run("apply", other, "--take", "file").status == 0
    assert run("show", study, "--json").json["personas"]["adult"]["title"] == "x"


def test_prune_retires(run: Run, study: str, tmp_path: Path) -> None:
    document = small_document()
    del document["judges"]
    path = write_document(tmp_path / "study.yaml", document)
    kept = run("apply", path)
    assert kept.err == "kept as stored, beside what study.yaml says: 1 definition (judge phrases)\n"
    assert "- judge phrases" in run("apply", path, "--prune").out
    assert run("show", study, "--json").json["judges"] == {}


def test_an_import_with_problems_lists_them_and_stores_nothing(
    run: Run, study: str, database: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.csv").write_text('id,prompt\na,"two\nlines"\nb\nc,\n')
    before = content(database)
    done = run("import", "auto", "p.csv", "--study", study, "--map", "slug=id,text=prompt")
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines() == [
        "redloom: p.csv:4: has 1 field; expected 2 (id, prompt)",
        "p.csv:5: prompt: the prompt is empty",
    ]
    assert content(database) == before


def test_an_import_without_a_prompt_says_which_columns_there_are(
    run: Run, study: str, tmp_path: Path
) -> None:
    (tmp_path / "p.csv").write_text("id,prompt\na,b\n")
    done = run("import", "csv", "p.csv", "--study", study)
    assert done.status == 2
    assert "say --map text=COLUMN (columns: 'id', 'prompt')" in done.err


def test_plan_prints_new_scenarios_orders_or_json(run: Run, study: str) -> None:
    planned = run("plan", study, "--json").json
    assert (
        f"strength 2: {len(planned['new'])} new scenarios beside the 3 there are; "
        "24 of 39 valid combinations were covered, 1 is forbidden\n"
    ) in run("plan", study).out
    assert f": {len(run('plan', study, '--fresh', '--json').json['new'])} new scenarios; " in (
        run("plan", study, "--fresh").out
    )
    assert ": Children do not stand there." in run("plan", study).out
    orders = run("plan", study, "--orders").out
    planned = run("plan", study, "--json").json
    assert orders.count("Write the user's side of a conversation") == len(planned["new"])
    assert all(f"# {row['slug']}" in orders for row in planned["new"])


def test_coverage_prints_shares_and_holes(run: Run, study: str) -> None:
    out = run("coverage", study, "--most", "2").out
    assert "61.5%" in out  # 24 of 39
    assert out.count("2-way hole:") == 2
    assert "... and 13 more 2-way holes" in out


def test_review_lists_as_a_table_and_as_json(run: Run, study: str) -> None:
    run("review", study, "label", "desk-1", "--label", "fine", "--why", "ok")
    assert "desk-1" in run("review", study).out
    listed = {row["slug"]: row for row in run("review", study, "--json").json}
    assert listed["desk-1"]["labels"] == ["fine (tester)"]
    assert run("review", study, "accept", "desk-1", "--json").json == {"action": "accept", "moved": 1}


def test_a_hostile_text_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    document = small_document(cases__hostile={"cluster": "c", "script": ["\x1b[31mred\x07 [bold]x[/bold]"]})
    run("apply", write_document(tmp_path / "study.yaml", document))
    out = run("review", "small").out
    assert "\x1b[31m" not in out
    assert "\x07" not in out
    assert "[bold]x[/bold]" in out


def test_an_export_goes_to_a_file_or_to_stdout(run: Run, study: str, tmp_path: Path) -> None:
    printed = run("export", study)
    assert run("export", study, "-o", "out.yaml").err == "wrote out.yaml\n"
    assert (tmp_path / "out.yaml").read_text(encoding="utf-8") == printed.out
    assert run("apply", "out.yaml").out.startswith("small: 0 changed")
    assert len(list(csv.DictReader(io.StringIO(run("export", study, "--format", "csv").out)))) == 3


def test_the_database_may_be_named_after_the_command(run: Run, study: str, tmp_path: Path) -> None:
    known = run("show", "--json").json
    url = f"sqlite:///{next(tmp_path.glob('*.db'))}"
    assert known
    assert run("show", "--json", "--db", url).json == known
    assert run("show", "--json", f"--db={url}").json == known


@pytest.mark.parametrize(
    "command", [("show",), ("runs",), ("review", "x"), ("db", "check"), ("db", "upgrade")]
)
def test_where_there_is_no_database_none_is_made(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    done = run("--db", f"sqlite:///{tmp_path}/new.db", *command)
    assert done.status == 2
    assert done.err == (
        f"redloom: there is no database {tmp_path}/new.db; name another with --db, or begin one with "
        "'redloom apply FILE'\n"
    )
    assert not (tmp_path / "new.db").exists()


def test_a_database_that_cannot_be_made_is_bad_input(run: Run, tmp_path: Path) -> None:
    done = run("--db", f"sqlite:///{tmp_path}/none/x.db", "show")
    assert done.status == 2
    assert "there is no folder" in done.err


def test_a_file_that_is_no_database_stops_with_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("This is not a database at all. " * 99)
    done = run("--db", f"sqlite:///{tmp_path}/x.db", "show")
    assert done.status == 3
    assert done.err == f"redloom: the database sqlite:///{tmp_path}/x.db failed: file is not a database\n"


def test_the_history_says_who(run: Run, study: str, database: Path) -> None:
    assert rows(database, "SELECT who, what FROM history") == [("tester", "applied study.yaml")]


def test_the_schema_is_one_json_document(run: Run) -> None:
    assert run("schema").json["title"] == "Redloom study"


WHOLE = """\
case desk-1: draft
scenario: desk; At the desk; the user wants: Find window 2
context: desk; Desk; A desk in a hall.
persona: adult; An adult
interaction type: question; A question; benign; task; single turn
harm: refusal; Needless refusal; Sent away without need.
expected: help; Says where it is.
language: en
text: locally authored
ends: script end
provenance: human
labels: fine (tester)
slot {me}: persona.disclosure; I am a cook.
1. user: I am a cook. Where is window 2?
"""


def test_a_whole_case_can_be_read(run: Run, study: str) -> None:
    run("review", study, "label", "desk-1", "--label", "fine")
    assert run("review", study, "show", "desk-1").out == WHOLE
    (view,) = run("review", study, "show", "desk-1", "--json").json
    assert view["turns"] == [["user", "I am a cook. Where is window 2?"]]
    assert view["slots"] == [{"name": "me", "source": "persona.disclosure", "text": "I am a cook."}]
    shown = run("review", study, "show", "--all").out
    assert [line for line in shown.splitlines() if line.startswith("case ")] == [
        "case desk-1: draft",
        "case desk-child-1: draft",
        "case street-1: draft",
    ]
    assert "1. user: ¿Dónde está la estación?\n2. user: ¿Y a pie?" in shown


def test_a_case_without_a_scenario_can_be_read_too(run: Run, tmp_path: Path) -> None:
    case = {
        "cluster": "c",
        "harm": "refusal",
        "opening": "Hello",
        "script": ["{me} one\ntwo\x1b[31m"],
        "turn_limit": 1,
        "stop": "first_refusal",
        "tags": {"a": "b"},
        "provenance": {
            "origin": "imported",
            "author": "ann",
            "source": "a list",
            "licence": "CC0",
            "parent": "p",
        },
    }
    run("apply", write_document(tmp_path / "study.yaml", small_document(cases__free=case)))
    assert run("review", "small", "show", "free").out.splitlines() == [
        "case free: draft",
        "scenario: none yet",
        "harm: refusal; Needless refusal; Sent away without need.",
        "text: locally authored",
        "cluster: c",
        "ends: after 1 turn or first refusal",
        "provenance: imported; by ann; a list; licence CC0; made from p",
        "tags: a=b",
        "1. system: Hello",
        "2. user: {me} one",
        "   two�[31m",
    ]


LONG = "word " * 60 + "end"


def test_in_a_pipe_a_list_is_printed_in_full_width(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    slug = "a-slug-that-is-longer-than-a-terminal-" + "x" * 60
    document = small_document()
    document["cases"][slug] = {"cluster": "c", "script": [LONG]}
    run("apply", write_document(tmp_path / "study.yaml", document))
    assert any(
        line.startswith(slug) and line.endswith(LONG) for line in run("review", "small").out.splitlines()
    )


def test_on_a_terminal_only_the_first_turn_is_cut_and_between_words() -> None:
    lines = [
        CaseLine("s" * 70, "draft", "scenario", "en", 1, LONG, ("fine (x)",)),
        CaseLine("t", "draft", None, None, 1, "日本" * 40, ()),
    ]
    _, first, second = case_table(lines, 120)
    assert first.startswith("s" * 70 + "  draft  scenario  1      fine (x)  word word")
    assert first.endswith("word…")
    assert second.endswith("日…") or second.endswith("本…")
    assert list(case_table(lines[:1], None))[1].endswith("end")


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("one two", 7, "one two"),
        ("one two three", 8, "one two…"),
        ("one two three", 9, "one two…"),
        ("one two three", 7, "one…"),
        ("onetwothree", 7, "onetwo…"),
    ],
)
def test_a_text_is_cut_between_words(text: str, width: int, short: str) -> None:
    assert shorten(text, width) == short


def test_counts_of_one_are_of_one(run: Run, study: str, tmp_path: Path) -> None:
    assert run("review", study, "accept", "desk-1").out == "accept: 1 case\n"
    assert run("review", study, "label", "desk-1", "--label", "fine").err == "1 case labelled 'fine'\n"
    assert run("release", study, "1", "--provisional", "--case", "desk-1").out.startswith(
        "small@1: 1 case in 1 cluster, PROVISIONAL"
    )
    assert run("verify", f"{study}@1").out.startswith("small@1: 1 case, as frozen\n")
    assert "\nrelease 1: 1 case (provisional)\n" in run("show", study).out
    (tmp_path / "p.csv").write_text("prompt\nx\n")
    assert run("import", "auto", "p.csv", "--study", study, "--map", "text=prompt").out == (
        "small: 1 new case, 0 changed, 0 unchanged\n"
    )


def test_a_release_is_shown_without_what_it_does_not_say(run: Run, study: str) -> None:
    run("release", study, "1", "--provisional")
    shown = run("show", f"{study}@1").out
    assert "provisional: yes\n" in shown
    assert "None" not in shown
    assert "licence" not in shown
    run("release", study, "2", "--provisional", "--licence", "CC0")
    assert "licence: CC0\n" in run("show", f"{study}@2").out
    run("init", "desk")
    run("apply", "desk/study.yaml")
    run("review", "repair-desk", "accept", "--all")
    run("release", "repair-desk", "1")
    assert "provisional: no\n" in run("show", "repair-desk@1").out


@pytest.mark.parametrize(("name", "mark", "word"), [("p.csv", ";", "semicolon"), ("p.tsv", "\t", "tab")])
def test_an_import_says_which_separator_it_took(
    run: Run, study: str, tmp_path: Path, name: str, mark: str, word: str
) -> None:
    (tmp_path / name).write_text(mark.join(("ID", "Prompt")) + "\n" + mark.join(("a", "x, y")) + "\n")
    done = run("import", "auto", name, "--study", study, "--map", "slug=ID,text=Prompt")
    assert done.err == f"{name}: a {word} separates the columns\n"
    assert run("review", study, "show", "a").out.endswith("1. user: x, y\n")


def test_a_change_is_shown_without_words_of_python(run: Run, study: str, tmp_path: Path) -> None:
    document = small_document(personas__adult__attributes__local=False, contexts__desk__stakes="much")
    shown = run("apply", write_document(tmp_path / "study.yaml", document)).out
    assert "    attributes.local: true -> false\n" in shown
    assert "    stakes: nothing -> 'much'\n" in shown


def test_a_key_in_a_study_file_is_printed_nowhere(run: Run, study: str, tmp_path: Path) -> None:
    path = write_document(tmp_path / "study.yaml", small_document(targets__system__key_env="sk-SECRET"))
    for options in ((), ("--json",), ("--dry-run", "--json")):
        done = run("apply", path, *options)
        assert (done.status, "key_env names an environment variable" in done.err) == (2, True)
        assert "SECRET" not in done.out + done.err
