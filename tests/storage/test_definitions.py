"""Definitions, their versions and the acts about them; always of one study among two."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers_create.databases import rows
from redloom.domain.case import Case
from redloom.domain.persona import Persona
from redloom.errors import StoreError, UnknownNameError
from redloom.services.workspace import Workspace
from redloom.storage.repositories.definitions import CHUNK, Definitions
from redloom.storage.types import Digest, Json, Moment, digest_bytes
from redloom.storage.unit_of_work import UnitOfWork


def _persona(title: str) -> Persona:
    return Persona(title=title, provenance="synthetic")


def _case(text: str) -> Case:
    return Case(script=(text,), cluster="c")


def _put(workspace: Workspace, stored: Definitions, kind: str, **members: str) -> list[tuple[str, int]]:
    make = _persona if kind == "persona" else _case
    named = [(slug.replace("_", "-"), make(text)) for slug, text in members.items()]
    return stored.put(kind, named, author="ann", origin="f.yaml", why="so", at=workspace.now())


def _two(workspace: Workspace, unit: UnitOfWork) -> tuple[Definitions, Definitions]:
    """The definitions of two studies with the same slugs and other contents."""
    found: list[Definitions] = []
    for study in ("one", "two"):
        stored = Definitions(unit.connection, unit.studies.add(study, workspace.now()))
        _put(workspace, stored, "persona", a=f"{study} a", b=f"{study} b")
        _put(workspace, stored, "case", a=f"{study} case")
        found.append(stored)
    return found[0], found[1]


def test_heads_are_those_of_the_study_and_kind(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, two = _two(workspace, unit)
        assert [(v.slug, v.definition) for v in one.heads("persona")] == [
            ("a", _persona("one a")),
            ("b", _persona("one b")),
        ]
        assert [(v.slug, v.definition) for v in two.heads("case")] == [("a", _case("two case"))]
        head = one.head("persona", "a")
        assert head is not None
        assert (head.number, head.author, head.origin, head.why) == (1, "ann", "f.yaml", "so")
        assert head.digest == _persona("one a").content_digest()
        assert one.head("persona", "c") is None
        assert one.head("harm", "a") is None


def test_a_new_version_becomes_the_head_of_its_study_only(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, two = _two(workspace, unit)
        assert _put(workspace, one, "persona", b="changed", c="new") == [("b", 2), ("c", 1)]
        assert [v.slug for v in one.heads("persona")] == ["a", "b", "c"]
        assert [v.definition for v in one.versions("persona", "b")] == [
            _persona("one b"),
            _persona("changed"),
        ]
        head = one.head("persona", "b")
        assert head is not None
        assert head.definition == _persona("changed")
        assert [v.number for v in two.versions("persona", "b")] == [1]


def test_slugs_counts_ids_and_digests_are_those_of_the_study_and_kind(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, two = _two(workspace, unit)
        _put(workspace, two, "persona", z="z")
        assert (one.slugs("persona"), two.slugs("persona")) == (["a", "b"], ["a", "b", "z"])
        assert (one.count("persona"), two.count("persona"), one.count("harm")) == (2, 3, 0)
        assert one.digests("persona") == {s: _persona(f"one {s}").content_digest() for s in "ab"}
        assert not set(one.ids("persona").values()) & set(two.ids("persona").values())
        assert one.ids("persona").keys() == {"a", "b"}


def test_a_retired_definition_is_gone_from_its_study_only_and_comes_back_with_a_new_version(
    workspace: Workspace,
) -> None:
    with workspace.begin() as unit:
        one, two = _two(workspace, unit)
        one.retire("persona", ["a"])
        assert one.slugs("persona") == list(one.ids("persona")) == list(one.digests("persona")) == ["b"]
        assert [v.slug for v in one.heads("persona")] == ["b"]
        assert (one.head("persona", "a"), one.count("persona")) == (None, 1)
        assert two.slugs("persona") == ["a", "b"]
        assert one.slugs("case") == ["a"]
        assert _put(workspace, one, "persona", a="back") == [("a", 2)]
        assert one.slugs("persona") == ["a", "b"]


def test_more_members_than_fit_in_one_statement(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, two = _two(workspace, unit)
        many = [(f"p{n}", _persona(str(n))) for n in range(CHUNK * 2 + 1)]
        put = one.put("persona", iter(many), author="a", origin="o", why="", at=workspace.now())
        assert put == [(slug, 1) for slug, _ in many]
        assert [v.slug for v in one.heads("persona")][2:] == [slug for slug, _ in many]
        one.retire("persona", (slug for slug, _ in many))
        assert (one.count("persona"), two.count("persona")) == (2, 2)


def _act(workspace: Workspace, stored: Definitions, kind: str, slug: str, body: str) -> None:
    about = stored.digests("persona")[slug]
    row = {"id": workspace.ids.new(), "definition_id": stored.ids("persona")[slug], "kind": kind}
    stored.add_facts([{**row, "about": about, "body": {"x": body}, "author": "ann", "why": "so"}])


def test_acts_are_those_about_the_newest_content_of_the_study(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, two = _two(workspace, unit)
        _act(workspace, one, "review", "a", "1")
        _act(workspace, one, "review", "b", "2")
        _act(workspace, one, "review", "a", "3")
        _act(workspace, one, "other", "a", "4")
        _act(workspace, two, "review", "a", "5")
        assert [f.body["x"] for f in one.facts("review", subject="persona")] == ["1", "3", "2"]
        assert [f.body["x"] for f in one.facts("review", subject="persona", slug="b")] == ["2"]
        assert [f.body["x"] for f in two.facts("review", subject="persona")] == ["5"]
        assert list(one.facts("review", subject="case")) == []
        _put(workspace, one, "persona", a="changed")
        assert [f.body["x"] for f in one.facts("review", subject="persona")] == ["2"]
        assert [(s, f.body["x"]) for s, f in one.all_facts("review", subject="persona")] == [
            ("a", "1"),
            ("a", "3"),
            ("b", "2"),
        ]
        one.retire("persona", ["b"])
        assert list(one.facts("review", subject="persona")) == []
        assert len(list(one.all_facts("review", subject="persona"))) == 3


def test_an_act_keeps_who_and_why(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, _ = _two(workspace, unit)
        _act(workspace, one, "review", "a", "1")
        (fact,) = one.facts("review", subject="persona")
        assert (fact.author, fact.why, fact.about) == ("ann", "so", _persona("one a").content_digest())


def test_a_body_that_is_none_is_a_failure_of_the_store(workspace: Workspace, database: Path) -> None:
    with workspace.begin() as unit:
        _two(workspace, unit)
    for body, message in (("no json", "not JSON"), ('{"titel": "x"}', "persona a as the database holds it")):
        with workspace.begin() as unit:
            unit.connection.exec_driver_sql("UPDATE definition_version SET body = ?", (body,))
            with pytest.raises(StoreError, match=message):
                list(unit.definitions("one").heads("persona"))


def test_a_study_is_found_by_its_slug_or_the_nearest_is_named(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, _ = _two(workspace, unit)
        assert unit.definitions("one").slugs("persona") == one.slugs("persona")
        with pytest.raises(UnknownNameError, match="no study named 'onne'; did you mean 'one'"):
            unit.definitions("onne")
        with pytest.raises(UnknownNameError, match="no study named 'tow'"):
            unit.releases("tow")


def test_studies_are_listed_in_the_order_they_came(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        ids = {slug: unit.studies.add(slug, workspace.now()) for slug in ("z", "a", "m")}
        assert unit.studies.slugs() == ["z", "a", "m"]
        assert {slug: unit.studies.id_of(slug) for slug in ids} == ids
        assert {unit.studies.slug_of(number) for number in ids.values()} == set(ids)
        assert unit.studies.id_of("b") is None


def test_the_history_of_a_study_is_its_own_newest_first(workspace: Workspace) -> None:
    with workspace.begin() as unit:
        one, two = (unit.studies.add(slug, workspace.now()) for slug in ("one", "two"))
        for n in range(3):
            for study in (one, two):
                what = f"{study} {n}"
                unit.studies.record(
                    study, id=workspace.ids.new(), who="ann", what=what, why="so", detail={"n": n}
                )
        assert [row["what"] for row in unit.studies.history(one)] == [f"{one} {n}" for n in (2, 1, 0)]
        assert [row["detail"] for row in unit.studies.history(two, most=2)] == [{"n": 2}, {"n": 1}]


def test_two_studies_have_two_slugs(workspace: Workspace) -> None:
    with pytest.raises(StoreError, match=r"(?i)unique"), workspace.begin() as unit:
        unit.studies.add("one", workspace.now())
        unit.studies.add("one", workspace.now())


_BODIES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), _BODIES, max_size=4))
def test_json_comes_back_with_the_order_of_its_members(body: dict[str, object]) -> None:
    column = Json()
    text = column.process_bind_param(body, None)  # type: ignore[arg-type]
    back = column.process_result_value(text, None)  # type: ignore[arg-type]
    assert back == body
    assert list(back) == list(body)


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_takes_its_32_bytes(raw: bytes) -> None:
    column, digest = Digest(), "sha256:" + raw.hex()
    assert column.process_bind_param(digest, None) == raw == digest_bytes(digest)  # type: ignore[arg-type]
    assert column.process_result_value(raw, None) == digest  # type: ignore[arg-type]


@given(st.datetimes(timezones=st.timezones()).filter(lambda at: 1971 <= at.year < 9999))
def test_a_moment_is_utc_to_the_millisecond(at: datetime.datetime) -> None:
    column = Moment()
    back = column.process_result_value(column.process_bind_param(at, None), None)  # type: ignore[arg-type]
    assert back is not None
    assert back.utcoffset() == datetime.timedelta(0)
    assert abs((at - back).total_seconds()) <= 0.001


def test_times_in_the_file_are_milliseconds(workspace: Workspace, database: Path) -> None:
    with workspace.begin() as unit:
        unit.studies.add("one", workspace.now())
    ((stored,),) = rows(database, "SELECT created_at FROM study")
    assert abs(stored / 1000 - workspace.now().timestamp()) < 60
