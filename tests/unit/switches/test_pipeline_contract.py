"""Promises of every node's pipeline, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openflow_helpers import lma_pipeline, mag_pipeline

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.switches.flow import FlowEntry, Owner
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline
from ryu_pmipls.domain.profile import load_profile

PROFILE = load_profile("two-lma")
PORTS = {"acc1": 1, "acc2": 2, "core": 1, "t-lma1": 4, "t-lma2": 5, "t-mag1": 4, "t-mag2": 5, "icmp-1400": 6}
OWN, GATEWAY = bytes.fromhex("02aabbccddee"), bytes.fromhex("02000000c0de")
PLACES = [("mag1", 1), ("mag1", 2), ("mag2", 1), ("mag2", 9), (None, None)]
BINDINGS = [
    Binding(
        (0x20010DB801000000 + number).to_bytes(8, "big"),
        mag,
        None,
        None,
        bytes.fromhex("0200000001") + bytes([number]),
        port,
        f"lma{number % 2 + 1}",
        0,
    )
    for number in range(1, 20)
    for mag, port in [PLACES[number % len(PLACES)]]
]
MAKERS: list[Callable[..., NodePipeline]] = [
    lambda bindings: mag_pipeline(PROFILE, bindings=bindings),
    lambda bindings: lma_pipeline(PROFILE, gateway=GATEWAY, bindings=bindings),
]


@pytest.fixture(params=MAKERS, ids=["mag", "lma"])
def pipeline(request: pytest.FixtureRequest) -> NodePipeline:
    made: NodePipeline = request.param(BINDINGS)
    return made


def test_entries_are_of_its_own_rules_and_owners(pipeline: NodePipeline) -> None:
    base = [*pipeline.base_entries(PORTS, OWN)]
    of_bindings = [entry for binding in BINDINGS for entry in pipeline.binding_entries(PORTS, binding)]
    assert {entry.rule for entry in base + of_bindings} <= {*pipeline.declared.rules}
    assert {entry.rule.owner for entry in base} == {Owner.BASE}
    assert {entry.rule.owner for entry in of_bindings} == {Owner.BINDING}
    assert pipeline.downlink_table in pipeline.declared.tables


@settings(deadline=None)
@given(st.sampled_from(BINDINGS), st.sampled_from(BINDINGS), st.sampled_from(MAKERS))
def test_bindings_of_one_shape_have_the_same_entries_but_for_prefix_and_address(
    one: Binding, other: Binding, maker: Callable[..., NodePipeline]
) -> None:
    pipeline = maker(BINDINGS)
    if pipeline.shape(one) == pipeline.shape(other):
        like = one._replace(prefix=other.prefix, link_layer_address=other.link_layer_address)
        assert [*pipeline.binding_entries(PORTS, like)] == [*pipeline.binding_entries(PORTS, other)]


def test_every_binding_with_lasting_entries_is_among_the_prefixes(pipeline: NodePipeline) -> None:
    def lasting(binding: Binding) -> list[FlowEntry]:
        return [entry for entry in pipeline.binding_entries(PORTS, binding) if not entry.rule.hard_timeout]

    assert {binding.prefix for binding in BINDINGS if lasting(binding)} <= {*pipeline.prefixes()}


@pytest.mark.parametrize("port", PORTS)
def test_entries_that_go_with_a_port_are_of_bindings_behind_it(pipeline: NodePipeline, port: str) -> None:
    without = {name: number for name, number in PORTS.items() if name != port}
    changed = {
        binding.prefix
        for binding in BINDINGS
        if {*pipeline.binding_entries(PORTS, binding)} != {*pipeline.binding_entries(without, binding)}
    }
    assert changed <= {*pipeline.prefixes_behind(PORTS, port)}


def test_recovered_bindings_have_the_entries_that_they_came_from(pipeline: NodePipeline) -> None:
    entries = {entry for binding in BINDINGS for entry in pipeline.binding_entries(PORTS, binding)}
    lasting = {entry for entry in entries if not entry.rule.hard_timeout}
    recovered = pipeline.recover(PORTS, [*pipeline.base_entries(PORTS, OWN), *entries])
    again = {entry for binding in recovered.bindings for entry in pipeline.binding_entries(PORTS, binding)}
    assert again == lasting != set()
    assert recovered.gateway in (None, GATEWAY)


def test_a_group_comes_after_those_to_which_it_leads(pipeline: NodePipeline) -> None:
    known: set[int] = set()
    for group in pipeline.groups(PORTS):
        targets = {getattr(bucket.action, "group", None) for bucket in group.buckets} - {None}
        assert targets <= known
        known.add(group.group)
