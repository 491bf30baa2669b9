"""Words are found by how they begin, whatever was typed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers_create.small import small_document, to_study
from redloom.datasets.study_file import StudyFile
from redloom.services.studies import apply_study
from redloom.services.workspace import Workspace
from redloom.storage.words import Words, words_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def found(workspace: Workspace, text: str) -> list[int]:
    with workspace.database.begin() as connection:
        return list(connection.scalars(Words(connection).keys(text)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ärger, 100%!", ["arger", "100"]),
        ("snake_case-word", ["snake", "case", "word"]),
        ("two two", ["two"]),
        ("試験 ok", ["試", "験", "ok"]),
        ('" OR NEAR(', ["or", "near"]),
        ("%_'", []),
    ],
)
def test_a_text_has_these_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(said=TEXTS, asked=TEXTS)
def test_whatever_is_asked_only_texts_with_words_that_begin_so_are_found(
    workspace: Workspace, said: str, asked: str
) -> None:
    with workspace.database.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = replica")
        words = Words(connection)
        words.put([(1, "s", {"field": [said]})])
        there = list(connection.scalars(words.keys(asked)))
        sharing = list(connection.scalars(words.keys_sharing(words_of(asked)[:5])))
        own = [*words_of(said), "s"]
        wanted = words_of(asked)
        known = all(ord(c) < 0x250 for c in said + asked)  # databases know fewer letters than Python does
        if there:
            assert wanted
        if known:
            begun = all(any(one.startswith(word) for one in own) for word in wanted)
            assert bool(there) == (bool(wanted) and begun)
        assert set(sharing) <= {1}
        words.drop([1])
        assert list(connection.scalars(words.keys("s"))) == []


def test_what_is_taken_out_or_changed_is_no_longer_found(workspace: Workspace) -> None:
    apply_study(workspace, StudyFile(to_study(small_document(study="small")), "small.yaml"))
    with workspace.begin() as unit:
        slug = unit.definitions("small").slugs("case")[0]
    before = found(workspace, slug)
    assert before
    with workspace.begin() as unit:
        unit.definitions("small").retire("case", [slug])
    assert len(found(workspace, slug)) == len(before) - 1
