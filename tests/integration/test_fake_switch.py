"""The fake switch of the unit tests and a real Open vSwitch, told the same: they answer the same. Needs root."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches import decoding as decode
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.actions import Output, ToGroup
from ryu_pmipls.controller.switches.flow import Bucket, FlowEntry, Group, GroupKind
from ryu_pmipls.controller.switches.lma import LmaPipeline, LmaRule
from ryu_pmipls.controller.switches.mag import MagPipeline
from ryu_pmipls.controller.switches.mag_rules import FORWARDING_TIME, MagRule
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab import namespaces
from ryu_pmipls.loadsharing import whole
from tests.fakes.openflow_switch import (
    AGGREGATE,
    BARRIER_REPLY,
    ERROR,
    FLOW,
    GROUP_DESCRIPTION,
    GROUP_STATS,
    HELLO,
    MULTIPART_REPLY,
    PORT_DESCRIPTION,
    PORT_STATS,
    OpenFlowSwitch,
)

PROFILE = load_profile("two-lma")
MAG, LMA = PROFILE.mag("mag1"), PROFILE.lma("lma1")
NAMESPACE, BRIDGE = "pfk-switch", "br-fake"
MAG_PORTS = {"acc1": 1, "acc2": 2, "acc3": 3, "t-lma1": 4, "t-lma2": 5, "icmp-1400": 6}
LMA_PORTS = {"core": 1, "t-mag1": 4, "t-mag2": 5, "icmp-1400": 6}
OWN, GATEWAY = bytes.fromhex("02aabbccddee"), bytes.fromhex("02000000c0de")
PREFIX = PROFILE.home_prefix_pool.network_address.packed[:7] + b"\1"
BINDING = Binding(PREFIX, "mag1", None, "mn1@example.net", bytes.fromhex("020000000101"), 1, "lma1", 5)
RULES = {*MagPipeline.declared.rules, *LmaPipeline.declared.rules}

#: (type of the answer, distance of its transaction id from the first, what it says)
Answer = tuple[Any, ...]


class Conversation:
    """One connection to a switch; the answers to messages, as far as they have to be the same."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        connection.settimeout(20)
        connection.sendall(struct.pack("!BBHI", 4, HELLO, 8, 1))
        self._xid = 100

    def say(self, messages: Iterable[Any]) -> list[Answer]:
        """Send messages of Ryu, or octets whose transaction ids begin with 1, and a barrier."""
        first = self._xid
        octets = b""
        for message in (*messages, encode.barrier()):
            octets += encode.octets(message, self._xid)
            self._xid += 1
        self._connection.sendall(octets)
        return [*self._answers(first, self._xid - 1)]

    def write(self, octets: bytes) -> list[Answer]:
        """The same of octets that bear transaction ids of their own."""
        self._connection.sendall(octets)
        return self.say(())

    def _answers(self, first: int, barrier: int) -> Iterator[Answer]:
        bodies: dict[tuple[int, int], bytes] = {}
        while True:
            kind, xid, body = self._message()
            if kind == BARRIER_REPLY and xid == barrier:
                break
            if kind == ERROR:
                yield ERROR, xid - first, struct.unpack_from("!HH", body)
            elif kind == MULTIPART_REPLY:
                key = xid - first, int.from_bytes(body[:2], "big")
                bodies[key] = bodies.get(key, b"") + body[8:]
        for (place, what), body in bodies.items():
            yield MULTIPART_REPLY, place, what, _told(what, body)

    def _message(self) -> tuple[int, int, bytes]:
        while len(self._received) < 8 or len(self._received) < int.from_bytes(self._received[2:4], "big"):
            came = self._connection.recv(2**16)
            assert came, "the switch has ended the connection"
            self._received += came
        _, kind, length, xid = struct.unpack_from("!BBHI", self._received)
        message, self._received = self._received[:length], self._received[length:]
        return kind, xid, message[8:]


