"""Announcement of an LMA to the core network: the downlink of the home prefix pool goes here, or not.

It is a route in a kernel routing table of its own, which a routing daemon takes into the core (``docs/downlink.md``).
No rule leads to that table, so it does not affect this host's own traffic.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from ipaddress import IPv6Network

from pyroute2 import IPRoute, NetlinkError

from ovs_setup.node import ANNOUNCEMENT_TABLE
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.tunnel_ends import TunnelEnds
from ryu_pmipls.mobility import LocalMobilityAnchor

LOG = logging.getLogger(__name__)

_INTERVAL = 0.5  # seconds
_PROTOCOL = 213  # the route's originator (rtnetlink(7)): a number that no routing daemon uses


class Announcer:
    """Announces ``pool`` while the LMA can take downlink traffic and is not drained.

    The LMA can while its switch runs, its tunnels have been warmed up since the switch started, so that not even the
    first packet is lost, and heartbeats do not show that it has lost all MAGs. An announcement stays when the agent
    ends, because the traffic goes on. ``withheld`` says why the LMA cannot; None while it can.
    """

    def __init__(self, pool: IPv6Network, ovs: OpenVSwitch, tunnels: TunnelEnds, machine: LocalMobilityAnchor) -> None:
        self.withheld: str | None = "its tunnels have not been warmed up yet"
        self._pool = pool
        self._ovs = ovs
        self._tunnels = tunnels
        self._machine = machine
        self._warm: int | None = None  # the ovs-vswitchd process whose tunnels are warm

    async def keep(self) -> None:
        """Announce or withdraw, as the state requires, for ever."""
        announced: bool | None = None
        while True:
            self.withheld = await self._obstacle()
            wanted = self.withheld is None and not self._machine.draining
            if wanted != announced:
                await asyncio.to_thread(announce if wanted else withdraw, self._pool)
                announced = wanted
                LOG.info("downlink of %s: %s", self._pool, "announced" if wanted else "withdrawn")
            await asyncio.sleep(_INTERVAL)

    async def _obstacle(self) -> str | None:
        """The reason why the LMA cannot take downlink traffic, if there is one."""
        process = self._ovs.vswitchd_process()
        if process is None:
            return "its switch does not run"
        if process != self._warm:
            if not await self._tunnels.warm_up():
                return "no MAG answers on the underlay"
            self._warm = process
        if all(peer.lost for peer in self._machine.peers.values()):
            return "no MAG answers its heartbeats"
        return None


def announce(pool: IPv6Network) -> None:
    """Have the routing daemon announce ``pool``; ``NetlinkError`` when the kernel refuses."""
    _change("replace", pool)


def withdraw(pool: IPv6Network) -> None:
    """Withdraw the announcement, if there is one."""
    try:
        _change("del", pool)
    except NetlinkError as error:
        if error.code != errno.ESRCH:
            raise


def _change(command: str, pool: IPv6Network) -> None:
    with IPRoute() as kernel:
        kernel.route(
            command,
            family=socket.AF_INET6,
            dst=str(pool),
            type="unreachable",
            table=ANNOUNCEMENT_TABLE,
            proto=_PROTOCOL,
        )
