"""Commands of the second moment: plan, import, review, release, export."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from redloom.cli.output import (
    AsJson,
    Why,
    note,
    plural,
    print_json,
    print_table,
    split_version,
    visible,
    workspace,
)

if TYPE_CHECKING:
    from redloom.services.cases import CaseLine, CaseView
    from redloom.services.evidence import Personal
    from redloom.services.workspace import Workspace


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
    before, there = planned.before, len(planned.rows) - len(planned.new)
    print(
        f"strength {strength}: {plural(len(planned.new), 'new scenario')}"
        + (f" beside the {there} there {'is' if there == 1 else 'are'}" if there else "")
        + f"; {before.covered} of {plural(before.valid, 'valid combination')} "
        f"{'was' if before.covered == 1 else 'were'} covered, "
        f"{before.forbidden} {'is' if before.forbidden == 1 else 'are'} forbidden"
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
            print(f"... and {plural(len(one.holes) - most, f'more {one.strength}-way hole')}")


def review(
    study: str,
    action: Annotated[
        str, typer.Argument(help="list, show, submit, accept, reject, retire, reopen or label.")
    ] = "list",
    cases: Annotated[list[str] | None, typer.Argument(help="Slugs of cases.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All cases that are not rejected or retired.")] = False,
    label: Annotated[str, typer.Option("--label", help="violates, borderline, fine or off_scenario.")] = "",
    status: Annotated[str, typer.Option("--status", help="List only cases in this state.")] = "",
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """List or show, accept, reject or retire cases; give content-validity labels.

    'show' prints whole cases to read: what they test, every turn, where slots are filled from, where they come from.

    Example: redloom review school-health accept --all --why "read by two nurses"
    """
    from redloom.errors import InputError, unknown
    from redloom.services import cases as service

    actions = ("list", "show", "label", *service.ACTIONS)
    if action not in actions:
        raise InputError(unknown("action", action, actions))
    with workspace() as found:
        if action == "list":
            _list_cases(found, study, status, as_json)
            return
        if action == "label" and not cases:
            raise InputError("name the cases to label")
        if action == "label":
            for case in cases or []:
                service.label_validity(found, study, case, label, why=why)
            if as_json:
                print_json({"action": action, "label": label, "cases": cases})
                return
            note(f"{plural(len(cases or []), 'case')} labelled {label!r}")
            return
        if not cases and not every:
            raise InputError(f"name the cases to {action}, or say --all")
        chosen = None if every else cases
        if action == "show":
            views = service.show_cases(found, study, chosen)
            print_json(views) if as_json else print("\n\n".join(_case_text(view) for view in views))
            return
        moved = service.review(found, study, action, chosen, why=why)
    if as_json:
        print_json({"action": action, "moved": moved})
    else:
        print(f"{action}: {plural(moved, 'case')}")


def _list_cases(found: Workspace, study: str, status: str, as_json: bool) -> None:
    from redloom.domain.case import STATUSES
    from redloom.errors import InputError, unknown
    from redloom.services import cases as service

    if status and status not in STATUSES:
        raise InputError(unknown("review state", status, STATUSES))
    wanted: Any = status or None
    lines = service.list_cases(found, study, status=wanted)
    if as_json:
        print_json(lines)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in case_table(lines, width):
        print(line)


def case_table(lines: Sequence[CaseLine], width: int | None) -> Iterator[str]:
    """The lines of a list of cases; with ``width`` the first turn, and nothing else, is cut to fit."""
    from rich.cells import cell_len

    rows = [["case", "state", "scenario", "turns", "labels", "first turn"]]
    rows += [
        [x.slug, x.status, x.scenario or "", str(x.turns), "; ".join(x.labels), " ".join(x.first.split())]
        for x in lines
    ]
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(5)]
    left = None if width is None else max(20, width - sum(widths) - 2 * len(widths))
    for row in rows:
        cells = [cell + " " * (widths[column] - cell_len(cell)) for column, cell in enumerate(row[:5])]
        yield "  ".join([*cells, row[5] if left is None else shorten(row[5], left)]).rstrip()


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns of a terminal, cut between words and ended by an ellipsis."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    kept = set_cell_size(text, width - 1).rstrip()
    if not text[len(kept) :].startswith(" ") and " " in kept:
        kept = kept.rsplit(" ", 1)[0].rstrip()
    return kept + "…"


def _case_text(view: CaseView) -> str:
    """A whole case, to read."""
    lines = [f"case {view.slug}: {view.status.replace('_', ' ')}"]
    facts = [(name, text) for name, text in _case_facts(view) if text]
    facts += [(f"slot {{{slot.name}}}", f"{slot.source}; {slot.text or 'empty'}") for slot in view.slots]
    lines += [f"{name}: {' '.join(text.split())}" for name, text in facts]
    for number, (speaker, text) in enumerate(view.turns, start=1):
        first, *rest = text.splitlines() or [""]
        lines += [f"{number}. {speaker}: {first}", *(f"   {line}" for line in rest)]
    return visible("\n".join(lines))


def _case_facts(view: CaseView) -> Iterator[tuple[str, str]]:
    from redloom.domain.value import in_language

    case, scenario, kind = view.case, view.scenario, view.interaction_type
    if scenario is not None:
        yield "scenario", _joined(case.scenario, scenario.title, f"the user wants: {scenario.user_goal}")
        context, persona = view.context, view.persona
        yield "context", _joined(scenario.context, *((context.title, context.setting) if context else ()))
        yield "persona", _joined(scenario.persona, persona.title if persona else "")
        facets = (kind.title, kind.stance, kind.relation, kind.structure) if kind else ()
        yield "interaction type", _joined(scenario.interaction_type, *(f.replace("_", " ") for f in facets))
    else:
        yield "scenario", "none yet"
    harm = view.harm
    told = (in_language(harm.title, None), in_language(harm.definition, view.language)) if harm else ()
    yield "harm", _joined(view.harm_slug, *told)
    if scenario is not None:
        yield "expected", _joined(scenario.expected.behaviour, scenario.expected.sentence)
    yield "language", view.language or ""
    yield "text", case.text_origin.replace("_", " ")
    yield "cluster", case.cluster or ""
    limit = f"after {plural(case.turn_limit, 'turn')}" if case.turn_limit else ""
    yield "ends", " or ".join(part for part in (limit, case.stop.replace("_", " ")) if part)
    source = case.provenance
    selected = f"selected on {source.selected_on}" if source.selected_on else ""
    parent = f"made from {source.parent}" if source.parent else ""
    author = f"by {source.author}" if source.author else ""
    licence = f"licence {source.licence}" if source.licence else ""
    yield "provenance", _joined(source.origin, author, source.source, licence, parent, selected)
    yield "tags", ", ".join(f"{name}={value}" for name, value in case.tags.items())
    yield "labels", "; ".join(view.labels)


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)


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
        f"{study}@{version}: {plural(cut.manifest.cases, 'case')} in "
        f"{plural(cut.manifest.clusters, 'cluster')}{stamp}\n{cut.digest}"
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
            f"{slug}@{version}: {plural(done.cases, 'case')}, {'NOT ' if done.problems else ''}as frozen\n{done.digest}"
        )
    if done.problems:
        raise typer.Exit(1)


def import_file(
    format: Annotated[str, typer.Argument(help="csv, jsonl, conversations, evidence or auto.")],
    file: Path,
    study: Annotated[str, typer.Option("--study", help="The study to import into.")],
    map: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="May be repeated.")
    ] = None,
    licence: Annotated[str, typer.Option("--licence", help="Licence of the file.")] = "",
    source: Annotated[str, typer.Option("--source", help="Where the file comes from.")] = "",
    system: Annotated[
        str, typer.Option("--system", help="What answered in these conversations, for people.")
    ] = "",
    personal: Annotated[
        bool, typer.Option("--personal", help="What looks personal in evidence may stay.")
    ] = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="What looks personal in evidence is taken out.")
    ] = False,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Bring in cases from a file; every problem is listed with its line, nothing is half-imported.

    Fields: slug, text, turns, scenario, cluster, harm, language, opening, before, tag:NAME. Columns named tag:NAME
    need no --map. The columns of a csv may be separated by comma, semicolon or tab.

    conversations: a JSONL file with one whole conversation a line becomes a run that is judged and rated, and whose
    shares are of this file. Fields: messages, id, harm, scenario, cluster, language, tag:NAME.

    evidence: a CSV file with the columns title, type, date, source, text, harms, scenarios; harms and scenarios are
    separated by ';' or '/'.

    Example: redloom import csv xstest_prompts.csv --study safety --map text=prompt --map slug=id --map tag:label=label
    """
    from redloom.datasets.tabular import SEPARATORS, detect
    from redloom.errors import InputError, Issue, unknown
    from redloom.services.cases import import_cases

    formats = ("csv", "jsonl", "auto", "conversations", "evidence")
    if format not in formats:
        raise InputError(unknown("format", format, formats))
    if format == "evidence":
        if personal and redact:
            raise InputError("--personal and --redact exclude each other")
        _import_evidence(
            file, study, why, as_json, "stays" if personal else "taken_out" if redact else "told"
        )
        return
    pairs = [part for text in map or [] for part in text.split(",")]
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InputError(Issue(f"--map {pair!r} is not of the form FIELD=COLUMN") for pair in wrong)
    mapping = dict(pair.split("=", 1) for pair in pairs)
    if format == "conversations":
        _import_conversations(file, study, mapping, (system, licence, source, why), as_json)
        return
    table: Any = detect(file) if format == "auto" else format
    with workspace() as found:
        done = import_cases(
            found, file, study=study, table=table, mapping=mapping, licence=licence, source=source, why=why
        )
    if done.separator != ",":
        note(f"{file.name}: a {SEPARATORS[done.separator]} separates the columns")
    if as_json:
        print_json(done)
    else:
        new = plural(done.cases, "new case")
        print(f"{done.study}: {new}, {done.changed} changed, {done.unchanged} unchanged")


