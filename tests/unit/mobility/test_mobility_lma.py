from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from mobility_helpers import (
    ANY,
    DISABLED,
    ELSEWHERE,
    FIXED,
    LINK1,
    LINK2,
    LMA1,
    MAG1,
    MAG2,
    MAG3,
    NODE1,
    NODE2,
    NODE3,
    POOL,
    RMS,
    START,
    STRANGER,
    anchor,
    answer,
    networks,
    of,
    only,
    pbu,
    sent,
    until,
)

from ryu_pmipls.mobility import (
    BuildTunnel,
    Effect,
    LocalMobilityAnchor,
    MobileNodePolicy,
    Notice,
    PrefixPool,
    RemoveTunnel,
    Send,
)
from ryu_pmipls.wire import (
    AccessTechnologyType,
    AlternateCareOfAddress,
    Attachment,
    BindingAcknowledgement,
    BindingUpdate,
    HandoffIndicator,
    HomeNetworkPrefix,
    LinkLocalAddress,
    LoadInfo,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    TunnelStatus,
)
from ryu_pmipls.wire.codepoints import AccessTechnology, BindingStatus, BindingUpdateFlag, Encapsulation, HandoffType

LMA_PREFIX = only([prefix for prefix in [POOL.choose(NODE1.identifier, set().__contains__, 0)] if prefix])


def register(
    lma: LocalMobilityAnchor, message: BindingUpdate, now: float, mag: IPv6Address = MAG1
) -> BindingAcknowledgement:
    return only(sent(answer(lma, message, mag, now), BindingAcknowledgement))


def status(lma: LocalMobilityAnchor, message: BindingUpdate, now: float = START, mag: IPv6Address = MAG1) -> int:
    return register(lma, message, now, mag).status


def reports(effects: list[tuple[float, Effect]]) -> list[tuple[float, str]]:
    """What is reported among effects with their times, and when."""
    return [(when, effect.kind) for when, effect in effects if isinstance(effect, Notice)]


