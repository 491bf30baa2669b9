"""People come by links that work once, into one role in one study, and nobody else comes in."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest

from redloom.errors import InputError
from redloom.services import people
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.workspace import Workspace
from redloom.web.app import House, create_app
from redloom.web.server import Serving
from web.browsing import ORIGIN, PageFound, Visitor

SCHOOL = "/studies/school-health"


def visitor(workspace: Workspace, *, public: bool = False) -> Visitor:
    return Visitor(create_app(House(workspace=workspace, origins=frozenset({ORIGIN}), public=public)))


def link(lead: Visitor, name: str, role: str) -> str:
    """The path of a new link, made on the page."""
    page = lead.get(f"{SCHOOL}/people")
    sent = [(n, v) for n, v in page.form("/people").filled(name=name) if n != "role"]
    made = PageFound(lead.send(f"{SCHOOL}/people", [*sent, ("role", role)]).text)
    return next(
        str(given["value"]) for tag, given in made.tags if tag == "input" and given.get("readonly", 0) is None
    )[len(ORIGIN) :]


def come(workspace: Workspace, path: str, *, public: bool = False) -> Visitor:
    """Somebody who opened a link and pressed the button."""
    found = visitor(workspace, public=public)
    done = found.send(path, found.get(path).form(path).fields)
    assert done.status_code == 303, done.text
    return found


def test_a_psychologist_comes_by_link_and_disagrees_under_their_own_name(
    school: Visitor, workspace: Workspace
) -> None:
    path = link(school, "Dr Alias", "expert")
    guest = come(workspace, path)
    page = guest.get(SCHOOL)
    assert "Dr Alias, expert" in page.text
    form = guest.get(f"{SCHOOL}/harms/shaming/dissent").form("/dissent")
    guest.send(f"{SCHOOL}/harms/shaming/dissent", form.filled(by="psychologist", why="Tone hurts too."))
    history = school.get(SCHOOL).text
    assert (
        "Dr Alias dissented from harm shaming, version 1, as psychologist : Tone hurts too."
        in history.replace("psychologist:", "psychologist :")
    )


def test_a_link_works_once_and_looking_at_it_does_not_use_it(school: Visitor, workspace: Workspace) -> None:
    path = link(school, "guest", "viewer")
    for _ in range(3):
        assert "as guest , viewer" in visitor(workspace).get(path).text
    come(workspace, path)
    late = visitor(workspace)
    assert "This link was used already" in late.get(path, 422).text
    assert late.send(path, []).status_code == 422
    assert "redloom_session" not in late.client.cookies


def test_a_link_ends_after_a_week_and_a_session_after_a_month(
    school: Visitor, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = people.invite(workspace, "school-health", "late", "viewer")
    guest = come(workspace, link(school, "guest", "viewer"), public=True)
    now = workspace.now()
    monkeypatch.setattr(Workspace, "now", lambda _: now + datetime.timedelta(days=8))
    assert "was good until" in visitor(workspace).get(f"/join/{made.secret}", 422).text
    guest.get(SCHOOL)
    monkeypatch.setattr(Workspace, "now", lambda _: now + datetime.timedelta(days=31))
    guest.get(SCHOOL, 401)


@pytest.mark.parametrize("role", ["red_teamer", "rater", "viewer"])
def test_who_only_looks_changes_nothing(school: Visitor, workspace: Workspace, role: str) -> None:
    guest = come(workspace, link(school, "guest", role))
    assert "New harm" not in guest.get(f"{SCHOOL}/harms").text
    for path in (
        f"{SCHOOL}/harms/shaming/edit",
        f"{SCHOOL}/people",
        f"{SCHOOL}/charter/edit",
        *((f"{SCHOOL}/harms/new", f"{SCHOOL}/charter/propose") if role == "viewer" else ()),
    ):
        assert "That is not yours to do" in guest.get(path, 403).text
    owned = school.get(f"{SCHOOL}/harms/shaming/edit").form("/edit").filled(title="Mine")
    assert guest.send(f"{SCHOOL}/harms/shaming/edit", owned).status_code == 403
    assert guest.send(f"{SCHOOL}/harms/shaming/endorse", [("by", "me")]).status_code == 403
    assert guest.send(f"{SCHOOL}/people", [("name", "x"), ("role", "lead")]).status_code == 403
    assert "Mine" not in school.get(f"{SCHOOL}/harms/shaming").text


def test_an_expert_invites_nobody_and_a_lead_of_one_study_sees_no_other(
    school: Visitor, workspace: Workspace
) -> None:
    apply(workspace, example("bank") / "study.yaml")
    expert = come(workspace, link(school, "e", "expert"))
    expert.get(f"{SCHOOL}/people", 403)
    lead = come(workspace, link(school, "l", "lead"))
    lead.get(f"{SCHOOL}/people")
    for path in ("/studies/bank-desk", "/studies/bank-desk/harms", "/studies/bank-desk/people"):
        assert "There is nothing here" in lead.get(path, 404).text
    assert lead.client.get("/").headers["location"] == SCHOOL
    assert "bank" not in lead.get("/search?q=card&study=bank-desk").text.lower().replace("granddaughter", "")
    assert lead.send("/", []).status_code == 403


def test_who_was_closed_out_is_out_at_once(school: Visitor, workspace: Workspace) -> None:
    guest = come(workspace, link(school, "guest", "expert"), public=True)
    guest.get(SCHOOL)
    done = school.send(f"{SCHOOL}/people/end", [("name", "guest")])
    assert done.headers["location"].endswith("?said=closed")
    guest.get(SCHOOL, 401)
    assert (
        "took part until"
        in PageFound(school.send(f"{SCHOOL}/people", [("name", "guest"), ("role", "expert")]).text).text
    )


def test_leaving_ends_the_session(school: Visitor, workspace: Workspace) -> None:
    guest = come(workspace, link(school, "guest", "viewer"), public=True)
    kept = guest.client.cookies["redloom_session"]
    assert guest.send("/leave", []).status_code == 303
    guest.get(SCHOOL, 401)
    guest.client.cookies.set("redloom_session", kept)
    guest.get(SCHOOL, 401)


PATHS = (
    "/",
    "/glossary",
    "/search?q=a",
    SCHOOL,
    f"{SCHOOL}/harms",
    f"{SCHOOL}/people",
    "/studies/none",
    "/nowhere",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_public_workbench_tells_a_stranger_nothing(
    school: Visitor, workspace: Workspace, path: str
) -> None:
    stranger = visitor(workspace, public=True)
    answer = stranger.client.get(path)
    assert answer.status_code == (404 if path == "/nowhere" else 401)
    for secret in ("Health", "school", "shaming", "lead"):
        assert secret not in PageFound(answer.text).text
    stranger.client.cookies.set("redloom_session", "made-up")
    assert stranger.client.get(path).status_code == (404 if path == "/nowhere" else 401)
    assert stranger.send("/", []).status_code == 401


def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(school: Visitor, workspace: Workspace) -> None:
    path = link(school, "guest", "viewer")
    found = visitor(workspace)
    cookie = found.send(path, []).headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie
    public = House(workspace=workspace, origins=frozenset({"https://redloom.example.org"}), public=True)
    secure = Visitor(create_app(public))
    secure.client.base_url = "https://redloom.example.org"  # type: ignore[assignment]
    made = people.invite(workspace, "school-health", "other", "viewer")
    answer = secure.client.post(f"/join/{made.secret}", headers={"Origin": "https://redloom.example.org"})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_no_secret_is_stored(school: Visitor, workspace: Workspace, tmp_path: Any) -> None:
    made = people.invite(workspace, "school-health", "guest", "viewer")
    session = people.accept(workspace, made.secret)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("redloom.db*"))
    assert b"guest" in stored
    assert made.secret.encode() not in stored and session.secret.encode() not in stored


@pytest.mark.parametrize(
    ("name", "role", "told"),
    [
        ("", "expert", "a name has 1 to 80 characters"),
        ("x" * 81, "expert", "a name has 1 to 80 characters"),
        ("a\u202eb", "expert", "a name has 1 to 80 characters"),
        ("guest", "boss", "no role named 'boss'"),
    ],
)
def test_an_invitation_that_is_wrong_says_so(school: Visitor, name: str, role: str, told: str) -> None:
    answer = school.send(f"{SCHOOL}/people", [("name", name), ("role", role)])
    assert answer.status_code == 422
    assert told in PageFound(answer.text).text


def test_somebody_known_gets_a_new_link_and_keeps_their_role(school: Visitor, workspace: Workspace) -> None:
    link(school, "guest", "viewer")
    come(workspace, link(school, "guest", "viewer"))
    assert len(people.list_people(workspace, "school-health")) == 1
    with pytest.raises(InputError, match="takes part as viewer already"):
        people.invite(workspace, "school-health", "guest", "lead")


PUBLIC = Serving(host="0.0.0.0", at="https://redloom.example.org", behind_proxy=True)


@pytest.mark.parametrize(
    ("serving", "told"),
    [
        (Serving(host="0.0.0.0"), "lets others in"),
        (Serving(host="192.168.1.5"), "lets others in"),
        (Serving(host="somewhere"), "lets others in"),
        (replace(PUBLIC, at="http://redloom.example.org"), "expected an address such as"),
        (replace(PUBLIC, at="https://redloom.example.org/path"), "expected an address such as"),
        (replace(PUBLIC, behind_proxy=False), "--at goes with"),
        (Serving(behind_proxy=True), "say with --at"),
        (replace(PUBLIC, certificate=example("bank") / "study.yaml"), "go together"),
    ],
)
def test_beyond_the_loopback_only_with_tls_and_a_named_address(serving: Serving, told: str) -> None:
    with pytest.raises(InputError, match=told):
        serving.check()


@pytest.mark.parametrize("serving", [Serving(), Serving(host="::1"), Serving(host="localhost"), PUBLIC])
def test_what_is_safe_may_serve(serving: Serving) -> None:
    serving.check()
