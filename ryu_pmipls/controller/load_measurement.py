"""Measurement of load: counters of switches and Load_info of agents, which go into the load list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.ryu import ToldGroupCounters, hub
from ryu_pmipls.controller.switches.mag_groups import anchor_group, tunnel_group
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import SLOTS, LoadList, Slots
from ryu_pmipls.loadsharing.slot_rates import watched_uplinks
from ryu_pmipls.wire import LoadInfo, LoadInfoMerger


class LoadMeasurement:
    """Feeds the load list of a domain."""

    def __init__(self, context: Context) -> None:
        profile = context.profile
        self._profile = profile
        self._state = context.state
        self._load_list = context.load_list
        self._switches = context.switches
        self._clock = context.clock
        self._merger = LoadInfoMerger()
        self._mags = {mag.address: mag.name for mag in profile.mags}
        self._tunnel_groups = {lma.name: tunnel_group(profile, lma.name) for lma in profile.lmas}
        self._anchor_groups = {lma.name: anchor_group(profile, lma.name) for lma in profile.lmas}
        #: MAG -> anchor -> slots of the uplinks whose counters have been requested; and of those that were added.
        self._requested: dict[str, dict[str, Slots]] = {}
        self._added: dict[str, dict[str, Slots]] = {}

    def poll(self) -> None:
        """Request the counters of one switch after the other, for ever: of all in each report interval.

        Counters of groups at MAGs show the load offered to full LMAs; port counters do not: Open vSwitch counts
        twice the packets that it sends into a tunnel of its own, and nothing counts there what LMAs lose.
        """
        switches = list(self._switches)
        while True:
            hot = self._load_list.hot()
            sessions = self._state.bindings.sessions() if hot else {}
            for switch in switches:
                if switch.name in self._switches.mags:
                    self._request_groups(
                        switch, watched_uplinks(self._state.uplinks[switch.name], sessions.get(switch.name, {}), hot)
                    )
                else:
                    switch.counters.request_ports()
                hub.sleep(self._profile.load_sharing.report_interval / len(switches))

    def _request_groups(self, switch: Switch, anchors: Sequence[str]) -> None:
        """Request counters of a MAG's ports, of its tunnels to full LMAs, and of the uplinks of these anchors."""
        tunnels = [self._tunnel_groups[lma] for lma in self._load_list.full()]
        if switch.counters.request_ports([*tunnels, *(self._anchor_groups[anchor] for anchor in anchors)]):
            uplinks = self._state.uplinks[switch.name]
            self._requested[switch.name] = {anchor: uplinks[anchor] for anchor in anchors}

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

    def add_group_statistics(self, mag: str, groups: Iterable[ToldGroupCounters]) -> None:
        """Add counters of a MAG's groups: of its tunnels, and of the slots of uplinks, which are the buckets."""
        found, now = {group.group_id: group for group in groups}, self._clock()
        counts = {lma: found[group].packet_count for lma, group in self._tunnel_groups.items() if group in found}
        if counts:
            self._load_list.add_sent_statistics(mag, counts, now)
        for anchor, slots in self._requested.get(mag, {}).items():
            group = found.get(self._anchor_groups[anchor])
            if group is not None:
                self._add_uplink(mag, anchor, slots, group.buckets, now)

    def _add_uplink(self, mag: str, anchor: str, slots: Slots, packets: Sequence[int], now: float) -> None:
        """Add an uplink's counters, which begin anew when its group is changed; ``slots`` were asked for."""
        added = self._added.setdefault(mag, {})
        if added.get(anchor) != slots:
            self._load_list.begin_uplink_anew(mag, anchor)
            added[anchor] = slots
        if len(packets) == (SLOTS if len({*slots}) > 1 else 1) and slots == self._state.uplinks[mag][anchor]:
            self._load_list.add_uplink_counters(mag, anchor, packets, now)

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
