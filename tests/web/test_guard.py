"""Who may ask, from where, and how much; and hostile text stays text."""

from __future__ import annotations

import pytest

from redloom.services.workspace import Workspace
from web.browsing import ORIGIN, PageFound, Visitor

SCHOOL = "/studies/school-health"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:9999", "127.0.0.1", "localhost.evil.example:8137", ""]
)
def test_a_name_that_is_not_ours_is_refused(school: Visitor, host: str) -> None:
    answer = school.client.get(SCHOOL, headers={"Host": host})
    assert answer.status_code == 421
    assert "Health questions" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ORIGIN + ".evil.example"},
        {"Origin": "https://127.0.0.1:8137"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_what_does_not_come_from_our_own_pages_changes_nothing(
    empty: Visitor, headers: dict[str, str]
) -> None:
    assert empty.client.post("/", headers=headers).status_code == 403
    assert "There is no study" in empty.get("/").text


@pytest.mark.parametrize("headers", [{"Origin": ORIGIN}, {"Sec-Fetch-Site": "same-origin"}])
def test_what_comes_from_our_own_pages_is_taken(empty: Visitor, headers: dict[str, str]) -> None:
    assert empty.client.post("/", headers=headers).status_code == 303


@pytest.mark.parametrize("path", ["/", SCHOOL, "/nowhere", "/static/redloom.css"])
def test_every_answer_forbids_scripts_and_frames(school: Visitor, path: str) -> None:
    headers = school.client.get(path, follow_redirects=True).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_too_much_is_refused(school: Visitor) -> None:
    path = f"{SCHOOL}/harms/shaming/edit"
    answer = school.client.post(path, content=b"x" * (4 * 1024 * 1024 + 1), headers={"Origin": ORIGIN})
    assert answer.status_code == 413

    def endless() -> object:
        for _ in range(5000):
            yield b"title=" + b"x" * 1024 + b"&"

    form = {"Origin": ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    assert school.client.post(path, content=endless(), headers=form).status_code == 413


HOSTILE = [
    "<script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    "javascript:alert(1)",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "\x1b[2J\x1b[31mred",
    "\u202eabc\u202c \u2066x\u2069",
    "a\u0000b" if False else "a\u2028b",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:24])
def test_hostile_text_is_text_in_every_field_of_a_harm(
    school: Visitor, workspace: Workspace, text: str
) -> None:
    path = f"{SCHOOL}/evidence/new"
    form = school.get(path).form("/new")
    done = school.send(
        path, form.filled(title=text[:200], type="incident", source=text[:2000], text=text, slug="hostile")
    )
    assert done.status_code == 303, PageFound(done.text).text[:500]
    with workspace.begin() as unit:
        stored = unit.definitions("school-health").head("evidence", "hostile")
    assert stored is not None
    for page in ("evidence/hostile", "evidence/hostile/edit", "evidence", "evidence/hostile/history"):
        found = school.get(f"{SCHOOL}/{page}")
        scripts = [given for tag, given in found.tags if tag == "script"]
        assert len(scripts) == 1 and (scripts[0].get("src") or "").startswith("/static/")
        assert not any(name.startswith("on") for _, given in found.tags for name in given)
        assert not [tag for tag, _ in found.tags if tag == "img"]
        assert "javascript:" not in " ".join(found.links)
    edited = dict(school.get(f"{SCHOOL}/evidence/hostile/edit").form("/edit").fields)
    assert edited["text"].strip() == text.strip()


@pytest.mark.parametrize("path", [f"{SCHOOL}/harms/a%00b", f"{SCHOOL}/cases?harm=%00", "/api/v1/studies/%00"])
def test_an_address_with_nul_is_refused_in_a_sentence(school: Visitor, path: str) -> None:
    answer = school.client.get(path)
    assert (answer.status_code, answer.text) == (400, "An address cannot hold the character NUL.\n")
