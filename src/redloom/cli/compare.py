"""Commands that hold runs against each other and against conditions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from redloom.cli.output import AsJson, Why, note, plural, print_json, split_version, visible, workspace

if TYPE_CHECKING:
    from redloom.domain.gate import GateRules
    from redloom.services.gating import Gated


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (compare, gate, decide):
        app.command()(command)


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="The first is compared with.")],
    vary: Annotated[
        str,
        typer.Option(
            "--vary",
            help="What is meant to differ: target, delivery, release, arm, attempts, rubric; joined by ','.",
        ),
    ] = "",
    judge: Annotated[str, typer.Option("--judge", help="Only this judge's verdicts.")] = "",
    arm: Annotated[str, typer.Option("--arm", help="Compared in every run; else each run's first.")] = "",
    most: Annotated[int, typer.Option("--most", min=0, help="Changed cases shown.")] = 20,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write Markdown to this file instead.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs, paired on what was said: the cases that changed first. Status 1 where they are not comparable.

    Example: redloom compare 2v1a054nd8 last --vary target
    """
    from redloom.services.comparing import CompareOptions, in_markdown
    from redloom.services.comparing import compare as compare_runs

    parts = tuple(part.strip() for part in vary.split(",") if part.strip())
    options = CompareOptions(vary=parts, judge=judge or None, arm=arm or None)
    with workspace() as found:
        done = compare_runs(found, runs, options)
    if as_json:
        print_json(done)
        return
    text = visible(in_markdown(done, most=most))
    if output is None:
        print(text)
    else:
        _write(output, text + "\n")
        print(output)


def gate(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run; or STUDY@VERSION, to ask beforehand.")],
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Conditions in a YAML file; options below come on top.")
    ] = None,
    bound: Annotated[
        list[str] | None, typer.Option("--bound", help="HARM=SHARE or all=SHARE; may be repeated.")
    ] = None,
    never: Annotated[
        list[str] | None, typer.Option("--never", help="A case or harm that must never happen.")
    ] = None,
    max_missing: Annotated[
        float | None, typer.Option("--max-missing", min=0, max=1, help="Share without a verdict; else 0.05.")
    ] = None,
    judge: Annotated[str, typer.Option("--judge", help="Whose verdicts count.")] = "",
    unit: Annotated[str, typer.Option("--unit", help="In which unit, where the judge has several.")] = "",
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="A committed file to be no worse than.")
    ] = None,
    write_baseline: Annotated[
        Path | None,
        typer.Option("--write-baseline", help="Write this run as the baseline; nothing is checked."),
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML to this file.")] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", help="Add a short Markdown summary to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold a run against bounds, a list of what must never happen, and a baseline; status 1 where one does not hold.

    Without bounds and without --never, those of the protocol that was frozen with the cases hold.

    Example: redloom gate last --bound brushed-off=0.05 --baseline gate-baseline.json --junit gate.xml
    """
    from redloom.services import gating as service

    read, before = service.read_gate(rules, baseline)
    wanted = _rules(read, bound, never, max_missing, judge, unit)
    study, version = split_version(name)
    with workspace() as found:
        if version is not None:
            ahead = service.check_beforehand(found, study, version, wanted)
            print(f"{name}: {plural(ahead.bounds, 'bound')} can be shown on it")
            if ahead.note:
                note(f"redloom: {ahead.note}")
            return
        if write_baseline is not None:
            made = service.save_baseline(found, name, wanted, write_baseline)
            print(f"{write_baseline}: {len(made.outcomes)} stimuli of run {made.run}, judged by {made.judge}")
            return
        done = service.gate(found, name, wanted, before)
    _tell(done, as_json, junit, summary)
    if not done.passed:
        raise typer.Exit(1)


def decide(
    name: Annotated[str, typer.Argument(metavar="RUN")],
    decision: Annotated[str, typer.Argument(help="accept, mitigate or block.")],
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.")],
    retest: Annotated[str, typer.Option("--retest", help="Test again by this date, YYYY-MM-DD.")] = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Record what the owner decided on a run's report; it is added, never changed.

    Example: redloom decide last mitigate --owner "Head of tenant services" --retest 2027-03-01 --why "handover text"
    """
    from redloom.services.deciding import decide as record

    with workspace() as found:
        done = record(found, name, decision, owner=owner, retest=retest or None, why=why)
    if as_json:
        print_json(done)
    else:
        until = f", test again by {done.retest}" if done.retest else ""
        print(f"run {done.run}: {done.decision} by {visible(done.owner)}{until}")


def _rules(
    read: GateRules,
    bound: list[str] | None,
    never: list[str] | None,
    max_missing: float | None,
    judge: str,
    unit: str,
) -> GateRules:
    from redloom.errors import InputError
    from redloom.services.gating import with_options

    bounds: dict[str, float] = {}
    for text in bound or ():
        harm, equals, share = text.partition("=")
        try:
            bounds[harm] = float(share)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"--bound {text!r}: expected HARM=SHARE such as brushed-off=0.05")
    return with_options(
        read,
        bounds=bounds,
        never=never or (),
        max_missing=max_missing,
        judge=judge or None,
        unit=unit or None,
    )


def _tell(done: Gated, as_json: bool, junit_file: Path | None, summary: Path | None) -> None:
    from redloom.services.gating import as_junit, as_summary

    if junit_file is not None:
        _write(junit_file, as_junit(done))
    if summary is not None:
        _write(summary, as_summary(done), add=True)
    if as_json:
        print_json({"passed": done.passed, **{k: getattr(done, k) for k in done.__slots__}})
        return
    print(visible(done.title))
    print(visible(done.protocol))
    for check in sorted(done.checks, key=lambda one: one.passed):
        print(f"{'ok   ' if check.passed else 'FAILS'} {visible(check.message)}")
    if done.changed:
        more = len(done.changed) - 20
        rest = f" and {more} more" if more > 0 else ""
        note(f"share higher than in the baseline: {visible(', '.join(done.changed[:20]))}{rest}")
    for line in done.notes:
        note(visible(line))
    if done.differs:
        print(f"not as it was for the baseline: {visible('; '.join(done.differs))}")
    print("passed" if done.passed else "failed")


def _write(path: Path, text: str, *, add: bool = False) -> None:
    from redloom.errors import InputError

    try:
        with path.open("a" if add else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
