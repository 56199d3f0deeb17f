"""Looks at an agent's security associations, for its health."""

from __future__ import annotations

import asyncio

from ryu_pmipls.ipsec.watch import INTERVAL, AssociationWatch


async def follow_associations(watch: AssociationWatch) -> None:
    """Look again and again, for ever."""
    while True:
        await asyncio.to_thread(watch.look)
        await asyncio.sleep(INTERVAL)
