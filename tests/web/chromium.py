"""A running workbench and a real browser."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SIZE = {"width": 1024, "height": 900}

NEEDED = [
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.filterwarnings("default"),
]


def opened(browser: Any, server: str, **options: Any) -> Any:
    context = browser.new_context(base_url=server, **options)
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    return page


def faults(page: Any) -> list[Any]:
    """What axe finds wrong with a page, and how much wider than the screen it is."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[Any] = [
        (one["id"], one["impact"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in Axe().run(page).response["violations"]
    ]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*found, *([("wider than the screen", wide)] if wide > 0 else [])]


def invited(browser: Any, server: str, lead: Any, name: str, role: str, *, scripts: bool) -> Any:
    """The page of somebody who came by a link."""
    lead.goto("/studies/school-health/people")
    lead.get_by_label("Name or alias").fill(name)
    lead.locator(f"#role-{role}").check()
    lead.get_by_role("button", name="Make a link").click()
    link = lead.get_by_label("Link", exact=True).input_value()
    page = opened(browser, server, java_script_enabled=scripts, bypass_csp=True, viewport=SIZE)
    page.set_default_timeout(60_000)
    page.goto(link)
    page.locator("main form button").first.click()
    page.wait_for_url("**/studies/**")
    return page


def accessible(page: Any, scripts: bool) -> None:
    if scripts:
        assert faults(page) == [], page.url
