"""Hypothesis strategies for valid studies full of hostile text."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from redloom.domain.study import Study

FRAGMENTS = (
    *("'", '"', "''", '"""', "\\", "\n", "\n\n", "\t", "\r", "\r\n", " ", "  ", "\x0b", "\x00", "\x1b[31m"),
    *(
        "\x85",
        "\u2028",
        "\u2029",
        "\ufeff",
        "\u202e",
        "\u2066",
        "\u200b",
        "\u200d",
        "👩‍👩‍👧",
        "é",
        "e\u0301",
        "\U0010ffff",
    ),
    *("yes", "no", "on", "off", "Yes", "NO", "y", "n", "true", "True", "false", "null", "~", "Null", "none"),
    *(
        "1",
        "-1",
        "+1",
        "0",
        "007",
        "0o7",
        "0x1F",
        "0b1",
        "1_000",
        "1:30",
        "190:20:30",
        "1.5",
        "1.",
        ".5",
        "1e3",
        "-.inf",
    ),
    *(
        ".nan",
        "NaN",
        "1e999",
        "9" * 30,
        "9" * 5000,
        "2026-01-02",
        "2026-01-02T03:04:05Z",
        "=",
        "<<",
        "<<: *a",
    ),
    *(
        "{{ }}",
        "{x}",
        "{{ x }}",
        "{% if %}",
        "|",
        "|-",
        ">",
        ">-",
        "---",
        "...",
        "--- a",
        "\n---\n",
        "- ",
        "-",
        "?",
        "? a",
    ),
    *(
        ":",
        ": ",
        "a: b",
        "#",
        " #x",
        "a #b",
        "&a",
        "*a",
        "!!str",
        "!t",
        "%TAG",
        "@",
        "`",
        "[",
        "]",
        "{",
        "}",
        ",",
        "[]",
        "{}",
    ),
    *("<script>", "=1+1", "-1+1", "@SUM(A1)", "%s", "${HOME}", "x" * 130, "word " * 40, "a" * 120 + " b"),
)
"""Pieces that some reader or writer somewhere takes for something else."""

_any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
texts: SearchStrategy[str] = st.one_of(
    st.sampled_from(FRAGMENTS),
    _any_text,
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), _any_text), min_size=2, max_size=4).map("".join),
)
loose_texts = st.one_of(st.just(""), texts)
LANGUAGES = ("en", "es", "no", "pt-BR", "zh-Hant")
local_texts = st.one_of(texts, st.dictionaries(st.sampled_from(LANGUAGES), texts, min_size=1, max_size=3))
slugs = st.one_of(
    st.sampled_from(
        ("a", "1", "1.5", "true", "null", "no", "0x1", "1e3", "2026-01-02", "é", "日本", "a.b-c_d", "x" * 120)
    ),
    st.from_regex(r"[a-z0-9][a-z0-9_.\-]{0,10}", fullmatch=True),
)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
attributes = st.one_of(st.booleans(), integers, floats, loose_texts)
values = st.recursive(
    st.one_of(st.none(), attributes),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(loose_texts, inner, max_size=3)),
    max_leaves=6,
)


def _some(strategy: SearchStrategy[Any], most: int = 2) -> SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=most)


def _each_once(acts: SearchStrategy[dict[str, Any]]) -> SearchStrategy[list[dict[str, Any]]]:
    return st.lists(acts, max_size=2, unique_by=lambda act: act["by"])


def _record(required: dict[str, Any], **optional: Any) -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def _pick(of: list[str]) -> SearchStrategy[str]:
    return st.sampled_from(of)


def _picks(of: list[str]) -> SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(of), max_size=2, unique=True) if of else st.just([])


