"""The filter that keeps the host's kernel from hearing what comes in on ports of a userspace switch (nftables).

Open vSwitch takes such frames by a packet socket, a copy of each; the kernel goes on with the original: it answers ARP,
delivers to the host's processes, forwards. The netdev hook "ingress" lies behind packet sockets for all protocols and
before everything else, VLANs and bridges included. A chain there with the policy drop leaves the switch the only one
that hears. With the kernel datapath the switch takes the frames themselves, and nothing has to be dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ovs_setup import OvsSetupError
from ovs_setup.vswitch import OpenVSwitch, OvsError

#: The table of family netdev in which the chain is.
TABLE = "ryu_pmipls"
_CHAIN = "ports"
_PRIORITY = -500  # before chains that others may have at the same hook
#: The chain as nft(8) prints it: ``devices = { acc1, acc2 }``, or ``device "acc1"``.
_FILTER = re.compile(
    rf"table netdev {TABLE} {{\s*chain {_CHAIN} {{\s*type filter hook ingress "
    r"devices?(?: = {)?(?P<devices>[^{}]*?)}? priority [^;]*; policy drop;"
)
_RENEWED = f"add table netdev {TABLE}; delete table netdev {TABLE}"  # also when it does not exist


def install(ovs: OpenVSwitch, ports: Iterable[str]) -> None:
    """Have the kernel drop all that comes in on ``ports``, and on no other port, for itself; all at once."""
    wanted = sorted(ports)
    if filtered_ports(ovs) == {*wanted}:
        return
    devices = ", ".join(f'"{port}"' for port in wanted)
    hook = f"type filter hook ingress devices = {{ {devices} }} priority {_PRIORITY}; policy drop;"
    try:
        ovs.execute("nft", f"{_RENEWED}; add table netdev {TABLE}; add chain netdev {TABLE} {_CHAIN} {{ {hook} }}")
    except OvsError as error:
        raise OvsSetupError(
            f"the kernel cannot be kept from hearing what comes in on {', '.join(wanted)}: {error.stderr} "
            "(needs nftables, and a kernel with CONFIG_NETFILTER_INGRESS)"
        ) from None


def remove(ovs: OpenVSwitch) -> None:
    """Remove the filter, if there is one."""
    ovs.execute("nft", _RENEWED)


def filtered_ports(ovs: OpenVSwitch) -> frozenset[str]:
    """The ports on which the kernel hears nothing; ``OvsError`` when nft(8) fails."""
    # In JSON nft 1.0 says nothing of devices.
    match = _FILTER.search(ovs.execute("nft", "list", "chains", "netdev"))
    return frozenset() if match is None else frozenset(re.findall(r'[^\s,"]+', match["devices"]))
