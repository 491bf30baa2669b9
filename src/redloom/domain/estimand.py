"""The estimand card: what a number is a number of, field by field, and where two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from redloom.domain.clusters import RULE as CLUSTERS
from redloom.domain.judge import Shown, Unit
from redloom.domain.judgement import RaterKind
from redloom.domain.marks import MISSING_RULE as MISSING
from redloom.domain.run import FrameKind, RunState
from redloom.domain.value import Text, Value

NOT_RECORDED = "not recorded"
DIGEST = "sha256:"
_CODE_NAMES = frozenset({"attempts", "delivery", "unit", "shows"})

RULES: Mapping[str, Mapping[str, str]] = {
    "weight": {
        "cluster/1": "each scenario with its twins counts the same",
        "case/1": "each case counts the same",
    },
    "cluster_rule": {"1": CLUSTERS},
    "missing_rule": {"1": MISSING},
    "aggregation": {
        "1": "one verdict a conversation and judge; nothing is pooled over judges, units, displays or briefs"
    },
    "driver": {"script": "scripted user turns"},
}
"""How numbers are made, by name and version: whoever changes a rule gives it another version here."""
WEIGHTS: Mapping[str, str] = {"cluster": "cluster/1", "case": "case/1"}
CLUSTER_RULE = MISSING_RULE = AGGREGATION = "1"

Effect = Literal["forbids", "said", "shown"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the card."""

    name: str
    label: str
    effect: Effect
    """Where two numbers differ in it: they are not compared, or it is said, or it stands on the card alone."""
    vary: str = ""
    """The part of ``--vary`` that allows it to differ."""
    heading: str = ""
    """On the card, where the label would not do."""


FIELDS: tuple[Field, ...] = (
    Field("run", "run", "shown"),
    Field("study", "the study", "forbids"),
    Field("frame", "what the cases are", "forbids"),
    Field("version", "version of the release", "shown"),
    Field("release", "the release", "forbids", "release"),
    Field("cases", "cases", "shown"),
    Field("clusters", "clusters", "shown"),
    Field("selected_on", "the number of cases found on this system", "said"),
    Field("target", "name of the target", "shown"),
    Field("system", "the target's system", "forbids", "target"),
    Field("base_url", "the target's address", "forbids", "target"),
    Field("target_digest", "the target's declaration", "forbids", "target"),
    Field("own_prompt", "the target's own prompt", "forbids", "target"),
    Field("http", "the target's requests", "forbids", "target"),
    Field("decoding", "the target's decoding", "forbids", "target"),
    Field("delivery", "the target's delivery", "forbids", "delivery"),
    Field("code", "the file behind the target", "said"),
    Field("limits", "how long and how often the target is asked", "said"),
    Field("arm", "the arm", "forbids", "arm", "conditions"),
    Field("attempts", "attempts a case", "forbids", "attempts"),
    Field("leaving", "the number of cases whose user leaves at a refusal", "said"),
    Field("refusal_wording", "version of the rule that tells a refusal", "said"),
    Field("driver", "who plays the user", "forbids"),
    Field("weight", "the weight of a case", "forbids"),
    Field("cluster_rule", "what is one cluster", "forbids"),
    Field("missing_rule", "how units make a verdict", "forbids"),
    Field("aggregation", "how verdicts make a number", "forbids"),
    Field("seed", "the seed", "said"),
    Field("renderer", "version of the renderer", "said"),
    Field("program", "version of Redloom", "said"),
    Field("started", "started", "shown"),
    Field("finished", "finished", "shown"),
    Field("state", "state of the run", "shown"),
    Field("planned", "conversations planned", "shown"),
    Field("completed", "conversations completed", "shown"),
    Field("left", "conversations not yet held", "shown"),
)
"""Every field of a card but its instruments."""

