"""The declarations: what a table does not allow cannot be built, and the page shows what there is."""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

import pytest

from docs.generators.pipeline import reference
from ryu_pmipls.controller.switches.actions import DecrementHopLimit, ForgetInPort, Output
from ryu_pmipls.controller.switches.flow import Owner, PipelineError, Rule, Table
from ryu_pmipls.controller.switches.lma import LMA, LmaRule, LmaTable
from ryu_pmipls.controller.switches.mag_rules import MAG, MagRule
from ryu_pmipls.controller.switches.mag_tables import MagTable
from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.parameter import Kind, Parameter, SubnetRouters

PAGE = Path(__file__).resolve().parents[3] / "docs" / "pipeline.md"
LAST = Table(1, "last", "", match=frozenset({"ipv6"}))
FIRST = Table(0, "first", "", match=frozenset({"in_port"}), actions=frozenset({Output}), next_tables=(LAST,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"match": Match(in_port=1, ipv6=True)}, "may not match ipv6"),
        ({"actions": (Output(1), DecrementHopLimit(), ForgetInPort())}, "may not DecrementHopLimit, ForgetInPort"),
        ({"goto": FIRST}, "may not lead to table 0 first"),
        ({"goto": MagTable.UPLINK}, f"may not lead to table {MagTable.UPLINK}"),
        ({"priority": 2**16}, "a priority has 16 bits"),
    ],
)
def test_a_rule_that_its_table_does_not_allow_cannot_be_built(change, message):
    allowed = {
        "table": FIRST,
        "priority": 10,
        "owner": Owner.BASE,
        "match": Match(in_port=1),
        "actions": (Output(2),),
        "goto": LAST,
    }
    Rule(**allowed)
    with pytest.raises(PipelineError, match=message):
        Rule(**(allowed | change))


def test_a_table_leads_forward_only_and_matches_what_there_is():
    with pytest.raises(PipelineError, match="cannot lead back to table 0 first"):
        Table(1, "second", "", next_tables=(FIRST,))
    with pytest.raises(PipelineError, match="no such field to match: tcp_flags"):
        Table(0, "first", "", match=frozenset({"tcp_flags"}))


def test_a_rule_is_of_a_table_of_its_node():
    with pytest.raises(PipelineError, match="the MAG has no table 2 downlink"):
        MAG.rule("", LmaTable.DOWNLINK, 10, Owner.BASE, Match())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "takes prefix, tunnel, not nothing"),
        ({"prefix": IPv6Network("2001:db8::/64"), "port": 1}, "takes prefix, tunnel, not port, prefix"),
        ({"prefix": IPv6Network("2001:db8::/48"), "tunnel": 1}, "prefix must be: home network prefix, a /64; not"),
        ({"prefix": IPv6Network("2001:db8::/64"), "tunnel": 2**32}, "tunnel must be: OpenFlow port; not 4294967296"),
        ({"prefix": IPv6Network("2001:db8::/64"), "tunnel": "t-mag1"}, "tunnel must be: OpenFlow port; not 't-mag1'"),
    ],
)
def test_an_entry_wants_a_fitting_value_for_each_parameter(values, message):
    with pytest.raises(PipelineError, match=message):
        LmaRule.ROUTE.entry(**values)


def test_every_rule_is_declared_with_its_node_and_no_two_of_a_table_can_be_the_same_entry():
    for node in (MAG, LMA):
        # One replaces another only where that is meant: while a MAG forwards, it does not deliver.
        places = [(rule.table, rule.priority, rule.match) for rule in node.rules if rule is not MagRule.FORWARDING]
        assert len(set(places)) == len(places)
        assert {rule.table for rule in node.rules} == set(node.tables)
        assert [table.number for table in node.tables] == list(range(len(node.tables)))


def test_every_parameter_of_a_rule_has_its_own_name():
    for rule in (*MAG.rules, *LMA.rules):
        names = [parameter.name for parameter in rule.parameters]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_takes_its_own_values_only(kind):
    values = {
        Kind.PORT: 7,
        Kind.GROUP: 1,
        Kind.LINK_LAYER_ADDRESS: bytes(6),
        Kind.HOME_PREFIX: IPv6Network("2001:db8::/64"),
        Kind.PREFIX: IPv6Network("2001:db8::/40"),
        Kind.SUBNET_ROUTERS: SubnetRouters(IPv6Network("2001:db8::/40")),
        Kind.NUMBER: 133,
    }
    taken = {other for other, value in values.items() if kind.accepts(value)}
    numbers = {Kind.PORT, Kind.GROUP, Kind.NUMBER}
    prefixes = {Kind.PREFIX, Kind.HOME_PREFIX}
    assert taken == (numbers if kind in numbers else prefixes if kind is Kind.PREFIX else {kind})
    assert not kind.accepts(None)


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run python -m docs.generators.pipeline > docs/pipeline.md"


def test_the_page_has_every_table_and_parameter():
    for node in (MAG, LMA):
        for table in node.tables:
            assert f"### Table {table}\n" in reference()
        for rule in node.rules:
            for parameter in rule.parameters:
                assert isinstance(parameter, Parameter)
                assert f"| *{parameter.name}* |" in reference()
