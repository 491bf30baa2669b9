"""A page as HTML: the shell around it, its template, the words of the screen."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from redloom.domain.merging import look_up
from redloom.domain.rubric import Rubric
from redloom.domain.value import LocalText, in_language, read_value
from redloom.services.observing import CUT
from redloom.services.sorting import SAID_WORDS
from redloom.services.taxonomies import taxonomies, title_in_taxonomy, used_taxonomies
from redloom.web.asking import Page, Person
from redloom.web.differences import label_of, plain, tell_apart
from redloom.web.editors import ADDRESSES, KINDS, write_conditions
from redloom.web.fields import as_languages, languages_of

SAID: Mapping[str, str] = {
    "saved": "Saved as a new version.",
    "same": "Nothing was changed, so there is no new version.",
    "endorsed": "Your endorsement is recorded.",
    "dissented": "Your dissent is recorded.",
    "upheld": "The disagreement is recorded for this version too.",
    "sorted": "What you sorted is kept.",
    "endorsed-before": "Your endorsement is recorded for the version you saw. Another came since.",
    "proposed": "Your proposal is kept. It takes effect when somebody who may define accepts it.",
    "change-accepted": "Accepted: it is in force now.",
    "declined": "The proposal is declined.",
    "as_dissent": "The change is kept as dissent.",
    "released": "The release is cut; it never changes from now on.",
    "not-stopped": "There was nothing to stop here: it has ended, or another server has it written.",
    "taken": "The order is yours; nobody else takes it meanwhile.",
    "given-back": "The order is free again.",
    "written": "The scenario is stored, and its test conversations are drafts.",
    "submitted": "Submitted for review.",
    "accepted": "Accepted.",
    "rejected": "Rejected.",
    "retired": "Retired.",
    "reopened": "Open again, as a draft.",
    "unmoved": "Nothing was changed: nothing was chosen, or it was so already.",
    "labelled": "Your label is recorded.",
    "brought_in": "The evidence is there.",
    "begun": "The example study is there.",
    "study-begun": "Your study is there. What stands open below says what to do next.",
    "explored": "The exploration has begun. Say something, as this user would.",
    "cancelled": "The run is cancelled. What was finished stays.",
    "marked": "Your mark is kept.",
    "chosen": "Replies are shown to you like this from now on.",
    "finding-written": "The finding is written down. Try it again to see whether it holds.",
    "moved": "The finding has moved on.",
    "promoted": "The branch is a test conversation now, a draft until somebody reviews it.",
    "joined": "Welcome. What you do here stands under your name.",
    "left": "You have left.",
    "closed": "The study is closed to them from now on; what they did stays.",
}
"""What a page may say of what was just done; a key of this stands in its address, never the words."""


MOST_SHOWN = 20_000
"""Characters of one text on a page; the whole is a link away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What stands around every page."""

    person: Person
    study: str | None
    title: str
    """Of the study."""
    languages: tuple[str, ...]
    studies: tuple[tuple[str, str], ...]
    """(slug, title) of all that this person may see."""
    path: str
    said: str


def render(page: Page, shell: Shell) -> str:
    """The whole HTML document."""
    values = {one.name: getattr(page, one.name) for one in fields(page)}
    return environment().get_template(page.template).render(shell=shell, moment=page.moment, **values)


@cache
def environment() -> Environment:
    """Templates that escape all text and know no undeclared name."""
    made = Environment(
        loader=PackageLoader("redloom.web"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names: Mapping[str, Any] = {
        "static": static_address,
        "label_of": label_of,
        "tell_apart": tell_apart,
        "read_rubric": _read_rubric,
        "most_shown": MOST_SHOWN,
        "cut": CUT,
        "look_up": look_up,
        "as_languages": as_languages,
        "languages_of": languages_of,
        "write_conditions": write_conditions,
        "addresses": ADDRESSES,
        "kinds": KINDS,
        "verdicts": SAID_WORDS,
        "taxonomies": taxonomies,
        "title_in_taxonomy": title_in_taxonomy,
        "used_taxonomies": used_taxonomies,
    }
    made.globals.update(names)
    filters: Mapping[str, Any] = {
        "day": _day,
        "moment": _moment,
        "words": _words,
        "local": _local,
        "prose": _prose,
        "plain": plain,
    }
    made.filters.update(filters)
    return made


@cache
def static_address(name: str) -> str:
    """The address of a static file, which changes with its content, so that browsers may keep it."""
    content = files("redloom.web").joinpath("static", name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(content).hexdigest()[:12]}"


def _read_rubric(value: Any) -> Rubric | None:
    """A rubric of a definition's content; None where there is none."""
    return None if value is None else read_value(Rubric, value)


def _day(at: datetime.datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _moment(at: datetime.datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _words(name: Any) -> str:
    return str(name).replace("_", " ")


def _local(text: LocalText | None, language: str) -> str:
    return in_language(text, language)


def _prose(text: str) -> Markup:
    """Text with its paragraphs; everything in it is escaped."""
    parts = [part for part in text.split("\n\n") if part.strip()]
    return Markup("").join(
        Markup("<p>{}</p>").format(Markup("<br>").join(escape(line) for line in part.split("\n")))
        for part in parts
    )
