"""Watch over the host's interfaces and kernel settings: are they still as ``ovs_setup`` has made them.

Others change it behind the agent's back: a DHCP client gives an address to an access port, a firewall's start flushes
all rules, a container engine switches forwarding on, ethtool switches offloads.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from ovs_setup import OvsSetupError
from ovs_setup.node import Node
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.doctor.check import examine
from ryu_pmipls.doctor.node_checks import HOST_PART
from ryu_pmipls.doctor.node_facts import Remedies
from ryu_pmipls.doctor.node_gathering import host_part, underlay_ports
from ryu_pmipls.doctor.purposes import wanted_switch_node
from ryu_pmipls.domain.profile import Profile

LOG = logging.getLogger(__name__)

_INTERVAL = 10.0  # seconds between looks; one takes about ten processes


class HostWatch:
    """Compares the host of ``node`` with its set-up; ``changes`` has the differences, as sentences, by the last look.

    It mends nothing: set-up, run again, does.
    """

    def __init__(self, ovs: OpenVSwitch, profile: Profile, node: Node) -> None:
        self.changes: list[str] = []
        self._ovs = ovs
        self._profile = profile
        self._node = node
        self._underlay: tuple[str, ...] = ()

    async def watch(self) -> None:
        """Look again and again, for ever; ``OvsSetupError`` when that cannot be done."""
        while True:
            found = await asyncio.to_thread(self.examine)
            for change in found:
                if change not in self.changes:
                    LOG.warning("%s; run ovs_setup again", change)
            if self.changes and not found:
                LOG.info("this host is again as it was set up")
            self.changes = found
            await asyncio.sleep(_INTERVAL)

    def examine(self) -> list[str]:
        """The differences there are now."""
        with suppress(OvsSetupError):  # the ports are the same while Open vSwitch is away
            self._underlay = underlay_ports(self._ovs)
        wanted = wanted_switch_node(self._profile, self._node, self._underlay, Remedies(""))
        facts = host_part(self._ovs, wanted)
        if facts.unseen:
            raise OvsSetupError(f"this host cannot be looked at: {facts.unseen}")
        findings = examine(wanted.name, HOST_PART, wanted.role, facts)
        return [f"this host is not as it was set up: {found.verdict.found}" for found in findings if found.wrong]
