"""Facts about a host by itself, and its purpose. The standard library alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ryu_pmipls.doctor.check import HostRole

Version = tuple[int, ...]


@dataclass(frozen=True)
class ListeningPort:
    """A TCP port on which a server of the domain should listen; ``place`` is its key in the profile."""

    place: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.place}: [{self.host}]:{self.port}"


@dataclass(frozen=True)
class Service:
    """The process of a node as a service of the host: its ``user``, whether that is ``there``, and what is wrong."""

    node: str
    user: str
    there: bool
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Purpose:
    """Purpose of a host, and its needs for that; without a profile that of the default lab."""

    role: HostRole = HostRole.LAB
    listening_ports: tuple[ListeningPort, ...] = (
        ListeningPort("rms.openflow", "::", 6653),
        ListeningPort("rms.rest", "127.0.0.1", 8080),
    )
    rms_may_run: bool = False  # deployed, or the lab is up: its resources are rightly taken
    state_directory: str = "/run/pmipls"
    raw_signalling: bool = True  # Mobility Headers by protocol 135, not by UDP
    cpu_quotas: bool = True  # of switches
    nodes: int = 7  # hosts of the domain, each with a connection or two
    namespaces: tuple[str, ...] = ()  # network namespaces that a lab will make
    subnet: str = ""  # IPv6 prefix that a lab will use on this host
    keys: str = ""  # the key file, if messages are authenticated
    keys_fault: str = ""  # its first fault, "" when there is none
    ipsec_node: str = ""  # name of the host's node, if signalling goes by IPsec
    ipsec_fault: str = ""  # what is missing for that, "" when all is there
    service: Service | None = None  # None: that of a lab, which has none


@dataclass(frozen=True)
class Program:
    """A program: ``path``, "" when it is in no directory of the user's PATH; ``elsewhere``, its directory then."""

    path: str = ""
    elsewhere: str = ""


@dataclass(frozen=True)
class TakenPort:
    """A TCP port that cannot be listened on, and the name and id of the process that does, if known."""

    wanted: ListeningPort
    error: str
    holder: str = ""
    process: int = 0


@dataclass(frozen=True)
class Directory:
    """A directory, or the nearest one above it that exists: ``path``; ``free`` octets for its user."""

    path: str
    writable: bool
    free: int


@dataclass(frozen=True)
class ProfileFacts:
    """The profile that applies: ``name``, the ``origin`` of that name, its first ``fault`` ("" when there is none)."""

    name: str
    origin: str  # such as "$PMIPLS_PROFILE"
    fault: str = ""


@dataclass(frozen=True)
class HostClock:
    """The system clock: ``synchronised`` as the kernel knows it, and the ``services`` that run for that."""

    synchronised: bool
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostFacts:
    """All facts about a host. ``None`` stands for facts that could not be gathered."""

    purpose: Purpose
    root: bool
    distribution: str  # ID and VERSION_ID of os-release(5), such as "debian 12"
    kernel: str
    python: Version
    python_path: str
    ensurepip: bool
    ryu: str | None  # version; "" when it is not installed, None when this Python has nothing of the project
    eventlet: str
    programs: Mapping[str, Program]
    openvswitch: Version | None  # None: not installed, or does not say
    bird: Version | None
    ipv6: bool
    kernel_faults: Mapping[str, str] | None  # feature of the kernel that was tried -> reason for failure, "" for none
    cpu_groups: str | None  # why CPU control groups cannot be had; "" when they can
    raw_socket: str  # why protocol 135 cannot be opened; "" when it can
    clock: HostClock | None
    taken_ports: tuple[TakenPort, ...]
    state_directory: Directory
    open_files: int
    profile: ProfileFacts
    firewall: tuple[str, ...] | None  # chains that drop incoming packets by default
    foreign_namespaces: tuple[str, ...] = ()  # of those that the lab will make
    foreign_addresses: tuple[str, ...] = ()  # in the lab's subnet, such as "interface eth0 has fd00::1"
