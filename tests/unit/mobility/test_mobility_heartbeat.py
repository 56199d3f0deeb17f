from __future__ import annotations

from ipaddress import IPv6Network

import pytest
from mobility_helpers import (
    LINK1,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    MAG3,
    NODE1,
    NODE2,
    START,
    STRANGER,
    anchor,
    answer,
    gateway,
    networks,
    of,
    only,
    pbu,
    sent,
    until,
)

from ryu_pmipls.mobility import (
    BuildTunnel,
    CheckTunnel,
    Effect,
    Lease,
    LocalMobilityAnchor,
    MobileAccessGateway,
    Notice,
    PrefixPool,
    RemoveTunnel,
    Send,
)
from ryu_pmipls.mobility.tunnels import TunnelState
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingError,
    BindingUpdate,
    Heartbeat,
    HeartbeatFlag,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    RestartCounter,
    TunnelAck,
    TunnelRequest,
)

UNSOLICITED = HeartbeatFlag.U | HeartbeatFlag.R


def response(sequence: int, counter: int = 0, flags: HeartbeatFlag = HeartbeatFlag.R) -> Heartbeat:
    return Heartbeat(sequence, flags, options=(RestartCounter(counter),))


def connected() -> MobileAccessGateway:
    """A MAG that has just sent its first request to LMA1."""
    mag = gateway(lmas=(LMA1,))
    mag.start(START)
    answer(mag, TunnelAck(LMA1), LMA1, START)
    mag.tunnel_built(LMA1, START)
    assert only(sent(mag.effects(), Heartbeat)) == Heartbeat(1)
    return mag


class TestRequests:
    def test_a_node_that_starts_tells_its_restart_counter(self) -> None:
        mag = gateway(restart_counter=7)
        mag.start(START)
        told = [effect for effect in of(mag.effects(), Send) if isinstance(effect.message, Heartbeat)]
        assert told == [Send(response(0, 7, UNSOLICITED), lma) for lma in (LMA1, LMA2)]

    def test_every_request_is_answered(self) -> None:
        for machine, peer in ((gateway(restart_counter=3), LMA1), (anchor(restart_counter=3), MAG1)):
            assert answer(machine, Heartbeat(99), peer, START)[0] == Send(response(99, 3), peer)

    def test_nobody_is_asked_without_a_tunnel(self) -> None:
        mag = gateway()
        mag.start(START)
        mag.effects()
        assert not [e for _, e in until(mag, START + 600) if isinstance(e, Send) and isinstance(e.message, Heartbeat)]

    def test_a_peer_that_answers_is_asked_again_every_interval(self) -> None:
        mag, now = connected(), START
        for sequence in range(1, 10):
            assert answer(mag, response(sequence), LMA1, now + 0.1) == []
            assert mag.deadline() == now + 60
            now += 60
            assert until(mag, now) == [(now, Send(Heartbeat(sequence + 1), LMA1))]
        assert (mag.peers[LMA1].missed, mag.peers[LMA1].last_heard) == (0, now - 60 + 0.1)

    @pytest.mark.parametrize("stray", [response(2), response(0), response(2**32 - 1)])
    def test_only_the_awaited_response_counts(self, stray: Heartbeat) -> None:
        mag = connected()
        assert only(of(answer(mag, stray, LMA1, START + 1), Notice)).kind == "unmatched-heartbeat"
        until(mag, START + 60)
        assert mag.peers[LMA1].missed == 1

    def test_strangers_are_not_answered(self) -> None:
        for message in (Heartbeat(1), response(1), response(0, 1, UNSOLICITED)):
            effects = answer(connected(), message, STRANGER, START + 1)
            assert [type(effect) for effect in effects] == [Notice]

    def test_who_does_not_know_heartbeats_is_not_asked_again(self) -> None:
        mag = connected()
        answer(mag, BindingError(2), LMA1, START + 1)
        assert until(mag, START + 1000) == []
        assert not mag.peers[LMA1].understands
        mag.tunnel_failed(LMA1, START + 1000)
        answer(mag, TunnelAck(LMA1), LMA1, START + 1001)
        mag.effects()
        mag.tunnel_built(LMA1, START + 1002)
        assert sent(mag.effects(), Heartbeat) == []

    @pytest.mark.parametrize(("status", "source"), [(1, LMA1), (2, STRANGER), (2, LMA2)])
    def test_another_binding_error_changes_nothing(self, status: int, source: object) -> None:
        mag = connected()
        answer(mag, BindingError(status), source, START + 1)  # type: ignore[arg-type]
        assert mag.peers[LMA1].understands
        assert until(mag, START + 60) == [(START + 60, Send(Heartbeat(2), LMA1))]


