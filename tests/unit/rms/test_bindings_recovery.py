"""An RMS whose store is new or lost: bindings come from the switches, and MAGs are asked to repeat their reports."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

from ryu_pmipls.controller.store import MemoryStore
from ryu_pmipls.wire import RouteAdjust, Timestamp
from tests.fakes.rms_domain import GATEWAY, RmsDomain, profile_with, rms_domain, running

NOWHERE = IPv6Address("::")


def lose_the_store(domain: RmsDomain) -> None:
    """Start the RMS anew with nothing, and with the switches as they are."""
    domain.stop_rms()
    for agent in domain.agents.values():
        agent.heard.clear()
    domain.store.store = MemoryStore(domain.profile.rms.state_directory)
    domain.start_rms()


def asked(domain: RmsDomain, mag: str) -> list[RouteAdjust]:
    heard = domain.agents[mag].heard
    return [message for message in heard if isinstance(message, RouteAdjust) and message.prefix.is_unspecified]


def fill(domain: RmsDomain) -> list[Any]:
    """Attachments, a handoff, a gateway; the bindings as they are told."""
    domain.report_gateways()
    domain.attach(1, "mag1", node=1, port=1)
    domain.attach(2, "mag1", node=2, port=2, anchor="lma2")
    domain.attach(3, "mag1", node=3, port=3)
    domain.attach(3, "mag2", "mag1", node=3, port=3)
    domain.attach(4, "mag2", node=77, port=1)  # whom the profile does not know
    domain.run(5)
    found: list[Any] = domain.get("/v1/bindings")
    return found


def test_bindings_and_gateways_are_taken_over_from_the_switches(domain: RmsDomain) -> None:
    before = fill(domain)
    entries = {name: domain.entries(name) for name in domain.switches}
    lose_the_store(domain)
    assert domain.get("/v1/bindings") == []
    domain.connect()
    domain.until_ready()
    domain.run(1)
    names = {"mn77@example.net": None}
    assert domain.get("/v1/bindings") == [
        binding
        | {"since": 0.0, "previous_mag": None, "identifier": names.get(binding["identifier"], binding["identifier"])}
        for binding in before
    ]
    domain.until(lambda: {name: domain.entries(name) for name in domain.switches} == entries)
    assert domain.store.store.load_core_gateways() == {"lma1": GATEWAY, "lma2": GATEWAY}
    assert domain.store.store.load_met_switches() == {*domain.switches}
    assert len([*domain.store.store.load_bindings()]) == 4
    assert any("bindings recovered from its flow entries" in line for line in domain.log.lines)


def test_all_mags_are_asked_to_repeat_their_reports_until_they_answer(domain: RmsDomain) -> None:
    fill(domain)
    domain.agents["mag2"].mute = True
    lose_the_store(domain)
    domain.connect()
    domain.run(10)
    (question,) = asked(domain, "mag1")
    assert (question.old_mag, question.new_mag) == (NOWHERE, domain.profile.mag("mag1").address)
    assert question.option(Timestamp) is not None
    assert len(asked(domain, "mag2")) == 3
    assert "mag2: does not repeat its reports of mobile nodes" in domain.log.lines
    assert not any("mag1: does not repeat" in line for line in domain.log.lines)


def test_any_message_goes_before_what_the_switches_told(domain: RmsDomain) -> None:
    begin = domain.clock.wall()
    fill(domain)
    lose_the_store(domain)
    domain.connect()
    domain.until_ready()
    domain.report_gateways()  # with the keys of their grants
    domain.run(0.1)
    domain.attach(1, "mag2", "mag1", when=begin)
    assert domain.routed_to("lma1", domain.prefix(1)) == "t-mag2"
    domain.run(3)
    assert domain.get("/v1/mags/mag1")["bindings"][0]["prefix"] == str(domain.prefix(2))


def test_the_lmas_alone_tell_where_nodes_are_and_their_mags_the_rest_later(domain: RmsDomain) -> None:
    fill(domain)
    lose_the_store(domain)
    domain.connect("lma1", "lma2")
    domain.until_ready("lma1", "lma2")
    bindings = domain.get("/v1/bindings")
    assert [binding["mag"] for binding in bindings] == ["mag1", "mag1", "mag2", "mag2"]
    assert {binding["port"] for binding in bindings} == {None}
    assert domain.routed_to("lma1", domain.prefix(1)) == "t-mag1"  # nobody's traffic was cut
    domain.connect("mag1", "mag2")
    domain.until_ready()
    assert [binding["port"] for binding in domain.get("/v1/bindings")] == [1, 2, 3, 1]


def test_an_lma_that_knows_better_than_the_first_switches_has_these_follow(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    for name in ("mag1", "lma1"):
        domain.switches[name].disconnect()
    domain.run(1)
    domain.attach(1, "mag2", "mag1")  # neither got that
    domain.run(3)
    lose_the_store(domain)
    domain.connect("mag1", "lma1")
    domain.until_ready("mag1", "lma1")
    assert [(each["mag"], each["port"]) for each in domain.get("/v1/bindings")] == [("mag1", 1)]
    domain.connect("lma2")
    domain.until_ready("lma2")
    domain.until(lambda: domain.routed_to("lma1", domain.prefix(1)) == "t-mag2")
    domain.until(lambda: not any(entry.home_prefix for entry in domain.entries("mag1")))
    assert [(each["mag"], each["port"]) for each in domain.get("/v1/bindings")] == [("mag2", None)]
    domain.connect("mag2")
    domain.until_ready()
    assert [(each["mag"], each["port"]) for each in domain.get("/v1/bindings")] == [("mag2", 1)]


def test_a_switch_that_was_met_is_read_no_more(domain: RmsDomain) -> None:
    fill(domain)
    kept = domain.store.store
    lose_the_store(domain)
    domain.connect("lma1")
    domain.until_ready("lma1")
    domain.stop_rms()
    for prefix in [binding.prefix for binding in kept.load_bindings()]:
        domain.store.store.delete_bindings([prefix])
    for agent in domain.agents.values():
        agent.heard.clear()
    domain.start_rms()
    domain.connect("lma1")
    domain.until_ready("lma1")
    assert domain.get("/v1/bindings") == []
    assert domain.routed_to("lma1", domain.prefix(1)) is None
    domain.run(3)
    assert asked(domain, "mag1") == []


def test_what_cannot_be_stored_is_read_again_and_nothing_is_written_before(domain: RmsDomain) -> None:
    before = fill(domain)
    lose_the_store(domain)
    domain.store.failing = lambda method: method == "save_met_switch"
    sent = domain.switches["mag1"].received.copy()
    domain.connect("mag1")
    domain.run(4)
    assert domain.state("mag1") == "reconciling"
    assert any("mag1: bindings are not recovered, tried again" in line for line in domain.log.lines)
    assert domain.switches["mag1"].received[14] == sent[14]
    domain.store.failing = lambda method: False
    domain.until_ready("mag1")
    assert [binding["prefix"] for binding in domain.get("/v1/bindings")] == [
        binding["prefix"] for binding in before if binding["mag"] == "mag1"
    ]


def test_stored_bindings_are_in_force_after_a_restart() -> None:
    store = MemoryStore(profile_with().rms.state_directory)
    with running(profile_with(), store) as domain:
        domain.report_gateways()
        for number in range(20):
            domain.report("mag1", number, None, "mag1")
        domain.until(lambda: len(domain.get("/v1/bindings")) == 20)
        domain.run(1)
        before = domain.get("/v1/bindings")
    with rms_domain(profile_with(), store) as domain:
        domain.start_agents()
        domain.start_rms()
        assert domain.get("/v1/bindings") == before
        domain.connect()  # empty switches
        domain.until_ready()
        assert domain.routed_to("lma2", domain.prefix(7)) == "t-mag1"
        assert asked(domain, "mag1") == []
        assert any(
            line.startswith("lma2: 0 groups, ") and line.endswith(" and 20 bindings in force")
            for line in domain.log.lines
        )
