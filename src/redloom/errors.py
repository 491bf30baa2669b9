"""Everything Redloom raises on purpose.

::

    RedloomError
    ├── InputError            something given is wrong; carries every problem found, nothing was done
    │   ├── UnknownNameError  a study, run, release, target ... that is not there
    │   └── ConflictError     the file and the stored study were both changed
    ├── DiffersError          runs differ in more than was declared to vary; nothing was compared
    ├── SetupError            this machine lacks something; the message says how to get it
    ├── StoreError            the database failed; a run stops and can be resumed
    ├── BudgetSpentError      a declared budget is used up; the run stops and can be resumed
    ├── StoppedError          the target turned everything away; the run stops and can be resumed
    └── TargetError           one request to a target failed; data on that attempt, the run goes on
        ├── RateLimitedError  told to wait; carries the seconds if they were said
        ├── UnavailableError  no answer, a 5xx, a dropped connection: worth another try
        ├── BlockedError      the provider's content filter took the reply
        ├── MalformedError    an answer that is not of the declared form
        └── RejectedError     wrong key, wrong model, wrong request: another try changes nothing

Exit statuses are told by the class: ``DiffersError`` is 1, ``InputError``, ``SetupError`` and ``RejectedError`` are 2,
``StoreError``, ``StoppedError`` and ``BudgetSpentError`` are 3 (stopped, resumable).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast


class RedloomError(Exception):
    """Base of all errors that are meant to be read by a person."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem in something given: where it is, what it is, what was expected."""

    message: str
    path: str = ""
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class InputError(RedloomError):
    """Something given is wrong. ``issues`` holds every problem found; nothing was done."""

    def __init__(self, issues: str | Issue | Iterable[Issue]) -> None:
        if isinstance(issues, str):
            issues = [Issue(issues)]
        elif isinstance(issues, Issue):
            issues = [issues]
        self.issues: tuple[Issue, ...] = tuple(issues)
        super().__init__("\n".join(str(issue) for issue in self.issues))


class UnknownNameError(InputError):
    """A name that is not there; says the nearest one that is."""

    def __init__(self, kind: str, name: str, known: Iterable[str] | None, *, hint: str = "") -> None:
        """``known`` are the names there are; None where they would help nobody."""
        message = f"no {kind} named {name!r}" if known is None else unknown(kind, name, known)
        stop = "" if message.endswith("?") else "."
        super().__init__(f"{message}{stop} {hint}" if hint else message)


class ConflictError(InputError):
    """The file and the stored study were both changed since the file was written."""


class DiffersError(RedloomError):
    """Runs differ in more than was declared to vary; the message names every field."""


class SetupError(RedloomError):
    """This machine lacks something; the message says how to get it."""


class StoreError(RedloomError):
    """The database failed; what was committed is safe, and a run can be resumed."""


class BudgetSpentError(RedloomError):
    """A declared budget is used up; the run can be resumed with a larger one."""


class FailingError(RedloomError):
    """So many conversations failed one after the other that the rest would too; the run can be resumed."""


class StoppedError(RedloomError):
    """A run stopped before its end for a reason outside it; the message names the command that goes on."""


class TargetError(RedloomError):
    """One request to a target failed."""

    retryable = False

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitedError(TargetError):
    """The target said to wait."""

    retryable = True


class UnavailableError(TargetError):
    """No answer, a server error or a dropped connection."""

    retryable = True


class BlockedError(TargetError):
    """The provider's content filter took the reply."""


class MalformedError(TargetError):
    """The answer is not of the declared form."""

    retryable = True


class RejectedError(TargetError):
    """A wrong key, model or request; another try changes nothing."""

    def __init__(self, message: str, *, stops: bool = False) -> None:
        super().__init__(message)
        self.stops = stops
        """Every further request would fail the same way: a wrong key or model."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None when none is close."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One sentence: there is no such name, and which one may be meant."""
    names: Sequence[str] = sorted(known)
    close = nearest(name, names)
    if close is not None:
        return f"no {kind} named {name!r}; did you mean {close!r}?"
    if not names:
        return f"no {kind} named {name!r}; there is none yet"
    listed = ", ".join(repr(n) for n in names[:8]) + (", ..." if len(names) > 8 else "")
    return f"no {kind} named {name!r}; expected one of {listed}"


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first plain exception in a group of groups."""
    inner = group.exceptions[0]
    return (
        first_of(cast("BaseExceptionGroup[BaseException]", inner))
        if isinstance(inner, BaseExceptionGroup)
        else inner
    )
