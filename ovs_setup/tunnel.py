"""Tunnels between MAGs and LMAs: one port of the service bridge per peer, named after it (RFC 5213, section 5.6.1).

They carry packets without the Ethernet header, which comes back zeroed at the other end.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from ipaddress import IPv6Address

from ovs_setup import OvsSetupError
from ovs_setup.node import SERVICE_BRIDGE, TUNNEL_PREFIX, UNDERLAY_BRIDGE
from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.domain.tunnel_kinds import TUNNEL_KINDS, possible_kinds


@dataclass(frozen=True)
class Bfd:
    """BFD (RFC 5880) at one end of a tunnel: a packet every ``interval`` s.

    The peer takes the tunnel for dead when ``multiplier`` of these in a row are missing.
    """

    interval: float
    multiplier: int

    @staticmethod
    def of_lma(interval: float | None) -> Bfd | None:
        """BFD of an LMA: quick, because a dead LMA must be noticed soon."""
        return None if interval is None else Bfd(interval, 5)

    @staticmethod
    def of_mag(interval: float | None) -> Bfd | None:
        """BFD of a MAG: patient, because a saturated LMA loses most packets, BFD's included, and yet forwards."""
        return None if interval is None else Bfd(interval, 100)


@dataclass(frozen=True)
class Tunnel:
    """A tunnel port; ``port`` is its OpenFlow port number, -1 when Open vSwitch could not make it (``error``)."""

    peer: str
    local: IPv6Address
    remote: IPv6Address
    encapsulation: str
    port: int
    error: str


def encapsulation(ovs: OpenVSwitch, wanted: str) -> str:
    """The encapsulation to use here; for "auto" the first one in ``TUNNEL_KINDS`` that Open vSwitch offers.

    ``OvsSetupError`` when it does not offer the wanted one.
    """
    userspace, version = ovs.vsctl("get", "bridge", SERVICE_BRIDGE, "datapath_type") == "netdev", ovs.version()
    offered = [name for name, kind in TUNNEL_KINDS.items() if kind.offered(version, userspace)]
    if wanted == "auto" and offered:
        return offered[0]
    if wanted not in offered:
        kind = possible_kinds(wanted)[-1]
        since, here = ".".join(map(str, kind.since[:2])), ".".join(map(str, version))
        datapath = " and its userspace datapath" if kind.userspace else ""
        raise OvsSetupError(f"{wanted} tunnels need Open vSwitch {since}{datapath}; here is {here}")
    return wanted


def inner_mtu(underlay_mtu: int, encapsulation: str) -> int:
    """Octets of the largest packet that fits into a tunnel through an underlay with that MTU."""
    return underlay_mtu - TUNNEL_KINDS[encapsulation].overhead


def possible_inner_mtus(underlay_mtu: int, wanted: str) -> list[int]:
    """Octets of the largest packets that fit into tunnels of the encapsulations that ``wanted`` may give."""
    return [underlay_mtu - kind.overhead for kind in possible_kinds(wanted)]


def add_tunnel(
    ovs: OpenVSwitch,
    peer: str,
    local: IPv6Address,
    remote: IPv6Address,
    encapsulation: str,
    bfd: Bfd | None = None,
) -> None:
    """Make the tunnel to ``peer``, or correct the one there is; ``OvsSetupError`` when Open vSwitch refuses it.

    With ``bfd`` Open vSwitch itself watches that the tunnel carries packets, and marks its port as not alive when the
    peer's are missing. Both ends must do so.
    """
    name = TUNNEL_PREFIX + peer
    options = {"local_ip": str(local), "remote_ip": str(remote)} | dict(TUNNEL_KINDS[encapsulation].options)
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
        if row["name"].startswith(TUNNEL_PREFIX) and row["type"] in TUNNEL_KINDS:
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
