"""Load_info: an LMA's report of its load to the RMS (draft section 3.2)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv6Address

import numpy as np

from ovs_setup.node import SERVICE_BRIDGE, TUNNEL_PREFIX
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.cpu import Cpu
from ryu_pmipls.clock import Clock
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing.window import UNKNOWN, UNKNOWN_COUNTER, PortWindows
from ryu_pmipls.signalling import Endpoint
from ryu_pmipls.wire import LoadInfo, LoadInfoPart, MagLoad, Option, Timestamp, split_load_info
from ryu_pmipls.wire.load_info import MAXIMUM_MAGS

_ENTRY = re.compile(r"n_packets=(\d+), n_bytes=(\d+),.*\bin_port=\"?([^\s\",]+)")


def tunnel_counters(ovs: OpenVSwitch) -> dict[str, tuple[int, int]]:
    """Peer -> mobile nodes' packets that came out of its tunnel, and octets; ``OvsSetupError`` if unknown.

    The counters are those of the flow entries by which the RMS admits the packets; port counters include BFD's packets.
    A peer without an entry is left out: unknown is not zero.
    """
    text = ovs.ofctl("--names", "dump-flows", SERVICE_BRIDGE, "table=0,ipv6")
    return {
        name.removeprefix(TUNNEL_PREFIX): (int(packets), int(octets))
        for packets, octets, name in _ENTRY.findall(text)
        if name.startswith(TUNNEL_PREFIX)
    }


class LoadMeter:
    """Counts the packets from every MAG (name -> address) over a sliding window of ``window`` seconds."""

    def __init__(self, mags: Mapping[str, IPv6Address], window: float) -> None:
        self._addresses = tuple(mags.values())
        self._column = {name: column for column, name in enumerate(mags)}
        self._windows = PortWindows(len(mags), window)
        self._number = 0

    def report(self, cpu: float, counters: Mapping[str, tuple[int, int]], now: float) -> list[LoadInfo]:
        """Make the messages that report the load at ``now``: one, or more when there are many MAGs (erratum E5)."""
        readings = np.full((2, len(self._addresses)), UNKNOWN_COUNTER, dtype=np.uint64)
        for name, reading in counters.items():
            if name in self._column:
                readings[:, self._column[name]] = reading
        self._windows.set_present((readings != UNKNOWN_COUNTER).any(axis=0))
        self._windows.add(readings, now)
        counts = self._windows.counts()
        packets = [] if counts is None else counts.packets.tolist()
        loads = [
            MagLoad(address, count)
            for address, count in zip(self._addresses, packets, strict=False)
            if count != UNKNOWN
        ]
        self._number = (self._number + 1) % 2**32
        part = (LoadInfoPart(self._number, 0, 1),) if len(loads) > MAXIMUM_MAGS else ()
        return split_load_info(LoadInfo(cpu, sum(load.packets for load in loads), tuple(loads), part))


class LoadReporter:
    """Reports the load of an LMA to the RMS, with the options that ``news()`` gives; ``cpu`` is that of its switch."""

    def __init__(
        self,
        profile: Profile,
        ovs: OpenVSwitch,
        cpu: Cpu,
        clock: Clock,
        endpoint: Endpoint,
        news: Callable[[], Iterable[Option]],
    ) -> None:
        self._rms = profile.rms.address
        self._interval = profile.load_sharing.report_interval
        self._meter = LoadMeter({mag.name: mag.address for mag in profile.mags}, profile.load_sharing.window)
        self._ovs = ovs
        self._cpu = cpu
        self._clock = clock
        self._endpoint = endpoint
        self._news = news

    async def run(self) -> None:
        """Send a report in every report interval, for ever; ``OvsSetupError`` when the switch does not answer."""
        while True:
            await asyncio.sleep(self._interval)
            counted = await asyncio.to_thread(tunnel_counters, self._ovs)
            now = self._clock()
            options: tuple[Option, ...] = (Timestamp.of(self._clock.time_of_day(now)), *self._news())
            for info in self._meter.report(self._cpu.utilisation(), counted, now):
                self._endpoint.send(replace(info, options=options + info.options), self._rms)