def _told(what: int, body: bytes) -> Any:
    """What an answer says, without what may differ: order, ages, counters of packets that nobody sent."""
    if what == FLOW:
        return {_entry(item) for item in _items(body)}
    if what == GROUP_DESCRIPTION:
        return {decode.group(parser.OFPGroupDescStats.parser(item, 0)) for item in _items(body)}
    if what == GROUP_STATS:
        return {struct.unpack_from("!4xI8xQ", item) for item in _items(body)}
    if what == AGGREGATE:
        return struct.unpack_from("!QQI", body)
    if what == PORT_DESCRIPTION:
        ports = (parser.OFPPort.parser(body, place) for place in range(0, len(body), 64))
        return {(port.port_no, port.name.rstrip(b"\0")) for port in ports}
    assert what == PORT_STATS
    return {int.from_bytes(body[place : place + 4], "big") for place in range(0, len(body), 112)}


def _items(body: bytes) -> Iterator[bytes]:
    while body:
        length = int.from_bytes(body[:2], "big")
        yield body[:length]
        body = body[length:]


def _entry(octets: bytes) -> tuple[FlowEntry | None, int, int, int]:
    stats = parser.OFPFlowStats.parser(octets, 0)
    return decode.entry(stats, RULES), stats.cookie, stats.hard_timeout, stats.packet_count


def questions() -> list[Any]:
    """All that the RMS ever asks of a switch."""
    return [
        *map(encode.flow_stats_request, range(64)),
        encode.entry_count_request(),
        encode.classifying_stats_request(),
        parser.OFPGroupDescStatsRequest(encode.PROTOCOL),
        parser.OFPGroupStatsRequest(encode.PROTOCOL, 0, ofp.OFPG_ALL),
        parser.OFPGroupStatsRequest(encode.PROTOCOL, 0, 1),
        parser.OFPPortDescStatsRequest(encode.PROTOCOL),
        parser.OFPPortStatsRequest(encode.PROTOCOL, 0, ofp.OFPP_ANY),
        encode.aggregate_stats_request(MagRule.UPLINK.entry(prefix=BINDING.network, group=1)),
        encode.aggregate_stats_request(LmaRule.FROM_TUNNEL.entry(tunnel=4)),
    ]


@pytest.fixture
def real(tmp_path: Path) -> Iterator[OpenVSwitch]:
    """Open vSwitch in a namespace of its own, for its ports outlive it."""
    namespaces.create(NAMESPACE)
    switch = OpenVSwitch(tmp_path / "ovs", NAMESPACE)
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()
        namespaces.remove(NAMESPACE)


@pytest.fixture
def both(request: pytest.FixtureRequest, real: OpenVSwitch) -> Iterator[tuple[Conversation, Conversation]]:
    """The fake switch and the real one, with the same ports."""
    ports: dict[str, int] = request.param
    add: list[str] = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev", "protocols=OpenFlow13"]
    add += ["other_config:datapath-id=0000000000000021"]
    for name, number in ports.items():
        add += ["--", "add-port", BRIDGE, name, "--", "set", "interface", name, "type=internal"]
        add += [f"ofport_request={number}"]
    real.vsctl(*add)
    real.ofctl("del-flows", BRIDGE)
    here, there = socket.socketpair()
    fake = OpenFlowSwitch(0x21, ports)
    fake.ports[BRIDGE] = replace(fake.ports.pop("br-pm"), name=BRIDGE)
    threading.Thread(target=fake.serve, args=(there,), daemon=True).start()
    management = socket.socket(socket.AF_UNIX)
    management.connect(str(real.run_directory / f"{BRIDGE}.mgmt"))
    with here, management:
        yield Conversation(here), Conversation(management)


def same(both: tuple[Conversation, Conversation], messages: Iterable[Any] | bytes = ()) -> list[Answer]:
    """Tell both, and have both asked; what they answered to the first, which has to be the same, as all else."""
    found = []
    for conversation in both:
        said = conversation.write(messages) if isinstance(messages, bytes) else conversation.say(messages)
        found.append((said, conversation.say(questions())))
    assert found[0] == found[1]
    return found[0][0]


def errors(answers: list[Answer]) -> list[tuple[int, int]]:
    return [answer[2] for answer in answers if answer[0] == ERROR]


