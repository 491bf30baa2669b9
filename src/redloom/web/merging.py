"""Two changes of one version on one page: for two who edit the same, and for a proposal that was overtaken.

The page carries what was given and the versions both rest on, so that it asks nothing of the server in between; when a
third change comes while somebody decides, what they made of the first two meets that one in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

from redloom.domain.merging import Met, blend, meet, put, put_together
from redloom.domain.value import read_value
from redloom.errors import InputError, Issue
from redloom.services.defining import Opened, Version, model_of
from redloom.web.asking import Ask, Form, Page
from redloom.web.editors import EDITORS
from redloom.web.fields import Editor, Field, Setting

Choice = Literal["now", "given", "own", ""]
"""What is in force, what was given, what somebody wrote; or nothing chosen yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """What was given, made from one version, and the version that is in force."""

    kind: str
    before: Version | None
    """The version that what was given was made from; None for a new definition."""
    now: Version | None
    """The version in force when somebody looked."""
    given: Mapping[str, Any]
    met: tuple[Met, ...]
    """Every place where they are not all alike."""

    @classmethod
    def of(cls, opened: Opened, *, made_from: str, seen: str, given: Mapping[str, Any]) -> Self:
        """What was given for a definition there is, in itself right; the versions are named by their digests."""
        given = read_value(model_of(opened.kind), given).content()
        before, now = opened.version(made_from), opened.version(seen)
        contents = {"before": before.definition.content(), "now": now.definition.content()}
        met = tuple(meet(model_of(opened.kind), given=given, **contents))
        return cls(kind=opened.kind, before=before, now=now, given=given, met=met)

    @classmethod
    def of_new(cls, kind: str, given: Mapping[str, Any]) -> Self:
        """A definition there is not yet, which meets nothing."""
        given = read_value(model_of(kind), given).content()
        return cls(kind=kind, before=None, now=None, given=given, met=())

    @property
    def seen(self) -> str:
        """Digest of the version in force; empty where there is none."""
        return self.now.digest if self.now else ""

    @property
    def clashes(self) -> tuple[Met, ...]:
        """The places that somebody has to decide on."""
        return tuple(one for one in self.met if one.clash)

    def begin(self) -> dict[str, Any]:
        """What the fields begin with: both together, and at a clash both as far as that can be."""
        if self.now is None:
            return dict(self.given)
        content = put_together(self.now.definition.content(), self.met)
        for one in self.clashes:
            content = put(content, one.path, blend(one))
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What somebody made of two changes."""

    typed: Mapping[str, Any]
    """What stands in the fields, chosen or not."""
    content: Mapping[str, Any]
    issues: tuple[Issue, ...]
    """Clashes that nothing was chosen for."""


def carried(form: Form, opened: Opened | None, kind: str = "") -> Meeting:
    """The two changes that a form carries; raises InputError where it carries no such thing."""
    kind = opened.kind if opened else kind
    given = form.json("given")
    if not isinstance(given, dict):
        raise InputError("this form is not whole; go back and open the page again")
    content = cast(dict[str, Any], given)
    if opened is None:
        return Meeting.of_new(kind, content)
    return Meeting.of(opened, made_from=form.text("from"), seen=form.text("base"), given=content)


def settle(form: Form, meeting: Meeting, setting: Setting) -> Settled:
    """What a form makes of two changes: for each clash what is in force, what was given, or what was written."""
    typed: dict[str, Any] = EDITORS[meeting.kind].take(form, meeting.begin(), setting)
    content, issues = typed, list[Issue]()
    for one in meeting.clashes:
        match _choice(form, one):
            case "now":
                content = put(content, one.path, one.now)
            case "given":
                content = put(content, one.path, one.given)
            case "own":
                pass
            case "":
                issues.append(Issue("choose one of the three", path=one.path))
    return Settled(typed=typed, content=content, issues=tuple(issues))


def _choice(form: Form, one: Met) -> Choice:
    chosen = form.text(f"choice:{one.path}")
    return cast(Choice, chosen) if chosen in ("now", "given", "own") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePage(Page):
    """Two changes side by side, with a choice wherever they clash and the editor for all the rest."""

    template: ClassVar[str] = "merge.html.j2"
    moment: ClassVar[str] = "define"
    meeting: Meeting
    met: bool
    """The other version came while somebody wrote."""
    asked: tuple[tuple[Met, Field | None], ...]
    """What is to be chosen, with the field to write it in; None for what has none."""
    choices: Mapping[str, Choice]
    given: str
    """What was given, as the form carries it."""
    given_words: str
    """Whose it is."""
    editor: Editor
    content: Mapping[str, Any]
    setting: Setting
    slug: str
    """The name of a new definition."""
    why: str
    why_help: str
    issues: tuple[Issue, ...]
    by_field: Mapping[str, str]
    button: str

    @classmethod
    def of(
        cls,
        ask: Ask,
        meeting: Meeting,
        *,
        heading: str,
        crumbs: tuple[tuple[str, str], ...],
        setting: Setting,
        typed: Mapping[str, Any] | None,
        issues: Sequence[Issue],
        by_field: Mapping[str, str],
        given_words: str,
        button: str,
        met: bool = False,
        slug: str = "",
        why_help: str = "Goes to the history.",
    ) -> Self:
        """The page of a meeting; ``typed`` is what stands in its fields if not what they begin with."""
        fields = {one.path: one for one in EDITORS[meeting.kind].fields()}
        return cls(
            heading=heading,
            crumbs=crumbs,
            status=409 if met else 422 if issues else 200,
            meeting=meeting,
            met=met,
            asked=tuple((one, fields.get(one.path)) for one in meeting.clashes),
            choices={one.path: _choice(ask.form, one) for one in meeting.clashes},
            given=json.dumps(meeting.given),
            given_words=given_words,
            editor=EDITORS[meeting.kind],
            content=meeting.begin() if typed is None else typed,
            setting=setting,
            slug=slug,
            why=ask.form.text("why"),
            why_help=why_help,
            issues=tuple(issues),
            by_field=by_field,
            button=button,
        )
