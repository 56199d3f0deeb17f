"""Leases of prefixes from an LMA's pool to mobile nodes, kept over restarts of the LMA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv6Network

from ryu_pmipls.mobility.effects import Effects, Lease
from ryu_pmipls.mobility.prefix_pool import PrefixPool
from ryu_pmipls.mobility.timer_queue import TimerQueue

NOBODY = b""


class PrefixLeases:
    """Hands out the prefixes of ``pool``; every lease becomes an effect before any message announces it.

    ``inherited`` (prefix -> identifier) are the leases from before a restart. The LMA has forgotten the sessions, but
    mobile nodes may still use the prefixes, so they keep them for one more ``lifetime`` (s), the longest of a binding.
    """

    def __init__(
        self,
        pool: PrefixPool,
        lifetime: float,
        inherited: Mapping[IPv6Network, bytes],
        effects: Effects,
        timers: TimerQueue,
    ) -> None:
        self._pool = pool
        self._lifetime = lifetime
        self._effects = effects
        self._timers = timers
        self._holders = dict(inherited)
        self._idle: dict[bytes, list[IPv6Network]] = {}  # inherited ones that no session has
        for prefix, identifier in inherited.items():
            self._idle.setdefault(identifier, []).append(prefix)

    def start(self, now: float) -> None:
        """Start the LMA: an inherited lease ends unless its mobile node registers."""
        for prefixes in self._idle.values():
            for prefix in prefixes:
                self._timers.set(self._expire, prefix, now + self._lifetime)

    def may_have(self, prefix: IPv6Network, identifier: bytes) -> bool:
        """True when a mobile node may have ``prefix``: it is in the pool, and nobody else holds it."""
        return prefix in self._pool and self._holders.get(prefix, identifier) == identifier

    def choose(
        self, identifier: bytes, reserved: Callable[[IPv6Network], bool], reserved_at_most: int
    ) -> IPv6Network | None:
        """A prefix for a new session that is not ``reserved``: the old one, or a free one; None when there is none."""
        if identifier in self._idle:
            return self._idle[identifier][0]
        return self._pool.choose(
            identifier,
            lambda prefix: prefix in self._holders or reserved(prefix),
            reserved_at_most + len(self._holders),
        )

    def lease(self, prefix: IPv6Network, identifier: bytes) -> None:
        """Lease ``prefix`` to a session of the mobile node; no lease for a prefix outside the pool."""
        if prefix in self._idle.get(identifier, ()):
            self._forget_idle(prefix, identifier)
        elif prefix in self._pool:
            self._holders[prefix] = identifier
            self._effects.append(Lease(prefix, identifier))

    def release(self, prefix: IPv6Network) -> None:
        """End the lease of ``prefix``, because its session has ended."""
        if self._holders.pop(prefix, None) is not None:
            self._effects.append(Lease(prefix, NOBODY))

    def _expire(self, prefix: IPv6Network, now: float) -> None:
        self._forget_idle(prefix, self._holders[prefix])
        self.release(prefix)

    def _forget_idle(self, prefix: IPv6Network, identifier: bytes) -> None:
        self._timers.cancel(self._expire, prefix)
        self._idle[identifier].remove(prefix)
        if not self._idle[identifier]:
            del self._idle[identifier]
