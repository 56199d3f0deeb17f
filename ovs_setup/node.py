"""Make a host or a namespace a MAG or an LMA, and undo it.

The *service bridge* carries the OpenFlow pipeline, the access ports (MAG) or the core port (LMA), and the tunnels.
With the userspace datapath an *underlay bridge* is needed as well: Open vSwitch sends its tunnel packets through it,
so the node's IPv6 addresses move from the underlay port to that bridge. The database of Open vSwitch keeps the former
state, where :func:`tear_down` finds it, also after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from ipaddress import IPv6Interface
from typing import Any, Literal

from ovs_setup import OvsSetupError, former_state, ingress_filter, interfaces, offloads, tls
from ovs_setup.former_state import FormerState
from ovs_setup.packet_sockets import enlarge_receive_buffers
from ovs_setup.service import sockets
from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.domain.privileges import user_of
from ryu_pmipls.domain.profile import Lma, Mag, Profile
from ryu_pmipls.domain.tunnel_kinds import possible_kinds

Node = Lma | Mag
Datapath = Literal["netdev", "system"]

SERVICE_BRIDGE = "br-pm"
UNDERLAY_BRIDGE = "br-u"
#: Prefix of the names of tunnel ports (``ovs_setup.tunnel``).
TUNNEL_PREFIX = "t-"
#: The device that the kernel shows as the master of ports of Open vSwitch's kernel datapath.
KERNEL_DATAPATH = "ovs-system"
#: Kernel routing table in which an LMA's agent keeps a route for the home prefix pool while the core may send packets
#: for the pool to the LMA. No rule leads to that table: it informs a routing daemon, not the kernel.
ANNOUNCEMENT_TABLE = 5213
#: Solicitations of a neighbour of the core link, one second apart, before its address counts as lost. In an
#: overloaded switch most advertisements get lost, and packets that wait for one would not be sent meanwhile.
CORE_SOLICITATIONS = 30

#: Key in the service bridge's row for the state before the set-up.
_RECORD = "ryu-pmipls"
#: Key in that row for the ovs-vswitchd process for which :func:`hasten_reconnection` has been done.
_HASTENED = "ryu-pmipls-hastened"
_INACTIVITY_PROBE = 5000  # ms of silence after which the switch probes the RMS
_MAX_BACKOFF = 1000  # ms between attempts to reach the RMS: a restarted RMS is found again within about that time
_FORWARDING = "net/ipv6/conf/all/forwarding"
#: Settings of an interface without addresses by which Linux answers no ARP request there, takes no packet for an
#: address of another interface, and forwards none.
_DEAF_TO_IPV4 = {"arp_ignore": "8", "rp_filter": "1", "forwarding": "0"}


def set_up(ovs: OpenVSwitch, profile: Profile, node: Node, datapath: Datapath, underlay_port: str | None) -> None:
    """Make ``ovs`` the switch of ``node``.

    ``datapath`` "netdev" (userspace) needs ``underlay_port``, the interface towards the other nodes, with the node's
    address on it (in a lab the profile's address will do); "system" (kernel) uses none. May be run again at any time:
    that repairs changed settings and leaves the rest, flow entries and connection included, as it is.
    Everything is checked first: ``OvsSetupError`` names the missing part, and nothing has been changed then.
    """
    if datapath == "system":
        underlay_port = None
    elif underlay_port is None:
        raise OvsSetupError(
            "the netdev datapath needs an underlay port (--underlay-port), the interface towards the other nodes"
        )
    ovs.require_running()
    files = tls.readable_files(profile, node.name)
    ports = [*service_ports(node), *([] if underlay_port is None else [underlay_port])]
    links = interfaces.links(ovs)
    missing = [port for port in ports if port not in links]
    if missing:
        raise OvsSetupError(f"{node.name}: there is no interface {', '.join(missing)}; there are: {', '.join(links)}")
    _refuse_members(links, ports)
    known = _recorded(ovs)
    if known is not None:
        _refuse_other_set_up(known, node, underlay_port)
    else:
        _refuse_foreign_bridges(ovs)
    mtus = {port: least_mtu(profile, node, port) for port in ports}
    settings = kernel_settings(node, ports, datapath == "netdev")
    changed = [path for path in settings if path.split("/")[-2] not in (SERVICE_BRIDGE, UNDERLAY_BRIDGE)]
    changes = former_state.Changes(node.name, service_ports(node), underlay_port, mtus, changed, files is not None)
    before = former_state.observe(ovs, changes, links, known)
    addresses = _underlay_addresses(profile, node, before)
    _configure_switch(ovs, node, datapath, before, links)
    try:
        _refuse_unusable(ovs, ports)
        if datapath == "netdev":
            enlarge_receive_buffers(ovs.vswitchd_pid())
            _complete_packets(ovs, ports)
            ingress_filter.install(ovs, service_ports(node))
        _enlarge_mtus(ovs, mtus, links)
        ovs.execute("sysctl", "-qw", *(f"{path}={value}" for path, value in settings.items()))
        _configure_host(ovs, node, before, addresses, ports)
        anew = before.underlay_port is not None and not _has_address(links, node)
        _set_controller(ovs, profile, files, before, anew)
        sockets.open_to(ovs, user_of(node), sockets.switch_sockets(ovs, SERVICE_BRIDGE))
    except OvsSetupError:
        if known is None:
            tear_down(ovs, profile, node)
        raise


def tear_down(ovs: OpenVSwitch, profile: Profile, node: Node) -> None:
    """Undo :func:`set_up`: bridges and tunnels go, addresses, routes and kernel settings are as before.

    Nothing happens where no set-up was made; ``OvsSetupError`` where it was made for another node.
    """
    before = _recorded(ovs)
    if before is None:
        return
    if before.node != node.name:
        raise OvsSetupError(f"Open vSwitch is set up as the switch of {before.node}, not of {node.name}")
    # The bridges hold the record of the former state: they go last, so that a failed attempt can be repeated.
    former_state.restore(ovs, before)
    with suppress(OvsError):  # a set-up with the kernel datapath, or of an earlier release, needs no nft
        ingress_filter.remove(ovs)
    with suppress(OvsError):  # there may be no such table
        ovs.execute("ip", "-6", "route", "flush", "table", str(ANNOUNCEMENT_TABLE))
    steps = [["--if-exists", "del-br", bridge] for bridge in (SERVICE_BRIDGE, UNDERLAY_BRIDGE)]
    if before.tls is not None:
        steps.append(tls.vsctl_step(before.tls))
    _transact(ovs, steps)


def hasten_reconnection(ovs: OpenVSwitch) -> bool:
    """Make the switch look for a lost RMS every second; true if the RMS is connected, else nothing changes.

    Open vSwitch 3.1 uses the settings of the controller's row only when a configuration change finds the connection
    up, and waits for up to 8 s otherwise. So call this now and then (agents do); only the first call changes anything.
    """
    connected = ovs.vsctl("get", "controller", SERVICE_BRIDGE, "is_connected") == "true"
    if connected:
        ovs.vsctl("set", "bridge", SERVICE_BRIDGE, f"external_ids:{_HASTENED}={ovs.vswitchd_pid()}")
    return connected


def kernel_settings(node: Node, ports: list[str], userspace: bool) -> dict[str, str]:
    """Paths below /proc/sys and values that keep the kernel out of the switch's forwarding.

    ``ports`` are all ports given to the switch; ``userspace``: there is an underlay bridge.
    """
    # The kernel sees the packets of a userspace switch's ports too; it must neither answer nor speak there. The filter
    # drops them first (``ingress_filter``); these settings hold when something has removed it.
    settings = {_FORWARDING: "0"} | {f"net/ipv6/conf/{port}/disable_ipv6": "1" for port in ports}
    for port in service_ports(node):
        settings |= {f"net/ipv4/conf/{port}/{name}": value for name, value in _DEAF_TO_IPV4.items()}
    if userspace:
        # IPv4 stays on the underlay port; without these two the kernel would take each such packet twice.
        settings |= {f"net/ipv4/conf/{UNDERLAY_BRIDGE}/{name}": "1" for name in ("rp_filter", "arp_ignore")}
    settings |= {f"net/ipv6/conf/{SERVICE_BRIDGE}/{name}": "0" for name in ("accept_ra", "accept_redirects")}
    if isinstance(node, Lma):
        settings[f"net/ipv6/neigh/{SERVICE_BRIDGE}/ucast_solicit"] = str(CORE_SOLICITATIONS)
        # Neighbours are told that it is a router (RFC 4861, section 7.2.4): Linux soon forgets the path MTU by a
        # gateway that says it is none.
        settings[f"net/ipv6/conf/{SERVICE_BRIDGE}/forwarding"] = "1"
    return settings


def controller(profile: Profile) -> str:
    """The RMS as the service bridge's controller."""
    endpoint = profile.rms.openflow
    return f"{'ssl' if endpoint.tls else 'tcp'}:[{profile.rms.address}]:{endpoint.port}"


def service_ports(node: Node) -> tuple[str, ...]:
    """The interfaces that become ports of the service bridge, besides the tunnels."""
    return node.access_ports if isinstance(node, Mag) else (node.core.port,)


def least_mtu(profile: Profile, node: Node, port: str) -> int:
    """Octets that a port given to the switch must take: on the underlay the tunnels' packets, else what is in them."""
    underlay = profile.tunnel.underlay_mtu
    if port not in service_ports(node):
        return underlay
    return underlay - min(kind.overhead for kind in possible_kinds(profile.tunnel.type))


def _recorded(ovs: OpenVSwitch) -> FormerState | None:
    for bridge in ovs.rows("Bridge", "name", "external_ids"):
        if bridge["name"] == SERVICE_BRIDGE and _RECORD in bridge["external_ids"]:
            return FormerState(**json.loads(bridge["external_ids"][_RECORD]))
    return None


def _refuse_members(links: Mapping[str, Any], ports: list[str]) -> None:
    """Raise for a port whose frames a bridge or a bond of the kernel takes, or sends there."""
    for port in ports:
        master = links[port].get("master")
        if master not in (None, KERNEL_DATAPATH):
            raise OvsSetupError(f"{port} belongs to {master}; take it out first: ip link set {port} nomaster")


def _refuse_other_set_up(known: FormerState, node: Node, underlay_port: str | None) -> None:
    """Raise for settings that a second run cannot change without undoing the first one."""
    if known.node != node.name:
        raise OvsSetupError(f"Open vSwitch is set up as the switch of {known.node} already; undo that first (--undo)")
    if known.underlay_port != underlay_port:
        raise OvsSetupError(f"{node.name} is set up with underlay port {known.underlay_port}; undo that first (--undo)")


def _refuse_foreign_bridges(ovs: OpenVSwitch) -> None:
    for bridge in ovs.vsctl("list-br").split():
        if bridge in (SERVICE_BRIDGE, UNDERLAY_BRIDGE):
            raise OvsSetupError(
                f"there is a bridge {bridge} that this set-up has not made; remove it first: ovs-vsctl del-br {bridge}"
            )


def _underlay_addresses(profile: Profile, node: Node, before: FormerState) -> list[str]:
    """Desired addresses of the underlay bridge: those of its port, and the node's own."""
    if before.underlay_port is None or node.address in [IPv6Interface(address).ip for address in before.addresses]:
        return before.addresses
    if profile.lab is None:
        raise OvsSetupError(
            f"{node.name}: {before.underlay_port} does not have the address {node.address}; "
            f"add it: ip -6 address add {node.address}/LENGTH dev {before.underlay_port}"
        )
    return [*before.addresses, f"{node.address}/{profile.lab.underlay_prefix_length}"]


def _configure_switch(
    ovs: OpenVSwitch, node: Node, datapath: Datapath, before: FormerState, links: dict[str, Any]
) -> None:
    """Set bridges and ports, in one transaction."""
    steps = [
        ["--may-exist", "add-br", SERVICE_BRIDGE],
        ["set", "bridge", SERVICE_BRIDGE, f"datapath_type={datapath}", "fail_mode=secure", "protocols=OpenFlow13"],
        ["set", "bridge", SERVICE_BRIDGE, f"other_config:datapath-id={node.datapath_id:016x}"],
        # Without this, the address is a random one, or changes with the ports.
        ["set", "bridge", SERVICE_BRIDGE, _hardware_address(links[service_ports(node)[0]])],
        _record_step(before),
    ]
    for number, port in enumerate(service_ports(node), start=1):
        steps.append(["--may-exist", "add-port", SERVICE_BRIDGE, port])
        steps.append(["set", "interface", port, f"ofport_request={number}"])
    if before.underlay_port is not None:
        steps.append(["--may-exist", "add-br", UNDERLAY_BRIDGE])
        steps.append(["set", "bridge", UNDERLAY_BRIDGE, "datapath_type=netdev", "fail_mode=standalone"])
        steps.append(["set", "bridge", UNDERLAY_BRIDGE, _hardware_address(links[before.underlay_port])])
        steps.append(["--may-exist", "add-port", UNDERLAY_BRIDGE, before.underlay_port])
    _transact(ovs, steps)


def _record_step(before: FormerState) -> list[str]:
    return ["set", "bridge", SERVICE_BRIDGE, f"external_ids:{_RECORD}={json.dumps(json.dumps(asdict(before)))}"]


def _transact(ovs: OpenVSwitch, steps: list[list[str]]) -> None:
    """Have ``ovs-vsctl`` do all of these commands or none."""
    ovs.vsctl(*(word for step in steps for word in ("--", *step)))


def _set_controller(
    ovs: OpenVSwitch, profile: Profile, files: tls.TlsFiles | None, before: FormerState, anew: bool
) -> None:
    """Make the switch look for the RMS, by TLS with these files if any, last of all: after a failure it waits longer.

    ``anew`` restarts a switch's search that began without addresses.
    """
    if anew:
        ovs.vsctl("del-controller", SERVICE_BRIDGE)
    steps = []
    if files is not None and tls.present_setting(ovs) != [*files]:
        steps.append(tls.vsctl_step(files))
    elif files is None and before.tls is not None:  # the profile has wanted TLS before
        steps += [tls.vsctl_step(before.tls), _record_step(replace(before, tls=None))]
    if _controllers(ovs) != [controller(profile)]:  # setting the same one again would break the connection
        steps.append(["set-controller", SERVICE_BRIDGE, controller(profile)])
    options = (f"inactivity_probe={_INACTIVITY_PROBE}", f"max_backoff={_MAX_BACKOFF}", "connection_mode=out-of-band")
    steps.append(["set", "controller", SERVICE_BRIDGE, *options])
    _transact(ovs, steps)


def _has_address(links: dict[str, Any], node: Node) -> bool:
    """True when the underlay bridge had the node's address already."""
    link = links.get(UNDERLAY_BRIDGE, {"addr_info": []})
    return str(node.address) in [entry["local"] for entry in link["addr_info"]]


def _hardware_address(link: dict[str, Any]) -> str:
    return f'other_config:hwaddr="{link["address"]}"'


def _controllers(ovs: OpenVSwitch) -> list[str]:
    return ovs.vsctl("get-controller", SERVICE_BRIDGE).split()


def _refuse_unusable(ovs: OpenVSwitch, ports: list[str]) -> None:
    """Raise when the switch could not make a bridge in that datapath, or could not open a port."""
    interfaces = {row["name"]: row for row in ovs.rows("Interface", "name", "ofport", "error")}
    for name in (SERVICE_BRIDGE, UNDERLAY_BRIDGE, *ports):
        if name in interfaces and interfaces[name]["ofport"] in ([], -1):
            reason = interfaces[name]["error"] or f"the reason is in {ovs.log}"
            raise OvsSetupError(f"Open vSwitch cannot use {name}: {reason}")


def _complete_packets(ovs: OpenVSwitch, ports: list[str]) -> None:
    """Have the kernel give the userspace datapath each packet as it is on a wire."""
    for bridge in (SERVICE_BRIDGE, UNDERLAY_BRIDGE):
        offloads.turn_off(ovs, bridge, offloads.SENDING)
    for port in ports:
        offloads.turn_off(ovs, port, offloads.RECEIVING)


def _enlarge_mtus(ovs: OpenVSwitch, least: Mapping[str, int], links: Mapping[str, Any]) -> None:
    for port, octets in least.items():
        if links[port]["mtu"] < octets:
            try:
                ovs.execute("ip", "link", "set", port, "mtu", str(octets))
            except OvsError as error:
                raise OvsSetupError(f"{port} must take packets of {octets} octets: {error.stderr}") from None


def _configure_host(ovs: OpenVSwitch, node: Node, before: FormerState, addresses: list[str], ports: list[str]) -> None:
    """Set links, addresses and routes; none stay on the ports of the service bridge."""
    for port in service_ports(node):
        interfaces.clear(ovs, port)
    for port in ports:
        ovs.execute("ip", "link", "set", port, "up")
    if before.userspace:
        ovs.execute("ip", "link", "set", UNDERLAY_BRIDGE, "up")
        interfaces.assign(ovs, UNDERLAY_BRIDGE, addresses, before.routes)
    ovs.execute("ip", "link", "set", SERVICE_BRIDGE, "up")
    interfaces.assign(ovs, SERVICE_BRIDGE, [] if isinstance(node, Mag) else [str(node.core.address)], [])
