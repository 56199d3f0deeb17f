"""The layout of a lab, derived from the profile alone: names, links, addresses. No I/O.

::

    mn --eth0-- radio --access port-- mag --u0-- underlay --u0-- lma --core port-- cn
                                                    |
                                        host (root namespace): RMS address
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Interface

from ryu_pmipls.domain.profile import LabSettings, Profile
from ryu_pmipls.lab.lab_error import LabInputError

#: The port of every MAG and LMA on the underlay.
UNDERLAY_PORT = "u0"
#: The interface of every mobile node.
MOBILE_PORT = "eth0"
#: Bridges, which double as the names of the namespaces that hold no node of the profile.
UNDERLAY = "underlay"
CORE = "core"
RADIO = "radio"
#: Process name of the RMS, and of its link into the underlay.
RMS = "rms"
#: MTU of all links but the underlay's, in octets.
_ACCESS_MTU = 1500


@dataclass(frozen=True)
class End:
    """One end of a veth pair: ``namespace`` None is the host's own; ``bridge`` is the one that it joins."""

    namespace: str | None
    port: str
    bridge: str | None = None
    link_layer_address: bytes | None = None
    up: bool = True
    ipv6: bool = False  # true where the kernel may speak IPv6 (switch and bridge ports must stay silent)


@dataclass(frozen=True)
class VethPair:
    """A veth pair of ``mtu`` octets."""

    a: End
    b: End
    mtu: int


@dataclass(frozen=True)
class AccessPort:
    """An access port of a MAG and the name of its far end in the access network."""

    mag: str
    port: str
    far_end: str


@dataclass(frozen=True)
class LabLayout:
    """All objects that ``LabLinks.build`` creates and ``down`` removes."""

    prefix: str
    nodes: tuple[str, ...]
    switches: tuple[str, ...]
    bridges: tuple[tuple[str, str, int], ...]  # namespace, name, MTU
    links: tuple[VethPair, ...]
    access_ports: tuple[AccessPort, ...]
    host_port: str
    host_address: IPv6Interface
    correspondent: str
    correspondent_address: IPv6Interface
    mobile_nodes: tuple[str, ...]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces of all nodes, in the order of ``nodes``."""
        return tuple(self.namespace(node) for node in self.nodes)

    def namespace(self, node: str) -> str:
        """The namespace of a node; ``LabError`` with the names there are."""
        if node not in self.nodes:
            raise LabInputError(f"no node is called {node!r}; there are: {', '.join(self.nodes)}")
        return f"{self.prefix}-{node}"


def cpu_group(prefix: str, lma: str) -> str:
    """The CPU control group of an LMA's switch process."""
    return f"pmipls/{prefix}/{lma}"


def radio_bridge(mobile_node: str) -> str:
    """The bridge in the access network that joins a mobile node to the access port it is attached to."""
    return f"b-{mobile_node}"


def settings(profile: Profile) -> LabSettings:
    """The lab section of a profile; ``LabError`` when it has none."""
    if profile.lab is None:
        raise LabInputError(f"the profile of domain {profile.domain!r} has no section 'lab': it describes real hosts")
    return profile.lab


def plan(profile: Profile) -> LabLayout:
    """The lab of a profile; ``LabError`` when the profile has no lab section or a name is taken by the lab itself."""
    lab = settings(profile)
    switches = (*(mag.name for mag in profile.mags), *(lma.name for lma in profile.lmas))
    correspondent = lab.correspondent.name
    mobile_nodes = tuple(node.name for node in profile.mobile_nodes)
    for name in (*switches, correspondent, *mobile_nodes):
        if name in (UNDERLAY, CORE, RADIO):
            raise LabInputError(f"{name}: a node of a lab must not be called {UNDERLAY}, {CORE} or {RADIO}")
    access_ports = tuple(
        AccessPort(mag.name, port, f"{i}-{j}")
        for i, mag in enumerate(profile.mags, start=1)
        for j, port in enumerate(mag.access_ports, start=1)
    )
    return LabLayout(
        prefix=lab.prefix,
        nodes=(UNDERLAY, *switches, correspondent, RADIO, *mobile_nodes),
        switches=switches,
        bridges=(
            (_namespace(lab, UNDERLAY), UNDERLAY, profile.tunnel.underlay_mtu),
            (_namespace(lab, correspondent), CORE, _ACCESS_MTU),
            *((_namespace(lab, RADIO), radio_bridge(node), _ACCESS_MTU) for node in mobile_nodes),
        ),
        links=(*_underlay_links(profile, lab, switches), *_other_links(profile, lab, access_ports)),
        access_ports=access_ports,
        host_port=_host_port(lab),
        host_address=IPv6Interface((profile.rms.address, lab.underlay_prefix_length)),
        correspondent=correspondent,
        correspondent_address=lab.correspondent.address,
        mobile_nodes=mobile_nodes,
    )


def _namespace(lab: LabSettings, node: str) -> str:
    return f"{lab.prefix}-{node}"


def _host_port(lab: LabSettings) -> str:
    return f"{lab.prefix}-{RMS}"


def _underlay_links(profile: Profile, lab: LabSettings, switches: tuple[str, ...]) -> Iterator[VethPair]:
    """The links of the host and the switches to the underlay."""
    underlay, mtu = _namespace(lab, UNDERLAY), profile.tunnel.underlay_mtu
    yield VethPair(End(None, _host_port(lab), ipv6=True), End(underlay, RMS, bridge=UNDERLAY), mtu)
    for name in switches:
        yield VethPair(End(_namespace(lab, name), UNDERLAY_PORT), End(underlay, name, bridge=UNDERLAY), mtu)


def _other_links(profile: Profile, lab: LabSettings, access_ports: tuple[AccessPort, ...]) -> Iterator[VethPair]:
    """The links of LMAs to the core, of access ports and of mobile nodes to the access network."""
    core, radio = _namespace(lab, lab.correspondent.name), _namespace(lab, RADIO)
    for lma in profile.lmas:
        yield VethPair(End(_namespace(lab, lma.name), lma.core.port), End(core, lma.name, bridge=CORE), _ACCESS_MTU)
    for access in access_ports:
        yield VethPair(End(_namespace(lab, access.mag), access.port), End(radio, access.far_end, up=False), _ACCESS_MTU)
    for node in profile.mobile_nodes:
        yield VethPair(
            End(_namespace(lab, node.name), MOBILE_PORT, link_layer_address=node.link_layer_address, ipv6=True),
            End(radio, node.name, bridge=radio_bridge(node.name), up=False),
            _ACCESS_MTU,
        )
