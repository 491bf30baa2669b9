"""Releases: cutting one, looking at one, checking one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from redloom.errors import InputError, Issue
from redloom.services import releasing
from redloom.services.releases import Verified, verify_release
from redloom.services.releasing import BeforeCutting, ReleaseLine, ReleaseView
from redloom.web.asking import Answer, Ask, Page, See
from redloom.web.crumbs import crumbs_of

FIELDS = ("version", "which", "licence", "access", "held_out", "expires", "why")
WHICH = (
    ("all", "All of them", "every one must be accepted"),
    ("only_accepted", "Only the accepted ones", "the others are left out"),
    ("provisional", "All as they are", "the release is marked provisional, and so is every report on it"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasesPage(Page):
    """All releases of a study."""

    template: ClassVar[str] = "releases.html.j2"
    moment: ClassVar[str] = "releases"
    study: str
    cut: tuple[ReleaseLine, ...]
    snapshots: tuple[ReleaseLine, ...]
    may_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPage(Page):
    """What stands against a release, and the form that cuts it."""

    template: ClassVar[str] = "cut.html.j2"
    moment: ClassVar[str] = "releases"
    study: str
    ready: BeforeCutting
    given: Mapping[str, str]
    issues: tuple[Issue, ...] = ()
    wrong: Mapping[str, str]
    """Field -> what is wrong with it."""
    which: tuple[tuple[str, str, str], ...] = WHICH
    access: tuple[str, ...] = releasing.ACCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePage(Page):
    """One release."""

    template: ClassVar[str] = "release.html.j2"
    moment: ClassVar[str] = "releases"
    study: str
    found: ReleaseView
    checked: Verified | None
    first: int = releasing.FIRST


def listing(ask: Ask) -> Answer:
    """All releases."""
    found = releasing.list_releases(ask.workspace, ask.study)
    return ReleasesPage(
        heading="Releases",
        crumbs=crumbs_of(ask),
        study=ask.study,
        cut=tuple(one for one in found if not one.snapshot),
        snapshots=tuple(one for one in found if one.snapshot),
        may_cut=ask.person.may("lead"),
    )


def new(ask: Ask) -> Answer:
    """What stands against a release, and the form."""
    return _cut_page(ask, {"which": "all", "access": "internal"})


def cut(ask: Ask) -> Answer:
    """Cut a release, or say everything that stands against it."""
    given = {name: ask.form.text(name) for name in FIELDS}
    try:
        made = releasing.cut_from_form(ask.workspace, ask.study, given)
    except InputError as error:
        return _cut_page(ask, given, error.issues)
    return See(f"/studies/{ask.study}/releases/{made.version}", "released")


def release(ask: Ask) -> Answer:
    """One release."""
    return _release_page(ask)


def verify(ask: Ask) -> Answer:
    """One release, with what a recomputation of its digests found."""
    return _release_page(ask, verify_release(ask.workspace, ask.study, ask.parts["version"]))


def _cut_page(ask: Ask, given: Mapping[str, str], issues: Sequence[Issue] = ()) -> CutPage:
    return CutPage(
        heading="Cut a release",
        crumbs=crumbs_of(ask, ("Releases", "releases")),
        status=422 if issues else 200,
        study=ask.study,
        ready=releasing.look_before(ask.workspace, ask.study),
        given={**dict.fromkeys(FIELDS, ""), **given},
        issues=tuple(issues),
        wrong={
            name: "; ".join(issue.message for issue in issues if issue.path == name)
            for name in {issue.path for issue in issues}
        },
    )


def _release_page(ask: Ask, checked: Verified | None = None) -> ReleasePage:
    version, against = ask.parts["version"], ask.query.text("against")
    found = releasing.open_release(ask.workspace, ask.study, version, against=against)
    return ReleasePage(
        heading=f"Release {version}",
        crumbs=crumbs_of(ask, ("Releases", "releases")),
        study=ask.study,
        found=found,
        checked=checked,
    )
