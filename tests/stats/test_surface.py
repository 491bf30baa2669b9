"""What the package offers."""

from __future__ import annotations

import redloom.stats
from redloom.stats import undefined


def test_exported_names_are_sorted_and_there():
    names = redloom.stats.__all__
    assert names == sorted(names)
    assert all(hasattr(redloom.stats, name) for name in names)


def test_an_undefined_estimate_has_no_number_at_all():
    found = undefined("there are no units", level=0.9, method="wilson", n=0)
    assert (found.value, found.low, found.high, found.events, found.clusters) == (None,) * 5
    assert (found.reason, found.level, found.method, found.n) == ("there are no units", 0.9, "wilson", 0)