class TestLoss:
    def test_a_peer_that_misses_more_than_allowed_is_lost_and_its_tunnel_looked_at(self) -> None:
        """RFC 5847, section 3.1: the fourth miss is more than three."""
        mag = connected()
        assert checks(until(mag, START + 239)) == []
        assert not mag.peers[LMA1].lost
        seen = until(mag, START + 420)
        assert checks(seen) == [START + 240, START + 300, START + 360, START + 420]
        assert [effect.kind for _, effect in seen if isinstance(effect, Notice)] == ["peer-lost"]
        assert mag.peers[LMA1].lost

    def test_the_tunnel_stays_as_long_as_the_host_of_a_silent_agent_answers(self) -> None:
        mag = connected()
        until(mag, START + 600)
        assert (mag.peers[LMA1].lost, mag.tunnels[LMA1]) == (True, TunnelState.UP)
        request = only(sent([effect for _, effect in until(mag, START + 660)], Heartbeat))
        answer(mag, response(request.sequence), LMA1, START + 661)
        assert (mag.peers[LMA1].lost, mag.peers[LMA1].missed) == (False, 0)
        assert checks(until(mag, START + 800)) == []

    def test_the_tunnel_to_a_host_that_has_gone_is_removed_and_asked_for_until_it_returns(self) -> None:
        mag = connected()
        until(mag, START + 240)
        mag.tunnel_failed(LMA1, START + 243)
        assert of(mag.effects(), RemoveTunnel) == [RemoveTunnel(LMA1)]
        assert (mag.peers[LMA1].lost, mag.tunnels[LMA1]) == (True, TunnelState.IDLE)
        later = until(mag, START + 500)
        asked = [when - START for when, effect in later if sent([effect], TunnelRequest)]
        assert asked[:6] == [244, 246, 250, 258, 274, 306]
        assert checks(later) == [] and sent([effect for _, effect in later], Heartbeat) == []
        assert only(of(answer(mag, TunnelAck(LMA1), LMA1, START + 500), BuildTunnel)) == BuildTunnel(LMA1)
        mag.tunnel_built(LMA1, START + 501)
        assert (mag.peers[LMA1].lost, mag.peers[LMA1].missed) == (False, 0)
        assert only(sent(mag.effects(), Heartbeat)).flags == HeartbeatFlag(0)

    def test_sessions_outlive_a_lost_peer(self) -> None:
        lma = with_session()
        lma.tunnel_built(MAG1, START)
        until(lma, START + 240)
        assert lma.peers[MAG1].lost
        assert len(lma.bindings) == 1

    def test_an_lma_builds_the_tunnel_again_when_a_lost_mag_is_heard(self) -> None:
        lma = anchor()
        answer(lma, TunnelRequest(MAG1), MAG1, START)
        lma.tunnel_built(MAG1, START)
        until(lma, START + 240)
        lma.tunnel_failed(MAG1, START + 243)
        assert of(lma.effects(), RemoveTunnel) == [RemoveTunnel(MAG1)]
        assert BuildTunnel(MAG1) in answer(lma, Heartbeat(5), MAG1, START + 300)
        assert not lma.peers[MAG1].lost

    def test_the_other_peers_are_not_lost(self) -> None:
        lma = anchor()
        for mag in (MAG1, MAG2):
            answer(lma, TunnelRequest(mag), mag, START)
            lma.tunnel_built(mag, START)
        sequences = {effect.destination: effect.message.sequence for effect in requests(lma)}
        for round_ in range(6):
            answer(lma, response(sequences[MAG2]), MAG2, START + 60 * round_ + 1)
            for _, effect in until(lma, START + 60 * (round_ + 1)):
                if isinstance(effect, Send) and isinstance(effect.message, Heartbeat):
                    sequences[effect.destination] = effect.message.sequence
        assert (lma.peers[MAG1].lost, lma.peers[MAG2].lost) == (True, False)


