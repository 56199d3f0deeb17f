"""Redirection of new sessions (RFC 6463): the LMA that is asked, the one that takes the session, and the MAG."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest
from mobility_helpers import (
    ELSEWHERE,
    LINK1,
    LINK2,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    NODE1,
    NODE2,
    POOL,
    RMS,
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

from ryu_pmipls.mobility import Advertise, Effect, LocalMobilityAnchor, MobileAccessGateway, Notice, Send
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.wire import (
    AlternateCareOfAddress,
    Attachment,
    BindingAcknowledgement,
    BindingUpdate,
    Drain,
    LoadAdjust,
    Message,
    MobileNodeIdentifier,
    Redirect,
    RedirectCapability,
    RedirectFlag,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    build,
    parse,
)
from ryu_pmipls.wire.codepoints import BindingStatus

LMA3 = IPv6Address("fd00::13")
CAPABLE = (RedirectCapability(),)
SLICES = {LMA1: POOL, LMA2: replace(POOL, index=1)}


def load_adjust(new: IPv6Address, time: float = START, old: IPv6Address = LMA1) -> LoadAdjust:
    return LoadAdjust(old, new, options=(Timestamp.of(time),))


def peer(address: IPv6Address = LMA1, **changes: object) -> LocalMobilityAnchor:
    other = LMA2 if address == LMA1 else LMA1
    return anchor(address=address, pool=SLICES[address], redirection_peers=(other,), **changes)


def redirecting() -> LocalMobilityAnchor:
    """LMA1, whose new sessions must go to LMA2."""
    lma = peer()
    answer(lma, load_adjust(LMA2), RMS, START)
    return lma


def passed_on(lma: Machine, message: BindingUpdate, now: float, mag: IPv6Address = MAG1) -> BindingUpdate:
    effects = answer(lma, message, mag, now)
    assert [(type(effect.message), effect.destination) for effect in of(effects, Send)] == [(BindingUpdate, LMA2)]
    return only(sent(effects, BindingUpdate))


def reply_of(effects: list[object]) -> tuple[BindingAcknowledgement, IPv6Address]:
    """The only PBA that is sent, and where to."""
    return only([
        (effect.message, effect.destination)
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, BindingAcknowledgement)
    ])  # fmt: skip


class TestTheWordOfTheRms:
    def test_it_is_obeyed_and_answered_with_the_same_message(self) -> None:
        lma, message = peer(), load_adjust(LMA2)
        assert sent(answer(lma, message, RMS, START), LoadAdjust) == [message]
        assert lma.new_sessions_at == LMA2
        assert answer(lma, message, RMS, START + 1) == [Send(message, RMS)]

    def test_its_own_address_ends_it(self) -> None:
        lma = redirecting()
        answer(lma, load_adjust(LMA1, START + 1), RMS, START + 1)
        assert lma.new_sessions_at is None

    def test_the_newest_wins(self) -> None:
        lma = peer()
        answer(lma, load_adjust(LMA1, START + 1), RMS, START + 1)
        effects = answer(lma, load_adjust(LMA2, START), RMS, START + 1)
        assert [type(effect) for effect in effects] == [Notice]
        assert lma.new_sessions_at is None

    @pytest.mark.parametrize("age", [-1.0, 30.0])
    def test_e45_a_replay_is_ignored(self, age: float) -> None:
        lma = peer()
        answer(lma, load_adjust(LMA2, START - age), RMS, START)
        assert lma.new_sessions_at is None

    @pytest.mark.parametrize(
        ("message", "source"),
        [
            (load_adjust(LMA2), MAG1),
            (load_adjust(LMA3), RMS),
            (load_adjust(MAG1), RMS),
            (load_adjust(LMA1, old=LMA2), RMS),
        ],
    )
    def test_what_does_not_fit_is_not_obeyed_and_not_answered(self, message: LoadAdjust, source: IPv6Address) -> None:
        lma = peer()
        assert [type(effect) for effect in answer(lma, message, source, START)] == [Notice]
        assert lma.new_sessions_at is None

    def test_without_peers_nothing_is_redirected(self) -> None:
        lma = anchor()
        answer(lma, load_adjust(LMA2), RMS, START)
        assert lma.new_sessions_at is None


class TestTheLmaThatIsAsked:
    def test_the_request_is_passed_on_as_it_is(self) -> None:
        message = pbu(START, more=CAPABLE)
        forwarded = passed_on(redirecting(), message, START)
        assert forwarded.option(AlternateCareOfAddress) == AlternateCareOfAddress(MAG1)
        kept = [option for option in message.options if option not in CAPABLE]
        assert list(forwarded.options) == [*kept, AlternateCareOfAddress(MAG1)]
        assert (forwarded.lifetime, forwarded.flags) == (message.lifetime, message.flags)

    def test_the_answer_comes_back_with_the_redirection(self) -> None:
        lma, other = redirecting(), peer(LMA2)
        forwarded = passed_on(lma, pbu(START, more=CAPABLE, sequence=77), START)
        taken, back = reply_of(answer(other, forwarded, LMA1, START))
        assert back == LMA1
        reply, mag = reply_of(answer(lma, taken, LMA2, START))
        assert (reply.status, reply.sequence, mag) == (0, 77, MAG1)
        assert reply.option(Redirect) == Redirect(RedirectFlag.K, LMA2)
        assert networks(reply) == networks(taken)
        assert only(list(other.bindings)).care_of_address == MAG1
        assert lma.bindings == ()
        assert lma.deadline() is None

    def test_a_mag_that_is_not_capable_is_never_redirected(self) -> None:
        reply, _ = reply_of(answer(redirecting(), pbu(START), MAG1, START))
        assert (reply.status, reply.option(Redirect)) == (0, None)

    def test_a_session_that_is_there_is_never_redirected(self) -> None:
        lma = peer()
        answer(lma, pbu(START, more=CAPABLE), MAG1, START)
        answer(lma, load_adjust(LMA2, START + 1), RMS, START + 1)
        for time, mag in ((2, MAG1), (3, MAG2)):
            reply, _ = reply_of(answer(lma, pbu(START + time, more=CAPABLE), mag, START + time))
            assert (reply.status, reply.option(Redirect)) == (0, None)

    def test_all_sessions_of_a_node_are_at_one_lma(self) -> None:
        lma = peer()
        answer(lma, pbu(START, more=CAPABLE), MAG1, START)
        answer(lma, load_adjust(LMA2, START + 1), RMS, START + 1)
        reply, _ = reply_of(answer(lma, pbu(START + 2, more=CAPABLE, link=LINK2, handoff=1), MAG1, START + 2))
        assert (reply.status, len(lma.bindings)) == (0, 2)

    def test_after_a_handoff_the_session_is_found_where_it_is(self) -> None:
        """Though new sessions are not redirected any more."""
        lma, other = redirecting(), peer(LMA2)
        taken, _ = reply_of(answer(other, passed_on(lma, pbu(START, more=CAPABLE), START), LMA1, START))
        answer(lma, taken, LMA2, START)
        answer(lma, load_adjust(LMA1, START + 1), RMS, START + 1)
        forwarded = passed_on(lma, pbu(START + 2, more=CAPABLE), START + 2, MAG2)
        again, _ = reply_of(answer(other, forwarded, LMA1, START + 2))
        reply, mag = reply_of(answer(lma, again, LMA2, START + 2))
        assert mag == MAG2
        assert networks(reply) == networks(taken)
        assert only(list(other.bindings)).care_of_address == MAG2

    def test_the_rms_tells_a_restarted_lma_where_a_node_is(self) -> None:
        lma = peer()
        prefix = IPv6Address("2001:db8:180::")
        who = (Timestamp.of(START), MobileNodeIdentifier(NODE1.identifier))
        there = RouteAdjust(prefix, IPv6Address("::"), MAG1, options=(*who, Attachment(3, LMA2)))
        answer(lma, there, RMS, START)
        passed_on(lma, pbu(START + 1, more=CAPABLE), START + 1)
        gone = RouteAdjust(prefix, MAG1, IPv6Address("::"), options=(Timestamp.of(START + 2), *who[1:]))
        fresh = peer()
        answer(fresh, there, RMS, START)
        answer(fresh, gone, RMS, START + 2)
        reply, _ = reply_of(answer(fresh, pbu(START + 3, more=CAPABLE), MAG1, START + 3))
        assert reply.option(Redirect) is None

    @pytest.mark.parametrize("status", [128, 130, 153, 154])
    def test_when_the_other_is_unwilling_the_session_is_here(self, status: int) -> None:
        lma = redirecting()
        forwarded = passed_on(lma, pbu(START, more=CAPABLE), START)
        reply, mag = reply_of(answer(lma, BindingAcknowledgement(status, forwarded.sequence, 0), LMA2, START))
        assert (reply.status, reply.option(Redirect), mag) == (0, None, MAG1)
        assert len(lma.bindings) == 1

    @pytest.mark.parametrize("status", [129, 135, 152, 155, 156, 157, 159])
    def test_other_refusals_are_about_the_request_and_go_back(self, status: int) -> None:
        lma = redirecting()
        forwarded = passed_on(lma, pbu(START, more=CAPABLE, sequence=77), START)
        reply, _ = reply_of(answer(lma, BindingAcknowledgement(status, forwarded.sequence, 0), LMA2, START))
        assert (reply.status, reply.sequence, reply.option(Redirect)) == (status, 77, None)
        assert lma.bindings == ()

    def test_when_the_other_is_silent_the_session_is_here_after_a_while(self) -> None:
        lma = redirecting()
        passed_on(lma, pbu(START, more=CAPABLE, sequence=77), START)
        passed_on(lma, pbu(START + 1, more=CAPABLE, sequence=78), START + 1)  # the MAG repeats it
        seen = until(lma, START + 3)
        assert {when for when, _ in seen} == {START + 2}
        reply, _ = reply_of([effect for _, effect in seen])
        assert (reply.status, reply.sequence) == (0, 78)

    @pytest.mark.parametrize("source", [MAG1, STRANGER])
    def test_only_the_lma_that_was_asked_answers(self, source: IPv6Address) -> None:
        lma = redirecting()
        forwarded = passed_on(lma, pbu(START, more=CAPABLE), START)
        effects = answer(lma, BindingAcknowledgement(0, forwarded.sequence, 900), source, START)
        assert only(of(effects, Notice)).kind == "unmatched-acknowledgement"
        assert of(effects, Send) == []

    def test_a_departure_that_comes_here_is_passed_on(self) -> None:
        lma, other = redirecting(), peer(LMA2)
        answer(other, passed_on(lma, pbu(START, more=CAPABLE), START), LMA1, START)
        leaving, _ = reply_of(answer(other, passed_on(lma, pbu(START + 1, lifetime=0), START + 1), LMA1, START + 1))
        reply, mag = reply_of(answer(lma, leaving, LMA2, START + 1))
        assert (reply.status, reply.lifetime, reply.option(Redirect), mag) == (0, 0, None, MAG1)
        assert only(list(other.bindings)).leaving

    def test_an_lma_that_drains_redirects_and_repeats_the_refusal(self) -> None:
        lma = redirecting()
        lma.drain(START)
        forwarded = passed_on(lma, pbu(START, more=CAPABLE), START)
        reply, _ = reply_of(answer(lma, BindingAcknowledgement(153, forwarded.sequence, 0), LMA2, START))
        assert reply.status == BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE
        passed_on(lma, pbu(START + 1, more=CAPABLE), START + 1)
        reply, _ = reply_of([effect for _, effect in until(lma, START + 5)])
        assert reply.status == BindingStatus.INSUFFICIENT_RESOURCES


class TestTheLmaThatTakesTheSession:
    def test_it_does_not_redirect_what_was_redirected(self) -> None:
        """Two LMAs that name each other make no loop."""
        other = peer(LMA2)
        answer(other, load_adjust(LMA1, old=LMA2), RMS, START)
        message = pbu(START, more=(*CAPABLE, AlternateCareOfAddress(MAG1)))
        reply, back = reply_of(answer(other, message, LMA1, START))
        assert (reply.status, back) == (0, LMA1)

    def test_the_care_of_address_is_that_of_a_mag(self) -> None:
        reply, _ = reply_of(answer(peer(LMA2), pbu(START), LMA1, START))
        assert reply.status == BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG

    def test_an_lma_without_agreement_is_refused(self) -> None:
        message = pbu(START, more=(AlternateCareOfAddress(MAG1),))
        reply, _ = reply_of(answer(anchor(address=LMA2), message, LMA1, START))
        assert reply.status == BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG

    def test_after_a_restart_it_takes_the_refresh_of_the_mag(self) -> None:
        prefix = SLICES[LMA2].prefix(3)
        reply, _ = reply_of(answer(peer(LMA2), pbu(START, prefixes=(prefix,), handoff=5), MAG1, START))
        assert (reply.status, networks(reply)) == (0, (prefix,))


# The MAG


def connected(**changes: object) -> MobileAccessGateway:
    """A MAG with tunnels to both LMAs."""
    mag = gateway(**{"redirection": True, **changes})
    for lma in (LMA1, LMA2):
        mag.receive(TunnelAck(lma), lma, START)
        mag.tunnel_built(lma, START)
    mag.effects()
    return mag


def asks(mag: MobileAccessGateway) -> tuple[BindingUpdate, IPv6Address]:
    """The only PBU that is sent, and where to."""
    return only([
        (effect.message, effect.destination)
        for effect in mag.effects()
        if isinstance(effect, Send) and isinstance(effect.message, BindingUpdate)
    ])  # fmt: skip


def granted(request: BindingUpdate, *more: Redirect, status: int = 0) -> BindingAcknowledgement:
    """What an LMA with its own prefix answers."""
    lma = peer(LMA2, mobile_nodes=(NODE1, ELSEWHERE))
    options = [option for option in request.options if not isinstance(option, RedirectCapability)]
    timestamp = request.option(Timestamp)
    assert timestamp is not None
    plain = replace(request, options=tuple(options))
    reply, _ = reply_of(answer(lma, plain, MAG1, timestamp.seconds))
    return replace(reply, status=status, options=(*reply.options, *more))


class TestTheMag:
    def attached(self, mag: MobileAccessGateway, *more: Redirect) -> list[object]:
        mag.attach(LINK1, 3, START)
        request, lma = asks(mag)
        assert lma == LMA1
        return list(answer(mag, granted(request, *more), LMA1, START))

    def test_it_offers_the_capability_where_a_session_may_begin(self) -> None:
        mag = connected()
        mag.attach(LINK1, 3, START)
        request, _ = asks(mag)
        assert request.option(RedirectCapability) is not None
        answer(mag, granted(request), LMA1, START)
        requests = [effect.message for _, effect in until(mag, START + 2701) if isinstance(effect, Send)]
        refresh = [message for message in requests if isinstance(message, BindingUpdate)]
        mag.detach(3, START + 2702)
        refresh.append(asks(mag)[0])
        assert refresh and all(message.option(RedirectCapability) is None for message in refresh)

    def test_it_goes_on_with_the_lma_that_has_the_session(self) -> None:
        mag = connected()
        told = only(sent(self.attached(mag, Redirect(RedirectFlag.K, LMA2)), RouteAdjust))  # type: ignore[arg-type]
        assert told.option(Attachment) == Attachment(3, LMA2)
        assert only(list(mag.bindings)).anchor == LMA2
        destinations = {
            effect.destination
            for _, effect in until(mag, START + 2701)
            if isinstance(effect, Send) and isinstance(effect.message, BindingUpdate)
        }
        assert destinations == {LMA2}
        mag.detach(3, START + 2702)
        assert asks(mag)[1] == LMA2

    @pytest.mark.parametrize("target", [LMA3, IPv6Address("fd00::66")])
    def test_it_does_not_follow_to_where_it_has_no_tunnel(self, target: IPv6Address) -> None:
        mag = connected()
        effects = self.attached(mag, Redirect(RedirectFlag.K, target))
        assert "redirection-ignored" in [report.kind for report in of(effects, Notice)]  # type: ignore[arg-type]
        assert only(list(mag.bindings)).anchor == LMA1

    def test_it_does_not_follow_when_it_has_not_offered_to(self) -> None:
        mag = connected(redirection=False)
        mag.attach(LINK1, 3, START)
        request, _ = asks(mag)
        assert request.option(RedirectCapability) is None
        answer(mag, granted(request, Redirect(RedirectFlag.K, LMA2)), LMA1, START)
        assert only(list(mag.bindings)).anchor == LMA1

    @pytest.mark.parametrize("status", [130, 153])
    def test_refused_by_one_it_asks_the_other_and_no_lma_twice(self, status: int) -> None:
        mag = connected()
        mag.attach(LINK1, 3, START)
        for lma in (LMA1, LMA2):
            request, asked = asks(mag)
            assert asked == lma
            mag.receive(granted(request, status=status), lma, START)
        assert sent(mag.effects(), BindingUpdate) == []
        assert mag.bindings == ()

    def test_without_redirection_it_asks_no_other(self) -> None:
        mag = connected(redirection=False)
        mag.attach(LINK1, 3, START)
        request, _ = asks(mag)
        effects = answer(mag, granted(request, status=130), LMA1, START)
        assert sent(effects, BindingUpdate) == []

    def test_when_the_redirected_session_expires_it_goes_back(self) -> None:
        mag = connected()
        self.attached(mag, Redirect(RedirectFlag.K, LMA2))
        seen = [
            effect.destination
            for _, effect in until(mag, START + 3600)
            if isinstance(effect, Send) and isinstance(effect.message, BindingUpdate)
        ]
        assert seen[0] == LMA2 and seen[-1] == LMA1

    def test_159_is_asked_once_more_for_any_prefix(self) -> None:
        prefix = IPv6Network("2001:db8:100:1::/64")
        mag = connected(mobile_nodes=(replace(NODE1, prefixes=(prefix,)),), redirection=False)
        mag.attach(LINK1, 3, START)
        request, _ = asks(mag)
        assert networks(request) == (prefix,)  # type: ignore[arg-type]
        options = tuple(option for option in request.options if not isinstance(option, RedirectCapability))
        mag.receive(BindingAcknowledgement(159, request.sequence, 0, options=options), LMA1, START)
        again, _ = asks(mag)
        assert networks(again) == (IPv6Network("::/0"),)  # type: ignore[arg-type]


# All together, over the wire


class Net:
    """Two LMAs and two MAGs; everything that is sent arrives at once, through builder and parser."""

    def __init__(self) -> None:
        self.lmas = {address: peer(address) for address in (LMA1, LMA2)}
        self.mags = {address: connected(address=address) for address in (MAG1, MAG2)}
        self.machines: dict[IPv6Address, Machine] = {**self.lmas, **self.mags}

    def work(self, now: float) -> list[Message | Effect]:
        """Messages to the RMS, and all effects but messages, in their order."""
        seen: list[Message | Effect] = []
        busy = True
        while busy:
            busy = False
            for source, machine in self.machines.items():
                for effect in machine.effects():
                    if isinstance(effect, Send) and effect.destination in self.machines:
                        busy = True
                        self.deliver(effect.message, source, effect.destination, now)
                    else:
                        seen.append(effect.message if isinstance(effect, Send) else effect)
        return seen

    def deliver(self, message: Message, source: IPv6Address, destination: IPv6Address, now: float) -> None:
        datagram = build(message, source, destination)
        self.machines[destination].receive(parse(datagram, source, destination), source, now)

    def held(self, mag: IPv6Address) -> tuple[tuple[IPv6Network, ...], IPv6Address]:
        entry = only(list(self.mags[mag].bindings))
        return entry.prefixes, entry.anchor


def test_a_redirected_session_is_handed_over_refreshed_and_ended() -> None:
    net = Net()
    net.lmas[LMA1].receive(load_adjust(LMA2), RMS, START)
    net.mags[MAG1].attach(LINK1, 3, START)
    net.work(START)
    prefixes, where = net.held(MAG1)
    assert where == LMA2 and prefixes[0] in SLICES[LMA2]
    net.mags[MAG2].attach(LINK1, 4, START + 1)
    net.work(START + 1)
    assert net.held(MAG2) == (prefixes, LMA2)
    assert net.mags[MAG1].bindings == ()  # LMA2 has told it
    net.mags[MAG2].detach(4, START + 2)
    net.work(START + 2)
    net.mags[MAG1].attach(LINK1, 3, START + 3)
    net.work(START + 3)
    assert net.held(MAG1) == (prefixes, LMA2)
    assert net.lmas[LMA1].bindings == ()


def test_the_sessions_of_a_drained_lma_go_to_another() -> None:
    net = Net()
    net.mags[MAG1].attach(LINK1, 3, START)
    net.work(START)
    assert net.held(MAG1)[1] == LMA1
    net.lmas[LMA1].drain(START + 1)
    net.work(START + 1)
    prefixes, where = net.held(MAG1)
    assert where == LMA2 and prefixes[0] in SLICES[LMA2]
    assert net.lmas[LMA1].bindings == ()
    assert only(list(net.lmas[LMA2].bindings)).prefixes == prefixes


def announced(prefix: IPv6Network, time: float) -> RouteAdjust:
    """What the RMS tells all LMAs of the mobile node of ``NODE1`` at MAG1."""
    options = (Timestamp.of(time), MobileNodeIdentifier(NODE1.identifier), Attachment(3, LMA1))
    return RouteAdjust(prefix.network_address, IPv6Address("::"), MAG1, options=options)


def test_they_keep_their_prefixes_when_the_rms_has_announced_them() -> None:
    """The RMS drains LMA1: no mobile node notices."""
    net = Net()
    net.mags[MAG1].attach(LINK1, 3, START)
    net.work(START)
    prefixes, _ = net.held(MAG1)
    for lma in net.lmas.values():
        lma.receive(announced(prefixes[0], START), RMS, START)
        lma.effects()
    drain = LoadAdjust(LMA1, LMA2, options=(Timestamp.of(START + 1), Drain(1)))
    net.lmas[LMA1].receive(drain, RMS, START + 1)
    seen = net.work(START + 1)
    assert drain in seen  # acknowledged
    assert not [effect for effect in seen if isinstance(effect, Advertise) and effect.lifetime == 0]
    assert net.lmas[LMA1].draining
    assert net.held(MAG1) == (prefixes, LMA2)
    assert net.lmas[LMA1].bindings == ()
    # While it drains it is told so again and again; and others get what they ask for elsewhere only if it is theirs.
    again = LoadAdjust(LMA1, LMA2, options=(Timestamp.of(START + 2), Drain(1)))
    assert of(answer(net.lmas[LMA1], again, RMS, START + 2), Send) == [Send(again, RMS)]
    request = pbu(START + 2, NODE2, link=LINK2, prefixes=prefixes)
    reply, _ = reply_of(answer(net.lmas[LMA2], request, MAG2, START + 2))
    assert reply.status == BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX
    over = LoadAdjust(LMA1, LMA1, options=(Timestamp.of(START + 3), Drain(0)))
    net.lmas[LMA1].receive(over, RMS, START + 3)
    assert not net.lmas[LMA1].draining
