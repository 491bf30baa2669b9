"""Commands of the second moment: plan, import, review, release, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from redloom.cli.output import AsJson, Why, note, print_json, print_table, split_version, visible, workspace


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (plan, coverage, review, release, verify, export):
        app.command()(command)
    app.command(name="import")(import_file)


def plan(
    study: str,
    strength: Annotated[
        int, typer.Option("--strength", min=1, max=3, help="Every valid combination of so many parts.")
    ] = 2,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Plan from nothing, not from the scenarios there are.")
    ] = False,
    orders: Annotated[
        bool, typer.Option("--orders", help="Print a work order for each new scenario.")
    ] = False,
    twins: Annotated[
        bool, typer.Option("--twins", help="List twins that are missing: one part changed, the rest equal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Plan scenarios that cover every valid combination of contexts, personas, types, harms, languages.

    Example: redloom plan school-health --strength 2
    """
    from redloom.services.planning import as_json as to_json
    from redloom.services.planning import plan as make_plan

    if twins:
        _print_twins(study, as_json)
        return
    with workspace() as found:
        planned = make_plan(found, study, strength=strength, fresh=fresh, orders=orders)
    if as_json:
        print_json(to_json(planned))
        return
    if orders:
        for order in planned.orders:
            print(f"# {order.scenario}\n{visible(order.instruction)}\n")
    else:
        columns = ("context", "persona", "interaction_type", "harm", "language")
        print_table(
            [c.replace("_", " ") for c in columns], [[row[c] for c in columns] for row in planned.new]
        )
    before = planned.before
    print(
        f"strength {strength}: {len(planned.new)} new scenarios besides {len(planned.rows) - len(planned.new)}; "
        f"{before.covered} of {before.valid} valid combinations were covered, {before.forbidden} are forbidden"
    )
    for rule in planned.constraints:
        parts = [
            f"{d.replace('_', ' ')} {v if isinstance(v, str) else ' or '.join(v)}"
            for d, v in rule.forbid.items()
        ]
        print(f"forbidden: {' with '.join(parts)}: {visible(rule.reason)}")


def _print_twins(study: str, as_json: bool) -> None:
    from redloom.services.planning import propose_twins

    with workspace() as found:
        proposed = propose_twins(found, study)
    if as_json:
        print_json(proposed)
    else:
        rows = [(twin.of, twin.differs_in.replace("_", " "), twin.value) for twin in proposed]
        print_table(("twin of", "differs in", "to"), rows)


