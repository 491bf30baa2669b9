"""The same services as JSON: described, guarded, and with every problem at once."""

from __future__ import annotations

from pathlib import Path

from redloom.services.people import accept, invite
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace
from redloom.web.app import House, create_app
from web.browsing import ORIGIN, Visitor
from web.talking import STUDY, declare, scenario

API = f"/api/v1/studies/{STUDY}"


def test_it_is_described_and_every_address_is_there(school: Visitor) -> None:
    told = school.client.get("/api/v1/openapi.json").json()
    assert told["openapi"].startswith("3.") and "/studies/{study}" in told["paths"]
    for path in ("/studies/{study}/map", "/studies/{study}/findings", "/studies/{study}/explorations"):
        assert school.client.get("/api/v1" + path.format(study=STUDY)).status_code == 200
    assert school.client.get("/api/v1/docs").status_code == 404
    assert list(school.client.get("/api/v1/studies").json()) == [STUDY]


def test_a_definition_is_changed_from_its_base_and_not_over_another(school: Visitor) -> None:
    where = f"{API}/harms/shaming"
    newest = school.client.get(where).json()["versions"][0]
    content = newest["definition"] | {"title": "Shaming people"}
    sent = {"content": content, "base": newest["digest"], "why": "clearer"}
    headers = {"Origin": ORIGIN}
    assert school.client.put(where, json=sent, headers=headers).json()["number"] == 2
    other = {**sent, "content": {**content, "title": "Another"}}
    late = school.client.put(where, json=other, headers=headers)
    assert late.status_code == 409 and late.json()["changes"][0]["path"] == "title"
    wrong = school.client.put(where, json={**sent, "content": {"titel": "x"}}, headers=headers)
    assert wrong.status_code == 422
    assert "did you mean 'title'" in str(wrong.json()["problems"])


def test_an_exploration_goes_by_messages(
    red_teamer: Visitor, workspace: Workspace, talks: Talks, tmp_path: Path
) -> None:
    declare(workspace, tmp_path, "nurse", otherwise="Ask your nurse.")
    headers = {"Origin": ORIGIN}
    begun = {"targets": ["nurse"], "scenario": scenario(workspace)}
    id = red_teamer.client.post(f"{API}/explorations", json=begun, headers=headers).json()["id"]
    where = f"{API}/explorations/{id}"
    assert (
        red_teamer.client.post(f"{where}/messages", json={"text": "Hello?"}, headers=headers).status_code
        == 202
    )
    assert talks.wait(tuple(talks.live), seconds=10)
    (move,) = red_teamer.client.get(where).json()["moves"]
    assert move["text"] == "Hello?" and move["exchanges"]["0"]["turn"]["reply"] == "Ask your nurse."


def test_strangers_foreign_origins_and_lesser_roles_are_refused(
    school: Visitor, workspace: Workspace
) -> None:
    assert school.client.put(f"{API}/harms/shaming", json={}).status_code == 403
    public = Visitor(create_app(House(workspace=workspace, origins=frozenset({ORIGIN}), public=True)))
    assert public.client.get("/api/v1/studies").status_code == 401
    session = accept(workspace, invite(workspace, STUDY, "A viewer", "viewer").secret).secret
    public.client.cookies.set("redloom_session", session)
    assert public.client.get(API).status_code == 200
    assert public.client.get("/api/v1/studies/elsewhere").status_code == 404
    assert public.client.get(f"{API}/explorations").status_code == 403
    sent = {"content": {}, "base": None}
    refused = public.client.put(f"{API}/harms/shaming", json=sent, headers={"Origin": ORIGIN})
    assert refused.status_code == 403 and "as viewer you may not" in str(refused.json())


def test_what_is_not_there_is_told_with_the_nearest_name(school: Visitor) -> None:
    told = school.client.get(f"{API}/harms/shamin")
    assert told.status_code == 404 and "did you mean 'shaming'" in told.json()["problems"][0]["message"]
