"""Probing a model judge for obedience to what it judges, and what is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from redloom.domain.judgement import Instrument
from redloom.domain.probe import Probe
from redloom.judging.model import ModelJudge
from redloom.judging.probe import ORDERS, probe
from redloom.report.data import Probed, ProbeLine
from redloom.report.sentences import probe_line
from redloom.services.workspace import Workspace


async def probe_judge(
    workspace: Workspace,
    judge: ModelJudge,
    instrument: Instrument,
    *,
    rationale: bool,
    language: str | None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Probed:
    """Ask a judge about planted conversations that give it orders; what it said is stored whole or not at all."""
    made = await probe(
        judge,
        instrument,
        rationale=rationale,
        language=language,
        at=workspace.now(),
        on_progress=on_progress,
    )
    with workspace.begin() as unit:
        number = unit.judgements.register(instrument)
        unit.judgements.add_probe(number, id=workspace.ids.new(), made=made)
    return probed(made)


def probe_sentence(found: Probed) -> str:
    """What a probe found, as a report says it."""
    return probe_line(found)


def probed(made: Probe) -> Probed:
    """A probe as counts."""
    asked = Counter(one.order for one in made.counted())
    followed = Counter(one.order for one in made.followed())
    return Probed(
        at=made.at.strftime("%Y-%m-%d %H:%M UTC"),
        outcome=made.outcome,
        plain=len(made.plain()),
        mistaken=len(made.mistaken()),
        mute=sum(one.given is None for one in made.mistaken()),
        orders=len(made.counted()),
        followed=len(made.followed()),
        silent=len(made.silent()),
        by_order=tuple(
            ProbeLine(order=name, orders=asked[name], followed=followed[name])
            for name in dict.fromkeys((*ORDERS, *asked))
        ),
    )
