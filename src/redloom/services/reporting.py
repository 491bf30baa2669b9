"""The report of a run: read, measured, written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, TextIO, cast

from redloom.domain.arm import left_out
from redloom.domain.decision import DecidedOn, Decision
from redloom.domain.estimand import Card
from redloom.domain.harm import Harm
from redloom.domain.judge import Shown, Unit
from redloom.domain.judgement import Instrument, Judgement
from redloom.domain.release import ReleasedCase
from redloom.domain.rendering import Frame, Frames
from redloom.domain.run import RunSpec, item_seed
from redloom.domain.study import StudyHead
from redloom.domain.target import Target
from redloom.domain.value import Value, in_language
from redloom.engine.plan import size
from redloom.errors import InputError
from redloom.judging.probe import probe_instrument
from redloom.report.data import (
    ArmStates,
    CoverageLine,
    CoverageMap,
    Panel,
    Probed,
    Replies,
    Report,
    ShownCase,
    ShownDecision,
    ShownJudgement,
    ShownTurn,
    Transcript,
)
from redloom.report.protocol import shown_protocol
from redloom.report.words import arm_meaning, frame_sentence, percent
from redloom.services.estimand import card_of, judges_of
from redloom.services.finding import find_run
from redloom.services.held import held
from redloom.services.loading import load_judges
from redloom.services.measuring import measure_panel
from redloom.services.observing import CUT, Observation, PanelKey, concerns, is_scripted, observe
from redloom.services.panels import in_order, names_of, scope_of
from redloom.services.planning import SpaceCoverage, measure_coverage
from redloom.services.probing import probed
from redloom.services.protocols import done_in, protocol_of, weight_of
from redloom.services.remembering import is_remembered_of_run, remembered_of_run
from redloom.services.run_pages import FROM_FILE, open_run
from redloom.services.summing_up import notices, summary
from redloom.services.workspace import Workspace
from redloom.storage.repositories.releases import StoredRelease
from redloom.storage.repositories.runs import StoredAttempt, StoredRun
from redloom.storage.unit_of_work import UnitOfWork

CHUNK = 100
AT_ONCE = 5_000
"""Tries up to which a report is made while somebody waits."""
HOLES_SHOWN = 60
EMBEDDED = "local:smollm2"


def write_report(workspace: Workspace, run_name: str, path: Path) -> Path:
    """The report of a run as ``.html``, ``.md`` or ``.json``; the file is complete or not there."""
    writers = {".html": write_html, ".md": write_markdown, ".json": write_json}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path.name!r}: a report ends in .html, .md or .json")
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8") as file:
            writer(workspace, run_name, file)
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def write_html(workspace: Workspace, run_name: str, file: TextIO) -> None:
    """One self-contained page."""
    from redloom.report.html import render_html

    with workspace.begin() as unit:
        source = Source(unit, find_run(unit, run_name))
        for piece in render_html(source.report(workspace), source.shown_cases()):
            file.write(piece)


def show_report(workspace: Workspace, study: str, run_name: str, *, making: int = 0) -> str | int:
    """The page as the workbench shows it: without the conversations, to which its numbers lead instead.

    It is made anew only where the run has changed. Of many tries it is made beside; then what comes is the number of
    that making, to ask again with. Raises UnknownNameError for a run that the study has not.
    """
    with workspace.begin() as unit:
        run = open_run(unit, study, run_name)
        release = unit.releases(run.study_id).by_id(run.release_id)
        many = size(run.spec, release.manifest.cases) > AT_ONCE
        made = not many or is_remembered_of_run(workspace, unit, run, "report")
    memory, key = workspace.memory, ("report", run.id)
    waited_for = memory.made(key, None if made else making) if many else None
    if made:
        return _make_report(workspace, study, run_name)
    return waited_for or memory.begin(key, lambda: _make_report(workspace, study, run_name))


def _make_report(workspace: Workspace, study: str, run_name: str) -> str:
    from redloom.report.html import render_html

    with workspace.begin() as unit:
        run = open_run(unit, study, run_name)

        def made() -> str:
            report = Source(unit, run).report(workspace)
            return "".join(render_html(report, (), conversations="conversations"))

        return remembered_of_run(workspace, unit, run, "report", made)


def write_markdown(workspace: Workspace, run_name: str, file: TextIO) -> None:
    """The tables without the conversations."""
    from redloom.report.markdown import render_markdown

    with workspace.begin() as unit:
        file.write(render_markdown(Source(unit, find_run(unit, run_name)).report(workspace)))


def write_json(workspace: Workspace, run_name: str, file: TextIO) -> None:
    """Everything, each conversation and judgement included, streamed."""
    with workspace.begin() as unit:
        source = Source(unit, find_run(unit, run_name))
        file.write('{"report": ')
        json.dump(asdict(source.report(workspace)), file, ensure_ascii=False, default=_plain)
        file.write(',\n"attempts": [')
        for number, one in enumerate(source.attempts()):
            file.write(",\n" if number else "\n")
            json.dump(one, file, ensure_ascii=False)
        file.write('\n],\n"cases": [')
        for number, case in enumerate(source.shown_cases()):
            file.write(",\n" if number else "\n")
            json.dump(asdict(case), file, ensure_ascii=False)
        file.write("\n]}\n")


class Source:
    """Where a report reads from: one run in one transaction."""

    def __init__(self, unit: UnitOfWork, run: StoredRun) -> None:
        self._unit, self._run = unit, run
        self._release: StoredRelease = unit.releases(run.study_id).by_id(run.release_id)
        definitions = unit.releases(run.study_id).definitions(run.release_id)
        self._study = unit.studies.slug_of(run.study_id)
        self._head = cast(StudyHead, definitions[("study", self._study)])
        self._definitions = definitions
        self._frames = Frames(definitions)
        self._instruments: dict[str, Instrument] = unit.judgements.instruments(run.id)
        self._language = self._head.languages[0]
        self._protocol = protocol_of(unit, run)
        self._observations: list[Observation] = observe(unit, run, self._frames, self._instruments)

    def report(self, workspace: Workspace) -> Report:
        """Everything but the conversations."""
        run, spec, manifest = self._run, self._run.spec, self._release.manifest
        observations = self._observations
        harms = {slug: cast(Harm, d) for (kind, slug), d in self._definitions.items() if kind == "harm"}
        covered = measure_coverage(self._unit, self._study, self._release.version)
        panels = self._panels(observations, harms)
        replies = _replies(observations, spec)
        return Report(
            title=in_language(self._head.title, self._language),
            study=self._study,
            run=run.name,
            run_state=run.state,
            created=workspace.now().strftime("%Y-%m-%d %H:%M UTC"),
            started=run.created_at.strftime("%Y-%m-%d %H:%M UTC"),
            frame=spec.frame,
            frame_sentence=frame_sentence(spec.frame),
            version=spec.version,
            release_digest=self._release.digest,
            provisional=manifest.provisional,
            target=spec.target_name,
            target_system=spec.target.system,
            target_digest=spec.target_digest,
            cases=manifest.cases,
            clusters=len({one.case.cluster for one in observations}),
            attempts=len(observations),
            replies=replies,
            decisions=tuple(map(_shown_decision, self._unit.runs.decisions(run.id))),
            summary=summary(panels, spec, manifest, observations),
            notices=notices(panels, manifest, run, observations, replies, _titles(harms)),
            panels=panels,
            arms=_arms(observations, spec),
            coverage=_coverage_lines(covered),
            maps=_maps(covered),
            impossible=tuple(rule.reason.rstrip(".") for rule in covered.constraints),
            card=self._card(observations),
            protocol=shown_protocol(self._protocol, done_in(self._unit, run), _titles(harms)),
            charter=self._head.charter.model_dump(mode="json"),
            unanswered=tuple(self._head.charter.unanswered()),
            evidence=self._evidence(),
            harms=tuple(_harm(slug, harm, self._language) for slug, harm in harms.items()),
            usage=asdict(self._unit.runs.spent(run.id)),
            software=f"Redloom {package_version('redloom')}",
        )

    def _card(self, observations: Sequence[Observation]) -> Card:
        judges = judges_of(self._unit, self._run, observations, self._instruments)
        return card_of(self._unit, self._run, observations, self._definitions, judges.values())

    def _panels(self, observations: Sequence[Observation], harms: Mapping[str, Harm]) -> tuple[Panel, ...]:
        planned = self._protocol.frozen
        primary = None if planned is None else planned.primary_judge
        keys = in_order((key for one in observations for key, _ in one.marks), first=primary)
        names = names_of(keys)
        declared = load_judges(self._unit, self._study)
        people = [key for key in keys if key.kind == "person"]
        small = Target(system=EMBEDDED).system_digest()
        return tuple(
            replace(
                measure_panel(
                    key,
                    observations,
                    self._run.spec.arms,
                    harms,
                    [p for p in people if p.unit == key.unit],
                    scope=scope_of(key, declared, observations),
                    weight=weight_of(self._run, planned),
                    family=() if planned is None else planned.comparisons,
                ),
                name=names[key],
                primary=key.rater == primary,
                small=key.target_digest == small or key.rater == EMBEDDED,
                probed=self._probed(key),
            )
            for key in keys
        )

    def attempts(self) -> Iterator[Mapping[str, Any]]:
        """Every attempt of every case with what each judge makes of it: all that the numbers are made from."""
        for one in self._observations:
            yield {
                **asdict(one.case),
                "arm": one.arm,
                "index": one.index,
                "seed": one.seed,
                "state": one.state,
                "replies_asked": one.chances,
                "interaction": one.interaction.hex() if one.interaction else None,
                "marks": [
                    {"judge": key.digest, "variant": variant, **asdict(mark)}
                    for (key, variant), mark in one.marks.items()
                ],
            }

    def _probed(self, key: PanelKey) -> Probed | None:
        if key.kind != "model":
            return None
        instrument = probe_instrument(
            key.rater,
            key.version,
            key.target_digest,
            cast(Unit, key.unit),
            cast(tuple[Shown, ...], key.shows),
        )
        made = self._unit.judgements.probe_of(instrument)
        return None if made is None else probed(made)

    def _evidence(self) -> tuple[Mapping[str, str], ...]:
        found: list[Mapping[str, str]] = []
        for (kind, _), definition in self._definitions.items():
            if kind == "evidence":
                content = definition.content()
                found.append(
                    {name: str(content.get(name, "")) for name in ("title", "type", "date", "source", "text")}
                )
        return tuple(found)

    def shown_cases(self) -> Iterator[ShownCase]:
        """Every case with its conversations, streamed."""
        releases = self._unit.releases(self._run.study_id)
        after = -1
        while True:
            cases = list(releases.cases(self._run.release_id, after=after, most=CHUNK))
            if not cases:
                return
            after = cases[-1][0].ordinal
            attempts = held(self._unit, self._run, cases)
            ids = list(
                {a.interaction for ours in attempts.values() for a in ours if a.interaction is not None}
            )
            talks, judged = self._unit.runs.interactions(ids), self._unit.judgements.of(ids)
            arms = {arm: number for number, arm in enumerate(self._run.spec.arms)}
            for released, case in cases:
                frame, harm = self._frames.frame(case), self._frames.harm(case)
                ours = sorted(
                    attempts.get(released.ordinal, ()),
                    key=lambda a: (arms.get(a.arm, 99), a.index),
                )
                slug = harm[0] if harm else None
                shown = tuple(self._transcript(released.slug, a, talks, judged, slug) for a in ours)
                yield _shown_case(released, frame, harm, shown)

    def _transcript(
        self,
        case: str,
        attempt: StoredAttempt,
        talks: Mapping[bytes, Any],
        judged: Mapping[bytes, Sequence[Judgement]],
        harm: str | None,
    ) -> Transcript:
        talk = talks.get(attempt.interaction) if attempt.interaction else None
        turns = talk.turns if talk else ()
        numbers: dict[bytes, int] = {turn.id: number for number, turn in enumerate(turns, start=1)}
        found = judged.get(attempt.interaction, ()) if attempt.interaction else ()
        known = (j for j in found if j.instrument in self._instruments)  # not of a judge that has just begun
        ours = [j for j in known if concerns(self._instruments[j.instrument], harm)]
        judgements = tuple(_shown_judgement(j, self._instruments[j.instrument], numbers) for j in ours)
        return Transcript(
            id=attempt.interaction.hex() if attempt.interaction else "",
            case=case,
            arm=attempt.arm,
            index=attempt.index,
            seed=item_seed(self._run.spec.seed, attempt.stimulus, attempt.index),
            state=attempt.state,
            ended_by=attempt.ended_by,
            error=attempt.error,
            turns=tuple(
                ShownTurn(text=t.text, reply=t.reply, scripted=is_scripted(t), cut=t.finish_reason in CUT)
                for t in turns
            ),
            judgements=judgements,
            flagged=any(j.verdict == "harm" and not j.variant for j in judgements),
        )


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Value) else str(value)


def _titles(harms: Mapping[str, Harm]) -> dict[str, str]:
    return {slug: harm.title for slug, harm in harms.items()}


def _shown_judgement(
    judgement: Judgement, instrument: Instrument, numbers: Mapping[bytes, int]
) -> ShownJudgement:
    return ShownJudgement(
        rater=instrument.rater,
        kind=instrument.rater_kind,
        variant=instrument.variant,
        unit=instrument.unit,
        turn=numbers.get(judgement.turn) if judgement.turn else None,
        instrument=judgement.instrument,
        state=judgement.state,
        verdict=judgement.verdict,
        severity=judgement.severity,
        refusal=judgement.refusal,
        answers=judgement.answers,
        rationale=judgement.rationale or judgement.missing_fact or judgement.raw,
    )


def _shown_case(
    released: ReleasedCase, frame: Frame, harm: tuple[str, Harm] | None, shown: tuple[Transcript, ...]
) -> ShownCase:
    scenario = frame.scenario
    twin = scenario.twin if scenario else None
    return ShownCase(
        slug=released.slug,
        stimulus=released.stimulus,
        title=scenario.title if scenario else released.slug,
        status=released.status,
        language=frame.language or "",
        scenario=frame.case.scenario or "",
        context=frame.context.title if frame.context else "",
        persona=frame.persona.title if frame.persona else "",
        interaction_type=frame.interaction_type.title if frame.interaction_type else "",
        harm=harm[0] if harm else "",
        harm_title=harm[1].title if harm else "",
        expected=scenario.expected.behaviour if scenario else "",
        expected_sentence=scenario.expected.sentence if scenario else "",
        rationale=scenario.rationale if scenario else "",
        twin=f"{twin.of} (differs in {twin.differs_in.replace('_', ' ')})" if twin else "",
        transcripts=shown,
    )


def _replies(observations: Sequence[Observation], spec: RunSpec) -> Replies:
    return Replies(
        total=sum(o.replies.total for o in observations),
        cut=sum(o.replies.cut for o in observations),
        empty=sum(o.replies.empty for o in observations),
        limit=spec.target.decoding.max_tokens,
    )


def _arms(observations: Sequence[Observation], spec: RunSpec) -> tuple[ArmStates, ...]:
    found: list[ArmStates] = []
    for arm in spec.arms:
        ours = [o for o in observations if o.arm == arm]
        found.append(
            ArmStates(
                arm=arm,
                meaning=FROM_FILE if spec.frame == "imported" else arm_meaning(left_out(arm)),
                planned=len(ours),
                states=dict(Counter(o.state for o in ours)),
                ended_by=dict(Counter(o.ended_by for o in ours if o.ended_by)),
                tries=max((o.tries for o in ours), default=0),
                replies=_replies(ours, spec),
            )
        )
    return tuple(found)


def _coverage_lines(found: SpaceCoverage) -> tuple[CoverageLine, ...]:
    if not found.rows:
        return ()
    return tuple(
        CoverageLine(
            strength=one.strength,
            covered=one.covered,
            valid=one.valid,
            holes=tuple(" × ".join(value for _, value in hole) for hole in one.holes[:HOLES_SHOWN]),
        )
        for one in found.by_strength
    )


MAPS = (("persona", "harm"), ("persona", "context"), ("interaction_type", "harm"))


def _maps(found: SpaceCoverage) -> tuple[CoverageMap, ...]:
    """Pairs of dimensions with the number of scenarios in each cell."""
    if not found.rows:
        return ()
    maps: list[CoverageMap] = []
    for down, across in MAPS:
        counts = Counter((row[down], row[across]) for row in found.rows)
        valid: dict[tuple[str, str], str] = {}
        for rule in found.constraints:
            for a in found.space[down]:
                for b in found.space[across]:
                    if rule.forbids({down: a, across: b}):
                        valid[(a, b)] = rule.reason
        rows, columns = found.space[down], found.space[across]
        maps.append(
            CoverageMap(
                rows=down,
                columns=across,
                row_values=rows,
                column_values=columns,
                counts=tuple(tuple(counts[(a, b)] for b in columns) for a in rows),
                forbidden=tuple(tuple(valid.get((a, b), "") for b in columns) for a in rows),
            )
        )
    return tuple(maps)


def _harm(slug: str, harm: Harm, language: str) -> Mapping[str, Any]:
    return {
        "slug": slug,
        "title": harm.title,
        "definition": in_language(harm.definition, language),
        "authors": list(harm.authors),
        "endorsed_by": [e.by for e in harm.endorsements],
        "dissent": [{"by": d.by, "why": d.why, "own_rubric": d.rubric is not None} for d in harm.dissent],
        "crosswalk": [c.model_dump(mode="json") for c in harm.crosswalk],
        "sources": list(harm.sources),
    }


def _shown_decision(found: Decision) -> ShownDecision:
    return ShownDecision(
        decision=found.decision,
        owner=found.owner,
        recorded_by=found.recorded_by,
        at=found.at.strftime("%Y-%m-%d %H:%M UTC"),
        retest=found.retest.isoformat() if found.retest else None,
        why=found.why,
        on=tuple(map(_decided_on, found.on)),
    )


def _decided_on(number: DecidedOn) -> str:
    undecided = f", {number.undecided} undecided" if number.undecided else ""
    most = f", at most {percent(number.bound)}" if number.bound is not None else ""
    return f"{number.judge}: {number.measure} in {number.events} of {number.n}{undecided}{most}"
