"""Commands of the third moment: targets, runs, judges, ratings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from redloom.cli.output import (
    AsJson,
    Bar,
    Steps,
    Why,
    interruptible,
    note,
    plural,
    print_json,
    print_table,
    split_version,
    stopping,
    visible,
    workspace,
)

if TYPE_CHECKING:
    from redloom.domain.run import Budget
    from redloom.services.execution import Executed, Progress
    from redloom.services.runs import Prepared

BaseUrl = Annotated[str, typer.Option("--base-url", help="Address of an endpoint of the target's kind.")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", min=1, max=1024, help="Requests at once.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost", help="US dollars in all.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Tokens in and out, in all.")]
MaxRequests = Annotated[int | None, typer.Option("--max-requests", help="Requests in all.")]
MaxTime = Annotated[float | None, typer.Option("--max-time", help="Seconds; of this execution.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    target = typer.Typer(help="Declare and try targets.", no_args_is_help=True)
    for command in (add, list_declared, check):
        target.command(name="list" if command is list_declared else command.__name__)(command)
    app.add_typer(target, name="target")
    for command in (run, resume, runs, cancel, judge, rate):
        app.command()(command)


def _only_study(found: Any, study: str) -> str:
    from redloom.errors import InputError
    from redloom.services.loading import list_studies

    names = list_studies(found)
    if study:
        return study
    if len(names) == 1:
        return names[0]
    raise InputError(f"say which study with --study: {', '.join(names) or 'there is none yet'}")


Study = Annotated[str, typer.Option("--study", help="The study; needless where there is only one.")]


def add(
    name: str,
    system: Annotated[str, typer.Argument(help="kind:rest, such as openai:gpt-4o-mini or anthropic:MODEL.")],
    study: Study = "",
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Address of an endpoint of the target's kind.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", help="NAME of the environment variable with the key.")
    ] = None,
    system_prompt: Annotated[str, typer.Option("--system-prompt", help="The system's own prompt.")] = "",
    temperature: Annotated[float | None, typer.Option("--temperature")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Longest reply.")] = None,
    price_in: Annotated[float, typer.Option("--price-in", help="US dollars for a million tokens in.")] = 0.0,
    price_out: Annotated[
        float, typer.Option("--price-out", help="US dollars for a million tokens out.")
    ] = 0.0,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Declare a target; keys only by the name of an environment variable.

    Example: redloom target add prod openai:gpt-4o-mini --key-env OPENAI_API_KEY
    """
    from redloom.services.targets import declare_target

    fields = {
        "system": system,
        "base_url": base_url,
        "key_env": key_env,
        "system_prompt": system_prompt,
        "decoding": {"temperature": temperature, "max_tokens": max_tokens},
        "prices": {"input": price_in, "output": price_out} if price_in or price_out else None,
    }
    with workspace() as found:
        changed = declare_target(found, _only_study(found, study), name, fields, why=why)
    if as_json:
        print_json({"target": name, "changed": changed})
        return
    print(f"{name}: {'declared' if changed else 'was declared like this already'}")


def list_declared(study: Study = "", as_json: AsJson = False) -> None:
    """List the targets a study declares.

    Example: redloom target list
    """
    from redloom.services.targets import list_targets

    with workspace() as found:
        targets = list_targets(found, _only_study(found, study))
    if as_json:
        print_json({name: {**t.content(), **t.beside()} for name, t in targets.items()})
    else:
        rows = [
            (name, t.system, t.base_url, t.delivery.context.how, t.delivery.persona.how)
            for name, t in targets.items()
        ]
        print_table(("target", "system", "base url", "context by", "persona by"), rows)


def check(
    name: Annotated[str, typer.Argument(help="A target of the study, or kind:rest.")],
    study: Study = "",
    base_url: BaseUrl = "",
    as_json: AsJson = False,
) -> None:
    """Try a target by a few short requests: whether it answers, takes the key, knows the model, and what else works.

    Example: redloom target check local:smollm2
    """
    from redloom.services.blocking import wait_for
    from redloom.services.targets import check_target

    with workspace() as found:
        done = wait_for(check_target(found, _only_study(found, study), name, base_url=base_url or None))
    if as_json:
        print_json(done)
        return
    print(f"{done.name}: {visible(done.found)}")
    print_table(("what", "state", "found"), [(one.what, one.state, one.said) for one in done.aspects])
    print(f"{plural(done.requests, 'request')} sent")


