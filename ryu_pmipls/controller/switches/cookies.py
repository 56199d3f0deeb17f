"""Cookies: the marks of our flow entries, with their owner and generation.

A cookie is our mark (16 bits), the owner (8 bits), zeros, the slice (6 bits), and the generation (16 bits).
"""

from __future__ import annotations

from ryu_pmipls.controller.switches.flow import Owner

#: Bits 48 to 63 of every cookie of ours; flow entries without them belong to others and are left alone.
MARK = 0x504D << 48
MARK_MASK = 0xFFFF << 48
#: Bits of the generation, from bit 0 up: it changes with every reconciliation of a switch.
GENERATION_BITS = 16
#: Number of slices of the bindings, in bits 16 to 21: a switch can be asked for a part of its entries.
SLICES = 64
_SLICE_SHIFT = GENERATION_BITS
_OWNER_SHIFT = 40


def cookie(owner: Owner, generation: int, slice_: int = 0) -> int:
    """The cookie of a flow entry; for a binding's entry, in the slice of its prefix."""
    return MARK | owner << _OWNER_SHIFT | slice_ << _SLICE_SHIFT | generation


def slice_of(prefix: bytes) -> int:
    """The slice of a home network prefix (8 octets): its last bits, in which neighbours differ."""
    return prefix[-1] % SLICES


def slice_cookie(slice_: int, slices: int = SLICES) -> tuple[int, int]:
    """The cookie and the mask that together match our entries of a slice; a node's own entries are in slice 0.

    With fewer ``slices``, a power of two, each of them covers several of those.
    """
    return MARK | slice_ << _SLICE_SHIFT, MARK_MASK | (slices - 1) << _SLICE_SHIFT


def sweep_cookies(generation: int) -> list[tuple[int, int]]:
    """(cookie, mask) pairs that together match all of our entries of every generation but this one.

    A masked cookie cannot say "differs"; but a different generation differs in at least one bit.
    """
    return [(MARK | ~generation & 1 << bit, MARK_MASK | 1 << bit) for bit in range(GENERATION_BITS)]
