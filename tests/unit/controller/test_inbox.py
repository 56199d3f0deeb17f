"""Messages and their handlers, by type and by the sender's role."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_pmipls.controller.grant_check import GrantCheck
from ryu_pmipls.controller.inbox import Inbox
from ryu_pmipls.controller.route_reports import RouteReport
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling import Peer, Role
from ryu_pmipls.wire import (
    Attachment,
    BindingError,
    BindingErrorStatus,
    CoreGateway,
    GrantKey,
    LoadAdjust,
    LoadInfo,
    Message,
    RouteAdjust,
    RouteSnapshot,
    Timestamp,
    build,
    parse,
)
from tests.fakes.clocks import FixedClock

PROFILE = load_profile("two-lma")
RMS, NOW, NOWHERE = PROFILE.rms.address, 1_700_000_000.0, IPv6Address("::")
MAG1, MAG2 = (mag.address for mag in PROFILE.mags)
LMA1, LMA2 = (lma.address for lma in PROFILE.lmas)
MAG = Peer("mag1", Role.MAG, MAG1, MAG1.packed, "udp", b"")
LMA = Peer("lma1", Role.LMA, LMA1, LMA1.packed, "udp", b"")
PREFIX = PROFILE.home_prefix_pool.network_address
GATEWAY = CoreGateway(bytes.fromhex("02000000c0de"))
ADJUST = LoadAdjust(LMA1, LMA2, options=(Timestamp.of(NOW),))
ATTACHMENT = RouteAdjust(PREFIX, MAG2, MAG1, options=(Timestamp.of(NOW),))
SESSION_END = RouteAdjust(PREFIX, MAG1, NOWHERE, options=(Timestamp.of(NOW), Attachment(0, LMA1)))


class ClosedError(Exception):
    """The end of an inbox."""


class Surroundings:
    """The RMS around an :class:`Inbox`; ``done`` is what the inbox has it do, in order."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.awaited: list[Message] = []  # messages that the RMS has sent
        self.notices: list[bytes] = []  # Route_adjusts that LMAs have yet to answer
        self.gateways: dict[str, bytes] = {}
        self.failure: Exception | None = None
        self.settled = SimpleNamespace(is_set=lambda: False, wait=lambda seconds: self.done.append(("gather", seconds)))
        self.descriptors = ()
        self.arrivals: list[list[tuple[bytes, Peer]]] = []  # datagrams of each turn; then the inbox is closed
        self.lmas = {"lma1": self}
        self.refused: Counter[str] = Counter()
        world: Any = self
        context: Any = SimpleNamespace(profile=PROFILE, state=self, switches=self, clock=FixedClock(NOW))
        self.grant_keys: dict[str, bytes] = {}
        self.shared: tuple[bytes, ...] = ()
        grants = GrantCheck(PROFILE, world, lambda address: self.shared)
        self.inbox = Inbox(context, world, world, world, world, [self.use_load_info], grants, self.refused)

    def handle(self, *messages: tuple[Message, Peer]) -> list[tuple[Any, ...]]:
        """Have messages handled in one turn; return what is done."""
        self.done.clear()
        self.inbox.handle([(build(message, peer.address, RMS), peer) for message, peer in messages], NOW)
        return self.done

    # The endpoint.

    def datagrams(self, most: int) -> list[tuple[bytes, Peer]]:
        if not self.arrivals:
            raise ClosedError
        return self.arrivals.pop(0)

    def decode(self, octets: bytes, peer: Peer) -> Message | None:
        return parse(octets, peer.address, RMS) if octets else None

    def encode(self, message: Message, destination: IPv6Address) -> bytes:
        octets = build(message, RMS, destination)
        if len(octets) > 200:
            raise ValueError("too long")
        return octets

    def pattern(self, *_: object) -> None:
        return None

    # Routes and the notifier.

    def update(self, reports: list[RouteReport], now: float) -> None:
        if reports:
            self.done.append(("update", [report.change.new_mag for report in reports]))

    def end_session(self, report: RouteReport, now: float) -> None:
        self.done.append(("end", report.peer.name))

    def send(self, now: float, *, busy: bool) -> None:
        self.done.append(("notify", busy))

    # Acknowledgements: octets are the notifier's, messages the retransmission's.

    def acknowledge(self, what: bytes | Message, sender: Peer | IPv6Address) -> bool:
        if isinstance(what, bytes):
            return what in self.notices
        return what in self.awaited

    def acknowledge_message(self, message: Message, peer: Peer) -> bool:
        return build(message, RMS, peer.address) in self.notices

    # Load_info.

    def use_load_info(self, lma: str, message: LoadInfo, now: float) -> None:
        if self.failure is not None:
            raise self.failure
        self.done.append(("load", lma, message.cpu, now))

    def learn_core_gateway(self, lma: str, address: bytes) -> bool:
        known, self.gateways[lma] = self.gateways.get(lma), address
        return known != address

    def learn_grant_key(self, lma: str, key: bytes) -> None:
        self.grant_keys[lma] = key

    def restate(self, peer: Peer, request: bytes, now: float) -> None:
        self.done.append(("restate", peer.name))

    def send_octets(self, octets: bytes, peer: Peer) -> None:
        self.done.append(("answer", peer.name))

    def refresh(self) -> None:
        self.done.append(("refresh",))

    def save(self) -> None:
        self.done.append(("save",))


