"""Purposes of a domain's hosts, from its profile."""

from __future__ import annotations

from ipaddress import IPv6Address
from pathlib import Path

from ovs_setup import offloads
from ovs_setup.node import (
    SERVICE_BRIDGE,
    UNDERLAY_BRIDGE,
    Node,
    controller,
    kernel_settings,
    least_mtu,
    service_ports,
)
from ovs_setup.service.accounts import ids
from ovs_setup.service.set_up import faults
from ovs_setup.service.units import name_of
from ovs_setup.tls import wanted_files
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.doctor.check import HostRole
from ryu_pmipls.doctor.host_facts import ListeningPort, Purpose, Service
from ryu_pmipls.doctor.node_facts import Remedies, WantedLink, WantedNode, WantedSwitch
from ryu_pmipls.domain.places import STATE_DIRECTORY
from ryu_pmipls.domain.privileges import user_of
from ryu_pmipls.domain.profile import Lma, Mag, Profile
from ryu_pmipls.ipsec.protection import protection_fault
from ryu_pmipls.signalling.keys import KeyFileError, load_keys

#: Name of the RMS among nodes.
RMS = "rms"


def find_node(profile: Profile, name: str) -> Node | None:
    """The MAG or LMA of that name, ``None`` for the RMS; ``KeyError`` with the names there are."""
    nodes: tuple[Node, ...] = (*profile.mags, *profile.lmas)
    if name == RMS:
        return None
    for node in nodes:
        if node.name == name:
            return node
    raise KeyError(f"no node is called {name!r}; there are: {', '.join((RMS, *(node.name for node in nodes)))}")


def host_purpose(profile: Profile, node: Node | None) -> Purpose:
    """The purpose of the host of a MAG, an LMA or, with ``None``, the RMS."""
    address, transport = (
        (profile.rms.address, profile.transport_of(profile.rms))
        if node is None
        else (node.address, profile.transport_of(node))
    )
    return Purpose(
        role=HostRole.RMS if node is None else role_of(node),
        listening_ports=rms_ports(profile) if node is None else (),
        rms_may_run=True,
        state_directory=str(profile.rms.state_directory if node is None else STATE_DIRECTORY),
        raw_signalling=transport == "raw",
        cpu_quotas=False,
        nodes=len(profile.mags) + len(profile.lmas),
        ipsec_node=(RMS if node is None else node.name) if profile.signalling.ipsec else "",
        ipsec_fault=protection_fault(profile, RMS if node is None else node.name),
        keys=str(profile.signalling.keys or ""),
        keys_fault=_keys_fault(profile.signalling.keys, profile, address),
        service=_service(profile, node),
    )


def role_of(node: Node) -> HostRole:
    return HostRole.MAG if isinstance(node, Mag) else HostRole.LMA


def rms_ports(profile: Profile) -> tuple[ListeningPort, ...]:
    """The ports on which the RMS listens."""
    return tuple(
        ListeningPort(place, endpoint.host, endpoint.port)
        for place, endpoint in (("rms.openflow", profile.rms.openflow), ("rms.rest", profile.rms.rest))
    )


def _service(profile: Profile, node: Node | None) -> Service:
    process = node or profile.rms
    user = user_of(process)
    there = ids(user) is not None
    return Service(name_of(process), user, there, tuple(faults(OpenVSwitch(), profile, process)) if there else ())


def _keys_fault(path: Path | None, profile: Profile, address: IPv6Address) -> str:
    if path is None:
        return ""
    try:
        load_keys(path, profile, address)
    except KeyFileError as error:
        return str(error).splitlines()[0]
    return ""


def wanted_switch_node(profile: Profile, node: Node, underlay_ports: tuple[str, ...], remedies: Remedies) -> WantedNode:
    """A MAG or an LMA as it should be; ``underlay_ports`` are its underlay bridge's, none with the kernel datapath."""
    userspace = bool(underlay_ports)
    ports = service_ports(node)
    underlay_mtu = profile.tunnel.underlay_mtu
    sending, receiving = (offloads.SENDING, offloads.RECEIVING) if userspace else ((), ())
    core = str(node.core.address) if isinstance(node, Lma) else ""
    links = [WantedLink(SERVICE_BRIDGE, 0, sending, core)]
    links += [
        WantedLink(
            port,
            least_mtu(profile, node, port),
            receiving,
            bridge=SERVICE_BRIDGE,
            isolated=True,
            filtered=userspace,
        )
        for port in ports
    ]
    if userspace:
        links.append(WantedLink(UNDERLAY_BRIDGE, underlay_mtu, sending, str(node.address)))
        links += [WantedLink(port, underlay_mtu, receiving, bridge=UNDERLAY_BRIDGE) for port in underlay_ports]
    peers: tuple[Node, ...] = profile.lmas if isinstance(node, Mag) else profile.mags
    return WantedNode(
        name=node.name,
        role=role_of(node),
        links=tuple(links),
        settings=kernel_settings(node, [*ports, *underlay_ports], userspace),
        remedies=remedies,
        switch=WantedSwitch(
            datapath_id=f"{node.datapath_id:016x}",
            controller=controller(profile),
            tunnels={peer.name: (str(node.address), str(peer.address)) for peer in peers},
            tls=wanted_files(profile, node.name),
        ),
    )