INSTRUMENT_FIELDS: tuple[Field, ...] = (
    Field("version", "version", "forbids"),
    Field("unit", "unit", "forbids"),
    Field("shows", "display", "forbids"),
    Field("system_digest", "declared system", "forbids"),
    Field("system", "system", "forbids"),
    Field("decoding", "decoding", "forbids"),
    Field("rule", "declared rule", "forbids"),
    Field("code", "code", "forbids"),
    Field("language", "language of the questions", "forbids"),
    Field("rubrics", "rubric", "forbids", "rubric"),
    Field("briefs", "brief", "forbids", "rubric"),
    Field("passes", "sample", "said"),
    Field("program", "version of Redloom", "said"),
    Field("judged", "conversations judged", "shown"),
    Field("of", "of completed conversations", "shown"),
    Field("first", "first judgement", "shown"),
    Field("last", "last judgement", "shown"),
)
"""Every field of an instrument on a card but who it is."""


class Drawn(Value):
    """What a judge was given at one time."""

    sample: int | None = None
    """Conversations to be drawn; None for all."""
    seed: int = 0

    def told(self) -> str:
        """In words."""
        return "all" if self.sample is None else f"{self.sample} drawn with seed {self.seed}"


class InstrumentCard(Value):
    """How one judge judged; None where nothing was recorded, empty where there is nothing to record."""

    rater: Text
    kind: RaterKind | None = None
    version: str | None = None
    unit: Unit | None = None
    shows: tuple[Shown, ...] | None = None
    system: str | None = None
    """The system behind a model judge."""
    system_digest: str | None = None
    decoding: dict[str, Any] | None = None
    rule: str | None = None
    """Digest of the declared phrases of a rule."""
    code: str | None = None
    language: str | None = None
    rubrics: dict[str, str] | None = None
    """Harm, with whose dissent it is, -> digest of the rubric."""
    briefs: dict[str, str | None] | None = None
    """The same -> digest of all that was read of the harm."""
    passes: tuple[Drawn, ...] | None = None
    """Empty for people, who judge in an order of their own."""
    program: tuple[str, ...] | None = None
    judged: int | None = None
    of: int | None = None
    first: str | None = None
    last: str | None = None

    def told(self) -> str:
        """Every field that there is something to say of, on one line."""
        there = [(one, getattr(self, one.name)) for one in INSTRUMENT_FIELDS]
        return "; ".join(
            f"{one.label} {_in_words(one, value)}" for one, value in there if value not in ("", {}, ())
        )

    @property
    def name(self) -> str:
        """The judge and its unit."""
        return f"{self.rater}, {self.unit or NOT_RECORDED}"


