"""What an LMA learns of the RMS and forgets: announced routes, snapshots, sessions without owner, draining; grants."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from ipaddress import IPv6Address, IPv6Network

import pytest
from mobility_helpers import (
    LINK1,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    NODE1,
    POOL,
    RMS,
    START,
    anchor,
    answer,
    gateway,
    networks,
    of,
    only,
    pbu,
    sent,
)

from ryu_pmipls.mobility import Effect, LocalMobilityAnchor, MobileAccessGateway, Send
from ryu_pmipls.wire import (
    Attachment,
    BindingAcknowledgement,
    BindingUpdate,
    Drain,
    Grant,
    GrantKey,
    Heartbeat,
    HeartbeatFlag,
    HomeNetworkPrefix,
    LoadAdjust,
    MobileNodeIdentifier,
    Option,
    RestartCounter,
    RouteAdjust,
    RouteSnapshot,
    Timestamp,
    UplinkShare,
)
from ryu_pmipls.wire.codepoints import BindingStatus
from ryu_pmipls.wire.grants import Granter

NONE = IPv6Address("::")
KEY = bytes(range(32))
LIFETIME = 3600.0
#: When an LMA ends a session that is announced as its own at ``START``.
ENDED = START + LIFETIME + 10


def prefix(number: int) -> IPv6Address:
    return IPv6Address(int(IPv6Address("2001:db8:100::")) + (number << 64))


def announced(number: int, when: float = START, new: IPv6Address = MAG1, at: IPv6Address = LMA1) -> RouteAdjust:
    options = (Timestamp.of(when), MobileNodeIdentifier(NODE1.identifier), Attachment(1, at))
    return RouteAdjust(prefix(number), NONE, new, options=options)


def snapshot(number: int, complete: bool) -> RouteAdjust:
    return RouteAdjust(NONE, NONE, NONE, options=(RouteSnapshot(number, int(complete)),))


def acknowledgement(effects: list[Effect]) -> BindingAcknowledgement:
    return only(sent(effects, BindingAcknowledgement))


def reports(lma: LocalMobilityAnchor, now: float) -> list[RouteAdjust]:
    """What the LMA says to the RMS of its own accord by then, about prefixes."""
    lma.handle_timer(now)
    return [message for message in sent(lma.effects(), RouteAdjust) if message.prefix != NONE]


class TestSnapshots:
    def test_an_lma_that_starts_asks_for_all_routes_until_it_is_answered_and_tells_its_key(self) -> None:
        lma = anchor(announced_grant_key=KEY)
        lma.start(START)
        (request,) = sent(lma.effects(), RouteAdjust)
        assert (request.prefix, request.old_mag, request.new_mag) == (NONE, NONE, NONE)
        assert request.options == (Timestamp.of(START), GrantKey(KEY))
        lma.handle_timer(START + 1)
        assert sent(lma.effects(), RouteAdjust) == [request]
        assert answer(lma, request, RMS, START + 2) == []
        lma.handle_timer(START + 100)
        assert sent(lma.effects(), RouteAdjust) == []

    def test_what_a_snapshot_lacks_is_forgotten_when_it_ends_and_not_before(self) -> None:
        lma = anchor()
        for number in (1, 2, 3):
            lma.receive(announced(number), RMS, START)
        lma.effects()
        begin, end = snapshot(7, False), snapshot(7, True)
        assert answer(lma, begin, RMS, START) == [Send(begin, RMS)]
        lma.receive(announced(1), RMS, START)
        lma.receive(announced(4, START + 1), RMS, START + 1)  # a node attaches meanwhile
        lma.receive(announced(2, START - 5), RMS, START)  # the RMS knows less of this one
        lma.effects()
        assert {*lma.routes} == {prefix(1), prefix(2), prefix(3), prefix(4)}
        assert answer(lma, end, RMS, START + 2) == [Send(end, RMS)]
        assert {*lma.routes} == {prefix(1), prefix(2), prefix(4)}

    def test_the_end_of_a_snapshot_that_began_before_a_restart_ends_nothing(self) -> None:
        lma = anchor()
        lma.receive(snapshot(8, False), RMS, START)
        lma.receive(announced(1), RMS, START)
        lma.receive(snapshot(7, True), RMS, START)
        assert {*lma.routes} == {prefix(1)}

    def test_routes_are_forgotten_when_nothing_is_heard_of_the_rms_for_three_lifetimes(self) -> None:
        lma = anchor()
        lma.receive(announced(1), RMS, START)
        lma.receive(snapshot(1, False), RMS, START + LIFETIME)
        lma.handle_timer(START + 4 * LIFETIME - 1)
        assert {*lma.routes} == {prefix(1)}
        lma.handle_timer(START + 4 * LIFETIME)
        assert lma.routes == {}

    def test_after_a_restart_a_prefix_of_another_lma_is_given_to_its_node_as_soon_as_it_is_announced(self) -> None:
        """So that a drain renumbers nobody."""
        lma = anchor()
        lma.start(START)
        number = 2**23 + 5
        other = IPv6Network((prefix(number), 64))
        assert other not in POOL
        reply = acknowledgement(answer(lma, pbu(START, prefixes=(other,)), MAG1, START))
        assert reply.status == BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX
        lma.receive(announced(number, at=LMA2), RMS, START)
        lma.effects()
        reply = acknowledgement(answer(lma, pbu(START + 0.1, prefixes=(other,)), MAG1, START + 0.1))
        assert networks(reply) == (other,)


class TestOwners:
    def test_a_session_announced_as_its_own_that_no_mag_registers_is_ended_after_a_lifetime(self) -> None:
        lma = anchor()
        lma.start(START)
        lma.effects()
        lma.receive(announced(1), RMS, START)
        assert reports(lma, ENDED - 1) == [announced(1)]  # only its answer
        (end,) = reports(lma, ENDED)
        assert (end.prefix, end.old_mag, end.new_mag) == (prefix(1), MAG1, NONE)
        assert end.option(Timestamp) == Timestamp(Timestamp.of(START).ticks + 1)
        assert end.option(Attachment) == Attachment(0, LMA1)
        assert reports(lma, ENDED + 1) == [end]
        lma.receive(end, RMS, ENDED + 1)
        assert reports(lma, ENDED + LIFETIME) == []

    def test_one_that_is_registered_again_or_is_elsewhere_is_left_alone(self) -> None:
        lma = anchor()
        lma.start(START)
        reply = acknowledgement(answer(lma, pbu(START), MAG1, START))
        own = reply.all(HomeNetworkPrefix)[0].prefix
        lma.receive(replace(announced(1), prefix=own), RMS, START)
        lma.receive(announced(2, at=LMA2), RMS, START)
        lma.receive(announced(3), RMS, START)
        lma.receive(announced(3, START + 1, new=NONE), RMS, START + 1)  # its MAG has reported its end
        for hour in range(1, 3):
            now = START + hour * LIFETIME - 60
            lma.receive(pbu(now, prefixes=(IPv6Network((own, 64)),)), MAG1, now)
            lma.effects()
        assert reports(lma, ENDED + 1) == []


class TestDraining:
    def order(self, draining: bool, when: float) -> LoadAdjust:
        return LoadAdjust(LMA1, LMA1, options=(Timestamp.of(when), Drain(int(draining))))

    def test_an_rms_that_says_no_drain_leaves_an_order_given_at_the_lma_in_force(self) -> None:
        lma = anchor(redirection_peers=(LMA2,))
        lma.drain(START)
        lma.receive(self.order(False, START + 1), RMS, START + 1)
        assert lma.draining
        lma.undrain(START + 2)
        assert not lma.draining

    @pytest.mark.parametrize("at_the_lma", [False, True])
    def test_the_end_of_the_rms_order_or_an_order_at_the_lma_ends_its_draining(self, at_the_lma: bool) -> None:
        lma = anchor(redirection_peers=(LMA2,))
        lma.receive(self.order(True, START), RMS, START)
        assert lma.draining
        if at_the_lma:
            lma.undrain(START + 1)
        else:
            lma.receive(self.order(False, START + 1), RMS, START + 1)
        assert not lma.draining


class TestGrants:
    def code(self, where: IPv6Address, mag: IPv6Address, timestamp: Option | None) -> Grant:
        assert isinstance(timestamp, Timestamp)
        return Grant(Granter(KEY).code(where.packed[:8], mag.packed, timestamp.ticks, NODE1.identifier))

    def test_an_lma_grants_each_prefix_to_the_mag_and_the_node_at_the_time_of_the_request(self) -> None:
        lma = anchor(grant_key=lambda: KEY)
        request = pbu(START)
        reply = acknowledgement(answer(lma, request, MAG2, START))
        (prefixes,) = [reply.all(HomeNetworkPrefix)]
        assert [*reply.all(Grant)] == [self.code(each.prefix, MAG2, request.option(Timestamp)) for each in prefixes]
        refused = acknowledgement(answer(lma, pbu(START - 100), MAG2, START))
        assert refused.status != 0 and not refused.all(Grant)

    def test_a_key_that_changes_is_followed(self) -> None:
        keys = [KEY]
        lma = anchor(grant_key=lambda: keys[0])
        first = acknowledgement(answer(lma, pbu(START), MAG1, START))
        keys[0] = bytes(32)
        request = pbu(START + 1, prefixes=(IPv6Network((first.all(HomeNetworkPrefix)[0].prefix, 64)),))
        second = acknowledgement(answer(lma, request, MAG1, START + 1))
        assert second.status == 0
        assert second.all(Grant) != first.all(Grant)
        assert second.all(Grant) != [self.code(first.all(HomeNetworkPrefix)[0].prefix, MAG1, request.option(Timestamp))]

    def test_a_mag_passes_on_the_grant_of_each_prefix_and_the_newest_when_it_repeats_a_report(self) -> None:
        mag = gateway()
        now = START

        def accept(grant: Grant) -> None:
            (request,) = sent(mag.effects(), BindingUpdate)
            options = tuple(o for o in request.options if not isinstance(o, HomeNetworkPrefix))
            granted = (HomeNetworkPrefix(prefix(1), 64), *options, grant)
            mag.receive(BindingAcknowledgement(0, request.sequence, request.lifetime, options=granted), LMA1, now)

        mag.attach(LINK1, 1, now)
        accept(Grant(b"1" * 16))
        (report,) = sent(mag.effects(), RouteAdjust)
        assert report.option(Grant) == Grant(b"1" * 16)
        mag.receive(report, RMS, now)  # it is in force
        now += 1
        mag.attach(LINK1, 1, now + 20)  # like one that has been away
        accept(Grant(b"2" * 16))
        (again,) = sent(mag.effects(), RouteAdjust)
        assert again.option(Grant) == Grant(b"2" * 16)
        now += 3
        mag.depart(LINK1, now)
        ended = [message for message in self._later(mag, now + 11) if message.new_mag == NONE]
        assert ended[0].option(Grant) == Grant(b"2" * 16)

    def _later(self, mag: MobileAccessGateway, now: float) -> list[RouteAdjust]:
        mag.handle_timer(now)
        return sent(mag.effects(), RouteAdjust)


def test_an_answer_about_something_else_does_not_end_the_request_for_all_routes() -> None:
    lma = anchor()
    lma.start(START)
    lma.effects()
    lma.receive(snapshot(1, True), RMS, START)
    lma.handle_timer(START + 1)
    assert len(sent(lma.effects(), RouteAdjust)) == 2  # the answer, and the request again


def test_a_mag_that_was_restarted_learns_the_shares_of_its_uplink_though_no_tunnel_is_up_yet() -> None:
    mag = gateway()
    told = LoadAdjust(LMA1, LMA1, options=(Timestamp.of(START), UplinkShare(LMA1, 48), UplinkShare(LMA2, 16)))
    assert of(answer(mag, told, RMS, START), Send) == [Send(told, RMS)]
    assert mag.uplinks == {LMA1: Fraction(3, 4), LMA2: Fraction(1, 4)}
    again = replace(told, options=(Timestamp.of(START + 1), *told.options[1:]))
    assert answer(mag, again, RMS, START + 1) == [Send(again, RMS)]  # nothing to report


def test_a_node_that_an_lma_has_refused_for_good_is_asked_for_again_when_that_lma_was_restarted() -> None:
    mag = gateway()
    for counter in (1, 2):
        mag.attach(LINK1, 1, START + counter)
        (request,) = sent(mag.effects(), BindingUpdate)
        refusal = BindingAcknowledgement(
            BindingStatus.PROXY_REG_NOT_ENABLED, request.sequence, 0, options=request.options
        )
        mag.receive(refusal, LMA1, START + counter)
        mag.effects()
        mag.attach(LINK1, 1, START + counter + 0.5)
        assert sent(mag.effects(), BindingUpdate) == []
        for number in (2 * counter, 2 * counter + 1):
            started = Heartbeat(0, HeartbeatFlag.U | HeartbeatFlag.R, options=(RestartCounter(number),))
            mag.receive(started, LMA1, START + counter + 0.5)
