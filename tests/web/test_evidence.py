"""Evidence in the browser: nothing personal slips in, tables come in whole, and a release is held against it."""

from __future__ import annotations

import pytest

from redloom.services.evidence import catch
from redloom.services.loading import load_study
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.workspace import Workspace
from web.browsing import ORIGIN, PageFound, Visitor
from web.test_people import come, link

SCHOOL = "/studies/school-health"
EVIDENCE = f"{SCHOOL}/evidence"
HOSTILE = "<script>alert(1)</script>"
HEADER = "title,type,date,source,text,harms,scenarios"


def slugs(workspace: Workspace) -> list[str]:
    with workspace.begin() as unit:
        return unit.definitions("school-health").slugs("evidence")


def written(visitor: Visitor, text: str) -> list[tuple[str, str]]:
    form = visitor.get(f"{EVIDENCE}/new").form("/new")
    return form.filled(title="A call", source="the helpline", type="complaint", text=text)


def test_what_looks_personal_is_marked_and_not_stored_until_it_may_stay(
    school: Visitor, workspace: Workspace
) -> None:
    text = f"Ana wrote from ana@example.org {HOSTILE} twice."
    answer = school.send(f"{EVIDENCE}/new", written(school, text))
    page = PageFound(answer.text)
    assert answer.status_code == 422 and "a-call" not in slugs(workspace)
    assert '<mark title="email address">ana@example.org</mark>' in answer.text
    assert "looks personal: email address" in page.text and "<script>alert" not in answer.text
    form = page.form("/new")
    assert dict(form.fields)["text"] == text and "personal" not in dict(form.fields)
    assert school.send(f"{EVIDENCE}/new", [*form.fields, ("personal", "stays")]).status_code == 303
    assert "a-call" in slugs(workspace)
    again = school.get(f"{EVIDENCE}/a-call/edit").form("/edit")
    told = school.send(f"{EVIDENCE}/a-call/edit", again.filled(title="A call at night"))
    assert told.status_code == 422, "that it may stay is remembered for one send only"


def test_what_looks_personal_is_taken_out_where_somebody_says_so(
    school: Visitor, workspace: Workspace
) -> None:
    sent = written(school, "Ana (ana@example.org, +49 30 12345678) wrote on 01-05-2024.")
    done = school.send(f"{EVIDENCE}/new", [*sent, ("personal", "taken_out")])
    assert done.status_code == 303
    page = school.get(f"{EVIDENCE}/a-call").text
    assert "Ana ([email address], [phone number]) wrote on 01-05-2024." in page
    table = f'{HEADER}\nMail,incident,,press,"to x@example.org",,'
    assert (
        school.send(f"{EVIDENCE}/import", [("pasted", table), ("personal", "taken_out")]).status_code == 303
    )
    assert "to [email address]" in school.get(f"{EVIDENCE}/mail").text


def test_what_is_not_personal_is_stored_at_once(school: Visitor, workspace: Workspace) -> None:
    answer = school.send(f"{EVIDENCE}/new", written(school, "A pupil of 15 wrote on 01-05-2024."))
    assert answer.status_code == 303 and "a-call" in slugs(workspace)


def test_what_is_proposed_is_looked_at_too(school: Visitor, workspace: Workspace) -> None:
    school.send(f"{EVIDENCE}/new", written(school, "Plain."))
    rater = come(workspace, link(school, "guest", "rater"))
    form = rater.get(f"{EVIDENCE}/a-call/propose").form("/propose")
    sent = form.filled(text="Call +49 30 12345678.", why="fuller")
    answer = rater.send(f"{EVIDENCE}/a-call/propose", sent)
    assert answer.status_code == 422 and '<mark title="phone number">' in answer.text
    done = rater.send(f"{EVIDENCE}/a-call/propose", [*sent, ("personal", "stays")])
    assert "/proposals/" in done.headers["location"]


def test_a_pasted_table_comes_in_whole(school: Visitor, workspace: Workspace) -> None:
    rows = [HEADER, f'One,incident,2024-05-01,press,"a, {HOSTILE}",shaming,', "Two,interview,,talk,b,,"]
    done = school.send(f"{EVIDENCE}/import", [("pasted", "\n".join(rows)), ("why", "collected")])
    assert done.headers["location"] == f"{EVIDENCE}?said=brought_in"
    page = school.get(done.headers["location"])
    assert "One" in page.text and "<script>alert" not in page.source
    assert {"one", "two"} <= set(slugs(workspace))
    assert "brought in 2 pieces of evidence from a table" in school.get(SCHOOL).text
    again = school.send(f"{EVIDENCE}/import", [("pasted", "\n".join(rows))])
    assert again.status_code == 303, "the same again changes nothing"


