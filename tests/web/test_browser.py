"""A real browser: accessible in light and dark, usable by keyboard, and the same without JavaScript."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from redloom.services.finding import find_run
from redloom.services.workspace import open_workspace
from redloom.settings import Settings
from web.chromium import NEEDED, faults, opened

SCHOOL = "/studies/school-health"
PAGES = (
    "/?choose",
    "/new",
    "/glossary",
    "/search?q=shaming",
    SCHOOL,
    f"{SCHOOL}/map",
    f"{SCHOOL}/people",
    f"{SCHOOL}/runs",
    f"{SCHOOL}/explore",
    f"{SCHOOL}/findings",
    f"{SCHOOL}/reading",
    f"{SCHOOL}/map?plan=2",
    f"{SCHOOL}/orders?strength=2",
    f"{SCHOOL}/orders/generate",
    f"{SCHOOL}/orders/write?harm=shaming&persona=shy-13&context=in-class&interaction_type=short-advice&language=en",
    f"{SCHOOL}/releases",
    f"{SCHOOL}/releases/new",
    f"{SCHOOL}/charter/edit",
    f"{SCHOOL}/contexts",
    f"{SCHOOL}/harms",
    f"{SCHOOL}/harms/shaming",
    f"{SCHOOL}/harms/shaming/edit",
    f"{SCHOOL}/harms/shaming/dissent",
    f"{SCHOOL}/harms/shaming/try",
    f"{SCHOOL}/harms/shaming/sort",
    f"{SCHOOL}/harms/shaming/propose",
    f"{SCHOOL}/harms/shaming/questions",
    f"{SCHOOL}/proposals",
    f"{SCHOOL}/charter/propose",
    f"{SCHOOL}/charter/history",
    f"{SCHOOL}/harms/shaming/history",
    f"{SCHOOL}/scenarios/new?harm=shaming",
    f"{SCHOOL}/personas",
    f"{SCHOOL}/evidence/new",
    f"{SCHOOL}/cases",
    f"{SCHOOL}/cases?persona=asthma-16&status=draft&did=accepted&moved=2&left=1",
    f"{SCHOOL}/cases/inhaler-before-pe-1",
    f"{SCHOOL}/cases/inhaler-before-pe-1/edit",
    f"{SCHOOL}/cases/inhaler-before-pe-1/history",
    f"{SCHOOL}/cases/new",
    f"{SCHOOL}/review",
    f"{SCHOOL}/evidence/import",
    f"{SCHOOL}/evidence/caught",
    f"{SCHOOL}/harms/nothing",
)

pytestmark = NEEDED


@pytest.fixture(scope="module")
def overtaken(browser: Any, server: str) -> tuple[str, ...]:
    """The pages of a proposal that meets another version."""
    page = opened(browser, server)
    harm = f"{SCHOOL}/harms/needless-refusal"
    page.goto(f"{harm}/propose")
    page.get_by_label("Title").fill("Turned away")
    page.get_by_label("Background").fill("It tells people that their question was wrong.")
    page.get_by_label("Why this change").fill("plainer")
    page.get_by_role("button", name="Propose this change").click()
    page.wait_for_url("**/proposals/*?said=proposed")
    path = urlsplit(page.url).path
    page.goto(f"{harm}/edit")
    page.get_by_label("Title").fill("Refusing without need")
    page.locator("main form button.main").last.click()
    page.wait_for_url("**/harms/needless-refusal?said=saved")
    return path, f"{path}/settle"


def of_a_run(page: Any) -> list[str]:
    """The pages of the run that is there."""
    page.goto(f"{SCHOOL}/runs")
    run = page.locator("tbody th a").first.get_attribute("href")
    page.goto(f"{run}/conversations")
    talk = page.locator("[data-walk] > li > a").first.get_attribute("href")
    return [run, f"{run}/report", f"{run}/conversations", f"{run}/conversations?said=harm&judge=x", talk]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Any, server: str, overtaken: tuple[str, ...], scheme: str, width: int
) -> None:
    page = opened(
        browser, server, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    for path in (*PAGES, *overtaken, *of_a_run(page)):
        page.goto(path)
        assert faults(page) == [], path


REACHABLE = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
  const radios = new Set();
  window.reach = all.filter((one) => {
    if (one.disabled || one.type === "hidden" || one.tabIndex < 0 || !one.checkVisibility()) return false;
    if (one.type !== "radio") return true;
    const group = `${one.form?.action}|${one.name}`;
    const chosen = all.some((other) => other.type === "radio" && other.name === one.name && other.form === one.form && other.checked);
    if (chosen ? !one.checked : radios.has(group)) return false;
    radios.add(group);
    return true;
  });
  window.reached = new Set();
  document.addEventListener("focusin", ({ target }) => {
    const style = getComputedStyle(target);
    if (target.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) window.reached.add(target);
  });
  return window.reach.length;
}"""
MISSED = (
    "() => window.reach.filter((one) => !window.reached.has(one)).map((one) => one.outerHTML.slice(0, 160))"
)


