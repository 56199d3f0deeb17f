"""Parameters and constants that the rules of several kinds of node share."""

from __future__ import annotations

from ryu_pmipls.controller.switches.parameter import Kind, Parameter

#: Types 133 to 137: router and neighbour solicitation and advertisement, redirect (RFC 4861).
NEIGHBOUR_DISCOVERY = (133, 134, 135, 136, 137)
#: Hop limits with which a packet ends at a router (RFC 8200, section 3).
LAST_HOP_LIMITS = (0, 1)

HOME_PREFIX = Parameter("prefix", Kind.HOME_PREFIX, "the mobile node's home network prefix")
POOL = Parameter("pool", Kind.PREFIX, "the pool of home network prefixes")
SUBNET_ROUTERS = Parameter(
    "subnet_routers", Kind.SUBNET_ROUTERS, "addresses of the pool whose last 64 bits are zeros: subnet-router anycast"
)
TUNNEL = Parameter("tunnel", Kind.PORT, "tunnel port")
ERROR_PORT = Parameter("errors", Kind.PORT, "port for what cannot be delivered")
DISCOVERY_TYPE = Parameter("icmpv6_type", Kind.NUMBER, "each of 133 to 137")
LAST_HOP_LIMIT = Parameter("hop_limit", Kind.NUMBER, "each of 0 and 1")
MTU = Parameter("mtu", Kind.NUMBER, "octets that the node's tunnels take")
