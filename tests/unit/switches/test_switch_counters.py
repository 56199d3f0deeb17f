"""What a switch tells of its ports, and of the packets of mobile nodes that came by them."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any, cast

import pytest
from openflow_helpers import FakeDatapath, lma_pipeline, mag_pipeline, messages

from ryu_pmipls.controller.ryu import ToldEntry
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.counters import FlowCounters, PortCounters
from ryu_pmipls.controller.switches.flow import FlowEntry
from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.controller.switches.mag_rules import MagRule
from ryu_pmipls.controller.switches.session import SwitchSession
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import load_profile

PROFILE = load_profile("two-lma")
PORTS = {"core": 1, "t-mag1": 10, "t-mag2": 11, "icmp-1436": 12}
MULTIPART_REQUEST, FLOW_STATS, PORT_STATS = 18, 1, 4


def told(entry: FlowEntry, packets: int) -> ToldEntry:
    """An entry as a switch tells it that has counted so many packets of 60 octets."""
    octets = encode.octets(encode.add_flow(entry, 7), 1)
    head = struct.pack("!BxIIHHHHxxxxQQQ", 0, 0, 0, entry.rule.priority, 0, 0, 0, 7, packets, 60 * packets)
    return ToldEntry.parser(struct.pack("!H", 2 + len(head) + len(octets[48:])) + head + octets[48:], 0)


def port(number: int, packets: int) -> Any:
    return SimpleNamespace(port_no=number, rx_packets=packets, rx_bytes=0, tx_packets=0, tx_bytes=0)


@pytest.fixture
def datapath() -> FakeDatapath:
    return FakeDatapath()


@pytest.fixture
def switch(datapath: FakeDatapath) -> Switch:
    made = Switch(lma_pipeline(PROFILE), lambda *_: True, None)
    made.counters.begin(SwitchSession(cast(Any, datapath)))
    made.inventory.ports = dict(PORTS)
    return made


def asked(datapath: FakeDatapath) -> dict[int, int]:
    """Transaction ids of the last questions, by what was asked for."""
    questions = [(xid, message) for kind, xid, message in messages(datapath.sent[-1]) if kind == MULTIPART_REQUEST]
    found = {struct.unpack_from("!H", message, 8)[0]: xid for xid, message in questions}
    assert [*found][:2] == [FLOW_STATS, PORT_STATS]  # in this order they are answered
    return found


def test_what_comes_from_tunnels_is_counted_by_their_flow_entries_and_bfd_is_not(
    switch: Switch, datapath: FakeDatapath
) -> None:
    switch.counters.request_ports()
    entries = [*lma_pipeline(PROFILE, gateway=bytes(6)).base_entries(PORTS, bytes(6))]
    counts = {PORTS["t-mag1"]: 5, PORTS["t-mag2"]: 0}
    from_tunnels = [
        told(entry, counts[cast(int, entry.match.in_port)]) for entry in entries if entry.rule == LmaRule.FROM_TUNNEL
    ]
    assert len(from_tunnels) == 2
    for each in from_tunnels:  # in several messages
        switch.record_flow_stats(asked(datapath)[FLOW_STATS], [each])
    switch.record_flow_stats(77, [told(entries[0], 9)])  # in answer to another question
    assert not switch.counters.record_port_stats([port(10, 105)], more=True)
    assert switch.counters.record_port_stats([port(11, 100)], more=False)
    assert dict(switch.counters.tunnel_traffic(["mag1", "mag2", "mag3"])) == {
        "mag1": FlowCounters(5, 300),
        "mag2": FlowCounters(0, 0),
    }
    assert dict(switch.counters.tunnel_counters(["mag1"])) == {"mag1": PortCounters(105, 0, 0, 0)}
    assert switch.inventory.flow_stats == [told(entries[0], 9)]


def test_a_tunnel_without_flow_entry_is_unknown(switch: Switch, datapath: FakeDatapath) -> None:
    switch.counters.request_ports()
    switch.record_flow_stats(asked(datapath)[FLOW_STATS], [])
    assert switch.counters.record_port_stats([port(10, 105)], more=False)
    assert dict(switch.counters.tunnel_traffic(["mag1"])) == {}


@pytest.mark.parametrize("node", ["mag1", "lma1"])
def test_each_tunnel_has_one_entry_by_which_ipv6_comes_in(node: str) -> None:
    """The counts of several are added up: no packet may be in two of them."""
    if node == "mag1":
        ports = {"acc1": 1, "t-lma1": 10, "t-lma2": 11}
        entries = [*mag_pipeline(PROFILE, node).base_entries(ports, None)]
    else:
        ports = PORTS
        entries = [*lma_pipeline(PROFILE, node, bytes(6)).base_entries(ports, bytes(6))]
    for name in ("t-lma1", "t-mag1"):
        if name in ports:
            at_port = [entry for entry in entries if entry.match.in_port == ports[name]]
            if node == "mag1":  # in the place of the other one for some
                echo = at_port.pop()
                assert (echo.rule, echo.rule.table.number) == (MagRule.ANYCAST_ECHO, 0)
            assert [(entry.rule.table.number, entry.match.ipv6) for entry in at_port] == [(0, True)]
