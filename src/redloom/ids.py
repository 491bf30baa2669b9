"""Canonical JSON, digests, slugs and time-ordered identifiers."""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import rfc8785

_SLUG = re.compile(r"[^\W_][\w.\-]*")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
MAX_SLUG = 120
_TAIL, _VARIANT = (1 << 62) - 1, 1 << 63


def canonical_json(value: Any) -> bytes:
    """The one byte form of a JSON value (RFC 8785). Strings are kept as they are, not normalised."""
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """``sha256:`` and the hex digest of the canonical JSON of ``value``."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def is_slug(text: str) -> bool:
    """Whether ``text`` is a slug: NFC, letters, digits, ``-``, ``_`` and ``.``, starting with a letter or digit."""
    return (
        0 < len(text) <= MAX_SLUG
        and _SLUG.fullmatch(text) is not None
        and unicodedata.is_normalized("NFC", text)
    )


def slugify(text: str) -> str:
    """A slug made from any text; empty when nothing of it can stay."""
    plain = unicodedata.normalize("NFC", text).lower()
    return re.sub(r"[^\w.\-]+", "-", plain).strip("-_.")[:MAX_SLUG]


def readable_id(at: datetime, entropy: bytes) -> str:
    """A short identifier for people, sorted by second: ten letters and digits without look-alikes."""
    number = (int(at.timestamp()) - 1_700_000_000) << 20 | int.from_bytes(entropy[:3], "big") & 0xFFFFF
    return _base32(number, 10)


def _base32(number: int, width: int) -> str:
    letters: list[str] = []
    for _ in range(width):
        number, rest = divmod(number, 32)
        letters.append(_ALPHABET[rest])
    return "".join(reversed(letters))


def time_of(id: bytes) -> datetime:
    """When a time-ordered id was made, in UTC."""
    return datetime.fromtimestamp(int.from_bytes(id[:6], "big") / 1000, UTC)


class IdSource:
    """Time-ordered ids that rise strictly within a process, whatever the clock does."""

    def __init__(self, clock: Callable[[], float], entropy: Callable[[int], bytes]) -> None:
        """``clock`` gives seconds since 1970, ``entropy`` that many random bytes."""
        self._clock, self._entropy = clock, entropy
        self._last, self._count = 0, 0
        self._tails: list[int] = []

    def new(self) -> bytes:
        """16 bytes, larger than all before: a UUIDv7 (RFC 9562) with a counter after the milliseconds."""
        now = int(self._clock() * 1000)
        if now > self._last:
            self._last, self._count = now, 0
        else:
            self._count += 1
            if self._count > 0xFFF:
                self._last, self._count = self._last + 1, 0
        if not self._tails:
            self._tails = list(struct.unpack(">256Q", self._entropy(2048)))
        tail = self._tails.pop() & _TAIL | _VARIANT
        return (self._last << 80 | (0x7000 | self._count) << 64 | tail).to_bytes(16, "big")

    def rise_above(self, known: bytes) -> None:
        """Make every later id larger than ``known``, which another process made, whatever its clock said."""
        moment = int.from_bytes(known[:6], "big") + 1
        if moment > self._last:
            self._last, self._count = moment, 0
