"""What the machine has to have, and must not have, for a lab to be made in it."""

from __future__ import annotations

import os
import shutil
import socket
from ipaddress import IPv6Address
from pathlib import Path

import psutil

from ryu_pmipls.domain.profile import Endpoint, Profile
from ryu_pmipls.lab.errors import LabError
from ryu_pmipls.lab.plan import Plan

#: What a lab is made with; apart from Python.
_PROGRAMS = ("ip", "nsenter", "ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "ovs-ofctl", "ethtool", "iperf3", "bird")


def check_programs() -> None:
    """``LabError`` unless this is root's process and the programs are there."""
    if os.geteuid() != 0:
        raise LabError("a lab needs root: it makes network namespaces and CPU groups")
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise LabError(f"not installed: {', '.join(missing)}; './run setup' installs them")


def check_network(plan: Plan) -> None:
    """``LabError`` if the namespaces or the addresses of a lab that is to be made are there already."""
    for node in plan.nodes:
        if (Path("/run/netns") / plan.namespace(node)).exists():
            raise LabError(f"there is a network namespace {plan.namespace(node)} that is not this lab's")
    underlay = plan.host_address
    for port, addresses in psutil.net_if_addrs().items():
        for entry in addresses:
            if entry.family == socket.AF_INET6 and _strip(entry.address) in underlay.network:
                raise LabError(
                    f"rms.address: {underlay.network} is in use on this host (interface {port} has "
                    f"{entry.address}); give this lab another rms.address and subnet, or end the other one"
                )


def check_ports(profile: Profile) -> None:
    """``LabError`` if an RMS could not listen."""
    for place, endpoint in (("openflow", profile.rms.openflow), ("rest", profile.rms.rest)):
        try:
            _try_to_listen(endpoint)
        except OSError as error:
            raise LabError(
                f"rms.{place}: [{endpoint.host}]:{endpoint.port} cannot be listened on: {error.strerror}; "
                "end what uses it, or have no RMS started (--no-rms)"
            ) from None


def _strip(address: str) -> IPv6Address:
    return IPv6Address(address.partition("%")[0])


def _try_to_listen(endpoint: Endpoint) -> None:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((endpoint.host, endpoint.port))
        listener.listen()