class TestChecks:
    """RFC 5213, section 5.3.1: one status for each fault, the earlier fault first."""

    FAULTS = (
        (BindingStatus.MISSING_MN_IDENTIFIER_OPTION, {"identifier": False}),
        (BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE, {"node": ELSEWHERE}),
        (BindingStatus.PROXY_REG_NOT_ENABLED, {"node": DISABLED}),
        (BindingStatus.MISSING_HOME_NETWORK_PREFIX_OPTION, {"prefixes": ()}),
        (BindingStatus.MISSING_HANDOFF_INDICATOR_OPTION, {"handoff": None}),
        (BindingStatus.MISSING_ACCESS_TECH_TYPE_OPTION, {"technology": None}),
    )

    @pytest.mark.parametrize(("expected", "fault"), FAULTS)
    def test_each_fault_has_its_status(self, expected: BindingStatus, fault: dict[str, object]) -> None:
        lma = anchor()
        assert status(lma, pbu(START, **fault)) == expected  # type: ignore[arg-type]
        assert lma.bindings == ()

    def test_an_unknown_node_is_not_ours(self) -> None:
        nobody = MobileNodePolicy(b"nobody", LINK1, LMA1)
        assert status(anchor(), pbu(START, nobody)) == BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE

    @pytest.mark.parametrize("subtype", [2, 99])
    def test_an_identifier_of_another_kind_is_not_ours(self, subtype: int) -> None:
        option = MobileNodeIdentifier(NODE1.identifier, subtype)
        message = pbu(START, identifier=False, more=(option,))
        reply = register(anchor(), message, START)
        assert reply.status == BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE
        assert reply.option(MobileNodeIdentifier) == option

    def test_a_stranger_is_not_authorised(self) -> None:
        lma = anchor()
        assert status(lma, pbu(START), mag=STRANGER) == BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG
        assert lma.bindings == ()

    def test_a_care_of_address_must_be_that_of_a_mag(self) -> None:
        message = pbu(START, more=(AlternateCareOfAddress(STRANGER),))
        assert status(anchor(), message) == BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG

    def test_faults_are_found_in_the_order_of_the_rfc(self) -> None:
        faults = {"identifier": False, "node": ELSEWHERE, "prefixes": (), "handoff": None, "technology": None}
        remedies = [
            (BindingStatus.MISSING_MN_IDENTIFIER_OPTION, "identifier", True),
            (BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG, "mag", MAG1),
            (BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE, "node", DISABLED),
            (BindingStatus.PROXY_REG_NOT_ENABLED, "node", NODE1),
            (BindingStatus.TIMESTAMP_MISMATCH, "now", START),
            (BindingStatus.MISSING_HOME_NETWORK_PREFIX_OPTION, "prefixes", (ANY,)),
            (BindingStatus.MISSING_HANDOFF_INDICATOR_OPTION, "handoff", HandoffType.UNKNOWN),
            (BindingStatus.MISSING_ACCESS_TECH_TYPE_OPTION, "technology", AccessTechnology.IEEE_802_3),
        ]
        case: dict[str, object] = {"now": START - 60, "mag": STRANGER, **faults}
        for expected, remedied, remedy in remedies:
            arguments = {name: value for name, value in case.items() if name != "mag"}
            assert status(anchor(), pbu(**arguments), mag=case["mag"]) == expected  # type: ignore[arg-type]
            case[remedied] = remedy
        arguments = {name: value for name, value in case.items() if name != "mag"}
        assert status(anchor(), pbu(**arguments)) == BindingStatus.ACCEPTED  # type: ignore[arg-type]

    def test_a_plain_binding_update_is_dropped(self) -> None:
        effects = answer(anchor(), pbu(START, flags=BindingUpdateFlag.A), MAG1, START)
        assert only(of(effects, Notice)).kind == "not-a-proxy-registration"
        assert of(effects, Send) == []

    def test_a_refusal_repeats_what_was_asked_for(self) -> None:
        link_local = IPv6Address("fe80::1")
        prefixes = (FIXED, IPv6Network("2001:db8:100:4::/64"))
        reply = register(anchor(), pbu(START, ELSEWHERE, prefixes=prefixes, sequence=9, link_local=link_local), START)
        assert (reply.sequence, reply.lifetime) == (9, 0)
        assert networks(reply) == prefixes
        assert reply.option(LinkLocalAddress) == LinkLocalAddress(link_local)
        assert reply.option(Timestamp) == Timestamp.of(START)

    def test_a_refusal_has_empty_options_for_missing_ones(self) -> None:
        message = pbu(START, identifier=False, prefixes=(), handoff=None, technology=None, link=None, timestamp=False)
        reply = register(anchor(), message, START)
        assert reply.options == (
            MobileNodeIdentifier(b""),
            HomeNetworkPrefix(IPv6Address("::"), 0),
            HandoffIndicator(0),
            AccessTechnologyType(0),
        )


class TestOrder:
    """RFC 5213, section 5.5."""

    @pytest.mark.parametrize(("offset", "expected"), [(-0.25, 0), (0.25, 0), (-0.35, 156), (0.35, 156)])
    def test_the_validity_window(self, offset: float, expected: int) -> None:
        assert status(anchor(), pbu(START + offset)) == expected

    @pytest.mark.parametrize(("offset", "expected"), [(-0.1, 157), (0.0, 156), (0.1, 0)])
    def test_a_timestamp_must_be_newer_than_the_last(self, offset: float, expected: int) -> None:
        lma = anchor()
        register(lma, pbu(START), START)
        reply = register(lma, pbu(START + offset), START + 0.125)
        assert reply.status == expected
        own_time = Timestamp.of(START + 0.125)
        assert reply.option(Timestamp) == (own_time if expected else Timestamp.of(START + offset))

    def test_with_a_timestamp_the_sequence_number_does_not_matter(self) -> None:
        lma = anchor()
        register(lma, pbu(START, sequence=500), START)
        reply = register(lma, pbu(START + 1, sequence=3), START + 1)
        assert (reply.status, reply.sequence) == (0, 3)

    @pytest.mark.parametrize(
        ("last", "sequence", "expected"),
        [(7, 8, 0), (7, 7, 135), (7, 6, 135), (65535, 0, 0), (0, 65535, 135), (0, 32767, 0), (0, 32768, 135)],
    )
    def test_without_a_timestamp_the_sequence_number_decides(self, last: int, sequence: int, expected: int) -> None:
        lma = anchor()
        register(lma, pbu(START, sequence=last, timestamp=False), START)
        reply = register(lma, pbu(START, sequence=sequence, timestamp=False), START + 1)
        assert reply.status == expected
        assert reply.sequence == (last if expected else sequence)
        assert reply.option(Timestamp) is None
        assert only(list(lma.bindings)).timestamp == 0


