"""The Internet checksum over an IPv6 pseudo-header (RFC 8200, section 8.1)."""

from __future__ import annotations

from ipaddress import IPv6Address


def checksum(source: IPv6Address, destination: IPv6Address, protocol: int, data: bytes) -> int:
    """The checksum of ``data``: the value to send when its checksum field is zero; 0 when a filled-in one is right."""
    pseudo_header = int(source) + int(destination) + len(data) + protocol
    words = data + b"\0" if len(data) % 2 else data
    # One's-complement addition of 16-bit words is addition modulo 0xffff: both carry 0x10000 round to 1.
    return -(pseudo_header + int.from_bytes(words, "big")) % 0xFFFF