def run(
    study: Annotated[str, typer.Argument(help="STUDY@VERSION, or STUDY as it is now (provisional).")],
    target: Annotated[str, typer.Option("--target", help="A target of the study, or kind:rest.")],
    attempts: Annotated[str, typer.Option("--attempts", help="K, or by arm: full=5,no_context=1.")] = "1",
    arms: Annotated[
        str, typer.Option("--arms", help="full, no_context, no_persona, no_history; join two with '+'.")
    ] = "full",
    judge: Annotated[
        list[str] | None,
        typer.Option("--judge", help="Rule judge for each reply as it comes; may be repeated."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Only so many cases (without a version).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    concurrency: Concurrency = None,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    max_requests: MaxRequests = None,
    max_time: MaxTime = None,
    base_url: BaseUrl = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show size and cost; send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a release against a target.

    Example: redloom run school-health@1.0 --target local:smollm2 --arms full,no_context --attempts full=2,no_context=1
    """
    from redloom.services import runs as service
    from redloom.services.blocking import wait_for
    from redloom.services.execution import Operation
    from redloom.services.releases import ReleaseOptions

    slug, version = split_version(study)
    options = service.RunOptions(
        target=target,
        base_url=base_url or None,
        arms=tuple(arm.strip() for arm in arms.split(",")),
        attempts=_attempts(attempts),
        seed=seed,
        selection=ReleaseOptions(provisional=True, sample=sample, seed=seed),
    )
    with workspace() as found:
        if dry_run or any(limit is not None for limit in (max_cost, max_tokens, max_requests, max_time)):
            prepared = service.prepare_run(found, slug, version, options, concurrency=concurrency)
            told = _estimate_lines(prepared)
            if dry_run:
                print_json(prepared) if as_json else print(told)
                return
            note(told)
        with _Watching() as watching:
            operation = Operation(
                concurrency=concurrency,
                budget=_budget(max_cost, max_tokens, max_requests, max_time),
                judges=tuple(judge or ()),
                on_progress=watching.show,
            )
            done = wait_for(service.start_run(found, slug, version, options, operation))
    _finish(done, as_json)


def resume(
    name: Annotated[str, typer.Argument(metavar="RUN", help="Name or beginning of it, or 'last'.")],
    retry: Annotated[str, typer.Option("--retry", help="Take up again also: error, blocked.")] = "",
    judge: Annotated[list[str] | None, typer.Option("--judge", help="Rule judge; may be repeated.")] = None,
    concurrency: Concurrency = None,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    max_requests: MaxRequests = None,
    max_time: MaxTime = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run: whatever has no final state is executed, nothing else.

    Example: redloom resume last --retry error
    """
    from redloom.errors import InputError, unknown
    from redloom.services import runs as service
    from redloom.services.blocking import wait_for
    from redloom.services.execution import Operation

    states = [part.strip() for part in retry.split(",") if part.strip()]
    for state in states:
        if state not in ("error", "blocked"):
            raise InputError(unknown("state to retry", state, ("error", "blocked")))
    again: Any = frozenset(states)
    with workspace() as found, _Watching() as watching:
        operation = Operation(
            concurrency=concurrency,
            budget=_budget(max_cost, max_tokens, max_requests, max_time),
            retry=again,
            judges=tuple(judge or ()),
            on_progress=watching.show,
        )
        done = wait_for(service.resume_run(found, name, operation))
    _finish(done, as_json)


def runs(
    study: Annotated[str, typer.Argument(help="Only of this study.")] = "",
    as_json: AsJson = False,
) -> None:
    """List runs, newest first.

    Example: redloom runs
    """
    from redloom.services.runs import list_runs

    with workspace() as found:
        listed = list_runs(found, study or None)
    if as_json:
        print_json(listed)
    else:
        rows = [
            (r.run, f"{r.study}@{r.version}", r.state, f"{_done(r)}/{r.total}", r.requests) for r in listed
        ]
        print_table(("run", "release", "state", "attempts", "requests"), rows)


def cancel(name: Annotated[str, typer.Argument(metavar="RUN")], as_json: AsJson = False) -> None:
    """Stop a run for good; what was finished stays.

    Example: redloom cancel last
    """
    from redloom.services.runs import cancel_run

    with workspace() as found:
        done = cancel_run(found, name)
    if as_json:
        print_json(done)
        return
    print(f"{done.run}: cancelled with {_done(done)} of {done.total} attempts done")


def judge(
    name: Annotated[str, typer.Argument(metavar="RUN")],
    judges: Annotated[
        list[str],
        typer.Option(
            "--with", help="A judge or target of the study, kind:rest, or rule:NAME; may be repeated."
        ),
    ],
    unit: Annotated[str, typer.Option("--unit", help="interaction, turn_alone or turn_in_context.")] = "",
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="Only so many conversations.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    headline_only: Annotated[
        bool, typer.Option("--headline-only", help="Leave out dissenting rubrics.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also ask again where an answer could not be read or was refused.")
    ] = False,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="First try whether a model judge takes orders from what it judges."),
    ] = False,
    concurrency: Concurrency = None,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    max_requests: MaxRequests = None,
    max_time: MaxTime = None,
    base_url: BaseUrl = "",
    as_json: AsJson = False,
) -> None:
    """Judge a run without calling the target again; several judges live beside each other.

    Example: redloom judge last --with rule:refusal --with local:smollm2 --sample 20
    """
    from redloom.domain.judge import UNITS
    from redloom.errors import InputError, unknown
    from redloom.services.blocking import wait_for
    from redloom.services.judging import JudgeOptions, check_judges, judge_run
    from redloom.services.probing import probe_sentence

    if unit and unit not in UNITS:
        raise InputError(unknown("unit", unit, UNITS))
    chosen: Any = unit or None
    done: list[Any] = []
    with workspace() as found:
        check_judges(found, name, judges)
        for one in judges:
            steps = Steps()
            options = JudgeOptions(
                judge=one,
                unit=chosen,
                base_url=base_url or None,
                sample=sample,
                seed=seed,
                variants=not headline_only,
                again=again,
                concurrency=concurrency,
                budget=_budget(max_cost, max_tokens, max_requests, max_time),
                probe=probe,
                on_progress=partial(steps.show, f"judging with {one}: rubrics answered"),
                on_probe=partial(steps.show, f"probing {one}: planted conversations"),
            )
            with interruptible("what was judged is stored; the same command goes on"):
                try:
                    done.append(wait_for(judge_run(found, name, options)))
                finally:
                    steps.close()
    if as_json:
        print_json(done)
    else:
        for judged in done:
            if judged.probed is not None:
                print(f"{judged.judge}: {probe_sentence(judged.probed)}")
            states = ", ".join(f"{n} {s}" for s, n in judged.states.items())
            print(f"{judged.judge}: {states or ('nothing' if judged.message else 'nothing left to judge')}")
    for judged in done:
        if judged.message:
            note(f"redloom: {judged.judge}: {judged.message}")
    if any(judged.message for judged in done):
        raise typer.Exit(3)


