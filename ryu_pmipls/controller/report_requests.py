"""Requests to MAGs to repeat their reports of mobile nodes."""

from __future__ import annotations

from ipaddress import IPv6Address

from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.domain.profile import Mag
from ryu_pmipls.wire import RouteAdjust, Timestamp

_UNSPECIFIED = IPv6Address("::")


def request_reports(mag: Mag, retransmission: Retransmission, today: float) -> bool:
    """Have a MAG repeat its reports; false if it does not answer. This waits, for up to the time of all tries."""
    everything = RouteAdjust(_UNSPECIFIED, _UNSPECIFIED, mag.address, options=(Timestamp.of(today),))
    return retransmission.deliver(everything, mag.address)
