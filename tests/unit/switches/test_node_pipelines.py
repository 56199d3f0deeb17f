from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openflow_helpers import lma_pipeline, mag_pipeline

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.actions import (
    CheckPacketLarger,
    DecrementHopLimit,
    ForgetInPort,
    Output,
    ToGroup,
    ToLinkLayer,
)
from ryu_pmipls.controller.switches.cookies import GENERATION_BITS, MARK, MARK_MASK, cookie, slice_of, sweep_cookies
from ryu_pmipls.controller.switches.flow import GroupKind, Owner
from ryu_pmipls.controller.switches.lma import LmaRule, LmaTable
from ryu_pmipls.controller.switches.mag_groups import access_group, tunnel_group
from ryu_pmipls.controller.switches.mag_rules import FORWARDING_TIME, MAG_LINK_LAYER_ADDRESS, MagRule
from ryu_pmipls.controller.switches.mag_tables import MagTable
from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.parameter import IN_PORT, LOCAL
from ryu_pmipls.controller.switches.ports import error_port
from ryu_pmipls.domain.profile import HandoffSettings, load_profile
from ryu_pmipls.wire.neighbour_discovery import REFUSED_LINK_LAYER_ADDRESS

PROFILE = load_profile("two-lma")
MAG_PORTS = {"acc1": 1, "acc2": 2, "acc3": 3, "t-lma1": 10, "t-lma2": 11}
LMA_PORTS = {"core": 1, "t-mag1": 10, "t-mag2": 11}
OWN, GATEWAY = bytes.fromhex("020000000011"), bytes.fromhex("0200000000ff")
GENERATIONS = st.integers(0, 2**GENERATION_BITS - 1)


def binding(mag="mag1", **changes):
    values = {
        "prefix": IPv6Network("2001:db8:100:7::/64").network_address.packed[:8],
        "mag": mag,
        "previous_mag": None,
        "identifier": "mn1@example.net",
        "link_layer_address": bytes.fromhex("020000000101"),
        "port": 2,
        "anchor": "lma1",
        "timestamp": 1,
    }
    return Binding(**(values | changes))


HOME_PREFIXES = st.binary(min_size=8, max_size=8)


@given(GENERATIONS, GENERATIONS, st.sampled_from(Owner), st.none() | HOME_PREFIXES)
def test_the_sweep_matches_every_generation_but_the_present_one(present, other, owner, prefix):
    value = cookie(owner, other, 0 if prefix is None else slice_of(prefix))
    swept = any(value & mask == wanted for wanted, mask in sweep_cookies(present))
    assert swept == (other != present)


@given(GENERATIONS, st.integers(0, 2**64 - 1))
def test_the_sweep_leaves_foreign_flows_alone(present, foreign):
    swept = any(foreign & mask == wanted for wanted, mask in sweep_cookies(present))
    assert not swept or foreign & MARK_MASK == MARK


def test_neighbouring_prefixes_are_of_different_slices():
    prefixes = PROFILE.home_prefix_pool.subnets(new_prefix=64)
    assert len({slice_of(next(prefixes).network_address.packed[:8]) for _ in range(64)}) == 64


def at_mag(binding, mag="mag1", profile=PROFILE, ports=MAG_PORTS):
    return list(mag_pipeline(profile, mag).binding_entries(ports, binding))


def with_handoff(**settings):
    return PROFILE.model_copy(update={"handoff": HandoffSettings(**settings)})


def test_a_binding_is_on_its_mag_only():
    first, second = "mag1", "mag2"
    tables = {entry.rule.table for entry in at_mag(binding(), first)}
    assert tables == {MagTable.GUARD, MagTable.UPLINK, MagTable.DOWNLINK}
    assert {entry.rule.owner for entry in at_mag(binding(), second)} == {Owner.BINDING}
    assert [entry.rule.table for entry in at_mag(binding(), second)] == [MagTable.DOWNLINK]


