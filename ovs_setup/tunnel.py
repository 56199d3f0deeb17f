"""Tunnels between MAGs and LMAs: one port of the service bridge per peer, named after it (RFC 5213, section 5.6.1).

``srv6`` is IPv6 in IPv6 (RFC 2473) with a segment routing header of one segment; ``gre`` is IPv6 in GRE over IPv6
(RFC 2784, RFC 5845). In both, the Ethernet header is left behind, and comes back zeroed at the other end.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Literal

from ovs_setup import OvsSetupError
from ovs_setup.node import SERVICE_BRIDGE, TUNNEL_PREFIX, UNDERLAY_BRIDGE
from ovs_setup.vswitch import SRV6_SINCE, OpenVSwitch, OvsError

Encapsulation = Literal["gre", "srv6"]
#: Encapsulation as a profile names it.
WantedEncapsulation = Literal["auto", Encapsulation]

#: Octets that a tunnel adds to a packet: the IPv6 header, and GRE with a key (RFC 5845) or a segment routing header
#: with one segment (RFC 8754).
_OVERHEAD: dict[Encapsulation, int] = {"gre": 40 + 8, "srv6": 40 + 24}
_GRE_OPTIONS = {"packet_type": "legacy_l3", "key": "flow"}


@dataclass(frozen=True)
class Bfd:
    """BFD (RFC 5880) at one end of a tunnel: a packet every ``interval`` s.

    The peer takes the tunnel for dead when ``multiplier`` of these in a row are missing.
    """

    interval: float
    multiplier: int

    @staticmethod
    def of_lma(interval: float | None) -> Bfd | None:
        """BFD of an LMA: quick, for a dead LMA must be noticed soon."""
        return None if interval is None else Bfd(interval, 5)

    @staticmethod
    def of_mag(interval: float | None) -> Bfd | None:
        """BFD of a MAG: patient, for a saturated LMA loses most packets, BFD's included, and yet forwards."""
        return None if interval is None else Bfd(interval, 100)


@dataclass(frozen=True)
class Tunnel:
    """A tunnel port; ``port`` is its OpenFlow port number, -1 when Open vSwitch could not make it (``error``)."""

    peer: str
    local: IPv6Address
    remote: IPv6Address
    encapsulation: Encapsulation
    port: int
    error: str


def encapsulation(ovs: OpenVSwitch, wanted: WantedEncapsulation) -> Encapsulation:
    """The encapsulation to use here: for "auto" ``srv6`` where Open vSwitch has it, else ``gre``.

    ``OvsSetupError`` when "srv6" is wanted and cannot be had.
    """
    userspace = ovs.vsctl("get", "bridge", SERVICE_BRIDGE, "datapath_type") == "netdev"
    able = userspace and ovs.version() >= SRV6_SINCE
    if wanted == "srv6" and not able:
        version = ".".join(map(str, ovs.version()))
        raise OvsSetupError(f"srv6 tunnels need Open vSwitch 3.2 and its userspace datapath; here is {version}")
    if wanted == "auto":
        return "srv6" if able else "gre"
    return wanted


def inner_mtu(underlay_mtu: int, encapsulation: Encapsulation) -> int:
    """Octets of the largest packet that fits into a tunnel through an underlay with that MTU."""
    return underlay_mtu - _OVERHEAD[encapsulation]


def least_inner_mtu(underlay_mtu: int, wanted: WantedEncapsulation) -> int:
    """Octets of the largest packet that fits into a tunnel of any encapsulation that ``wanted`` may give."""
    return min(inner_mtu(underlay_mtu, kind) for kind in _OVERHEAD if wanted in ("auto", kind))


