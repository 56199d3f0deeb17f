"""Users as which the processes of a domain run, and the capabilities that each needs."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_pmipls.domain.profile import Lma, Mag, Profile, Rms

#: Lowest port that any process may listen on (``net.ipv4.ip_unprivileged_port_start``).
_FIRST_FREE_PORT = 1024
#: All users of services.
USERS = frozenset({"pmipls-rms", "pmipls-lma", "pmipls-mag"})


def user_of(node: Rms | Lma | Mag) -> str:
    """The user, and group of the same name, of a node's process where it is a service."""
    return f"pmipls-{kind_of(node)}"


def kind_of(node: Rms | Lma | Mag) -> str:
    """``rms``, ``lma`` or ``mag``."""
    return type(node).__name__.lower()


def capabilities_of(profile: Profile, node: Rms | Lma | Mag) -> tuple[str, ...]:
    """The capabilities (capabilities(7)) that a node's process cannot do without, in the order of their names.

    An agent needs CAP_NET_RAW for packet sockets and to solicit peers and gateways, CAP_NET_ADMIN for the settings of
    its error port, to see the host's nftables rules, and at an LMA for the route that announces it. The RMS needs
    CAP_NET_RAW for protocol 135 alone, and CAP_NET_ADMIN to see the rules that hold back what IPsec does not protect.
    """
    return tuple(sorted(_needs(profile, node)))


def _needs(profile: Profile, node: Rms | Lma | Mag) -> Iterator[str]:
    if isinstance(node, Rms):
        ports = [node.openflow.port, node.rest.port]
        raw, admin = profile.transport_of(node) == "raw", profile.signalling.ipsec
    else:
        ports = [] if node.api is None else [node.api.port]
        raw = admin = True
    if raw:
        yield "CAP_NET_RAW"
    if admin:
        yield "CAP_NET_ADMIN"
    if min(ports, default=_FIRST_FREE_PORT) < _FIRST_FREE_PORT:
        yield "CAP_NET_BIND_SERVICE"
