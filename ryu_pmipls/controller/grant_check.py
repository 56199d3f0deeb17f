"""The RMS's check of reports: an anchor has given the prefix to that node at that MAG (``wire/grants.py``).

The key of an LMA follows from the one that authenticates its messages to the RMS. Without such keys the LMA tells the
RMS its own, when it starts and in each Load_info; the RMS keeps it, so that a restart of either loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hmac import compare_digest
from ipaddress import IPv6Address

from ryu_pmipls.controller.state import DomainState
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.wire.grants import Granter, derived_key, is_granted


class GrantCheck:
    """The granters of a domain; ``secrets`` gives those that the RMS shares with a node, the one in use first."""

    def __init__(self, profile: Profile, state: DomainState, secrets: Callable[[IPv6Address], Sequence[bytes]]) -> None:
        self._lmas = {lma.name: lma.address for lma in profile.lmas}
        self._state = state
        self._secrets = secrets
        self._keys: dict[str, tuple[bytes, ...]] = {}
        self._of_anchor: dict[bytes, Granter] = {}  # by the LMA's address
        self._all: tuple[Granter, ...] = ()

    def learn(self, lma: str, key: bytes) -> None:
        """Keep the key that an LMA has told, unless the two share a secret."""
        if not self._secrets(self._lmas[lma]):
            self._state.learn_grant_key(lma, key)

    def refresh(self) -> None:
        """Follow changed keys; call this before a batch of reports."""
        keys = {lma: self._keys_of(lma, address) for lma, address in self._lmas.items()}
        if keys == self._keys:
            return
        self._keys = keys
        granters = {lma: [*map(Granter, own)] for lma, own in keys.items()}
        self._of_anchor = {self._lmas[lma].packed: own[0] for lma, own in granters.items() if own}
        self._all = tuple(granter for own in granters.values() for granter in own)

    def covers(
        self, code: bytes | None, anchor: bytes | None, prefix: bytes, mag: bytes, ticks: int, identifier: bytes
    ) -> bool:
        """True when an LMA has given the prefix (8 octets) to the node at the MAG, registered at ``ticks``.

        ``anchor`` is the LMA that the report names, the first to try: an ignored redirection may have it wrong.
        """
        if code is None or ticks < 0:
            return False
        granter = None if anchor is None else self._of_anchor.get(anchor)
        if granter is not None and compare_digest(granter.code(prefix, mag, ticks, identifier), code):
            return True
        return is_granted(code, self._all, prefix, mag, ticks, identifier)

    def _keys_of(self, lma: str, address: IPv6Address) -> tuple[bytes, ...]:
        shared = self._secrets(address)
        if shared:
            return tuple(map(derived_key, shared))
        told = self._state.grant_keys.get(lma)
        return () if told is None else (told,)
