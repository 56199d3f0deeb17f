"""Facts about a node of a domain, a host or a namespace of a lab, and its state as the profile wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ovs_setup.tls import TlsFiles
from ryu_pmipls.doctor.check import HostRole


@dataclass(frozen=True)
class WantedLink:
    """An interface: least MTU in octets, offloads that must be off, an address it must have ("": none).

    ``isolated``: the host must have no part in it, and with ``filtered`` its kernel must hear nothing there.
    """

    name: str
    mtu: int
    offloads: tuple[str, ...] = ()
    address: str = ""
    up: bool = True
    bridge: str = ""  # of which it must be a port, in Open vSwitch
    isolated: bool = False
    filtered: bool = False


@dataclass(frozen=True)
class WantedSwitch:
    """The Open vSwitch of a MAG or an LMA; ``tunnels``: peer -> local and remote address; ``tls``: None without TLS."""

    datapath_id: str
    controller: str
    tunnels: Mapping[str, tuple[str, str]]
    tls: TlsFiles | None = None


@dataclass(frozen=True)
class Remedies:
    """Commands that mend a node; ``prefix`` comes before those that run on it."""

    set_up: str
    daemons: str = ""
    agent: str = ""
    rms: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class WantedNode:
    """A node as it should be; ``settings``: paths below /proc/sys -> values."""

    name: str
    role: HostRole
    links: tuple[WantedLink, ...]
    settings: Mapping[str, str]
    remedies: Remedies
    switch: WantedSwitch | None = None


@dataclass(frozen=True)
class Link:
    """An interface as it is; ``offloads``: those of the wanted ones that are on; ``filtered``: no kernel hears it."""

    up: bool
    mtu: int
    addresses: tuple[str, ...] = ()
    offloads: tuple[str, ...] = ()
    master: str = ""  # bridge or bond of the kernel
    filtered: bool = False


@dataclass(frozen=True)
class Bridge:
    fail_mode: str
    protocols: tuple[str, ...]
    datapath_id: str
    ports: tuple[str, ...]


@dataclass(frozen=True)
class SwitchPort:
    """An interface as Open vSwitch has it; ``number`` is its OpenFlow port, -1 when it could not be opened."""

    number: int
    error: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Controller:
    target: str
    connected: bool


@dataclass(frozen=True)
class SwitchFacts:
    """An Open vSwitch; ``flow_entries`` of the service bridge, ``unreadable``: files for TLS, each with the reason."""

    runs: bool
    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    ports: Mapping[str, SwitchPort] = field(default_factory=dict)
    controllers: tuple[Controller, ...] = ()
    flow_entries: int = 0
    tls: TlsFiles | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeFacts:
    """A node as it is. ``None`` stands for facts that could not be gathered; ``unseen`` has the reasons."""

    wanted: WantedNode
    links: Mapping[str, Link] | None
    settings: Mapping[str, str] | None
    switch: SwitchFacts | None
    unseen: str = ""