class TestAssignment:
    def test_a_node_gets_a_prefix_of_the_slice(self) -> None:
        lma = anchor()
        reply = register(lma, pbu(START), START)
        assert reply.status == 0
        assert networks(reply) == (LMA_PREFIX,)
        assert only(list(lma.bindings)).prefixes == (LMA_PREFIX,)

    def test_a_node_gets_its_fixed_prefix(self) -> None:
        reply = register(anchor(), pbu(START, NODE3), START)
        assert networks(reply) == (FIXED,)

    def test_a_fixed_prefix_is_not_for_others(self) -> None:
        lma = anchor()
        message = pbu(START, NODE1, prefixes=(FIXED,))
        assert status(lma, message) == BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX
        assert lma.bindings == ()

    @pytest.mark.parametrize(
        "prefixes",
        [
            (IPv6Network("2001:db9::/64"),),  # of somebody else
            (IPv6Network("2001:db8:1ff::/64"),),  # of the other LMA's slice
            (IPv6Network("2001:db8:100:5::/128"),),
            (IPv6Network("2001:db8:100::/40"),),
            (IPv6Network("2001:db8:100:5::/64"), IPv6Network("2001:db8:100:6::/64")),
        ],
    )
    def test_a_prefix_that_is_not_ours_to_give_is_refused(self, prefixes: tuple[IPv6Network, ...]) -> None:
        message = pbu(START, prefixes=prefixes)
        assert status(anchor(), message) == BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX

    def test_after_a_restart_a_mag_may_ask_for_the_prefix_that_its_node_had(self) -> None:
        prefix = IPv6Network("2001:db8:100:5::/64")
        assert networks(register(anchor(), pbu(START, prefixes=(prefix, prefix)), START)) == (prefix,)

    def test_bits_beyond_the_prefix_length_do_not_count(self) -> None:
        option = HomeNetworkPrefix(IPv6Address("2001:db8:100:5::77"), 64)
        reply = register(anchor(), pbu(START, prefixes=(), more=(option,)), START)
        assert networks(reply) == (IPv6Network("2001:db8:100:5::/64"),)

    def test_the_pool_is_exhausted(self) -> None:
        lma = anchor(pool=PrefixPool(IPv6Network("2001:db8:200::/64")))
        assert status(lma, pbu(START)) == 0
        assert status(lma, pbu(START, NODE2, link=LINK2)) == BindingStatus.INSUFFICIENT_RESOURCES
        register(lma, pbu(START + 1, lifetime=0), START + 1)
        until(lma, START + 12)
        assert status(lma, pbu(START + 12, NODE2, link=LINK2), START + 12) == 0

    def test_the_pool_does_not_give_a_reserved_prefix(self) -> None:
        lma = anchor(pool=PrefixPool(FIXED))
        assert status(lma, pbu(START)) == BindingStatus.INSUFFICIENT_RESOURCES

    def test_a_mag_has_no_more_than_its_share_of_the_cache(self) -> None:
        lma = anchor(max_bindings_per_mag=1)
        assert status(lma, pbu(START)) == 0
        assert status(lma, pbu(START, NODE2, link=LINK2)) == BindingStatus.INSUFFICIENT_RESOURCES
        assert status(lma, pbu(START, NODE2, link=LINK2), mag=MAG2) == 0

    def test_the_lifetime_is_limited_by_the_configuration(self) -> None:
        lma = anchor(binding_lifetime=400)
        assert register(lma, pbu(START, lifetime=65535), START).lifetime == 100
        assert register(lma, pbu(START + 1, lifetime=1), START + 1).lifetime == 1

    def test_a_binding_ends_with_its_lifetime(self) -> None:
        lma = anchor()
        register(lma, pbu(START, lifetime=10), START)
        assert until(lma, START + 39.9) == []
        assert reports(until(lma, START + 40)) == [(START + 40, "binding-expired")]
        assert lma.bindings == ()

    def test_an_acceptance_repeats_what_it_must(self) -> None:
        reply = register(anchor(), pbu(START, sequence=77), START)
        assert (reply.sequence, reply.lifetime) == (77, 900)
        assert reply.options == (
            MobileNodeIdentifier(NODE1.identifier),
            HomeNetworkPrefix(LMA_PREFIX.network_address, 64),
            HandoffIndicator(HandoffType.UNKNOWN),
            AccessTechnologyType(AccessTechnology.IEEE_802_3),
            Timestamp.of(START),
            MobileNodeLinkLayerIdentifier(LINK1),
        )

    def test_the_reply_goes_to_the_source_and_the_binding_to_the_alternate_care_of_address(self) -> None:
        lma = anchor()
        effects = answer(lma, pbu(START, more=(AlternateCareOfAddress(MAG2),)), MAG1, START)
        assert only(of(effects, Send)).destination == MAG1
        assert only(list(lma.bindings)).care_of_address == MAG2