def _import_evidence(file: Path, study: str, why: str, as_json: bool, personal: Personal) -> None:
    from redloom.services.evidence import import_evidence_file

    with workspace() as found:
        done = import_evidence_file(found, study, file, personal=personal, why=why)
    if as_json:
        print_json(done)
    else:
        new = plural(done.new, "new piece of evidence", "new pieces of evidence")
        print(f"{done.study}: {new}, {done.unchanged} unchanged")


def _import_conversations(
    file: Path, study: str, mapping: dict[str, str], said: tuple[str, str, str, str], as_json: bool
) -> None:
    from redloom.services.importing import ImportOptions, import_conversations

    system, licence, source, why = said
    options = ImportOptions(
        study=study, mapping=mapping, system=system, licence=licence, source=source, why=why
    )
    with workspace() as found:
        done = import_conversations(found, file, options)
    if as_json:
        print_json(done)
        return
    print(f"{study}: {plural(done.conversations, 'conversation')} as run {done.run}")
    if done.unanswered:
        note(f"{plural(done.unanswered, 'conversation')} ended with the user; those last words are left out")
    if done.without_harm:
        note(f"{plural(done.without_harm, 'conversation')} without a harm: judged by the general rubric")
    note(f"Next: redloom judge {done.run} --with JUDGE, redloom rate {done.run} --as YOU")


def export(
    study: Annotated[str, typer.Argument(help="STUDY (yaml) or STUDY@VERSION.")],
    format: Annotated[str, typer.Option("--format", help="yaml, jsonl or csv.")] = "yaml",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; stdout without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a study back as YAML, or cases as JSONL or CSV.

    Example: redloom export school-health --format yaml -o study.yaml
    """
    from redloom.errors import InputError
    from redloom.services.exporting import export_file, export_to

    if as_json and output is None:
        raise InputError(
            "--json tells what was written; say where to write with -o FILE, or leave --json out"
        )
    slug, version = split_version(study)
    with workspace() as found:
        if output is None:
            export_to(found, slug, version, format, sys.stdout)
            return
        export_file(found, slug, version, format, output)
    if as_json:
        print_json({"study": slug, "version": version, "format": format, "written": str(output)})
    else:
        note(f"wrote {output}")
