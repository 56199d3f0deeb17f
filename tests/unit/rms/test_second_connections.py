"""Connections that claim the datapath id of a connected switch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ryu_pmipls.controller.ryu.admission import HANDSHAKE_TIMEOUT, MAX_UNIDENTIFIED
from tests.fakes.openflow_switch import FLOW_MOD, OpenFlowSwitch
from tests.fakes.rms_domain import RmsDomain, profile_with, rms_domain, running

ELSEWHERE = "2001:db8::bad"


@pytest.fixture
def domain() -> Iterator[RmsDomain]:
    with running(profile_with()) as made:
        yield made


def claimant(domain: RmsDomain, node: str, address: str | None = None) -> OpenFlowSwitch:
    """Another switch with the datapath id of a node, connecting from an address, by default the node's."""
    real = domain.switches[node]
    switch = OpenFlowSwitch(real.datapath_id, {"p1": 1}, domain.clock.monotonic)
    domain.connect_from(domain.address(node) if address is None else address, switch)
    return switch


def refusals(domain: RmsDomain) -> dict[str, int]:
    refused: dict[str, int] = domain.get("/v1/health")["refused"]
    return refused


def require_unharmed(domain: RmsDomain, node: str, other: OpenFlowSwitch) -> None:
    """The switch of a node is the connected one, is ready, and gets all flow-mods."""
    domain.until(lambda: not other.connected)
    assert domain.state(node) == "ready"
    assert domain.switches[node].connected
    before = len(domain.switches[node].flow_mods)
    domain.attach(7, "mag1")
    assert len(domain.switches[node].flow_mods) > before
    assert other.received[FLOW_MOD] == 0


def test_one_from_another_address_is_refused(domain: RmsDomain) -> None:
    other = claimant(domain, "lma1", ELSEWHERE)
    domain.run(0.1)
    require_unharmed(domain, "lma1", other)
    assert refusals(domain) == {"openflow: datapath id in use": 1}
    assert any(
        f"from {ELSEWHERE} is ended: datapath id 0000000000000011 is that of" in line for line in domain.log.lines
    )


def test_one_from_the_nodes_address_is_refused_when_the_older_answers(domain: RmsDomain) -> None:
    other = claimant(domain, "mag1")
    domain.run(0.1)
    require_unharmed(domain, "mag1", other)
    assert any("the switch of datapath id 0000000000000021 answers" in line for line in domain.log.lines)


def test_one_from_the_nodes_address_takes_the_place_of_a_silent_one(domain: RmsDomain) -> None:
    before = domain.switches["mag1"]._socket
    domain.switches["mag1"].hang = True
    other = claimant(domain, "mag1")
    domain.until(lambda: other.received[FLOW_MOD])
    domain.until_ready("mag1")
    assert other.connected
    assert domain.switches["mag1"]._socket is not before, "the older connection has been ended"


def test_the_nodes_own_takes_the_place_of_one_from_elsewhere() -> None:
    with rms_domain(profile_with()) as domain:
        domain.start_rms()
        impostor = claimant(domain, "lma1", ELSEWHERE)
        domain.until_ready("lma1")
        domain.connect("lma1")
        domain.until(lambda: not impostor.connected)
        domain.until_ready("lma1")
        assert domain.switches["lma1"].connected


def test_two_at_once_for_a_silent_one_leave_one_connection(domain: RmsDomain) -> None:
    domain.switches["lma2"].hang = True
    others = [claimant(domain, "lma2") for _ in range(3)]
    domain.run(5)
    domain.until_ready("lma2")
    assert [other.connected for other in others].count(True) == 1


def test_those_that_say_nothing_more_than_echoes_are_ended_in_time(domain: RmsDomain) -> None:
    class Mute(OpenFlowSwitch):
        def _carry_out(self, kind: int, xid: int, body: bytes) -> None:
            if kind < 5:  # HELLO, ERROR, ECHO
                super()._carry_out(kind, xid, body)

    mutes = [Mute(0x11, {}, domain.clock.monotonic) for _ in range(3 * MAX_UNIDENTIFIED)]
    for mute in mutes:
        domain.connect_from(ELSEWHERE, mute)
    domain.run(0.5)
    assert sum(mute.connected for mute in mutes) == MAX_UNIDENTIFIED
    domain.run(HANDSHAKE_TIMEOUT)
    assert not any(mute.connected for mute in mutes)
    assert refusals(domain) == {"openflow: no datapath id": len(mutes)}
    assert sum("is ended" in line for line in domain.log.lines) == 1
    assert {*domain.get("/v1/health")["switches"].values()} == {"ready"}


def test_one_from_a_nodes_address_gives_way_to_no_crowd_but_an_older_one_from_there_does(domain: RmsDomain) -> None:
    domain.switches["mag2"].disconnect()
    domain.until(lambda: domain.state("mag2") == "disconnected")
    older = OpenFlowSwitch(0x22, {}, domain.clock.monotonic)
    for slow in (older, domain.switches["mag2"]):
        slow.hang = True
        domain.connect_from(domain.address("mag2"), slow)
        domain.run(0.1)
    for _ in range(3 * MAX_UNIDENTIFIED):
        silent = OpenFlowSwitch(0x11, {}, domain.clock.monotonic)
        silent.hang = True
        domain.connect_from(ELSEWHERE, silent)
    domain.run(0.1)
    assert not older.connected
    domain.switches["mag2"].catch_up()
    domain.until_ready("mag2")


def test_a_switch_comes_through_a_crowd_of_others(domain: RmsDomain) -> None:
    domain.switches["mag2"].disconnect()
    domain.until(lambda: domain.state("mag2") == "disconnected")
    for _ in range(4):
        for _ in range(MAX_UNIDENTIFIED):
            silent = OpenFlowSwitch(0x11, {}, domain.clock.monotonic)
            silent.hang = True
            domain.connect_from(ELSEWHERE, silent)
    domain.connect("mag2")
    domain.until_ready("mag2")