@pytest.mark.parametrize("both", [MAG_PORTS], indirect=True)
def test_what_the_rms_writes_at_a_mag_is_understood_alike(both: tuple[Conversation, Conversation]) -> None:
    same(both)
    names = [lma.name for lma in PROFILE.lmas]
    uplinks = {name: whole(name) for name in names}
    mag = MagPipeline(PROFILE, MAG, BindingTable(), {"mag1": uplinks})
    groups = [*mag.groups(MAG_PORTS)]
    assert same(both, [encode.group_mod(group, exists=False) for group in groups]) == []
    base = [*mag.base_entries(MAG_PORTS, None)]
    assert same(both, [encode.add_flow(entry, 7) for entry in base]) == []
    encoder = mag.encoder(MAG_PORTS, generation=7)
    many = [RouteUpdate(BINDING._replace(prefix=PREFIX[:7] + bytes([number]))) for number in range(100)]
    assert same(both, encoder.encode(many, 1)) == []
    # Again, under another generation: each takes the place of what was there.
    assert same(both, [encode.add_flow(entry, 8) for entry in base[:10]]) == []
    left = BINDING._replace(mag="mag2", previous_mag="mag1", port=1)
    assert same(both, encoder.encode([RouteUpdate(left, (BINDING,))], 1)) == []
    uplinks["lma1"] = (*["lma1"] * 20, *["lma2"] * 12)
    changed = [*mag.groups(MAG_PORTS)]
    assert same(both, [encode.group_mod(group, exists=True) for group in changed]) == []
    assert same(both, [*map(encode.delete_flow, base[::3])]) == []
    assert same(both, [*map(encode.delete_flow, base[::3])]) == []  # they are not there any more
    assert same(both, encode.sweep(8)) == []
    time.sleep(FORWARDING_TIME + 1.5)  # Open vSwitch looks at hard timeouts now and then
    same(both)


@pytest.mark.parametrize("both", [LMA_PORTS], indirect=True)
def test_what_the_rms_writes_at_an_lma_is_understood_alike(both: tuple[Conversation, Conversation]) -> None:
    lma = LmaPipeline(PROFILE, LMA, BindingTable(), {"lma1": GATEWAY})
    base = [*lma.base_entries(LMA_PORTS, OWN)]
    assert same(both, [encode.add_flow(entry, 1) for entry in base]) == []
    encoder = lma.encoder(LMA_PORTS, generation=1)
    many = [BINDING._replace(prefix=PREFIX[:7] + bytes([number])) for number in range(100)]
    assert same(both, encoder.encode([RouteUpdate(binding) for binding in many], 1)) == []
    moved = [RouteUpdate(binding._replace(mag="mag2"), (binding,)) for binding in many[:50]]
    assert same(both, encoder.encode(moved, 1)) == []
    gone = [RouteUpdate(binding._replace(mag=None), (binding,)) for binding in many[60:]]
    assert same(both, encoder.encode(gone, 1)) == []
    assert same(both, encode.sweep(2)) == []


@pytest.mark.parametrize("both", [MAG_PORTS], indirect=True)
def test_what_is_refused_is_refused_alike(both: tuple[Conversation, Conversation]) -> None:
    group = Group(1, GroupKind.INDIRECT, (Bucket(Output(4)),))
    assert errors(same(both, [encode.group_mod(group, exists=True)])) == [(6, 8)]
    assert errors(same(both, [encode.group_mod(group, exists=False)] * 2)) == [(6, 0)]
    wrong = Group(2, GroupKind.INDIRECT, (Bucket(Output(70000)),))
    assert errors(same(both, [encode.group_mod(wrong, exists=False)])) == [(2, 4)]
    chained = Group(3, GroupKind.INDIRECT, (Bucket(ToGroup(1)),))
    assert same(both, [encode.group_mod(chained, exists=False)]) == []
    entries = [
        MagRule.UPLINK.entry(prefix=BINDING.network, group=1),
        MagRule.UPLINK.entry(prefix=BINDING.network, group=9),
        MagRule.TOO_LARGE.entry(errors=70000),
        MagRule.GUARD.entry(port=70000, link_layer_address=OWN, prefix=BINDING.network),
    ]
    answers = same(both, [encode.add_flow(entry, 1) for entry in entries])
    assert errors(answers) == [(2, 9), (2, 4), (4, 7)]
    assert [answer[1] for answer in answers] == [1, 2, 3]
    # A group takes the entries that lead to it with it.
    delete = parser.OFPGroupMod(encode.PROTOCOL, ofp.OFPGC_DELETE, ofp.OFPGT_INDIRECT, 1, [])
    assert same(both, [delete]) == []