class TestRestart:
    def test_the_first_counter_tells_nothing(self) -> None:
        mag = connected()
        assert of(answer(mag, response(1, 42), LMA1, START + 1), Notice) == []
        assert mag.peers[LMA1].restart_counter == 42

    def test_a_mag_registers_its_nodes_again_at_an_lma_that_has_forgotten_them(self) -> None:
        mag = connected()
        answer(mag, response(1, 1), LMA1, START)
        mag.attach(LINK1, 3, START + 1)
        request = only(sent(mag.effects(), BindingUpdate))
        prefix = HomeNetworkPrefix(IPv6Network("2001:db8:100:1::/64").network_address, 64)
        options = [option for option in request.options if not isinstance(option, HomeNetworkPrefix)]
        accepted = BindingAcknowledgement(0, request.sequence, request.lifetime, options=(*options, prefix))
        answer(mag, accepted, LMA1, START + 1)
        effects = answer(mag, response(0, 2, UNSOLICITED), LMA1, START + 10)
        again = only(sent(effects, BindingUpdate))
        assert again.all(HomeNetworkPrefix) == (prefix,)
        assert sent(effects, TunnelRequest) == [TunnelRequest(MAG1)]
        assert only(list(mag.bindings)).prefixes  # the node keeps what it has meanwhile

    def test_the_sessions_of_a_restarted_mag_end_unless_it_takes_them_up(self) -> None:
        lma = with_session()
        answer(lma, response(0, 1, UNSOLICITED), MAG1, START + 1)
        answer(lma, response(0, 2, UNSOLICITED), MAG1, START + 2)
        assert only(list(lma.bindings)).leaving
        reply = only(sent(answer(lma, pbu(START + 3), MAG1, START + 3), BindingAcknowledgement))
        assert reply.status == 0
        assert not only(list(lma.bindings)).leaving
        answer(lma, response(0, 3, UNSOLICITED), MAG1, START + 4)
        assert not only(list(lma.bindings)).leaving  # registered after the counter was 2
        answer(lma, response(0, 4, UNSOLICITED), MAG1, START + 5)
        assert only(list(lma.bindings)).leaving
        until(lma, START + 3602)  # mobile nodes may use their prefixes as long as that
        assert len(lma.bindings) == 1
        until(lma, START + 3603)
        assert lma.bindings == ()

    def test_a_session_that_a_restarted_mag_deregisters_does_not_stay_as_long(self) -> None:
        lma = with_session()
        for counter in (1, 2):
            answer(lma, response(0, counter, UNSOLICITED), MAG1, START + counter)
        for now in (START + 3, START + 9):
            reply = only(sent(answer(lma, pbu(now, lifetime=0), MAG1, now), BindingAcknowledgement))
            assert (reply.status, reply.lifetime) == (0, 0)
        until(lma, START + 13)
        assert lma.bindings == ()

    def test_an_announcement_that_was_overtaken_is_no_restart(self) -> None:
        lma = with_session()
        for counter in (2, 1, 2):
            answer(lma, response(0, counter, UNSOLICITED), MAG1, START + 1)
        assert not only(list(lma.bindings)).leaving

    def test_the_sessions_of_others_stay(self) -> None:
        lma = with_session()
        for counter in (1, 2):
            answer(lma, response(0, counter, UNSOLICITED), MAG3, START + 1)
        assert not only(list(lma.bindings)).leaving


class TestLeases:
    POOL = PrefixPool(IPv6Network("2001:db8:100::/63"))

    def test_a_prefix_is_leased_before_anybody_is_told(self) -> None:
        effects = answer(anchor(), pbu(START), MAG1, START)
        kinds = [type(effect) for effect in effects]
        [prefix] = networks(only(sent(effects, BindingAcknowledgement)))
        assert Lease(prefix, NODE1.identifier) in effects
        assert kinds.index(Lease) < kinds.index(Send)

    def test_a_restarted_lma_gives_nobody_what_another_may_still_use(self) -> None:
        first, second = self.POOL.prefix(0), self.POOL.prefix(1)
        lma = anchor(pool=self.POOL, restart_counter=1)
        lma = LocalMobilityAnchor(lma.config, {first: NODE1.identifier, second: b"gone@example.net"})
        lma.start(START)
        link2 = NODE2.link_layer_address
        assert refused(lma, pbu(START, NODE2, link=link2), START) == 130
        assert refused(lma, pbu(START, NODE2, link=link2, prefixes=(first,)), START) == 155
        assert networks(only(sent(answer(lma, pbu(START), MAG1, START), BindingAcknowledgement))) == (first,)
        until(lma, START + 3600)
        later = START + 3601
        reply = only(sent(answer(lma, pbu(later, NODE2, link=link2), MAG2, later), BindingAcknowledgement))
        assert networks(reply) == (second,)

    def test_a_lease_ends_with_the_session(self) -> None:
        lma = with_session()
        answer(lma, pbu(START + 1, lifetime=0), MAG1, START + 1)
        ended = [effect for _, effect in until(lma, START + 11) if isinstance(effect, Lease)]
        assert [lease.identifier for lease in ended] == [b""]


def with_session() -> LocalMobilityAnchor:
    lma = anchor()
    effects = answer(lma, pbu(START), MAG1, START)
    assert only(sent(effects, BindingAcknowledgement)).option(MobileNodeIdentifier)
    return lma


def checks(effects: list[tuple[float, Effect]]) -> list[float]:
    """When the tunnel to LMA1 is looked at."""
    return [when for when, effect in effects if effect == CheckTunnel(LMA1)]


def requests(lma: LocalMobilityAnchor) -> list[Send]:
    return [effect for effect in of(lma.effects(), Send) if isinstance(effect.message, Heartbeat)]


def refused(lma: LocalMobilityAnchor, message: BindingUpdate, now: float) -> int:
    return only(sent(answer(lma, message, MAG1, now), BindingAcknowledgement)).status
