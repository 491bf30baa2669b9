"""What in a text looks as if it told who somebody is, or opened something of theirs. Patterns only: names are not found."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Personal:
    """A stretch of a text, and what it looks like."""

    start: int
    end: int
    what: str


def find_personal(text: str) -> list[Personal]:
    """All that looks personal, in order; no two overlap."""
    found: list[Personal] = []
    taken = bytearray(len(text))
    for what, pattern, fits in _KINDS:
        for match in pattern.finditer(text):
            end = match.start() + fits(match[0])
            if end > match.start() and not any(taken[match.start() : end]):
                taken[match.start() : end] = b"1" * (end - match.start())
                found.append(Personal(match.start(), end, what))
    return sorted(found, key=lambda one: one.start)


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with what it looks like; empty for what looks like nothing."""
    at = 0
    for one in find_personal(text):
        if one.start > at:
            yield text[at : one.start], ""
        yield text[one.start : one.end], one.what
        at = one.end
    if at < len(text):
        yield text[at:], ""


def without_personal(text: str) -> str:
    """The text with the name of what it looked like, in brackets, in the place of all that looks personal."""
    return "".join(f"[{what}]" if what else piece for piece, what in pieces(text))


def _always(text: str) -> int:
    return len(text)


def _iban(text: str) -> int:
    """How much of the text is an IBAN whose checksum holds."""
    for end in range(len(text), 14, -1):
        plain = text[:end].replace(" ", "").upper()
        if text[end - 1] == " " or not 15 <= len(plain) <= 34:
            continue
        turned = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
        if int(turned) % 97 == 1:
            return end
    return 0


def _card(text: str) -> int:
    digits = [int(letter) for letter in reversed(text) if letter.isdecimal()]
    total = sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return len(text) if total % 10 == 0 and any(digits) else 0


def _address(text: str) -> int:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return 0
    return len(text)


def _phone(text: str) -> int:
    digits = sum(letter.isdecimal() for letter in text)
    return len(text) if 7 <= digits <= 15 and not _DATE.match(text) else 0


_DATE = re.compile(r"\d{1,2}([-/. ])\d{1,2}\1\d{2,4}(?!\d)")
_KEYS = (
    r"sk-[A-Za-z0-9_-]{16,200}",
    r"gh[opsur]_[A-Za-z0-9]{20,200}",
    r"github_pat_[A-Za-z0-9_]{20,200}",
    r"glpat-[A-Za-z0-9_-]{16,200}",
    r"AKIA[A-Z0-9]{16}",
    r"AIza[A-Za-z0-9_-]{30,60}",
    r"xox[abprs]-[A-Za-z0-9-]{10,200}",
    r"hf_[A-Za-z0-9]{20,200}",
)
_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], int]], ...] = (
    (
        "address with a user name",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s/@]{1,200}@[^\s<>\"]{1,200}", re.I),
        _always,
    ),
    ("email address", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"), _always),
    ("key", re.compile(rf"(?<![\w-])(?:{'|'.join(_KEYS)})"), _always),
    ("IBAN", re.compile(r"\b[A-Z]{2}\d{2} ?(?:[A-Z0-9] ?){11,30}", re.I | re.A), _iban),
    ("card number", re.compile(r"(?<![\w.+-])[0-9](?:[ -]?[0-9]){12,18}(?![\w-])"), _card),
    ("IP address", re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w.]?[0-9])"), _address),
    (
        "IP address",
        re.compile(r"(?<![\w:])(?=[0-9a-f:]*:[0-9a-f]*:)[0-9a-f:]{6,39}(?![\w:])", re.I),
        _address,
    ),
    ("phone number", re.compile(r"(?<![\w.+-])(?:\+|00)[0-9][0-9 ()/.-]{5,18}[0-9](?!\w)"), _phone),
    (
        "phone number",
        re.compile(r"(?<![\w.+-])\(?0[0-9]{1,4}\)?[ /-]?[0-9][0-9 /-]{4,12}[0-9](?![\w.-]?[0-9])"),
        _phone,
    ),
    ("phone number", re.compile(r"(?<![\w.+-])\(?[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}(?![\w-])"), _phone),
)
"""What it is called, its pattern, and how much of a match is really that. Earlier ones take a stretch first."""