class TestLinkLocalAddress:
    """RFC 5213, section 8.6."""

    def test_the_lma_chooses_one_and_keeps_it(self) -> None:
        lma = anchor()
        unset = IPv6Address("::")
        first = register(lma, pbu(START, link_local=unset), START).option(LinkLocalAddress)
        assert first is not None and first.address.is_link_local
        again = register(lma, pbu(START + 1, link_local=unset), START + 1, MAG2).option(LinkLocalAddress)
        assert again == first

    def test_the_lma_repeats_what_the_mag_uses(self) -> None:
        lma = anchor()
        mine = IPv6Address("fe80::7")
        assert register(lma, pbu(START, link_local=mine), START).option(LinkLocalAddress) == LinkLocalAddress(mine)
        later = register(lma, pbu(START + 1, link_local=IPv6Address("::")), START + 1)
        assert later.option(LinkLocalAddress) == LinkLocalAddress(mine)


class TestLookup:
    """RFC 5213, section 5.4.1: by prefix (A), by link-layer identifier (B), by mobile node alone (C)."""

    def bound(self, **changes: object) -> LocalMobilityAnchor:
        """An LMA with one session of NODE1 at MAG1."""
        lma = anchor()
        assert status(lma, pbu(START, **changes)) == 0  # type: ignore[arg-type]
        return lma

    def asks(self, lma: LocalMobilityAnchor, mag: IPv6Address = MAG2, **changes: object) -> int | None:
        """The status for another PBU at once; None when it is not answered at once."""
        replies = sent(answer(lma, pbu(START + 1, **changes), mag, START + 1), BindingAcknowledgement)  # type: ignore[arg-type]
        return only(replies).status if replies else None

    def test_a1_nobody_holds_the_prefix(self) -> None:
        lma = self.bound()
        assert self.asks(lma, prefixes=(IPv6Network("2001:db8:100:9::/64"),), link=LINK2) == 0
        assert len(lma.bindings) == 2

    def test_a2_another_node_holds_the_prefix(self) -> None:
        lma = self.bound()
        assert self.asks(lma, node=NODE2, prefixes=(LMA_PREFIX,)) == 155

    def test_a3_the_sets_of_prefixes_differ(self) -> None:
        lma = self.bound()
        assert self.asks(lma, prefixes=(LMA_PREFIX, IPv6Network("2001:db8:100:9::/64"))) == 159
        assert self.asks(lma, prefixes=(LMA_PREFIX, ANY)) == 159

    @pytest.mark.parametrize(
        ("held", "asked"),
        [
            pytest.param({}, {}, id="a: same interface"),
            pytest.param({}, {"link": LINK2, "handoff": HandoffType.BETWEEN_INTERFACES}, id="b: between interfaces"),
            pytest.param({"link": None}, {"link": None, "handoff": HandoffType.BETWEEN_MAGS}, id="c: no identifier"),
            pytest.param({}, {"link": LINK2, "mag": MAG1}, id="d: same MAG"),
        ],
    )
    def test_a4_the_session_is_updated(self, held: dict[str, object], asked: dict[str, object]) -> None:
        lma = self.bound(**held)
        assert self.asks(lma, prefixes=(LMA_PREFIX,), **asked) == 0  # type: ignore[arg-type]
        assert only(list(lma.bindings)).care_of_address == asked.get("mag", MAG2)

    @pytest.mark.parametrize(
        "asked",
        [
            pytest.param({"link": LINK2}, id="other interface"),
            pytest.param({"technology": AccessTechnology.IEEE_802_11}, id="other technology"),
            pytest.param({"link": None, "handoff": HandoffType.BETWEEN_MAGS}, id="the entry has an identifier"),
            pytest.param({"link": LINK2, "technology": AccessTechnology.IEEE_802_11, "mag": MAG1}, id="same MAG only"),
        ],
    )
    def test_a5_otherwise_it_is_a_new_session_which_cannot_have_the_same_prefix(self, asked: dict[str, object]) -> None:
        lma = self.bound()
        assert self.asks(lma, prefixes=(LMA_PREFIX,), **asked) == 155  # type: ignore[arg-type]
        assert only(list(lma.bindings)).care_of_address == MAG1

    def test_a5_without_lifetime_it_is_ignored(self) -> None:
        lma = self.bound()
        assert self.asks(lma, prefixes=(LMA_PREFIX,), link=LINK2, lifetime=0) is None
        assert not only(list(lma.bindings)).leaving

    def test_b1_the_interface_is_known(self) -> None:
        lma = self.bound()
        assert self.asks(lma) == 0
        assert only(list(lma.bindings)).care_of_address == MAG2

    def test_b2_the_only_session_moves_to_another_interface(self) -> None:
        lma = self.bound()
        assert self.asks(lma, link=LINK2, handoff=HandoffType.BETWEEN_INTERFACES) == 0
        assert only(list(lma.bindings)).link_layer_identifier == LINK2

    def test_b2_there_must_be_exactly_one_session(self) -> None:
        lma = self.bound()
        assert self.asks(lma, link=LINK2, handoff=HandoffType.NEW_INTERFACE) == 0
        reply = register(
            lma, pbu(START + 2, link=b"\x02\0\0\0\1\7", handoff=HandoffType.BETWEEN_INTERFACES), START + 2, MAG3
        )
        assert reply.status == 0
        assert len(lma.bindings) == 3

    @pytest.mark.parametrize("link", [LINK2, None], ids=["b3", "c2"])
    def test_handoff_unknown_waits_and_takes_over_the_session_that_ends(self, link: bytes | None) -> None:
        lma = self.bound()
        assert self.asks(lma, link=link) is None
        effects = answer(lma, pbu(START + 2, lifetime=0, prefixes=(LMA_PREFIX,)), MAG1, START + 2)
        replies = of(effects, Send)
        assert [(reply.destination, reply.message.status) for reply in replies] == [(MAG1, 0), (MAG2, 0)]  # type: ignore[attr-defined]
        entry = only(list(lma.bindings))
        assert (entry.care_of_address, entry.leaving, entry.prefixes) == (MAG2, False, (LMA_PREFIX,))
        assert until(lma, START + 100) == []

    @pytest.mark.parametrize("link", [LINK2, None], ids=["b3", "c2"])
    def test_handoff_unknown_waits_no_longer_than_it_may(self, link: bytes | None) -> None:
        lma = self.bound()
        assert self.asks(lma, link=link) is None
        effects = until(lma, START + 100)
        assert {when for when, _ in effects} == {START + 2.5}
        reply = only(sent([effect for _, effect in effects], BindingAcknowledgement))
        assert reply.status == 0
        assert {entry.care_of_address for entry in lma.bindings} == {MAG1, MAG2}
        assert len({prefix for entry in lma.bindings for prefix in entry.prefixes}) == 2

    def test_b3_a_session_that_is_leaving_is_taken_over_at_once(self) -> None:
        lma = self.bound()
        register(lma, pbu(START + 0.5, lifetime=0), START + 0.5)
        assert self.asks(lma, link=LINK2) == 0
        assert only(list(lma.bindings)).link_layer_identifier == LINK2

    def test_b3_a_retransmission_is_answered_in_place_of_the_first(self) -> None:
        lma = self.bound()
        assert self.asks(lma, link=LINK2, sequence=5) is None
        assert sent(answer(lma, pbu(START + 2, link=LINK2, sequence=6), MAG2, START + 2), BindingAcknowledgement) == []
        assert status(lma, pbu(START + 1.9, link=LINK2, sequence=5), START + 2, MAG2) == 157
        effects = until(lma, START + 100)
        reply = only(sent([effect for _, effect in effects], BindingAcknowledgement))
        assert reply.sequence == 6
        assert effects[-1][0] == START + 2.5

    def test_b3_a_node_that_leaves_again_is_not_waited_for(self) -> None:
        lma = self.bound()
        assert self.asks(lma, link=LINK2) is None
        assert sent(answer(lma, pbu(START + 2, link=LINK2, lifetime=0), MAG2, START + 2), BindingAcknowledgement) == []
        assert until(lma, START + 100) == []
        assert only(list(lma.bindings)).care_of_address == MAG1

    def test_b4_otherwise_it_is_a_new_session(self) -> None:
        lma = self.bound()
        assert self.asks(lma, link=LINK2, handoff=HandoffType.NEW_INTERFACE) == 0
        assert len({prefix for entry in lma.bindings for prefix in entry.prefixes}) == 2

    def test_a_second_interface_does_not_share_the_fixed_prefix(self) -> None:
        lma = anchor()
        register(lma, pbu(START, NODE3), START)
        reply = register(lma, pbu(START + 1, NODE3, link=LINK2, handoff=HandoffType.NEW_INTERFACE), START + 1)
        assert reply.status == 0
        assert networks(reply) != (FIXED,)

    @pytest.mark.parametrize("handoff", [HandoffType.BETWEEN_INTERFACES, HandoffType.BETWEEN_MAGS])
    def test_c1_the_only_session_is_meant(self, handoff: HandoffType) -> None:
        lma = self.bound(link=None)
        assert self.asks(lma, link=None, handoff=handoff) == 0
        assert only(list(lma.bindings)).care_of_address == MAG2

    @pytest.mark.parametrize("handoff", [HandoffType.NEW_INTERFACE, HandoffType.RE_REGISTRATION, 99])
    def test_c3_otherwise_it_is_a_new_session(self, handoff: int) -> None:
        lma = self.bound(link=None)
        assert self.asks(lma, link=None, handoff=handoff) == 0
        assert len(lma.bindings) == 2


