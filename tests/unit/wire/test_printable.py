from __future__ import annotations

import pytest

from ryu_pmipls.wire.printable import printable


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"mn1@example.net", "mn1@example.net"),
        ("mn\u00e9@example.net".encode(), "mn\u00e9@example.net"),
        (b"mn1\n2026 INFO all is well", r"mn1\n2026 INFO all is well"),
        (b"mn1\x00\x1b[31m", r"mn1\x00\x1b[31m"),
        (b"mn\xff\xfe", r"mn\xff\xfe"),
        ("mn\u202e".encode(), r"mn\u202e"),
        (rb"mn\x00", r"mn\\x00"),
    ],
)
def test_octets_are_shown_as_text_and_what_cannot_be_shown_is_escaped(octets: bytes, text: str) -> None:
    assert printable(octets) == text
