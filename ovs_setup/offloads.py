"""Offloads: work that the kernel leaves to a network interface, and that the userspace datapath never does.

See ethtool(8), options ``-k`` and ``-K``, for the names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ovs_setup import OvsSetupError
from ovs_setup.vswitch import OpenVSwitch

#: Offloads of a bridge's own interface. There Open vSwitch 3.5 offers to complete checksums, and does not do so in
#: packets that it forwards by a flow that matches nothing but the port they came from.
SENDING = ("tx-checksumming",)
#: Offloads of the ports given to a bridge: the kernel merges received TCP segments; the switch drops packets larger
#: than the MTU.
RECEIVING = ("generic-receive-offload", "large-receive-offload", "rx-gro-hw")


def active(ovs: OpenVSwitch, interface: str, offloads: Iterable[str]) -> list[str]:
    """The offloads that are on, of those given."""
    (features,) = json.loads(ovs.execute("ethtool", "--json", "-k", interface))
    return [offload for offload in offloads if features.get(offload, {}).get("active")]


def turn_off(ovs: OpenVSwitch, interface: str, offloads: Iterable[str]) -> None:
    """Turn off the offloads that are on; ``OvsSetupError`` when one stays on."""
    switch(ovs, interface, active(ovs, interface, offloads), "off")
    if left := active(ovs, interface, offloads):
        raise OvsSetupError(
            f"{interface}: {', '.join(left)} must be off for the netdev datapath, but cannot be turned off"
        )


def switch(ovs: OpenVSwitch, interface: str, offloads: Iterable[str], state: str) -> None:
    """Ask for the offloads to be "on" or "off"."""
    words = [word for offload in offloads for word in (offload, state)]
    if words:
        ovs.execute("ethtool", "-K", interface, *words)
