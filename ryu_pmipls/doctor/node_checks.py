"""The checks of a node of a domain: they compare the work of set-up, agent and RMS with the profile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ovs_setup.node import KERNEL_DATAPATH, SERVICE_BRIDGE, TUNNEL_PREFIX
from ryu_pmipls.doctor.check import AS_ROOT, EVERY_ROLE, SWITCHES, Check, Verdict, ok, unknown, wrong
from ryu_pmipls.doctor.node_facts import Link, NodeFacts, SwitchFacts, WantedLink, WantedSwitch


def _on(facts: NodeFacts, *commands: str) -> str:
    """Commands as they are typed to be run on the node."""
    return "; ".join(facts.wanted.remedies.prefix + command for command in commands)


def _unseen(facts: NodeFacts) -> Verdict:
    return unknown(facts.unseen or "could not be looked at", AS_ROOT)


def _present(facts: NodeFacts) -> list[tuple[WantedLink, Link]]:
    """The wanted links that exist, each with its actual state."""
    there: Mapping[str, Link] = facts.links or {}
    return [(wanted, there[wanted.name]) for wanted in facts.wanted.links if wanted.name in there]


def _links(facts: NodeFacts) -> Verdict:
    if facts.links is None:
        return _unseen(facts)
    missing = [link.name for link in facts.wanted.links if link.name not in facts.links]
    if missing:
        return wrong(f"there is no interface {', '.join(missing)}", facts.wanted.remedies.set_up)
    down = [wanted.name for wanted, link in _present(facts) if wanted.up and not link.up]
    if down:
        return wrong(f"not up: {', '.join(down)}", _on(facts, *(f"ip link set {name} up" for name in down)))
    return ok(f"there: {', '.join(link.name for link in facts.wanted.links)}")


def _mtu(facts: NodeFacts) -> Verdict:
    if facts.links is None:
        return _unseen(facts)
    small = [(wanted, link) for wanted, link in _present(facts) if link.mtu < wanted.mtu]
    if small:
        return wrong(
            "; ".join(f"{wanted.name} has {link.mtu}, at least {wanted.mtu} is needed" for wanted, link in small),
            # Ports come first: a bridge's own interface cannot exceed their MTU.
            _on(facts, *(f"ip link set {wanted.name} mtu {wanted.mtu}" for wanted, _ in reversed(small))),
        )
    return ok(", ".join(f"{wanted.name} {link.mtu}" for wanted, link in _present(facts)) or "no interface is there")


def _offloads(facts: NodeFacts) -> Verdict:
    if facts.links is None:
        return _unseen(facts)
    active = [(wanted.name, link.offloads) for wanted, link in _present(facts) if link.offloads]
    if active:
        return wrong(
            "; ".join(f"{name} has {' and '.join(offloads)} on" for name, offloads in active),
            _on(facts, *(f"ethtool -K {name} {' '.join(f'{word} off' for word in words)}" for name, words in active)),
        )
    return ok("off where they must be")


def _addresses(facts: NodeFacts) -> Verdict:
    if facts.links is None:
        return _unseen(facts)
    missing = [
        f"{link.name} does not have {link.address}"
        for link in facts.wanted.links
        if link.address and not _has_address(facts.links.get(link.name), link.address)
    ]
    if missing:
        return wrong("; ".join(missing), facts.wanted.remedies.set_up)
    there = [f"{link.address} on {link.name}" for link in facts.wanted.links if link.address]
    return ok(", ".join(there) or "none is needed")


def _has_address(link: Link | None, address: str) -> bool:
    return link is not None and address.partition("/")[0] in link.addresses


def _isolation(facts: NodeFacts) -> Verdict:
    if facts.links is None:
        return _unseen(facts)
    faults = [fault for wanted, link in _present(facts) if wanted.isolated for fault in _parts_of_host(wanted, link)]
    if faults:
        return wrong("; ".join(faults), facts.wanted.remedies.set_up)
    return ok(", ".join(link.name for link in facts.wanted.links if link.isolated) or "none is needed")


def _parts_of_host(wanted: WantedLink, link: Link) -> Iterator[str]:
    """The parts that the host has in a port of the switch."""
    if link.addresses:
        yield f"{wanted.name} has {', '.join(link.addresses)}, and must have no address"
    if link.master not in ("", KERNEL_DATAPATH):
        yield f"{wanted.name} belongs to {link.master}"
    if wanted.filtered and not link.filtered:
        yield f"the kernel hears what comes in on {wanted.name}: no rule of nftables drops it"


def _settings(facts: NodeFacts) -> Verdict:
    if facts.settings is None:
        return _unseen(facts)
    there = facts.settings
    other = {path: value for path, value in facts.wanted.settings.items() if there.get(path) not in (value, None)}
    if other:
        # What is written for `all` interfaces is written for each.
        of_all = {path.rpartition("/")[2] for path in other if "/all/" in path}
        written = {
            path: value
            for path, value in facts.wanted.settings.items()
            if path in other or path.rpartition("/")[2] in of_all
        }
        return wrong(
            "; ".join(f"{path} is {there[path]}, must be {value}" for path, value in other.items()),
            _on(facts, f"sysctl -w {' '.join(f'{path}={value}' for path, value in written.items())}"),
        )
    count = len(facts.wanted.settings)
    return ok(f"{count} as set-up makes them" if count else "none is needed")


def _openvswitch(facts: NodeFacts) -> Verdict:
    if facts.switch is None:
        return _unseen(facts)
    if not facts.switch.runs:
        return wrong("ovsdb-server or ovs-vswitchd does not run", facts.wanted.remedies.daemons)
    return ok("runs")


_Judge = Callable[[NodeFacts, WantedSwitch, SwitchFacts], Verdict]


def _of_running_switch(judge: _Judge) -> Callable[[NodeFacts], Verdict]:
    """Function that judges a running switch, and gives no verdict when none runs."""

    def verdict(facts: NodeFacts) -> Verdict:
        if facts.wanted.switch is None or facts.switch is None:
            return _unseen(facts)
        if not facts.switch.runs:
            return unknown("Open vSwitch does not run")
        return judge(facts, facts.wanted.switch, facts.switch)

    return verdict


def _bridges(facts: NodeFacts, wanted: WantedSwitch, switch: SwitchFacts) -> Verdict:
    bridge = switch.bridges.get(SERVICE_BRIDGE)
    if bridge is None:
        return wrong(f"there is no bridge {SERVICE_BRIDGE}", facts.wanted.remedies.set_up)
    faults = []
    if bridge.fail_mode != "secure":
        faults.append(f"{SERVICE_BRIDGE} has fail_mode {bridge.fail_mode or 'standalone'}, must be secure")
    if "OpenFlow13" not in bridge.protocols:
        faults.append(f"{SERVICE_BRIDGE} does not speak OpenFlow 1.3")
    if bridge.datapath_id != wanted.datapath_id:
        faults.append(f"{SERVICE_BRIDGE} has datapath id {bridge.datapath_id}, the profile {wanted.datapath_id}")
    for link in facts.wanted.links:
        if link.bridge:
            faults += _port_faults(switch, link.bridge, link.name)
    if faults:
        return wrong("; ".join(faults), facts.wanted.remedies.set_up)
    return ok("; ".join(f"{name}: {', '.join(bridge.ports)}" for name, bridge in sorted(switch.bridges.items())))


def _port_faults(switch: SwitchFacts, bridge: str, name: str) -> list[str]:
    if bridge not in switch.bridges or name not in switch.bridges[bridge].ports:
        return [f"{name} is no port of {bridge}"]
    port = switch.ports[name]
    return [f"{name}: {port.error or 'Open vSwitch cannot open it'}"] if port.error or port.number < 0 else []


def _controller(facts: NodeFacts, wanted: WantedSwitch, switch: SwitchFacts) -> Verdict:
    targets = [controller.target for controller in switch.controllers]
    if targets != [wanted.controller]:
        found = f"{', '.join(targets) or 'none'} is set, must be {wanted.controller}"
        return wrong(found, facts.wanted.remedies.set_up)
    if not switch.controllers[0].connected:
        doubt = "does the RMS run?" if wanted.tls is None else "does the RMS run, and does it accept the certificate?"
        return wrong(f"{wanted.controller} is not connected: {doubt}", facts.wanted.remedies.rms)
    return ok(f"{wanted.controller}, connected")


def _tls(facts: NodeFacts, wanted: WantedSwitch, switch: SwitchFacts) -> Verdict:
    if wanted.tls is None:
        return ok("none is needed")
    if switch.tls != wanted.tls:
        found = "none" if switch.tls is None else ", ".join(switch.tls)
        return wrong(f"{found} is set, must be {', '.join(wanted.tls)}", facts.wanted.remedies.set_up)
    if switch.unreadable:
        faults = "; ".join(f"{path} cannot be read: {reason}" for path, reason in switch.unreadable.items())
        return wrong(
            faults, f"pmipls pki issue {facts.wanted.name}   # on the host of the authority; then bring it here"
        )
    return ok(f"{wanted.tls.certificate} with its key, and {wanted.tls.authority}")


def _tunnels(facts: NodeFacts, wanted: WantedSwitch, switch: SwitchFacts) -> Verdict:
    faults = []
    for peer, ends in wanted.tunnels.items():
        port = switch.ports.get(TUNNEL_PREFIX + peer)
        if port is None:
            faults.append(f"none to {peer}")
        elif port.error or port.number < 0:
            faults.append(f"to {peer}: {port.error or 'Open vSwitch cannot make it'}")
        elif (port.options.get("local_ip"), port.options.get("remote_ip")) != ends:
            faults.append(f"to {peer}: from {port.options.get('local_ip')} to {port.options.get('remote_ip')}")
    if faults:
        return wrong("; ".join(faults), facts.wanted.remedies.agent)
    return ok(f"to {', '.join(wanted.tunnels)}")


def _flow_entries(facts: NodeFacts, wanted: WantedSwitch, switch: SwitchFacts) -> Verdict:
    if not switch.flow_entries:
        return wrong(f"{SERVICE_BRIDGE} has none, and drops everything: the RMS writes them", facts.wanted.remedies.rms)
    return ok(f"{switch.flow_entries} in {SERVICE_BRIDGE}")


#: Checks of what set-up makes of interfaces and kernel, and others may change behind its back.
HOST_PART: tuple[Check[NodeFacts], ...] = (
    Check(
        "links",
        EVERY_ROLE,
        "interfaces: there, and up",
        "Without them there is no path.",
        "`ip link set IF up`; if it is not there, the set-up again",
        _links,
    ),
    Check(
        "MTU",
        EVERY_ROLE,
        "the MTU of each interface: on the underlay `tunnel.underlay_mtu`, on access and core links the tunnels' MTU",
        "What exceeds the MTU of a link is dropped by the switch, and nobody is told.",
        "`ip link set IF mtu OCTETS`",
        _mtu,
    ),
    Check(
        "offloads",
        EVERY_ROLE,
        "checksums, and merging of segments (GRO, LRO), that the kernel leaves to an interface",
        "A userspace switch takes frames as they are: unfinished checksums are refused by the receiver (BGP does not "
        "come up), and merged segments exceed the MTU.",
        "`ethtool -K IF tx-checksumming off`, or the set-up again",
        _offloads,
    ),
    Check(
        "addresses",
        EVERY_ROLE,
        "the node's address on the underlay, an LMA's on the core link",
        "Addresses do not outlive a start of the host: set-up has to be run again.",
        "the set-up again",
        _addresses,
    ),
    Check(
        "isolation",
        SWITCHES,
        "access ports and core port: no address, in no bridge or bond of the kernel, and, with the userspace datapath, "
        "in the nftables chain that drops what the kernel would hear there",
        "The kernel gets the frames of a userspace switch, too: by any protocol that it speaks there a mobile node "
        "reaches the host.",
        "the set-up again",
        _isolation,
    ),
    Check(
        "kernel settings",
        EVERY_ROLE,
        "what set-up writes below `/proc/sys`: forwarding, IPv6 and ARP of the switch's ports, router advertisements",
        "The kernel must take no part in what the switch forwards; the core hashes flows over its paths.",
        "`sysctl -w`, or the set-up again",
        _settings,
    ),
)
#: All checks of a node, in the order in which they are shown.
NODE_CHECKS: tuple[Check[NodeFacts], ...] = (
    *HOST_PART,
    Check(
        "Open vSwitch daemons",
        SWITCHES,
        "`ovsdb-server` and `ovs-vswitchd`",
        "They forward.",
        "`systemctl restart openvswitch-switch`, then the set-up; in a lab `pmipls lab switch start`",
        _openvswitch,
    ),
    Check(
        "bridges",
        SWITCHES,
        "`br-pm` (fail_mode, OpenFlow 1.3, datapath id), `br-u`, and their ports",
        "A bridge that is not `secure` forwards as a learning switch when the RMS is away.",
        "the set-up again",
        _of_running_switch(_bridges),
    ),
    Check(
        "controller",
        SWITCHES,
        "the RMS as controller of `br-pm`: set, and connected",
        "Only the RMS writes flow entries.",
        "start the RMS; let its port through a firewall",
        _of_running_switch(_controller),
    ),
    Check(
        "TLS",
        SWITCHES,
        "with `rms.openflow.tls`, the files of certificate, key and authority that Open vSwitch uses: those of the "
        "profile, and there",
        "The RMS speaks to no switch without the certificate of its node.",
        "the set-up again; a certificate and its key come from the host of the authority (`pmipls pki`)",
        _of_running_switch(_tls),
    ),
    Check(
        "tunnels",
        SWITCHES,
        "a tunnel to each peer, with the addresses of the profile",
        "The agents make them: without a tunnel no mobile node of that pair can be reached.",
        "start the agent, `pmipls mag` or `pmipls lma`; its log tells why it makes none",
        _of_running_switch(_tunnels),
    ),
    Check(
        "flow entries",
        SWITCHES,
        "how many `br-pm` has",
        "What no flow entry matches is dropped; they do not outlive `ovs-vswitchd`.",
        "start the RMS, `pmipls health` tells what it is at",
        _of_running_switch(_flow_entries),
    ),
)
