"""Tables, migrations and the version of the schema say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from helpers_create.databases import content, rows, tamper
from redloom.errors import InputError, SetupError, StoreError
from redloom.services.workspace import Workspace
from redloom.storage.database import SCHEMA, Database
from redloom.storage.migrate import configuration
from redloom.storage.tables import metadata
from redloom.storage.words import TABLE


def _of_words(name: str | None) -> bool:
    """The index of words and the tables SQLite keeps it in: a migration makes them, each database in its way."""
    return bool(name) and f"{name}_".startswith(f"{TABLE}_")


def test_the_migrations_make_the_tables_that_the_code_knows(workspace: Workspace) -> None:
    with workspace.database.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, *_: not _of_words(name),
            },
        )
        assert compare_metadata(context, metadata) == []


def test_tables_keep_their_keys_and_the_form_of_their_storage(database: Path, tmp_path: Path) -> None:
    """What Alembic does not compare: primary keys, foreign keys, WITHOUT ROWID."""
    made = tmp_path / "made.db"
    engine = sa.create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()

    def shape(path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for (name,) in rows(
            path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'alembic%'"
        ):
            if _of_words(name):
                continue
            columns = [row[1:] for row in rows(path, f'PRAGMA table_info("{name}")')]
            keys = sorted(row[2:] for row in rows(path, f'PRAGMA foreign_key_list("{name}")'))
            ((without_rowid,),) = rows(path, "SELECT wr FROM pragma_table_list WHERE name = ?", name)
            indexes = sorted(row[1] for row in rows(path, f'PRAGMA index_list("{name}")'))
            found[name] = (columns, keys, without_rowid, indexes)
        return found

    assert shape(database) == shape(made)


def test_the_known_schema_is_the_newest_migration(database: Path) -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [SCHEMA]
    assert rows(database, "SELECT version_num FROM alembic_version") == [(SCHEMA,)]


@pytest.mark.parametrize(
    ("found", "relation", "advice"),
    [
        ("0000", "older", "bring it up with 'redloom db upgrade', or use"),
        ("9999", "newer", "use the Redloom version that wrote it, or"),
    ],
)
def test_a_database_with_another_schema_is_refused_with_a_sentence(
    database: Path, found: str, relation: str, advice: str
) -> None:
    tamper(database, "UPDATE alembic_version SET version_num = ?", found)
    before = content(database)
    with pytest.raises(SetupError) as caught:
        Database(f"sqlite:///{database}")
    assert str(caught.value) == (
        f"sqlite:///{database} has schema {found}, which is {relation} than this version's {SCHEMA}; "
        f"{advice} another --db"
    )
    assert content(database) == before


def test_a_new_file_is_made_with_all_tables(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/new.db").close()
    found = {
        name for (name,) in rows(tmp_path / "new.db", "SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    assert TABLE in found
    assert {name for name in found if not _of_words(name)} == {*metadata.tables, "alembic_version"}


def test_opening_again_changes_nothing(database: Path) -> None:
    before = content(database)
    Database(f"sqlite:///{database}").close()
    assert content(database) == before


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none/x.db"
    with pytest.raises(InputError) as caught:
        Database(url)
    assert str(caught.value) == (
        f"cannot make the database {tmp_path}/none/x.db: there is no folder '{tmp_path}/none'"
    )
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "nonsense",
            "'nonsense' is no database address; expected sqlite:///PATH or postgresql://USER@HOST/NAME",
        ),
        ("mysql://h/d", "'mysql://h/d': expected sqlite:///PATH or postgresql://USER@HOST/NAME"),
        ("", "'' is no database address"),
    ],
)
def test_an_address_that_is_none_is_told(url: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Database(url)
    assert message in str(caught.value)


def test_a_file_that_is_no_database_is_a_failure_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("no database " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Database(f"sqlite:///{path}")


def test_every_connection_enforces_foreign_keys_and_writes_ahead(
    workspace: Workspace, database: Path
) -> None:
    for _ in range(2):
        with workspace.database.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_row_that_names_nothing_is_refused(workspace: Workspace, database: Path) -> None:
    before = content(database)
    statement = "INSERT INTO definition (study_id, kind, slug, retired) VALUES (99, 'case', 'x', 0)"
    with (
        pytest.raises(StoreError, match="FOREIGN KEY constraint failed"),
        workspace.database.begin() as connection,
    ):
        connection.exec_driver_sql(statement)
    assert content(database) == before


def test_a_transaction_that_fails_stores_nothing(workspace: Workspace, database: Path) -> None:
    before = content(database)
    with pytest.raises(ZeroDivisionError), workspace.begin() as unit:
        unit.studies.add("a", workspace.now())
        raise ZeroDivisionError
    assert content(database) == before
