"""Differences between what a switch holds and what it should are proved when they show twice, and not before."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest
from openflow_helpers import lma_pipeline

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.ryu import InterruptionError
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches import decoding as decode
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.actions import Output, ToGroup
from ryu_pmipls.controller.switches.audit import Audit
from ryu_pmipls.controller.switches.cookies import SLICES, slice_of
from ryu_pmipls.controller.switches.flow import Bucket, Group, GroupKind
from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.domain.profile import load_profile

PIPELINE = lma_pipeline(load_profile("two-lma"))
PORTS = {"core": 1, "t-mag1": 10, "t-mag2": 11}
GROUPS = {
    1: Group(1, GroupKind.INDIRECT, (Bucket(ToGroup(7)),)),
    2: Group(2, GroupKind.SELECT, (Bucket(ToGroup(7)), Bucket(ToGroup(8)))),
    7: Group(7, GroupKind.FAST_FAILOVER, (Bucket(Output(10), watch=10), Bucket(Output(11), watch=11))),
    8: Group(8, GroupKind.FAST_FAILOVER, ()),
}


class Domain:
    """An LMA's switch that has groups too, and the bindings of a domain."""

    def __init__(self) -> None:
        mags = {number: f"mag{number % 2 + 1}" for number in range(4 * SLICES)}
        self.bindings = {each.prefix: each for each in (binding(number, mag) for number, mag in mags.items())}
        self.inventory = SimpleNamespace(ports=PORTS, link_layer_address=None, refused={})
        self.pipeline = SimpleNamespace(
            groups=lambda ports: GROUPS.values(),
            base_entries=lambda ports, own: [rule.entry() for rule in LmaRule.MISS],
            binding_entries=PIPELINE.binding_entries,
            prefixes=lambda: [*self.bindings],
            bindings=self.bindings,
        )

    def compare(self, audit, entries, strays, groups):
        """Have the audit compare a switch's reply: its groups, entries, and number of entries of no rule."""
        self.inventory.groups, self.inventory.decode_entries = groups, lambda unless: (entries, strays)
        return audit.compare()

    def installed(self, slice_):
        """The entries of a switch that holds what it should."""
        entries = [] if slice_ else [rule.entry() for rule in LmaRule.MISS]
        for each in self.bindings.values():
            if slice_of(each.prefix) == slice_:
                entries += PIPELINE.binding_entries(PORTS, each)
        return entries


def binding(number, mag, timestamp=0):
    return Binding((0x20010DB801000000 + number).to_bytes(8, "big"), mag, None, None, None, None, None, timestamp)


@pytest.fixture
def domain():
    return Domain()


def test_nothing_is_wrong_in_several_passes(domain):
    audit = Audit(domain.pipeline, domain.inventory)
    for turn in range(3 * SLICES):
        assert audit.slice == turn % SLICES
        assert domain.compare(audit, domain.installed(audit.slice), 0, GROUPS) == 0
        assert not audit.suspects
        if turn == SLICES:
            domain.bindings[binding(999, "mag1").prefix] = binding(999, "mag1")


def missing(told):
    return told[:-1]


def twice(told):
    return [*told, LmaRule.ROUTE.entry(prefix=binding(5000 * SLICES, "mag1").network, tunnel=10)]


def elsewhere(told):
    return [*told[:-1], LmaRule.ROUTE.entry(prefix=told[-1].home_prefix, tunnel=99)]


@pytest.mark.parametrize(("change", "differences"), [(missing, 1), (twice, 1), (elsewhere, 2)])
def test_a_difference_that_stays_is_proved(domain, change, differences):
    audit = Audit(domain.pipeline, domain.inventory)
    assert domain.compare(audit, change(domain.installed(0)), 0, GROUPS) == 0
    assert audit.suspects
    assert audit.slice == 0
    assert domain.compare(audit, change(domain.installed(0)), 0, GROUPS) == differences
    assert not audit.suspects


def test_an_entry_of_no_rule_is_proved_too(domain):
    audit = Audit(domain.pipeline, domain.inventory)
    assert domain.compare(audit, domain.installed(0), 2, GROUPS) == 0
    assert domain.compare(audit, domain.installed(0), 1, GROUPS) == 1


def test_what_was_under_way_proves_nothing(domain):
    audit = Audit(domain.pipeline, domain.inventory)
    assert domain.compare(audit, missing(domain.installed(0)), 0, GROUPS) == 0
    assert domain.compare(audit, domain.installed(0), 0, GROUPS) == 0  # it has come
    assert audit.slice == 1
    late = domain.installed(1)
    (moved,) = (each for each in domain.bindings.values() if each.network == late[-1].home_prefix)
    for timestamp in (1, 2):  # the binding changes all the time, and what the switch tells is always late
        domain.bindings[moved.prefix] = moved._replace(
            mag="mag1" if moved.mag == "mag2" else "mag2", timestamp=timestamp
        )
        assert domain.compare(audit, late, 0, GROUPS) == 0


