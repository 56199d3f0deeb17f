"""Templates and Ryu's messages are the same, octet by octet."""

from __future__ import annotations

from ipaddress import IPv6Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.controller.fast.flow_mod_template import Filler, add_template, delete_template, octets_of
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.actions import Output, SetLinkLayer
from ryu_pmipls.controller.switches.cookies import GENERATION_BITS, cookie, slice_of
from ryu_pmipls.controller.switches.flow import Owner, PipelineError, Rule, Table
from ryu_pmipls.controller.switches.lma import LMA, LmaRule
from ryu_pmipls.controller.switches.mag_rules import MAG
from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.parameter import Kind, Parameter

#: Every rule that is written for a binding; and one whose octets have a percent sign at every turn.
PERCENT = int.from_bytes(b"%b%%", "big")
ODD = Rule(
    Table(37, "odd", "", frozenset({"in_port", "ipv6_dst"}), frozenset({Output, SetLinkLayer})),
    int.from_bytes(b"%b", "big"),
    Owner.BASE,
    Match(in_port=PERCENT, ipv6_dst=Parameter("prefix", Kind.HOME_PREFIX, "")),
    (
        SetLinkLayer(b"%b%%%b", Parameter("node", Kind.LINK_LAYER_ADDRESS, "")),
        Output(Parameter("port", Kind.PORT, "")),
        Output(PERCENT),
    ),
)
RULES = [*(rule for node in (MAG, LMA) for rule in node.rules if rule.owner is Owner.BINDING), ODD]

NUMBERS = st.integers(0, 2**32 - 1) | st.just(PERCENT)
VALUES = {
    Kind.PORT: NUMBERS,
    Kind.GROUP: NUMBERS,
    Kind.NUMBER: NUMBERS,
    Kind.LINK_LAYER_ADDRESS: st.binary(min_size=6, max_size=6) | st.just(b"%%b%b%"),
    Kind.HOME_PREFIX: st.integers(0, 2**64 - 1).map(lambda number: IPv6Network((number << 64, 64))),
}
GENERATIONS = st.integers(0, 2**GENERATION_BITS - 1)


def values_of(rule):
    return st.fixed_dictionaries({parameter.name: VALUES[parameter.kind] for parameter in rule.parameters})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.table))
@given(st.data(), GENERATIONS, NUMBERS)
def test_an_add_is_what_ryu_encodes(rule, data, generation, xid):
    entry = rule.entry(**data.draw(values_of(rule)))
    template = add_template(rule)
    known = dict(zip((parameter.name for parameter in rule.parameters), entry.values, strict=True))
    number = cookie(rule.owner, generation, slice_of(octets_of(entry.home_prefix)))
    fillings = {b"xid": octets_of(xid), b"cookie": number.to_bytes(8, "big")}
    expected = encode.octets(encode.add_flow(entry, generation), xid)
    # Whatever is bound beforehand makes no difference.
    for count in range(len(known) + 1):
        for names in combinations(known, count):
            bound = template.bind(**{name: known[name] for name in names})
            assert bound.holes == {"xid", "cookie", *known} - set(names)
            rest = {name.encode(): octets_of(value) for name, value in known.items() if name not in names}
            assert bound.octets % (fillings | rest) == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.table))
@given(st.data(), NUMBERS)
def test_a_delete_is_what_ryu_encodes(rule, data, xid):
    entry = rule.entry(**data.draw(values_of(rule)))
    template = delete_template(rule)
    known = dict(zip((parameter.name for parameter in rule.parameters), entry.values, strict=True))
    fillings = {b"xid": octets_of(xid), **{name.encode(): octets_of(value) for name, value in known.items()}}
    assert template.octets % fillings == encode.octets(encode.delete_flow(entry), xid)


def test_a_prefix_of_any_length_has_no_template():
    with pytest.raises(PipelineError, match="pool: a prefix has no fixed place in a template"):
        add_template(LmaRule.FROM_CORE)


@given(st.lists(st.sampled_from([b"%%", b"%(a)b", b"%(b)b", b"(a)b", b"x"])), st.binary(), st.binary())
def test_a_filler_fills_a_format_as_python_does(pieces, one, other):
    octets = b"".join(pieces)
    assert b"".join(Filler(octets, ("b", "a"))((other, one))) == octets % {b"a": one, b"b": other}
