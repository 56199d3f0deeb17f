"""The state of a node's associations, for its health and its resources."""

from __future__ import annotations

from typing import Any

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.ipsec.charon import Charon, OpenSocket, SecurityAssociation, open_socket, vici_socket
from ryu_pmipls.ipsec.clear_filter import dropped, esp_of
from ryu_pmipls.ipsec.errors import IpsecError
from ryu_pmipls.ipsec.pairs import IpsecNode, associations
from ryu_pmipls.ipsec.protection import clear_filter_listing

#: Seconds between two looks.
INTERVAL = 2.0


class AssociationWatch:
    """Associations of ``node`` with its peers by the last :meth:`look`, which waits for others.

    Without IPsec in the profile there are none, and nothing is wrong with that.
    """

    def __init__(self, profile: Profile, node: str, open_unix_socket: OpenSocket = open_socket) -> None:
        self.wanted = associations(profile, node)
        self.needed = profile.signalling.ipsec
        self._charon = Charon(vici_socket(), open_unix_socket)
        self._found: list[SecurityAssociation] = []
        self._fault = ""
        self._filtered = True
        self._dropped: dict[str, int] = {}

    def look(self) -> None:
        """Ask strongSwan and nftables; what fails is a reason."""
        try:
            listing = clear_filter_listing()
            self._filtered = esp_of(listing, self.wanted) is not None
            self._dropped = dropped(listing)
            self._found = self._charon.associations()
            self._fault = ""
        except IpsecError as error:
            self._found = []
            self._fault = str(error)

    def reasons(self) -> list[str]:
        """The reasons why signalling is held back, or not as safe as it should be."""
        if not self.needed:
            return []
        own = self.wanted.own.name
        filtered = (
            [] if self._filtered else [f"{own} has lost the rules that drop clear signalling: set up IPsec again"]
        )
        if self._fault:
            return [f"IPsec of {own}: {self._fault}", *filtered]
        missing = [peer.name for peer in self.wanted.peers if self._best(peer) is None]
        return [*(f"{own} has no security association with {name}" for name in missing), *filtered]

    def document(self) -> dict[str, Any]:
        """The associations, one for each peer, and how many packets were dropped because they were in the clear."""
        return {
            "associations": [self._entry(peer) for peer in self.wanted.peers if self.needed],
            "clear_packets_dropped": self._dropped,
        }

    def _entry(self, peer: IpsecNode) -> dict[str, Any]:
        best = self._best(peer)
        negotiating = any(each.connection == peer.name for each in self._found)
        return {
            "peer": peer.name,
            "address": str(peer.address),
            "state": "up" if best is not None else "negotiating" if negotiating else "none",
            "established": None if best is None else best.established,
            "octets_received": 0 if best is None else best.octets[0],
            "octets_sent": 0 if best is None else best.octets[1],
        }

    def _best(self, peer: IpsecNode) -> SecurityAssociation | None:
        """The youngest association with a peer that protects traffic."""
        up = [each for each in self._found if each.connection == peer.name and each.installed]
        return min(up, key=lambda each: each.established or 0, default=None)
