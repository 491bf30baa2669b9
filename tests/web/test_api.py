"""The same services as JSON: described, guarded, and with every problem at once."""

from __future__ import annotations

from pathlib import Path

from fastapi.routing import APIRoute

from redloom.services.cases import list_cases, review
from redloom.services.people import accept, invite
from redloom.services.proposals import propose
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.talking import Talks
from redloom.services.workspace import Workspace
from redloom.web.api.app import ROUTERS
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


def routes() -> list[tuple[str, APIRoute]]:
    """(method, route) of every address but the description."""
    found = [one for router in ROUTERS for one in router.routes]
    return [(method, one) for one in found if isinstance(one, APIRoute) for method in sorted(one.methods)]


def test_every_address_declares_what_it_answers(school: Visitor) -> None:
    told = school.client.get("/api/v1/openapi.json").json()
    found = routes()
    assert len(found) > 20
    assert {one.path for _, one in found} == set(told["paths"])
    for method, one in found:
        answers = told["paths"][one.path][method.lower()]["responses"]
        well = [status for status in answers if status.startswith("2")]
        assert len(well) == 1 and {"401", "403", "404", "422", "503"} <= answers.keys(), one.path
        for status, answer in answers.items():
            schema = answer["content"]["application/json"]["schema"]
            assert schema, (one.path, status)


def test_every_address_refuses_a_stranger_and_whoever_may_only_read(
    school: Visitor, workspace: Workspace
) -> None:
    public = Visitor(create_app(House(workspace=workspace, origins=frozenset({ORIGIN}), public=True)))
    here = {"study": STUDY, "collection": "harms", "slug": "shaming", "id": "0" * 32, "number": "1"}
    values = {**here, "version": "1.0", "before": "1.0", "run": "2v59ed1yrv"}

    def ask(method: str, route: APIRoute) -> int:
        path = "/api/v1" + route.path.format(**values)
        return public.client.request(method, path, json={}, headers={"Origin": ORIGIN}).status_code

    for method, one in routes():
        assert ask(method, one) == 401, one.path
    session = accept(workspace, invite(workspace, STUDY, "A viewer", "viewer").secret).secret
    public.client.cookies.set("redloom_session", session)
    for method, one in routes():
        if method != "GET":
            assert ask(method, one) == 403, one.path
    values["study"] = "elsewhere"
    for method, one in routes():
        if "{study}" in one.path:
            assert ask(method, one) == 404, one.path


