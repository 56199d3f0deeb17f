"""The health of a whole domain: in words, what is wrong, and when it is over."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ryu_pmipls.controller.switches.lma import LmaRule
from ryu_pmipls.controller.switches.mag_rules import MagRule
from ryu_pmipls.pki.authority import Authority, establish
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names
from ryu_pmipls.wire import CoreRouting, CoreRoutingStatus
from tests.fakes.rms_domain import RmsDomain, profile_with, running
from tests.fakes.virtual_time import START

RATES = {("mag1", "lma1"): 10, ("mag2", "lma1"): 10, ("mag1", "lma2"): 10, ("mag2", "lma2"): 10}
#: Virtual seconds in which two observations of the mobile nodes are made.
TWO_SWEEPS = 45.0


@pytest.fixture
def well(domain: RmsDomain) -> RmsDomain:
    """A domain in which nothing is wrong, with two mobile nodes."""
    domain.report_gateways()
    domain.keep_reporting({"lma1": 0.1, "lma2": 0.1}, dict(RATES))
    domain.attach(1, "mag1")
    domain.attach(2, "mag2", node=2)
    domain.until(lambda: texts(domain) == [])
    return domain


def texts(domain: RmsDomain) -> list[str]:
    health = domain.get("/v1/health")
    found = [reason["text"] for reason in health["reasons"]]
    assert health["status"] == ("degraded" if found else "ok")
    return found


def test_a_domain_that_is_well_stays_so(well: RmsDomain) -> None:
    for _ in range(15):
        well.run(3)
        assert texts(well) == []


def test_a_silent_agent_and_its_return(well: RmsDomain) -> None:
    rms, lma = well.profile.rms.address, well.profile.lma("lma1").address
    well.underlay.loses = lambda source, destination, octets: (source, destination) == (lma, rms)
    well.until(lambda: texts(well) == ["lma1 takes part in no load sharing: nothing is heard of its agent"], within=10)
    well.until(lambda: "lma1 takes part in no load sharing: nothing is heard of its agent" in well.log.lines)
    well.underlay.loses = lambda source, destination, octets: False
    well.until(lambda: texts(well) == [])
    well.until(lambda: "all is well again" in well.log.lines)


@pytest.mark.parametrize(
    ("status", "word", "text"),
    [
        (CoreRouting.BGP_DOWN, "bgp down", "lma1 gets no downlink: its BGP session with fd00:c0de::1 is down"),
        (CoreRouting.ANNOUNCED, "announced", None),
        (CoreRouting.DRAINED, "drained", None),
    ],
)
def test_the_word_of_an_agent_on_its_core_routing(
    well: RmsDomain, status: CoreRouting, word: str, text: str | None
) -> None:
    def say() -> bool:
        well.load("lma1", 0.1, {}, CoreRoutingStatus(int(status)))
        return bool(well.get("/v1/health")["downlink"]["lma1"] == word)

    well.until(say)
    assert texts(well) == ([] if text is None else [text])
    well.until(lambda: well.get("/v1/health")["downlink"]["lma1"] == "unknown")  # an old word is none


def test_a_tunnel_without_its_port_and_one_that_bfd_finds_dead(well: RmsDomain) -> None:
    well.switches["mag1"].remove_port("t-lma2")
    well.run(0.2)
    assert texts(well) == ["mag1 and lma2 have no tunnel: mag1 lacks the port for it"]
    well.switches["mag1"].add_port("t-lma2", 5)
    well.until(lambda: texts(well) == [])
    well.switches["mag2"].set_live("t-lma1", False)
    well.run(2)
    assert texts(well) == []
    well.until(lambda: texts(well) == ["the tunnel of mag2 and lma1 is dead: BFD's packets get lost"], within=3)


def test_a_tunnel_of_which_nothing_arrives(well: RmsDomain) -> None:
    sending, port = well.switches["mag1"], "t-lma2"
    text = "nothing that mag1 sends to lma2 by their tunnel arrives"

    def send() -> bool:
        sending.ports[port].tx_packets += 1
        for switch in well.switches.values():  # as BFD does, everywhere else
            for each in switch.ports.values():
                if each.name.startswith("t-") and (switch, each.name) != (well.switches["lma2"], "t-mag1"):
                    each.rx_packets += 1
        return text in texts(well)

    well.switches["lma2"].receive = lambda *arguments: None  # type: ignore[method-assign]
    well.until(send, step=0.5)
    well.switches["lma2"].ports["t-mag1"].rx_packets += 1
    well.until(lambda: text not in texts(well))


def test_the_certificate_of_the_rms_before_its_end_and_its_renewal(tmp_path: Path) -> None:
    folder, profile = Folder(tmp_path), profile_with({"certificates": {"folder": str(tmp_path)}})

    def authority(day: int) -> Authority:
        now = datetime.fromtimestamp(START, timezone.utc) + timedelta(days=day)
        return Authority.open(folder, folder.authority_key, profile.domain, node_names(profile), now)

    establish(folder, folder.authority_key, profile.domain, datetime.fromtimestamp(START, timezone.utc))
    authority(0).issue("rms", 2)
    text = "the certificate of rms expires on 2023-11-16 22:13 UTC: 'pmipls pki renew rms' renews it"
    with running(profile) as domain:
        assert not [each for each in texts(domain) if "certificate" in each]
        domain.clock.step(1.9 * 86400)
        domain.until(lambda: text in texts(domain), within=90)
        domain.until(lambda: text in domain.log.lines)
        authority(1).renew("rms")
        domain.until(lambda: not [each for each in texts(domain) if "certificate" in each], within=2)


@pytest.mark.parametrize(
    ("node", "rule", "text"),
    [
        ("mag1", MagRule.DOWNLINK, "gets nothing: the switch of mag1 has no flow entry for it"),
        ("lma2", LmaRule.ROUTE, "gets nothing by way of lma2, whose switch has no route for it"),
    ],
)
def test_a_mobile_node_that_gets_nothing(node: str, rule: Any, text: str) -> None:
    with running(profile_with({"timers": {"audit_interval": None}})) as domain:  # which would repair it
        domain.report_gateways()
        domain.keep_reporting({"lma1": 0.1, "lma2": 0.1}, dict(RATES))
        domain.attach(1, "mag1")
        domain.attach(2, "mag1", node=2)
        unlucky = domain.prefix(1).network_address.packed[:8]
        for entry in domain.switches[node].entries():
            of_rule = (entry.table, entry.priority) == (rule.table.number, rule.priority)
            if of_rule and unlucky in entry.match.octets:
                del domain.switches[node].tables.entries[entry.key]
        wanted = f"mn1@example.net (2001:db8:100:1::/64, bound at mag1) {text}"
        domain.until(lambda: texts(domain) == [wanted], within=TWO_SWEEPS, step=0.5)
        domain.attach(1, "mag1", "mag1")
        domain.until(lambda: texts(domain) == [], within=TWO_SWEEPS, step=0.5)


def test_packets_that_lmas_forward_and_that_do_not_come(well: RmsDomain) -> None:
    unlucky = well.prefix(2).network_address.packed[:8]
    text = "mn2@example.net (2001:db8:100:2::/64, bound at mag2) gets nothing: what LMAs send to mag2 for it does not"

    def look() -> bool:
        for entry in well.switches["lma1"].entries():
            if entry.table == LmaRule.ROUTE.table.number and unlucky in entry.match.octets:
                entry.count(1, 100)
        return any(found.startswith(text) for found in texts(well))

    well.until(look, within=2 * TWO_SWEEPS, step=0.5)


def test_a_store_that_fails_is_known_before_there_is_something_to_store(well: RmsDomain) -> None:
    well.store.failing = lambda method: method.startswith("save_")
    well.until(lambda: texts(well) == ["the RMS's store fails: the disk is full (save_setting)"])
    well.store.failing = lambda method: False
    well.until(lambda: texts(well) == [])


def test_a_store_that_fails_until_it_works(well: RmsDomain) -> None:
    well.store.failing = lambda method: method == "save_bindings"
    well.report("mag1", 3, None, "mag1", node=3)
    well.until(lambda: texts(well) == ["the RMS's store fails: the disk is full (save_bindings)"])
    well.store.failing = lambda method: False
    well.until(lambda: texts(well) == [])