class TestSession:
    def test_refresh(self) -> None:
        lma = anchor()
        register(lma, pbu(START), START)
        effects = answer(
            lma,
            pbu(START + 100, prefixes=(LMA_PREFIX,), handoff=HandoffType.RE_REGISTRATION, lifetime=500),
            MAG1,
            START + 100,
        )
        assert of(effects, Notice) == []
        entry = only(list(lma.bindings))
        assert (entry.expires, entry.lifetime) == (START + 2100, 500)
        assert entry.timestamp == Timestamp.of(START + 100).ticks

    def test_handoff_keeps_the_prefix(self) -> None:
        lma = anchor()
        register(lma, pbu(START), START)
        effects = answer(lma, pbu(START + 5), MAG2, START + 5)
        assert networks(only(sent(effects, BindingAcknowledgement))) == (LMA_PREFIX,)
        assert [report.kind for report in of(effects, Notice)] == ["handoff", "revocation"]
        assert only(list(lma.bindings)).care_of_address == MAG2

    def test_a_deregistered_session_stays_for_a_while(self) -> None:
        lma = anchor()
        register(lma, pbu(START), START)
        reply = register(lma, pbu(START + 5, lifetime=0, prefixes=(LMA_PREFIX,)), START + 5)
        assert (reply.status, reply.lifetime, networks(reply)) == (0, 0, (LMA_PREFIX,))
        assert only(list(lma.bindings)).leaving
        assert until(lma, START + 14.9) == []
        assert reports(until(lma, START + 15)) == [(START + 15, "binding-deleted")]
        assert lma.bindings == ()

    def test_deregistering_again_does_not_prolong_it(self) -> None:
        lma = anchor()
        register(lma, pbu(START), START)
        register(lma, pbu(START + 5, lifetime=0), START + 5)
        assert register(lma, pbu(START + 9, lifetime=0), START + 9).status == 0
        assert reports(until(lma, START + 20)) == [(START + 15, "binding-deleted")]

    @pytest.mark.parametrize("mag", [MAG1, MAG2])
    def test_a_leaving_session_is_revived(self, mag: IPv6Address) -> None:
        lma = anchor()
        register(lma, pbu(START), START)
        register(lma, pbu(START + 5, lifetime=0), START + 5)
        reply = register(lma, pbu(START + 6), START + 6, mag)
        assert networks(reply) == (LMA_PREFIX,)
        assert until(lma, START + 100) == []
        entry = only(list(lma.bindings))
        assert (entry.care_of_address, entry.leaving) == (mag, False)

    def test_the_old_mag_comes_late(self) -> None:
        lma = anchor()
        register(lma, pbu(START), START)
        register(lma, pbu(START + 5), START + 5, MAG2)
        effects = answer(lma, pbu(START + 5.1, lifetime=0, prefixes=(LMA_PREFIX,)), MAG1, START + 5.1)
        assert of(effects, Send) == []
        assert only(of(effects, Notice)).kind == "late-deregistration"
        entry = only(list(lma.bindings))
        assert (entry.care_of_address, entry.leaving) == (MAG2, False)

    def test_nothing_to_deregister_is_not_answered(self) -> None:
        assert of(answer(anchor(), pbu(START, lifetime=0), MAG1, START), Send) == []


