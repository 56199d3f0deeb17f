"""Octets of unknown origin as text for people."""

from __future__ import annotations


def printable(octets: bytes) -> str:
    """The text of ``octets`` (UTF-8), with a backslash and all that is not printable text escaped as in Python."""
    text = octets.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
