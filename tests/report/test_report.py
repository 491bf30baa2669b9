"""Reports of real runs against a scripted target: numbers, stamps, hostile text."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from redloom.services.rating import next_assignment, store_rating
from redloom.services.workspace import open_workspace
from redloom.settings import Settings

from .desk import panel, redloom, report_json, run_desk, write_script, write_study

HOSTILE = "</textarea></style><script>alert(1)</script>{{ 7*7 }}\x1b[31m\u202eevil <img src=http://example.org/x> | a"


def test_the_counts_of_a_report_agree_with_a_recount_of_its_conversations(folder: Path):
    run_desk(folder, "rule:refusal", "rule:leak-words")
    report = report_json(folder)
    full = [t for c in report["cases"] for t in c["transcripts"] if t["arm"] == "full"]
    harms = sum(
        j["verdict"] == "harm" for t in full for j in t["judgements"] if j["rater"] == "rule:leak-words"
    )
    refusals = sum(
        j["refusal"] == "full" for t in full for j in t["judgements"] if j["rater"] == "rule:refusal"
    )
    leak, refusal = panel(report, "rule:leak-words"), panel(report, "rule:refusal")
    assert (leak["overall"]["events"], leak["overall"]["n"]) == (harms, len(full)) == (6, 6)
    assert (refusal["overall"]["events"], refusal["overall"]["n"]) == (refusals, len(full)) == (0, 6)
    states = Counter(t["state"] for c in report["cases"] for t in c["transcripts"])
    assert states == {"completed": 12}


def test_a_planted_effect_of_context_is_the_difference_reported(folder: Path):
    run_desk(folder, "rule:leak-words", arms="full,no_context,no_persona,no_history")
    found = {d["arm"]: d["value"] for d in panel(report_json(folder), "rule:leak-words")["differences"]}
    assert found == {"no_context": pytest.approx(1.0), "no_persona": 0.0, "no_history": 0.0}


def test_both_headlines_of_a_dissented_harm_stand_beside_each_other(folder: Path):
    write_script(folder, reply='{"leaks": "no", "hints": "yes"}')
    run_desk(folder, "rule:refusal", arms="full")
    assert redloom("judge", "last", "--with", "scripted:target.json") == 0
    (folder / "judge.json").write_text(json.dumps({"otherwise": '{"leaks": "no", "hints": "yes"}'}))
    assert redloom("judge", "last", "--with", "scripted:judge.json") == 0
    headline = panel(report_json(folder), "scripted:judge.json")["headlines"][0]
    assert headline["headline"]["value"] == 0.0
    dissent = headline["dissents"][0]
    assert (dissent["by"], dissent["rate"]["value"], dissent["changed"], dissent["compared"]) == (
        "the owner",
        1.0,
        6,
        6,
    )


def test_a_report_says_first_that_cases_are_unreviewed_and_judges_unchecked(folder: Path):
    run_desk(folder, "rule:leak-words")
    warnings = [n["text"] for n in report_json(folder)["report"]["notices"] if n["kind"] == "warning"]
    assert any(text.startswith("Provisional: 6 of 6 cases") for text in warnings)
    assert any(text.startswith("Never checked against people: rule:leak-words") for text in warnings)


def test_a_person_s_vote_checks_a_judge(folder: Path):
    run_desk(folder, "rule:leak-words", arms="full")
    with open_workspace(Settings(database=f"sqlite:///{folder / 'redloom.db'}", who="tester")) as found:
        for answer in ("yes", "no", "yes"):
            assignment = next_assignment(found, "last", "nurse")
            assert assignment is not None
            store_rating(found, assignment, {"leaks": answer})
    report = report_json(folder)
    check = panel(report, "rule:leak-words")["checked"][0]
    assert (check["person"], check["both"], check["agree"]) == ("nurse", 3, 2)
    assert not any(n["text"].startswith("Never checked") for n in report["report"]["notices"])


def test_a_run_nobody_judged_says_so(folder: Path):
    run_desk(folder)
    texts = [n["text"] for n in report_json(folder)["report"]["notices"]]
    assert any("Nobody has judged this run" in text for text in texts)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(values["id"] or "")
        for name in ("src", "href", "action"):
            if values.get(name):
                self.links.append(values[name] or "")


def test_hostile_text_is_text_and_the_page_loads_nothing(folder: Path):
    write_script(folder, reply=HOSTILE)
    run_desk(folder, "rule:refusal")
    assert redloom("report", "last", "-o", "r.html") == 0
    html = (folder / "r.html").read_text()
    page = _Page()
    page.feed(html)
    assert page.tags["script"] == page.tags["img"] == page.tags["textarea"] == 0
    assert "{{ 7*7 }}" in html and "&lt;script&gt;" in html
    assert all(link.startswith("#") for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "default-src 'none'" in html


def test_every_conversation_is_in_the_page(folder: Path):
    run_desk(folder, "rule:refusal")
    assert redloom("report", "last", "-o", "r.html") == 0
    html = (folder / "r.html").read_text()
    ids = [t["id"] for c in report_json(folder)["cases"] for t in c["transcripts"]]
    assert len(ids) == 12
    assert all(f'id="t-{one}"' in html for one in ids)


def test_markdown_tables_survive_hostile_text(folder: Path):
    write_study(folder)
    text = (folder / "study.yaml").read_text().replace("title: Leak", "title: 'Leak | <b> `x`'")
    (folder / "study.yaml").write_text(text)
    write_script(folder)
    assert redloom("apply", "study.yaml") == 0
    assert redloom("run", "desk", "--target", "scripted:target.json", "--judge", "rule:leak-words") == 0
    assert redloom("report", "last", "-o", "r.md") == 0
    lines = (folder / "r.md").read_text().splitlines()
    for line in lines:
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            assert cells in (3, 5, 6, 8, 9, 10), line


@pytest.mark.parametrize(
    ("name", "message"), [("r.pdf", ".html, .md or .json"), ("no/such/r.html", "cannot be written")]
)
def test_a_report_that_cannot_be_written_says_why(
    folder: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
):
    run_desk(folder)
    assert redloom("report", "last", "-o", name) == 2
    assert message in capsys.readouterr().err
    assert not list(folder.glob("*.part"))


def test_dash_json_prints_the_document_of_the_json_file(folder: Path, capsys: pytest.CaptureFixture[str]):
    run_desk(folder, "rule:refusal")
    written = report_json(folder)
    capsys.readouterr()
    assert redloom("report", "last", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    for document in (printed, written):
        assert document["report"].pop("created")
    assert printed == written
    assert [len(case["transcripts"]) for case in printed["cases"]] == [2] * 6


def test_markdown_has_no_empty_section_and_no_code_names(folder: Path):
    run_desk(folder, "rule:refusal")
    assert redloom("report", "last", "-o", "r.md") == 0
    text = (folder / "r.md").read_text()
    lines = [line for line in text.splitlines() if line]
    assert not [a for a, b in pairwise(lines) if a.startswith("## ") and b.startswith("## ")]
    assert "## Dissent" not in text and "## Severity" not in text
    assert text.count("no_context") == 1 and "(arm no_context)" in text
    assert "\\_" not in text


def test_markdown_of_an_unjudged_run_has_no_section_for_judges(folder: Path):
    run_desk(folder)
    assert redloom("report", "last", "-o", "r.md") == 0
    assert "## What judges found" not in (folder / "r.md").read_text()


def test_markdown_names_the_holes_and_the_charter(folder: Path):
    write_study(folder)
    study = (folder / "study.yaml").read_text()
    study = study.replace("personas:\n", "personas:\n  owner: {title: An owner, provenance: synthetic}\n", 1)
    study = study.replace(
        "title: A desk\n", "title: A desk\ncharter: {purpose: To find out_, owner: Nobody_at all}\n"
    )
    (folder / "study.yaml").write_text(study)
    write_script(folder)
    assert redloom("apply", "study.yaml") == 0
    assert redloom("run", "desk", "--target", "scripted:target.json") == 0
    assert redloom("report", "last", "-o", "r.md") == 0
    text = (folder / "r.md").read_text()
    assert "1 combination of 1 part that nothing tests: owner." in text
    assert "- purpose: To find out\\_\n" in text
    assert "- owner: Nobody_at all\n" in text
    assert "- decision: nobody has said\n" in text


@pytest.mark.parametrize("attempts", [1, 3])
def test_rows_and_tables_that_say_nothing_are_counted_and_not_shown(folder: Path, attempts: int):
    write_study(folder, more=", tags: {kind: kNUMBER}")
    write_script(folder)
    assert redloom("apply", "study.yaml") == 0
    assert redloom("run", "desk", "--target", "scripted:target.json", "--attempts", str(attempts)) == 0
    unsure = {"message_has": "Question 0?", "reply": '{"leaks": "unsure", "hints": "no"}'}
    (folder / "judge.json").write_text(
        json.dumps({"rules": [unsure], "otherwise": '{"leaks": "no", "hints": "no"}'})
    )
    assert redloom("judge", "last", "--with", "scripted:judge.json") == 0
    kinds = panel(report_json(folder), "scripted:judge.json")["breakdowns"][0]
    assert [rate["n"] for rate in kinds["rates"]] == [0, *[attempts] * 5]
    for name in ("r.html", "r.md"):
        assert redloom("report", "last", "-o", name) == 0
        text = (folder / name).read_text()
        assert "0 of 0" not in text
        shown = "Left out, with no decided conversation: 1 of 6 rows (k0)." in text
        hidden = "Not shown: by kind; no row would have 3 or more decided conversations." in text
        assert (shown, hidden) == (attempts == 3, attempts == 1)


def test_a_case_counts_harm_among_the_conversations_that_were_judged(folder: Path):
    run_desk(folder, "rule:refusal", arms="full,no_context")
    (folder / "judge.json").write_text(json.dumps({"otherwise": '{"leaks": "yes", "hints": "yes"}'}))
    assert redloom("judge", "last", "--with", "scripted:judge.json", "--sample", "1") == 0
    assert redloom("report", "last", "-o", "r.html") == 0
    html = (folder / "r.html").read_text()
    assert re.findall(r"harm found in ([^<]*)<", html) == ["1 of 1 judged"]


def test_the_page_shows_arms_as_conditions(folder: Path):
    run_desk(folder, "rule:refusal")
    assert redloom("report", "last", "-o", "r.html") == 0
    html = (folder / "r.html").read_text()
    assert html.count("no_context") == 1 and "no context (arm no_context)" in html
    assert re.search(r"\barms?\b", html.replace("(arm full)", "").replace("(arm no_context)", "")) is None
