"""The page before the rules of axe-core, in light and in dark, where a browser and the rules are at hand."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .desk import redloom, run_desk

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = os.environ.get("REDLOOM_AXE", "")
"""Path of axe.min.js (npm install axe-core)."""

CHECK = """
document.querySelectorAll("details").forEach(one => one.open = true);
axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const told = found.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 120)).slice(0, 3)]);
  document.body.innerHTML = ""; document.body.id = "told"; document.body.textContent = JSON.stringify(told);
});
"""


@pytest.mark.skipif(not BROWSER, reason="no chromium on this machine")
@pytest.mark.skipif(not Path(AXE).is_file(), reason="REDLOOM_AXE names no axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_breaks_no_rule_of_axe(folder: Path, scheme: str):
    run_desk(folder, "rule:refusal", "rule:leak-words")
    assert redloom("report", "last", "-o", "r.html") == 0
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", (folder / "r.html").read_text())
    scripts = f"<script>{Path(AXE).read_text()}</script><script>{CHECK}</script></body>"
    (folder / "checked.html").write_text(page.replace("</body>", scripts))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    flags += [
        f"--user-data-dir={folder / 'profile'}",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    if scheme == "dark":
        flags.append("--blink-settings=preferredColorScheme=0")
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *flags, f"file://{folder / 'checked.html'}"], capture_output=True, text=True, timeout=120
    )
    told = re.search(r'<body id="told">(.*)</body>', done.stdout, re.DOTALL)
    assert told is not None, done.stderr[-2000:]
    assert json.loads(html.unescape(told[1])) == []
