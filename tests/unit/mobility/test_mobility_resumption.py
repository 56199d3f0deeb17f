"""A MAG's agent that was restarted registers the mobile nodes that it had, if they are still there."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

from mobility_helpers import (
    DISABLED,
    LINK1,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    NODE1,
    START,
    STRANGER,
    anchor,
    answer,
    gateway,
    of,
    only,
    sent,
    until,
)

from ryu_pmipls.mobility import (
    Advertise,
    BindingState,
    Effect,
    EraseBinding,
    LocalMobilityAnchor,
    MobileAccessGateway,
    ProbeNode,
    RecordBinding,
    RecordedBinding,
    Send,
)
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingUpdate,
    HandoffIndicator,
    HomeNetworkPrefix,
    RouteAdjust,
    Timestamp,
)
from ryu_pmipls.wire.codepoints import HandoffType

PREFIX = IPv6Network("2001:db8:100:7::/64")
RECORDED = RecordedBinding(LINK1, 3, (PREFIX,), LMA1, Timestamp.of(START - 1000).ticks, NODE1.identifier)
LIFETIME = 3600.0


def restarted(**changes: Any) -> MobileAccessGateway:
    """A MAG that has resumed the binding at the time ``START``; its first effects are those of that."""
    mag = gateway(**({"probes": 3, "advertisement_interval": 600.0, "restart_counter": 1} | changes))
    mag.start(START)
    mag.effects()
    mag.resume(RECORDED, START)
    return mag


def talk(mag: MobileAccessGateway, lma: LocalMobilityAnchor, effects: list[Effect], now: float) -> list[Effect]:
    """Pass PBUs and PBAs to and fro; all effects of the MAG."""
    seen = list(effects)
    for effect in effects:
        if isinstance(effect, Send) and effect.destination == LMA1:
            for back in answer(lma, effect.message, MAG1, now):
                if isinstance(back, Send) and back.destination == MAG1:
                    seen += talk(mag, lma, answer(mag, back.message, LMA1, now), now)
    return seen


def test_a_node_is_probed_before_it_is_registered_with_its_prefix_and_anchor() -> None:
    mag = restarted()
    effects = mag.effects()
    assert of(effects, ProbeNode) == [ProbeNode(3, LINK1)]
    assert not sent(effects, BindingUpdate) and not of(effects, Advertise)
    mag.reachable(LINK1, 3, START + 0.1)
    request = only([effect for effect in mag.effects() if isinstance(effect, Send)])
    assert request.destination == LMA1 and isinstance(request.message, BindingUpdate)
    assert request.message.option(HandoffIndicator) == HandoffIndicator(HandoffType.UNKNOWN)
    assert only(request.message.all(HomeNetworkPrefix)).prefix == PREFIX.network_address
    assert only(list(mag.bindings)).state is BindingState.REFRESHING


def test_its_session_goes_on_with_the_prefix_that_it_had() -> None:
    lma = anchor()
    old = gateway()
    old.attach(LINK1, 3, START - 1000)
    before = only(of(talk(old, lma, old.effects(), START - 1000), RecordBinding)).binding
    mag = gateway(probes=3, restart_counter=1)
    mag.resume(before, START)
    mag.reachable(LINK1, 3, START + 0.1)
    effects = talk(mag, lma, mag.effects(), START + 0.1)
    entry = only(list(mag.bindings))
    assert (entry.state, entry.prefixes, entry.expires) == (BindingState.BOUND, before.prefixes, START + 0.1 + LIFETIME)
    after = only(of(effects, RecordBinding)).binding
    assert (after.prefixes, after.anchor) == (before.prefixes, LMA1) and after.registered > before.registered
    assert only(of(effects, Advertise)).prefixes == before.prefixes
    assert only(sent(effects, RouteAdjust)).new_mag == MAG1


def test_a_node_that_has_left_meanwhile_is_de_registered() -> None:
    mag = restarted(min_delay_before_bce_delete=1.0)
    mag.effects()
    seen = until(mag, START + 4)
    effects = [effect for _, effect in seen]
    assert len(of(effects, ProbeNode)) == 2
    request = only(sent(effects, BindingUpdate))
    assert request.lifetime == 0 and only(request.all(HomeNetworkPrefix)).prefix == PREFIX.network_address
    assert of(effects, EraseBinding) == [EraseBinding(NODE1.identifier)]
    # It loses to any report of another MAG since, as it bears the time of the registration here.
    left = only(sent([effect for _, effect in [*seen, *until(mag, START + 4.5)]], RouteAdjust)[:1])
    assert left.new_mag.is_unspecified and left.option(Timestamp) == Timestamp(RECORDED.registered + 1)


def test_a_node_that_has_come_already_is_left_alone() -> None:
    mag = gateway(probes=3)
    mag.attach(LINK1, 2, START)
    mag.effects()
    mag.resume(RECORDED, START)
    assert mag.effects() == [] and only(list(mag.bindings)).port == 2


def test_a_node_that_solicits_while_it_is_probed_is_registered_at_once() -> None:
    mag = restarted()
    mag.effects()
    mag.attach(LINK1, 3, START + 0.5)
    effects = mag.effects()
    assert len(sent(effects, BindingUpdate)) == 1
    assert only(of(effects, Advertise)).prefixes == (PREFIX,)


def test_where_nodes_are_not_probed_one_that_says_nothing_is_left_alone() -> None:
    """It may sleep here, or be at another MAG: neither its session nor its routes change."""
    mag = restarted(probes=0)
    assert of(mag.effects(), ProbeNode) == [ProbeNode(3, LINK1)]
    effects = [effect for _, effect in until(mag, START + LIFETIME)]
    assert len(of(effects, ProbeNode)) == 2 and mag.bindings == ()
    assert not sent(effects, BindingUpdate) and not sent(effects, RouteAdjust) and not of(effects, Advertise)


def test_where_nodes_are_not_probed_one_that_talks_is_registered() -> None:
    mag = restarted(probes=0)
    mag.effects()
    mag.reachable(LINK1, 3, START + 2.5)
    assert len(sent(mag.effects(), BindingUpdate)) == 1


def test_the_anchor_is_the_recorded_one_if_there_is_still_a_tunnel_to_it() -> None:
    for recorded, asked in ((LMA2, LMA2), (STRANGER, NODE1.anchor), (None, NODE1.anchor)):
        mag = gateway()
        mag.resume(RecordedBinding(LINK1, 3, (PREFIX,), recorded), START)
        mag.reachable(LINK1, 3, START)
        assert {effect.destination for effect in mag.effects() if isinstance(effect, Send)} == {asked}


def test_who_gets_nothing_here_is_not_resumed() -> None:
    mag = gateway()
    for link in (DISABLED.link_layer_address, b"\x02\0\0\0\xff\xff"):
        mag.resume(RecordedBinding(link, 3, (PREFIX,)), START)
    assert mag.bindings == () and not sent(mag.effects(), BindingUpdate)


def test_an_lma_that_does_not_answer_is_asked_again_until_the_session_may_have_ended() -> None:
    mag = restarted(probes=0)
    mag.reachable(LINK1, 3, START)
    mag.effects()
    seen = until(mag, START + LIFETIME + 1)
    assert len(sent([effect for _, effect in seen], BindingUpdate)) > 100
    ended = [time for time, effect in seen if isinstance(effect, Advertise) and effect.lifetime == 0]
    assert ended == [START + LIFETIME]


def test_refreshes_are_not_recorded_and_the_end_is() -> None:
    lma, mag = anchor(), gateway(binding_lifetime=40.0)
    mag.attach(LINK1, 3, START)
    effects = talk(mag, lma, mag.effects(), START)
    assert only(of(effects, RecordBinding)).binding.prefixes == only(list(mag.bindings)).prefixes
    mag.handle_timer(START + 30)
    assert not of(talk(mag, lma, mag.effects(), START + 30), RecordBinding)
    mag.detach(3, START + 31)
    assert of(talk(mag, lma, mag.effects(), START + 31), EraseBinding) == [EraseBinding(NODE1.identifier)]
    assert mag.bindings == ()


def test_a_node_that_the_access_network_had_identified_is_known_by_that_again() -> None:
    random = bytes.fromhex("0a1b2c3d4e5f")
    old = gateway()
    old.identify(NODE1.identifier, random, START - 1000)
    old.attach(random, 3, START - 1000)
    lma = anchor()
    before = only(of(talk(old, lma, old.effects(), START - 1000), RecordBinding)).binding
    assert (before.link_layer_address, before.identifier) == (random, NODE1.identifier)
    mag = gateway()
    mag.resume(before, START)
    mag.reachable(random, 3, START)
    talk(mag, lma, mag.effects(), START)
    entry = only(list(mag.bindings))
    assert (entry.link_layer_address, entry.policy, entry.state) == (random, NODE1, BindingState.BOUND)
    assert mag.policy(random) == NODE1
    # Of a node that is nobody's any more nothing is resumed.
    gone = gateway()
    gone.resume(RecordedBinding(random, 3, (PREFIX,), LMA1, 7, b"nobody"), START)
    assert gone.bindings == ()


def test_a_node_that_has_come_with_another_address_is_not_resumed_with_the_old_one() -> None:
    mag = gateway()
    mag.identify(NODE1.identifier, bytes.fromhex("0a1b2c3d4e5f"), START)
    mag.attach(bytes.fromhex("0a1b2c3d4e5f"), 2, START)
    mag.effects()
    mag.resume(RECORDED, START)
    assert only(list(mag.bindings)).port == 2


def test_a_node_that_has_moved_meanwhile_stays_with_its_new_mag() -> None:
    lma, old, new = anchor(), gateway(), gateway(address=MAG2)
    old.attach(LINK1, 3, START - 1000)
    before = only(of(talk(old, lma, old.effects(), START - 1000), RecordBinding)).binding
    new.attach(LINK1, 5, START - 500)
    moved = only(sent(new.effects(), BindingUpdate))
    taken = only(sent(answer(lma, moved, MAG2, START - 500), BindingAcknowledgement))
    reported = only(sent(answer(new, taken, LMA1, START - 500), RouteAdjust)).option(Timestamp)
    again = gateway(probes=3, restart_counter=1)
    again.resume(before, START)
    effects = [effect for _, effect in until(again, START + 20)]
    for request in sent(effects, BindingUpdate):
        assert request.lifetime == 0
        answer(lma, request, MAG1, START + 4)
    until(lma, START + 30)
    session = only(list(lma.bindings))
    assert (session.care_of_address, session.prefixes, session.leaving) == (MAG2, before.prefixes, False)
    left = {report.option(Timestamp) for report in sent(effects, RouteAdjust)}
    assert reported is not None and all(each is not None and each.ticks < reported.ticks for each in left)