def test_a_file_comes_in_as_a_pasted_table_does(school: Visitor, workspace: Workspace) -> None:
    content = "\ufefftitle;type;source;text\nFrom a file;incident;press;äöü\n".encode()
    answer = school.client.post(
        f"{EVIDENCE}/import", files={"file": ("e.csv", content, "text/csv")}, headers={"Origin": ORIGIN}
    )
    assert answer.status_code == 303 and "from-a-file" in slugs(workspace)
    wrong = school.client.post(
        f"{EVIDENCE}/import",
        files={"file": ("e.csv", content.decode().encode("cp1252", "ignore"), "text/csv")},
        headers={"Origin": ORIGIN},
    )
    assert wrong.status_code == 422 and "not text in UTF-8" in wrong.text


def test_every_problem_of_a_table_is_told_with_its_line_and_nothing_is_stored(
    school: Visitor, workspace: Workspace
) -> None:
    before = slugs(workspace)
    rows = [
        HEADER,
        "Good,incident,,press,a,,",
        "Bad,rumour,,press,b,shamin,",
        'Mail,incident,,press,"x@example.org\nn",,',
    ]
    answer = school.send(f"{EVIDENCE}/import", [("pasted", "\n".join(rows))])
    page = PageFound(answer.text)
    assert answer.status_code == 422 and slugs(workspace) == before
    assert "line 3" in page.text and "did you mean 'shaming'?" in page.text and "rumour" in page.text
    assert ("pasted", "\n".join(rows)) in page.form("/import").fields
    only = "\n".join([HEADER, rows[3]])
    told = school.send(f"{EVIDENCE}/import", [("pasted", only)])
    assert told.status_code == 422 and "looks personal: email address" in told.text
    assert school.send(f"{EVIDENCE}/import", [("pasted", only), ("personal", "stays")]).status_code == 303
    other = school.send(f"{EVIDENCE}/import", [("pasted", f"{HEADER}\nMail,incident,,press,other,,")])
    assert "says something else" in other.text


@pytest.mark.parametrize("role", ["viewer", "rater", "red_teamer"])
def test_who_may_not_define_brings_nothing_in(school: Visitor, workspace: Workspace, role: str) -> None:
    guest = come(workspace, link(school, "guest", role))
    guest.get(f"{EVIDENCE}/import", 403)
    assert guest.send(f"{EVIDENCE}/import", [("pasted", HEADER)]).status_code == 403
    assert "There is no release yet" in guest.get(f"{EVIDENCE}/caught").text


def test_a_release_is_held_against_the_evidence(school: Visitor, workspace: Workspace) -> None:
    cut_release(workspace, "school-health", "1.0", ReleaseOptions(provisional=True))
    with workspace.begin() as unit:
        study = load_study(unit, "school-health")
    tested = next(case.scenario for case in study.cases.values() if case.scenario)
    harm = study.scenarios[tested].harm
    rows = [
        "title,type,source,text,harms,scenarios",
        f"By scenario,incident,press,a,,{tested}",
        f"By harm,incident,press,b,{harm},",
        f"By nothing {HOSTILE},incident,press,c,,",
    ]
    assert school.send(f"{EVIDENCE}/import", [("pasted", "\n".join(rows))]).status_code == 303
    found = {one.title[:10]: one for one in catch(workspace, "school-health", "1.0").found}
    assert found["By scenari"].state == "caught" and found["By scenari"].by == (("scenario", tested),)
    assert found["By harm"].state == "near" and found["By harm"].cases > 0
    assert found["By nothing"].state == "not"
    tests = {case.scenario for case in study.cases.values()}
    named = {slug for name, one in study.scenarios.items() if name in tests for slug in one.evidence}
    caught = {one.slug for one in catch(workspace, "school-health").found if one.state == "caught"}
    assert named and named <= caught
    page = school.get(f"{EVIDENCE}/caught?release=1.0")
    assert "release 1.0 would have caught" in page.text and "<script>alert" not in page.source
    school.get(f"{EVIDENCE}/caught?release=9", 404)