contexts = _record(
    {"title": texts, "setting": texts, "sender_role": texts, "recipient_role": texts},
    third_parties=_some(texts),
    information_type=loose_texts,
    transmission_principle=loose_texts,
    locale=loose_texts,
    language=st.sampled_from(LANGUAGES),
    stakes=loose_texts,
    norms=_record({}, must=_some(texts), must_not=_some(texts)),
    deployment_text=local_texts,
)
personas = _record(
    {"title": texts, "provenance": st.sampled_from(("lived_experience", "expert_authored", "synthetic"))},
    attributes=st.dictionaries(loose_texts, attributes, max_size=3),
    goals=_some(texts),
    disclosure=local_texts,
    behaviour=_record(
        {}, disclosure_style=loose_texts, reaction_to_refusal=loose_texts, patience=loose_texts
    ),
)
interaction_types = _record(
    {
        "title": texts,
        "stance": st.sampled_from(("benign", "boundary", "third_party")),
        "relation": st.sampled_from(("task", "tutoring")),
        "structure": st.sampled_from(("single_turn", "multi_turn")),
    },
    description=loose_texts,
    initiative=st.sampled_from(("user", "model")),
)


@st.composite
def rubrics(draw: st.DrawFn, scale: list[int]) -> dict[str, Any]:
    """A rubric whose questions are reached one from the other; severities lie on ``scale``."""
    names = draw(st.lists(slugs, min_size=1, max_size=3, unique=True))
    questions: dict[str, Any] = {}
    for index, name in enumerate(names):
        answers: dict[str, Any] = {}
        for number, answer in enumerate(draw(st.lists(texts, min_size=2, max_size=3, unique=True))):
            if index + 1 < len(names) and (number == 0 or draw(st.booleans())):
                target = names[index + 1] if number == 0 else draw(_pick(names[index + 1 :]))
                answers[answer] = {"to": target}
                continue
            verdict = draw(st.sampled_from(("harm", "no_harm", "unsure", "depends_on")))
            answers[answer] = {"verdict": verdict}
            if verdict == "harm" and scale and draw(st.booleans()):
                answers[answer]["severity"] = draw(st.sampled_from(scale))
            if verdict == "depends_on":
                answers[answer]["missing"] = draw(local_texts)
        questions[name] = {"text": draw(local_texts), "answers": answers} | draw(
            _record({}, help=local_texts)
        )
    return {"start": names[0], "questions": questions}


@st.composite
def _harms(draw: st.DrawFn, earlier: list[str], known: list[str]) -> dict[str, Any]:
    scale = draw(st.lists(st.integers(-2, 9), max_size=3, unique=True).map(sorted))
    example = _record({"text": local_texts, "why": texts})
    dissent = _record({"by": texts, "why": texts}, definition=local_texts, rubric=rubrics(scale))
    body = draw(
        _record(
            {"title": texts, "definition": local_texts, "rubric": rubrics(scale)},
            background=loose_texts,
            includes=_some(texts),
            examples=_some(example),
            counter_examples=_some(example),
            system_role=st.sampled_from(("perpetrator", "enabler")),
            harm_types=st.lists(st.sampled_from(("allocative", "societal")), max_size=2),
            protective_response=local_texts,
            crosswalk=_some(
                _record(
                    {
                        "taxonomy": texts,
                        "version": texts,
                        "code": texts,
                        "relation": st.sampled_from(("exact", "broad")),
                    }
                )
            ),
            sources=_some(texts),
            authors=_some(texts),
            broader=_picks(earlier),
            dissent=_each_once(dissent),
            endorsements=_each_once(_record({"by": texts}, why=loose_texts)),
        )
    )
    if scale:
        levels = [{"value": v, "label": draw(texts), "description": draw(texts)} for v in scale]
        body["severity"] = {"grounding": draw(texts), "levels": levels}
    if known:
        condition = st.one_of(attributes, _some(attributes, 3), _record({}, min=floats, max=floats))
        rule = _record({"when": st.dictionaries(_pick(known), condition, max_size=2), "require": texts})
        body["rules"] = draw(_some(rule))
    return body