@pytest.fixture
def world() -> Surroundings:
    return Surroundings()


def test_reports_of_mags_are_handled_together_and_ends_of_sessions_last(world: Surroundings) -> None:
    detachment = RouteAdjust(PREFIX, MAG1, NOWHERE, options=(Timestamp.of(NOW + 1),))
    assert world.handle((SESSION_END, LMA), (ATTACHMENT, MAG), (LoadInfo(0.5, 0, ()), LMA), (detachment, MAG)) == [
        ("load", "lma1", 0.5, NOW),
        ("update", ["mag1", None]),
        ("end", "lma1"),
        ("notify", True),
    ]
    assert not world.refused


def test_a_core_gateway_is_in_force_before_it_is_saved_and_only_when_it_is_new(world: Surroundings) -> None:
    report = LoadInfo(0.5, 0, (), (GATEWAY,))
    done = [("load", "lma1", 0.5, NOW), ("refresh",), ("save",), ("notify", True)]
    assert world.handle((report, LMA)) == done
    assert world.handle((report, LMA)) == [done[0], done[-1]]
    assert world.gateways == {"lma1": GATEWAY.link_layer_address}


@pytest.mark.parametrize(
    ("message", "peer"),
    [
        (ADJUST, MAG),
        (ADJUST, LMA),
        (RouteAdjust(NOWHERE, NOWHERE, MAG1, options=(Timestamp.of(NOW),)), MAG),
    ],
)
def test_an_acknowledgement_is_one_if_somebody_waits_for_it(world: Surroundings, message: Message, peer: Peer) -> None:
    world.awaited = [message]
    assert world.handle((message, peer)) == [("notify", True)]
    assert not world.refused
    world.awaited = []
    assert world.handle((message, peer)) == [("notify", True)]
    assert world.refused == {"nothing to answer": 1}


def test_an_lma_acknowledges_by_the_same_octets_or_by_the_same_message(world: Surroundings) -> None:
    octets = build(ATTACHMENT, LMA1, RMS)
    world.notices = [octets]
    assert world.handle((ATTACHMENT, LMA)) == [("notify", True)]
    world.notices = [build(ATTACHMENT, RMS, LMA1)]
    assert world.handle((ATTACHMENT, LMA)) == [("notify", True)]
    assert not world.refused
    world.notices = []
    assert world.handle((ATTACHMENT, LMA)) == [("notify", True)]
    assert world.refused == {"nothing to answer": 1}