def test_cases_are_listed_page_by_page_read_and_decided_on_as_they_were_read(school: Visitor) -> None:
    seen: list[str] = []
    after = ""
    while True:
        page = school.client.get(
            f"{API}/cases", params={"sort": "name", "status": "draft", "after": after}
        ).json()
        seen += [line["slug"] for line in page["lines"]]
        after = page["after"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == page["matching"]
    some = school.client.get(f"{API}/cases", params={"persona": page["choices"]["persona"][0][0]}).json()
    assert 0 < some["matching"] < page["matching"]
    read = school.client.get(f"{API}/cases/{seen[0]}").json()
    assert read["status"] == "draft" and read["turns"] and read["digest"] == read["versions"][0]["digest"]
    headers = {"Origin": ORIGIN}
    sent = {"action": "accept", "cases": {seen[0]: read["digest"]}, "why": "fine"}
    assert school.client.post(f"{API}/cases/review", json=sent, headers=headers).json()["moved"] == 1
    assert school.client.get(f"{API}/cases/{seen[0]}").json()["reviews"][0]["why"] == "fine"
    late = {**sent, "cases": {seen[0]: read["digest"], seen[1]: read["digest"]}}
    refused = school.client.post(f"{API}/cases/review", json=late, headers=headers)
    assert refused.status_code == 409 and refused.json() == {"moved": 0, "changed": [seen[1]], "left": 0}
    assert school.client.get(f"{API}/cases/nothing").status_code == 404


def test_an_order_is_taken_and_written(school: Visitor) -> None:
    headers = {"Origin": ORIGIN}
    order = school.client.get(f"{API}/orders").json()[0]
    parts = {"parts": order["parts"]}
    assert school.client.post(f"{API}/orders/take", json=parts, headers=headers).json() == {"done": True}
    taken = school.client.get(f"{API}/orders", params=order["parts"]).json()
    assert [one["taken_by"] for one in taken] == ["lead"]
    back = school.client.post(f"{API}/orders/give-back", json={"key": order["key"]}, headers=headers)
    assert back.status_code == 200
    scenario = {
        "title": "New",
        "user_goal": "To know.",
        "expected": {"behaviour": "help", "sentence": "It does."},
    }
    sent = {**parts, "scenario": scenario, "case": {"script": ["Hello?"]}}
    made = school.client.post(f"{API}/orders/write", json=sent, headers=headers)
    assert made.status_code == 201 and made.json()["scenario"] == order["key"]
    again = school.client.post(f"{API}/orders/write", json={**sent, "case": {}}, headers=headers)
    assert again.status_code == 422 and len(again.json()["problems"]) == 2


def test_releases_are_weighed_read_and_compared(school: Visitor, workspace: Workspace) -> None:
    before = school.client.get(f"{API}/releases/new").json()
    assert before["since"] is None and "not accepted" in before["reasons"][0]["told"]
    for version in ("1.0", "2.0"):
        cut_release(workspace, STUDY, version, ReleaseOptions(provisional=True))
        review(workspace, STUDY, "reject", [list_cases(workspace, STUDY, status="draft")[0].slug])
    assert [one["version"] for one in school.client.get(f"{API}/releases").json()] == ["2.0", "1.0"]
    found = school.client.get(f"{API}/releases/2.0").json()
    assert found["difference"]["removed"] == 1 and found["manifest"]["version"] == "2.0"
    assert sum(one["cases"] for one in found["splits"]) == found["line"]["cases"]
    back = school.client.get(f"{API}/releases/1.0/since/2.0").json()
    assert (back["before"], back["added"], back["removed"]) == ("2.0", 1, 0)
    assert school.client.get(f"{API}/releases/1.0/since/9").status_code == 404


def test_a_proposal_is_read_and_decided_on(school: Visitor, workspace: Workspace) -> None:
    with workspace.begin() as unit:
        head = unit.definitions(STUDY).head("harm", "shaming")
    assert head is not None
    ids = [
        propose(
            workspace,
            STUDY,
            "harm",
            "shaming",
            {**head.definition.content(), "title": title},
            base=head.digest,
            why="clearer",
        )
        for title in ("One", "Two")
    ]
    assert {one["id"] for one in school.client.get(f"{API}/proposals").json()} == set(ids)
    read = school.client.get(f"{API}/proposals/{ids[0]}").json()
    assert read["changes"] == [
        {"path": "title", "stored": head.definition.content()["title"], "given": "One"}
    ]
    headers = {"Origin": ORIGIN}
    done = school.client.post(
        f"{API}/proposals/{ids[0]}/accept", json={"seen": read["seen"]}, headers=headers
    )
    assert done.json() == {"slug": "shaming", "number": head.number + 1, "changed": True}
    late = school.client.post(
        f"{API}/proposals/{ids[1]}/accept", json={"seen": read["seen"]}, headers=headers
    )
    assert late.status_code == 409 and late.json()["stored"]["number"] == head.number + 1
    bare = school.client.post(f"{API}/proposals/{ids[1]}/decline", json={"why": ""}, headers=headers)
    assert bare.status_code == 422 and bare.json()["problems"][0]["path"] == "why"
    no = school.client.post(f"{API}/proposals/{ids[1]}/decline", json={"why": "no"}, headers=headers)
    assert no.json() == {"done": True}


def test_what_cannot_be_read_is_told_in_the_same_form(school: Visitor) -> None:
    headers = {"Origin": ORIGIN, "Content-Type": "application/json"}
    broken = school.client.post(f"{API}/cases/review", content=b"{", headers=headers)
    assert broken.status_code == 422 and broken.json()["problems"]
    half = school.client.put(f"{API}/cases/x", content=b'{"content": {"\\ud800": 1}}', headers=headers)
    assert half.status_code == 422 and half.json()["problems"]
    odd = school.client.post(f"{API}/cases/review", json={"action": "explode", "cases": {}}, headers=headers)
    assert [one["path"] for one in odd.json()["problems"]] == ["action"]
    assert school.client.get(f"{API}/findings/{10**30}").status_code == 422
    for path in ("/api/v1/nowhere", f"{API}%0A", f"{API}/cases/a%0Ab"):
        nowhere = school.client.get(path)
        assert nowhere.status_code == 404 and nowhere.json()["problems"]
    traced = school.client.request("TRACE", "/api/v1/studies", headers=headers)
    assert traced.status_code == 405 and traced.headers["allow"] == "GET"
