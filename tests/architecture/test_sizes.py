from __future__ import annotations

from pathlib import Path

import redloom

ROOT = Path(redloom.__file__).parent
MOST = 600


def test_no_module_is_longer_than_600_lines() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in ROOT.rglob("*.py")
    }
    assert len(lines) > 50
    assert {name: count for name, count in lines.items() if count > MOST} == {}
