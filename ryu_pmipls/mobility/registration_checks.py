"""The LMA's checks of a PBU before it looks for the session (RFC 5213, sections 5.3.1 and 5.5)."""

from __future__ import annotations

from ryu_pmipls.mobility.binding_cache import BindingCache
from ryu_pmipls.mobility.config import AnchorConfig
from ryu_pmipls.mobility.registration import Registration
from ryu_pmipls.wire import (
    AccessTechnologyType,
    HandoffIndicator,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    Timestamp,
)
from ryu_pmipls.wire.codepoints import BindingStatus


class RegistrationChecks:
    """The objections to a request: of the wrong node, about the wrong node, late, or incomplete."""

    def __init__(self, config: AnchorConfig, cache: BindingCache) -> None:
        self._config = config
        self._cache = cache
        self._mags = frozenset(config.mags)
        self._senders = self._mags.union(config.redirection_peers)
        self._policies = {MobileNodeIdentifier(node.identifier): node for node in config.mobile_nodes}

    def objection(self, request: Registration, waiting: Registration | None, now: float) -> BindingStatus | None:
        """The objection to a request, if any; in the order of RFC 5213, section 5.3.1.

        ``waiting`` is a request of the same mobile node that is still to be decided, if there is one.
        """
        message, config = request.message, self._config
        if message.option(MobileNodeIdentifier) is None:
            return BindingStatus.MISSING_MN_IDENTIFIER_OPTION
        if request.source not in self._senders or request.care_of_address not in self._mags:
            return BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG
        policy = self._policies.get(request.identifier)
        if policy is None or (policy.anchor != config.address and not config.redirection_peers):
            return BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE
        if not policy.enabled:
            return BindingStatus.PROXY_REG_NOT_ENABLED
        disorder = self._disorder(request, waiting, now)
        if disorder is not None:
            return disorder
        if not message.all(HomeNetworkPrefix):
            return BindingStatus.MISSING_HOME_NETWORK_PREFIX_OPTION
        if message.option(HandoffIndicator) is None:
            return BindingStatus.MISSING_HANDOFF_INDICATOR_OPTION
        if message.option(AccessTechnologyType) is None:
            return BindingStatus.MISSING_ACCESS_TECH_TYPE_OPTION
        return None

    def _disorder(self, request: Registration, waiting: Registration | None, now: float) -> BindingStatus | None:
        """The refusal of a late request, if it is late (RFC 5213, section 5.5). A timestamp, if any, decides alone."""
        if request.timestamp is None:
            last = self.last_sequence(request)
            newer = last is None or 0 < (request.message.sequence - last) % 2**16 < 2**15
            return None if newer else BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW
        accepted = [entry.timestamp for entry in self._cache.of(request.identifier)]
        if waiting is not None and waiting.timestamp is not None:
            accepted.append(waiting.timestamp)
        today, window = self._config.time_of_day(now), self._config.timestamp_validity_window
        # A clock that was set back leaves timestamps ahead of it in the cache; those no longer order anything.
        latest = Timestamp.of(today + window).ticks
        last_timestamp = max((timestamp for timestamp in accepted if timestamp <= latest), default=0)
        if request.timestamp < last_timestamp:
            return BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
        if request.timestamp == last_timestamp or self.differs(request.timestamp, now):
            return BindingStatus.TIMESTAMP_MISMATCH
        return None

    def differs(self, ticks: int, now: float) -> bool:
        """True when a timestamp (1/65536 s) is off this node's time of day by more than is valid."""
        away = abs(Timestamp(ticks).seconds - self._config.time_of_day(now))
        return away > self._config.timestamp_validity_window

    def last_sequence(self, request: Registration) -> int | None:
        """The last accepted sequence number of the mobile node, if sequence numbers order its requests."""
        for entry in self._cache.of(request.identifier):
            if entry.timestamp == 0 and (entry.identifier, entry.access_technology, entry.link_layer_identifier) == (
                request.session
            ):
                return entry.sequence
        return None
