"""The example study, from its file to its report, on the embedded model."""

from __future__ import annotations

from pathlib import Path

from redloom.cli.output import Bar, interruptible, note, stopping, this_command
from redloom.services.blocking import wait_for
from redloom.services.execution import Operation, Progress
from redloom.services.judging import JudgeOptions, judge_run
from redloom.services.loading import list_studies
from redloom.services.releases import ReleaseOptions, cut_release
from redloom.services.reporting import write_report
from redloom.services.runs import RunOptions, list_runs, resume_run, start_run
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.targets import add_target
from redloom.services.workspace import Workspace, open_workspace
from redloom.settings import Settings
from redloom.targets import models

STUDY, VERSION, TARGET, JUDGE = "school-health", "demo", "smollm2", "small"
REPLY_TOKENS = 32


def run_demo(directory: Path, sample: int) -> None:
    """Everything that is not there yet is made; a second call only writes the report again."""
    directory.mkdir(parents=True, exist_ok=True)
    note("model: " + models.pull("smollm2").name)
    settings = Settings(database=f"sqlite:///{directory / 'redloom.db'}", who="demo")
    with open_workspace(settings) as workspace:
        _declare(workspace)
        with interruptible("what was done is stored; the same command goes on"):
            run = _run(workspace)
            _judge(workspace, run, sample)
        path = write_report(workspace, run, directory / "report.html")
    note(
        "These are real conversations with a model of 135 million parameters. Its own judgements are close to noise."
    )
    redloom = f"{this_command()} --db {settings.database}"
    note(f"Open the study in the browser: {redloom} serve")
    note(f"Judge ten yourself: {redloom} rate {run} --as YOUR-NAME")
    note(f"Then write the report again: {redloom} report {run} -o {directory / 'report.html'}")
    print(path.resolve())


def _declare(workspace: Workspace) -> None:
    """The study, the target, the release; a release is cut once."""
    from redloom.domain.target import Decoding, Target

    apply(workspace, example("school_health") / "study.yaml", why="the example study")
    decoding = Decoding(temperature=0.7, max_tokens=REPLY_TOKENS)
    add_target(workspace, STUDY, TARGET, Target(system="local:smollm2", decoding=decoding))
    assert STUDY in list_studies(workspace)
    with workspace.begin() as unit:
        known = unit.releases(STUDY).get(VERSION)
    if known is None:
        cut_release(workspace, STUDY, VERSION, ReleaseOptions(provisional=True, why="the example study"))


def _run(workspace: Workspace) -> str:
    """The newest run of the release, gone on with where it stopped; a new one where there is none."""
    bar: list[Bar] = []

    def show(progress: Progress) -> None:
        if not bar:
            bar.append(Bar("1 of 2, holding conversations", progress.total, done=progress.done))
        if progress.stopping:
            bar[0].say(stopping(progress.in_flight))
        bar[0].update(progress.done, progress.total)

    operation = Operation(judges=("rule:refusal", "rule:promised-secrecy"), on_progress=show)
    runs = [run for run in list_runs(workspace, STUDY) if run.version == VERSION]
    try:
        if runs and runs[0].state == "completed":
            return runs[0].run
        if runs:
            return wait_for(resume_run(workspace, runs[0].run, operation)).run
        options = RunOptions(
            target=TARGET, arms=("full", "no_context"), attempts={"full": 2, "no_context": 1}, seed=7
        )
        return wait_for(start_run(workspace, STUDY, VERSION, options, operation)).run
    finally:
        for one in bar:
            one.close()


def _judge(workspace: Workspace, run: str, sample: int) -> None:
    if sample < 1:
        return
    bar = Bar(f"2 of 2, the model judges {sample} of them: rubrics answered", 0)
    try:
        options = JudgeOptions(judge=JUDGE, sample=sample, seed=7, on_progress=bar.update)
        wait_for(judge_run(workspace, run, options))
    finally:
        bar.close()
