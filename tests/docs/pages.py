"""The pages of the documentation as steps that can be run: files to write, edits to make, commands to call.

A step's block may follow comments of the form ``<!-- docs: WORD REST -->``:

=========  =====================================================================================
folder     ``empty``: go on in a fresh folder
file       write the block to this file (as does ``title="NAME.ext"`` after the language)
append     add the block to the end of this file
insert     ``FILE after LINE``: put the block below the first line that starts with LINE
typo       ``FILE OLD -> NEW``: make this slip before the commands, and undo it after them
with       ``OLD -> NEW``: run with NEW where the page says OLD
input      what a person types, separated by ``|``
status     the exit status of the last command; 0 without it
server     ``FILE PORT``: start this script; PORT is replaced by a free one
contains   the lines of the block stand in this file
skip       the reason why the block is not run
=========  =====================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
RUN = ("tutorial.md", *(page for page in PAGES if page.startswith("how-to/")))

_BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```\s*$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- docs: (\w+) (.*?) -->")
_TITLE = re.compile(r'title="([\w./-]+\.\w+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page and the comments before it."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block and what the page says it prints."""

    line: str
    shown: tuple[str, ...]


def text_of(page: str) -> str:
    """The source of a page."""
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page in order."""
    source = text_of(page)
    found: list[Block] = []
    for match in _BLOCK.finditer(source):
        indent = match[1]
        lines = [line.removeprefix(indent) for line in match[4].splitlines()]
        marks: dict[str, str] = {}
        before = source[: match.start()].rstrip("\n").splitlines()
        while before and (mark := _MARK.fullmatch(before[-1].strip())):
            marks[mark[1]] = mark[2]
            before.pop()
        title = _TITLE.search(match[3])
        if title is not None:
            marks.setdefault("file", title[1])
        line = source.count("\n", 0, match.start()) + 1
        found.append(
            Block(page=page, line=line, language=match[2], text="\n".join(lines) + "\n", marks=marks)
        )
    return found


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ()))
        elif found and line.strip():
            found[-1] = Command(found[-1].line, (*found[-1].shown, line))
    return found


_CHANGING = (
    (re.compile(r"\b2[0-9a-z]{9}\b"), "RUN"),
    (re.compile(r"sha256:[0-9a-f.]+"), "sha256:"),
    (re.compile(r"^(> ?)+"), ""),
    (re.compile(r"(> )?(That is: .* b to go back\):).*"), r"\2"),
    (re.compile(r"\s+"), " "),
)


def plain(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, text in _CHANGING:
        line = pattern.sub(text, line)
    return line.strip()


def lacking(shown: tuple[str, ...], printed: str) -> str | None:
    """The first line shown that was not printed after the ones before it; ``...`` stands for anything."""
    lines = printed.splitlines()
    rest = iter([one for line in lines for one in _parts(line)])
    for line in shown:
        wanted = plain(line)
        if wanted == "..." or not wanted or re.fullmatch(r"> ?\w*", line.strip()):
            continue
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in wanted.split("...")))
        if not any(pattern.fullmatch(one) or (wanted.endswith("...") and pattern.match(one)) for one in rest):
            return line
    return None


def _parts(line: str) -> list[str]:
    """A printed line; a prompt that ends in a stored answer is two."""
    head, colon, tail = line.partition("b to go back): ")
    return [plain(head + colon), plain(tail)] if colon else [plain(line)]
