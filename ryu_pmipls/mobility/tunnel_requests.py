"""A MAG's requests for tunnels, until each LMA has answered (draft section 3.1, erratum E40)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.timer_queue import TimerQueue, delays
from ryu_pmipls.wire import TunnelAck, TunnelRequest, TunnelStatus
from ryu_pmipls.wire.codepoints import TunnelStatusCode

#: The longest wait between two Tnl_request, in seconds.
MAX_TUNNEL_REQUEST_TIMEOUT = 32.0


class TunnelRequests:
    """The Tnl_request messages under way, at most one for each LMA."""

    def __init__(self, config: GatewayConfig, effects: Effects, timers: TimerQueue) -> None:
        self._config = config
        self._effects = effects
        self._timers = timers
        self._delays: dict[IPv6Address, Iterator[float]] = {}

    def request(self, lma: IPv6Address, now: float) -> None:
        """Ask an LMA for a tunnel, at once and until it answers."""
        self._restart(lma)
        self._transmit(lma, now)

    def request_later(self, lma: IPv6Address, now: float) -> None:
        """Ask an LMA for a tunnel after the first wait, because a tunnel to it has just been lost."""
        self._restart(lma)
        self._timers.set(self._transmit, lma, now + next(self._delays[lma]))

    def accepted(self, message: TunnelAck, source: IPv6Address) -> bool:
        """Process an LMA's answer; return true when the tunnel can be built."""
        status = message.option(TunnelStatus)
        if source not in self._config.lmas or message.lma != source:
            # The acknowledgement names the LMA, whatever the draft calls the field (erratum E10).
            self._effects.report("unknown-lma", f"Tnl_ack of {message.lma} from {source} refused", lma=message.lma)
        elif status is not None and status.encapsulation != self._config.encapsulation:
            self._effects.report("encapsulation-mismatch", f"{source} encapsulates in another way", lma=source)
        elif status is not None and status.status != TunnelStatusCode.ACCEPTED:
            self._effects.report("tunnel-refused", f"{source} refuses a tunnel: status {status.status}", lma=source)
        else:
            self._timers.cancel(self._transmit, source)
            return True
        return False

    def _restart(self, lma: IPv6Address) -> None:
        self._delays[lma] = delays(self._config.tunnel_request_timeout, MAX_TUNNEL_REQUEST_TIMEOUT)

    def _transmit(self, lma: IPv6Address, now: float) -> None:
        self._effects.send(TunnelRequest(self._config.address), lma)
        self._timers.set(self._transmit, lma, now + next(self._delays[lma]))
