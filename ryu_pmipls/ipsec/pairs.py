"""The pairs of nodes that have security associations, and the traffic that these protect. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.domain.profile import RMS_NAME, Profile
from ryu_pmipls.pki.node_names import own_name
from ryu_pmipls.signalling.keys import pairs

#: IPv6 protocol of Mobility Headers (RFC 6275).
MOBILITY = 135


@dataclass(frozen=True)
class IpsecNode:
    """A node: its name, its identity in IKEv2, which its certificate has as well, and its address."""

    name: str
    identity: str
    address: IPv6Address


@dataclass(frozen=True)
class Associations:
    """A node, the peers with which it has security associations, and the UDP port of signalling."""

    own: IpsecNode
    peers: tuple[IpsecNode, ...]
    port: int

    def peer(self, name: str) -> IpsecNode | None:
        """The peer of that name."""
        return next((peer for peer in self.peers if peer.name == name), None)


def associations(profile: Profile, name: str) -> Associations:
    """The associations of a node with the nodes that it talks to; ``KeyError`` with the names there are."""
    addresses = {RMS_NAME: profile.rms.address}
    addresses |= {node.name: node.address for node in (*profile.lmas, *profile.mags)}
    if name not in addresses:
        raise KeyError(f"no node is called {name!r}; there are: {', '.join(addresses)}")
    nodes = {address: IpsecNode(node, own_name(node, profile.domain), address) for node, address in addresses.items()}
    own = nodes[addresses[name]]
    peers = [nodes[other] for pair in pairs(profile) for one, other in (pair, pair[::-1]) if one == own.address]
    return Associations(own, tuple(peers), profile.signalling.udp_port)
