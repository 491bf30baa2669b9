"""Exploring in a real browser: nothing typed is lost, others are told of, and a phone has room for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from redloom.domain.target import Target
from redloom.services import exploring
from redloom.services.reading import choose_reading
from redloom.services.targets import add_target
from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings
from web.chromium import NEEDED, faults, opened
from web.talking import SCHOOL, STUDY

pytestmark = NEEDED
ARABIC = "اسأل الممرضة في المدرسة قبل الحصة."


@pytest.fixture
def explored(server: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What makes an exploration with systems that follow these scripts."""
    folder: Path = next(iter(tmp_path_factory.getbasetemp().glob("serving*")))
    url = f"sqlite:///{folder / 'redloom.db'}"
    with open_workspace(Settings(database=url, who="Ana")) as workspace:

        def make(**scripts: Any) -> tuple[Workspace, str]:
            for name, script in scripts.items():
                path = folder / f"{name}.json"
                path.write_text(json.dumps(script))
                add_target(workspace, STUDY, name, Target(system=f"scripted:{path}"))
            slug = exploring.choices(workspace, STUDY).scenarios[0][0]
            return workspace, exploring.begin(workspace, STUDY, scenario=slug, targets=list(scripts))

        yield make


def send(page: Any, text: str) -> None:
    page.locator("#text").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def answered(page: Any, many: int) -> None:
    page.wait_for_function(
        "many => document.querySelector('form.say textarea') && "
        "document.querySelectorAll('.says.system').length === many",
        arg=many,
        timeout=30_000,
    )


def test_what_is_typed_opened_and_stood_in_stays_when_a_reply_comes(
    browser: Any, server: str, explored: Any
) -> None:
    _, id = explored(slow={"otherwise": "one two three four five six", "pause": 0.3})
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/explore/{id}")
    send(page, "First")
    answered(page, 1)
    send(page, "Second")
    page.locator("details.marking summary").first.click()
    note = page.get_by_label("Note").first
    note.fill("half a thought")
    answered(page, 2)
    assert note.input_value() == "half a thought" and note.is_visible()
    assert page.evaluate("document.activeElement.id").startswith("note-")
    page.keyboard.type(" and the rest")
    page.get_by_label("What went wrong, in a few words").first.fill("stalls")
    page.get_by_role("button", name="Keep the mark").first.click()
    page.locator(".marked", has_text="stalls").wait_for()
    assert "half a thought and the rest" in page.text_content(".marked")
    assert page.said == []


def test_a_draft_outlives_a_branch_that_is_sent_before_it(browser: Any, server: str, explored: Any) -> None:
    _, id = explored(slow={"otherwise": "one two three", "pause": 0.3})
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/explore/{id}")
    send(page, "First")
    answered(page, 1)
    page.locator("#text").fill("half a thought")
    page.get_by_text("Say it another way").click()
    page.get_by_label("Instead of this message").fill("Another way")
    page.get_by_role("button", name="Send as a branch").click()
    page.get_by_role("button", name="Stop the reply").wait_for()
    answered(page, 1)
    page.get_by_text("1 other branch here").wait_for()
    assert page.locator("#text").input_value() == "half a thought"
    send(page, "Whole thought")
    answered(page, 2)
    assert page.locator("#text").input_value() == ""


def test_a_server_that_does_not_answer_takes_nothing_away(browser: Any, server: str, explored: Any) -> None:
    _, id = explored(quick={"otherwise": "Yes."})
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/explore/{id}")
    page.route("**/say", lambda route: route.abort())
    send(page, "An hour of words")
    page.get_by_text("The server does not answer. What you wrote is still here.").wait_for()
    assert page.locator("#text").input_value() == "An hour of words"
    page.unroute("**/say")
    page.get_by_role("button", name="Send", exact=True).click()
    answered(page, 1)


def test_messages_of_others_are_told_of_by_a_quiet_line(browser: Any, server: str, explored: Any) -> None:
    workspace, id = explored(quick={"otherwise": "Yes."})
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/explore/{id}")
    send(page, "Mine")
    answered(page, 1)
    page.locator("#text").fill("half a thought")
    exploring.say(workspace, STUDY, id, "Theirs", after=None)
    page.get_by_text("Ana sent a message here meanwhile.").wait_for(timeout=20_000)
    assert page.locator("#text").input_value() == "half a thought"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Look", exact=True).click()
    page.locator(".says.user", has_text="Theirs").wait_for()


def test_a_closed_reply_opens_by_keyboard(browser: Any, server: str, explored: Any) -> None:
    workspace, id = explored(quick={"otherwise": "You are lazy."})
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/reading?back={SCHOOL}/explore/{id}")
    page.get_by_label("Keep all closed").check()
    page.get_by_role("button", name="Keep this").click()
    send(page, "Hello")
    answered(page, 1)
    words = page.locator(".says.system .words")
    assert not words.is_visible()
    page.locator("details.fold summary").focus()
    page.keyboard.press("Enter")
    assert words.is_visible()
    page.goto(f"{SCHOOL}/reading")
    page.get_by_label("Show all").check()
    page.get_by_role("button", name="Keep this").click()
    with pytest.raises(Exception, match="keep"):
        choose_reading(workspace, STUDY, "user Ana", {"keep": "ajar"})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_four_systems_long_replies_and_other_scripts_fit_and_are_accessible(
    browser: Any, server: str, explored: Any, width: int, scheme: str
) -> None:
    long = {"otherwise": "A sentence that goes on. " * 2000}
    _, id = explored(a={"otherwise": "Yes."}, b=long, c={"otherwise": ARABIC}, d={"otherwise": "x" * 500})
    viewport = {"width": width, "height": 800}
    page = opened(browser, server, viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page.goto(f"{SCHOOL}/explore/{id}")
    send(page, f"Hello? {ARABIC}")
    answered(page, 4)
    for summary in page.locator("details.marking summary").all()[:1]:
        summary.click()
    assert faults(page) == []
    narrow = page.evaluate(
        "Math.min(...[...document.querySelectorAll('.says.system .words')].map(one => one.clientWidth))"
    )
    assert narrow >= 280
    assert page.evaluate(
        "(() => { const box = document.querySelector('#text').getBoundingClientRect();"
        " return box.top >= 0 && box.bottom <= innerHeight; })()"
    )
    frame = page.get_by_role("heading", name="You want")
    assert frame.is_visible() == (width > 1100)
    if width <= 1100:
        page.locator("details.frame > summary").click()
        assert frame.is_visible()
        heights = page.evaluate(
            "[...document.querySelectorAll('.exploring > *')].map(one => one.getBoundingClientRect().top)"
        )
        assert heights[1] < heights[0]
    write = page.get_by_role("link", name=re.compile("Write a finding")).last
    write.click()
    page.get_by_label("In one sentence").fill("It repeats itself.")
    page.get_by_role("button", name="Write it down").click()
    page.get_by_role("button", name="Try again").click()
    page.locator("article.move").nth(4).wait_for(timeout=20_000)
    assert faults(page) == []
