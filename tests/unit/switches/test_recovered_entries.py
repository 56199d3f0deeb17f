"""What a switch tells of our entries comes back as these entries, and as the bindings that they were made of."""

from __future__ import annotations

import struct
from ipaddress import IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openflow_helpers import lma_pipeline, mag_pipeline

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.ryu import ToldEntry
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches import decoding as decode
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.flow import Rule
from ryu_pmipls.controller.switches.lma import LMA, LmaRule
from ryu_pmipls.controller.switches.mag_rules import MAG, MagRule
from ryu_pmipls.controller.switches.parameter import Kind, subnet_routers
from ryu_pmipls.domain.profile import load_profile

PROFILE = load_profile("two-lma")
AT_MAG = mag_pipeline(PROFILE)
PORTS = {"core": 1, "t-mag1": 10, "t-mag2": 11, "t-mag9": 12}
ACCESS_PORTS = {"acc1": 1, "acc3": 3}
OWN, GATEWAY = bytes.fromhex("020000000011"), bytes.fromhex("0200000000ff")

RULES = [(node, rule) for node in (MAG, LMA) for rule in node.rules]
NUMBERS = st.integers(0, 2**32 - 1)
VALUES = {
    Kind.PORT: NUMBERS,
    Kind.GROUP: NUMBERS,
    Kind.NUMBER: st.integers(0, 255),
    Kind.LINK_LAYER_ADDRESS: st.binary(min_size=6, max_size=6),
    Kind.PREFIX: st.builds(
        lambda number, length: IPv6Network((number >> 128 - length << 128 - length, length)),
        st.integers(0, 2**128 - 1),
        st.integers(1, 128),
    ),
    Kind.HOME_PREFIX: st.integers(0, 2**64 - 1).map(lambda number: IPv6Network((number << 64, 64))),
    Kind.SUBNET_ROUTERS: st.integers(0, 64).map(lambda length: subnet_routers(IPv6Network((0, length)))),
}


def told(entry):
    """An entry as a switch tells of it."""
    return parser.OFPFlowStats.parser(told_octets(entry), 0)


def told_octets(entry):
    """The same in an OFPMP_FLOW reply."""
    message = encode.add_flow(entry, 77)
    behind = encode.octets(message, 1)[48:]  # match and instructions
    head = struct.pack(
        "!HBxIIHHHH4xQQQ",
        *(48 + len(behind), message.table_id, 5, 0, message.priority, 0, 0, 0, message.cookie, 12, 3400),
    )
    return head + behind


def reply(octets):
    """The OFPMP_FLOW reply with these entries, as Ryu reads it."""
    message = struct.pack("!BBHIHH4x", 4, ofp.OFPT_MULTIPART_REPLY, 16 + len(octets), 9, ofp.OFPMP_FLOW, 0) + octets
    return parser.msg_parser(encode.PROTOCOL, 4, ofp.OFPT_MULTIPART_REPLY, len(message), 9, message)


@pytest.mark.parametrize(
    ("node", "rule"), RULES, ids=lambda part: str(part.table) if isinstance(part, Rule) else part.name
)
@given(data=st.data())
def test_an_entry_comes_back_as_it_was_written(node, rule, data):
    values = {parameter.name: data.draw(VALUES[parameter.kind]) for parameter in rule.parameters}
    entry = rule.entry(**values)
    assert decode.entry(told(entry), node.rules) == entry


def test_the_entries_of_a_reply_are_parsed_when_they_are_looked_at():
    entries = [LmaRule.ROUTE.entry(prefix=IPv6Network((n << 64, 64)), tunnel=10 + n) for n in range(1, 20)]
    body = reply(b"".join(map(told_octets, entries))).body
    assert [decode.entry(each.parsed(), LMA.rules) for each in body] == entries


@pytest.mark.parametrize("length", [0, 47, 5000])
def test_a_reply_whose_entries_are_not_all_there_is_refused(length):
    octets = told_octets(LmaRule.ROUTE.entry(prefix=IPv6Network("2001:db8:100:7::/64"), tunnel=10))
    with pytest.raises(ValueError, match="flow entry"):
        ToldEntry.parser(length.to_bytes(2, "big") + octets[2:], 0)


