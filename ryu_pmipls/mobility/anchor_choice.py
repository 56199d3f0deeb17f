"""The MAG's choice of the LMA for a session, where the profile's redirects or refuses it (RFC 6463)."""

from __future__ import annotations

from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.tunnels import Tunnels
from ryu_pmipls.mobility.update_list import BindingUpdateEntry, PendingRegistration
from ryu_pmipls.wire import BindingAcknowledgement, Redirect


class AnchorChoice:
    """Chooses among the LMAs to which there is a tunnel."""

    def __init__(self, config: GatewayConfig, tunnels: Tunnels, effects: Effects) -> None:
        self._config = config
        self._tunnels = tunnels
        self._effects = effects

    def follow(self, entry: BindingUpdateEntry, request: PendingRegistration, message: BindingAcknowledgement) -> None:
        """Follow the redirection of the session to an LMA, which has it already (RFC 6463, section 5.2)."""
        entry.unwilling.clear()
        redirect = message.option(Redirect)
        if redirect is None:
            return
        if request.redirectable and isinstance(redirect.address, IPv6Address) and self._tunnels.is_up(redirect.address):
            entry.anchor = redirect.address
            self._effects.report("redirected", f"{entry.name} to {entry.anchor}", lma=entry.anchor)
        else:
            text = f"{entry.name}: redirection to {redirect.address} ignored"
            self._effects.report("redirection-ignored", text, lma=redirect.address)

    def ask_another(self, entry: BindingUpdateEntry) -> bool:
        """Make another LMA the anchor when one has refused the session; false when there is none to ask any more.

        The profile's is the first to ask, then the others in their order.
        """
        entry.unwilling.add(entry.anchor)
        lmas = (entry.policy.anchor, *self._config.lmas) if self._config.redirection else ()
        other = next((lma for lma in lmas if lma not in entry.unwilling and self._tunnels.is_up(lma)), None)
        if other is not None:
            entry.anchor = other
        return other is not None