@pytest.mark.parametrize("anchor", ["lma2", None])
def test_what_is_for_a_mobile_node_at_another_mag_goes_back_to_an_lma_for_a_while(anchor):
    (delivery,) = (entry for entry in at_mag(binding()) if entry.rule.table is MagTable.DOWNLINK)
    (forwarding,) = at_mag(binding("mag2", anchor=anchor))
    assert forwarding.key == delivery.key  # the one replaces the other, either way
    assert (delivery.rule.hard_timeout, forwarding.rule.hard_timeout) == (0, FORWARDING_TIME)
    assert encode.add_flow(delivery, 1).hard_timeout == 0
    assert encode.add_flow(forwarding, 1).hard_timeout == FORWARDING_TIME
    assert forwarding.actions == (DecrementHopLimit(), ForgetInPort(), ToGroup(2 if anchor else 1))
    lma = [entry.rule for entry in lma_pipeline(PROFILE, gateway=GATEWAY).base_entries(LMA_PORTS, OWN)]
    assert LmaRule.FORWARDED in lma


def test_what_is_for_a_mobile_node_that_is_nowhere_is_sent_nowhere():
    assert at_mag(binding(None)) == []


def test_without_forwarding_nothing_is_sent_back():
    profile = with_handoff(forwarding=False)
    assert at_mag(binding("mag2"), profile=profile) == []
    lma = [entry.rule for entry in lma_pipeline(profile, gateway=GATEWAY).base_entries(LMA_PORTS, OWN)]
    assert LmaRule.FORWARDED not in lma


def test_a_mobile_node_at_a_port_that_is_not_there_gets_nothing_until_it_is():
    assert MagTable.DOWNLINK not in {entry.rule.table for entry in at_mag(binding(), ports={"acc1": 1})}
    assert MagTable.DOWNLINK not in {entry.rule.table for entry in at_mag(binding(port=10))}  # no access port


def test_while_the_link_is_down_packets_go_to_the_agent_if_it_is_to_keep_them():
    with_errors = MAG_PORTS | {"icmp-1452": 77}

    def buckets(profile, ports):
        uplinks = {"lma1": ("lma1",), "lma2": ("lma2",)}
        groups = mag_pipeline(profile, uplinks=uplinks).groups(ports)
        (found,) = (group for group in groups if group.group == access_group(2))
        assert found.kind is GroupKind.FAST_FAILOVER
        return [(bucket.watch, bucket.action) for bucket in found.buckets]

    delivered = (2, Output(2))
    assert buckets(PROFILE, with_errors) == [delivered, (77, Output(77))]
    assert buckets(PROFILE, MAG_PORTS) == [delivered]
    assert buckets(with_handoff(buffer=0), with_errors) == [delivered]
    (delivery,) = (entry for entry in at_mag(binding(port=2)) if entry.rule.table is MagTable.DOWNLINK)
    assert ToGroup(access_group(2)) in delivery.actions


@pytest.mark.parametrize("there", [True, False])
def test_other_sources_are_the_agents_business_but_no_impostors(there):
    ports = MAG_PORTS | ({"icmp-1452": 77} if there else {})
    found = [e for e in mag_pipeline(PROFILE, "mag1").base_entries(ports, OWN) if e.rule.table is MagTable.GUARD]
    foreign = [entry for entry in found if entry.rule is MagRule.FOREIGN]
    assert [entry.actions for entry in foreign] == [(ToLinkLayer(REFUSED_LINK_LAYER_ADDRESS), Output(77))] * there
    (impostor,) = (entry for entry in found if entry.rule is MagRule.IMPOSTOR)
    assert impostor.match.eth_src == MAG_LINK_LAYER_ADDRESS and impostor.actions == () and impostor.rule.goto is None
    priorities = [rule.priority for rule in (MagRule.GUARD, MagRule.IMPOSTOR, MagRule.FOREIGN)]
    assert priorities == sorted(priorities, reverse=True)


