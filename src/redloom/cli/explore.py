"""``redloom explore``: talking with a system in the terminal, with branches, marks, findings and promotion."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from redloom.cli.output import note, visible, workspace

if TYPE_CHECKING:
    from redloom.services.exploring import Explored
    from redloom.services.talking import Talks
    from redloom.services.workspace import Workspace

HELP = (
    "What you type is sent as the user's message. /back N goes back to after message N (0: to the beginning), and what "
    "you say next is a branch. /tree shows all branches; /mark WORDS says what went wrong in the last reply; "
    "/finding TITLE writes a finding, /try N tries it again so often, /look JUDGE has a judge look at the tries; with "
    "several systems, @SYSTEM before WORDS or TITLE says whose reply is meant; /promote NAME makes a test conversation of "
    "the branch; /quit ends."
)
LOOK_SECONDS = 0.05


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explore)


def explore(
    study: Annotated[str, typer.Argument(help="The study; may be left out where there is only one.")] = "",
    target: Annotated[
        list[str], typer.Option("--target", help="A target of the study, or kind:rest; several side by side.")
    ] = [],  # noqa: B006  typer makes a new one
    scenario: Annotated[str, typer.Option("--scenario", help="Whose frame: user, context, harm.")] = "",
    arm: Annotated[str, typer.Option("--arm", help="What the system gets to see.")] = "full",
) -> None:
    """Talk with a system by hand, in a scenario's frame; everything is kept, and nothing of it is a rate.

    Example: redloom explore --target local:smollm2 --scenario inhaler-before-pe
    """
    from redloom.errors import InputError
    from redloom.services import exploring
    from redloom.services.loading import list_studies
    from redloom.services.talking import Talks

    with workspace() as found:
        studies = list_studies(found)
        if not study and len(studies) != 1:
            raise InputError(f"say which study: {', '.join(studies) or 'there is none yet'}")
        name = study or studies[0]
        id = exploring.begin(found, name, scenario=scenario or None, targets=target, arm=arm)
        talks = Talks()
        try:
            _Talk(found, talks, name, id).hold()
        finally:
            talks.close()
        note(f"Exploration {id} is kept; open it in the browser with 'redloom serve'.")


class _Talk:
    """One exploration at the terminal."""

    def __init__(self, found: Workspace, talks: Talks, study: str, id: str) -> None:
        self._found, self._talks, self._study, self._id = found, talks, study, id
        self._at: str | None = None
        self._finding_number: int | None = None

    def hold(self) -> None:
        """Until the person ends it."""
        from redloom.errors import InputError

        print(HELP)
        if self._open().frame.model_opens:
            self._say(None)
        commands: dict[str, Callable[[str], None]] = {
            "/back": self._back,
            "/tree": self._tree,
            "/mark": self._mark,
            "/finding": self._finding,
            "/try": self._try,
            "/look": self._look,
            "/promote": self._promote,
        }
        while (line := _read()) is not None and line != "/quit":
            word, _, rest = line.partition(" ")
            try:
                if word in commands:
                    commands[word](rest.strip())
                elif line.startswith("/"):
                    print(f"{visible(word)} is no command. {HELP}")
                elif line:
                    self._say(line)
            except InputError as error:
                print(visible(str(error)))

    def _open(self) -> Explored:
        from redloom.services.exploring import open_exploration

        return open_exploration(self._found, self._study, self._id, live=self._talks.live)

    def _say(self, text: str | None) -> None:
        from redloom.services.exploring import say

        sent = say(self._found, self._study, self._id, text, after=self._at)
        self._talks.ask(self._found, self._study, self._id, sent.exchanges)
        while not self._talks.wait(sent.exchanges, seconds=LOOK_SECONDS):
            pass
        explored = self._open()
        move = explored.tree.moves[sent.move]
        for lane, exchange in move.exchanges.items():
            who = explored.body.lanes[lane].name
            told = visible(exchange.reply) or ("(an empty reply)" if exchange.turn else "")
            print(
                f"{visible(who)}: {told}"
                + (f" [{exchange.state}: {visible(exchange.error or '')}]" if exchange.error else "")
            )
        if any(exchange.turn for exchange in move.exchanges.values()):
            self._at = move.id.hex()

    def _numbered(self) -> list[str]:
        return [move.id.hex() for move in self._open().tree.moves.values()]

    def _back(self, rest: str) -> None:
        moves = self._numbered()
        if not rest.isdecimal() or int(rest) > len(moves):
            print(f"{visible(rest)!r} is no message; expected 0 to {len(moves)}")
            return
        self._at = moves[int(rest) - 1] if int(rest) else None
        print(f"The next message follows message {rest}." if self._at else "The next message begins anew.")

    def _tree(self, rest: str) -> None:
        del rest
        numbers = {move: number for number, move in enumerate(self._numbered(), 1)}
        for depth, move in self._open().tree.walk():
            here = " <- you are here" if move.id.hex() == self._at else ""
            print(
                f"{'  ' * depth}{numbers[move.id.hex()]} {visible(move.text or 'the system opens')[:80]}{here}"
            )

    def _mark(self, rest: str) -> None:
        from redloom.services.exploring import mark

        explored = self._open()
        harm = explored.frame.scenario.harm if explored.frame.scenario else None
        exchange, rest = self._last(rest)
        given = {"what": rest} | ({"harm": harm} if harm else {})
        mark(self._found, self._study, self._id, exchange, given)
        print("Marked.")

    def _finding(self, rest: str) -> None:
        from redloom.services.findings import write_finding

        explored = self._open()
        harm = explored.frame.scenario.harm if explored.frame.scenario else None
        exchange, rest = self._last(rest)
        given = {"title": rest, "hypothesis": explored.body.hypothesis} | ({"harm": harm} if harm else {})
        number = write_finding(self._found, self._study, self._id, exchange, given)
        self._finding_number = number
        print(f"Finding {number} is written; /try 5 tries it again.")

    def _try(self, rest: str) -> None:
        from redloom.services.findings import ask_for_tries, open_finding

        number = self._written()
        before = len(open_finding(self._found, self._study, number).tries)
        ask_for_tries(
            self._found, self._study, number, int(rest) if rest.isdecimal() and len(rest) < 9 else 0
        )
        found = open_finding(self._found, self._study, number)
        self._talks.hold_tries(self._found, self._study, found)
        while self._talks.busy(found.id):
            time.sleep(LOOK_SECONDS)
        tries = open_finding(self._found, self._study, number).tries
        for n, one in enumerate(tries[before:], before + 1):
            print(f"Try {n}: {visible(one.turns[-1].reply if one.turns else one.error or '')}")
        print("Say in the browser whether it happened again; /look JUDGE has a judge look.")

    def _look(self, rest: str) -> None:
        import asyncio

        from redloom.services.findings import open_finding
        from redloom.services.trying import check_judge, judge_tries, looks

        number = self._written()
        check_judge(self._found, self._study, number, rest)
        asyncio.run(judge_tries(self._found, self._study, number, rest))
        for one in looks(self._found, open_finding(self._found, self._study, number)):
            share, left = one.share, f"; {one.open} not decided" if one.open else ""
            span = f" (95 % interval {share.low:.0%} to {share.high:.0%}, Wilson)" if share.n else ""
            told = f"{one.asks} in {share.events or 0:.0f} of {share.n}{span}{left}"
            print(f"Judge {visible(one.instrument.rater)}: {told}")
        print("This stands beside what people say and is not counted with it.")

    def _written(self) -> int:
        from redloom.errors import InputError

        if self._finding_number is None:
            raise InputError("no finding was written yet; /finding TITLE writes one")
        return self._finding_number

    def _promote(self, rest: str) -> None:
        from redloom.services.exploring import Promotion, promote

        explored = self._open()
        how = Promotion(slug=rest, scenario=explored.body.scenario or "", hypothesis=explored.body.hypothesis)
        print(f"Case {promote(self._found, self._study, self._id, self._at or '', how)} is a draft.")

    def _last(self, words: str) -> tuple[str, str]:
        """The newest reply of the branch, and the words without whose it is: by @SYSTEM, else of the first that gave one."""
        from redloom.errors import InputError, unknown

        explored = self._open()
        move = explored.tree.moves.get(bytes.fromhex(self._at or ""))
        if move is None:
            raise InputError("nothing was said yet")
        replies = {
            explored.body.lanes[lane].name: one.id.hex()
            for lane, one in move.exchanges.items()
            if one.turn is not None
        }
        if not words.startswith("@"):
            return next(iter(replies.values())), words
        name, _, rest = words[1:].partition(" ")
        if name not in replies:
            raise InputError(unknown("system that replied", name, replies))
        return replies[name], rest.strip()


def _read() -> str | None:
    """One line; None at the end of input."""
    print("> ", end="", flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None
