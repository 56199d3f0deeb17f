"""Names and addresses for which the certificate of a node vouches; they follow from the profile. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from ryu_pmipls.domain.profile import RMS_NAME, Profile

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class NodeNames:
    """The subject alternative names of a node's certificate: ``dns`` is its name with the domain's behind it."""

    dns: str
    addresses: frozenset[Address]

    def __str__(self) -> str:
        return ", ".join([self.dns, *sorted(map(str, self.addresses))])


def node_names(profile: Profile) -> dict[str, NodeNames]:
    """The RMS, the LMAs and the MAGs, each with the names of its certificate.

    The addresses are that of the node and those where its servers listen, but for loopback, link-local and
    unspecified ones, which are not one node's alone. No two certificates of a domain have a name in common.
    """
    own = dict(_own_addresses(profile))
    claims = Counter(address for _, listening in _all_addresses(profile) for address in listening)
    return {
        name: NodeNames(
            f"{name}.{profile.domain}",
            frozenset([own[name], *(each for each in listening if claims[each] == 1 and each not in own.values())]),
        )
        for name, listening in _all_addresses(profile)
    }


def _own_addresses(profile: Profile) -> Iterator[tuple[str, Address]]:
    yield RMS_NAME, profile.rms.address
    for node in (*profile.lmas, *profile.mags):
        yield node.name, node.address


def _all_addresses(profile: Profile) -> Iterator[tuple[str, set[Address]]]:
    """Each node with the addresses where its servers listen, as far as they may be one node's alone."""
    yield RMS_NAME, _distinctive(profile.rms.openflow.host, profile.rms.rest.host)
    for node in (*profile.lmas, *profile.mags):
        yield node.name, _distinctive(*(() if node.api is None else (node.api.host,)))


def _distinctive(*hosts: str) -> set[Address]:
    addresses = (ip_address(host.partition("%")[0]) for host in hosts)
    return {
        address
        for address in addresses
        if not (address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast)
    }
