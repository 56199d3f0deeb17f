"""In which words the health of a domain is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.clock_skews import ClockSkews
from ryu_pmipls.controller.data_path import DataPathFault, NodeFault
from ryu_pmipls.controller.health import HealthControl, core_symptoms, load_symptoms, node_symptom
from ryu_pmipls.controller.switches.counters import PortCounters
from ryu_pmipls.controller.switches.inventory import SwitchState
from ryu_pmipls.domain.profile import RMS_NAME, load_profile
from ryu_pmipls.ipsec.watch import AssociationWatch
from ryu_pmipls.loadsharing import Alarm, LmaLoad, LmaState, LoadList, Memory
from ryu_pmipls.wire import CoreRouting, CoreRoutingStatus, LoadInfo
from tests.fakes.clocks import FixedClock

PROFILE = load_profile("two-lma")
LMA = PROFILE.lmas[0]
NOW = 1_700_000_000.0
BINDING = Binding(
    bytes.fromhex("20010db80114dc02"), "mag1", None, "mn1@example.net", bytes(6), 1, "lma1", int(NOW * 65536)
)
NODE = "mn1@example.net (2001:db8:114:dc02::/64, bound at mag1)"


class Switch:
    """A switch that is well."""

    def __init__(self, name: str, peers: list[str]) -> None:
        self.name = name
        self.state = SwitchState.READY
        self.ports = {f"t-{peer}": number for number, peer in enumerate(peers, 1)}
        self.live = set(self.ports)
        self.counters = self
        self.by_peer: dict[str, PortCounters] = {}
        self.confirming = True

    def confirms(self, within: float, now: float) -> bool:
        return self.confirming

    def tunnel_counters(self, peers: list[str]) -> list[tuple[str, PortCounters]]:
        return [(peer, self.by_peer[peer]) for peer in peers if peer in self.by_peer]


class FakeSwitches:
    def __init__(self) -> None:
        mags, lmas = [mag.name for mag in PROFILE.mags], [lma.name for lma in PROFILE.lmas]
        self.mags = {name: Switch(name, lmas) for name in mags}
        self.lmas = {name: Switch(name, mags) for name in lmas}

    def __iter__(self) -> Any:
        return iter([*self.mags.values(), *self.lmas.values()])

    def tunnels(self) -> Any:
        for mag in self.mags.values():
            for lma in self.lmas.values():
                yield mag, lma, f"t-{lma.name}" in mag.ports and f"t-{mag.name}" in lma.ports


class Domain:
    """The two-lma domain without switches; all is well as long as a test does not say otherwise."""

    def __init__(self) -> None:
        self.switches = FakeSwitches()
        self.bindings = {BINDING.prefix: BINDING}
        self.clock = FixedClock(NOW)
        self.loads = LoadList([*self.switches.lmas], [*self.switches.mags], window=10, report_interval=1)
        self.state: Any = SimpleNamespace(bindings=self.bindings, memory=Memory())
        self.store_failures: dict[str, str] = {}
        endpoint: Any = SimpleNamespace(clock_skews=dict)
        context: Any = SimpleNamespace(
            profile=PROFILE,
            state=self.state,
            load_list=self.loads,
            switches=self.switches,
            clock=self.clock,
            clock_skews=ClockSkews(self.clock, endpoint),
        )
        self.health = HealthControl(context, self.store_failures, AssociationWatch(context.profile, RMS_NAME))
        for lma in self.switches.lmas:
            self.loads.set_ports(lma, self.switches.mags)
        self.go_on(2)

    def go_on(self, seconds: int, received: dict[tuple[str, str], int] | None = None) -> None:
        """Let time pass; ``received`` (from, to) -> packets a second, 7 unless given."""
        for _ in range(seconds):
            self.clock.now += 1
            for switch in self.switches:
                peers = self.switches.mags if switch.name in self.switches.lmas else self.switches.lmas
                for peer in peers:
                    before = switch.by_peer.get(peer, PortCounters(0, 0, 0, 0))
                    gained = (received or {}).get((peer, switch.name), 7)
                    switch.by_peer[peer] = PortCounters(
                        before.rx_packets + gained, before.rx_octets, before.tx_packets + 14, before.tx_octets
                    )
                self.health.update_counters(switch)  # type: ignore[arg-type]
            for lma in self.switches.lmas:
                self.loads.add_load_info(lma, 0.1, 0, {}, self.clock.now)
                counts = dict.fromkeys(self.switches.mags, (0, 0))
                self.loads.add_port_statistics(lma, counts, self.clock.now)
                self.tell(lma, CoreRouting.ANNOUNCED)

    def tell(self, lma: str, status: int) -> None:
        """The agent of an LMA tells of its core routing."""
        self.health.add_load_info(lma, LoadInfo(0.1, 0, (), (CoreRoutingStatus(status),)), self.clock.now)

    def texts(self) -> list[str]:
        return [reason.text for reason in self.health.reasons()]


@pytest.fixture
def domain() -> Domain:
    return Domain()


def test_a_domain_that_is_well_has_no_reasons(domain: Domain) -> None:
    assert domain.texts() == []
    domain.go_on(100)
    assert domain.texts() == []


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (CoreRouting.BGP_DOWN, "lma1 gets no downlink: its BGP session with fd00:c0de::1 is down"),
        (CoreRouting.BFD_DOWN, "lma1 gets no downlink: its BFD session with fd00:c0de::1 is down"),
        (CoreRouting.NOT_ANNOUNCED, "lma1 gets no downlink: its BGP session with fd00:c0de::1 announces nothing"),
        (CoreRouting.NO_ANSWER, "lma1 gets no downlink: its routing daemon bird does not answer"),
        (
            CoreRouting.WITHDRAWN,
            "lma1 gets no downlink: it cannot forward, for its switch does not run or no MAG answers it",
        ),
        (
            CoreRouting.UNWATCHED,
            "the core would not notice the death of lma1: its BFD session with fd00:c0de::1 is down",
        ),
    ],
)
def test_the_core_routing_of_an_lma_is_told_with_effect_and_cause(status: CoreRouting, text: str) -> None:
    assert [symptom.text for symptom in core_symptoms(LMA, status)] == [text]


def test_every_status_of_core_routing_is_told_or_no_fault() -> None:
    for status in CoreRouting:
        assert bool([*core_symptoms(LMA, status)]) == status.is_fault
    assert [*core_symptoms(LMA, None)] == []


def test_an_agents_word_is_taken_while_it_is_fresh(domain: Domain) -> None:
    domain.tell("lma1", CoreRouting.BGP_DOWN)
    assert domain.texts() == ["lma1 gets no downlink: its BGP session with fd00:c0de::1 is down"]
    assert domain.health.reasons()[0].subject == "lma1"
    domain.clock.now += PROFILE.agent_silent_after + 0.1
    assert domain.health.downlink("lma1") is None
    assert "lma1 takes part in no load sharing: nothing is heard of its agent" in domain.texts()


def test_a_status_of_a_newer_release_is_unknown(domain: Domain) -> None:
    domain.tell("lma1", 200)
    assert domain.health.downlink("lma1") is None
    assert domain.texts() == []


def test_an_agent_that_tells_nothing_of_its_core_routing_leaves_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Domain, "tell", lambda *_: None)
    domain = Domain()
    assert domain.health.downlink("lma1") is None
    assert domain.texts() == []


def test_a_drained_lma_is_no_fault_but_all_of_them_are(domain: Domain) -> None:
    domain.tell("lma1", CoreRouting.DRAINED)
    assert domain.texts() == []
    domain.tell("lma2", CoreRouting.DRAINED)
    assert domain.texts() == ["no LMA takes downlink traffic: all are drained, or cannot"]


@pytest.mark.parametrize("state", [SwitchState.DISCONNECTED, SwitchState.RECONCILING])
def test_a_switch_that_is_not_ready_is_told(domain: Domain, state: SwitchState) -> None:
    domain.switches.mags["mag2"].state = state
    assert domain.texts() == [f"the switch of mag2 is {state.value}"]


def test_a_switch_that_answers_no_barriers_is_told(domain: Domain) -> None:
    domain.switches.lmas["lma1"].confirming = False
    assert domain.texts() == ["the switch of lma1 answers no barriers: nobody waits for it"]


def test_of_a_dead_lma_nothing_else_is_told(domain: Domain) -> None:
    domain.switches.lmas["lma1"].state = SwitchState.DISCONNECTED
    domain.loads.set_dead("lma1", True, "its switch does not answer")
    domain.tell("lma1", CoreRouting.BGP_DOWN)
    assert domain.texts() == ["lma1 is dead: its switch does not answer"]


def test_a_direction_by_which_nothing_comes_is_named(domain: Domain) -> None:
    domain.go_on(60, {("lma1", "mag1"): 0})
    assert domain.texts() == ["nothing that lma1 sends to mag1 by their tunnel arrives"]
    domain.go_on(60, {("mag1", "lma1"): 0})
    assert domain.texts() == ["nothing that mag1 sends to lma1 by their tunnel arrives"]
    domain.go_on(2)
    assert domain.texts() == []


def test_a_tunnel_that_bfd_takes_for_dead_is_told_after_a_while(domain: Domain) -> None:
    domain.switches.lmas["lma2"].live.discard("t-mag1")
    assert domain.texts() == []
    domain.go_on(4)
    assert domain.texts() == ["the tunnel of mag1 and lma2 is dead: BFD's packets get lost"]


def test_a_tunnel_without_a_port_is_told(domain: Domain) -> None:
    del domain.switches.lmas["lma2"].ports["t-mag1"]
    assert domain.texts() == ["mag1 and lma2 have no tunnel: lma2 lacks the port for it"]


def test_an_overload_that_nothing_relieves_is_told_with_its_time(domain: Domain) -> None:
    domain.state.memory = replace(Memory(), alarms=(Alarm("lma1", NOW - 60, "lma1 is overloaded: ..."),))
    assert [(reason.subject, reason.since, reason.text) for reason in domain.health.reasons()] == [
        ("lma1", NOW - 60, "lma1 is overloaded: ...")
    ]


def test_a_store_that_fails_is_told(domain: Domain) -> None:
    domain.store_failures["save_bindings"] = "the disk is full"
    assert domain.texts() == ["the RMS's store fails: the disk is full"]


def test_an_lma_whose_packets_are_not_counted_is_told() -> None:
    load = LmaLoad("lma1", LmaState.STALE, 0.5, 0.1, None, None, None, None, None, None)
    assert [symptom.text for symptom in load_symptoms(load, 2.0)] == [
        "lma1 takes part in no load sharing: its packets are not counted"
    ]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (NodeFault(DataPathFault.NO_ENTRY, "mag1"), "gets nothing: the switch of mag1 has no flow entry for it"),
        (NodeFault(DataPathFault.NO_ROUTE, "lma2"), "gets nothing by way of lma2, whose switch has no route for it"),
        (
            NodeFault(DataPathFault.LOST, "mag1"),
            "gets nothing: what LMAs send to mag1 for it does not come to its flow entry there",
        ),
    ],
)
def test_a_mobile_node_that_gets_nothing_is_named(fault: NodeFault, text: str) -> None:
    assert node_symptom(BINDING, fault).text == f"{NODE} {text}"


def test_of_many_mobile_nodes_some_are_named_and_the_others_counted(domain: Domain) -> None:
    lost = NodeFault(DataPathFault.LOST, "mag1")
    bindings = [BINDING._replace(prefix=number.to_bytes(8, "big")) for number in range(25)]
    domain.bindings |= {binding.prefix: binding for binding in bindings}
    for _ in range(2):
        domain.health.sweep.faults.add(0, {binding.prefix: lost for binding in bindings})
    texts = domain.texts()
    assert texts[:-1] == [node_symptom(binding, lost).text for binding in bindings[:20]]
    assert texts[-1] == "5 other mobile nodes get nothing"
    domain.bindings.clear()
    assert domain.texts() == ["5 other mobile nodes get nothing"]
