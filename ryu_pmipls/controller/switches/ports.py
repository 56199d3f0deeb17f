"""Names of a switch's ports: those of tunnels, and that of the agent's answers to undeliverable packets."""

from __future__ import annotations

from collections.abc import Mapping

from ryu_pmipls.domain.profile import ERROR_PORT_PREFIX

#: The OpenFlow port numbers of a switch's ports, by name.
Ports = Mapping[str, int]


def tunnel_port(peer: str) -> str:
    """The name of the port of the tunnel to a peer."""
    return f"t-{peer}"


def error_port(ports: Ports) -> tuple[int, int] | None:
    """The port for undeliverable packets, and the MTU of the tunnels (octets), from the port's name."""
    for name, number in ports.items():
        mtu = name.removeprefix(ERROR_PORT_PREFIX)
        if mtu != name and mtu.isascii() and mtu.isdigit() and int(mtu) < 2**16 - 14:
            return number, int(mtu)
    return None
