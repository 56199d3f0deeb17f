"""A router solicitation in another node's name, from a port where that node is not: it gets little, and it shows."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest
from mobility_helpers import LINK1, LMA1, MAG1, MAG2, START, anchor, gateway

from ryu_pmipls.mobility import BindingUpdateEntry, Notice, ProbeNode, Send
from ryu_pmipls.mobility.contested_ports import FIRST_HOLD, LONGEST_HOLD, MEMORY, ContestedPorts
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.mobility.update_list import Place as Spot
from ryu_pmipls.wire import BindingRevocationIndication, BindingUpdate, RevocationTrigger

Place = tuple[IPv6Address, int]
HOME: Place = (MAG1, 3)
OTHER_PORT: Place = (MAG1, 5)
OTHER_MAG: Place = (MAG2, 7)


class Domain:
    """Two MAGs and an LMA on a network without delay; on the links in ``answering`` somebody answers probes."""

    def __init__(self, probes: int = 3) -> None:
        self.now = START
        self.lma = anchor()
        self.mags = {address: gateway(address=address, probes=probes) for address in (MAG1, MAG2)}
        self.machines: dict[IPv6Address, Machine] = {LMA1: self.lma, **self.mags}
        self.answering: set[Place] = {HOME}
        self.sent: list[Any] = []
        self.notices: list[str] = []
        self.probed: list[Place] = []

    def solicit(self, place: Place) -> None:
        self.now += 0.001
        self.mags[place[0]].attach(LINK1, place[1], self.now)
        self.work()

    def work(self) -> None:
        while effects := [
            (address, effect) for address, machine in self.machines.items() for effect in machine.effects()
        ]:
            for address, effect in effects:
                self.now += 0.001
                if isinstance(effect, Send):
                    self.sent.append(effect.message)
                    if effect.destination in self.machines:
                        self.machines[effect.destination].receive(effect.message, address, self.now)
                elif isinstance(effect, Notice):
                    self.notices.append(effect.kind)
                elif isinstance(effect, ProbeNode):
                    place = (address, effect.port)
                    self.probed.append(place)
                    if place in self.answering:
                        self.mags[address].answered(LINK1, effect.port, self.now)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [
            when for machine in self.machines.values() if (when := machine.deadline()) is not None and when <= end
        ]:
            self.now = max(self.now, min(due))
            for machine in self.machines.values():
                machine.handle_timer(self.now)
            self.work()
        self.now = max(self.now, end)

    def entry(self, mag: IPv6Address) -> BindingUpdateEntry | None:
        return self.mags[mag].binding(LINK1)

    @property
    def place(self) -> Place:
        """Where the node is served, as LMA and MAG agree."""
        (session,) = self.lma.bindings
        entry = self.entry(session.care_of_address)
        assert entry is not None and entry.prefixes == session.prefixes and not entry.elsewhere
        return session.care_of_address, entry.port

    def contested(self) -> dict[Place, int]:
        return {
            (address, found.place.port): found.claims
            for address, mag in self.mags.items()
            for found in mag.contested_ports(self.now)
        }


@pytest.fixture
def domain() -> Domain:
    made = Domain()
    made.solicit(HOME)
    assert made.place == HOME
    made.wait(60)
    return made


@pytest.mark.parametrize("claimant", [OTHER_PORT, OTHER_MAG])
class TestOneClaim:
    def test_a_node_that_has_moved_is_served_at_once_and_its_old_port_is_asked_beside(
        self, domain: Domain, claimant: Place
    ) -> None:
        domain.answering = {claimant}
        domain.solicit(claimant)
        assert domain.place == claimant and domain.probed == [HOME]
        domain.wait(600)
        assert domain.place == claimant and domain.probed == [HOME] * 3
        assert domain.contested() == {} and domain.lma.bindings[0].prefixes

    @pytest.mark.parametrize("answers", [False, True], ids=["silent", "answers probes, too"])
    def test_a_node_that_answers_where_it_was_gets_its_binding_back_with_its_prefix(
        self, domain: Domain, claimant: Place, answers: bool
    ) -> None:
        prefixes = domain.lma.bindings[0].prefixes
        domain.answering = {HOME, claimant} if answers else {HOME}
        before = domain.now
        domain.solicit(claimant)
        assert domain.place == HOME and domain.now < before + 0.1
        assert domain.lma.bindings[0].prefixes == prefixes
        assert domain.contested() == {claimant: 1} and "false-claim" in domain.notices

    def test_the_node_is_told_nothing_bad(self, domain: Domain, claimant: Place) -> None:
        mag = domain.mags[MAG1]
        seen: list[Any] = []
        effects = mag.effects
        mag.effects = lambda: seen.append(made := effects()) or made  # type: ignore[func-returns-value, method-assign]
        domain.solicit(claimant)
        told = [effect for made in seen for effect in made if type(effect).__name__ == "Advertise" and effect.port == 3]
        assert told and all(effect.lifetime > 0 and not effect.withdrawn for effect in told)

    def test_when_the_link_layer_says_that_it_has_left_nobody_is_asked(self, domain: Domain, claimant: Place) -> None:
        domain.answering = set()
        domain.mags[MAG1].detach(3, domain.now)
        domain.work()
        domain.solicit(claimant)
        assert domain.place == claimant and domain.probed == []

    def test_that_may_also_come_a_little_later(self, domain: Domain, claimant: Place) -> None:
        domain.answering = set()
        domain.solicit(claimant)
        domain.mags[MAG1].detach(3, domain.now)
        domain.work()
        domain.wait(600)
        assert domain.place == claimant and domain.probed == [HOME] and domain.contested() == {}

    def test_a_node_whose_answer_was_lost_gets_its_binding_back_when_it_solicits(
        self, domain: Domain, claimant: Place
    ) -> None:
        domain.answering = set()
        domain.solicit(claimant)
        assert domain.place == claimant
        domain.answering = {HOME}
        domain.solicit(HOME)
        assert domain.place == HOME
        domain.wait(600)
        assert domain.place == HOME


@pytest.mark.parametrize("there", [OTHER_PORT, OTHER_MAG])
def test_a_node_to_and_fro_between_links_that_stay_up_is_accused_of_nothing(domain: Domain, there: Place) -> None:
    for place in (there, HOME, there, HOME):
        domain.answering = {place}
        domain.solicit(place)
        assert domain.place == place
        domain.wait(1)
        assert domain.place == place
    domain.wait(600)
    assert domain.place == HOME and domain.contested() == {}


def test_who_claimed_a_node_before_it_came_is_not_taken_for_it(domain: Domain) -> None:
    domain.answering = set()
    domain.solicit(OTHER_PORT)
    domain.answering = {HOME}
    domain.solicit(HOME)
    domain.solicit(OTHER_PORT)
    domain.wait(600)
    assert domain.place == HOME and HOME not in domain.contested()


@pytest.mark.parametrize("claimant", [OTHER_PORT, OTHER_MAG])
@pytest.mark.parametrize("answers", [False, True], ids=["silent", "answers probes, too"])
def test_further_claims_wait_longer_and_longer(domain: Domain, claimant: Place, answers: bool) -> None:
    """A stranger solicits twice a second for ten minutes: few of its claims move the binding, for an instant each."""
    domain.answering = {HOME, claimant} if answers else {HOME}
    before = len(domain.sent)
    for _ in range(1200):
        domain.solicit(claimant)
        assert domain.place == HOME
        domain.wait(0.5)
        assert domain.place == HOME
    registrations = [message for message in domain.sent[before:] if isinstance(message, BindingUpdate)]
    assert 2 <= len(registrations) < 40
    assert domain.contested()[claimant] >= 2


def test_a_node_that_comes_to_a_port_which_had_claimed_it_is_served_there(domain: Domain) -> None:
    for claimant in (OTHER_PORT, OTHER_MAG):
        domain.solicit(claimant)
        assert domain.contested()[claimant] == 1
        domain.answering = {claimant}
        domain.solicit(claimant)  # this time it is true
        domain.wait(FIRST_HOLD + 4)
        assert domain.place == claimant
        domain.answering = {HOME}
        domain.solicit(HOME)
        domain.wait(5)
        assert domain.place == HOME


def test_a_claim_that_had_to_wait_is_no_claim_when_the_node_is_not_there(domain: Domain) -> None:
    domain.solicit(OTHER_MAG)
    domain.solicit(OTHER_MAG)
    domain.wait(FIRST_HOLD + 4)
    assert domain.place == HOME and domain.entry(MAG2) is None


def test_the_end_of_a_link_ends_what_waits_there(domain: Domain) -> None:
    domain.solicit(OTHER_MAG)
    domain.solicit(OTHER_MAG)
    domain.mags[MAG2].detach(7, domain.now)
    domain.work()
    assert domain.entry(MAG2) is None and domain.place == HOME
    domain.answering = {OTHER_PORT}
    domain.contested()
    domain.solicit(OTHER_PORT)
    domain.mags[MAG1].detach(3, domain.now)
    domain.work()
    domain.wait(60)
    assert domain.place == OTHER_PORT


def test_without_probes_every_claim_is_believed() -> None:
    domain = Domain(probes=0)
    domain.solicit(HOME)
    for claimant in (OTHER_PORT, OTHER_MAG, HOME):
        domain.solicit(claimant)
        assert domain.place == claimant and domain.probed == []
    domain.wait(600)
    assert domain.place == HOME and domain.contested() == {}


def test_the_lma_says_by_the_trigger_whether_a_node_has_moved_or_never_has(domain: Domain) -> None:
    domain.solicit(OTHER_MAG)
    triggers = [message.trigger for message in domain.sent if isinstance(message, BindingRevocationIndication)]
    assert triggers == [
        RevocationTrigger.INTER_MAG_HANDOVER_SAME_ACCESS_TYPE,
        RevocationTrigger.POSSIBLE_OUT_OF_SYNC_BCE_STATE,
    ]


def test_false_claims_are_counted_and_forgotten() -> None:
    ports, spot = ContestedPorts(), Spot(3, LINK1)
    now, holds = START, []
    for _ in range(12):
        until = ports.record(spot, now)
        holds.append(until - now)
        assert ports.held_until(spot, now) == until and ports.held_until(Spot(4, LINK1), now) is None
        assert ports.held_until(spot, until) is None
        now = until
    assert holds == [min(FIRST_HOLD * 2**power, LONGEST_HOLD) for power in range(12)]
    (found,) = ports.all(now)
    assert (found.place, found.claims) == (spot, 12)
    assert ports.all(found.last + MEMORY) == ()
    assert ports.record(spot, found.last + MEMORY) == found.last + MEMORY + FIRST_HOLD
