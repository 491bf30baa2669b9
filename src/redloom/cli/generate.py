"""Drafts of test conversations by a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from redloom.cli.output import (
    AsJson,
    Bar,
    interruptible,
    plural,
    print_json,
    print_table,
    visible,
    workspace,
)

if TYPE_CHECKING:
    from redloom.services.generating import Draft, Shown


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)


def generate(
    study: str,
    target: Annotated[str, typer.Option("--with", help="A target of the study, or kind:rest.")],
    wanted: Annotated[
        list[str] | None,
        typer.Option("--for", help="A scenario without a case, or a work order; several times for several."),
    ] = None,
    drafts: Annotated[
        int, typer.Option("--drafts", min=1, max=200, help="How many, where none is named with --for.")
    ] = 3,
    strength: Annotated[
        int, typer.Option("--strength", min=1, max=3, help="Of the plan that the work orders come from.")
    ] = 2,
    max_tokens: Annotated[int, typer.Option("--max-tokens", help="Of each answer.")] = 600,
    base_url: Annotated[str, typer.Option("--base-url", help="Address of the endpoint.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a model write drafts of cases; what is sent is shown first, and nothing is accepted by itself.

    Example: redloom generate school-health --with local:smollm2 --drafts 2
    """
    from redloom.services.blocking import wait_for
    from redloom.services.drafting import begin, write
    from redloom.services.generating import list_wanted, show_requests

    with workspace() as found:
        keys = wanted or [one.key for one in list_wanted(found, study, strength=strength)[:drafts]]
        shown = show_requests(
            found,
            study,
            target,
            keys,
            max_tokens=max_tokens,
            strength=strength,
            base_url=base_url or None,
        )
        if not yes and as_json:
            print_json({"sent": False, "requests": shown})
            return
        if not yes:
            _print_requests(shown)
            typer.confirm(
                f"Send {plural(len(shown.wanted), 'request')} to {visible(shown.system)}?", abort=True
            )
        bar, came = Bar("drafts", len(shown.wanted)), 0

        def show(_: Draft) -> None:
            nonlocal came
            came += 1
            bar.update(came, len(shown.wanted))

        try:
            with interruptible("every draft that came is stored"):
                batch = begin(found, study, shown)
                done = wait_for(write(found, study, batch, shown, base_url=base_url or None, on_draft=show))
        finally:
            bar.close()
    if as_json:
        print_json({"sent": True, "drafts": done})
    else:
        _print_drafts(done)


def _print_requests(shown: Shown) -> None:
    print(f"system: {visible(shown.instruction)}")
    for one in shown.wanted:
        print(f"\n# {one.key}\n{visible(one.prompt)}")
    print(f"\nat most {shown.max_tokens} tokens each")


def _print_drafts(done: list[Draft]) -> None:
    rows = [(one.key, one.case or "none", visible(one.problem or "draft stored")) for one in done]
    print_table(("for", "case", "what came of it"), rows)
    print(f"{plural(sum(bool(one.case) for one in done), 'draft')} stored")
