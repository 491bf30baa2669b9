"""The report as one self-contained HTML page, made in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import jinja2

from redloom.report import figures, sentences, words
from redloom.report.data import Panel, Report, ShownCase


def render_html(report: Report, cases: Iterable[ShownCase], *, conversations: str = "") -> Iterator[str]:
    """The page in pieces; ``cases`` is consumed as the page is made.

    ``conversations`` is the address of their list, where the page has one beside it instead of holding them.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "percent": words.percent,
        "points": words.points,
        "words": words.words,
        "condition": words.condition,
        "plural": words.plural,
        "thousands": "{:,}".format,
        "chance": words.chance,
        "rounded": words.rounded,
    }
    environment.filters.update(filters)
    names: dict[str, Any] = {
        "interval": words.interval,
        "plural": words.plural,
        "bar": figures.interval_bar,
        "difference_bar": figures.difference_bar,
        "curve": figures.k_curve,
        "verdict_words": words.VERDICT_WORDS,
        "not_probabilities": words.NOT_PROBABILITIES,
        "shade": figures.shade,
        "shown": _Room().part_of,
        "counts": sentences.counts,
        "panel_line": sentences.panel_line,
        "decided": sentences.decided,
        "undecided_line": sentences.undecided_line,
        "left_out_line": sentences.left_out_line,
        "check_line": sentences.check_line,
        "bound_line": sentences.bound_line,
        "weight_line": sentences.weight_line,
        "severity_line": sentences.severity_line,
        "leads_to": partial(_leads_to, conversations, report),
        "conversations": conversations,
    }
    environment.globals.update(names)  # pyright: ignore[reportCallIssue, reportArgumentType]
    template = environment.get_template("report.html.j2")
    style = _read("report.css")
    return template.generate(report=report, cases=cases, style=style)


def _leads_to(conversations: str, report: Report, panel: Panel, harm: str = "") -> str:
    """The list of the conversations that a judge counted, of one harm by its title or of all; empty without a list."""
    if not conversations:
        return ""
    said = {"harm": "harm", "refusal": "refused"}[panel.measure]
    asked = {"arm": report.arms[0].arm, "judge": panel.rater, "said": said}
    slugs = [one["slug"] for one in report.harms if one["title"] == harm]
    return f"{conversations}?{urlencode({**asked, **({'harm': slugs[0]} if slugs else {})})}"


class _Room:
    """How much of each message is shown, so that a page stays one that can be opened."""

    def __init__(self) -> None:
        self._left = words.MOST_SHOWN

    def part_of(self, text: str) -> str:
        """The text, or its beginning."""
        part = text[: words.LONGEST_SHOWN if self._left > 0 else words.LONGEST_SHOWN_LATE]
        self._left -= len(part)
        return part


def _read(name: str) -> str:
    return (files("redloom.report") / "templates" / name).read_text(encoding="utf-8")