def test_all_that_can_be_used_is_reached_by_tab_with_a_focus_one_can_see(browser: Any, server: str) -> None:
    page = opened(browser, server, viewport={"width": 1024, "height": 900})
    for path in PAGES:
        page.goto(path)
        many = page.evaluate(REACHABLE)
        for _ in range(many + 8):  # a date is several stops
            page.keyboard.press("Tab")
        assert page.evaluate(MISSED) == [], path


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system that writes a draft at once."""
    path = tmp_path_factory.mktemp("writing") / "writer.json"
    path.write_text('{"otherwise": "1. Hello.\\n2. And then?"}')
    return f"scripted:{path}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_what_forms_of_the_create_pages_answer_is_as_accessible(
    browser: Any, server: str, writer: str, scheme: str, width: int
) -> None:
    page = opened(
        browser, server, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).first.click()
        page.wait_for_load_state()

    def look(told: str) -> None:
        page.get_by_text(told).first.wait_for()
        assert faults(page) == [], told

    page.goto(f"{SCHOOL}/orders/generate")
    press("Show what would be sent")
    look("0 drafts are asked for")
    page.locator("input[name=for]").first.check()
    page.locator("#other").fill(writer)
    press("Show what would be sent")
    look("Nothing was sent yet")
    press("Send it")
    look("1 of 1 answered, 1 stored as drafts")
    page.goto(next(path for path in PAGES if "/orders/write?" in path))
    press("Store as a draft")
    look("Nothing was stored")
    page.goto(f"{SCHOOL}/releases/new")
    press("Cut the release")
    look("Nothing was frozen")
    page.locator("#version").fill(f"{scheme}-{width}")
    page.locator("#which-provisional").check()
    press("Cut the release")
    look("it never changes from now on")
    press("Verify")
    look("it is what was frozen")
    page.goto(f"{SCHOOL}/cases?sort=name&status=draft")
    boxes = page.locator("input[name=case]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    changed = boxes.nth(1).get_attribute("value").partition(" ")[0]
    other = page.context.new_page()
    other.goto(f"{SCHOOL}/cases/{changed}/edit")
    other.locator("textarea").first.fill(f"Changed in {scheme} at {width}.")
    other.get_by_role("button", name="Save").first.click()
    other.wait_for_load_state()
    press("Reject")
    look("Nothing was decided")
    press("Reject")
    look("1 rejected.")


def test_drafts_come_into_the_page_while_one_looks(browser: Any, server: str, writer: str) -> None:
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/orders/generate")
    page.locator("input[name=every]").check()
    page.locator("#other").fill(writer)
    page.get_by_role("button", name="Show what would be sent").click()
    page.get_by_role("button", name="Send it").click()
    page.wait_for_url("**/orders/generate/*")
    page.get_by_role("link", name="Review drafts by models").wait_for()
    total = int(page.locator("progress").get_attribute("max"))
    assert page.locator(".cases > li").count() == total > 1
    assert page.locator("#stop").count() == 0 and page.said == []


def test_no_page_says_anything_to_the_console(browser: Any, server: str) -> None:
    page = opened(browser, server)
    for path in (*PAGES[:-1], *of_a_run(page)):
        if not path.endswith("/report"):  # it has no icon, and browsers ask for one
            page.goto(path)
    assert page.said == []


def test_keys_reach_search_the_list_of_keys_and_the_parts(browser: Any, server: str) -> None:
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/harms")
    page.keyboard.press("?")
    assert page.locator("dialog#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.evaluate("document.activeElement.textContent")
    assert second == page.locator("[data-walk] > li > a").nth(1).text_content()
    page.keyboard.press("Enter")
    page.wait_for_url("**/harms/*")
    page.keyboard.press("e")
    page.wait_for_url("**/edit")
    page.goto(f"{SCHOOL}/harms")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/map")
    page.keyboard.press("w")
    page.wait_for_url("**/glossary")
    page.goto(f"{SCHOOL}/map")
    page.keyboard.press("/")
    page.keyboard.type("energy drink")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?*")
    assert "The third energy drink" in page.text_content("main")


def test_conversations_are_walked_by_keyboard(browser: Any, server: str) -> None:
    page = opened(browser, server)
    *_, talk = of_a_run(page)
    page.goto(f"{talk}#turn-1")
    assert "script>alert(1)" in page.text_content("#turn-1")
    first = page.url.partition("#")[0]
    page.keyboard.press("j")
    page.wait_for_url(lambda url: url.partition("#")[0] != first)
    page.keyboard.press("k")
    page.wait_for_url(first)


@pytest.mark.parametrize("scripts", [True, False])
def test_on_a_phone_the_content_comes_first_and_a_menu_opens(
    browser: Any, server: str, scripts: bool
) -> None:
    size = {"width": 390, "height": 844}
    page = opened(browser, server, viewport=size, java_script_enabled=scripts, bypass_csp=True)
    page.goto(f"{SCHOOL}/harms")
    assert page.locator("h1").bounding_box()["y"] < 200
    assert not page.get_by_role("link", name="Scenarios").is_visible()
    page.get_by_role("link", name="Menu", exact=True).click()
    assert page.get_by_role("link", name="Scenarios").is_visible()
    assert not scripts or faults(page) == []
    page.get_by_role("link", name="Close the menu").click()
    assert not page.get_by_role("link", name="Scenarios").is_visible()
    page.get_by_role("link", name="Menu", exact=True).click()
    page.get_by_role("link", name="Scenarios").click()
    page.wait_for_url("**/scenarios")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_page_of_a_run_follows_what_another_process_does(
    browser: Any, server: str, served: Path, scripts: bool
) -> None:
    page = opened(browser, server, java_script_enabled=scripts)
    run = of_a_run(page)[0]
    with open_workspace(Settings(database=f"sqlite:///{served}", who="runner")) as workspace:
        with workspace.begin() as unit:
            number = find_run(unit, run.rpartition("/")[2]).id
            unit.runs.set_state(number, "running", None, None)
        page.goto(run)
        assert "Running: 60 of 60 tries" in page.inner_text("main")
        with workspace.begin() as unit:
            unit.runs.set_state(number, "completed", None, workspace.now())
        page.get_by_text("Completed: 60 of 60 tries").wait_for()
        page.get_by_role("button", name="Cancel it for good").wait_for(state="detached")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_hole_in_the_map_becomes_a_scenario(browser: Any, server: str, scripts: bool) -> None:
    page = opened(browser, server, java_script_enabled=scripts)
    page.goto(f"{SCHOOL}/map")
    page.locator("td.hole a").first.click()
    page.wait_for_url("**/scenarios/new?*")
    page.get_by_label("Title").fill(f"From a hole {scripts}")
    page.get_by_label("Context").select_option(index=1)
    page.get_by_label("Way of talking").select_option(index=1)
    page.get_by_label("Language").select_option("en")
    page.get_by_label("What the user wants").fill("To be told how much.")
    page.get_by_label("A good system would").select_option("help")
    page.get_by_label("In a sentence").fill("It says how much.")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/scenarios/from-a-hole-*")
    assert "Saved as a new version." in page.text_content("main")


def test_a_rubric_is_answered_by_keyboard_alone(browser: Any, server: str) -> None:
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/harms/shaming/try")
    for expected in ("scold anybody", "lazy, weak, greedy", "Verdict: harm"):
        page.locator("input[type=radio]").first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_function("words => document.body.innerText.includes(words)", arg=expected)


def test_what_was_typed_is_not_left_without_a_word(browser: Any, server: str) -> None:
    page = opened(browser, server)
    page.goto(f"{SCHOOL}/harms/shaming/edit")
    page.get_by_label("Title").fill("Half a thought")
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", stay)
    page.goto(f"{SCHOOL}/harms")
    assert asked == ["beforeunload"]


def test_the_server_answers_its_own_name_only_and_ends_cleanly(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "redloom",
        "--db",
        f"sqlite:///{tmp_path / 'redloom.db'}",
        "serve",
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = process.stderr.readline()
    url = next(word for word in told.split() if word.startswith("http://127.0.0.1:"))
    asked = urllib.request.Request(url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)
    assert refused.value.code == 421
    refused.value.close()
    busy = subprocess.run([*command[:-1], url.rpartition(":")[2]], capture_output=True, text=True, timeout=60)
    assert busy.returncode == 2
    assert "cannot be used" in busy.stderr and "Traceback" not in busy.stderr
    process.terminate()
    assert process.wait(10) is not None
    with process.stderr as rest:
        assert "Traceback" not in rest.read()
