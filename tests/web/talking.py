"""Explorations for tests: systems that follow a script, messages that are waited for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from redloom.domain.target import Target
from redloom.services.loading import load_study
from redloom.services.talking import Talks
from redloom.services.targets import add_target
from redloom.services.workspace import Workspace
from web.browsing import PageFound, Visitor

STUDY, SCHOOL = "school-health", "/studies/school-health"


def declare(workspace: Workspace, folder: Path, name: str, **script: Any) -> None:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(script))
    add_target(workspace, STUDY, name, Target(system=f"scripted:{path}"))


def scenario(workspace: Workspace, *, opens: bool = False) -> str:
    with workspace.begin() as unit:
        study = load_study(unit, STUDY, cases=False)
    for slug, one in study.scenarios.items():
        if (study.interaction_types[one.interaction_type].initiative == "model") == opens:
            return slug
    raise AssertionError("no such scenario")


def begin(visitor: Visitor, targets: list[str], scenario: str, arm: str = "full") -> str:
    fields = [("scenario", scenario), ("arm", arm), ("hypothesis", ""), *(("targets", t) for t in targets)]
    done = visitor.send(f"{SCHOOL}/explore", fields)
    assert done.status_code == 303, PageFound(done.text).text
    return done.headers["location"].split("?")[0]


def say(visitor: Visitor, talks: Talks, where: str, text: str, after: str = "") -> str:
    """Send and wait; gives the move."""
    done = visitor.send(f"{where}/say", [("text", text), ("after", after)])
    assert done.status_code == 303, PageFound(done.text).text
    assert talks.wait(tuple(talks.live), seconds=10)
    found = re.search(r"at=([0-9a-f]{32})", done.headers["location"])
    assert found is not None
    return found[1]
