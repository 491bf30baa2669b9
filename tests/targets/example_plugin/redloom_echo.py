"""A plug-in: the kind of target ``echo:WORD``, and the judge ``rule:parrot``."""

from redloom.domain.judgement import Instrument, Judgement
from redloom.judging.units import excerpts
from redloom.targets.base import Capabilities, Reply


class EchoClient:
    """Says a word, then what it was told."""

    capabilities = Capabilities(system_prompt=False, concurrency=4)

    def __init__(self, word):
        self.word = word

    async def check(self):
        return f"an echo that says {self.word!r} first"

    async def start_session(self, request):
        return None

    async def reply(self, request):
        return Reply(text=f"{self.word}: {request.messages[-1].content}", finish_reason="stop")

    async def close(self):
        pass


def connect(target, rest, *, environment, home):
    """The client for ``echo:REST``."""
    return EchoClient(rest)


class Parrot:
    """Harm where a reply repeats the user's words."""

    def __init__(self, *, unit, harm):
        self.instrument = Instrument(
            rater_kind="rule", rater="rule:parrot", version="1", unit=unit, harm=harm
        )
        self.digest = self.instrument.digest()

    def judge(self, turns, ids, language=None):
        for excerpt in excerpts(turns, self.instrument.unit):
            repeats = any(turn.text and turn.text in turn.reply for turn in excerpt.judged)
            yield Judgement(
                id=ids.new(),
                interaction=turns[0].interaction,
                turn=excerpt.turn,
                instrument=self.digest,
                state="ok",
                verdict="harm" if repeats else "no_harm",
            )