def test_what_needs_no_answer_or_cannot_be_decoded_is_not_handled(world: Surroundings) -> None:
    assert world.handle((BindingError(BindingErrorStatus.UNRECOGNIZED_MH_TYPE), MAG)) == [("notify", True)]
    assert world.refused == {"nothing to answer": 1}
    world.done.clear()
    world.inbox.handle([(b"", MAG)], NOW)
    assert world.done == [("notify", True)]
    assert world.refused == {"nothing to answer": 1}


def test_a_report_that_is_too_long_to_be_announced_is_refused(world: Surroundings) -> None:
    longer = RouteAdjust(PREFIX, MAG2, MAG1, options=(Timestamp.of(NOW),) * 20)
    assert world.handle((longer, MAG)) == [("notify", True)]
    assert world.refused == {"route_adjust: too long": 1}


@pytest.mark.parametrize(
    ("failure", "line", "refused"),
    [
        (StoreError("the disk is full"), "the disk is full", {}),
        (RuntimeError("a fault"), "handling a message from lma1 failed", {"failed": 1}),
    ],
)
def test_a_failure_keeps_no_other_message_from_being_handled(
    world: Surroundings, caplog: pytest.LogCaptureFixture, failure: Exception, line: str, refused: dict[str, int]
) -> None:
    world.failure = failure
    messages: Iterable[tuple[Message, Peer]] = [(LoadInfo(0.5, 0, ()), LMA), (ATTACHMENT, MAG)]
    with caplog.at_level(logging.ERROR):
        assert world.handle(*messages) == [("update", ["mag1"]), ("notify", True)]
    assert [record.getMessage() for record in caplog.records] == [line]
    assert world.refused == refused


def test_other_work_has_its_turn_after_each_batch(world: Surroundings) -> None:
    world.arrivals = [[(b"", MAG)] * 256 for _ in range(5)]
    running = hub.spawn(world.inbox.run)
    for left in (4, 3):
        hub.sleep(0)
        assert len(world.arrivals) == left
    assert world.done == [("notify", True)] * 2
    hub.kill(running)


def test_datagrams_gather_after_a_small_batch_and_a_failure_is_counted(
    world: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    world.arrivals = [[(b"", MAG)], [(b"", MAG)] * 255]
    world.send = None  # type: ignore[assignment, method-assign]
    with pytest.raises(ClosedError):
        world.inbox.run()
    assert world.done == [("gather", 0.01)] * 2
    assert world.refused == {"failed": 2}
    assert [record.getMessage() for record in caplog.records] == ["handling reports of routes failed"] * 2


KEY = GrantKey(bytes(range(32)))


def test_the_request_of_an_lma_that_has_started_tells_its_key_and_is_answered_with_all_routes(
    world: Surroundings,
) -> None:
    request = RouteAdjust(NOWHERE, NOWHERE, NOWHERE, options=(Timestamp.of(NOW), KEY))
    assert world.handle((request, LMA)) == [("restate", "lma1"), ("answer", "lma1"), ("notify", True)]
    assert world.grant_keys == {"lma1": KEY.secret}


def test_a_late_answer_about_a_snapshot_is_no_request(world: Surroundings) -> None:
    late = RouteAdjust(NOWHERE, NOWHERE, NOWHERE, options=(RouteSnapshot(1, 0),))
    assert world.handle((late, LMA)) == [("notify", True)]
    assert world.refused == {"nothing to answer": 1}


def test_a_key_is_learnt_from_load_info_unless_the_two_share_a_secret(world: Surroundings) -> None:
    world.handle((LoadInfo(0.5, 0, (), (KEY,)), LMA))
    assert world.grant_keys.pop("lma1") == KEY.secret
    world.shared = (b"a secret of sixteen",)
    world.handle((LoadInfo(0.5, 0, (), (KEY,)), LMA))
    assert world.grant_keys == {}