def test_the_guard_wants_port_link_layer_address_and_prefix_together():
    guard = next(entry for entry in at_mag(binding()) if entry.rule.table is MagTable.GUARD)
    assert (guard.match.in_port, guard.match.eth_src, guard.match.ipv6_src) == (
        2,
        binding().link_layer_address,
        binding().network,
    )


@pytest.mark.parametrize("unknown", ["link_layer_address", "port", "anchor"])
def test_a_mag_that_speaks_only_the_draft_gets_no_rules(unknown):
    assert at_mag(binding(**{unknown: None})) == []


def test_the_uplink_goes_to_the_group_of_the_anchor_and_the_group_to_the_carrier():
    found = at_mag(binding(anchor="lma2"))
    uplink = next(entry for entry in found if entry.rule.table is MagTable.UPLINK)
    assert ToGroup(2) in uplink.actions
    groups = groups_of({"lma1": ("lma1",), "lma2": ("lma1", "lma1")})
    assert groups[1] == groups[2] == (GroupKind.INDIRECT, [ToGroup(tunnel_group(PROFILE, "lma1"))])


def groups_of(uplinks, ports=MAG_PORTS):
    """Number -> kind and actions of the groups of a MAG."""
    groups = mag_pipeline(PROFILE, uplinks=uplinks).groups(ports)
    return {group.group: (group.kind, [bucket.action for bucket in group.buckets]) for group in groups}


def test_an_uplink_of_several_carriers_is_dealt_out_over_equal_slots():
    slots = ("lma2", "lma1", "lma1")
    kind, actions = groups_of({"lma1": slots, "lma2": ("lma2",)})[1]
    assert kind is GroupKind.SELECT
    assert actions == [ToGroup(tunnel_group(PROFILE, lma)) for lma in slots]


def test_the_tunnels_of_other_lmas_stand_in_for_one_that_is_not_alive():
    groups = mag_pipeline(PROFILE).groups(MAG_PORTS)
    found = {group.group: [bucket.watch for bucket in group.buckets] for group in groups}
    found = {number: watched for number, watched in found.items() if 0x10000 <= number < 0x20000}
    first, second = MAG_PORTS["t-lma1"], MAG_PORTS["t-lma2"]
    assert found == {0x10001: [first, second], 0x10002: [second, first]}


def test_groups_come_before_those_that_lead_to_them():
    seen = set()
    for group in mag_pipeline(PROFILE, uplinks={"lma1": ("lma1", "lma2"), "lma2": ("lma2",)}).groups(MAG_PORTS):
        assert {bucket.action.group for bucket in group.buckets if isinstance(bucket.action, ToGroup)} <= seen
        seen.add(group.group)


def test_without_any_tunnel_groups_drop():
    groups = groups_of({"lma1": ("lma1",), "lma2": ("lma2",)}, {})
    assert groups[0x10001] == groups[0x10002] == (GroupKind.FAST_FAILOVER, [])


def test_every_lma_routes_every_prefix_to_the_mag_where_it_is():
    (route,) = lma_pipeline(PROFILE).binding_entries(LMA_PORTS, binding("mag2"))
    assert route.rule.table is LmaTable.DOWNLINK
    assert route.actions[-1] == Output(LMA_PORTS["t-mag2"])
    assert list(lma_pipeline(PROFILE).binding_entries(LMA_PORTS, binding(None))) == []
    assert list(lma_pipeline(PROFILE).binding_entries({"core": 1}, binding("mag2"))) == []


def test_nothing_leaves_for_the_core_while_its_gateway_is_unknown():
    def towards_core(gateway):
        found = lma_pipeline(PROFILE, gateway=gateway).base_entries(LMA_PORTS, OWN)
        return [entry for entry in found if entry.rule.table is LmaTable.UPLINK and Output(1) in entry.actions]

    assert towards_core(None) == []
    assert len(towards_core(GATEWAY)) == 1


