"""Work that the kernel leaves to a network interface, and that is never done where the userspace datapath takes over.

See ethtool(8), options ``-k`` and ``-K``, for the names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ovs_setup import OvsSetupError
from ovs_setup.vswitch import OpenVSwitch

#: Of a bridge's own interface. There Open vSwitch 3.5 offers to complete checksums, and does not do so in packets that
#: it forwards by a flow that looks at nothing but the port they came from.
SENDING = ("tx-checksumming",)
#: Of the ports given to a bridge: the kernel merges TCP segments that come in; the switch drops what exceeds the MTU.
RECEIVING = ("generic-receive-offload", "large-receive-offload", "rx-gro-hw")


def active(ovs: OpenVSwitch, interface: str, offloads: Iterable[str]) -> list[str]:
    """Those of the offloads that are on."""
    (features,) = json.loads(ovs.execute("ethtool", "--json", "-k", interface))
    return [offload for offload in offloads if features.get(offload, {}).get("active")]


def turn_off(ovs: OpenVSwitch, interface: str, offloads: Iterable[str]) -> None:
    """Turn those off that are on; ``OvsSetupError`` when one stays on."""
    switch(ovs, interface, active(ovs, interface, offloads), "off")
    if left := active(ovs, interface, offloads):
        raise OvsSetupError(f"{interface}: {', '.join(left)} cannot be turned off, as the netdev datapath needs it")


def switch(ovs: OpenVSwitch, interface: str, offloads: Iterable[str], state: str) -> None:
    """Ask for the offloads to be "on" or "off"."""
    words = [word for offload in offloads for word in (offload, state)]
    if words:
        ovs.execute("ethtool", "-K", interface, *words)