class TestTunnels:
    def test_the_acknowledgement_follows_the_tunnel(self) -> None:
        lma = anchor(encapsulation=Encapsulation.SRV6)
        assert answer(lma, TunnelRequest(MAG1), MAG1, START) == [BuildTunnel(MAG1)]
        assert answer(lma, TunnelRequest(MAG1), MAG1, START + 1) == []
        ack = Send(TunnelAck(LMA1, options=(TunnelStatus(0, Encapsulation.SRV6),)), MAG1)
        lma.tunnel_built(MAG1, START + 2)
        assert lma.effects()[0] == ack
        assert answer(lma, TunnelRequest(MAG1), MAG1, START + 3) == [ack]

    @pytest.mark.parametrize(
        ("mag", "source"), [(STRANGER, STRANGER), (MAG1, STRANGER), (MAG1, MAG2), (STRANGER, MAG1)]
    )
    def test_e40_no_state_for_a_stranger(self, mag: IPv6Address, source: IPv6Address) -> None:
        lma = anchor()
        assert only(of(answer(lma, TunnelRequest(mag), source, START), Notice)).kind == "unknown-mag"
        assert lma.effects() == []
        assert STRANGER not in lma.tunnels

    def test_a_tunnel_that_failed_is_not_acknowledged_and_is_tried_again(self) -> None:
        lma = anchor()
        answer(lma, TunnelRequest(MAG1), MAG1, START)
        lma.tunnel_failed(MAG1, START + 1)
        effects = lma.effects()
        assert only(of(effects, RemoveTunnel)) == RemoveTunnel(MAG1)
        assert of(effects, Send) == []
        assert answer(lma, TunnelRequest(MAG1), MAG1, START + 2) == [BuildTunnel(MAG1)]

    def test_a_restarted_lma_builds_the_tunnel_for_whoever_registers(self) -> None:
        lma = anchor()
        assert only(of(answer(lma, pbu(START), MAG1, START), BuildTunnel)) == BuildTunnel(MAG1)
        assert of(answer(lma, pbu(START + 1), MAG1, START + 1), BuildTunnel) == []

    def test_a_message_that_is_not_for_an_lma_is_reported(self) -> None:
        assert only(of(answer(anchor(), LoadInfo(0.5, 0, ()), RMS, START), Notice)).kind == "unexpected-message"


