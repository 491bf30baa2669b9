"""``redloom generate``: shown first, sent once it is said, stored as drafts."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from .conftest import Declare, Redloom


def writer(tmp_path: Path) -> str:
    path = tmp_path / "writer.json"
    path.write_text(json.dumps({"version": 1, "otherwise": "1. Hello.\n2. And then?"}), encoding="utf-8")
    return f"scripted:{path.name}"


def test_nothing_is_sent_before_it_is_said(
    redloom: Redloom, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare()
    before = redloom("review", "clinic", "--json").out
    shown = redloom("generate", "clinic", "--with", writer(tmp_path), "--drafts", "1", "--json")
    assert shown.status == 0 and shown.json["sent"] is False
    assert "Write the user's side" in shown.json["requests"]["wanted"][0]["prompt"]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    declined = redloom("generate", "clinic", "--with", writer(tmp_path))
    assert declined.status != 0 and "Write the user's side" in declined.out
    assert redloom("review", "clinic", "--json").out == before


def test_what_is_said_yes_to_becomes_a_draft(redloom: Redloom, declare: Declare, tmp_path: Path) -> None:
    declare()
    done = redloom("generate", "clinic", "--with", writer(tmp_path), "--drafts", "1", "--yes", "--json")
    assert done.status == 0 and done.json["sent"] is True
    [draft] = done.json["drafts"]
    assert draft["turns"] == ["Hello.", "And then?"]
    assert draft["case"] in redloom("review", "clinic", "list", "--status", "draft").out


def test_what_is_wrong_is_told_at_once(redloom: Redloom, declare: Declare) -> None:
    declare()
    asked = ("generate", "clinic", "--with", "nowhere", "--for", "nothing", "--max-tokens", "0", "--yes")
    refused = redloom(*asked)
    assert refused.status == 2
    for told in ("nowhere", "nothing", "0 tokens"):
        assert told in refused.err
