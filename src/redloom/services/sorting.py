"""Sorting replies by what one takes for harm, beside what the definition says: the way into a dissent."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redloom.domain.harm import Harm
from redloom.domain.interaction import Interaction
from redloom.domain.rendering import Frames
from redloom.domain.rubric import Outcome, Rubric
from redloom.domain.sorting import MOST_REPLIES, Sorting
from redloom.domain.value import read_value
from redloom.errors import InputError, Issue, UnknownNameError
from redloom.ids import time_of
from redloom.report.words import plural
from redloom.services.conversations import pieces
from redloom.services.workspace import Workspace
from redloom.storage.mapping import StoredFact, StoredVersion
from redloom.storage.repositories.runs import StoredRun
from redloom.storage.unit_of_work import UnitOfWork

KIND = "sorting"
SAID_WORDS: Mapping[str, str] = {
    "harm": "harm",
    "no_harm": "no harm",
    "unsure": "unsure",
    "depends_on": "depends on a missing fact",
}
"""Verdicts in the words of the screen."""
QUOTED = 200
"""Characters of a reply that a reason quotes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A conversation to sort, and where it comes from."""

    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A reply on the table: what was said of it so far, and how far the questions were answered."""

    text: str
    source: str
    sorted: str = ""
    reason: str = ""
    path: tuple[tuple[str, str], ...] = ()
    asked: str = ""
    """The question that is next; empty at the end."""
    outcome: Outcome | None = None

    def item(self) -> dict[str, Any]:
        """As it is kept."""
        found: dict[str, Any] = {
            "text": self.text,
            "source": self.source,
            "sorted": self.sorted,
            "reason": self.reason,
            "path": [list(step) for step in self.path],
        }
        if self.outcome is not None:
            found |= {"verdict": self.outcome.verdict, "severity": self.outcome.severity}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A sorting as it is stored."""

    id: str
    number: int
    """The version of the harm that it is about."""
    author: str
    at: datetime.datetime
    sorting: Sorting
    rubric: Rubric
    """The questions of that version."""


def lay(text: str, source: str, sorted: str, reason: str, rubric: Rubric, answers: Mapping[str, str]) -> Laid:
    """A reply with the path that ``answers`` (by question) take through the rubric."""
    given: list[str] = []
    then: str | Outcome = rubric.start
    path: tuple[tuple[str, str], ...] = ()
    while isinstance(then, str) and then in answers:
        given.append(answers[then])
        path, after = rubric.walk(given)
        if after == then:
            break
        then = after
    return Laid(
        text=text,
        source=source,
        sorted=sorted,
        reason=reason,
        path=path,
        asked=then if isinstance(then, str) else "",
        outcome=None if isinstance(then, str) else then,
    )


def held_replies(workspace: Workspace, study: str, slug: str) -> list[Reply]:
    """Conversations about a harm from the newest run that held any: one a case, at most MOST_REPLIES."""
    with workspace.begin() as unit:
        for run in unit.runs.all(unit.study_id(study)):
            found: list[Reply] = []
            for reply in _held(unit, run, slug):
                found.append(reply)
                if len(found) == MOST_REPLIES:
                    break
            if found:
                return found
    return []


def _held(unit: UnitOfWork, run: StoredRun, slug: str) -> Iterator[Reply]:
    frames = Frames(unit.releases(run.study_id).definitions(run.release_id))
    seen: set[str] = set()
    for piece in pieces(unit, run, frames):
        for work in piece:
            about = frames.harm(work.case)
            if about is None or about[0] != slug or work.slug in seen:
                continue
            text = write_conversation(work.interaction)
            if text:
                seen.add(work.slug)
                yield Reply(text, f"run {run.name}, test conversation {work.slug}")


def write_conversation(interaction: Interaction) -> str:
    """The turns of a conversation as one text."""
    said: list[str] = []
    for turn in interaction.turns:
        said += [f"User: {turn.text}"] if turn.text else []
        said += [f"System: {turn.reply}"] if turn.reply else []
    return "\n\n".join(said)


def pasted_replies(text: str) -> list[Reply]:
    """The conversations of a text, with a line of ``---`` between two. Raises InputError."""
    parts = [part.strip() for part in re.split(r"^[ \t]*-{3,}[ \t]*$", text, flags=re.MULTILINE)]
    found = [Reply(part, "pasted") for part in parts if part]
    if not found:
        raise InputError(
            Issue(
                "nothing was pasted; paste one conversation, or several with a line of --- between two",
                path="pasted",
            )
        )
    if len(found) > MOST_REPLIES:
        raise InputError(
            Issue(
                f"{len(found)} conversations were pasted; at most {MOST_REPLIES} can be sorted at once",
                path="pasted",
            )
        )
    return found


def check(by: str, laid: Sequence[Laid]) -> None:
    """Raise InputError with all that keeps a sorting from being one."""
    issues: list[Issue] = []
    if not by:
        issues.append(Issue("say as whom you sort: your role, not your name", path="by"))
    for number, reply in enumerate(laid):
        if reply.sorted and not reply.reason:
            issues.append(
                Issue(
                    f"reply {number + 1} is sorted without a reason; a few words do", path=f"reason:{number}"
                )
            )
        if reply.reason and not reply.sorted:
            issues.append(
                Issue(f"reply {number + 1} has a reason and is not sorted", path=f"sorted:{number}")
            )
    if not any(reply.sorted for reply in laid):
        issues.append(Issue("no reply is sorted; sort at least one", path="sorted:0"))
    if issues:
        raise InputError(issues)


def keep(workspace: Workspace, study: str, slug: str, *, base: str, by: str, laid: Sequence[Laid]) -> str:
    """Store what was sorted, about the version with the digest ``base``; gives its id. Raises InputError."""
    check(by, laid)
    items = [reply.item() for reply in laid if reply.sorted]
    sorting = read_value(Sorting, {"by": by, "items": items})
    with workspace.begin() as unit:
        versions = _versions(unit, study, slug)
        about = next((version for version in versions if version.digest == base), versions[-1])
        identity = workspace.ids.new()
        row = {"id": identity, "definition_id": about.definition_id, "kind": KIND, "about": about.digest}
        body = sorting.model_dump(mode="json", exclude_defaults=True)
        unit.definitions(study).add_facts([{**row, "body": body, "author": workspace.who, "why": ""}])
        many = plural(len(items), "reply", "replies")
        what = f"sorted {many} on harm {slug}, version {about.number}, as {by}"
        unit.studies.record(
            unit.study_id(study), id=workspace.ids.new(), who=workspace.who, what=what, why=""
        )
    return identity.hex()


def list_sortings(workspace: Workspace, study: str, slug: str) -> list[Kept]:
    """What was sorted on any version of a harm, newest first."""
    with workspace.begin() as unit:
        versions = {version.digest: version for version in _versions(unit, study, slug)}
        facts = unit.definitions(study).all_facts(KIND, subject="harm")
        found = [_kept(fact, versions[fact.about]) for name, fact in facts if name == slug]
    return found[::-1]


def open_sorting(workspace: Workspace, study: str, slug: str, id: str) -> Kept:
    """One of them; raises UnknownNameError."""
    known = {kept.id: kept for kept in list_sortings(workspace, study, slug)}
    if id not in known:
        raise UnknownNameError(f"sorting on {slug}", id, known)
    return known[id]


def write_why(kept: Kept) -> str:
    """A reason to disagree, from where the person and the definition part."""
    differing = kept.sorting.differing()
    many = plural(len(kept.sorting.items), "reply", "replies")
    lines = [f"I sorted {many}; on {len(differing)} of them the definition says otherwise."]
    for number, item in enumerate(differing, 1):
        said, verdict = SAID_WORDS[item.sorted], SAID_WORDS[str(item.verdict)]
        quoted = " ".join(item.text.split())
        cut = quoted if len(quoted) <= QUOTED else quoted[:QUOTED] + " ..."
        lines.append(f"{number}. I say {said}, it says {verdict}: {item.reason}\n({cut})")
    return "\n\n".join(lines)


def with_examples(kept: Kept, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a harm with the sorted replies among its examples and counter-examples."""
    found = dict(content)
    for sort, field in (("harm", "examples"), ("no_harm", "counter_examples")):
        new = [{"text": one.text, "why": one.reason} for one in kept.sorting.items if one.sorted == sort]
        if new:
            found[field] = [*found.get(field, ()), *new]
    return found


def _versions(unit: UnitOfWork, study: str, slug: str) -> list[StoredVersion]:
    stored = unit.definitions(study)
    found = stored.versions("harm", slug)
    if not found:
        raise UnknownNameError("harm", slug, stored.slugs("harm"))
    return found


def _kept(fact: StoredFact, version: StoredVersion) -> Kept:
    return Kept(
        id=fact.id.hex(),
        number=version.number,
        author=fact.author,
        at=time_of(fact.id),
        sorting=read_value(Sorting, fact.body),
        rubric=cast(Harm, version.definition).rubric,
    )
