"""Public research files come in with one command each."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from helpers_create.small import write_document
from redloom.cli import main

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the research data is not at {DATA}"),
]


@pytest.fixture
def run(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Any:
    monkeypatch.setenv("REDLOOM_DB", f"sqlite:///{database}")

    def run(*arguments: object) -> Any:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), "--json"])
        written = capsys.readouterr()
        assert caught.value.code in (0, None), written.err
        return json.loads(written.out)

    run("apply", write_document(tmp_path / "s.yaml", {"study": "s", "title": "T", "languages": ["en"]}))
    return run


def _rows(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines(keepends=True)))


def test_xstest(run: Any) -> None:
    path = DATA / "xstest" / "xstest_prompts.csv"
    mapping = "slug=id,text=prompt,tag:label=label,tag:type=type,cluster=focus"
    command = ("import", "csv", path, "--study", "s", "--map", mapping, "--licence", "CC-BY-4.0")
    done = run(*command)
    assert done == {"study": "s", "cases": 450, "unchanged": 0, "separator": ",", "changed": 0}
    cases = run("show", "s")["cases"]
    found = {row["id"]: row for row in _rows(path)}
    assert cases.keys() == found.keys()
    for slug, row in found.items():
        assert cases[slug]["script"] == [row["prompt"]]
        assert cases[slug]["tags"] == {"label": row["label"], "type": row["type"]}
        assert cases[slug]["provenance"] == {
            "origin": "imported",
            "source": "xstest_prompts.csv",
            "licence": "CC-BY-4.0",
        }
    assert run(*command) == {"study": "s", "cases": 0, "unchanged": 450, "separator": ",", "changed": 0}


def test_harmbench(run: Any) -> None:
    path = DATA / "harmbench" / "harmbench_behaviors_text_all.csv.gz"
    mapping = "slug=BehaviorID,text=Behavior,before=ContextString,cluster=SemanticCategory,tag:kind=FunctionalCategory"
    found = _rows(path)
    done = run("import", "auto", path, "--study", "s", "--map", mapping)
    assert done == {"study": "s", "cases": len(found), "unchanged": 0, "separator": ",", "changed": 0}
    cases = run("show", "s")["cases"]
    contextual = 0
    for row in found:
        case = cases[row["BehaviorID"].lower()]
        assert case["cluster"] == row["SemanticCategory"].replace(" ", "-").lower()
        before = row["ContextString"]
        contextual += bool(before)
        assert case["script"] == [f"{before}\n\n{row['Behavior']}" if before else row["Behavior"]]
    assert contextual > 50
    released = run("release", "s", "1", "--provisional")
    assert released["clusters"] == len({row["SemanticCategory"] for row in found})
    assert run("verify", "s@1")["problems"] == []


def test_jsonl_of_do_not_answer(run: Any) -> None:
    path = DATA / "do-not-answer" / "information_hazard.jsonl"
    first = json.loads(path.read_text(encoding="utf-8").split("\n")[0])
    text = "question" if "question" in first else "prompt"
    done = run("import", "auto", path, "--study", "s", "--map", f"text={text}")
    assert done["cases"] == 248