class Card(Value):
    """What the numbers of a run, or of one arm of it, are numbers of; None where nothing was recorded."""

    run: str | None = None
    study: str | None = None
    frame: FrameKind | None = None
    version: str | None = None
    release: str | None = None
    cases: int | None = None
    clusters: int | None = None
    selected_on: int | None = None
    target: str | None = None
    system: str | None = None
    target_digest: str | None = None
    """Of all that is declared of it but its limits and prices."""
    base_url: str | None = None
    """Without what may hold a key."""
    own_prompt: str | None = None
    """Its digest."""
    http: str | None = None
    """The digest of how requests and answers are made."""
    decoding: dict[str, Any] | None = None
    delivery: dict[str, Any] | None = None
    code: str | None = None
    limits: dict[str, Any] | None = None
    """What decides, beside the system, which attempts yield no conversation."""
    arm: tuple[str, ...] | None = None
    attempts: dict[str, int] | None = None
    leaving: int | None = None
    refusal_wording: str | None = None
    driver: str | None = None
    weight: str | None = None
    cluster_rule: str | None = None
    missing_rule: str | None = None
    aggregation: str | None = None
    seed: int | None = None
    renderer: int | None = None
    program: str | None = None
    started: str | None = None
    finished: str | None = None
    state: RunState | None = None
    planned: int | None = None
    completed: int | None = None
    left: int | None = None
    instruments: tuple[InstrumentCard, ...] = ()

    def items(self) -> Iterator[tuple[str, str]]:
        """(label, text) of every field, then of every judge."""
        for one in FIELDS:
            yield one.heading or one.label.removeprefix("the "), _in_words(one, getattr(self, one.name))
        for judge in self.instruments:
            yield f"judge {judge.rater}", judge.told()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field in which two cards differ, or of which nobody can tell."""

    field: Field
    first: str
    second: str
    known: bool
    """False where a side has it not recorded: then it is neither equal nor different."""

    def of(self, who: str) -> Difference:
        """The same, said of somebody."""
        return replace(self, field=replace(self.field, label=f"the {self.field.label} of {who},"))


def differences(first: Card, second: Card) -> Iterator[Difference]:
    """Every field but the instruments in which two cards are not known to be the same."""
    yield from _differences(first, second, FIELDS, whole="target_digest", parts=_OF_TARGET)


def instrument_differences(first: InstrumentCard, second: InstrumentCard) -> Iterator[Difference]:
    """Every field but the briefs in which two instruments are not known to be the same; briefs go by harm."""
    fields = [one for one in INSTRUMENT_FIELDS if one.name not in ("rubrics", "briefs")]
    yield from _differences(first, second, fields, whole="system_digest", parts=_OF_SYSTEM)


_OF_TARGET = frozenset({"system", "base_url", "own_prompt", "http", "decoding", "delivery"})
_OF_SYSTEM = frozenset({"system", "decoding"})


def _differences(
    first: Any, second: Any, fields: Iterable[Field], *, whole: str, parts: frozenset[str]
) -> Iterator[Difference]:
    """``whole`` is the digest of the fields in ``parts`` and of more: it is told where they do not explain it."""
    same = getattr(first, whole) is not None and getattr(first, whole) == getattr(second, whole)
    last: Field | None = None
    explained = same
    for one in fields:
        if one.name == whole:
            last = one
            continue
        found = None if same and one.name in parts else _difference(first, second, one)
        if found is not None:
            explained = explained or (found.known and one.name in parts)
            yield found
    if last is not None and not explained:
        found = _difference(first, second, last)
        if found is not None:
            yield found


def _difference(first: Any, second: Any, field: Field) -> Difference | None:
    """How the field differs between two cards; None where it is known to be the same."""
    values: list[Any] = [getattr(card, field.name) for card in (first, second)]
    known = None not in values
    if known and field.name == "attempts":
        values = [tuple(one.values()) for one in values]  # the arm is a field of its own
    if known and values[0] == values[1]:
        return None
    if known and field.name == "release":
        sides = [f"{card.version} ({told(card.release)})" for card in (first, second)]
    elif known and isinstance(values[0], dict):
        sides = [told(one) for one in _apart(*values)]
    else:
        sides = [told(RULES.get(field.name, {}).get(str(one), one)) for one in values]
    return Difference(field=field, first=sides[0], second=sides[1], known=known)


def told(value: Any) -> str:
    """A value of a card in words: digests cut short, nothing as ``none``."""
    if value is None:
        return NOT_RECORDED
    if isinstance(value, str):
        return (value[len(DIGEST) : len(DIGEST) + 8] if value.startswith(DIGEST) else value) or "none"
    if isinstance(value, Drawn):
        return value.told()
    if isinstance(value, Mapping):
        entries = cast(Mapping[str, Any], value)
        return ", ".join(f"{name} {told(one)}" for name, one in entries.items()) or "none"
    if isinstance(value, Sequence):
        return ", ".join(map(told, cast(Sequence[Any], value))) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _in_words(field: Field, value: Any) -> str:
    """A value as it stands on the card: rules by what they say, code names as words."""
    if field.name == "arm" and value:
        return ", ".join(f"{_plain(arm)} (arm {arm})" if "_" in arm else arm for arm in value)
    text = told(RULES.get(field.name, {}).get(str(value), value))
    return _plain(text) if field.name in _CODE_NAMES else text


def _plain(name: str) -> str:
    return name.replace("_", " ").replace("+", " and ")


def _apart(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of both the entries that differ."""
    names = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
    return (
        {name: mine[name] for name in names if name in mine},
        {name: theirs[name] for name in names if name in theirs},
    )
