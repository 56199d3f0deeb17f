"""Actions and matches come back from their encoding, and nothing else passes for them."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

import pytest

from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches.actions import (
    KINDS,
    BecomeAdvertisement,
    BecomeEchoReply,
    CheckPacketLarger,
    DecrementHopLimit,
    ExchangeAddresses,
    ForgetInPort,
    NameTarget,
    Output,
    ReturnToSender,
    SetLinkLayer,
    ToAddress,
    ToGroup,
    ToLinkLayer,
    decode_actions,
)
from ryu_pmipls.controller.switches.flow import Action
from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.parameter import IN_PORT, LOCAL, Kind, Parameter, SubnetRouters

ONE, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ACTIONS: list[tuple[Action, str]] = [
    (SetLinkLayer(ONE, OTHER), "link-layer addresses 02-00-00-00-00-01 -> 02-00-00-00-00-02"),
    (
        ReturnToSender(ONE, IPv6Network("fe80::1")),
        "back to the sender, from 02-00-00-00-00-01, fe80::1",
    ),
    (ToLinkLayer(ONE), "to link-layer address 02-00-00-00-00-01"),
    (ToAddress(IPv6Network("ff02::1")), "to ff02::1"),
    (ExchangeAddresses(), "exchange source and destination"),
    (BecomeEchoReply(), "echo reply"),
    (BecomeAdvertisement(0xA0), "neighbour advertisement with flags R O"),
    (NameTarget(ONE), "target link-layer address 02-00-00-00-00-01"),
    (Output(IN_PORT), "output the input port"),
    (CheckPacketLarger(1400), "check whether larger than 1400"),
    (DecrementHopLimit(), "hop limit - 1"),
    (ForgetInPort(), "forget the input port"),
    (Output(LOCAL), "output LOCAL"),
    (ToGroup(0x10001), "group 65537"),
]


def set_field(**field: str) -> Any:
    return parser.OFPActionSetField(**field)


def move(source: str, destination: str, bits: int) -> Any:
    return parser.NXActionRegMove(src_field=source, dst_field=destination, n_bits=bits)


EXCHANGED = ExchangeAddresses().encode()
RETURNED = ReturnToSender(ONE, IPv6Network("fe80::1")).encode()


def test_each_kind_is_tried_here() -> None:
    assert {type(action) for action, _ in ACTIONS} == {*KINDS}


def test_actions_come_back_in_their_order_with_what_is_foreign_in_between() -> None:
    foreign = parser.OFPActionPopVlan()
    encoded = [each for action, _ in ACTIONS for each in (*action.encode(), foreign)]
    assert [*decode_actions(encoded)] == [each for action, _ in ACTIONS for each in (action, None)]


@pytest.mark.parametrize(("action", "text"), ACTIONS, ids=lambda part: type(part).__name__)
def test_an_action_has_its_text(action: Action, text: str) -> None:
    assert str(action) == text


def test_a_parameter_is_shown_by_its_name() -> None:
    assert str(Output(Parameter("tunnel", Kind.PORT, "tunnel port"))) == "output *tunnel*"


@pytest.mark.parametrize(
    "actions",
    [
        [set_field(eth_src="02:00:00:00:00:01")],
        [set_field(ipv6_src="::1")],
        [set_field(ipv6_src="::1"), set_field(eth_src="02:00:00:00:00:01")],
        [set_field(eth_src="02:00:00:00:00:01"), set_field(eth_src="02:00:00:00:00:02")],
        [parser.NXActionRegLoad(ofs_nbits=31, dst="in_port", value=7)],
        RETURNED[:3],
        [*RETURNED[:2], move("ipv6_src_nxm", "ipv6_dst_nxm", 64), RETURNED[3]],
        [move("eth_dst_nxm", "eth_src_nxm", 48), *RETURNED[1:]],
        [RETURNED[0], set_field(ipv6_nd_sll="02:00:00:00:00:01"), *RETURNED[2:]],
        [parser.OFPActionSetField(icmpv6_type=136)],
        [parser.OFPActionSetField(icmpv6_type=129)],
        [parser.OFPActionSetField(icmpv6_type=129), parser.OFPActionSetNwTtl(63)],
        [parser.OFPActionSetField(icmpv6_type=128), parser.OFPActionSetNwTtl(64)],
        EXCHANGED[:2],
        [EXCHANGED[0], EXCHANGED[2], EXCHANGED[1]],
        [*EXCHANGED[:2], move("xxreg0", "ipv6_dst_nxm", 128)],
        [parser.OFPActionSetField(icmpv6_type=135), BecomeAdvertisement(0xA0).encode()[1]],
        [parser.OFPActionSetField(icmpv6_type=136), set_field(field_524289="oAAAAQ==")],
        [NameTarget(ONE).encode()[0], set_field(ipv6_nd_sll="02:00:00:00:00:01")],
        [set_field(field_524290="AQ=="), NameTarget(ONE).encode()[1]],
        [parser.NXActionUnknown(50, b"\x05\x86\0\0\0\1\0\4")],
        [None],
    ],
)
def test_what_is_almost_an_action_of_ours_is_none(actions: list[Any]) -> None:
    assert {*decode_actions(actions)} == {None}


@pytest.mark.parametrize(
    ("match", "fields", "text"),
    [
        (Match(), {}, "anything"),
        (Match(in_port=7, ipv6=True), {"in_port": 7, "eth_type": 0x86DD}, "`in_port` 7, IPv6"),
        (Match(eth_src=ONE), {"eth_src": "02:00:00:00:00:01"}, "`eth_src` 02-00-00-00-00-01"),
        (
            Match(ipv6_dst=IPv6Network("2001:db8::/64")),
            {"eth_type": 0x86DD, "ipv6_dst": ("2001:db8::", "ffff:ffff:ffff:ffff::")},
            "`ipv6_dst` 2001:db8::/64",
        ),
        (Match(ipv6_src=IPv6Network("::1")), {"eth_type": 0x86DD, "ipv6_src": "::1"}, "`ipv6_src` ::1/128"),
        (Match(icmpv6_type=133), {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 133}, "`icmpv6_type` 133"),
        (
            Match(icmpv6_type=135, nd_target=IPv6Network("fe80::1"), nd_source=ONE),
            {
                "eth_type": 0x86DD,
                "ip_proto": 58,
                "icmpv6_type": 135,
                "ipv6_nd_target": "fe80::1",
                "ipv6_nd_sll": "02:00:00:00:00:01",
            },
            "`icmpv6_type` 135, `nd_target` fe80::1/128, `nd_source` 02-00-00-00-00-01",
        ),
        (
            Match(ipv6_dst=SubnetRouters(IPv6Network("2001:db8:100::/40"))),
            {"eth_type": 0x86DD, "ipv6_dst": ("2001:db8:100::", "ffff:ffff:ff00:0:ffff:ffff:ffff:ffff")},
            "`ipv6_dst` subnet-router anycast addresses of 2001:db8:100::/40",
        ),
        (Match(hop_limit=0), {"eth_type_nxm": 0x86DD, "nw_ttl": 0}, "`hop_limit` 0"),
        (Match(too_large=True), {"reg0": 1}, "too large"),
    ],
    ids=str,
)
def test_a_match_has_its_prerequisites_and_comes_back(match: Match, fields: dict[str, Any], text: str) -> None:
    assert match.encode() == fields
    told = dict(fields)
    if "eth_type_nxm" in told:  # a switch says it in OpenFlow's words
        told["eth_type"] = told.pop("eth_type_nxm")
    assert Match.decode(told) == match
    assert str(match) == text
