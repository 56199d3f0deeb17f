"""The LMA's choice of the prefixes of a new session (RFC 5213, section 5.3.2)."""

from __future__ import annotations

from ipaddress import IPv6Network

from ryu_pmipls.mobility.announced_routes import AnnouncedRoutes
from ryu_pmipls.mobility.binding_cache import BindingCache
from ryu_pmipls.mobility.config import AnchorConfig
from ryu_pmipls.mobility.prefix_leases import PrefixLeases
from ryu_pmipls.mobility.registration import Registration
from ryu_pmipls.wire.codepoints import BindingStatus


class PrefixAssignment:
    """Prefixes for new sessions: those that the MAG asks for, the node's fixed ones, or one of the pool."""

    def __init__(
        self, config: AnchorConfig, cache: BindingCache, leases: PrefixLeases, routes: AnnouncedRoutes
    ) -> None:
        self._limit = config.max_bindings_per_mag
        self._fixed = {node.identifier: node.prefixes for node in config.mobile_nodes}
        self._reserved = frozenset(prefix for prefixes in self._fixed.values() for prefix in prefixes)
        self._cache = cache
        self._leases = leases
        self._routes = routes

    def assign(self, request: Registration) -> tuple[IPv6Network, ...] | BindingStatus:
        """Choose the prefixes, or the status that refuses the session.

        RFC 5213, section 5.3.2: a request for any prefix gets one, whatever else it asks for.
        """
        if self._cache.load(request.care_of_address) >= self._limit:
            return BindingStatus.INSUFFICIENT_RESOURCES
        identifier = request.identifier.identifier
        fixed = self._fixed[identifier]
        if request.prefixes and not request.asks_for_any:
            if any(map(self._cache.holds, request.prefixes)) or not self._entitled(identifier, request.prefixes, fixed):
                return BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX
            return request.prefixes
        if fixed and not any(map(self._cache.holds, fixed)):
            return fixed
        prefix = self._leases.choose(
            identifier,
            lambda prefix: prefix in self._reserved or self._routes.holder(prefix) not in (None, identifier),
            len(self._reserved) + len(self._routes),
        )
        return BindingStatus.INSUFFICIENT_RESOURCES if prefix is None else (prefix,)

    def _entitled(self, identifier: bytes, asked: tuple[IPv6Network, ...], fixed: tuple[IPv6Network, ...]) -> bool:
        """True when a session may have these prefixes.

        They are the fixed ones; or one that this LMA could have assigned; or one that belongs to the mobile node as the
        RMS has announced: the session then comes from another LMA, which gives up its sessions.
        """
        if set(asked) == set(fixed):
            return True
        if len(asked) != 1 or asked[0] in self._reserved:
            return False
        holder = self._routes.holder(asked[0])
        return holder == identifier if holder is not None else self._leases.may_have(asked[0], identifier)