def test_a_malformed_entry_is_none():
    octets = bytearray(told_octets(LmaRule.ROUTE.entry(prefix=IPv6Network("2001:db8:100:7::/64"), tunnel=10)))
    octets[48:] = b"\xff" * len(octets[48:])
    (malformed,) = reply(bytes(octets)).body
    assert malformed.parsed() is None


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        (MagRule.GUARD, {"in_port": 3, "eth_src": ("02:00:00:00:00:00", "ff:ff:ff:00:00:00")}),
        (LmaRule.ROUTE, {"ipv6_dst": ("2001:db8:100:7::1", "ffff:ffff:ffff:ffff::1")}),
        (LmaRule.ROUTE, {"ipv6_dst": ("2001:db8::", "ffff:ffff::ffff")}),
    ],
)
def test_an_entry_with_a_mask_that_none_of_ours_has_is_none_of_ours(rule, match):
    stats = parser.OFPFlowStats(
        table_id=rule.table.number, priority=rule.priority, match=parser.OFPMatch(eth_type=0x86DD, **match)
    )
    stats.instructions = []
    assert decode.entry(stats, [rule]) is None


def test_what_is_none_of_ours_is_not_recognised():
    entry = LmaRule.ROUTE.entry(prefix=IPv6Network("2001:db8:100:7::/64"), tunnel=10)
    message = told(entry)
    assert decode.entry(message, [rule for rule in LMA.rules if rule is not LmaRule.ROUTE]) is None
    for change in (
        {"priority": 11},
        {"table_id": 1},
        {"match": parser.OFPMatch(eth_type=0x86DD, ipv6_dst=("2001:db8:100::", "ffff:ffff:ffff::"))},
        {"match": parser.OFPMatch(eth_type=0x800, ipv4_dst="10.0.0.1")},
        {"instructions": []},
        {"instructions": [parser.OFPInstructionGotoTable(2)]},
        {"instructions": [parser.OFPInstructionActions(4, [parser.OFPActionDecNwTtl()])]},
        {"instructions": [parser.OFPInstructionActions(4, [parser.OFPActionPopVlan(), parser.OFPActionOutput(10)])]},
    ):
        other = told(entry)
        for name, value in change.items():
            setattr(other, name, value)
        assert decode.entry(other, LMA.rules) is None, change


def binding(number, **changes):
    node = PROFILE.mobile_nodes[0]
    return Binding(
        prefix=(0x20010DB801000000 + number).to_bytes(8, "big"),
        mag="mag1",
        previous_mag=None,
        identifier=node.identifier,
        link_layer_address=node.link_layer_address,
        port=3,
        anchor="lma2",
        timestamp=0,
    )._replace(**changes)


BINDINGS = [
    binding(1),
    binding(2, link_layer_address=b"\2strng", identifier=None, port=7, anchor="lma1"),
    binding(3, mag="mag2"),
    binding(4, mag=None),
    binding(5, port=None),
]


def test_the_entries_of_a_mag_tell_its_bindings():
    entries = [*AT_MAG.base_entries({"acc1": 1, "t-lma1": 10}, None)]
    for each in BINDINGS:
        entries += AT_MAG.binding_entries(ACCESS_PORTS, each)
    assert AT_MAG.recover(ACCESS_PORTS, reversed(entries)).bindings == [BINDINGS[1], BINDINGS[0]]


def test_entries_of_a_mag_that_lack_a_part_tell_nothing():
    guard, uplink, _ = AT_MAG.binding_entries(ACCESS_PORTS, BINDINGS[0])
    unknown = MagRule.UPLINK.entry(prefix=BINDINGS[0].network, group=99)
    for entries in ([guard], [uplink], [guard, unknown]):
        assert AT_MAG.recover(ACCESS_PORTS, entries) == ([], None)


def test_the_entries_of_an_lma_tell_where_mobile_nodes_are_and_its_gateway():
    lma = lma_pipeline(PROFILE, gateway=GATEWAY)
    entries = [*lma.base_entries(PORTS, OWN)]
    for each in (*BINDINGS, binding(6, mag="mag9")):  # a MAG that the profile has no longer
        entries += lma.binding_entries(PORTS, each)
    bindings, gateway = lma.recover(PORTS, entries)
    assert bindings == [
        Binding(each.prefix, each.mag, None, None, None, None, None, 0) for each in BINDINGS if each.mag is not None
    ]
    assert gateway == GATEWAY
    assert lma.recover(PORTS, lma_pipeline(PROFILE).base_entries(PORTS, OWN)).gateway is None