@pytest.mark.parametrize(
    ("source", "passes"),
    [
        ("2001:db8:100:7::1", False),  # a home network prefix
        ("::", False),
        ("::1", False),
        ("::192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::1", False),
        ("febf:ffff::1", False),
        ("ff02::1", False),
        ("ff0e::1", False),
        ("64:ff9b::192.0.2.1", True),  # by NAT64 (RFC 6052)
        ("2001:db8:ffff::1", True),
        ("fd00:c0de::1", True),
        ("fec0::1", True),  # ordinary by now (RFC 3879)
        ("2000::1", True),
    ],
)
def test_an_lma_drops_what_comes_from_the_core_with_a_source_that_nobody_there_has(source, passes):
    pool = PROFILE.home_prefix_pool
    found = list(lma_pipeline(PROFILE, gateway=GATEWAY).base_entries(LMA_PORTS | {"icmp-1452": 77}, OWN))
    from_core = [entry for entry in found if entry.match.in_port == 1 and entry.match.icmpv6_type is None]
    to_nodes = [entry for entry in from_core if entry.match.ipv6_dst in (pool, None)]
    hit = [entry for entry in to_nodes if entry.match.ipv6_src is None or IPv6Address(source) in entry.match.ipv6_src]
    chosen = max(hit, key=lambda entry: entry.rule.priority)
    assert (chosen.rule is not LmaRule.MARTIAN) == passes
    assert LmaRule.MARTIAN.actions == () and LmaRule.MARTIAN.goto is None


def test_neighbours_on_the_core_link_are_heard_whatever_their_source():
    found = list(lma_pipeline(PROFILE).base_entries(LMA_PORTS, OWN))
    (heard,) = [entry for entry in found if entry.match.icmpv6_type == 135]
    assert heard.actions == (Output(LOCAL),)
    assert heard.rule.priority > LmaRule.MARTIAN.priority


@given(st.sets(st.sampled_from(sorted(MAG_PORTS))), st.sets(st.sampled_from(sorted(LMA_PORTS))))
def test_no_rule_names_a_port_that_is_not_there_and_no_two_rules_collide(mag_names, lma_names):
    for table, found in (
        (MAG_PORTS, list(mag_pipeline(PROFILE).base_entries({name: MAG_PORTS[name] for name in mag_names}, None))),
        (
            LMA_PORTS,
            list(lma_pipeline(PROFILE, gateway=GATEWAY).base_entries({n: LMA_PORTS[n] for n in lma_names}, OWN)),
        ),
    ):
        there = {table[name] for name in (mag_names if table is MAG_PORTS else lma_names)} | {LOCAL, IN_PORT}
        for entry in found:
            assert entry.match.in_port is None or entry.match.in_port in there
            assert all(action.port in there for action in entry.actions if isinstance(action, Output))
        assert len({entry.key for entry in found}) == len(found)


def test_errors_are_made_as_soon_as_there_is_a_port_for_them():
    mag, lma, pool = mag_pipeline(PROFILE), lma_pipeline(PROFILE, gateway=GATEWAY), PROFILE.home_prefix_pool
    for node, ports in ((mag, MAG_PORTS), (lma, LMA_PORTS)):
        with_errors = ports | {"icmp-1452": 77}

        def base(there, node=node):
            return list(node.base_entries(there, OWN))

        sizes = [
            action.mtu
            for entry in base(with_errors)
            for action in entry.actions
            if isinstance(action, CheckPacketLarger)
        ]
        assert sizes == [1452]
        assert all(CheckPacketLarger not in map(type, entry.actions) for entry in base(ports))
        answered = [entry.match for entry in base(with_errors) if Output(77) in entry.actions]
        assert {match.hop_limit for match in answered if match.hop_limit is not None} == {0, 1}
        assert any(match.too_large for match in answered)
        assert any(match == Match(ipv6_dst=pool) for match in answered) == (node is lma)


@pytest.mark.parametrize("name", ["icmp-", "icmp-x", "icmp-65536", "icmp-\u0661", "acc-1452", "t-icmp-1452"])
def test_another_port_is_not_taken_for_that_of_errors(name):
    assert error_port({name: 7}) is None
    assert error_port({name: 7, "icmp-1436": 8}) == (8, 1436)
