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

from web.chromium import NEEDED, faults, opened

SCHOOL = "/studies/school-health"
PAGES = (
    "/",
    "/glossary",
    "/search?q=shaming",
    SCHOOL,
    f"{SCHOOL}/map",
    f"{SCHOOL}/people",
    f"{SCHOOL}/runs",
    f"{SCHOOL}/explore",
    f"{SCHOOL}/findings",
    f"{SCHOOL}/map?plan=2",
    f"{SCHOOL}/orders?strength=2",
    f"{SCHOOL}/orders/generate",
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Any, server: str, overtaken: tuple[str, ...], scheme: str, width: int
) -> None:
    page = opened(
        browser, server, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    for path in (*PAGES, *overtaken):
        page.goto(path)
        assert faults(page) == [], path


def test_no_page_says_anything_to_the_console(browser: Any, server: str) -> None:
    page = opened(browser, server)
    for path in PAGES[:-1]:
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
    page.keyboard.press("/")
    page.keyboard.type("energy drink")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?*")
    assert "The third energy drink" in page.text_content("main")


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
