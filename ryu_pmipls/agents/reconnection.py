"""Sees to it that a node's switch looks for a restarted RMS every second, not every eight."""

from __future__ import annotations

import asyncio

from ovs_setup.node import hasten_reconnection
from ovs_setup.vswitch import OpenVSwitch

#: Seconds. Soon after a switch has come back, for what is changed in its configuration makes it stand still for some
#: 30 ms, and it is not long until it carries traffic again.
_INTERVAL = 1.0


async def keep_hastened(ovs: OpenVSwitch) -> None:
    """For ever: once for each ovs-vswitchd process, when it is connected (see ``hasten_reconnection``)."""
    hastened: int | None = None
    while True:
        process = await asyncio.to_thread(ovs.vswitchd_process)
        if process not in (None, hastened) and await asyncio.to_thread(hasten_reconnection, ovs):
            hastened = process
        await asyncio.sleep(_INTERVAL)
