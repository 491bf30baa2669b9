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
