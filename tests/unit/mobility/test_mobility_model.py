"""MAGs, LMAs and an RMS on a network that loses, repeats, delays and reorders, and each of them may be restarted.

When the network calms down all agree on every binding, and never do two mobile nodes hold one prefix.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from mobility_helpers import ELSEWHERE, FIXED, LMA1, LMA2, MAG1, MAG2, NODE1, NODE2, NODE3, RMS, START, anchor, gateway

from ryu_pmipls.controller.bindings import Binding, BindingTable, Result, RouteChange
from ryu_pmipls.mobility import (
    BindingCacheEntry,
    BindingState,
    BuildTunnel,
    CheckTunnel,
    Lease,
    LocalMobilityAnchor,
    MobileAccessGateway,
    MobileNodePolicy,
    PrefixPool,
    ProbeNode,
    Send,
)
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.mobility.tunnels import TunnelState
from ryu_pmipls.wire import Attachment, Message, RouteAdjust, Timestamp, build, parse

MAGS = (MAG1, MAG2)
LMAS = (LMA1, LMA2)
GONE = IPv6Address("::")
LIFETIME = 40.0
HEARTBEAT = 5.0
#: Seconds that the network keeps a datagram: so long that the attachment may be told of after its end was.
MOST_DELAY = 30.0
NETWORK = IPv6Network("2001:db8:100::/62")  # two prefixes for each LMA, one of them FIXED: none to spare
SLICES = tuple(PrefixPool(NETWORK, index, len(LMAS)) for index in range(len(LMAS)))
#: A node whose search for a prefix starts where that of NODE1 does.
RIVAL = next(
    replace(NODE2, identifier=identifier)
    for identifier in (b"rival%d" % number for number in range(100))
    if SLICES[0].choose(identifier, set().__contains__, 0) == SLICES[0].choose(NODE1.identifier, set().__contains__, 0)
)
NODES = (NODE1, RIVAL, NODE3, ELSEWHERE)
ADDRESSES = {None: GONE, **{str(mag): mag for mag in MAGS}}


class Domain(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.leases: dict[IPv6Address, dict[IPv6Network, bytes]] = {address: {} for address in LMAS}
        self.restarts = dict.fromkeys((*LMAS, *MAGS), 0)
        self.started = dict.fromkeys((*LMAS, *MAGS), START)
        self.lmas = {address: self.new_lma(address) for address in LMAS}
        self.mags = {address: self.new_mag(address) for address in MAGS}
        self.machines: dict[IPv6Address, Machine] = {**self.lmas, **self.mags}
        self.rms = BindingTable()
        self.network: list[tuple[bytes, IPv6Address, IPv6Address, float]] = []  # the last: since when
        self.places: dict[bytes, tuple[IPv6Address, int]] = {}  # link-layer address -> MAG, port
        self.vanished: set[bytes] = set()  # those that have done so at some time
        self.claimed: set[bytes] = set()  # likewise those in whose name others have solicited
        self.cut = False  # no node can reach any other
        # Prefixes whose MAG, or LMA, was restarted since the RMS heard of them; if both, nobody tells of their end.
        self.lost_by_mag: set[bytes] = set()
        self.lost_by_lma: set[bytes] = set()

    def new_lma(self, address: IPv6Address) -> LocalMobilityAnchor:
        made = anchor(
            address=address,
            mags=MAGS,
            mobile_nodes=NODES,
            pool=SLICES[LMAS.index(address)],
            binding_lifetime=LIFETIME,
            heartbeat_interval=HEARTBEAT,
            restart_counter=self.restarts[address],
        )
        return LocalMobilityAnchor(made.config, self.leases[address])

    def new_mag(self, address: IPv6Address) -> MobileAccessGateway:
        return gateway(
            address=address,
            mobile_nodes=NODES,
            binding_lifetime=LIFETIME,
            heartbeat_interval=HEARTBEAT,
            restart_counter=self.restarts[address],
            advertisement_interval=600.0,
            probes=3,
        )

    # The nodes and what lies between them

    def work(self) -> None:
        """Carry out all effects."""
        for address, machine in self.machines.items():
            while effects := machine.effects():
                for effect in effects:
                    if isinstance(effect, Send):
                        self.send(effect.message, address, effect.destination)
                    elif isinstance(effect, BuildTunnel):
                        machine.tunnel_built(effect.peer, self.now)
                    elif isinstance(effect, CheckTunnel) and self.cut:
                        machine.tunnel_failed(effect.peer, self.now)
                    elif isinstance(effect, Lease):
                        self.leases[address].pop(effect.prefix, None)
                        if effect.identifier:
                            self.leases[address][effect.prefix] = effect.identifier
                    elif isinstance(effect, ProbeNode):
                        self.probe(address, effect)

    def probe(self, mag: IPv6Address, effect: ProbeNode) -> None:
        """A node answers the MAG where it is."""
        if self.places.get(effect.link_layer_address) == (mag, effect.port):
            self.mags[mag].answered(effect.link_layer_address, effect.port, self.now)

    def send(self, message: Message, source: IPv6Address, destination: IPv6Address) -> None:
        self.network.append((build(message, source, destination), source, destination, self.now))

    def hand_over(self, datagram: bytes, source: IPv6Address, destination: IPv6Address, sent: float) -> None:
        message = parse(datagram, source, destination)
        if destination != RMS:
            self.machines[destination].receive(message, source, self.now)
        elif isinstance(message, RouteAdjust):
            self.rms_receives(message, source)
        self.work()

    def rms_receives(self, message: RouteAdjust, source: IPv6Address) -> None:
        """What ``control.routes`` does, with switches that do everything at once."""
        attachment = message.option(Attachment)
        prefix, known = message.prefix.packed[:8], self.rms.get(message.prefix.packed[:8])
        if source in LMAS:
            if message.new_mag != GONE or attachment is None or attachment.anchor != source:
                return  # an acknowledgement
            assert known is None or known.mag is None or known.anchor == str(source)
        change = RouteChange(
            prefix,
            known.mag if source in LMAS and known is not None else mag_name(message.old_mag),
            None if message.new_mag == GONE else str(message.new_mag),
            ticks(message),
            anchor=None if attachment is None else str(attachment.anchor),
        )
        (update,) = self.rms.update([change], self.now)
        assert update.result is not Result.TOO_NEW
        if update.result is Result.CHANGED and update.binding is not None:
            self.lost_by_mag.discard(prefix)
            self.lost_by_lma.discard(prefix)
            for lma in LMAS:
                self.send(announcement(update.binding), RMS, lma)
        self.send(message, RMS, source)

    def let_time_pass(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            due = [deadline for machine in self.machines.values() if (deadline := machine.deadline()) is not None]
            self.now = max(self.now, min([*due, end]))
            for machine in self.machines.values():
                machine.handle_timer(self.now)
            self.work()
            if self.now >= end:
                break
        self.network = [packet for packet in self.network if self.now - packet[3] <= MOST_DELAY]

    # What may happen

    @initialize()
    def start(self) -> None:
        for machine in self.machines.values():
            machine.start(self.now)
        self.work()

    @rule(number=st.integers(0, 9), fate=st.sampled_from(["arrives", "arrives twice", "is lost"]))
    def something_sent(self, number: int, fate: str) -> None:
        if not self.network:
            return
        index = number % len(self.network)
        packet = self.network[index]
        if fate != "arrives twice":
            del self.network[index]
        if fate != "is lost":
            self.hand_over(*packet)

    @rule(order=st.sampled_from([1, -1]))
    def all_arrives(self, order: int) -> None:
        """And the answers, and the answers to them."""
        while self.network:
            packets, self.network = self.network[::order], []
            for packet in packets:
                self.hand_over(*packet)

    @rule()
    def nothing_arrives(self) -> None:
        """For so long that every bounded retransmission gives up, and all peers and tunnels are lost."""
        self.cut = True
        self.let_time_pass(27.0)
        self.network.clear()
        self.cut = False

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.25, 1.0, 4.0, 12.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.let_time_pass(seconds)

    @rule(
        node=st.sampled_from(NODES),
        mag=st.sampled_from(MAGS),
        port=st.integers(1, 2),
        noticed=st.sampled_from(["first", "then"]),
    )
    def moves(self, node: MobileNodePolicy, mag: IPv6Address, port: int, noticed: str) -> None:
        """A node comes, or changes its place; the old MAG notices first, or a little later."""
        # No node is at two places within one tick of a timestamp: then nothing would tell which PBU is the later one.
        self.now += 0.001
        link = node.link_layer_address
        place = (mag, NODES.index(node) * 10 + port)
        old = self.places.get(link)
        self.places[link] = place
        if old is not None and old != place and noticed == "first":
            self.mags[old[0]].detach(old[1], self.now)
        self.mags[mag].attach(link, place[1], self.now)
        self.work()
        if old is not None and old != place and noticed == "then":
            self.now += 0.01
            self.mags[old[0]].detach(old[1], self.now)
        self.work()

    @rule(node=st.sampled_from(NODES))
    def leaves(self, node: MobileNodePolicy) -> None:
        place = self.places.pop(node.link_layer_address, None)
        if place is not None:
            self.mags[place[0]].detach(place[1], self.now)
            self.work()

    @rule(node=st.sampled_from(NODES))
    def vanishes(self, node: MobileNodePolicy) -> None:
        """A node leaves while its link stays up."""
        if self.places.pop(node.link_layer_address, None) is not None:
            self.vanished.add(node.link_layer_address)

    @rule(node=st.sampled_from(NODES), mag=st.sampled_from(MAGS), port=st.integers(1, 2))
    def is_claimed(self, node: MobileNodePolicy, mag: IPv6Address, port: int) -> None:
        """Somebody solicits in the name of a node, from a port where it is not, and answers no probe."""
        link, place = node.link_layer_address, (mag, NODES.index(node) * 10 + port)
        if self.places.get(link) != place:
            self.now += 0.001
            self.claimed.add(link)
            self.mags[mag].attach(link, place[1], self.now)
            self.work()

    @rule(address=st.sampled_from(LMAS))
    def an_lma_is_restarted(self, address: IPv6Address) -> None:
        self.lost_by_lma.update(binding.prefix for binding in self.rms if binding.anchor == str(address))
        self.restarted(address)
        self.machines[address] = self.lmas[address] = self.new_lma(address)
        self.lmas[address].start(self.now)
        self.work()

    @rule(address=st.sampled_from(MAGS))
    def a_mag_is_restarted(self, address: IPv6Address) -> None:
        """It has forgotten which nodes are there, and waits until they solicit."""
        self.lost_by_mag.update(binding.prefix for binding in self.rms if binding.mag == str(address))
        self.restarted(address)
        self.machines[address] = self.mags[address] = self.new_mag(address)
        self.mags[address].start(self.now)
        self.work()

    def restarted(self, address: IPv6Address) -> None:
        self.now += 0.001
        self.restarts[address] += 1
        self.started[address] = self.now

    @rule()
    def the_rms_is_restarted(self) -> None:
        """It has its bindings from its store."""
        self.rms = BindingTable(list(self.rms))

    # What must hold

    @invariant()
    def no_prefix_is_given_to_two(self) -> None:
        given = [prefix for lma in self.lmas.values() for entry in lma.bindings for prefix in entry.prefixes]
        assert len(given) == len(set(given))
        for prefix in given:
            assert prefix.subnet_of(NETWORK)

    @invariant()
    def no_prefix_is_held_by_two(self) -> None:
        holders: dict[IPv6Network, set[bytes]] = {}
        for mag in self.mags.values():
            for entry in mag.bindings:
                for prefix in entry.prefixes:
                    holders.setdefault(prefix, set()).add(entry.policy.link_layer_address)
        assert all(len(nodes) == 1 for nodes in holders.values())
        assert holders.get(FIXED, {NODE3.link_layer_address}) == {NODE3.link_layer_address}

    @invariant()
    def what_a_mag_holds_is_what_the_lma_has(self) -> None:
        for address, mag in self.mags.items():
            for entry in mag.bindings:
                if not entry.prefixes or entry.expires <= self.now:
                    continue
                if entry.registered < Timestamp.of(self.started[entry.anchor]).ticks:
                    continue  # before the LMA forgot everything
                link = entry.policy.link_layer_address
                if self.places.get(link) != (address, entry.port) or (link in self.vanished and entry.request):
                    continue  # has left and nobody has noticed, or has come back and is registered anew
                if link in self.claimed:
                    continue  # another MAG may have it for a moment
                [session] = self.sessions_of(entry.policy)
                assert (session.care_of_address, session.leaving) == (address, False)
                assert session.prefixes == entry.prefixes

    def sessions_of(self, node: MobileNodePolicy) -> list[BindingCacheEntry]:
        bindings = self.lmas[node.anchor].bindings
        return [session for session in bindings if session.identifier.identifier == node.identifier]

    def teardown(self) -> None:
        """The network calms down; after a few lifetimes all agree."""
        self.now += 0.001
        for link, (mag, port) in self.places.items():
            self.mags[mag].attach(link, port, self.now)  # for the MAGs that were restarted
        self.work()
        for _ in range(int(4 * LIFETIME / 0.25)):
            while self.network:
                self.hand_over(*self.network.pop(0))
            self.let_time_pass(0.25)
        for binding in self.rms:
            for address in LMAS:
                self.hand_over(build(announcement(binding), RMS, address), RMS, address, self.now)  # erratum E41
        routes = {}
        for node in NODES:
            entries = [
                (address, entry) for address, mag in self.mags.items() for entry in mag.bindings if entry.policy == node
            ]
            sessions = self.sessions_of(node)
            place = self.places.get(node.link_layer_address)
            if place is None:
                assert entries == [] and sessions == []
                continue
            [(mag_address, entry)], [session] = entries, sessions
            assert (mag_address, entry.port) == place
            assert entry.state in (BindingState.BOUND, BindingState.REFRESHING)
            assert session.care_of_address == place[0] and session.prefixes == entry.prefixes
            assert not session.leaving
            routes.update({prefix.network_address: place[0] for prefix in entry.prefixes})
        known = {
            binding.network.network_address: ADDRESSES[binding.mag]
            for binding in self.rms
            if binding.mag is not None
            and (binding.network.network_address in routes or binding.prefix not in self.lost_by_mag & self.lost_by_lma)
        }
        assert known == routes
        for lma in self.lmas.values():
            assert {prefix: mag for prefix, mag in lma.routes.items() if prefix in routes} == routes
            assert set(lma.routes) - set(routes) <= {IPv6Address(prefix + bytes(8)) for prefix in self.lost_by_lma}
        for machine in self.machines.values():
            assert set(machine.tunnels.values()) == {TunnelState.UP}


def announcement(binding: Binding) -> RouteAdjust:
    """What the RMS tells LMAs of a binding."""
    prefix = binding.network.network_address
    options = (Timestamp(binding.timestamp),)
    return RouteAdjust(prefix, ADDRESSES[binding.previous_mag], ADDRESSES[binding.mag], options=options)


def mag_name(mag: IPv6Address) -> str | None:
    return None if mag == GONE else str(mag)


def ticks(message: RouteAdjust) -> int:
    option = message.option(Timestamp)
    assert option is not None
    return option.ticks


TestDomain = Domain.TestCase
TestDomain.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