def coverage(
    study: Annotated[str, typer.Argument(help="STUDY or STUDY@VERSION.")],
    most: Annotated[int, typer.Option("--most", help="Holes to print for each strength.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show 1-, 2- and 3-way coverage of the declared space, and the holes.

    Example: redloom coverage school-health
    """
    from redloom.services.planning import as_json as to_json
    from redloom.services.planning import cover

    slug, version = split_version(study)
    with workspace() as found:
        measured = cover(found, slug, version)
    if as_json:
        print_json(to_json(measured))
        return
    rows = [
        (
            f"{one.strength}-way",
            one.covered,
            one.valid,
            "-" if one.share is None else f"{one.share:.1%}",
            one.forbidden,
        )
        for one in measured.by_strength
    ]
    print_table(("strength", "covered", "valid", "share", "forbidden"), rows)
    for one in measured.by_strength:
        for hole in one.holes[:most]:
            print(f"{one.strength}-way hole: " + ", ".join(f"{d.replace('_', ' ')} {v}" for d, v in hole))
        if len(one.holes) > most:
            print(f"... and {len(one.holes) - most} more {one.strength}-way holes")


def review(
    study: str,
    action: Annotated[
        str, typer.Argument(help="list, submit, accept, reject, retire, reopen or label.")
    ] = "list",
    cases: Annotated[list[str] | None, typer.Argument(help="Slugs of cases.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All cases that are not rejected or retired.")] = False,
    label: Annotated[str, typer.Option("--label", help="violates, borderline, fine or off_scenario.")] = "",
    status: Annotated[str, typer.Option("--status", help="List only cases in this state.")] = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """List, accept, reject or retire cases; give content-validity labels.

    Example: redloom review school-health accept --all --why "read by two nurses"
    """
    from redloom.domain.case import STATUSES
    from redloom.errors import InputError, unknown
    from redloom.services import cases as service

    with workspace() as found:
        if action == "list":
            if status and status not in STATUSES:
                raise InputError(unknown("review state", status, STATUSES))
            wanted: Any = status or None
            lines = service.list_cases(found, study, status=wanted)
            if as_json:
                print_json(lines)
            else:
                rows = [
                    (x.slug, x.status, x.scenario, x.turns, x.first[:60], "; ".join(x.labels)) for x in lines
                ]
                print_table(("case", "state", "scenario", "turns", "first turn", "labels"), rows)
            return
        if action == "label" and not cases:
            raise InputError("name the cases to label")
        if action == "label":
            for case in cases or []:
                service.label_validity(found, study, case, label, why=why)
            note(f"{len(cases or [])} labelled {label!r}")
            return
        if not cases and not every:
            raise InputError(f"name the cases to {action}, or say --all")
        moved = service.review(found, study, action, None if every else cases, why=why)
    if as_json:
        print_json({"action": action, "moved": moved})
    else:
        print(f"{action}: {moved} cases")


def release(
    study: str,
    version: str,
    provisional: Annotated[
        bool, typer.Option("--provisional", help="Take unreviewed cases; every number is stamped.")
    ] = False,
    only_accepted: Annotated[
        bool, typer.Option("--only-accepted", help="Leave unreviewed cases out.")
    ] = False,
    case: Annotated[list[str] | None, typer.Option("--case", help="Only this case; may be repeated.")] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Only so many cases, drawn by hash.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample.")] = 0,
    licence: Annotated[str, typer.Option("--licence", help="Licence of the release.")] = "",
    held_out: Annotated[
        float, typer.Option("--held-out", min=0, max=1, help="Share of clusters held out.")
    ] = 0.0,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Freeze cases with all definitions under them; refuses with every reason at once.

    Example: redloom release school-health 1.0 --provisional
    """
    from redloom.services.releases import ReleaseOptions, cut_release

    options = ReleaseOptions(
        provisional=provisional,
        only_accepted=only_accepted,
        cases=tuple(case or ()),
        sample=sample,
        seed=seed,
        licence=licence,
        held_out=held_out,
        why=why,
    )
    with workspace() as found:
        cut = cut_release(found, study, version, options)
    if as_json:
        print_json(
            {"study": study, "version": version, "digest": cut.digest, **cut.manifest.model_dump(mode="json")}
        )
        return
    stamp = f", PROVISIONAL ({cut.manifest.unreviewed} unreviewed)" if provisional else ""
    print(
        f"{study}@{version}: {cut.manifest.cases} cases in {cut.manifest.clusters} clusters{stamp}\n{cut.digest}"
    )


def verify(study: Annotated[str, typer.Argument(help="STUDY@VERSION.")], as_json: AsJson = False) -> None:
    """Recompute every digest of a release; exit status 1 when one is off.

    Example: redloom verify school-health@1.0
    """
    from redloom.errors import InputError
    from redloom.services.releases import verify_release

    slug, version = split_version(study)
    if version is None:
        raise InputError(f"{study!r}: say which release, as STUDY@VERSION")
    with workspace() as found:
        done = verify_release(found, slug, version)
    if as_json:
        print_json(done)
    else:
        for problem in done.problems:
            print(problem)
        print(
            f"{slug}@{version}: {done.cases} cases, {'NOT ' if done.problems else ''}as frozen\n{done.digest}"
        )
    if done.problems:
        raise typer.Exit(1)


def import_file(
    format: Annotated[str, typer.Argument(help="csv, jsonl or auto.")],
    file: Path,
    study: Annotated[str, typer.Option("--study", help="The study to import into.")],
    map: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="May be repeated.")
    ] = None,
    licence: Annotated[str, typer.Option("--licence", help="Licence of the file.")] = "",
    source: Annotated[str, typer.Option("--source", help="Where the file comes from.")] = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Bring in cases from a file; every problem is listed with its line, nothing is half-imported.

    Fields: slug, text, turns, scenario, cluster, harm, language, opening, before, tag:NAME.

    Example: redloom import csv xstest_prompts.csv --study safety --map text=prompt --map slug=id --map tag:label=label
    """
    from redloom.datasets.tabular import detect
    from redloom.errors import InputError, Issue, unknown
    from redloom.services.cases import import_cases

    if format not in ("csv", "jsonl", "auto"):
        raise InputError(unknown("format", format, ("csv", "jsonl", "auto")))
    pairs = [part for text in map or [] for part in text.split(",")]
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InputError(Issue(f"--map {pair!r} is not of the form FIELD=COLUMN") for pair in wrong)
    mapping = dict(pair.split("=", 1) for pair in pairs)
    table: Any = detect(file) if format == "auto" else format
    with workspace() as found:
        done = import_cases(
            found, file, study=study, table=table, mapping=mapping, licence=licence, source=source, why=why
        )
    if as_json:
        print_json(done)
    else:
        print(f"{done.study}: {done.cases} new cases, {done.changed} changed, {done.unchanged} unchanged")


def export(
    study: Annotated[str, typer.Argument(help="STUDY (yaml) or STUDY@VERSION.")],
    format: Annotated[str, typer.Option("--format", help="yaml, jsonl or csv.")] = "yaml",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; stdout without it.")
    ] = None,
) -> None:
    """Write a study back as YAML, or cases as JSONL or CSV.

    Example: redloom export school-health --format yaml -o study.yaml
    """
    from redloom.services.exporting import export_to

    slug, version = split_version(study)
    with workspace() as found:
        if output is None:
            export_to(found, slug, version, format, sys.stdout)
        else:
            from redloom.services.exporting import export_file

            export_file(found, slug, version, format, output)
            note(f"wrote {output}")