def add_tunnel(
    ovs: OpenVSwitch,
    peer: str,
    local: IPv6Address,
    remote: IPv6Address,
    encapsulation: Encapsulation,
    bfd: Bfd | None = None,
) -> None:
    """Make the tunnel to ``peer``, or correct the one there is; ``OvsSetupError`` when Open vSwitch refuses it.

    With ``bfd`` Open vSwitch itself watches that the tunnel carries packets, and marks its port as not alive when the
    peer's are missing. Both ends must do so.
    """
    name = TUNNEL_PREFIX + peer
    options = {"local_ip": str(local), "remote_ip": str(remote)} | (_GRE_OPTIONS if encapsulation == "gre" else {})
    ovs.vsctl(
        *("--may-exist", "add-port", SERVICE_BRIDGE, name),
        *("--", "clear", "interface", name, "options"),
        *("--", "set", "interface", name, f"type={encapsulation}"),
        *(f'options:{key}="{value}"' for key, value in options.items()),
        *("--", "clear", "interface", name, "bfd"),
        *(() if bfd is None else ("--", "set", "interface", name, *_bfd(bfd))),
    )
    made = next(tunnel for tunnel in tunnels(ovs) if tunnel.peer == peer)
    if made.error or made.port < 0:
        raise OvsSetupError(f"tunnel to {peer}: {made.error or 'Open vSwitch gave it no OpenFlow port'}")


def _bfd(bfd: Bfd) -> tuple[str, ...]:
    milliseconds = round(bfd.interval * 1000)
    return (
        "bfd:enable=true",
        f"bfd:min_tx={milliseconds}",
        f"bfd:min_rx={milliseconds}",
        f"bfd:mult={bfd.multiplier}",
    )


def remove_tunnel(ovs: OpenVSwitch, peer: str) -> None:
    """Remove the tunnel to ``peer``, if there is one."""
    ovs.vsctl("--if-exists", "del-port", SERVICE_BRIDGE, TUNNEL_PREFIX + peer)


def tunnels(ovs: OpenVSwitch) -> list[Tunnel]:
    """The existing tunnels, by name."""
    found = []
    for row in ovs.rows("Interface", "name", "type", "options", "ofport", "error"):
        if row["name"].startswith(TUNNEL_PREFIX) and row["type"] in ("gre", "srv6"):
            tunnel = Tunnel(
                peer=row["name"].removeprefix(TUNNEL_PREFIX),
                local=IPv6Address(row["options"]["local_ip"]),
                remote=IPv6Address(row["options"]["remote_ip"]),
                encapsulation=row["type"],
                port=row["ofport"] if isinstance(row["ofport"], int) else -1,
                error=row["error"] or "",
            )
            found.append(tunnel)
    return sorted(found, key=lambda tunnel: tunnel.peer)


def warm_up(ovs: OpenVSwitch, remote: IPv6Address, timeout: float) -> bool:
    """Tell Open vSwitch the link-layer address behind which ``remote`` is; true if it was found within ``timeout`` s.

    The userspace datapath drops packets to send while it does not know that address, and forgets the address
    :func:`neighbour_lifetime` seconds after it was told.
    """
    deadline = time.monotonic() + timeout
    userspace = UNDERLAY_BRIDGE in ovs.vsctl("list-br").split()
    while True:
        wait = min(max(deadline - time.monotonic(), 0.1), 1.0)
        try:
            route = json.loads(ovs.execute("ip", "-6", "-json", "route", "get", str(remote)))[0]
            # This makes the kernel resolve the address of the next hop; a kernel datapath needs no more than that.
            ovs.execute("ping", "-6", "-q", "-c", "1", "-W", f"{wait:.1f}", "-I", route["dev"], str(remote))
            if userspace:
                next_hop = route.get("gateway", str(remote))
                entry = json.loads(ovs.execute("ip", "-6", "-json", "neighbour", "show", next_hop, "dev", route["dev"]))
                # Open vSwitch learns from passing advertisements only now and then: it ignores those that its flow
                # cache handles. So tell it.
                ovs.appctl("tnl/neigh/set", route["dev"], next_hop, entry[0]["lladdr"])
        except (OvsError, LookupError):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def neighbour_lifetime(ovs: OpenVSwitch) -> int:
    """Seconds for which the userspace datapath keeps the address of a neighbour it does not use."""
    return int(ovs.appctl("tnl/neigh/aging"))
