"""Looking after databases: their schema, whether they are whole, moving one to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from redloom.domain.study import COLLECTIONS, StudyHead
from redloom.errors import StoreError
from redloom.services.releases import differences
from redloom.storage import copying
from redloom.storage.database import SCHEMA, Database
from redloom.storage.integrity import broken_links, damage
from redloom.storage.unit_of_work import UnitOfWork, unit_of_work


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What an upgrade did."""

    database: str
    before: str | None
    """Schema it had; None where there was nothing."""
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a look at everything stored found."""

    database: str
    schema: str
    definitions: int
    """Versions whose digest was computed again."""
    releases: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied, after its digests were computed again."""

    source: str
    target: str
    rows: Mapping[str, int]
    """By table."""
    definitions: int
    releases: int


def upgrade_database(url: str) -> Upgraded:
    """Bring a database to this version's schema. Raises InputError where there is none, StoreError where it fails."""
    database = Database(url, make=False, older=True)
    try:
        before = database.schema()
        database.upgrade()
        return Upgraded(database=database.name, before=before, now=database.schema() or "")
    finally:
        database.close()


def check_database(url: str) -> Checked:
    """Every digest computed again, every link followed. What is wrong comes as sentences."""
    database = Database(url, make=False)
    try:
        with unit_of_work(database) as unit:
            return _check(database.name, unit)
    finally:
        database.close()


def copy_database(source: str, target: str, *, on_progress: Callable[[str, int], None]) -> Copied:
    """All of one database into another, empty one; its digests are computed again before anything is kept.

    Raises InputError where the target is not empty, StoreError where the copy is not whole.
    """
    reading = Database(source, make=False)
    try:
        writing = Database(target)
        found: list[Checked] = []

        def look(unit: UnitOfWork) -> None:
            found.append(_check(writing.name, unit))
            if found[0].problems:
                told = "; ".join(found[0].problems[:5])
                raise StoreError(f"nothing was copied to {writing.name}: {told}")

        try:
            rows = copying.copy(reading, writing, on_progress=on_progress, before_commit=look)
        finally:
            writing.close()
        return Copied(
            source=reading.name,
            target=writing.name,
            rows=rows,
            definitions=found[0].definitions,
            releases=found[0].releases,
        )
    finally:
        reading.close()


def _check(name: str, unit: UnitOfWork) -> Checked:
    problems = [*damage(unit.connection), *broken_links(unit.connection)]
    definitions = releases = 0
    for study in unit.studies.slugs():
        for problem in _changed(unit, study):
            definitions += 1
            if problem is not None:
                problems.append(f"{study}: {problem}")
        for release in unit.releases(study).all():
            releases += 1
            try:
                problems += [
                    f"{study}@{release.version}: {what}"
                    for what in differences(unit.releases(study), release)
                ]
            except StoreError as error:
                problems.append(f"{study}@{release.version}: {error}")
    return Checked(
        database=name, schema=SCHEMA, definitions=definitions, releases=releases, problems=tuple(problems)
    )


def _changed(unit: UnitOfWork, study: str) -> Iterator[str | None]:
    """For each stored version of a study None, or what is wrong with it."""
    stored = unit.definitions(study)
    for kind in (StudyHead.kind, *(model.kind for model in COLLECTIONS.values())):
        try:
            for version in stored.every_version(kind):
                right = version.definition.content_digest() == version.digest
                yield (
                    None
                    if right
                    else f"{kind} {version.slug} version {version.number} is not what was stored"
                )
        except StoreError as error:
            yield str(error)
