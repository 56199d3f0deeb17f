"""A node's ends of the tunnels, in Open vSwitch. Blocking calls run in threads."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from ipaddress import IPv6Address

from ovs_setup import OvsSetupError, tunnel
from ovs_setup.tunnel_neighbours import correct_neighbours
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

_WARM_UP_TIMEOUT = 3.0  # seconds
#: Number of warm-ups of a tunnel during the time for which Open vSwitch remembers a neighbour.
_WARM_UPS_PER_LIFETIME = 3
#: Seconds between two looks whether Open vSwitch has been misled about a peer.
_NEIGHBOUR_INTERVAL = 2.0


class TunnelEnds:
    """The ends at ``local`` of tunnels to ``peers`` (address -> name, which also names the port).

    ``bfd`` is as in :func:`ovs_setup.tunnel.add_tunnel`.
    """

    def __init__(
        self,
        ovs: OpenVSwitch,
        local: IPv6Address,
        peers: Mapping[IPv6Address, str],
        encapsulation: str,
        bfd: tunnel.Bfd | None,
    ) -> None:
        self._ovs = ovs
        self._local = local
        self._peers = peers
        self._encapsulation = encapsulation
        self._bfd = bfd
        self._built: set[IPv6Address] = set()
        self._locks: defaultdict[IPv6Address, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def build(self, peer: IPv6Address) -> None:
        """Build this end and ensure that not even the first packet is lost; ``OvsSetupError`` if that fails."""
        name = self._peers[peer]
        async with self._locks[peer]:
            await asyncio.to_thread(
                tunnel.add_tunnel, self._ovs, name, self._local, peer, self._encapsulation, self._bfd
            )
            if not await self.answers(peer):
                raise OvsSetupError(f"tunnel to {name}: {peer} does not answer on the underlay")
            self._built.add(peer)

    async def remove(self, peer: IPv6Address) -> None:
        """Remove this end, if there is one; ``OvsSetupError`` if that fails."""
        async with self._locks[peer]:
            self._built.discard(peer)
            await asyncio.to_thread(tunnel.remove_tunnel, self._ovs, self._peers[peer])

    async def answers(self, peer: IPv6Address) -> bool:
        """True if the host of ``peer`` answers on the underlay, whatever its agent does."""
        return await asyncio.to_thread(tunnel.warm_up, self._ovs, peer, _WARM_UP_TIMEOUT)

    async def warm_up(self) -> bool:
        """Warm up all ends that Open vSwitch has; true if a peer answers, or if there are no ends."""
        ends = await asyncio.to_thread(tunnel.tunnels, self._ovs)
        work = (asyncio.to_thread(tunnel.warm_up, self._ovs, end.remote, _WARM_UP_TIMEOUT) for end in ends)
        return any(await asyncio.gather(*work)) or not ends

    async def keep_warm(self) -> None:
        """Warm up tunnels, for ever: an idle one must not lose packets when an uplink moves to it."""
        while True:
            lifetime = await asyncio.to_thread(tunnel.neighbour_lifetime, self._ovs)
            await asyncio.sleep(lifetime / _WARM_UPS_PER_LIFETIME)
            for peer in sorted(self._built):
                if not await self.answers(peer):
                    LOG.warning("tunnel to %s: %s does not answer on the underlay", self._peers[peer], peer)

    async def keep_neighbours(self) -> None:
        """Correct what forged packets make Open vSwitch believe of the peers, for ever."""
        limiter = RateLimiter()
        while True:
            await asyncio.sleep(_NEIGHBOUR_INTERVAL)
            try:
                wrong = await asyncio.to_thread(correct_neighbours, self._ovs)
            except OvsSetupError:
                continue  # a switch that does not run believes nothing
            for address, believed in wrong.items():
                if limiter.passes("neighbours"):
                    LOG.warning("tunnels: a forged packet said that %s is at %s; corrected", address, believed)
