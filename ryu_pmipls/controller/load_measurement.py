"""Measurement of load: counters of switches and Load_info of agents, which go into the load list."""

from __future__ import annotations

from collections.abc import Mapping

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.switches.mag_groups import tunnel_group
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import LoadList
from ryu_pmipls.wire import LoadInfo, LoadInfoMerger


class LoadMeasurement:
    """Feeds the load list of a domain."""

    def __init__(self, context: Context) -> None:
        profile = context.profile
        self._profile = profile
        self._load_list = context.load_list
        self._switches = context.switches
        self._clock = context.clock
        self._merger = LoadInfoMerger()
        self._mags = {mag.address: mag.name for mag in profile.mags}
        self._tunnel_groups = {lma.name: tunnel_group(profile, lma.name) for lma in profile.lmas}

    def poll(self) -> None:
        """Request the counters of one switch after the other, for ever: of all in each report interval.

        Counters of groups at MAGs show the load offered to full LMAs; port counters do not: Open vSwitch counts
        twice the packets that it sends into a tunnel of its own, and nothing counts there what LMAs lose.
        """
        switches = list(self._switches)
        while True:
            for switch in switches:
                full = self._load_list.full() if switch.name in self._switches.mags else ()
                switch.counters.request_ports([self._tunnel_groups[lma] for lma in full])
                hub.sleep(self._profile.load_sharing.report_interval / len(switches))

    def add_load_info(self, lma: str, message: LoadInfo, now: float) -> None:
        """Add an LMA's load report, which may come in several messages."""
        report = self._merger.add(self._profile.lma(lma).address, message)
        if report is not None:
            counts = {self._mags[load.mag]: load.packets for load in report.mags if load.mag in self._mags}
            self._load_list.add_load_info(lma, report.cpu, report.total_packets, counts, now)

    def add_port_statistics(self, lma: str) -> None:
        """Add the counters that an LMA's switch has just reported."""
        traffic = self._switches.lmas[lma].counters.tunnel_traffic(self._switches.mags)
        received = {mag: (counters.packets, counters.octets) for mag, counters in traffic}
        self._load_list.add_port_statistics(lma, received, self._clock())

    def add_group_statistics(self, mag: str, packets: Mapping[int, int]) -> None:
        """Add counters of a MAG's groups: group -> packets."""
        counts = {lma: packets[group] for lma, group in self._tunnel_groups.items() if group in packets}
        self._load_list.add_sent_statistics(mag, counts, self._clock())

    def update_ports(self, lma: str) -> None:
        """Count the tunnel ports that an LMA's switch has now, and no others."""
        ports = self._switches.lmas[lma].ports
        self._load_list.set_ports(lma, [mag for mag in self._switches.mags if tunnel_port(mag) in ports])

    def lose_switch(self, lma: str) -> None:
        """Count by Load_info for as long as an LMA's switch is disconnected."""
        self._load_list.lose_switch(lma)


def empty_load_list(profile: Profile) -> LoadList:
    """The load list of a domain, without any measurement yet."""
    settings = profile.load_sharing
    return LoadList(
        [lma.name for lma in profile.lmas],
        [mag.name for mag in profile.mags],
        rule=settings.settings.rule,
        window=settings.window,
        report_interval=settings.report_interval,
        capacities={lma.name: lma.capacity for lma in profile.lmas},
    )
