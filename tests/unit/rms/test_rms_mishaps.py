"""Messages that fail in the middle, stores that fail, switches that answer too late: counted or logged, and over."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest

from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.wire import CoreGateway, RouteAdjust, build
from ryu_pmipls.wire.mobility_header import sealed
from tests.fakes.rms_domain import GATEWAY, RmsDomain, profile_with, rms_domain

FAULT = RuntimeError("a fault of ours")


def failing_once(whole: Any) -> Any:
    calls = []

    def call(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise FAULT
        return whole(*arguments, **named)

    return call


def reasons(domain: RmsDomain) -> list[str]:
    return [reason["text"] for reason in domain.get("/v1/health")["reasons"]]


def test_a_message_whose_handling_fails_is_counted_and_the_next_one_is_handled(
    domain: RmsDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain.rms.load_list, "add_load_info", failing_once(domain.rms.load_list.add_load_info))
    domain.load("lma1", 0.4, {})
    domain.run(0.1)
    assert domain.get("/v1/health")["refused"] == {"failed": 1}
    assert "handling a message from lma1 failed" in domain.log.lines
    domain.load("lma1", 0.5, {})
    domain.until(lambda: domain.get("/v1/load-list")["lmas"][0]["cpu"] == 0.5)
    domain.log.faults.clear()


def test_reports_whose_handling_fails_are_counted_and_a_repetition_is_done(
    domain: RmsDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain.rms.routes, "update", failing_once(domain.rms.routes.update))
    said = domain.report("mag1", 1, None, "mag1")
    domain.run(0.1)
    assert domain.get("/v1/health")["refused"] == {"failed": 1}
    assert "handling reports of routes failed" in domain.log.lines
    domain.agents["mag1"].say(said)
    domain.until(lambda: said in domain.agents["mag1"].heard)
    domain.log.faults.clear()


def test_a_gateway_is_in_force_before_it_can_be_stored(domain: RmsDomain) -> None:
    domain.store.failing = lambda method: method == "save_core_gateway"
    domain.load("lma1", 0.1, {}, CoreGateway(GATEWAY))
    domain.until(lambda: any(entry.rule is LmaRule.TO_CORE for entry in domain.entries("lma1")))
    domain.until(lambda: "the disk is full (save_core_gateway)" in domain.log.lines)
    assert any("save_core_gateway" in text for text in reasons(domain))
    domain.store.failing = lambda method: False
    domain.until(lambda: domain.store.store.load_core_gateways() == {"lma1": GATEWAY})
    assert not any("save_core_gateway" in text for text in reasons(domain))


def test_a_report_that_is_too_long_in_canonical_form_is_counted(domain: RmsDomain) -> None:
    """Options that came without their alignment are longer when they are written anew."""
    mag, rms = domain.profile.mag("mag1").address, domain.profile.rms.address
    plain = build(RouteAdjust(domain.prefix(1).network_address, IPv6Address("::"), mag), mag, rms)
    timestamp = bytes([27, 8]) + int(domain.clock.wall() * 65536).to_bytes(8, "big")
    octets = sealed(plain[:56] + timestamp * 180, mag, rms)
    agent = domain.agents["mag1"].endpoint
    agent.send_octets(octets, agent.peer(rms))
    domain.run(0.5)
    assert domain.get("/v1/health")["refused"] == {"route_adjust: too long": 1}
    assert domain.get("/v1/bindings") == []


def test_an_acknowledgement_that_comes_when_nobody_waits_is_counted(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    (told,) = domain.until(lambda: domain.agents["lma1"].route_adjusts())
    domain.run(1)
    assert domain.get("/v1/health")["refused"] == {}
    domain.agents["lma1"].say(told)
    domain.run(0.1)
    assert domain.get("/v1/health")["refused"] == {"nothing to answer": 1}


def test_an_lma_that_does_not_answer_is_told_again_with_growing_pauses(domain: RmsDomain) -> None:
    domain.agents["lma1"].mute = True
    domain.attach(1, "mag1")
    domain.run(0.5)
    assert len(domain.agents["lma1"].route_adjusts()) == 1
    domain.run(1)
    assert len(domain.agents["lma1"].route_adjusts()) == 2
    domain.run(2)
    assert len(domain.agents["lma1"].route_adjusts()) == 3
    domain.agents["lma1"].mute = False
    domain.run(10)
    heard = len(domain.agents["lma1"].route_adjusts())
    assert heard == 4
    assert len(domain.agents["lma2"].route_adjusts()) == 1


def test_many_datagrams_at_once_are_all_taken(domain: RmsDomain) -> None:
    domain.rms.endpoint._rates.take = lambda peer, wanted: wanted  # type: ignore[method-assign]
    for number in range(600):
        domain.report("mag1", number, None, "mag1")
    domain.until(lambda: len(domain.agents["mag1"].route_adjusts()) == 600)
    assert domain.get("/v1/health")["bindings"] == 600


def test_without_mobile_nodes_and_switches_it_waits_in_peace() -> None:
    with rms_domain(profile_with()) as domain:
        domain.start_rms()
        domain.run(60)
        health = domain.get("/v1/health")
        assert health["status"] == "degraded" and health["refused"] == {}
        assert {*health["switches"].values()} == {"disconnected"}
        assert domain.get("/v1/decisions") == domain.get("/v1/incidents") == []
