"""The state of a host before it became a MAG or an LMA: recorded, and given back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ovs_setup import interfaces, offloads, tls
from ovs_setup.interfaces import FAMILIES
from ovs_setup.vswitch import OpenVSwitch, OvsError


@dataclass(frozen=True)
class FormerState:
    """State, before the set-up as the switch of ``node``, of objects that the set-up changes but did not make.

    Records of earlier releases lack the fields with a default.
    """

    node: str
    underlay_port: str | None
    addresses: list[str]  # of the underlay port, IPv6 only: IPv4 stays there
    routes: list[str]  # through the underlay port, likewise
    sysctls: dict[str, str]  # path below /proc/sys -> value
    down: list[str]  # ports that were not up
    offloads: dict[str, list[str]] = field(default_factory=dict)  # port -> those that were on and must not be
    port_addresses: dict[str, list[str]] = field(default_factory=dict)  # of the ports of the service bridge
    port_routes: dict[str, list[str]] = field(default_factory=dict)
    mtus: dict[str, int] = field(default_factory=dict)  # port -> octets, where these were too few
    tls: list[str] | None = None  # setting for TLS (``tls.present_setting``); None: the set-up has not changed it

    @property
    def userspace(self) -> bool:
        """True for the userspace datapath, the one with an underlay bridge."""
        return self.underlay_port is not None


@dataclass(frozen=True)
class Changes:
    """Changes by a set-up: ports of the service bridge, all ports with their least MTU, kernel settings, TLS."""

    node: str
    service_ports: tuple[str, ...]
    underlay_port: str | None
    least_mtus: Mapping[str, int]
    sysctls: Iterable[str]
    tls: bool = False


def observe(ovs: OpenVSwitch, changes: Changes, links: Mapping[str, Any], known: FormerState | None) -> FormerState:
    """The state before the set-up; the record of an earlier run wins."""
    state = _now(ovs, changes, links) if known is None else known
    paths = [path for path in changes.sysctls if path not in state.sysctls]
    values = ovs.execute("sysctl", "-n", *paths).splitlines() if paths else []
    ports = [port for port in changes.service_ports if port not in state.port_addresses]
    userspace = [*changes.least_mtus] if state.userspace else []
    return replace(
        state,
        sysctls=state.sysctls | dict(zip(paths, values, strict=True)),
        offloads=state.offloads
        | {port: offloads.active(ovs, port, offloads.RECEIVING) for port in userspace if port not in state.offloads},
        port_addresses=state.port_addresses | {port: _addresses(links[port]) for port in ports},
        port_routes=state.port_routes | {port: _routes(ovs, port) for port in ports},
        tls=tls.present_setting(ovs) if changes.tls and state.tls is None else state.tls,
    )


def _now(ovs: OpenVSwitch, changes: Changes, links: Mapping[str, Any]) -> FormerState:
    underlay = changes.underlay_port
    return FormerState(
        node=changes.node,
        underlay_port=underlay,
        addresses=[] if underlay is None else interfaces.addresses(links[underlay], "-6"),
        routes=[] if underlay is None else interfaces.routes(ovs, underlay, "-6"),
        sysctls={},
        down=[port for port in changes.least_mtus if "UP" not in links[port]["flags"]],
        mtus={port: links[port]["mtu"] for port, least in changes.least_mtus.items() if links[port]["mtu"] < least},
    )


def _addresses(link: dict[str, Any]) -> list[str]:
    return [address for family in FAMILIES for address in interfaces.addresses(link, family)]


def _routes(ovs: OpenVSwitch, port: str) -> list[str]:
    return [route for family in FAMILIES for route in interfaces.routes(ovs, port, family)]


def restore(ovs: OpenVSwitch, before: FormerState) -> None:
    """Give the host back as it was, as far as its interfaces are still there."""
    for path, value in before.sysctls.items():
        with suppress(OvsError):  # the interface may have gone
            ovs.execute("sysctl", "-qw", f"{path}={value}")
    there = interfaces.links(ovs)
    for port, octets in before.mtus.items():
        with suppress(OvsError):
            ovs.execute("ip", "link", "set", port, "mtu", str(octets))
    if before.underlay_port is not None and before.underlay_port in there:
        ovs.execute("ip", "link", "set", before.underlay_port, "up")
        interfaces.assign(ovs, before.underlay_port, before.addresses, before.routes)
    for port, addresses in before.port_addresses.items():
        if port in there:
            interfaces.assign(ovs, port, addresses, before.port_routes.get(port, ()))
    for port, were_on in before.offloads.items():
        with suppress(OvsError):
            offloads.switch(ovs, port, were_on, "on")
    for port in before.down:
        with suppress(OvsError):
            ovs.execute("ip", "link", "set", port, "down")
