"""Names and addresses for which the certificate of a node vouches; they follow from the profile. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from ryu_pmipls.domain.profile import RMS_NAME, ListenEndpoint, Profile, RestEndpoint

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class NodeNames:
    """The subject alternative names of a node's certificate, in no order."""

    dns: frozenset[str]
    addresses: frozenset[Address]

    def __iter__(self) -> Iterator[str]:
        """All names as text, in a certain order."""
        yield from sorted(self.dns)
        yield from sorted(map(str, self.addresses))

    def __str__(self) -> str:
        return ", ".join(self)

    def __sub__(self, other: NodeNames) -> NodeNames:
        return NodeNames(self.dns - other.dns, self.addresses - other.addresses)


def own_name(node: str, domain: str) -> str:
    """The name that every certificate of a node has: it tells which node that is, also to IKEv2 and OpenFlow."""
    return f"{node}.{domain}"


def node_names(profile: Profile) -> dict[str, NodeNames]:
    """The RMS, the LMAs and the MAGs, each with the names of its certificate.

    These are its own name, its address, the addresses where its servers listen, and the names by which clients may ask
    there. What is not one node's alone is left out: loopback, link-local and unspecified addresses, ``localhost``, and
    what two nodes have. So no two certificates of a domain have a name in common.
    """
    rms = profile.rms
    nodes = {RMS_NAME: (rms.address, _served(rms.openflow, rms.rest))}
    for switch_node in (*profile.lmas, *profile.mags):
        api = switch_node.api
        nodes[switch_node.name] = switch_node.address, _served(*(() if api is None else (api,)))
    claims = Counter(each for _, served in nodes.values() for each in served)
    taken = {address for address, _ in nodes.values()} | {own_name(node, profile.domain) for node in nodes}
    names = {}
    for node, (address, served) in nodes.items():
        alone = {each for each in served if claims[each] == 1 and each not in taken}
        names[node] = NodeNames(
            frozenset([own_name(node, profile.domain), *(each for each in alone if isinstance(each, str))]),
            frozenset([address, *(each for each in alone if not isinstance(each, str))]),
        )
    return names


def _served(*endpoints: ListenEndpoint) -> set[Address | str]:
    """Addresses and names of servers, but for those that no node has alone."""
    found: set[Address | str] = set()
    for endpoint in endpoints:
        address = ip_address(endpoint.host.partition("%")[0])
        if not (address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast):
            found.add(address)
        if isinstance(endpoint, RestEndpoint):
            found.update(name for name in endpoint.names if name.split(".")[-1] != "localhost")
    return found
