"""What looks personal in a text is found, and ordinary text is left alone."""

from __future__ import annotations

import time

import pytest

from redloom.domain.personal import find_personal, pieces


@pytest.mark.parametrize(
    ("text", "what", "part"),
    [
        ("write to ana.b+x@mail.example.org, please", "email address", "ana.b+x@mail.example.org"),
        (
            "see https://ana:secret@example.org/x now",
            "address with a user name",
            "https://ana:secret@example.org/x",
        ),
        ("IBAN DE89 3704 0044 0532 0130 00 and more", "IBAN", "DE89 3704 0044 0532 0130 00"),
        ("to GB82WEST12345698765432.", "IBAN", "GB82WEST12345698765432"),
        ("card 4111 1111 1111 1111 was used", "card number", "4111 1111 1111 1111"),
        ("from 192.168.10.7 at night", "IP address", "192.168.10.7"),
        ("from 2001:db8::8a2e:370:7334 at night", "IP address", "2001:db8::8a2e:370:7334"),
        ("call +49 (30) 1234-5678 or", "phone number", "+49 (30) 1234-5678"),
        ("call 030 1234567", "phone number", "030 1234567"),
        ("call (212) 555-0142 now", "phone number", "(212) 555-0142"),
        ("key sk-abcdefghijklmnopqrstuvwx", "key", "sk-abcdefghijklmnopqrstuvwx"),
        ("key AKIAIOSFODNN7EXAMPLE", "key", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_it_is_found_where_it_stands(text: str, what: str, part: str) -> None:
    assert [(one.what, text[one.start : one.end]) for one in find_personal(text)] == [(what, part)]
    assert "".join(piece for piece, _ in pieces(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "On 01-05-2024 and 2024-05-01 at 12:30:45, 15 pupils of 1,200 wrote.",
        "GB82WEST12345698765433 has a wrong checksum",
        "4111 1111 1111 1112 has a wrong checksum",
        "version 1.2.3 of 300.1.2.3, a ratio of 3:4, std::vector",
        "Ask your nurse @ school; 100 mg, twice; see page 1234.",
        "https://example.org/path?x=1",
        "",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert find_personal(text) == []


@pytest.mark.parametrize("part", ["a", "0", "1 ", "a@", "a.", "::", "DE89 ", "http://a", "+1-", "sk-", "0-"])
def test_long_texts_take_no_long_time(part: str) -> None:
    began = time.monotonic()
    find_personal(part * 30_000)
    assert time.monotonic() - began < 5
