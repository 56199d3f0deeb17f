"""Route_adjust: from what a MAG reports to routes in force on all LMAs (draft section 3.3)."""

from __future__ import annotations

import logging
from collections import Counter
from ipaddress import IPv6Address

from ryu_pmipls.control.confirmation import Confirmation
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.framework import hub
from ryu_pmipls.openflow.network import Network
from ryu_pmipls.openflow.session import Outcome
from ryu_pmipls.routing import BindingTable, Result, RouteChange
from ryu_pmipls.store import Store
from ryu_pmipls.wire import (
    Attachment,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    Timestamp,
)

LOG = logging.getLogger(__name__)


class RouteControl:
    """Keeps ``bindings`` by what MAGs report, and has them stored and put into force; ``refused`` counts the rest."""

    def __init__(
        self,
        profile: Profile,
        bindings: BindingTable,
        store: Store,
        network: Network,
        confirmation: Confirmation,
        refused: Counter[str],
    ) -> None:
        self._profile = profile
        self._bindings = bindings
        self._store = store
        self._network = network
        self._confirmation = confirmation
        self._refused = refused
        self._mags = {mag.address: mag.name for mag in profile.mags}
        self._lmas = {lma.address: lma.name for lma in profile.lmas}
        self._under_way: dict[bytes, tuple[RouteAdjust, IPv6Address]] = {}

    def reported(self, message: RouteAdjust, source: IPv6Address, now: float) -> None:
        """A MAG reports where a mobile node is."""
        if message.prefix not in self._profile.home_prefix_pool:
            self._refused["route_adjust: prefix is not of the domain"] += 1
            return
        change = self._change(message, now)
        prefix = change.prefix
        update = self._bindings.update(change, now)
        if update.result is Result.CHANGED and update.binding is not None:
            self._store.save_bindings([update.binding])
        elif update.result is Result.TOO_NEW:
            self._refused["route_adjust: timestamp in the future"] += 1
            return
        elif update.result in (Result.NOT_CURRENT, Result.STALE):
            # What is in force is newer: there is nothing to repeat the message for.
            self._confirmation.answer(message, source)
            return
        elif prefix in self._under_way:
            return  # a repetition of what is under way
        under_way = prefix in self._under_way
        self._under_way[prefix] = message, source
        if not under_way:
            hub.spawn(self._route, prefix)

    def expire(self, now: float) -> None:
        """Forget what was detached long ago."""
        while expired := self._bindings.expire(now):
            self._store.delete_bindings(expired)

    def _change(self, message: RouteAdjust, now: float) -> RouteChange:
        timestamp = message.option(Timestamp) or Timestamp.of(now)
        identifier = message.option(MobileNodeIdentifier)
        link_layer = message.option(MobileNodeLinkLayerIdentifier)
        attachment = message.option(Attachment)
        return RouteChange(
            prefix=message.prefix.packed[:8],
            old_mag=self._mags.get(message.old_mag),
            new_mag=self._mags.get(message.new_mag),
            timestamp=timestamp.ticks,
            identifier=None if identifier is None else identifier.identifier.decode("utf-8", "replace"),
            link_layer_address=None if link_layer is None else link_layer.identifier,
            port=None if attachment is None else attachment.port,
            anchor=None if attachment is None else self._lmas.get(attachment.anchor),
        )

    def _route(self, prefix: bytes) -> None:
        """Put the present binding into force; answer its sender when it is so; tell the LMAs."""
        while True:
            latest = self._under_way[prefix]
            binding = self._bindings.get(prefix)
            assert binding is not None
            outcomes = self._network.route(binding)
            if self._under_way[prefix] is latest:
                del self._under_way[prefix]
                break
        message, source = latest
        # A switch that is away gets the route when it returns, before it gets traffic (erratum E39).
        failed = {name: o.value for name, o in outcomes.items() if o in (Outcome.ERROR, Outcome.TIMEOUT)}
        if failed or Outcome.ACKED not in outcomes.values():
            LOG.error(
                "route of %s to %s is not in force: %s",
                binding.network,
                binding.mag,
                failed or "no switch is connected",
            )
            return
        LOG.info("route of %s to %s is in force on %s", binding.network, binding.mag, ", ".join(outcomes))
        self._confirmation.answer(message, source)
        for lma in self._lmas:
            hub.spawn(self._confirmation.confirmed, message, lma)