class TestRoutes:
    PREFIX = IPv6Address("2001:db8:100::")
    NONE = IPv6Address("::")

    def adjust(self, when: float | None, new: IPv6Address = MAG1, old: IPv6Address = NONE) -> RouteAdjust:
        return RouteAdjust(self.PREFIX, old, new, options=() if when is None else (Timestamp.of(when),))

    def test_e37_the_same_message_acknowledges(self) -> None:
        lma = anchor()
        message = self.adjust(START)
        for now in (START, START + 1):
            assert answer(lma, message, RMS, now) == [Send(message, RMS)]
        assert lma.routes == {self.PREFIX: MAG1}

    def test_without_a_timestamp_there_is_no_acknowledgement(self) -> None:
        lma = anchor()
        assert answer(lma, self.adjust(None), RMS, START) == []
        assert lma.routes == {self.PREFIX: MAG1}

    @pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 3, 2)])
    def test_e38_the_newest_wins(self, order: tuple[int, ...]) -> None:
        lma = anchor()
        mags = {1: MAG1, 2: MAG2, 3: MAG3}
        for number in order:
            answer(lma, self.adjust(START + number, mags[number]), RMS, START + 5)
        assert lma.routes == {self.PREFIX: MAG3}

    def test_e38_two_of_one_time_conflict(self) -> None:
        lma = anchor()
        answer(lma, self.adjust(START, MAG1), RMS, START)
        effects = answer(lma, self.adjust(START, MAG2), RMS, START)
        assert only(of(effects, Notice)).kind == "conflicting-route-adjust"
        assert lma.routes == {self.PREFIX: MAG1}

    def test_e36_a_departed_node_has_no_route_and_a_late_message_brings_none(self) -> None:
        lma = anchor()
        answer(lma, self.adjust(START), RMS, START)
        answer(lma, self.adjust(START + 2, self.NONE, MAG1), RMS, START + 2)
        assert lma.routes == {}
        assert only(of(answer(lma, self.adjust(START + 1), RMS, START + 3), Notice)).kind == "stale-route-adjust"
        assert lma.routes == {}

    def test_e44_only_the_rms_says_so(self) -> None:
        lma = anchor()
        assert only(of(answer(lma, self.adjust(START), MAG1, START), Notice)).kind == "not-from-rms"
        assert lma.routes == {}

    def test_a_route_to_an_unknown_mag_is_refused(self) -> None:
        lma = anchor()
        assert only(of(answer(lma, self.adjust(START, STRANGER), RMS, START), Notice)).kind == "unknown-mag"
        assert lma.routes == {}


