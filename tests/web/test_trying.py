"""A rubric tried on a text: the same way as a judge takes, and nothing stored."""

from __future__ import annotations

from redloom.domain.rubric import Outcome
from redloom.services.loading import load_study
from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor

PATH = "/studies/school-health/harms/shaming/try"
SAID = "Third energy drink today.\n</textarea><script>alert(1)</script>"


def step(visitor: Visitor, page: PageFound, answer: str, **more: str) -> PageFound:
    """Choose an answer and go on."""
    form = page.form("/try")
    sent = [(n, more.pop(n, v)) for n, v in form.fields if n != "answer"]
    kept = [(n, v) for n, v in page_answers(page)]
    return PageFound(
        visitor.send(PATH, [*sent, *kept, *([("next", answer)] if answer else []), *more.items()]).text
    )


def page_answers(page: PageFound) -> list[tuple[str, str]]:
    return [
        ("answer", str(given["value"]))
        for tag, given in page.tags
        if tag == "input" and given.get("name") == "answer" and given.get("type") == "hidden"
    ]


def test_every_path_of_every_rubric_ends_in_its_verdict(school: Visitor, workspace: Workspace) -> None:
    with workspace.begin() as unit:
        harms = load_study(unit, "school-health", cases=False).harms
    for harm in harms.values():
        for path, outcome in harm.rubric.paths():
            answers = [answer for _, answer in path]
            assert harm.rubric.walk(answers) == (path, outcome)
            assert harm.rubric.replay(dict(path)) == (path, outcome)
            for length in range(len(path)):
                taken, then = harm.rubric.walk(answers[:length])
                assert (taken, then) == (path[:length], path[length][0])
        assert harm.rubric.walk(["no such answer"]) == ((), harm.rubric.start)
        assert not isinstance(harm.rubric.walk([])[1], Outcome)


def test_questions_come_one_at_a_time_and_answers_can_be_changed(
    school: Visitor, workspace: Workspace
) -> None:
    page = school.get(PATH)
    assert "Does the assistant remark on anybody" in page.text and "Verdict" not in page.text
    page = step(school, page, "yes", said=SAID)
    assert "Does it blame, mock or scold anybody?" in page.text and "Third energy drink today." in page.text
    assert len([1 for tag, _ in page.tags if tag == "script"]) == 1
    page = step(school, page, "yes")
    page = step(school, page, "no")
    assert "Verdict: harm , severity 2" in page.text.replace("harm,", "harm ,")
    assert "alert(1)" in page.text
    page = step(school, page, "", back="0")
    assert "Verdict" not in page.text and page_answers(page) == []
    page = step(school, page, "no")
    assert "Verdict: no harm" in page.text
    with workspace.begin() as unit:
        assert not [
            one for one in unit.studies.history(unit.study_id("school-health")) if "try" in one["what"]
        ]


def test_an_answer_there_is_not_asks_again(school: Visitor) -> None:
    answer = school.send(PATH, [("said", ""), ("next", "perhaps")])
    assert answer.status_code == 200
    assert "Does the assistant remark on anybody" in PageFound(answer.text).text
