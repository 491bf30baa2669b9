"""From what a person says of a target to its definition, or to everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from redloom.domain.target import Target, system_problem
from redloom.domain.value import Slug, Value, issue_at, issues_of, shown
from redloom.errors import InputError
from redloom.targets.base import CONCURRENCY
from redloom.targets.registry import KINDS

_KEY = re.compile(r"(?=.*\d)[\w-]{20,}")
"""What a key looks like, and hardly anything else that belongs here."""


class _Declared(Value):
    """What a command declares."""

    name: Slug
    target: Target


def read_target(name: str, fields: Mapping[str, Any], *, environment: Mapping[str, str]) -> Target:
    """The target of that name with these fields; raises InputError with every problem, and repeats no key."""
    found: dict[tuple[str | int, ...], str] = {}
    target = None
    try:
        target = _Declared.model_validate({"name": name, "target": fields}).target
    except ValidationError as error:
        found.update(issues_of(error, _Declared))
    kind = str(fields["system"]).partition(":")[0]
    more = {
        "system": _system_problem(fields["system"]),
        "base_url": _address_problem(
            fields.get("base_url"), of_provider=kind in CONCURRENCY or kind not in KINDS
        ),
        "key_env": _variable_problem(fields.get("key_env"), environment),
    }
    for field, problem in more.items():
        if problem is not None:
            found.setdefault(("target", field), problem)
    if target is None or found:
        raise InputError(
            issue_at(path[1:] if path[0] == "target" else path, message) for path, message in found.items()
        )
    return target


def _system_problem(system: str) -> str | None:
    problem = system_problem(system, KINDS)
    return problem and (
        problem.replace(repr(system), "what was given") if _KEY.fullmatch(system) else problem
    )


def _address_problem(address: str | None, *, of_provider: bool) -> str | None:
    """What is wrong with the address of an endpoint; it is repeated only where it cannot be a key."""
    if address is None:
        return None
    expected = "expected an address such as 'https://host/v1'"
    if not address.strip():
        return f"is empty; {expected}"
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if "@" in (parts.netloc or address):
        return (
            "has a user or a password in it, which would be stored; name a variable with the key in key_env"
        )
    if (usable or not of_provider) and not re.search(r"\s", address):
        return None
    if re.fullmatch(r"[\w.-]+:\d+(/\S*)?", address):
        expected = f"did you mean 'http://{address}'?"
    said = "what was given" if _KEY.fullmatch(address) else shown(address)
    return f"{said} is not the address of an endpoint; {expected}"


def _variable_problem(name: str | None, environment: Mapping[str, str]) -> str | None:
    """What speaks against a name that is in form: it looks like a key, or is set in capitals only."""
    if name is None or name in environment:
        return None
    if _KEY.fullmatch(name) and ("_" not in name or re.search(r"[a-z]", name)):
        return "names an environment variable; what was given looks like a key itself, which must never stand here"
    if name.upper() in environment:
        return f"no environment variable named {name!r} is set; did you mean {name.upper()!r}?"
    return None
