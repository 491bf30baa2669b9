"""Rule judges that plug-ins bring, held to what the built-in ones do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from redloom.domain.interaction import Turn
from redloom.domain.judge import Unit
from redloom.domain.judgement import Instrument, Judgement
from redloom.errors import SetupError
from redloom.ids import IdSource
from redloom.judging.units import excerpts


class Rule(Protocol):
    """A judge that needs nothing but the conversation."""

    @property
    def instrument(self) -> Instrument:
        """Who it is: ``rater_kind`` "rule", ``rater`` "rule:NAME", a version, the unit and the harm it judges."""
        ...

    def judge(self, turns: Sequence[Turn], ids: IdSource, language: str | None = None) -> Iterable[Judgement]:
        """One judgement for each unit of a conversation."""
        ...


class PluggedInRule:
    """A plug-in's rule: where it fails, the judgement's state says so, and the run goes on."""

    def __init__(self, name: str, rule: Rule, unit: Unit, code: str | None) -> None:
        """``code`` is the digest of the plug-in's source, which is part of the instrument."""
        self._rule = rule
        self._unit: Unit = unit
        self.instrument = rule.instrument.model_copy(update={"code_digest": code})
        self._digest, self._own = self.instrument.digest(), rule.instrument.digest()
        stated = (self.instrument.rater_kind, self.instrument.rater, self.instrument.unit)
        if stated != ("rule", f"rule:{name}", unit):
            raise SetupError(
                f"the judge plug-in {name!r} has the instrument (rater_kind, rater, unit) = {stated!r}; "
                f"expected {('rule', f'rule:{name}', unit)!r}"
            )

    @classmethod
    def make(
        cls,
        name: str,
        function: Callable[..., Any],
        unit: Unit,
        *,
        harm: str | None,
        code: str | None = None,
    ) -> PluggedInRule:
        """What ``function(unit=..., harm=...)`` makes; raises SetupError."""
        try:
            return cls(name, function(unit=unit, harm=harm), unit, code)
        except SetupError:
            raise
        except Exception as error:
            raise SetupError(f"the judge plug-in {name!r} raised {type(error).__name__}: {error}") from error

    def judge(self, turns: Sequence[Turn], ids: IdSource, language: str | None = None) -> Iterator[Judgement]:
        """The plug-in's judgements, or one of state ``error`` for each unit."""
        try:
            found = list(self._rule.judge(turns, ids, language))
            wrong = [one for one in found if one.instrument != self._own]
            if wrong:
                raise ValueError(f"a judgement names the instrument {wrong[0].instrument!r}, not its own")
            found = [replace(one, instrument=self._digest) for one in found]
        except Exception as error:  # noqa: BLE001  a judge that fails is a state of its judgement
            why = f"{type(error).__name__}: {error}"[:1000]
            found = [self._failed(turns, excerpt.turn, ids, why) for excerpt in excerpts(turns, self._unit)]
        yield from found

    def _failed(self, turns: Sequence[Turn], turn: bytes | None, ids: IdSource, why: str) -> Judgement:
        return Judgement(
            id=ids.new(),
            interaction=turns[0].interaction,
            turn=turn,
            instrument=self._digest,
            state="error",
            rationale=why,
        )
