"""The mobile nodes that a MAG serves: by their link-layer addresses, and by their identities where these are known."""

from __future__ import annotations

from collections.abc import Iterable

from ryu_pmipls.mobility.config import MobileNodePolicy


class KnownNodes:
    """Policies by link-layer address: the profile's, or the one that a node with an authenticated identity has now.

    Identity is what counts (RFC 5213, section 6.6): an address that such a node has is no other node's, and each node
    has one at a time.
    """

    def __init__(self, policies: Iterable[MobileNodePolicy]) -> None:
        self._by_address = {policy.link_layer_address: policy for policy in policies}
        self._by_identifier = {policy.identifier: policy for policy in self._by_address.values()}
        self._identified: dict[bytes, MobileNodePolicy] = {}  # by link-layer address
        self._addresses: dict[bytes, bytes] = {}  # identifier -> link-layer address, of those identified

    def policy(self, link_layer_address: bytes) -> MobileNodePolicy | None:
        """The policy of the node that has a link-layer address; None when nobody known has it."""
        return self._identified.get(link_layer_address) or self._by_address.get(link_layer_address)

    def identify(self, identifier: bytes, link_layer_address: bytes) -> MobileNodePolicy | None:
        """Learn that a link-layer address is of the node with this identity; None when there is no such node."""
        policy = self._by_identifier.get(identifier)
        if policy is None:
            return None
        before = self._addresses.pop(identifier, None)
        if before is not None:
            del self._identified[before]
        other = self._identified.get(link_layer_address)
        if other is not None:
            del self._addresses[other.identifier]
        self._identified[link_layer_address] = policy
        self._addresses[identifier] = link_layer_address
        return policy
