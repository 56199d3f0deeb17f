"""Settings for packets in a handoff."""

from __future__ import annotations

from pydantic import Field

from ryu_pmipls.domain.profile.section import Section


class HandoffSettings(Section):
    """Treatment of downlink that comes to a MAG for a mobile node that has left (RFC 5949, section 4)."""

    forwarding: bool = True  # sent on to the new MAG by way of an LMA, once the routes lead there
    buffer: int = Field(default=1000, ge=0, le=100000)  # packets for each mobile node that wait for that; 0: none
