"""The part of the home prefix pool that one LMA hands out, in /64 prefixes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network

PREFIX_LENGTH = 64


@dataclass(frozen=True)
class PrefixPool:
    """Slice ``index`` of ``count`` equal slices of ``network``.

    The LMAs of a domain share one pool. A slice for each ensures, without a message between them, that no two of them
    hand out the same prefix. A pool of fewer than ``count`` prefixes has empty slices.

    Raises ``ValueError`` when ``network`` is longer than a /64 or there is no such slice.
    """

    network: IPv6Network
    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if self.network.prefixlen > PREFIX_LENGTH:
            raise ValueError(f"the pool {self.network} must be a /64 or shorter")
        if not 0 <= self.index < self.count:
            raise ValueError(f"slice {self.index} of {self.count}: the index must be from 0 to {self.count - 1}")

    @property
    def size(self) -> int:
        """Number of prefixes in the slice."""
        return (1 << (PREFIX_LENGTH - self.network.prefixlen)) // self.count

    def prefix(self, number: int) -> IPv6Network:
        """Prefix ``number`` (from 0) of the slice."""
        base = int(self.network.network_address) >> PREFIX_LENGTH
        return IPv6Network(((base + self.index * self.size + number) << PREFIX_LENGTH, PREFIX_LENGTH))

    def __contains__(self, prefix: IPv6Network) -> bool:
        if prefix.prefixlen != PREFIX_LENGTH or self.size == 0:
            return False
        return self.prefix(0) <= prefix <= self.prefix(self.size - 1)

    def choose(self, identifier: bytes, taken: Callable[[IPv6Network], bool], taken_at_most: int) -> IPv6Network | None:
        """Choose a free prefix for a mobile node, or ``None`` when there is none.

        The search starts at a number derived from the identifier. So a node gets its former prefix again, even after a
        restart of the LMA, which has no memory of it; and a restarted LMA does not give a prefix that somebody still
        uses to the first comer. ``taken_at_most`` bounds the number of taken prefixes.
        """
        if self.size == 0:
            return None
        start = int.from_bytes(hashlib.sha256(identifier).digest()[:8], "big")
        for step in range(min(self.size, taken_at_most + 1)):
            prefix = self.prefix((start + step) % self.size)
            if not taken(prefix):
                return prefix
        return None
