"""Imports run one way, and every library has one owner. The lists of exceptions may only shrink."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import redloom

ROOT = Path(redloom.__file__).parent
BASE = frozenset({"errors", "ids"})
MIDDLE = frozenset({"datasets", "design", "engine", "judging", "report", "stats", "storage", "targets"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "ids": frozenset(),
    "settings": frozenset(),
    "domain": BASE,
    "stats": BASE,
    "storage": BASE | {"domain"},
    "targets": BASE | {"domain"},
    "design": BASE | {"domain"},
    "datasets": BASE | {"domain"},
    "report": BASE | {"domain"},
    "engine": BASE | {"domain", "targets"},
    "judging": BASE | {"domain", "targets"},
    "services": BASE | MIDDLE | {"domain", "settings"},
    "cli": BASE | {"domain", "services", "settings", "web"},
    "web": BASE | {"domain", "services", "settings"},
    "testing": BASE | {"domain", "targets"},
    "__init__": BASE | {"domain", "services", "settings"},
    "__main__": frozenset({"cli"}),
    "_version": frozenset(),
}
"""What each room of the package may import besides itself."""
EXCEPTIONS = frozenset(
    {
        ("cli/create.py", "datasets"),
        ("cli/define.py", "datasets"),
        ("cli/demo.py", "targets"),
    }
)
"""(module, room) pairs that break the rule; a pair that is no longer needed fails the test."""

OWNERS: dict[str, frozenset[str]] = {
    "aiohttp": frozenset({"targets"}),
    "alembic": frozenset({"storage"}),
    "anyio": frozenset({"web"}),
    "covertable": frozenset({"design"}),
    "fastapi": frozenset({"web"}),
    "inspect_ai": frozenset({"targets"}),
    "jinja2": frozenset({"report", "web"}),
    "markupsafe": frozenset({"report", "web"}),
    "numpy": frozenset({"datasets", "design", "stats"}),
    "platformdirs": frozenset({"targets"}),
    "pydantic": frozenset({"datasets", "domain", "storage", "targets"}),
    "pydantic_core": frozenset({"targets"}),
    "psycopg": frozenset({"storage"}),
    "rensa": frozenset({"datasets"}),
    "rfc8785": frozenset({"ids"}),
    "rich": frozenset({"cli"}),
    "scipy": frozenset({"datasets", "design", "stats"}),
    "sqlalchemy": frozenset({"storage"}),
    "starlette": frozenset({"web"}),
    "typer": frozenset({"cli"}),
    "xllamacpp": frozenset({"targets"}),
    "uvicorn": frozenset({"web"}),
    "yaml": frozenset({"datasets"}),
}
"""The rooms that may import a library; one that is not listed here has no owner and may be imported nowhere."""

IMPURE = frozenset(
    {
        "asyncio",
        "io",
        "os",
        "pathlib",
        "random",
        "secrets",
        "shutil",
        "socket",
        "sqlite3",
        "subprocess",
        "tempfile",
    }
    | {"threading", "time", "urllib", "uuid"}
)
"""What a plain value needs nothing of: files, clocks, chance, network."""


@dataclass(frozen=True)
class Import:
    """One import of a module; ``at_load`` where importing the module runs it."""

    file: str
    room: str
    name: str
    line: int
    at_load: bool

    @property
    def parts(self) -> list[str]:
        return self.name.split(".")


def _statements(tree: ast.AST, *, at_load: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_load
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            inside = True
        yield from _statements(child, at_load=at_load and not inside)


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import of a module, under its absolute name."""
    file = path.relative_to(root)
    room = file.parts[0] if len(file.parts) > 1 else file.stem
    package = ["redloom", *file.parts[:-1]]
    for node, at_load in _statements(ast.parse(path.read_text(encoding="utf-8")), at_load=True):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            whole = (root.parent / Path(*module.split("."))).is_dir()
            names = [f"{module}.{alias.name}" for alias in node.names] if whole else [module]
        for name in names:
            yield Import(str(file), room, name, node.lineno, at_load)


IMPORTS = [one for path in sorted(ROOT.rglob("*.py")) for one in imports_of(path, ROOT)]


def _room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else "__init__"


OWN = [one for one in IMPORTS if one.parts[0] == "redloom"]
BREACHES = {
    (one.file, _room_of(one.name))
    for one in OWN
    if _room_of(one.name) != one.room and _room_of(one.name) not in MAY_IMPORT.get(one.room, frozenset())
}


def test_the_walk_sees_imports_of_every_kind(tmp_path: Path) -> None:
    """The test that this test can fail."""
    package = tmp_path / "redloom" / "domain"
    package.mkdir(parents=True)
    (package / "x.py").write_text(
        "import sqlalchemy.orm as o\n"
        "from redloom.storage import tables\n"
        "from ..services import cases\n"
        "from . import y\n"
        "def f():\n    import redloom.web\n"
        "if TYPE_CHECKING:\n    from redloom.cli import output\n"
        "try:\n    from numpy import array\nexcept ImportError:\n    pass\n"
    )
    found = [(one.name, one.at_load) for one in imports_of(package / "x.py", tmp_path / "redloom")]
    assert found == [
        ("sqlalchemy.orm", True),
        ("redloom.storage", True),
        ("redloom.services", True),
        ("redloom.domain.y", True),
        ("redloom.web", False),
        ("redloom.cli", False),
        ("numpy", True),
    ]


def test_every_room_is_known() -> None:
    rooms = {
        path.stem if path.is_file() else path.name for path in ROOT.iterdir() if path.suffix in (".py", "")
    }
    assert rooms - {"__pycache__", "examples", "taxonomies"} <= MAY_IMPORT.keys()
    assert {one.room for one in IMPORTS} <= MAY_IMPORT.keys()


def test_imports_run_one_way() -> None:
    assert sorted(BREACHES - EXCEPTIONS) == []


def test_every_exception_is_still_needed() -> None:
    assert sorted(EXCEPTIONS - BREACHES) == []


@pytest.mark.parametrize("room", ["engine", "judging"])
def test_engine_and_judging_see_only_what_a_target_is(room: str) -> None:
    found = {one.name for one in OWN if one.room == room and _room_of(one.name) == "targets"}
    assert found == {"redloom.targets.base", "redloom.targets.patience"}


def test_every_library_is_imported_by_its_owners_only() -> None:
    foreign = [one for one in IMPORTS if one.parts[0] not in {"redloom", *sys.stdlib_module_names}]
    nobody: frozenset[str] = frozenset()
    assert [one for one in foreign if one.room not in OWNERS.get(one.parts[0], nobody)] == []
    assert {one.parts[0] for one in foreign} == OWNERS.keys()


def test_the_domain_touches_no_file_clock_chance_or_network() -> None:
    assert [one for one in IMPORTS if one.room in ("domain", "stats") and one.parts[0] in IMPURE] == []


def test_nothing_is_imported_in_a_circle() -> None:
    modules = {
        ".".join(["redloom", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__"): path
        for path in ROOT.rglob("*.py")
    }
    edges: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for one in imports_of(path, ROOT):
            if one.at_load and one.name in modules and one.name != name:
                edges[name].add(one.name)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in sorted(edges[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())
    assert len(done) == len(modules) > 50
