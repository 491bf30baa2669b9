"""What ``import redloom`` offers, and that it works from a notebook's point of view."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import redloom


def test_the_public_names_are_sorted_and_there():
    assert redloom.__all__ == sorted(redloom.__all__)
    assert all(hasattr(redloom, name) for name in redloom.__all__)


def test_every_public_function_says_what_one_gets():
    for name in redloom.__all__:
        assert (getattr(redloom, name).__doc__ or "").strip(), name


def test_a_study_goes_from_file_to_report_in_five_calls(tmp_path: Path):
    study = Path(redloom.__file__).parent / "examples" / "starter" / "study.yaml"
    script = tmp_path / "target.json"
    script.write_text(json.dumps({"otherwise": "Please call the repair line."}))
    with redloom.open(f"sqlite:///{tmp_path / 'redloom.db'}", who="lead") as workspace:
        redloom.apply(workspace, study)
        done = redloom.run(workspace, "repair-desk", target=f"scripted:{script}", judges=["rule:refusal"])
        again = redloom.resume(workspace, done.run)
        path = redloom.write_report(workspace, done.run, tmp_path / "report.html")
    assert (done.state, done.states) == ("completed", {"completed": 3})
    assert again.requests == done.requests
    assert "Please call the repair line." in path.read_text()


def test_it_blocks_inside_a_running_event_loop_too(tmp_path: Path):
    """Notebooks run their cells inside an event loop."""
    study = Path(redloom.__file__).parent / "examples" / "starter" / "study.yaml"
    script = tmp_path / "target.json"
    script.write_text(json.dumps({"otherwise": "Please call."}))

    async def cell() -> str:
        with redloom.open(f"sqlite:///{tmp_path / 'redloom.db'}") as workspace:
            redloom.apply(workspace, study)
            return redloom.run(workspace, "repair-desk", target=f"scripted:{script}").state

    assert asyncio.run(cell()) == "completed"
