"""The script ``tools/coverage_grid.py`` as a module."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def _load() -> ModuleType:
    place = importlib.util.spec_from_file_location(
        "coverage_grid", Path(__file__).parents[2] / "tools" / "coverage_grid.py"
    )
    assert place is not None and place.loader is not None
    module = sys.modules[place.name] = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


grid = _load()
