"""Runs: how far they are, the conversations they held, and their reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import ClassVar
from urllib.parse import urlencode

from redloom.domain.reading import Reading
from redloom.services import run_pages, talk_pages
from redloom.services.reporting import show_report
from redloom.services.run_pages import RunsPage, RunView
from redloom.services.runs import cancel_run
from redloom.services.talk_pages import Step, TalkFilter, TalkLine, TalksPage, TalkView
from redloom.web.asking import Answer, Ask, Document, Page, See, number_in
from redloom.web.crumbs import Crumb, crumbs_of

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'"
"""A report is one file with its style inside, and without any script."""
TEXT_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""A text is text, whatever stands in it."""
LOOK_SECONDS = 3
"""A page of a run that goes looks again after so long."""
STATES: Mapping[str, str] = {
    "completed": "completed",
    "error": "error",
    "blocked": "blocked by the provider",
    "claimed": "begun",
    "over_budget": "over budget",
    "cancelled": "cancelled",
}
SAID: Mapping[str, str] = {
    "harm": "harm",
    "no_harm": "no harm",
    "unsure": "unsure",
    "depends_on": "depends on a missing fact",
    "refused": "full refusal",
    "unjudged": "not judged",
}


@dataclass(frozen=True, slots=True)
class Where:
    """Which conversations of a run somebody looks at."""

    root: str
    """Address of the list."""
    wanted: TalkFilter

    def to(self, **changes: str) -> str:
        """The list with this filter, at another place."""
        return _address(self.root, _words(self.wanted), urlencode(changes))

    def talk(self, line: TalkLine | Step) -> str:
        """One conversation, with the filter that its neighbours go by."""
        return _address(f"{self.root}/{line.id}", _words(self.wanted), f"case={line.ordinal}")


@lru_cache(64)
def _words(wanted: TalkFilter) -> str:
    """A filter in an address."""
    given = {one.name: getattr(wanted, one.name) for one in fields(TalkFilter)}
    return urlencode({name: value for name, value in given.items() if value})


def _address(root: str, *words: str) -> str:
    query = "&".join(filter(None, words))
    return f"{root}?{query}" if query else root


@dataclass(frozen=True, slots=True, kw_only=True)
class RunList(Page):
    """The runs of a study."""

    template: ClassVar[str] = "runs.html.j2"
    moment: ClassVar[str] = "runs"
    study: str
    found: RunsPage
    state_words: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage(Page):
    """One run."""

    template: ClassVar[str] = "run.html.j2"
    moment: ClassVar[str] = "runs"
    here: str
    view: RunView
    state_words: Mapping[str, str]
    look_seconds: int
    may_cancel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitPage(Page):
    """A report that is being made."""

    template: ClassVar[str] = "waiting.html.j2"
    moment: ClassVar[str] = "runs"
    look_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkList(Page):
    """The conversations of a run."""

    template: ClassVar[str] = "conversations.html.j2"
    moment: ClassVar[str] = "runs"
    found: TalksPage
    where: Where
    state_words: Mapping[str, str]
    said_words: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkPage(Page):
    """One conversation of a run."""

    template: ClassVar[str] = "conversation.html.j2"
    moment: ClassVar[str] = "runs"
    study: str
    here: str
    view: TalkView
    where: Where
    closed: bool
    """This person wants replies about this harm closed until they open them."""
    reading: Reading
    back: str
    """This very page, to come back to."""


def listing(ask: Ask) -> Answer:
    """The runs, newest first."""
    after, before = ask.query.text("after"), ask.query.text("before")
    return RunList(
        heading="Runs",
        crumbs=crumbs_of(ask),
        study=ask.study,
        found=run_pages.list_page(ask.workspace, ask.study, after=after, before=before),
        state_words=STATES,
    )


def entry(ask: Ask) -> Answer:
    """One run; its page looks again while it goes."""
    return RunPage(
        heading=f"Run {ask.parts['run']}",
        crumbs=crumbs_of(ask, ("Runs", "runs")),
        here=_here(ask),
        view=run_pages.view_run(ask.workspace, ask.study, ask.parts["run"]),
        state_words=STATES,
        look_seconds=LOOK_SECONDS,
        may_cancel=ask.person.may("lead"),
    )


def cancel(ask: Ask) -> Answer:
    """Stop a run for good."""
    run = run_pages.view_run(ask.workspace, ask.study, ask.parts["run"]).run
    cancel_run(ask.workspace, run.name)
    return See(_here(ask), "cancelled")


def report(ask: Ask) -> Answer:
    """The report of a run, as ``redloom report`` writes it, its conversations beside it."""
    making = number_in(ask.query.text("making"), 0)
    content = show_report(ask.workspace, ask.study, ask.parts["run"], making=making)
    if content == making:
        return WaitPage(heading="The report is being made", crumbs=_in_run(ask), look_seconds=LOOK_SECONDS)
    if isinstance(content, int):
        return See(f"{_here(ask)}/report?making={content}")
    return Document(content=content, headers={"Content-Security-Policy": REPORT_POLICY})


def conversations(ask: Ask) -> Answer:
    """The conversations of a run that match."""
    wanted = _wanted(ask)
    after, before = ask.query.text("after"), ask.query.text("before")
    found = talk_pages.list_talks(
        ask.workspace, ask.study, ask.parts["run"], wanted, after="" if before else after, before=before
    )
    return TalkList(
        heading="Conversations",
        crumbs=_in_run(ask),
        found=found,
        where=_where(ask, wanted),
        state_words=STATES,
        said_words=SAID,
    )


def conversation(ask: Ask) -> Answer:
    """One conversation of a run."""
    wanted = _wanted(ask)
    view = talk_pages.open_talk(
        ask.workspace,
        ask.study,
        ask.parts["run"],
        ask.parts["interaction"],
        wanted,
        ordinal=number_in(ask.query.text("case"), None),
    )
    where, reading = _where(ask, wanted), ask.reading
    return TalkPage(
        heading=view.frame.scenario.title if view.frame.scenario else view.case,
        crumbs=(*_in_run(ask), ("Conversations", where.to())),
        study=ask.study,
        here=f"{_here(ask)}/conversations/{view.id}",
        view=view,
        where=where,
        closed=reading.closed(view.harm_slug),
        reading=reading,
        back=f"{ask.url}?{urlencode(ask.query.items)}" if ask.query.items else ask.url,
    )


def text(ask: Ask) -> Answer:
    """One message whole, as plain text."""
    content = talk_pages.whole_text(
        ask.workspace,
        ask.study,
        ask.parts["run"],
        ask.parts["interaction"],
        number_in(ask.query.text("turn"), 0),
        reply=ask.query.text("of") == "reply",
    )
    return Document(
        content=content,
        media="text/plain; charset=utf-8",
        headers={"Content-Security-Policy": TEXT_POLICY},
    )


def _wanted(ask: Ask) -> TalkFilter:
    return TalkFilter(**{one.name: ask.query.text(one.name) for one in fields(TalkFilter)})


def _where(ask: Ask, wanted: TalkFilter) -> Where:
    return Where(f"{_here(ask)}/conversations", wanted)


def _here(ask: Ask) -> str:
    return f"/studies/{ask.study}/runs/{ask.parts['run']}"


def _in_run(ask: Ask) -> tuple[Crumb, ...]:
    return (*crumbs_of(ask, ("Runs", "runs")), (f"Run {ask.parts['run']}", _here(ask)))