def rate(
    name: Annotated[str, typer.Argument(metavar="RUN")],
    rater: Annotated[str, typer.Option("--as", help="Your name or alias.")],
    unit: Annotated[
        str, typer.Option("--unit", help="interaction, turn_alone or turn_in_context.")
    ] = "interaction",
) -> None:
    """Judge conversations yourself, one at a time, blind to other votes.

    Example: redloom rate last --as nurse-1
    """
    from redloom.cli.rating import rate_in_terminal
    from redloom.domain.judge import UNITS
    from redloom.errors import InputError, unknown

    if unit not in UNITS:
        raise InputError(unknown("unit", unit, UNITS))
    chosen: Any = unit
    with workspace() as found:
        rate_in_terminal(found, name, rater, chosen)


def _attempts(text: str) -> dict[str, int]:
    from redloom.domain.arm import parse_arm
    from redloom.errors import InputError

    found: dict[str, int] = {}
    for part in text.split(","):
        arm, equals, count = part.strip().rpartition("=")
        if not count.isdecimal():
            raise InputError(
                f"--attempts {text!r}: expected a number, or numbers by arm such as full=2,no_context=1"
            )
        found[parse_arm(arm) if equals else ""] = int(count)
    return found


def _budget(cost: float | None, tokens: int | None, requests: int | None, seconds: float | None) -> Budget:
    from redloom.domain.run import Budget

    return Budget(cost=cost, tokens=tokens, requests=requests, seconds=seconds)


class _Watching:
    """A progress bar that begins with the first attempt."""

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def __enter__(self) -> _Watching:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: Progress) -> None:
        """Show how far the run is."""
        if self._bar is None:
            note(f"run {progress.run}")
            self._bar = Bar("running", progress.total, done=progress.done)
        if progress.stopping:
            self._bar.say(stopping(progress.in_flight))
        beside = ", ".join(
            f"{n} {s}" for s, n in progress.states.items() if n and s not in ("completed", "claimed")
        )
        self._bar.update(progress.done, progress.total, beside)


def _done(found: Executed) -> int:
    from redloom.domain.interaction import FINAL_STATES

    return sum(n for state, n in found.states.items() if state in FINAL_STATES)


def _estimate_lines(prepared: Prepared) -> str:
    e = prepared.estimate
    cost = "no prices are declared" if e.cost is None else f"about {e.cost:.2f} US dollars"
    at_once = f"{prepared.concurrency} requests at once"
    return (
        f"{prepared.spec.study}@{prepared.spec.version} on {prepared.spec.target_name}: {prepared.cases} cases, "
        f"{e.items} attempts, {e.requests} requests\n"
        f"about {e.tokens_in} tokens in and {e.tokens_out} out; {cost}\n"
        + (
            f"{at_once}; how long that takes depends on this machine"
            if prepared.seconds is None
            else f"at {at_once} and one second a reply, about {prepared.seconds:.0f} s"
        )
    )


def _finish(done: Executed, as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        states = ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in done.states.items() if n)
        cost = "" if done.cost is None else f", {done.cost:.2f} US dollars"
        print(f"run {done.run}: {done.state}; {states or 'nothing was done'}; {done.requests} requests{cost}")
    for message, count in done.errors:
        note(f"{count} failed: {visible(message)}")
    if done.message:
        note(f"redloom: {visible(done.message)}")
    if done.state != "completed":
        raise typer.Exit(130 if done.interrupted else 3)
    if done.errors:
        note(f"Take them up again with: redloom resume {done.run} --retry error,blocked")
    if not done.states.get("completed"):
        raise typer.Exit(1)
    if not as_json:
        note(f"Next: redloom report {done.run} -o report.html")