@pytest.mark.parametrize("told", [{}, GROUPS | {1: None}, GROUPS | {2: GROUPS[1]}, GROUPS | {99: None}])
def test_groups_are_compared_and_those_of_others_left_alone(domain, told):
    audit = Audit(domain.pipeline, domain.inventory)
    domain.compare(audit, domain.installed(0), 0, told)
    wrong = sum(told.get(number) != group for number, group in GROUPS.items())
    assert domain.compare(audit, domain.installed(audit.slice), 0, told) == wrong


@pytest.mark.parametrize("group", GROUPS.values(), ids=lambda group: group.kind.value)
def test_a_group_comes_back_as_it_was_written(group):
    assert decode.group(told_group(encode.group_mod(group, exists=False))) == group


def test_a_group_that_is_like_none_of_ours_is_not_recognised():
    for kind, actions in ((0, [parser.OFPActionGroup(7)]), (2, []), (2, [parser.OFPActionPopVlan()])):
        bucket = parser.OFPBucket(actions=actions)
        message = parser.OFPGroupMod(encode.PROTOCOL, type_=kind, group_id=1, buckets=[bucket])
        assert decode.group(told_group(message)) is None


def told_group(message):
    """A group as a switch tells of it in an OFPMP_GROUP_DESC reply."""
    buckets = encode.octets(message, 1)[16:]
    return parser.OFPGroupDescStats.parser(
        struct.pack("!HBxI", 8 + len(buckets), message.type, message.group_id) + buckets, 0
    )


def test_what_is_more_urgent_interrupts_an_audit_which_then_begins_the_slice_again(domain):
    urgent = [True]
    audit = Audit(domain.pipeline, domain.inventory, lambda: bool(urgent))
    missing = domain.installed(0)[1:]
    many = [entry for number in range(100) for entry in PIPELINE.binding_entries(PORTS, binding(number, "mag1"))]
    with pytest.raises(InterruptionError):
        domain.compare(audit, missing + many, 0, GROUPS)
    assert (audit.slice, audit.suspects) == (0, {})
    urgent.clear()
    assert [domain.compare(audit, missing, 0, GROUPS) for _ in range(2)] == [0, 1]


def test_groups_are_compared_with_what_they_shall_be_when_they_were_told_and_not_when_all_is_decoded(domain):
    wanted, audit = [GROUPS], Audit(domain.pipeline, domain.inventory)
    domain.pipeline.groups = lambda ports: wanted[-1].values()
    later = {number: Group(number, GroupKind.FAST_FAILOVER, ()) for number in GROUPS}

    def decode(unless):
        wanted.append(later)  # a Load_adjust meanwhile
        return domain.installed(audit.slice), 0

    domain.inventory.groups, domain.inventory.decode_entries = GROUPS, decode
    for _ in range(2):
        wanted.append(GROUPS)
        assert audit.compare() == 0 and not audit.suspects


def test_a_pass_sorts_the_bindings_into_slices_once() -> None:
    domain, sorted_ = Domain(), []
    prefixes = domain.pipeline.prefixes
    domain.pipeline.prefixes = lambda: sorted_.append(0) or prefixes()
    audit = Audit(domain.pipeline, domain.inventory)
    for number in range(3 * SLICES):
        assert audit.slice == number % SLICES
        assert domain.compare(audit, domain.installed(audit.slice), 0, GROUPS) == 0
    assert len(sorted_) == 3


def test_what_a_switch_has_refused_for_good_is_not_missing_until_its_binding_changes(domain):
    audit, entries = Audit(domain.pipeline, domain.inventory), domain.installed(0)
    refused = domain.bindings[entries[-1].home_prefix.network_address.packed[:8]]
    domain.inventory.refused[refused.prefix] = refused
    assert domain.compare(audit, missing(entries), 0, GROUPS) == 0 and not audit.suspects
    audit.slice = 0
    assert [domain.compare(audit, elsewhere(entries), 0, GROUPS) for _ in range(2)] == [
        0,
        1,
    ]  # which it has in its place
    domain.bindings[refused.prefix] = refused._replace(timestamp=1)
    audit.slice = 0
    assert [domain.compare(audit, missing(entries), 0, GROUPS) for _ in range(2)] == [0, 1]