class TestEnds:
    """An LMA tells the RMS of the end of a session if its MAG does not (erratum E36)."""

    LATER = START + 3600 + 10  # the end of a session that nobody extends, and MinDelayBeforeBCEDelete

    def with_session(self) -> tuple[LocalMobilityAnchor, RouteAdjust]:
        """An LMA with a session, and what it will tell of its end."""
        lma = anchor()
        register(lma, pbu(START), START)
        ended = RouteAdjust(
            LMA_PREFIX.network_address,
            MAG1,
            IPv6Address("::"),
            options=(
                Timestamp(Timestamp.of(START).ticks + 1),
                MobileNodeIdentifier(NODE1.identifier),
                Attachment(0, LMA1),
            ),
        )
        return lma, ended

    def told(self, lma: LocalMobilityAnchor, until_: float) -> list[tuple[float, RouteAdjust]]:
        effects = until(lma, until_)
        assert all(effect.destination == RMS for _, effect in effects if isinstance(effect, Send))
        return [(when, message) for when, effect in effects for message in sent([effect], RouteAdjust)]

    def test_it_is_told_until_it_is_answered(self) -> None:
        lma, ended = self.with_session()
        seen = self.told(lma, self.LATER + 7)
        assert seen == [(self.LATER + after, ended) for after in (0, 1, 3, 7)]
        assert answer(lma, ended, RMS, self.LATER + 7) == []  # and the answer is not acknowledged
        assert self.told(lma, self.LATER + 10_000) == []

    def test_it_is_not_told_when_the_mag_does_so_in_time(self) -> None:
        lma, ended = self.with_session()
        register(lma, pbu(START + 5, lifetime=0), START + 5)
        by_the_mag = RouteAdjust(ended.prefix, MAG1, ended.new_mag, options=ended.options[:2])
        assert self.told(lma, START + 24) == []
        assert answer(lma, by_the_mag, RMS, START + 24) == [Send(by_the_mag, RMS)]
        assert self.told(lma, START + 10_000) == []

    def test_what_the_rms_said_of_the_time_before_does_not_count(self) -> None:
        lma, ended = self.with_session()
        until(lma, START + 3600)
        answer(lma, RouteAdjust(ended.prefix, ended.new_mag, MAG1, options=(Timestamp.of(START),)), RMS, START + 3601)
        assert self.told(lma, self.LATER) == [(self.LATER, ended)]

    def test_the_end_of_a_session_without_timestamps_has_the_time_of_its_registration(self) -> None:
        lma = anchor()
        register(lma, pbu(START, timestamp=False), START)
        [(_, message)] = self.told(lma, self.LATER)
        assert message.option(Timestamp) == Timestamp(Timestamp.of(START).ticks + 1)

    def test_a_session_that_the_operator_ended_at_a_silent_mag(self) -> None:
        lma, ended = self.with_session()
        lma.revoke(NODE1.identifier, START + 1)
        lma.effects()
        effects = until(lma, START + 14.5)  # twice told, after 1 and 2 s given up
        assert [message for _, effect in effects for message in sent([effect], RouteAdjust)] == [ended]
