"""Route_adjust from the datagram to routes in force, and the answers to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.controller.switches.mag_rules import FORWARDING_TIME, MagRule
from ryu_pmipls.controller.switches.reconciler import TIMEOUT
from ryu_pmipls.controller.switches.session import CHANGE_TIMEOUT, MAX_LAPSED
from ryu_pmipls.wire import (
    Attachment,
    GrantKey,
    LoadAdjust,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    RouteSnapshot,
    Timestamp,
    TunnelRequest,
)
from tests.fakes.flow_tables import TABLE_FULL
from tests.fakes.openflow_switch import FLOW_MOD
from tests.fakes.rms_domain import SLOW_PACE, RmsDomain, profile_with, running

LMAS = ("lma1", "lma2")
NODE = bytes.fromhex("020000000101")


def routes(domain: RmsDomain, number: int) -> list[str | None]:
    return [domain.routed_to(lma, domain.prefix(number)) for lma in LMAS]


def at_mag(domain: RmsDomain, mag: str, number: int) -> Counter[Any]:
    """The rules of the entries that a MAG has for a prefix."""
    return Counter(entry.rule for entry in domain.entries(mag) if entry.home_prefix == domain.prefix(number))


def refused(domain: RmsDomain) -> Counter[str]:
    return Counter(domain.get("/v1/health")["refused"])


DELIVERY = Counter([MagRule.GUARD, MagRule.UPLINK, MagRule.DOWNLINK])
FORWARDING = Counter([MagRule.FORWARDING])


def test_an_attachment_is_answered_when_it_is_stored_and_in_force_everywhere(domain: RmsDomain) -> None:
    domain.switches["lma2"].hold_barriers = True
    said = domain.report("mag1", 1, None, "mag1")
    domain.run(0.5)
    assert said not in domain.agents["mag1"].heard
    assert at_mag(domain, "mag1", 1) == DELIVERY
    domain.switches["lma2"].release_barriers()
    domain.until(lambda: said in domain.agents["mag1"].heard)
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]
    assert [binding.mag for binding in domain.store.store.load_bindings()] == ["mag1"]
    for lma in LMAS:
        domain.until(lambda lma=lma: said in domain.agents[lma].heard)  # type: ignore[misc]


def test_the_mag_is_written_before_the_lmas_lead_there(domain: RmsDomain) -> None:
    domain.switches["mag1"].hold_barriers = True
    domain.report("mag1", 1, None, "mag1")
    domain.run(0.5)
    assert at_mag(domain, "mag1", 1) == DELIVERY
    assert routes(domain, 1) == [None, None]
    domain.switches["mag1"].release_barriers()
    domain.until(lambda: routes(domain, 1) == ["t-mag1", "t-mag1"])


def test_a_handoff_moves_the_routes_and_has_the_old_mag_send_on_for_a_while(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    said = domain.report("mag2", 1, "mag1", "mag2")
    domain.until(lambda: said in domain.agents["mag2"].heard)
    assert routes(domain, 1) == ["t-mag2", "t-mag2"]
    domain.until(lambda: said in domain.agents["mag1"].heard)  # told when its switch does so
    assert at_mag(domain, "mag1", 1) == FORWARDING
    assert at_mag(domain, "mag2", 1) == DELIVERY
    domain.run(FORWARDING_TIME + 0.1)
    assert at_mag(domain, "mag1", 1) == Counter()
    (binding,) = domain.get("/v1/bindings")
    assert (binding["mag"], binding["previous_mag"]) == ("mag2", "mag1")


def test_a_quick_way_back_leaves_what_the_mag_needs(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.attach(1, "mag2", "mag1")
    domain.attach(1, "mag1", "mag2")
    domain.run(5)
    assert (at_mag(domain, "mag1", 1), at_mag(domain, "mag2", 1)) == (DELIVERY, Counter())
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]


def test_without_forwarding_the_old_mag_has_nothing_left_and_is_told_nothing() -> None:
    with running(profile_with({"handoff": {"forwarding": False}})) as domain:
        domain.attach(1, "mag1")
        heard = len(domain.agents["mag1"].heard)
        domain.attach(1, "mag2", "mag1")
        domain.run(0.5)
        assert at_mag(domain, "mag1", 1) == Counter()
        assert len(domain.agents["mag1"].heard) == heard


def test_another_port_or_link_layer_address_replaces_what_was_there(domain: RmsDomain) -> None:
    domain.attach(1, "mag1", port=1)
    domain.attach(1, "mag1", "mag1", port=2, node=9)
    domain.run(0.5)
    (guard,) = (entry for entry in domain.entries("mag1") if entry.rule is MagRule.GUARD)
    assert (guard.named_values["port"], guard.named_values["link_layer_address"]) == (
        2,
        bytes.fromhex("020000000109"),
    )
    assert at_mag(domain, "mag1", 1) == DELIVERY


def test_a_detachment_takes_away_all_and_is_announced_without_the_attachment(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    heard = len(domain.agents["mag1"].heard)
    said = domain.report("mag1", 1, "mag1", None)
    domain.until(lambda: said in domain.agents["mag1"].heard)
    domain.until(lambda: routes(domain, 1) == [None, None])
    domain.run(0.5)
    assert len(domain.agents["mag1"].heard) == heard + 1  # there is nothing to forward, and nowhere to
    assert at_mag(domain, "mag1", 1) == Counter()
    assert domain.get("/v1/bindings") == []
    (announced,) = (told for told in domain.agents["lma1"].route_adjusts() if told.new_mag.is_unspecified)
    assert announced.option(Attachment) is None
    assert announced.option(Timestamp) == said.option(Timestamp)


def keep_agents_heard(domain: RmsDomain) -> None:
    """Have LMAs report now and then."""
    while True:
        domain.report_gateways()
        hub.sleep(300)


def test_a_detached_prefix_is_forgotten_after_an_hour_and_a_store_that_fails_stops_nothing() -> None:
    with running(profile_with(SLOW_PACE)) as domain:
        hub.spawn(keep_agents_heard, domain)
        domain.attach(1, "mag1")
        domain.attach(2, "mag1")
        domain.attach(3, "mag1")
        domain.report("mag1", 1, "mag1", None)
        domain.run(100)
        domain.report("mag1", 3, "mag1", None)
        domain.store.failing = lambda method: method == "delete_bindings"
        domain.run(3480)
        assert domain.get("/v1/health")["bindings"] == 3
        domain.run(90)
        assert domain.get("/v1/health")["bindings"] == 2
        assert "the disk is full (delete_bindings)" in domain.log.lines
        domain.store.failing = lambda method: False
        domain.run(120)
        assert domain.get("/v1/health")["bindings"] == 1
        kept = {binding.prefix for binding in domain.store.store.load_bindings()}
        assert kept == {domain.prefix(number).network_address.packed[:8] for number in (1, 2)}


def test_what_comes_out_of_order_changes_nothing_and_is_answered(domain: RmsDomain) -> None:
    begin = domain.clock.wall()
    domain.attach(1, "mag1", when=begin)
    domain.attach(1, "mag2", "mag1", when=begin + 1)
    before = domain.get("/v1/bindings")
    late = domain.report("mag1", 1, "mag1", None, when=begin + 0.9)
    older = domain.report("mag1", 1, None, "mag1", when=begin + 0.5)
    domain.until(lambda: {late, older} <= {*domain.agents["mag1"].route_adjusts()})
    assert routes(domain, 1) == ["t-mag2", "t-mag2"]
    assert domain.get("/v1/bindings") == before


def test_a_detachment_by_the_mag_that_was_left_changes_nothing(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.attach(1, "mag2", "mag1")
    late = domain.report("mag1", 1, "mag1", None)
    domain.until(lambda: late in domain.agents["mag1"].heard)
    assert routes(domain, 1) == ["t-mag2", "t-mag2"]


def test_a_repetition_is_answered_again_and_writes_nothing_that_was_not_there(domain: RmsDomain) -> None:
    when = domain.clock.wall()
    domain.attach(1, "mag1", when=when)
    before = domain.entries("lma1")
    heard = len(domain.agents["mag1"].heard)
    domain.report("mag1", 1, None, "mag1", when=when)
    domain.until(lambda: len(domain.agents["mag1"].heard) > heard)
    assert domain.entries("lma1") == before


def test_a_repetition_while_the_first_is_under_way_gets_the_answer_of_the_first(domain: RmsDomain) -> None:
    when = domain.clock.wall()
    domain.switches["lma1"].hold_barriers = True
    said = domain.report("mag1", 1, None, "mag1", when=when)
    domain.run(0.2)
    domain.report("mag1", 1, None, "mag1", when=when)
    domain.run(0.2)
    assert domain.agents["mag1"].route_adjusts() == []
    domain.switches["lma1"].release_barriers()
    domain.run(0.2)
    assert domain.agents["mag1"].route_adjusts() == [said]


def test_the_latest_of_several_handoffs_under_way_is_the_one_that_stays(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.switches["lma1"].hold_barriers = True
    first = domain.report("mag2", 1, "mag1", "mag2")
    domain.run(0.1)
    second = domain.report("mag1", 1, "mag2", "mag1")
    domain.run(0.1)
    domain.switches["lma1"].release_barriers()
    domain.until(lambda: second in domain.agents["mag1"].heard)
    domain.run(5)
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]
    assert (at_mag(domain, "mag1", 1), at_mag(domain, "mag2", 1)) == (DELIVERY, Counter())
    for lma in LMAS:
        assert domain.agents[lma].route_adjusts()[-1] == second
        assert first not in domain.agents[lma].heard


def test_a_message_without_a_timestamp_is_done_and_not_answered(domain: RmsDomain) -> None:
    options = (
        MobileNodeIdentifier(b"mn3@example.net"),
        MobileNodeLinkLayerIdentifier(NODE),
        Attachment(1, domain.profile.lma("lma1").address),
    )
    domain.report("mag1", 3, None, "mag1", options=options)
    domain.until(lambda: routes(domain, 3) == ["t-mag1", "t-mag1"])
    domain.run(1)
    assert domain.agents["mag1"].route_adjusts() == []
    (binding,) = domain.get("/v1/bindings")
    assert abs(binding["since"] - domain.clock.wall()) < 3


def test_a_mag_that_speaks_only_the_draft_gets_routes_and_nothing_on_its_own_switch(domain: RmsDomain) -> None:
    domain.report("mag1", 3, None, "mag1", options=())  # a prefix that the profile fixes
    domain.until(lambda: routes(domain, 3) == ["t-mag1", "t-mag1"])
    assert at_mag(domain, "mag1", 3) == Counter()
    (binding,) = domain.get("/v1/bindings")
    assert binding["anchor"] == "lma1"  # the profile's, which answers for the session


def test_what_may_not_be_said_is_counted_by_reason(domain: RmsDomain) -> None:
    addresses = {mag.name: mag.address for mag in domain.profile.mags}
    now = Timestamp.of(domain.clock.wall())
    nowhere = IPv6Address("::")
    attached = domain.report("mag2", 5, None, "mag2")
    domain.until(lambda: attached in domain.agents["mag2"].heard)
    for message in (
        RouteAdjust(IPv6Address("2001:db8:9900::"), nowhere, addresses["mag1"], options=(now,)),
        RouteAdjust(IPv6Address("2001:db8:ff::"), nowhere, addresses["mag1"], options=(now,)),
        RouteAdjust(IPv6Address("2001:db8:200::"), nowhere, addresses["mag1"], options=(now,)),
        replace(attached, new_mag=addresses["mag1"], options=(now,)),
        replace(attached, new_mag=addresses["mag1"], options=(MobileNodeLinkLayerIdentifier(b"\1" * 8), now)),
        attached,  # mag2 alone may say that
        TunnelRequest(addresses["mag1"]),
        LoadAdjust(domain.profile.lma("lma1").address, domain.profile.lma("lma2").address),
    ):
        domain.agents["mag1"].say(message)
    domain.report("mag1", 5, None, "mag1", when=domain.clock.wall() + 10)
    domain.run(1)
    assert refused(domain) == Counter(
        {
            "route_adjust: prefix is not of the domain": 3,
            "route_adjust: prefix not granted by an anchor": 1,
            "route_adjust: timestamp in the future": 1,
            "route_adjust: link-layer address is not one of Ethernet": 1,
            "not permitted: RouteAdjust": 1,
            "not permitted: TunnelRequest": 1,
            "nothing to answer": 1,
        }
    )
    assert [binding["mag"] for binding in domain.get("/v1/bindings")] == ["mag2"]


def test_the_first_and_the_last_prefix_of_the_pool_are_of_the_domain(domain: RmsDomain) -> None:
    domain.attach(0, "mag1")
    domain.attach(2**24 - 1, "mag1")
    assert [binding["prefix"] for binding in domain.get("/v1/bindings")] == [
        "2001:db8:100::/64",
        "2001:db8:1ff:ffff::/64",
    ]


def test_a_timestamp_up_to_five_seconds_ahead_is_taken(domain: RmsDomain) -> None:
    domain.attach(1, "mag1", when=domain.clock.wall() + 4.9)
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]


def test_the_anchor_may_report_the_end_of_a_session_and_no_other_lma(domain: RmsDomain) -> None:
    domain.attach(1, "mag1", anchor="lma1")
    now = domain.clock.wall() + 0.1
    by_other = domain.report("lma2", 1, "mag1", None, when=now, port=0, anchor="lma2")
    domain.report("lma1", 1, "mag1", None, options=(Timestamp.of(now),))  # names no anchor
    domain.run(1)
    assert refused(domain) == Counter(
        {"route_adjust: from an LMA that does not anchor the prefix": 1, "nothing to answer": 1}
    )
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]
    assert by_other not in domain.agents["lma2"].heard
    said = domain.report("lma1", 1, "mag1", None, when=now, port=0, anchor="lma1")
    domain.until(lambda: said in domain.agents["lma1"].heard)
    assert routes(domain, 1) == [None, None]
    heard = len(domain.agents["lma1"].heard)
    domain.report("lma1", 1, "mag1", None, when=now, port=0, anchor="lma1")
    domain.until(lambda: len(domain.agents["lma1"].heard) > heard)  # a repetition is answered, too


def test_an_lma_may_report_the_end_of_a_session_that_the_rms_does_not_know(domain: RmsDomain) -> None:
    said = domain.report("lma2", 7, "mag1", None, port=0, anchor="lma2")
    domain.until(lambda: said in domain.agents["lma2"].heard)
    assert domain.get("/v1/bindings") == []


def test_a_switch_that_is_away_gets_the_route_when_it_returns(domain: RmsDomain) -> None:
    domain.switches["lma2"].disconnect()
    domain.until(lambda: domain.state("lma2") == "disconnected")
    domain.attach(1, "mag1")
    assert routes(domain, 1) == ["t-mag1", None]
    domain.connect("lma2")
    domain.until_ready()
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]


def test_a_mag_whose_switch_is_away_holds_up_nothing(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.switches["mag1"].disconnect()
    domain.until(lambda: domain.state("mag1") == "disconnected")
    moved = domain.report("mag2", 1, "mag1", "mag2")
    domain.until(lambda: moved in domain.agents["mag2"].heard)
    domain.run(1)
    assert moved not in domain.agents["mag1"].heard
    assert at_mag(domain, "mag1", 1) == DELIVERY  # nobody could tell it
    domain.connect("mag1")
    domain.until_ready()
    assert at_mag(domain, "mag1", 1) == Counter()


def test_no_switch_at_all_is_no_answer_until_one_is_there(domain: RmsDomain) -> None:
    for switch in domain.switches.values():
        switch.disconnect()
    domain.run(1)
    when = domain.clock.wall()
    said = domain.report("mag1", 1, None, "mag1", when=when)
    domain.run(1)
    assert said not in domain.agents["mag1"].heard
    assert any("is not in force: no switch is connected" in line for line in domain.log.lines)
    domain.connect()
    domain.until_ready()
    domain.report("mag1", 1, None, "mag1", when=when)
    domain.until(lambda: said in domain.agents["mag1"].heard)


def test_a_switch_that_hangs_is_waited_for_until_it_is_known(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    hanging = domain.switches["lma2"]
    hanging.hang = True
    begin = domain.clock.monotonic()
    domain.attach(1, "mag2", "mag1")
    noticed = domain.clock.monotonic()
    assert noticed - begin < 3 < CHANGE_TIMEOUT
    domain.attach(2, "mag1")
    assert domain.clock.monotonic() - noticed < 0.1  # nobody waits for it any more
    assert domain.routed_to("lma1", domain.prefix(1)) == "t-mag2"
    hanging.catch_up()
    domain.until(lambda: (routes(domain, 1)[1], routes(domain, 2)[1]) == ("t-mag2", "t-mag1"))


def reasons(domain: RmsDomain) -> list[str]:
    return [reason["text"] for reason in domain.get("/v1/health")["reasons"]]


def test_a_switch_that_answers_echoes_but_no_barriers_holds_no_handoff_up(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.switches["lma2"].hold_barriers = True
    begin = domain.clock.monotonic()
    domain.attach(1, "mag2", "mag1")
    noticed = domain.clock.monotonic()
    assert noticed - begin < 3 < CHANGE_TIMEOUT
    for number in range(2, 40):
        domain.attach(number, "mag1")
    assert domain.clock.monotonic() - noticed < 4
    domain.until(lambda: "the switch of lma2 answers no barriers: nobody waits for it" in reasons(domain))
    assert domain.state("lma2") == "ready"
    domain.switches["lma2"].release_barriers()
    domain.until(lambda: not any("barriers" in text for text in reasons(domain)))
    domain.until(lambda: (routes(domain, 1)[1], routes(domain, 39)[1]) == ("t-mag2", "t-mag1"))
    domain.attach(40, "mag1")
    assert routes(domain, 40) == ["t-mag1", "t-mag1"]


def test_a_barrier_that_is_never_answered_frees_its_place_and_the_switch_is_brought_in_line(domain: RmsDomain) -> None:
    switch = domain.switches["lma2"]
    switch.hold_barriers = True
    for number in range(4):  # two writes under way, and two that wait
        domain.attach(number, "mag1")
    switch.lose_barriers()
    written = switch.received[FLOW_MOD]
    domain.run(CHANGE_TIMEOUT + 1)
    assert switch.received[FLOW_MOD] > written
    domain.attach(10, "mag1")
    domain.until(lambda: sum(line.startswith("lma2: 0 groups, ") for line in domain.log.lines) > 1)
    domain.until_ready()
    assert [routes(domain, number)[1] for number in (0, 1, 2, 3, 10)] == ["t-mag1"] * 5


def test_a_switch_that_answers_no_barriers_for_long_is_disconnected_and_begun_anew(domain: RmsDomain) -> None:
    switch = domain.switches["lma2"]
    switch.hold_barriers = True
    number = 0
    deadline = domain.clock.monotonic() + MAX_LAPSED * TIMEOUT
    while switch.connected:
        assert domain.clock.monotonic() < deadline
        number += 1
        domain.attach(number, "mag1")
        domain.run(1)
    assert "switch 0000000000000012 answers no barriers: disconnected" in domain.log.lines
    switch.hold_barriers = False
    domain.connect("lma2")
    domain.until_ready()
    assert routes(domain, number) == ["t-mag1", "t-mag1"]


def test_what_a_switch_refuses_is_told_and_done_when_it_can_be(domain: RmsDomain) -> None:
    def full(kind: int, body: bytes) -> tuple[int, int] | None:
        return TABLE_FULL if kind == FLOW_MOD and body[16] == 2 and body[17] == 0 else None

    switch = domain.switches["lma2"]
    switch.refuse = full
    when = domain.clock.wall()
    said = domain.report("mag1", 1, None, "mag1", when=when)
    other = domain.report("mag1", 2, None, "mag1", when=when)
    domain.run(1)
    assert domain.get("/v1/lmas/lma2")["errors"]["FMFC_TABLE_FULL"] >= 2
    assert domain.get("/v1/health")["switch_errors"]["lma2"]["FMFC_TABLE_FULL"] >= 2
    assert routes(domain, 1) == ["t-mag1", None]
    assert {said, other}.isdisjoint(domain.agents["mag1"].heard)
    assert any("is not in force: lma2: FMFC_TABLE_FULL" in line for line in domain.log.lines)
    switch.refuse = lambda kind, body: None
    domain.until(lambda: routes(domain, 1) == routes(domain, 2) == ["t-mag1", "t-mag1"])
    domain.report("mag1", 1, None, "mag1", when=when)
    domain.until(lambda: said in domain.agents["mag1"].heard)


def test_one_route_that_is_refused_does_not_hold_up_those_beside_it(domain: RmsDomain) -> None:
    unlucky = domain.prefix(1).network_address.packed[:8]
    domain.switches["lma1"].refuse = lambda kind, body: TABLE_FULL if kind == FLOW_MOD and unlucky in body else None
    refused_, accepted = domain.report("mag1", 1, None, "mag1"), domain.report("mag1", 2, None, "mag1")
    domain.until(lambda: accepted in domain.agents["mag1"].heard)
    domain.run(1)
    assert refused_ not in domain.agents["mag1"].heard
    assert routes(domain, 2) == ["t-mag1", "t-mag1"]


def test_what_a_switch_can_never_do_is_not_tried_again_and_again() -> None:
    with running(profile_with({"timers": {"audit_interval": None}})) as domain:
        said = domain.report("mag1", 1, None, "mag1", port=70000)
        domain.run(1)
        errors = domain.get("/v1/mags/mag1")["errors"]
        assert errors == {"BMC_BAD_VALUE": 1}
        assert said not in domain.agents["mag1"].heard
        domain.run(100)
        assert domain.get("/v1/mags/mag1")["errors"] == errors
        right = domain.report("mag1", 1, None, "mag1", port=1)
        domain.run(1)
        domain.agents["mag1"].say(right)  # as MAGs do: that the wrong entry cannot be deleted counted against the first
        domain.until(lambda: right in domain.agents["mag1"].heard)
        assert at_mag(domain, "mag1", 1) == DELIVERY


def test_a_port_that_comes_later_gets_the_routes_that_lead_there(domain: RmsDomain) -> None:
    domain.switches["lma1"].remove_port("t-mag1")
    domain.switches["mag1"].remove_port("acc2")
    domain.run(0.5)
    domain.attach(1, "mag1", port=2)
    assert routes(domain, 1) == [None, "t-mag1"]
    assert at_mag(domain, "mag1", 1) == DELIVERY - Counter([MagRule.DOWNLINK])
    written = domain.switches["lma1"].received[FLOW_MOD]
    domain.switches["lma1"].add_port("t-mag1", 17)
    domain.switches["mag1"].add_port("acc2", 2)
    domain.until(lambda: routes(domain, 1) == ["t-mag1", "t-mag1"], within=1)
    domain.until(lambda: at_mag(domain, "mag1", 1) == DELIVERY, within=1)
    domain.run(1)
    assert domain.switches["lma1"].received[FLOW_MOD] == written + 2  # the route, and what comes from there


def test_a_tunnel_port_with_another_number_is_followed(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.switches["lma1"].remove_port("t-mag1")
    domain.until(lambda: routes(domain, 1) == [None, "t-mag1"], within=1)
    domain.switches["lma1"].add_port("t-mag1", 21)
    domain.until(lambda: domain.routed_to("lma1", domain.prefix(1)) == "t-mag1", within=1)
    assert LmaRule.FROM_TUNNEL.entry(tunnel=21) in domain.entries("lma1")


def test_many_attachments_at_once_are_all_answered(domain: RmsDomain) -> None:
    said = {domain.report("mag1", number, None, "mag1", node=number % 200) for number in range(300)}
    domain.until(lambda: said <= {*domain.agents["mag1"].route_adjusts()})
    assert len(domain.get("/v1/bindings")) == 300
    writes = domain.switches["lma1"].received
    moved = {domain.report("mag2", number, "mag1", "mag2", node=number % 200) for number in range(300)}
    domain.until(lambda: moved <= {*domain.agents["mag2"].route_adjusts()})
    assert {domain.routed_to("lma2", domain.prefix(number)) for number in (0, 77, 299)} == {"t-mag2"}
    domain.run(5)
    assert not any(at_mag(domain, "mag1", number) for number in (0, 77, 299))
    assert writes[FLOW_MOD] >= 600
    everything = {*domain.agents["lma1"].route_adjusts()}
    domain.until(lambda: moved <= everything | {*domain.agents["lma1"].route_adjusts()})


def test_nothing_is_answered_that_is_not_stored(domain: RmsDomain) -> None:
    domain.store.failing = lambda method: method == "save_bindings"
    first = domain.report("mag1", 1, None, "mag1")
    domain.run(2.5)
    second = domain.report("mag1", 2, None, "mag1")
    domain.run(0.5)
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]  # the way is free all the same
    assert {first, second}.isdisjoint(domain.agents["mag1"].heard)
    assert any("1 bindings are not stored, tried again: the disk is full" in line for line in domain.log.lines)
    domain.store.failing = lambda method: False
    domain.until(lambda: {first, second} <= {*domain.agents["mag1"].route_adjusts()}, within=2)
    assert len([*domain.store.store.load_bindings()]) == 2


def test_the_store_tidies_when_it_is_quiet(domain: RmsDomain) -> None:
    domain.run(10)
    assert 8 <= domain.store.called["tidy"] <= 11


STEALS = "route_adjust: prefix not granted by an anchor"


def test_what_no_anchor_has_granted_takes_nobodys_downlink_and_leaves_nothing(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    domain.attach(3, "mag1", node=3)  # a prefix that the profile fixes
    domain.run(1)
    before = {name: domain.entries(name) for name in domain.switches}
    told = {lma: len(domain.agents[lma].route_adjusts()) for lma in LMAS}
    domain.report("mag2", 1, "mag1", "mag2", grant=False)
    domain.report("mag2", 3, "mag1", "mag2", node=3, grant=False)
    for number in range(10, 3010):
        domain.report("mag2", number, None, "mag2", grant=False)
        domain.report("mag2", number, "mag2", None, grant=False)  # nor their ends
        if number % 100 == 0:
            domain.run(0.1)
    domain.run(2)
    assert {name: domain.entries(name) for name in domain.switches} == before
    assert len(domain.rms.state.bindings) == 2 == len([*domain.store.store.load_bindings()])
    assert {lma: len(domain.agents[lma].route_adjusts()) for lma in LMAS} == told
    assert refused(domain)[STEALS] >= 1000  # the rest was beyond the rate of its sender


def test_a_grant_of_another_node_time_or_mag_is_none(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    earlier = domain.report("mag2", 2, None, "mag2")
    domain.until(lambda: earlier in domain.agents["mag2"].heard)
    for prefix in (1, 2):
        stolen = replace(earlier, prefix=domain.prefix(prefix).network_address)
        later = tuple(Timestamp.of(domain.clock.wall()) if isinstance(o, Timestamp) else o for o in earlier.options)
        domain.agents["mag2"].say(replace(stolen, options=later))
    domain.run(1)
    assert refused(domain) == {STEALS: 2}
    assert (routes(domain, 1), routes(domain, 2)) == (["t-mag1"] * 2, ["t-mag2"] * 2)


def test_a_prefix_that_the_profile_fixes_needs_no_grant_where_its_node_is_nowhere_else(domain: RmsDomain) -> None:
    domain.report("mag2", 3, None, "mag2", node=1, grant=False)  # it is another node's
    domain.run(1)
    assert routes(domain, 3) == [None, None]
    domain.attach(3, "mag1", node=3, grant=False)
    assert routes(domain, 3) == ["t-mag1", "t-mag1"]
    left = domain.report("mag1", 3, "mag1", None, node=3, grant=False)
    domain.until(lambda: left in domain.agents["mag1"].heard)
    domain.attach(3, "mag2", node=3, grant=False)
    assert routes(domain, 3) == ["t-mag2", "t-mag2"]


def test_an_end_that_nobody_knows_of_is_answered_and_not_remembered_unless_it_was_granted(domain: RmsDomain) -> None:
    for grant in (False, True):
        said = domain.report("mag1", 1, "mag1", None, grant=grant)
        domain.until(lambda said=said: said in domain.agents["mag1"].heard)  # type: ignore[misc]
        assert len(domain.rms.state.bindings) == grant
    ended = domain.report("lma1", 2, "mag1", None)
    domain.until(lambda: ended in domain.agents["lma1"].heard)
    assert len(domain.rms.state.bindings) == 1


def test_grants_count_though_the_rms_is_restarted_and_for_lmas_that_are_dead(domain: RmsDomain) -> None:
    domain.agents["lma2"].stop()
    domain.stop_rms()
    domain.start_rms()
    domain.connect()
    domain.until_ready()
    domain.attach(1, "mag1", anchor="lma2")
    assert routes(domain, 1) == ["t-mag1", "t-mag1"]


def test_an_lma_that_has_started_tells_another_key_and_gets_all_routes(domain: RmsDomain) -> None:
    for number in range(20):
        domain.attach(number, "mag1")
    domain.run(1)
    domain.agents["lma1"].heard.clear()
    key = bytes(range(32))
    now = domain.clock.wall()
    domain.agents["lma1"].say(RouteAdjust(*[IPv6Address("::")] * 3, options=(Timestamp.of(now), GrantKey(key))))
    domain.until(lambda: len(domain.agents["lma1"].route_adjusts()) == 20)
    assert {message.network for message in domain.agents["lma1"].route_adjusts()} == {
        domain.prefix(number) for number in range(20)
    }
    snapshots = [message.option(RouteSnapshot) for message in domain.agents["lma1"].heard]  # type: ignore[union-attr]
    numbers = [found.number for found in snapshots if isinstance(found, RouteSnapshot)]
    assert domain.rms.state.grant_keys["lma1"] == key
    assert len({*numbers}) == 1
    domain.report("mag1", 30, None, "mag1")  # by the old key
    domain.run(1)
    assert refused(domain) == {STEALS: 1}