@st.composite
def _scenarios(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    return draw(
        _record(
            {
                "title": texts,
                "context": _pick(list(document["contexts"])),
                "persona": _pick(list(document["personas"])),
                "interaction_type": _pick(list(document["interaction_types"])),
                "harm": _pick(list(document["harms"])),
                "language": _pick(document["languages"]),
                "user_goal": texts,
                "expected": _record(
                    {"behaviour": st.sampled_from(("help", "decline", "protect")), "sentence": texts}
                ),
            },
            affected_parties=_some(texts),
            hypothesis=loose_texts,
            rationale=loose_texts,
            evidence=_picks(list(document["evidence"])),
        )
    )


@st.composite
def _cases(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    body = draw(
        _record(
            {"script": st.lists(texts, min_size=1, max_size=3)},
            opening=texts,
            turn_limit=st.integers(1, 9),
            stop=st.sampled_from(("script_end", "first_refusal")),
            language=st.sampled_from(LANGUAGES),
            text_origin=st.sampled_from(("locally_authored", "translated")),
            provenance=_record(
                {}, author=loose_texts, origin=st.sampled_from(("human", "imported")), parent=slugs
            ),
            tags=st.dictionaries(loose_texts, loose_texts, max_size=2),
        )
    )
    if document["scenarios"] and draw(st.booleans()):
        body["scenario"] = draw(_pick(list(document["scenarios"])))
        if draw(st.booleans()):
            body["slots"] = {"me": "persona.disclosure"}
            body["script"] = [turn.replace("{", "(") for turn in body["script"]]
            body["script"][0] = "{me}" + body["script"][0]
        return body
    body["cluster"] = draw(slugs)
    if draw(st.booleans()):
        body["harm"] = draw(_pick(list(document["harms"])))
    return body


targets = _record(
    {"system": texts.map("openai:{}".format)},
    base_url=texts,
    system_prompt=loose_texts,
    decoding=_record(
        {},
        temperature=st.floats(0, 2),
        max_tokens=st.integers(1, 99),
        stop=_some(loose_texts),
        seed=st.sampled_from(("per_attempt", "none")),
        extra=st.dictionaries(loose_texts, values, max_size=3),
    ),
    delivery=_record(
        {},
        context=_record({"how": st.sampled_from(("system_prompt", "not_delivered"))}, template=loose_texts),
        persona=_record({"how": st.sampled_from(("said_by_user", "request_field"))}, field=loose_texts),
    ),
    http=_record(
        {"url": texts, "body": values, "reply": texts},
        headers=st.dictionaries(loose_texts, loose_texts, max_size=2),
    ),
    key_env=st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True),
    limits=_record(
        {}, concurrency=st.integers(1, 1024), timeout=st.floats(0.5, 500), tries=st.integers(1, 20)
    ),
    prices=_record({}, input=st.floats(0, 99), output=st.floats(0, 99)),
)


@st.composite
def _judges(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    pattern = _record(
        {"any_of": st.lists(texts, min_size=1, max_size=2), "verdict": st.sampled_from(("harm", "unsure"))},
        severity=st.integers(0, 3),
        languages=st.lists(st.sampled_from(LANGUAGES), max_size=2),
    )
    rule = _record({"by": st.just("rule"), "patterns": st.lists(pattern, min_size=1, max_size=2)})
    names = [st.just("openai:x"), *([_pick(list(document["targets"]))] if document["targets"] else [])]
    model = _record({"by": st.just("model"), "target": st.one_of(*names)}, rationale=st.booleans())
    return draw(st.one_of(rule, model)) | {"harms": draw(_picks(list(document["harms"])))}


ARMS = ("full", "no_context", "no_persona", "no_context+no_history")


@st.composite
def _protocols(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    harms, judges = list(document["harms"]), document["judges"].items()
    raters = [f"rule:{slug}" if judge["by"] == "rule" else slug for slug, judge in judges]
    body = draw(
        _record(
            {"plan": texts},
            primary_judge=_pick([*raters, *document["targets"], "rule:refusal", "openai:x", "a nurse"]),
            unit=st.sampled_from(("turn_alone", "turn_in_context", "interaction")),
            weight=st.sampled_from(("cluster", "case")),
            thresholds=st.dictionaries(_pick([*harms, "all"]), st.floats(0.001, 0.999), max_size=3),
            must_never=_picks([*harms, *document["cases"]]),
            deviations=_some(texts),
        )
    )
    arms = draw(st.lists(st.sampled_from(ARMS), max_size=4, unique=True))
    counts = st.integers(1, 9)
    by_arm = st.dictionaries(st.sampled_from(arms), counts, min_size=1) if arms else counts
    more = _record({}, attempts=st.one_of(counts, by_arm), family=_picks(arms[1:]), arms=st.just(arms))
    return (
        body
        | {name: value for name, value in draw(more).items() if arms or name == "attempts"}
        | ({"arms": arms} if arms else {})
    )


def _named(names: SearchStrategy[list[str]], bodies: Any) -> SearchStrategy[dict[str, Any]]:
    return names.flatmap(lambda found: st.fixed_dictionaries(dict.fromkeys(found, bodies)))


def _slugs(least: int, most: int) -> SearchStrategy[list[str]]:
    return st.lists(slugs, min_size=least, max_size=most, unique=True)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document that is a valid study."""
    document: dict[str, Any] = {
        "study": draw(slugs),
        "title": draw(local_texts),
        "languages": draw(st.lists(st.sampled_from(LANGUAGES), min_size=1, max_size=3, unique=True)),
    }
    document |= draw(
        _record(
            {},
            charter=_record({}, purpose=loose_texts, decision=loose_texts, in_scope=_some(texts)),
        )
    )
    document["contexts"] = draw(_named(_slugs(1, 2), contexts))
    document["personas"] = draw(_named(_slugs(1, 2), personas))
    document["interaction_types"] = draw(_named(_slugs(1, 2), interaction_types))
    known = sorted(
        {name for persona in document["personas"].values() for name in persona.get("attributes", {})}
    )
    document["harms"] = {}
    for slug in draw(_slugs(1, 3)):
        document["harms"][slug] = draw(_harms(list(document["harms"]), known))
    evidence = _record(
        {"title": texts, "type": st.sampled_from(("incident", "interview")), "source": texts, "text": texts},
        date=st.dates().map(lambda day: day.isoformat()),
        harms=_picks(list(document["harms"])),
    )
    document["evidence"] = draw(_named(_slugs(0, 2), evidence))
    document["scenarios"] = {slug: draw(_scenarios(document)) for slug in draw(_slugs(0, 2))}
    _add_twin(draw, document)
    for body in document["evidence"].values():
        body["scenarios"] = draw(_picks(list(document["scenarios"])))
    document["cases"] = {slug: draw(_cases(document)) for slug in draw(_slugs(0, 3))}
    document["targets"] = draw(_named(_slugs(0, 2), targets))
    document["judges"] = {slug: draw(_judges(document)) for slug in draw(_slugs(0, 1))}
    _add_constraint(draw, document)
    if draw(st.booleans()):
        document["protocol"] = draw(_protocols(document))
    return document


def _add_twin(draw: st.DrawFn, document: dict[str, Any]) -> None:
    for slug, body in list(document["scenarios"].items()):
        others = [name for name in document["personas"] if name != body["persona"]]
        if others and "twin-of-it" not in document["scenarios"]:
            twin = {"of": slug, "differs_in": "persona"}
            document["scenarios"]["twin-of-it"] = {**body, "persona": draw(_pick(others)), "twin": twin}


def _add_constraint(draw: st.DrawFn, document: dict[str, Any]) -> None:
    context, persona = draw(_pick(list(document["contexts"]))), draw(_pick(list(document["personas"])))
    taken = {(body["context"], body["persona"]) for body in document["scenarios"].values()}
    if (context, persona) not in taken:
        one_or_many = draw(st.sampled_from((persona, [persona])))
        document["constraints"] = [
            {"forbid": {"context": context, "persona": one_or_many}, "reason": draw(texts)}
        ]


def studies() -> SearchStrategy[Study]:
    """Valid studies."""
    from helpers_create.small import to_study

    return documents().map(to_study)
