"""Configuration of the machines. All times are in seconds.

``restart_counter`` tells peers how often this node has lost its sessions (RFC 5847). ``time_of_day`` converts ``now``,
a time on the monotonic clock, into the seconds since 1970 of Timestamp options; by default the two are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.prefix_pool import PrefixPool
from ryu_pmipls.wire.codepoints import AccessTechnology, Encapsulation


@dataclass(frozen=True)
class MobileNodePolicy:
    """A mobile node's policy profile (RFC 5213, section 6.2); MAGs and LMAs of a domain hold the same.

    ``identifier`` is the NAI. ``link_layer_address`` identifies the node's interface in PBUs, and the node on the link
    unless the access network identifies it there. ``anchor`` is the LMAA, ``prefixes`` are the home network prefixes
    that are fixed for this node (none: the LMA assigns one). Without ``enabled`` the network does not provide mobility
    to it.
    """

    identifier: bytes
    link_layer_address: bytes
    anchor: IPv6Address
    prefixes: tuple[IPv6Network, ...] = ()
    access_technology: int = AccessTechnology.IEEE_802_3
    enabled: bool = True


@dataclass(frozen=True)
class GatewayConfig:
    """Configuration of a MAG; ``address`` is its Proxy-CoA, ``lmas`` are the LMAAs to have tunnels to.

    With ``redirection`` new sessions may be at another LMA than the mobile node's profile says (RFC 6463).
    ``advertisement_interval`` is from one unsolicited router advertisement to the next; without it there are none.
    A mobile node that leaves ``probes`` unanswered has gone; with 0 it is not asked.
    """

    address: IPv6Address
    rms: IPv6Address
    lmas: tuple[IPv6Address, ...]
    mobile_nodes: tuple[MobileNodePolicy, ...] = ()
    encapsulation: int = Encapsulation.GRE
    binding_lifetime: float = 3600.0
    initial_bindack_timeout: float = 1.0
    max_bindack_timeout: float = 32.0
    tunnel_request_timeout: float = 1.0
    adjust_timeout: float = 1.0
    adjust_tries: int = 3
    min_delay_before_bce_delete: float = 10.0
    timestamp_validity_window: float = 0.3
    redirection: bool = False
    heartbeat_interval: float = 60.0
    missing_heartbeats_allowed: int = 3
    restart_counter: int = 0
    time_of_day: Callable[[float], float] = float
    advertisement_interval: float | None = None
    probes: int = 0


@dataclass(frozen=True)
class AnchorConfig:
    """Configuration of an LMA; ``address`` is its LMAA, ``mags`` are the Proxy-CoAs that it may serve.

    ``pool`` is the part of the domain's home prefix pool that this LMA hands out. ``binding_lifetime`` is the
    longest that is granted, ``max_bindings_per_mag`` bounds the binding cache. ``redirection_peers`` are the other
    LMAs of the domain if sessions may be redirected from one to another (RFC 6463), and none if not. ``grant_key``
    gives the present key for grants; ``announced_grant_key`` is the one that the RMS must be told, None when it knows.
    """

    address: IPv6Address
    rms: IPv6Address
    mags: tuple[IPv6Address, ...]
    pool: PrefixPool
    mobile_nodes: tuple[MobileNodePolicy, ...] = ()
    encapsulation: int = Encapsulation.GRE
    binding_lifetime: float = 3600.0
    timestamp_validity_window: float = 0.3
    min_delay_before_bce_delete: float = 10.0
    max_delay_before_new_bce_assign: float = 1.5
    adjust_timeout: float = 1.0
    adjust_tries: int = 3
    max_bindings_per_mag: int = 10000
    redirection_peers: tuple[IPv6Address, ...] = ()
    grant_key: Callable[[], bytes] | None = None
    announced_grant_key: bytes | None = None
    heartbeat_interval: float = 60.0
    missing_heartbeats_allowed: int = 3
    restart_counter: int = 0
    time_of_day: Callable[[float], float] = float
