"""All switches of the domain, and the two changes that load sharing and handoffs make to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ryu_pmipls.domain.profile import Lma, Mag, Profile
from ryu_pmipls.openflow import rules
from ryu_pmipls.openflow.flow import Entry, Group
from ryu_pmipls.openflow.session import Outcome, Transaction
from ryu_pmipls.openflow.switch import Desired, Switch
from ryu_pmipls.routing import Binding, BindingTable

#: How long a switch may take to acknowledge a change, in seconds.
CHANGE_TIMEOUT = 5.0


class Network:
    """The switches by name and by datapath id.

    ``uplinks`` (MAG -> anchor -> LMA that carries the uplink), ``gateways`` (LMA -> link-layer address of its core
    gateway) and ``bindings`` are the RMS's; the network reads them whenever it works out what a switch needs.
    """

    def __init__(
        self,
        profile: Profile,
        bindings: BindingTable,
        uplinks: Mapping[str, Mapping[str, str]],
        gateways: Mapping[str, bytes],
    ) -> None:
        self._profile = profile
        self._uplinks = uplinks
        self._gateways = gateways
        desired = Desired(self._base, self._groups, bindings.__iter__, self._binding)
        self.mags = {mag.name: Switch(mag, desired) for mag in profile.mags}
        self.lmas = {lma.name: Switch(lma, desired) for lma in profile.lmas}
        self.by_datapath_id = {switch.node.datapath_id: switch for switch in self}

    def __iter__(self) -> Iterator[Switch]:
        yield from self.mags.values()
        yield from self.lmas.values()

    def adjust(self, mag: str) -> Transaction | None:
        """Bring a MAG's groups in line with ``uplinks`` (Load_adjust); None when the MAG is not connected."""
        return self.mags[mag].refresh_groups()

    def route(self, binding: Binding) -> dict[str, Outcome]:
        """Put a binding into force; waits for the switches, so not to be called in a handler of Ryu's events.

        Make before break: first the rules at the new MAG, then the routes on all LMAs at once, last the old MAG's
        rules go. Tells the outcome of each switch that the binding needs.
        """
        outcomes: dict[str, Outcome] = {}
        if binding.mag is not None:
            outcomes |= _wait({binding.mag: self.mags[binding.mag].route(binding)})
        outcomes |= _wait({name: lma.route(binding) for name, lma in self.lmas.items()})
        for name, mag in self.mags.items():
            if name != binding.mag:
                mag.route(binding)
        return outcomes

    def tunnels(self) -> Iterator[tuple[Switch, Switch, bool]]:
        """(MAG, LMA, whether both ends are there) of every pair."""
        for mag in self.mags.values():
            for lma in self.lmas.values():
                up = rules.tunnel_port(lma.name) in mag.ports and rules.tunnel_port(mag.name) in lma.ports
                yield mag, lma, up

    def _base(self, switch: Switch) -> Iterator[Entry]:
        if isinstance(switch.node, Mag):
            return rules.mag_base(self._profile, switch.node, switch.ports)
        gateway = self._gateways.get(switch.name)
        return rules.lma_base(self._profile, switch.node, switch.ports, switch.link_layer_address, gateway)

    def _groups(self, switch: Switch) -> Iterator[Group]:
        if isinstance(switch.node, Lma):
            return iter(())
        return rules.mag_groups(self._profile, self._uplinks[switch.name], switch.ports)

    def _binding(self, switch: Switch, binding: Binding) -> Iterator[Entry]:
        if isinstance(switch.node, Mag):
            return rules.mag_binding(self._profile, switch.node, binding)
        return rules.lma_binding(binding, switch.ports)


def _wait(transactions: Mapping[str, Transaction | None]) -> dict[str, Outcome]:
    return {
        name: Outcome.DISCONNECTED if transaction is None else transaction.wait(CHANGE_TIMEOUT)
        for name, transaction in transactions.items()
    }
