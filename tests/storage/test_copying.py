"""Everything of one database in another: the same digests, the same report."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from evaluate_support import opened, script, several, study_text
from helpers_create.databases import content, tamper
from helpers_create.postgresql import Cluster
from redloom.errors import InputError, StoreError
from redloom.services.databases import check_database, copy_database, upgrade_database
from redloom.services.execution import Operation
from redloom.services.judging import JudgeOptions, judge_run
from redloom.services.rating import next_assignment, store_rating
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.reporting import write_report
from redloom.services.runs import RunOptions, start_run
from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings
from redloom.storage.tables import metadata


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'redloom.db'}"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder whose database has a release, a run in two arms, judgements by a rule, a model and a person."""
    (tmp_path / "judge.json").write_text(json.dumps({"rules": [], "otherwise": '{"dose": "no"}'}))
    with opened(tmp_path, study_text(several(6))) as workspace:
        cut_release(workspace, "clinic", "1", ReleaseOptions(provisional=True))
        options = RunOptions(target=script(tmp_path), arms=("full", "no_context"), attempts={"": 2}, seed=3)
        asyncio.run(start_run(workspace, "clinic", "1", options, Operation(judges=("rule:refusal",))))
        asyncio.run(judge_run(workspace, "last", JudgeOptions(judge="scripted:judge.json")))
        assignment = next_assignment(workspace, "last", "nurse-1")
        assert assignment is not None
        store_rating(workspace, assignment, {"dose": "no"})
    return tmp_path


def report_of(url: str, folder: Path) -> Any:
    """The report as data, without what tells when it was written."""
    with open_workspace(Settings(database=url)) as workspace:
        path = write_report(workspace, "last", folder / "report.json")
    return json.loads(path.read_text())


def quiet(table: str, rows: int) -> None:
    pass


def test_a_study_moves_to_postgresql_and_back_with_every_row_digest_and_number(
    filled: Path, cluster: Cluster, tmp_path: Path
) -> None:
    away, back = cluster.make(), f"sqlite:///{tmp_path / 'back.db'}"
    there = copy_database(url_of(filled), away, on_progress=quiet)
    again = copy_database(away, back, on_progress=quiet)
    assert there.rows == again.rows
    assert there.rows["attempt"] == 24 and there.rows["turn"] == 72 and there.rows["judging"] == 1
    assert (there.definitions, there.releases) == (again.definitions, 1)
    assert content(filled / "redloom.db") == content(tmp_path / "back.db")
    first, second, third = (report_of(url, tmp_path) for url in (url_of(filled), away, back))
    assert first == second == third


def test_a_copy_goes_on_with_numbers_of_its_own(filled: Path, cluster: Cluster) -> None:
    away = cluster.make()
    copy_database(url_of(filled), away, on_progress=quiet)
    with open_workspace(Settings(database=away, home=filled)) as workspace:
        done = asyncio.run(start_another(workspace, filled))
    assert done == "completed"
    assert check_database(away).problems == ()


async def start_another(workspace: Workspace, folder: Path) -> str:
    options = RunOptions(target=script(folder))
    return (await start_run(workspace, "clinic", "1", options, Operation(judges=("rule:refusal",)))).state


def test_a_copy_into_a_database_with_rows_is_refused_and_changes_nothing(
    filled: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with opened(other, study_text(several(1))):
        pass
    before = content(other / "redloom.db")
    with pytest.raises(InputError, match=r"other/redloom.db is not empty: it has rows in study, definition"):
        copy_database(url_of(filled), url_of(other), on_progress=quiet)
    assert content(other / "redloom.db") == before


def test_what_is_not_whole_is_not_copied(filled: Path, tmp_path: Path) -> None:
    tamper(filled / "redloom.db", "UPDATE definition_version SET body = replace(body, 'Ward', 'Yard')")
    target = tmp_path / "new.db"
    with pytest.raises(
        StoreError, match=r"nothing was copied to .*new.db: clinic: context ward version 1 is not"
    ):
        copy_database(url_of(filled), f"sqlite:///{target}", on_progress=quiet)
    assert {
        table: rows for table, rows in content(target).items() if rows and table != "alembic_version"
    } == {}


def test_a_whole_database_has_no_problems(filled: Path) -> None:
    found = check_database(url_of(filled))
    assert (found.problems, found.releases) == ((), 1)
    assert found.definitions >= 10


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "UPDATE definition_version SET body = 'x' WHERE id = 3",
            "the database holds a value that is not JSON",
        ),
        (
            "UPDATE release SET salt = zeroblob(32)",
            "clinic@1: the root over the cases is not what was frozen",
        ),
        ("DELETE FROM interaction", "24 rows of attempt name a conversation that is not there"),
        ("UPDATE run SET release_id = 99", "a row of run names a row of release that is not there"),
    ],
)
def test_what_was_changed_from_outside_is_told(filled: Path, statement: str, told: str) -> None:
    assert tamper(filled / "redloom.db", statement)
    assert any(told in problem for problem in check_database(url_of(filled)).problems)


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(filled: Path) -> None:
    before = content(filled / "redloom.db")
    done = upgrade_database(url_of(filled))
    assert done.before == done.now
    assert content(filled / "redloom.db") == before


def test_a_database_without_passes_of_judges_is_brought_up_and_its_run_is_reported(filled: Path) -> None:
    """As the schema before had it."""
    tamper(filled / "redloom.db", "DROP TABLE judging")
    tamper(filled / "redloom.db", "UPDATE alembic_version SET version_num = '0009'")
    done = upgrade_database(url_of(filled))
    assert (done.before, done.now) == ("0009", "0010")
    judges = report_of(url_of(filled), filled)["report"]["card"]["instruments"]
    given = {one["rater"]: one["passes"] for one in judges}
    assert given["scripted:judge.json"] is None and given["nurse-1"] == []
    assert given["rule:refusal"] == [{"sample": None, "seed": 0}]


def test_there_is_nothing_to_look_after_where_there_is_no_database(tmp_path: Path) -> None:
    for look_after in (upgrade_database, check_database):
        with pytest.raises(InputError, match=r"there is no database .*none.db"):
            look_after(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []


def test_every_table_is_copied(cluster: Cluster, filled: Path) -> None:
    """A table that somebody adds is copied too, since the list is the schema's own."""
    away = cluster.make()
    copied = copy_database(url_of(filled), away, on_progress=quiet).rows
    assert copied.keys() == metadata.tables.keys()
    engine = sa.create_engine(away.replace("postgresql", "postgresql+psycopg"))
    with engine.connect() as connection:
        for name, table in metadata.tables.items():
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == copied[name]
    engine.dispose()
